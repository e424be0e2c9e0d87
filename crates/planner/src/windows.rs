//! What windows and freezes mean on a given day.
//!
//! A window opens at a local time and stays open for real hours: a change of the clocks moves its local end, not its
//! length. Where the clocks skip the opening time it opens as much later as they skip; where they repeat it, it opens
//! the first time. Freezes beat windows. Time zones come from the database that is built in, never from the machine.

use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};
use orchestrate_model::window::{Day, Freeze, Recurrence, Week, Window};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use thiserror::Error;

/// How far ahead openings are looked for, in days: first a few weeks, which is nearly always enough, then a year, then
/// long enough for a leap day and every freeze that anyone declares.
const HORIZONS: [i64; 3] = [45, 400, 1600];

/// A time during which work may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Opening {
    /// When it begins.
    pub starts: Timestamp,
    /// When it ends; work must be over by then.
    pub ends: Timestamp,
}

impl Opening {
    /// Returns how long it is.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.ends.duration_since(self.starts)
    }
}

/// Whether work may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowState {
    /// It may.
    Inside {
        /// Until when. `None`: the plan has neither windows nor a freeze ahead.
        ends: Option<Timestamp>,
    },
    /// It may not.
    Outside {
        /// When it may next. `None`: never again, as far as the plan goes.
        next: Option<Opening>,
    },
}

impl WindowState {
    /// Returns whether work that takes up to `needs` may be begun at `now`, the time that this is the state at.
    #[must_use]
    pub fn fits(self, now: Timestamp, needs: SignedDuration) -> Fit {
        match self {
            Self::Outside { next } => Fit::Closed { next },
            Self::Inside { ends: None } => Fit::Fits { ends: None },
            Self::Inside { ends: Some(ends) } => {
                let left = ends.duration_since(now);
                if needs <= left { Fit::Fits { ends: Some(ends) } } else { Fit::TooLong { ends, over: needs - left } }
            }
        }
    }
}

/// Whether work of a known length may be begun now (promise P9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It ends in time.
    Fits {
        /// The end of the window, when there is one.
        ends: Option<Timestamp>,
    },
    /// It may not be over when the window ends.
    TooLong {
        /// The end of the window.
        ends: Timestamp,
        /// By how much it may run over.
        over: SignedDuration,
    },
    /// No window is open.
    Closed {
        /// The next one.
        next: Option<Opening>,
    },
}

/// The time zone of a window is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} is not a known time zone: an IANA name such as Europe/Paris is needed", orchestrate_model::text::quoted(.0))]
pub struct UnknownZone(pub String);

/// The windows and freezes of a plan, ready to be asked about any time.
#[derive(Debug, Clone)]
pub struct Calendar {
    windows: Vec<(Window, TimeZone, Frozen)>,
    /// The freezes of a plan without windows. They are days of UTC.
    frozen: Frozen,
}

/// The times that freezes leave nothing of, in order and apart from each other: worked out once for each time zone, since
/// every opening of four years is cut by them, each time the calendar is asked.
#[derive(Debug, Clone)]
struct Frozen(Arc<[Opening]>);

impl Calendar {
    /// Returns the calendar of these windows and freezes.
    ///
    /// # Errors
    /// When a time zone is not known.
    pub fn new(windows: &[Window], freezes: &[Freeze]) -> Result<Self, UnknownZone> {
        let mut by_zone: BTreeMap<&str, (TimeZone, Frozen)> = BTreeMap::new();
        let mut with_zones = Vec::with_capacity(windows.len());
        for window in windows {
            let known = match by_zone.entry(&window.timezone) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let zone = zone_of(&window.timezone)?;
                    let frozen = Frozen::of(freezes, &zone)?;
                    new.insert((zone, frozen))
                }
            };
            with_zones.push((window.clone(), known.0.clone(), known.1.clone()));
        }
        Ok(Self { windows: with_zones, frozen: Frozen::of(freezes, &TimeZone::UTC)? })
    }

    /// Returns whether the plan restricts time at all.
    #[must_use]
    pub fn is_always_open(&self) -> bool {
        self.windows.is_empty() && self.frozen.0.is_empty()
    }

    /// Returns whether work may be done at `now`.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> WindowState {
        if self.is_always_open() {
            return WindowState::Inside { ends: None };
        }
        match self.openings(now, 1).first() {
            Some(opening) if opening.starts <= now => {
                let forever = self.windows.is_empty() && opening.ends >= horizon(now, HORIZONS[2] - 1);
                WindowState::Inside { ends: (!forever).then_some(opening.ends) }
            }
            next => WindowState::Outside { next: next.copied() },
        }
    }

    /// Returns whether work that takes up to `needs` may be begun at `now`.
    #[must_use]
    pub fn fits(&self, now: Timestamp, needs: SignedDuration) -> Fit {
        self.state(now).fits(now, needs)
    }

    /// Returns up to `most` openings that end after `from`, in order. They do not touch each other: windows that
    /// overlap or meet are one opening, and freezes are cut out.
    #[must_use]
    pub fn openings(&self, from: Timestamp, most: usize) -> Vec<Opening> {
        let mut found = Vec::new();
        for days in HORIZONS {
            found = self.within(from, days);
            // The last one may go on beyond the horizon, so it counts only when another follows it.
            if found.len() > most {
                break;
            }
        }
        found.truncate(most);
        found
    }

    fn within(&self, from: Timestamp, days: i64) -> Vec<Opening> {
        let until = horizon(from, days);
        let mut open: Vec<Opening> = Vec::new();
        if self.windows.is_empty() {
            let always = Opening { starts: from, ends: until };
            open.extend(self.frozen.leaves(always));
        }
        for (window, zone, frozen) in &self.windows {
            for opening in raw(window, zone, from, days) {
                open.extend(frozen.leaves(opening));
            }
        }
        open.retain(|opening| opening.ends > from && opening.starts < opening.ends);
        open.sort();
        merged(open)
    }
}

