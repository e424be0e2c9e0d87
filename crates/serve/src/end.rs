//! How a start ended, and what that means for the next one of the same plan.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How a start ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The exit code. `None`: the process was ended by force.
    pub exit: Option<u8>,
    /// Why, in one line.
    pub why: String,
    /// When, by the clock of this machine.
    pub at: Timestamp,
}

/// The last start of a plan that `serve` has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Last {
    /// What the plan was like.
    pub digest: String,
    /// The fingerprint that was approved.
    pub approved: String,
    /// When it was approved.
    pub approved_at: Timestamp,
    /// When it was begun, by the clock of this machine.
    pub begun: Timestamp,
    /// When the window that it was begun in ends, by the clock of the plan's servers. `None`: the plan has no windows.
    pub window_ends: Option<Timestamp>,
    /// How many starts there were in this window with this one.
    pub tries: u32,
    /// How it ended. `None`: it is at work, or was ended by force together with whoever watched it.
    pub end: Option<End>,
}

/// What an end means for the next start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Everything is done.
    Over,
    /// The next window of the plan.
    NextWindow,
    /// The same window, after a while, up to so many starts in it; then the next window.
    Again {
        /// How long after the end.
        after: SignedDuration,
        /// Starts in one window, the first one included.
        most: u32,
    },
    /// A person has to look first; then the plan is changed or approved again.
    Person,
}

/// A start whose process was ended by force, or that had no room or no disk: what is out has to come back, and the next
/// start looks at the servers before anything else. Why three: what ends three starts in a row ends the fourth.
const BROKEN_OFF: Next = Next::Again { after: SignedDuration::from_mins(1), most: 3 };

/// A pool that somebody else works on. Why ten minutes: a person who tries something on a server is done by then; each start
/// asks every server, so that a window of six hours has no more than this.
const HELD_ELSEWHERE: Next = Next::Again { after: SignedDuration::from_mins(10), most: 24 };

/// Returns what the exit code of a start means for the next one. The codes are part of the interface of the program; one that
/// is not known is for a person.
#[must_use]
pub fn next(exit: Option<u8>) -> Next {
    match exit {
        Some(0) => Next::Over,
        // The end of a window, no window, and what evidence or reach said against it: nothing is out, and the world may be
        // another one in the next window.
        Some(5 | 9 | 11 | 69) => Next::NextWindow,
        Some(7) => HELD_ELSEWHERE,
        None | Some(75) => BROKEN_OFF,
        // Some servers were skipped, a policy stopped it, a person or the system did, the approval is of another plan, the
        // plan is bad, or the program is.
        Some(_) => Next::Person,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_that_leaves_something_to_a_person_waits_for_one() {
        for exit in [2, 3, 4, 6, 8, 10, 64, 65, 70, 101, 130, 255] {
            assert_eq!(next(Some(exit)), Next::Person, "{exit}");
        }
        for exit in [5, 9, 11, 69] {
            assert_eq!(next(Some(exit)), Next::NextWindow, "{exit}");
        }
        assert_eq!(next(Some(0)), Next::Over);
    }

    #[test]
    fn no_end_is_begun_again_without_bound_or_at_once() {
        for exit in (0..=255).map(Some).chain([None]) {
            if let Next::Again { after, most } = next(exit) {
                assert!(after >= SignedDuration::from_mins(1) && most <= 24, "{exit:?}");
            }
        }
    }
}
