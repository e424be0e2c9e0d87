//! Lengths of time: whole numbers with their units, the largest first.

use crate::codes;
use crate::reader::{Reader, Written};
use crate::scalars::parsed;
use crate::yaml::Node;
use jiff::{SignedDuration, SpanRelativeTo};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Longest duration, as long as the longest window: nothing that is waited for takes more than a week of one server, and a
/// larger number is a slip of the hand.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

const TOO_LONG: &str = "nothing is waited for longer than seven days: write `7d` or less";

/// The units, the largest first, with their seconds.
const UNITS: [(char, i64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// A duration of at least one second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length(pub(crate) SignedDuration);

/// How long a window is open. A rule of its own says what is too long, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenFor(pub(crate) SignedDuration);

/// A duration that may be zero.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause(pub(crate) SignedDuration);

/// Returns the seconds of a duration in the one spelling that there is: `1h30m`, with or without a blank in between.
fn exact(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut units = UNITS.as_slice();
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // Some read a number with zeros in front as octal.
        let number: i64 = (digits == 1 || !rest.starts_with('0')).then(|| rest[..digits].parse().ok()).flatten()?;
        let unit = rest[digits..].chars().next()?;
        let position = units.iter().position(|(name, _)| *name == unit)?;
        seconds = seconds.checked_add(number.checked_mul(units[position].1)?)?;
        units = &units[position + 1..];
        rest = &rest[digits + 1..];
        // One blank may stand between two parts, and none at an end.
        rest = rest.strip_prefix(' ').filter(|after| !after.is_empty()).unwrap_or(rest);
    }
    (!text.is_empty()).then_some(seconds)
}

/// Returns a duration as it is written in plans.
fn spelled(mut seconds: i64) -> String {
    let mut text = String::new();
    for (unit, length) in UNITS {
        if seconds >= length {
            text.push_str(&(seconds / length).to_string());
            text.push(unit);
            seconds %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Returns a text without the zeros in front of its numbers.
fn zeros_dropped(text: &str) -> Option<String> {
    let mut kept = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_start_matches('0');
        // A number of zeros alone stays one.
        let zero = part.len() > digits.len() && !digits.starts_with(|c: char| c.is_ascii_digit());
        kept.push_str(if zero { "0" } else { "" });
        kept.push_str(digits);
    }
    (kept != text).then_some(kept)
}

/// Says how what was written is written here.
fn way_out(text: &str) -> String {
    let text = text.trim();
    if text.parse::<f64>().is_ok() {
        let number = text.trim_start_matches(['-', '+']);
        return format!("a duration needs a unit: `{number}s`, `{number}m` or `{number}h`");
    }
    if let Some(seconds) = zeros_dropped(text).as_deref().and_then(exact) {
        return format!("write each number without zeros in front: `{}`", spelled(seconds));
    }
    let understood = text.parse::<jiff::Span>().and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()));
    match understood {
        Ok(duration) if duration.is_negative() => "a duration cannot be negative".to_owned(),
        Ok(duration) if duration.subsec_nanos() == 0 && duration <= LONGEST => {
            format!("write it as whole numbers with units: `{}`", spelled(duration.as_secs()))
        }
        Ok(_) | Err(_) => "write it like `90s`, `45m`, `2h`, `1h30m` or `7d`".to_owned(),
    }
}

fn whole(text: &str) -> Result<SignedDuration, String> {
    exact(text).map(SignedDuration::from_secs).ok_or_else(|| way_out(text))
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let duration = whole(text)?;
    if duration > LONGEST {
        return Err(TOO_LONG.to_owned());
    }
    Ok(duration)
}

fn duration_schema() -> Schema {
    json_schema!({
        "type": "string",
        "pattern": "^((0|[1-9][0-9]*)d)?( ?(0|[1-9][0-9]*)h)?( ?(0|[1-9][0-9]*)m)?( ?(0|[1-9][0-9]*)s)?$",
        "minLength": 2,
        "examples": ["90s", "45m", "2h", "1h30m"],
    })
}

impl Written for Length {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_DURATION, "a duration", |text| {
            let duration = duration(text)?;
            let long_enough = duration >= SignedDuration::from_secs(1);
            long_enough.then_some(Self(duration)).ok_or_else(|| "zero makes no sense here".to_owned())
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema()
    }
}

impl Written for OpenFor {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_DURATION, "a duration", |text| {
            let duration = whole(text)?;
            let long_enough = duration >= SignedDuration::from_secs(1);
            long_enough.then_some(Self(duration)).ok_or_else(|| "zero makes no sense here".to_owned())
        })
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema()
    }
}

impl Written for Pause {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        parsed(node, reader, codes::BAD_DURATION, "a duration", |text| duration(text).map(Self))
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        duration_schema()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_one_spelling() {
        for (text, seconds) in [
            ("90s", 90),
            ("1h30m", 5400),
            ("1h 30m", 5400),
            ("7d", 604_800),
            ("0s", 0),
            ("2d 1s", 172_801),
            ("0h5m", 300),
        ] {
            assert_eq!(duration(text), Ok(SignedDuration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            " ",
            "h",
            "1",
            "+1h",
            "-1h",
            "PT1H",
            "1.5h",
            "1H",
            "1m1h",
            "1h1h",
            "1h  30m",
            "1h ",
            " 1h",
            "1 h",
            "1w",
            "500ms",
            "1h,30m",
            "2 hours",
            "1h\n30m",
            "99999999999999999999d",
            "９s",
            "007m",
            "00s",
            "1h05m",
            "8d",
            "169h",
            "366d",
        ] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn other_spellings_are_told_the_one_that_is_read() {
        for (text, said) in [
            ("PT1H30M", "`1h30m`"),
            ("1.5h", "`1h30m`"),
            ("+1h", "`1h`"),
            ("90min", "`1h30m`"),
            ("2 hours", "`2h`"),
            ("90", "`90s`"),
            ("-1h", "negative"),
            ("soon", "`45m`"),
            ("500ms", "`90s`"),
            ("007m", "`7m`"),
            ("1h05m", "`1h5m`"),
            ("00s", "`0s`"),
            ("366d", "seven days"),
        ] {
            let help = duration(text).unwrap_err();
            assert!(help.contains(said), "{text}: {help}");
        }
    }
}