impl Frozen {
    /// Returns the frozen times, where days without a time zone of their own are days of `zone`.
    fn of(freezes: &[Freeze], zone: &TimeZone) -> Result<Self, UnknownZone> {
        let mut zones: BTreeMap<&str, TimeZone> = BTreeMap::new();
        let mut times = Vec::with_capacity(freezes.len());
        for freeze in freezes {
            times.push(match freeze {
                Freeze::Span(span) => Opening { starts: span.from, ends: span.to },
                Freeze::Days(days) => {
                    let own = match days.timezone.as_deref() {
                        None => zone,
                        Some(name) => match zones.entry(name) {
                            Entry::Occupied(known) => known.into_mut(),
                            Entry::Vacant(new) => new.insert(zone_of(name)?),
                        },
                    };
                    Opening {
                        starts: midnight(days.from, own).unwrap_or(end_of_time(days.from)),
                        ends: days.to.tomorrow().ok().and_then(|day| midnight(day, own)).unwrap_or(Timestamp::MAX),
                    }
                }
            });
        }
        times.retain(|time| time.starts < time.ends);
        times.sort_unstable();
        Ok(Self(merged(times).into()))
    }

    /// Returns what the freezes leave of an opening.
    fn leaves(&self, opening: Opening) -> Vec<Opening> {
        let mut left = Vec::new();
        let mut starts = opening.starts;
        let first = self.0.partition_point(|freeze| freeze.ends <= opening.starts);
        for freeze in self.0[first..].iter().take_while(|freeze| freeze.starts < opening.ends) {
            left.push(Opening { starts, ends: freeze.starts });
            starts = freeze.ends;
        }
        left.push(Opening { starts, ends: opening.ends });
        left.retain(|part| part.starts < part.ends);
        left
    }
}

fn zone_of(name: &str) -> Result<TimeZone, UnknownZone> {
    TimeZoneDatabase::bundled().get(name).map_err(|_unknown| UnknownZone(name.to_owned()))
}

fn horizon(from: Timestamp, days: i64) -> Timestamp {
    from.checked_add(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MAX)
}

/// Returns the end of time on whose side of it a day lies that no moment has.
fn end_of_time(day: Date) -> Timestamp {
    if day.year() > 0 { Timestamp::MAX } else { Timestamp::MIN }
}

fn midnight(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok()
}

/// Returns the openings of one window that may matter from `from` on, for so many days.
fn raw(window: &Window, zone: &TimeZone, from: Timestamp, days: i64) -> Vec<Opening> {
    let open_on = |day: Date| {
        let starts = zone.to_timestamp(day.to_datetime(window.start)).ok()?;
        let ends = starts.checked_add(window.duration).ok()?;
        Some(Opening { starts, ends })
    };
    if let Recurrence::Once(day) = window.every {
        return open_on(day).into_iter().collect();
    }
    // One that began days ago may still be open.
    let back = window.duration.as_hours() / 24 + 2;
    let today = zone.to_datetime(from).date();
    (-back..=days)
        .filter_map(|offset| today.checked_add(offset.days()).ok())
        .filter(|day| recurs(&window.every, *day))
        .filter_map(open_on)
        .collect()
}

