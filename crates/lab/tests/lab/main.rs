//! The lab from outside: over its wires, as the production drivers meet it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, one that cannot begin says so"
)]

mod balancer;
mod common;
mod control;
mod names;
mod shapes;
mod strangers;
mod wire;
