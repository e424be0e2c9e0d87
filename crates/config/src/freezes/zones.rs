//! The time zones of calendar files and of Windows.

use icalendar::parser::{Component, Property};
use icu_time::zone::WindowsParser;
use icu_time::zone::iana::IanaParserExtended;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use std::collections::BTreeMap;

/// Returns the IANA name of a time zone by the name that Windows has for it, such as `W. Europe Standard Time`. Where such a
/// name covers several countries, it is the one that CLDR's table has for the world.
pub(crate) fn of_windows(name: &str) -> Option<String> {
    let meant = WindowsParser::new().parse(name, None)?;
    let known = IanaParserExtended::new().iter().find(|known| known.time_zone == meant)?;
    Some(known.canonical.to_owned())
}

/// The time zones that a calendar describes itself.
#[derive(Debug, Default)]
pub(super) struct Zones(BTreeMap<String, TimeZone>);

impl Zones {
    pub(super) fn of(calendar: &Component<'_>) -> Self {
        let own = calendar.components.iter().filter(|component| component.name == "VTIMEZONE");
        let described = own.filter_map(|component| {
            let name = component.find_prop("TZID")?.val.as_str().to_owned();
            let located = component.find_prop("X-LIC-LOCATION").and_then(|location| named(location.val.as_str()));
            Some((name, located.or_else(|| described(component))?))
        });
        Self(described.collect())
    }

    /// Returns a time zone by the name that an event has for it: one of IANA, one of Windows, or one that the calendar
    /// describes.
    pub(super) fn get(&self, name: &str) -> Result<TimeZone, String> {
        named(name).or_else(|| self.0.get(name).cloned()).ok_or_else(|| {
            format!("the time zone {} is known neither here nor in the file", orchestrate_model::text::quoted(name))
        })
    }
}

fn named(name: &str) -> Option<TimeZone> {
    let zones = TimeZoneDatabase::bundled();
    if let Ok(zone) = zones.get(name) {
        return Some(zone);
    }
    if let Some(zone) = of_windows(name) {
        return zones.get(&zone).ok();
    }
    // Some programs put a path of their own in front: /example.org/20260101_1/Europe/Paris.
    let mut rest = name.strip_prefix('/')?;
    loop {
        if let Ok(zone) = zones.get(rest) {
            return Some(zone);
        }
        (_, rest) = rest.split_once('/')?;
    }
}

/// Returns a time zone as its latest rules describe it.
fn described(component: &Component<'_>) -> Option<TimeZone> {
    let latest = |kind: &str| {
        let parts = component.components.iter().filter(|part| part.name == kind);
        let start = |part: &&Component<'_>| part.find_prop("DTSTART").map(|at| at.val.as_str().to_owned());
        parts.max_by_key(start)
    };
    let standard = latest("STANDARD")?;
    let off = offset(standard.find_prop("TZOFFSETTO")?)?;
    let Some(daylight) = latest("DAYLIGHT").filter(|daylight| daylight.find_prop("RRULE").is_some()) else {
        return Some(TimeZone::fixed(off));
    };
    let (summer, rules) = (offset(daylight.find_prop("TZOFFSETTO")?)?, (change(daylight)?, change(standard)?));
    // In this form offsets count westwards.
    let west = |offset: Offset| {
        let seconds = -offset.seconds();
        let (sign, all) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
        format!("{sign}{:02}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60)
    };
    let text = format!("<std>{}<dst>{},{},{}", west(off), west(summer), rules.0, rules.1);
    TimeZone::posix(&text).ok()
}

/// Returns when clocks are changed, in the form of POSIX: month, week, day and time.
fn change(part: &Component<'_>) -> Option<String> {
    let rule = part.find_prop("RRULE")?.val.as_str().to_owned();
    let parts: BTreeMap<&str, &str> = rule.split(';').filter_map(|part| part.split_once('=')).collect();
    let month: u8 = parts.get("BYMONTH")?.parse().ok()?;
    let day = parts.get("BYDAY")?;
    let (week, day) = day.split_at_checked(day.len().checked_sub(2)?)?;
    let week = match week.parse::<i8>().ok()? {
        -1 => 5,
        week @ 1..=4 => week,
        _ => return None,
    };
    let day = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"].iter().position(|name| *name == day)?;
    let start = DateTime::strptime("%Y%m%dT%H%M%S", part.find_prop("DTSTART")?.val.as_str()).ok()?;
    Some(format!("M{month}.{week}.{day}/{:02}:{:02}:{:02}", start.hour(), start.minute(), start.second()))
}

/// Reads an offset such as `+0100` or `-033015`.
fn offset(property: &Property<'_>) -> Option<Offset> {
    let text = property.val.as_str();
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let part = |at: usize| digits.get(at..at + 2).and_then(|part| part.parse::<i32>().ok());
    let seconds = part(0)? * 3600 + part(2)? * 60 + part(4).unwrap_or(0);
    Offset::from_seconds(sign * seconds).ok()
}
