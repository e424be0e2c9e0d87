//! The events of a calendar file, as freezes.

use super::recurring::{DAY, Rules, TIME};
use super::zones::Zones;
use icalendar::parser::{Component, Property, read_components, unfold};
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use orchestrate_model::text;
use orchestrate_model::text::bounded;
use orchestrate_model::window::{Freeze, FrozenDays, FrozenSpan};
use std::collections::BTreeMap;

/// Longest reason that is kept, in characters.
const REASON: usize = 120;

/// Most events of a file. A hostile one holds very many.
const MOST_EVENTS: usize = 10_000;

/// Most events that recur. To find out when one does takes milliseconds, and no calendar of freezes has so many.
const MOST_RECURRING: usize = 200;

/// Most freezes that a calendar comes to, which are all gone through for each window.
const MOST_FREEZES: usize = 20_000;

/// Returns the freezes of a calendar. Whole days, and times without a zone, are those of `zone`.
pub(super) fn read(text: &str, zone: Option<&str>) -> Result<Vec<Freeze>, String> {
    let unfolded = unfold(text);
    let no_calendar = || "it is no iCalendar file (RFC 5545)".to_owned();
    let components = read_components(&unfolded).map_err(|_where| no_calendar())?;
    let mut calendars = components.iter().filter(|component| component.name == "VCALENDAR").peekable();
    calendars.peek().ok_or_else(no_calendar)?;
    let mut freezes = Vec::new();
    for calendar in calendars {
        let events: Vec<&Component<'_>> =
            calendar.components.iter().filter(|component| component.name == "VEVENT").collect();
        if events.len() > MOST_EVENTS {
            return Err(format!("it has more than {MOST_EVENTS} events"));
        }
        let recurring = events.iter().filter(|event| event.find_prop("RRULE").is_some()).count();
        if recurring > MOST_RECURRING {
            return Err(format!("it has more than {MOST_RECURRING} events that recur"));
        }
        let (zones, floating, moved) = (Zones::of(calendar), floating(calendar, zone), moved(&events));
        let of = OfCalendar { zones, floating, plan: zone, moved };
        for event in &events {
            let found = of.freezes(event);
            freezes.extend(found.map_err(|why| format!("the event {}: {why}", text::quoted(&reason(event))))?);
            if freezes.len() > MOST_FREEZES {
                return Err(format!("its events recur more than {MOST_FREEZES} times in all"));
            }
        }
    }
    Ok(freezes)
}

/// The single times that have an event of their own, by the event that they belong to.
type Moved<'a> = BTreeMap<&'a str, Vec<&'a Property<'a>>>;

fn moved<'a>(events: &[&'a Component<'a>]) -> Moved<'a> {
    let mut moved: Moved<'a> = BTreeMap::new();
    for event in events {
        if let (Some(uid), Some(when)) = (event.find_prop("UID"), event.find_prop("RECURRENCE-ID")) {
            moved.entry(uid.val.as_str()).or_default().push(when);
        }
    }
    moved
}

/// Returns the time zone of times that name none: what the plan says, else what the calendar says for itself.
fn floating(calendar: &Component<'_>, zone: Option<&str>) -> Option<TimeZone> {
    let own = calendar.find_prop("X-WR-TIMEZONE").map(|name| name.val.as_str().to_owned());
    let name = zone.map(str::to_owned).or(own)?;
    TimeZoneDatabase::bundled().get(&name).ok()
}

fn reason(event: &Component<'_>) -> String {
    let summary = event.find_prop("SUMMARY").map(|text| text.val.clone().unescape_text());
    let summary = summary.map(|text| bounded(text.as_str(), REASON)).unwrap_or_default();
    if summary.is_empty() { "a freeze of the calendar".to_owned() } else { summary }
}

/// A beginning or an end, as it is written.
#[derive(Debug, Clone)]
enum When {
    /// A day.
    Day(Date),
    /// A time by the clocks of a zone.
    Time(DateTime, TimeZone),
}

