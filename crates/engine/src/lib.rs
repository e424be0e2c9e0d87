//! What a run is: records, the state as a fold over them, and one transition function.
//!
//! Belongs here: every decision of a run. Inputs and the time come in, records and effects go out. Does not belong here:
//! waiting, I/O, tokio, drivers, the disk. Judgement of what was seen is pure, so that the same code serves runs,
//! resumed runs and simulations.
#![warn(clippy::wildcard_enum_match_arm)]

mod calendar;
pub mod constants;
mod engine;
pub mod levels;
mod lived;
pub mod look;
pub mod record;
mod reopening;
pub mod state;
mod steps;
pub mod took;
pub mod view;

pub use engine::{Command, Effect, Engine, Input, Signal, Start, Ticket};
pub use look::Look;
pub use record::{Intent, IntentId, Record, RunHeader, RunOutcome, ServerEnd};
pub use state::{Illegal, RunState, StepState, WorkState};
pub use view::View;
