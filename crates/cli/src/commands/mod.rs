//! One module per command.

pub(crate) mod approve;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod detach;
pub(crate) mod diff;
pub(crate) mod dry;
pub(crate) mod explain;
pub(crate) mod lab;
pub(crate) mod man;
pub(crate) mod notify;
pub(crate) mod order;
pub(crate) mod probe;
pub(crate) mod report;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod simulate;
pub(crate) mod status;
mod waiting;
pub(crate) mod watch;
pub(crate) mod windows;
