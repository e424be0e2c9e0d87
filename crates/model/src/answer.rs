//! Three-valued answers: yes, no with a reason, unknown with a reason (promise P3).
//!
//! A fact that could not be read is never given a value. Nothing in this module turns unknown into anything else.

use crate::text;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a question about the outside world was answered with: a value, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer<T> {
    /// The value that was read.
    Known(T),
    /// Why no value could be read. Never means zero, empty or "no".
    Unknown(String),
}

impl<T> Answer<T> {
    /// Returns the answer to a question that was not put.
    #[must_use]
    pub fn not_asked() -> Self {
        Self::Unknown("not asked".to_owned())
    }

    /// Returns an unknown answer with its reason, which may hold text from outside and is made fit for a line.
    #[must_use]
    pub fn unknown(reason: impl fmt::Display) -> Self {
        Self::Unknown(text::bounded(&reason.to_string(), text::LONGEST_REASON))
    }

    /// Returns the value if it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Returns why the value is not known, if it is not.
    #[must_use]
    pub fn why_unknown(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(reason) => Some(reason),
        }
    }

    /// The same, to be changed.
    pub fn reason_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(reason) => Some(reason),
        }
    }

    /// Returns a reference to the value, or the reason as an error, for use with `?`.
    ///
    /// # Errors
    /// The reason why the value is not known.
    pub fn as_result(&self) -> Result<&T, &str> {
        match self {
            Self::Known(value) => Ok(value),
            Self::Unknown(reason) => Err(reason),
        }
    }

    /// Returns the answer with its value changed by `change`.
    #[must_use]
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answer<U> {
        match self {
            Self::Known(value) => Answer::Known(change(value)),
            Self::Unknown(reason) => Answer::Unknown(reason),
        }
    }
}

impl<T> Default for Answer<T> {
    fn default() -> Self {
        Self::not_asked()
    }
}

impl<T, E: fmt::Display> From<Result<T, E>> for Answer<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => Self::unknown(error),
        }
    }
}

/// The answer to a safety question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Proven, with what proves it.
    Yes(String),
    /// Disproven, with what was expected and what was found.
    No(String),
    /// Not known, with why. As unsafe as `No`.
    Unknown(String),
}

impl Verdict {
    /// Returns whether the answer lets a step go on: only a proven yes does.
    #[must_use]
    pub fn is_yes(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// Returns the text that comes with the answer.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Yes(text) | Self::No(text) | Self::Unknown(text) => text,
        }
    }

    /// Returns `yes`, `no` or `unknown`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Yes(_) => "yes",
            Self::No(_) => "no",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Returns the worse of two answers: no before unknown before yes.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let rank = |verdict: &Self| match verdict {
            Self::No(_) => 0,
            Self::Unknown(_) => 1,
            Self::Yes(_) => 2,
        };
        if rank(&other) < rank(&self) { other } else { self }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.word(), self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p3_unknown_never_passes() {
        assert!(!Verdict::Unknown("no answer".into()).is_yes());
        let both = Verdict::Yes("fine".into()).and(Verdict::Unknown("silent".into()));
        assert_eq!(both, Verdict::Unknown("silent".into()));
        assert_eq!(both.and(Verdict::No("two down".into())).word(), "no");
    }
}
