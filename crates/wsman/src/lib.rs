//! A small WS-Management client: what a program needs to ask a Windows server about its services and to control them.
//!
//! Belongs here: the messages and how they travel. One [`Client`] owns one connection and sends one request at a time
//! on it, because authentication by Negotiate belongs to the connection. Does not belong here: what is asked and what
//! the answers mean for a run, polling, and the pool.
//!
//! Every failed operation says which of three things is the case ([`Outcome`]): the request was not sent, the server
//! refused it, or it was sent and nobody knows what became of it. Only questions are repeated automatically, never
//! an operation that changes something.

mod auth;
mod client;
pub mod clixml;
mod config;
mod connection;
mod credentials;
mod enumerate;
mod envelope;
mod error;
mod fault;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod fuzz_targets;
mod instance;
pub mod names;
#[cfg(test)]
mod recorded;
mod shell;
mod survey;
mod text;
mod tls;
pub mod xml;

pub use auth::{
    Auth, Binding, Krb5Conf, Logon, LogonFailure, LogonReason, Mechanism, Negotiate, Realms, UsedMechanism,
};
pub use client::Client;
pub use config::{Endpoint, Limits, Looking, Names, Timeouts};
pub use credentials::{Credentials, Login, Source};
pub use envelope::{Header, Reply};
pub use error::{Cause, Error, NotSent, Outcome, Refusal, SetupError, Unresolved};
pub use fault::{Fault, FaultClass};
pub use instance::{Identity, Instance};
pub use shell::{Conversation, Heard, Output, Shell, ShellOptions};
pub use survey::{Certificate, Shown, Survey, Unanswered, survey};
pub use text::plain;
pub use tls::{ClientCertificate, Transport, Trust};
