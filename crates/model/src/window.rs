//! When work may be done: windows and freezes as the plan file states them.
//!
//! What they mean on a given day is worked out by the planner; here are only the words.

use jiff::SignedDuration;
use jiff::civil::{Date, Time};
use serde::{Deserialize, Serialize};

/// A recurring window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// On which days it opens.
    pub every: Recurrence,
    /// At what local time.
    pub start: Time,
    /// For how long. Real hours: a change of the clocks in between does not lengthen it.
    pub duration: SignedDuration,
    /// The IANA time zone of `start`.
    pub timezone: String,
}

/// The days on which a window opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recurrence {
    /// Every day.
    Daily,
    /// These days of the week. Never empty.
    Weekly(Vec<Day>),
    /// This day of the month, 1 to 31; months without it have no window.
    DayOfMonth(i8),
    /// These days in these weeks of the month: `first saturday`. Neither is empty.
    WeeksOfMonth(Vec<Week>, Vec<Day>),
    /// Once, on this date.
    Once(Date),
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the days of the week")]
pub enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

/// A week of the month, counted by occurrences of the weekday in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "ordinal numbers")]
pub enum Week {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

/// Days on which nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// The first day, in each window's time zone (UTC when there are no windows).
    pub from: Date,
    /// The last day, included.
    pub to: Date,
    /// Why.
    pub reason: String,
}
