//! When an event that recurs begins.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rrule::RRuleSet;

/// Nothing before it matters, and nothing after it is worked out: a plan has to mean the same whenever it is read.
const FIRST: DateTime = DateTime::constant(2026, 1, 1, 0, 0, 0, 0);
const LAST: DateTime = DateTime::constant(2041, 1, 1, 0, 0, 0, 0);

/// Most times that an event may recur in these years: every day of them.
const MOST: usize = 5_500;

/// Most times that are gone through to find these: every day of a century.
const MOST_SEEN: usize = 40_000;

/// The forms of times and days in a calendar.
pub(super) const TIME: &str = "%Y%m%dT%H%M%S";
pub(super) const DAY: &str = "%Y%m%d";

/// What makes an event recur.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Its rules, as they stand in the file.
    pub(super) rules: Vec<String>,
    /// Further beginnings.
    pub(super) more: Vec<DateTime>,
    /// Beginnings that do not count.
    pub(super) except: Vec<DateTime>,
}

impl Rules {
    /// Returns when an event begins that begins first at `start`, by the clocks of `zone`.
    pub(super) fn starts(&self, start: DateTime, zone: &TimeZone) -> Result<Vec<DateTime>, String> {
        if self.rules.is_empty() && self.more.is_empty() {
            return Ok(if self.except.contains(&start) { Vec::new() } else { vec![start] });
        }
        // To go through the seconds of fifteen years takes long, and finds at most what no freeze is.
        if self.rules.iter().any(|rule| is_within_a_day(rule)) {
            return Err(format!("{} recurs more than once a day; a freeze that never ends is none", self.told()));
        }
        let set: RRuleSet = self.written(start, zone)?.parse().map_err(|error| self.trouble(&error))?;
        let mut found = Vec::new();
        for at in set.limit().into_iter().take(MOST_SEEN) {
            let at = Timestamp::from_second(at.timestamp()).map_err(|error| self.trouble(&error))?;
            let at = TimeZone::UTC.to_datetime(at);
            if at >= LAST {
                break;
            }
            if at >= FIRST {
                found.push(at);
            }
            if found.len() > MOST {
                return Err(format!("{} recurs more than {MOST} times; a freeze that never ends is none", self.told()));
            }
        }
        Ok(found)
    }

    /// Returns the rules for the library. Clocks recur and not moments: ten at night stays ten at night whatever the season,
    /// so that it is given the times of the clocks as if they were UTC.
    fn written(&self, start: DateTime, zone: &TimeZone) -> Result<String, String> {
        let universal = |at: &DateTime| format!("{}Z", at.strftime(TIME));
        let mut lines = vec![format!("DTSTART:{}", universal(&start))];
        for rule in &self.rules {
            lines.push(format!("RRULE:{}", by_the_clock(rule, zone).ok_or_else(|| self.trouble(&"its end"))?));
        }
        for (name, times) in [("RDATE", &self.more), ("EXDATE", &self.except)] {
            let times: Vec<String> = times.iter().map(universal).collect();
            if !times.is_empty() {
                lines.push(format!("{name}:{}", times.join(",")));
            }
        }
        Ok(lines.join("\n"))
    }

    fn told(&self) -> String {
        orchestrate_model::text::foreign(&self.rules.join(" "))
    }

    fn trouble(&self, why: &dyn std::fmt::Display) -> String {
        format!("{} cannot be used: {}", self.told(), orchestrate_model::text::foreign(&why.to_string()))
    }
}

/// Whether a rule recurs by the hour, or more often.
fn is_within_a_day(rule: &str) -> bool {
    let mut parts = rule.split(';').filter_map(|part| part.split_once('='));
    parts.any(|(name, value)| {
        let often = ["SECONDLY", "MINUTELY", "HOURLY"].iter().any(|word| value.trim().eq_ignore_ascii_case(word));
        name.trim().eq_ignore_ascii_case("FREQ") && often
    })
}

/// Returns a rule with its end by the clocks of `zone`, and with an end in any case.
fn by_the_clock(rule: &str, zone: &TimeZone) -> Option<String> {
    let mut parts = Vec::new();
    let mut has_end = false;
    for part in rule.trim().split(';').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        let name = name.trim().to_ascii_uppercase();
        has_end |= matches!(name.as_str(), "UNTIL" | "COUNT");
        if name == "UNTIL" {
            parts.push(format!("UNTIL={}Z", end(value.trim(), zone)?.strftime(TIME)));
        } else {
            parts.push(format!("{name}={}", value.trim()));
        }
    }
    if !has_end {
        parts.push(format!("UNTIL={}Z", LAST.strftime(TIME)));
    }
    Some(parts.join(";"))
}

fn end(text: &str, zone: &TimeZone) -> Option<DateTime> {
    if let Some(universal) = text.strip_suffix('Z') {
        let at = DateTime::strptime(TIME, universal).ok()?;
        return Some(zone.to_datetime(TimeZone::UTC.to_timestamp(at).ok()?));
    }
    let by_time = DateTime::strptime(TIME, text).ok();
    by_time.or_else(|| Some(Date::strptime(DAY, text).ok()?.at(23, 59, 59, 0)))
}
