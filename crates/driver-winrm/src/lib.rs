//! Windows servers over WinRM: the driver that looks at them and changes them.
//!
//! Belongs here: which question is put to which class, counter or script, and what the answers say in the words of the
//! model. Does not belong here: how requests travel (`orchestrate-wsman`), how often is asked, what an answer means for
//! a run, and every decision.
//!
//! There are two types. [`WinrmReader`] can look and has no method that changes anything (promise P7). [`WinrmServer`]
//! wraps a reader and can change. Everything that cannot be read is unknown, with the reason (P3); a request that may
//! have reached the server is never repeated by the driver.

mod activity;
mod by_task;
mod central;
mod counters;
mod desk;
mod examine;
mod hop;
mod host;
#[cfg(test)]
mod lab_tests;
mod lease;
mod link;
mod measures;
mod outcome;
#[cfg(test)]
mod powershell_tests;
mod reader;
mod readiness;
mod restart;
mod rights;
mod script;
mod server;
mod services;
mod sessions;
mod state;
mod target;
#[cfg(test)]
mod task_tests;
mod together;
mod worker;

pub use examine::{Counters, Depth, Examination, Names};
pub use orchestrate_wsman::{
    Auth, Binding, ClientCertificate, Credentials, Krb5Conf, Login, Mechanism, Negotiate, Realms, SetupError, Source,
    Timeouts, Transport, Trust,
};
pub use reader::WinrmReader;
pub use server::WinrmServer;
pub use target::{Stay, WinrmLimits, WinrmTarget};
