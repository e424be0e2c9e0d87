//! What the planner promises, seen from outside.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod agreed;
mod antichains;
mod away;
mod beside;
mod central;
mod checker;
mod chosen;
mod dependents;
mod drains;
mod earlier;
mod entry;
mod external;
mod findings;
mod idle;
mod order;
mod ours;
mod placed;
mod properties;
mod quorum;
mod records;
mod safety;
mod several;
mod support;
mod ties;
mod turns;
