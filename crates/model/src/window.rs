//! When work may be done: windows and freezes as the plan file states them.
//!
//! What they mean on a given day is worked out by the planner; here are only the words.

use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Timestamp};
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
    /// So many days after such a day: four days after the second Tuesday. It may be in the next month.
    DaysAfter {
        /// The weeks of the month that are counted from. Never empty.
        weeks: Vec<Week>,
        /// The days that are counted from. Never empty.
        days: Vec<Day>,
        /// How many days later, 0 to 31.
        by: i8,
    },
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

/// A time in which nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freeze {
    /// Whole days.
    Days(FrozenDays),
    /// From one moment to another, as a calendar file has it.
    Span(FrozenSpan),
}

/// Days on which nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenDays {
    /// The first day.
    pub from: Date,
    /// The last day, included.
    pub to: Date,
    /// The IANA time zone of the days. `None`: that of each window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Why.
    pub reason: String,
}

/// A span in which nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenSpan {
    /// When it begins.
    pub from: Timestamp,
    /// When it is over.
    pub to: Timestamp,
    /// Why.
    pub reason: String,
}

impl Freeze {
    /// Returns a freeze of whole days in the time zone of each window.
    #[must_use]
    pub fn days(from: Date, to: Date, reason: impl Into<String>) -> Self {
        Self::Days(FrozenDays { from, to, timezone: None, reason: reason.into() })
    }

    /// Returns why it is.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Days(days) => &days.reason,
            Self::Span(span) => &span.reason,
        }
    }
}
