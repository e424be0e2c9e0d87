//! Plans and records as text, JSON and graphs.
//!
//! Belongs here: how a plan, a record, a view and the end of a run look, as functions from state and elapsed time to
//! strings. Does not belong here: the terminal, the environment, the clock, drivers, and every decision. Colour is an
//! argument ([`Style`]), and so are the width and the time zone.
#![warn(clippy::wildcard_enum_match_arm)]

pub mod ahead;
pub mod answering;
mod calm;
pub mod compare;
pub mod consent;
mod counted;
pub mod events;
#[cfg(test)]
mod fixture;
pub mod frame;
pub mod live;
pub mod log;
pub mod notice;
pub mod openings;
pub mod pages;
pub mod preview;
pub mod probe;
pub mod report;
pub mod schemas;
pub mod status;
pub mod stopping;
mod style;
pub mod summary;
pub mod taking_up;
mod templates;
mod text;
mod watch;
pub mod words;

pub use style::{Look, Style};
pub use templates::Unwritten;
pub use text::{broken, clean, duration};
