//! A pool of servers imitated on loopback, well enough that the production drivers run against it unchanged.
//!
//! Belongs here: a model of the servers ([`scenario`] says how they are), a WinRM listener for each of them, a name
//! server with the pools' zone, and a balancer. Does not belong here: any code that is shared with a driver. Both
//! sides know nothing of each other but the protocols' constants, or a mistake would cancel itself out.
//!
//! What the lab does not model: Windows' own authentication, Active Directory, the product's databases, media. It
//! listens on loopback only and its credentials end with it.

mod balancer;
mod control;
mod directory;
mod dns;
mod fitting;
mod lab;
mod machine;
mod numbers;
mod operation;
mod reading;
mod report;
pub mod scenario;
mod schema;
mod shared;
mod tls;
mod winrm;
mod world;
mod wsman;

pub use directory::LabDirectory;
pub use lab::{Lab, LabConfig};
pub use machine::{AccountStanding, FileReaders, MachineScenario, PowerShellMode};
pub use numbers::{FASTEST, is_speed, is_time};
pub use report::{
    InstallerOutcome, InstallerReport, LabReport, PoolReport, ServerReport, ServiceReport, SessionReport, ShellReport,
    TrafficReport,
};
pub use scenario::Scenario;
pub use schema::json_schema;
pub use world::LeaseFile;

use std::net::SocketAddr;
use std::path::PathBuf;
use thiserror::Error;

/// Why a lab cannot be started, found or asked.
#[derive(Debug, Error)]
pub enum LabError {
    /// The speed is no positive number.
    #[error("a lab cannot run at speed {0}; a positive number is needed")]
    Speed(f64),
    /// A number that no lab can be run by.
    #[error("the lab cannot be run: {0}")]
    Number(String),
    /// No port on loopback.
    #[error("the lab cannot listen on loopback")]
    Listen(#[source] std::io::Error),
    /// No certificate.
    #[error("the lab cannot make its certificates")]
    Certificate(#[source] rcgen::Error),
    /// No TLS.
    #[error("the lab cannot set up TLS")]
    Tls(#[source] rustls::Error),
    /// A file cannot be read or written.
    #[error("the file {} of the lab cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Something is not of the layout that was expected.
    #[error("{what} is not of the layout that was expected")]
    Unreadable {
        /// What was read.
        what: String,
        /// Why it is not.
        source: serde_json::Error,
    },
    /// The file belongs to no lab that this program can talk to.
    #[error("{} is not the directory of a lab on loopback, or one of another version", path.display())]
    NotALab {
        /// The file.
        path: PathBuf,
    },
    /// The lab does not answer.
    #[error("the lab at {address} does not answer")]
    NoAnswer {
        /// Where it should be.
        address: SocketAddr,
        /// What happened instead.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The lab refuses to answer.
    #[error("the lab at {address} answered with status {status} instead of a report")]
    Refused {
        /// Where it is.
        address: SocketAddr,
        /// The HTTP status.
        status: u16,
    },
}
