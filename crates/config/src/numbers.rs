//! Whole numbers: digits and nothing else. What other languages write for a number is told how to be written here.

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::{Reader, Written};
use crate::yaml::Node;
use orchestrate_model::exit_code;
use schemars::{Schema, SchemaGenerator, json_schema};

/// Returns whether a text is a number in the only spelling that has one meaning everywhere.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'))
}

/// Returns the number that another spelling probably stands for.
fn meant(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let rest = rest.replace('_', "");
    let based = |prefixes: [&str; 2], base| {
        let digits = prefixes.iter().find_map(|prefix| rest.strip_prefix(prefix))?;
        i64::from_str_radix(digits, base).ok()
    };
    let value = based(["0x", "0X"], 16)
        .or_else(|| based(["0o", "0O"], 8))
        .or_else(|| based(["0b", "0B"], 2))
        // With a zero in front it may be octal: which of the two was meant is for the author to say.
        .or_else(|| if rest.starts_with('0') { None } else { rest.strip_suffix(".0").unwrap_or(&rest).parse().ok() })?;
    (value >= 0).then(|| format!("{sign}{value}"))
}

/// Returns the digits of a number that has zeros in front, without them.
fn without_zeros(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let padded = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    let rest = digits.trim_start_matches('0');
    let sign = if digits.len() < text.len() && !rest.is_empty() { "-" } else { "" };
    padded.then(|| format!("{sign}{}", if rest.is_empty() { "0" } else { rest }))
}

/// Reads a whole number in a range.
fn number(node: &Node, reader: &mut Reader, (least, most): (i64, i64)) -> Option<i64> {
    let text = reader.text(node, "a whole number")?;
    let Some(number) = is_plain(text).then(|| text.parse::<i64>().ok()).flatten() else {
        let help = if text.ends_with('%') {
            Some("a part of a hundred is not taken: write how many it is at most".to_owned())
        } else {
            meant(text).map(|meant| format!("write it with digits only: `{meant}`"))
        };
        reader.report(
            Diagnostic::error(codes::WRONG_TYPE, node.span, format!("{} is not a whole number", quoted(text)))
                .label("expected a whole number")
                .maybe_help(help),
        );
        return None;
    };
    if (least..=most).contains(&number) {
        return Some(number);
    }
    let range = if most == i64::from(u32::MAX) { format!("at least {least}") } else { format!("{least} to {most}") };
    let message = format!("{} cannot be {number}", reader.whole_path());
    reader.report(Diagnostic::error(codes::OUT_OF_RANGE, node.span, message).label(format!("expected {range}")));
    None
}

macro_rules! whole_number {
    ($($(#[$doc:meta])* $name:ident($inner:ty), $least:expr, $most:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) $inner);

        impl Written for $name {
            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let number = number(node, reader, ($least, $most))?;
                <$inner>::try_from(number).ok().map(Self)
            }

            fn schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "integer", "minimum": $least, "maximum": $most })
            }
        }
    )*};
}

whole_number! {
    /// A number of servers.
    Count(u32), 1, i64::from(u32::MAX);
    /// A number of people.
    People(u32), 1, 20;
    /// A TCP port.
    Port(u16), 1, 65_535;
    /// A day of the month.
    DayOfMonth(i8), 1, 31;
    /// Days from one day to another.
    DaysLater(i8), 0, 31;
}

/// An exit code of Windows: 32 bits, signed, unsigned or in hexadecimal, as one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExitCode(pub(crate) i64);

impl Written for ExitCode {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let text = reader.text(node, "an exit code")?;
        if let Some(code) = exit_code::parse(text) {
            return Some(Self(code));
        }
        let found = Diagnostic::error(codes::BAD_EXIT_CODE, node.span, format!("{} is not an exit code", quoted(text)));
        reader.report(match without_zeros(text).filter(|digits| exit_code::parse(digits).is_some()) {
            Some(digits) => found.label("expected a number without zeros in front").help(format!(
                "some read such a number as octal and others as decimal; where it is decimal, write `{digits}`"
            )),
            None => {
                let help = meant(text).filter(|meant| exit_code::parse(meant).is_some());
                let help = help.map(|meant| format!("write it with digits only: `{meant}`"));
                found.label("expected 32 bits: `3010`, `-2147021886` or `0x80070BC2`").maybe_help(help)
            }
        });
        None
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"] })
    }
}

/// The version of the format, whichever is written; the rules say which one is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FormatVersion(pub(crate) i64);

impl Written for FormatVersion {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        number(node, reader, (i64::MIN, i64::MAX)).map(Self)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": 1 })
    }
}