fn merged(sorted: Vec<Opening>) -> Vec<Opening> {
    let mut merged: Vec<Opening> = Vec::new();
    for opening in sorted {
        match merged.last_mut() {
            Some(last) if opening.starts <= last.ends => last.ends = last.ends.max(opening.ends),
            _ => merged.push(opening),
        }
    }
    merged
}

fn recurs(every: &Recurrence, day: Date) -> bool {
    match every {
        Recurrence::Daily => true,
        Recurrence::Weekly(days) => days.contains(&weekday(day)),
        Recurrence::DayOfMonth(wanted) => day.day() == *wanted,
        Recurrence::WeeksOfMonth(weeks, days) => {
            days.contains(&weekday(day)) && weeks.iter().any(|week| in_week(*week, day))
        }
        Recurrence::DaysAfter { weeks, days, by } => {
            let counted_from = day.checked_sub(i64::from(*by).days()).ok();
            counted_from.is_some_and(|day| days.contains(&weekday(day)) && weeks.iter().any(|week| in_week(*week, day)))
        }
        Recurrence::Once(wanted) => day == *wanted,
    }
}

fn in_week(week: Week, day: Date) -> bool {
    let occurrence = (day.day() - 1) / 7 + 1;
    match week {
        Week::First => occurrence == 1,
        Week::Second => occurrence == 2,
        Week::Third => occurrence == 3,
        Week::Fourth => occurrence == 4,
        Week::Last => day.day() + 7 > day.days_in_month(),
    }
}