impl When {
    fn civil(&self) -> DateTime {
        match self {
            Self::Day(day) => day.at(0, 0, 0, 0),
            Self::Time(at, _) => *at,
        }
    }
}

/// How long an event lasts.
enum Length {
    Days(i64),
    Exact(SignedDuration),
    Nominal(Span),
}

struct OfCalendar<'a> {
    zones: Zones,
    floating: Option<TimeZone>,
    plan: Option<&'a str>,
    moved: Moved<'a>,
}

impl OfCalendar<'_> {
    fn freezes(&self, event: &Component<'_>) -> Result<Vec<Freeze>, String> {
        if event.find_prop("STATUS").is_some_and(|status| status.val.as_str().eq_ignore_ascii_case("CANCELLED")) {
            return Ok(Vec::new());
        }
        let start = event.find_prop("DTSTART").ok_or("it does not say when it begins (DTSTART)")?;
        let start = self.when(start)?.into_iter().next().ok_or("its beginning (DTSTART) is empty")?;
        let length = self.length(event, &start)?;
        // Whoever wrote it down meant some time or other, and none would be frozen.
        let length = length.ok_or("it ends when it begins, so that nothing would be frozen; give it an end (DTEND)")?;
        let zone = match &start {
            When::Day(_) => TimeZone::UTC,
            When::Time(_, zone) => zone.clone(),
        };
        let rules = self.rules(event, &zone)?;
        let is_ruled = !rules.rules.is_empty() && rules.except.is_empty();
        let starts = rules.starts(start.civil(), &zone)?;
        if is_ruled && starts.is_empty() {
            return Err("it never happens, by the rule that it recurs by (RRULE)".to_owned());
        }
        starts.into_iter().map(|at| self.freeze(event, at, (&zone, &length))).collect()
    }

    fn freeze(
        &self,
        event: &Component<'_>,
        at: DateTime,
        (zone, length): (&TimeZone, &Length),
    ) -> Result<Freeze, String> {
        let odd = |error: jiff::Error| format!("its times cannot be used: {error}");
        let reason = reason(event);
        let from = |at: DateTime| zone.to_timestamp(at).map_err(odd);
        Ok(match length {
            Length::Days(days) => {
                let to = at.date().checked_add((days - 1).days()).map_err(odd)?;
                let timezone = self.plan.map(str::to_owned);
                Freeze::Days(FrozenDays { from: at.date(), to, timezone, reason })
            }
            Length::Exact(length) => {
                let from = from(at)?;
                Freeze::Span(FrozenSpan { from, to: from.checked_add(*length).map_err(odd)?, reason })
            }
            Length::Nominal(span) => {
                let from = from(at)?;
                let to: Timestamp = from.to_zoned(zone.clone()).checked_add(*span).map_err(odd)?.timestamp();
                Freeze::Span(FrozenSpan { from, to, reason })
            }
        })
    }

    /// Returns how long an event lasts. `None`: not at all.
    fn length(&self, event: &Component<'_>, start: &When) -> Result<Option<Length>, String> {
        let before = || "it ends before it begins".to_owned();
        if let Some(end) = event.find_prop("DTEND") {
            let end = self.when(end)?.into_iter().next().ok_or("its end (DTEND) is empty")?;
            return match (start, &end) {
                (When::Day(from), When::Day(to)) => match from.duration_until(*to).as_hours() / 24 {
                    ..0 => Err(before()),
                    days => Ok(Some(Length::Days(days.max(1)))),
                },
                (When::Time(from, zone), When::Time(to, other)) => {
                    let odd = |error: jiff::Error| format!("its times cannot be used: {error}");
                    let from = zone.to_timestamp(*from).map_err(odd)?;
                    let length = other.to_timestamp(*to).map_err(odd)?.duration_since(from);
                    if length.is_negative() {
                        Err(before())
                    } else {
                        Ok(Some(Length::Exact(length)).filter(|_| !length.is_zero()))
                    }
                }
                (When::Day(_), When::Time(..)) | (When::Time(..), When::Day(_)) => {
                    Err("it begins with a day and ends with a time, or the other way round".to_owned())
                }
            };
        }
        let Some(duration) = event.find_prop("DURATION") else {
            return Ok(match start {
                When::Day(_) => Some(Length::Days(1)),
                When::Time(..) => None,
            });
        };
        let text = duration.val.as_str();
        let span: Span = text.parse().map_err(|_odd| format!("its length {} is none", text::quoted(text)))?;
        match (span.signum(), start) {
            (-1, _) => Err(before()),
            (0, _) => Ok(None),
            (_, When::Time(..)) => Ok(Some(Length::Nominal(span))),
            (_, When::Day(_)) => {
                let days = i64::from(span.get_days()) + 7 * i64::from(span.get_weeks());
                if days > 0 {
                    Ok(Some(Length::Days(days)))
                } else {
                    Err("it begins with a day and lasts hours".to_owned())
                }
            }
        }
    }

    /// Returns what makes an event recur. A single time that has an event of its own does not count for the recurring one.
    fn rules(&self, event: &Component<'_>, zone: &TimeZone) -> Result<Rules, String> {
        if event.find_prop("RECURRENCE-ID").is_some() {
            return Ok(Rules::default());
        }
        let all = |name: &'static str| event.properties.iter().filter(move |property| property.name == name);
        let times = |name: &'static str| -> Result<Vec<DateTime>, String> {
            let read: Vec<Vec<When>> = all(name).map(|property| self.when(property)).collect::<Result<_, _>>()?;
            read.into_iter().flatten().map(|when| by_clocks_of(zone, &when)).collect()
        };
        let mut except = times("EXDATE")?;
        let uid = event.find_prop("UID").map(|uid| uid.val.as_str());
        for moved in uid.and_then(|uid| self.moved.get(uid)).into_iter().flatten() {
            for when in self.when(moved)? {
                except.push(by_clocks_of(zone, &when)?);
            }
        }
        let rules = all("RRULE").map(|rule| rule.val.as_str().to_owned()).collect();
        Ok(Rules { rules, more: times("RDATE")?, except })
    }

    /// Reads the days or times of a property.
    fn when(&self, property: &Property<'_>) -> Result<Vec<When>, String> {
        let parameter = |name: &str| {
            let found = property.params.iter().find(|parameter| parameter.key == name);
            found.and_then(|parameter| parameter.val.as_ref()).map(|value| value.as_str().trim_matches('"').to_owned())
        };
        let zone = parameter("TZID").map(|name| self.zones.get(&name)).transpose()?;
        property.val.as_str().split(',').map(|text| self.one(text.trim(), zone.as_ref())).collect()
    }

    fn one(&self, text: &str, zone: Option<&TimeZone>) -> Result<When, String> {
        let none = || format!("{} is no day and no time", text::quoted(&bounded(text, 40)));
        if let Ok(day) = Date::strptime(DAY, text) {
            return Ok(When::Day(day));
        }
        if let Some(universal) = text.strip_suffix('Z') {
            let at = DateTime::strptime(TIME, universal).map_err(|_odd| none())?;
            return Ok(When::Time(at, TimeZone::UTC));
        }
        let at = DateTime::strptime(TIME, text).map_err(|_odd| none())?;
        let zone = zone.or(self.floating.as_ref());
        let zone = zone.ok_or_else(|| format!("{text} has no time zone; state it: `timezone` beside `calendar`"))?;
        Ok(When::Time(at, zone.clone()))
    }
}

/// Returns a time by the clocks of a zone.
fn by_clocks_of(zone: &TimeZone, when: &When) -> Result<DateTime, String> {
    match when {
        When::Day(day) => Ok(day.at(0, 0, 0, 0)),
        When::Time(at, own) => {
            let at = own.to_timestamp(*at).map_err(|error| format!("its times cannot be used: {error}"))?;
            Ok(zone.to_datetime(at))
        }
    }
}
