//! The terminal: the only place that prints and asks.

mod frame;
mod keys;
pub(crate) mod live;
pub(crate) mod output;
pub(crate) mod signals;
pub(crate) mod tracing;