fn weekday(day: Date) -> Day {
    match day.weekday() {
        Weekday::Monday => Day::Monday,
        Weekday::Tuesday => Day::Tuesday,
        Weekday::Wednesday => Day::Wednesday,
        Weekday::Thursday => Day::Thursday,
        Weekday::Friday => Day::Friday,
        Weekday::Saturday => Day::Saturday,
        Weekday::Sunday => Day::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use orchestrate_model::window::{FrozenDays, FrozenSpan};

    fn window(every: Recurrence, start: &str, hours: i64, timezone: &str) -> Window {
        let start = start.parse().unwrap();
        Window { every, start, duration: SignedDuration::from_hours(hours), timezone: timezone.into() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn saturdays() -> Calendar {
        let window = window(Recurrence::Weekly(vec![Day::Saturday]), "22:00", 6, "Europe/Paris");
        Calendar::new(&[window], &[]).unwrap()
    }

    #[test]
    fn a_window_is_open_until_the_moment_it_ends() {
        let calendar = saturdays();
        let (opens, closes) = (at("2026-11-28T21:00:00Z"), at("2026-11-29T03:00:00Z"));
        let next = Some(Opening { starts: opens, ends: closes });
        assert_eq!(calendar.state(at("2026-11-28T20:59:59Z")), WindowState::Outside { next });
        assert_eq!(calendar.state(opens), WindowState::Inside { ends: Some(closes) });
        assert_eq!(calendar.state(at("2026-11-29T02:59:59Z")), WindowState::Inside { ends: Some(closes) });
        assert!(matches!(calendar.state(closes), WindowState::Outside { next: Some(_) }));
    }

    #[test]
    fn a_change_of_the_clocks_does_not_change_the_length() {
        // Paris: 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00.
        let calendar = saturdays();
        for (from, starts) in
            [("2026-03-28T12:00:00Z", "2026-03-28T21:00:00Z"), ("2026-10-24T12:00:00Z", "2026-10-24T20:00:00Z")]
        {
            let opening = calendar.openings(at(from), 1)[0];
            assert_eq!(opening.starts, at(starts));
            assert_eq!(opening.length(), SignedDuration::from_hours(6));
        }
    }

    #[test]
    fn a_skipped_opening_time_opens_later_and_a_repeated_one_at_once() {
        let nightly = window(Recurrence::Daily, "02:30", 1, "Europe/Paris");
        let calendar = Calendar::new(&[nightly], &[]).unwrap();
        assert_eq!(calendar.openings(at("2026-03-28T12:00:00Z"), 1)[0].starts, at("2026-03-29T01:30:00Z"));
        assert_eq!(calendar.openings(at("2026-10-24T12:00:00Z"), 1)[0].starts, at("2026-10-25T00:30:00Z"));
    }

    #[test]
    fn a_freeze_beats_a_window_by_the_day() {
        let window = window(Recurrence::Weekly(vec![Day::Saturday]), "22:00", 6, "Europe/Paris");
        let freeze = |from: &str, to: &str| Freeze::days(from.parse().unwrap(), to.parse().unwrap(), "year end");
        let calendar = Calendar::new(std::slice::from_ref(&window), &[freeze("2026-12-19", "2027-01-03")]).unwrap();
        let openings = calendar.openings(at("2026-12-14T00:00:00Z"), 2);
        assert_eq!(openings[0].starts, at("2027-01-09T21:00:00Z"));
        // A freeze that begins on the Sunday cuts the night short.
        let calendar = Calendar::new(&[window], &[freeze("2026-11-29", "2026-11-30")]).unwrap();
        let opening = calendar.openings(at("2026-11-28T00:00:00Z"), 1)[0];
        assert_eq!((opening.starts, opening.ends), (at("2026-11-28T21:00:00Z"), at("2026-11-28T23:00:00Z")));
    }

    #[test]
    fn p9_work_that_may_run_over_the_end_does_not_fit() {
        let calendar = saturdays();
        let needs = SignedDuration::from_hours(4);
        let ends = at("2026-11-29T03:00:00Z");
        assert_eq!(calendar.fits(at("2026-11-28T23:00:00Z"), needs), Fit::Fits { ends: Some(ends) });
        let over = SignedDuration::from_secs(1);
        assert_eq!(calendar.fits(at("2026-11-28T23:00:01Z"), needs), Fit::TooLong { ends, over });
        assert!(matches!(calendar.fits(at("2026-11-28T12:00:00Z"), needs), Fit::Closed { next: Some(_) }));
        assert_eq!(Calendar::new(&[], &[]).unwrap().fits(ends, needs), Fit::Fits { ends: None });
    }

    #[test]
    fn windows_that_meet_are_one_opening() {
        let late = window(Recurrence::Daily, "22:00", 2, "UTC");
        let early = window(Recurrence::Daily, "00:00", 4, "UTC");
        let calendar = Calendar::new(&[late, early], &[]).unwrap();
        let opening = calendar.openings(at("2026-11-23T12:00:00Z"), 1)[0];
        assert_eq!((opening.starts, opening.ends), (at("2026-11-23T22:00:00Z"), at("2026-11-24T04:00:00Z")));
    }

    #[test]
    fn weeks_of_the_month_count_the_weekday() {
        let starts = |weeks: Vec<Week>| {
            let every = Recurrence::WeeksOfMonth(weeks, vec![Day::Saturday]);
            let calendar = Calendar::new(&[window(every, "22:00", 6, "UTC")], &[]).unwrap();
            calendar.openings(at("2026-11-02T00:00:00Z"), 2).iter().map(|o| o.starts.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(starts(vec![Week::First]), ["2026-11-07T22:00:00Z", "2026-12-05T22:00:00Z"]);
        assert_eq!(starts(vec![Week::Last]), ["2026-11-28T22:00:00Z", "2026-12-26T22:00:00Z"]);
        let month_end = Calendar::new(&[window(Recurrence::DayOfMonth(31), "22:00", 6, "UTC")], &[]).unwrap();
        let days: Vec<String> =
            month_end.openings(at("2026-11-02T00:00:00Z"), 2).iter().map(|o| o.starts.to_string()).collect();
        assert_eq!(days, ["2026-12-31T22:00:00Z", "2027-01-31T22:00:00Z"]);
    }

    #[test]
    fn a_window_in_the_past_never_opens_again() {
        let once = window(Recurrence::Once("2026-01-10".parse().unwrap()), "22:00", 6, "UTC");
        let calendar = Calendar::new(&[once], &[]).unwrap();
        assert_eq!(calendar.state(at("2026-11-23T00:00:00Z")), WindowState::Outside { next: None });
    }

    #[test]
    fn a_freeze_without_windows_closes_its_days() {
        let freeze = Freeze::days("2026-12-19".parse().unwrap(), "2027-01-03".parse().unwrap(), "year end");
        let calendar = Calendar::new(&[], &[freeze]).unwrap();
        let starts = at("2026-12-19T00:00:00Z");
        assert_eq!(calendar.state(at("2026-12-18T12:00:00Z")), WindowState::Inside { ends: Some(starts) });
        assert!(matches!(
            calendar.state(at("2026-12-25T12:00:00Z")),
            WindowState::Outside { next: Some(Opening { starts, .. }) } if starts == at("2027-01-04T00:00:00Z")
        ));
        assert_eq!(calendar.state(at("2027-02-01T12:00:00Z")), WindowState::Inside { ends: None });
    }

    #[test]
    fn freezes_cut_an_opening_however_they_overlap_and_stand() {
        let freeze = |from: &str, to: &str| Freeze::days(from.parse().unwrap(), to.parse().unwrap(), "year end");
        let freezes = [
            freeze("2026-12-24", "2026-12-26"),
            freeze("2026-12-20", "2026-12-22"),
            freeze("2026-12-23", "2026-12-24"),
            freeze("2026-12-25", "2026-12-25"),
            freeze("2026-12-30", "2026-12-31"),
            freeze("9999-01-01", "9999-12-31"),
        ];
        let always = window(Recurrence::Once("2026-12-19".parse().unwrap()), "12:00", 24 * 20, "Europe/Paris");
        let calendar = Calendar::new(&[always], &freezes).unwrap();
        let openings = calendar.openings(at("2026-12-19T00:00:00Z"), 9);
        let told: Vec<String> = openings.iter().map(|o| format!("{} {}", o.starts, o.ends)).collect();
        assert_eq!(
            told,
            [
                "2026-12-19T11:00:00Z 2026-12-19T23:00:00Z",
                "2026-12-26T23:00:00Z 2026-12-29T23:00:00Z",
                "2026-12-31T23:00:00Z 2027-01-08T11:00:00Z",
            ]
        );
    }

    #[test]
    fn days_after_patch_day_are_counted_over_the_end_of_the_month_and_the_year() {
        let starts = |week: Week, by: i8, from: &str| {
            let every = Recurrence::DaysAfter { weeks: vec![week], days: vec![Day::Tuesday], by };
            let calendar = Calendar::new(&[window(every, "22:00", 6, "UTC")], &[]).unwrap();
            calendar.openings(at(from), 2).iter().map(|o| o.starts.to_string()).collect::<Vec<_>>()
        };
        // Patch day is the second Tuesday: 2026-11-10 and 2026-12-08.
        assert_eq!(starts(Week::Second, 4, "2026-11-02T00:00:00Z"), ["2026-11-14T22:00:00Z", "2026-12-12T22:00:00Z"]);
        assert_eq!(starts(Week::Second, 0, "2026-11-02T00:00:00Z"), ["2026-11-10T22:00:00Z", "2026-12-08T22:00:00Z"]);
        // The last Tuesday of 2026 is the 29th of December.
        assert_eq!(starts(Week::Last, 5, "2026-12-10T00:00:00Z"), ["2027-01-03T22:00:00Z", "2027-01-31T22:00:00Z"]);
        assert_eq!(starts(Week::Second, 31, "2026-12-10T00:00:00Z"), ["2026-12-11T22:00:00Z", "2027-01-08T22:00:00Z"]);
    }

    #[test]
    fn a_freeze_has_its_own_time_zone_or_that_of_each_window() {
        let nightly = window(Recurrence::Daily, "22:00", 6, "America/New_York");
        let days = |timezone: Option<&str>| {
            Freeze::Days(FrozenDays {
                from: "2026-12-24".parse().unwrap(),
                to: "2026-12-24".parse().unwrap(),
                timezone: timezone.map(str::to_owned),
                reason: "holiday".into(),
            })
        };
        let first = |freeze: Freeze| {
            let calendar = Calendar::new(std::slice::from_ref(&nightly), &[freeze]).unwrap();
            let opening = calendar.openings(at("2026-12-24T04:00:00Z"), 1)[0];
            (opening.starts.to_string(), opening.ends.to_string())
        };
        let cut = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(first(days(None)), cut("2026-12-24T03:00:00Z", "2026-12-24T05:00:00Z"));
        assert_eq!(first(days(Some("Europe/Paris"))), cut("2026-12-25T03:00:00Z", "2026-12-25T09:00:00Z"));
        let span = FrozenSpan { from: at("2026-12-24T06:00:00Z"), to: at("2026-12-24T07:30:00Z"), reason: "x".into() };
        assert_eq!(first(Freeze::Span(span)), cut("2026-12-24T03:00:00Z", "2026-12-24T06:00:00Z"));
        let nowhere = Calendar::new(&[], &[days(Some("Europe/Nowhere"))]);
        assert_eq!(nowhere.unwrap_err(), UnknownZone("Europe/Nowhere".into()));
    }

    #[test]
    fn a_time_zone_nobody_knows_is_an_error() {
        let nowhere = window(Recurrence::Daily, "22:00", 6, "Europe/Nowhere");
        assert_eq!(Calendar::new(&[nowhere], &[]).unwrap_err(), UnknownZone("Europe/Nowhere".into()));
    }
}
