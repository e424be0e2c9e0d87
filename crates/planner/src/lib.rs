//! Model, observation and request in; an immutable plan and a report out.
//!
//! Belongs here: the order of work and its reasons, the checker that every finished plan passes, the safety questions
//! ([`safety`]), quorum, coverage by DNS, and what windows mean on a given day. Does not belong here: the clock (the
//! time is an argument), randomness, I/O, anything async, and the state of a run. Same input, same bytes.
#![warn(clippy::wildcard_enum_match_arm)]

mod build;
pub mod check;
pub mod codes;
mod coverage;
mod external;
mod findings;
mod fingerprint;
pub mod forecast;
pub mod limits;
mod make;
mod order;
pub mod plan;
pub mod probe;
pub mod quorum;
pub mod report;
pub mod safety;
mod schedule;
pub mod scope;
pub mod standing;
pub mod windows;
mod words;

pub use codes::CODES;
pub use findings::tell_once;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use make::{ControlHost, Observations, Owed, PlanError, found_by_server, make};
pub use plan::{Edge, EdgeReason, Finding, Plan, ServerWork, Severity, Step, StepId, StepKind, StepTarget};
pub use report::Report;
