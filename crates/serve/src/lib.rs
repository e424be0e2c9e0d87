//! What becomes of a folder of plans: which file is read, which plan waits for what, which is begun next.
//!
//! Belongs here: when a file is quiet enough to be read, what an exit code means for the next start, and the one judgement
//! of a plan ([`judge`]) from its file, its approval, its windows, the runs of its pools and its last start.
//! Does not belong here: the clock (the time is an argument), the disk, processes, HTTP, and everything about servers. What
//! keeps servers safe is asked by the run that is begun, never here: a judgement that is wrong costs a start that is refused.
#![warn(clippy::wildcard_enum_match_arm)]

mod end;
mod judge;
mod quiet;
mod turn;
mod words;

pub use end::{End, Last, Next, next};
pub use judge::{Approval, Campaign, Good, Known, Moment, PlanFile, Verdict, judge};
pub use quiet::{QUIET, Quiet, Stamp};
pub use turn::{AT_ONCE, Candidate, Hindrance, Share, Taken, Turns, turns};
pub use words::Status;
