//! What can be done to a server, as data: it is written down before it is done.

use crate::balancer::{BalancerPlace, BalancerState};
use crate::ids::{PoolName, ServerName, ServiceName};
use crate::service::{StartMode, StartType};
use crate::text;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The name under which one installation on one server is started at most once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstallerToken(pub String);

impl fmt::Display for InstallerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One change to one server. Asking for it is all it does: whether it came about is seen by looking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Sets a start type with its delayed flag.
    SetStartType {
        /// The service.
        service: ServiceName,
        /// The start type to set.
        to: StartType,
    },
    /// Pauses a service: it refuses new work and keeps what it has.
    Pause {
        /// The service.
        service: ServiceName,
    },
    /// Takes a service out of the paused state.
    Continue {
        /// The service.
        service: ServiceName,
    },
    /// Starts a service.
    Start {
        /// The service.
        service: ServiceName,
    },
    /// Stops a service.
    Stop {
        /// The service.
        service: ServiceName,
    },
    /// Starts the installer, detached, unless the token was used before.
    StartInstaller(InstallerRun),
    /// Restarts the server.
    Restart {
        /// The boot time that the restart is to change. A server with another boot time is not restarted.
        booted: Timestamp,
        /// What the server's event log is told.
        comment: String,
    },
    /// Sets what one of the pool's balancers does with the server in one backend.
    SetBalancer {
        /// The pool whose balancer it is.
        pool: PoolName,
        /// The entry. One that has another address by now is not changed.
        at: BalancerPlace,
        /// The state to set.
        to: BalancerState,
    },
}

/// One start of an installer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallerRun {
    /// At most one start per token, ever.
    pub token: InstallerToken,
    /// Path on the server.
    pub installer: String,
    /// Arguments.
    pub arguments: Vec<String>,
    /// Wanted SHA-256 of the file, lower-case hexadecimal. Another file is not started.
    pub sha256: String,
    /// How long it may run before the server's own task ends it.
    pub deadline: SignedDuration,
}

impl Act {
    /// Returns the service that the act is about.
    #[must_use]
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::SetStartType { service, .. }
            | Self::Pause { service }
            | Self::Continue { service }
            | Self::Start { service }
            | Self::Stop { service } => Some(service),
            Self::StartInstaller(_) | Self::Restart { .. } | Self::SetBalancer { .. } => None,
        }
    }

    /// Whether the act gives back what was taken away. No such act waits for another: one that is refused does not keep
    /// the others from being asked for.
    #[must_use]
    pub fn brings_back(&self) -> bool {
        match self {
            Self::Continue { .. } | Self::Start { .. } => true,
            Self::SetStartType { to, .. } => to.mode != StartMode::Manual,
            Self::SetBalancer { to, .. } => *to == BalancerState::Ready,
            Self::Pause { .. } | Self::Stop { .. } | Self::StartInstaller(_) | Self::Restart { .. } => false,
        }
    }

    /// Says the act as one on these services, in place of its own.
    #[must_use]
    pub fn said_of(&self, services: &str) -> String {
        match self {
            Self::SetStartType { to, .. } => format!("set the start type of {services} to {to}"),
            Self::Pause { .. } => format!("pause {services}"),
            Self::Continue { .. } => format!("continue {services}"),
            Self::Start { .. } => format!("start {services}"),
            Self::Stop { .. } => format!("stop {services}"),
            Self::StartInstaller(run) => format!("run {}", run.installer),
            Self::Restart { .. } => "restart the server".to_owned(),
            Self::SetBalancer { at, to, .. } => match to {
                BalancerState::Ready => format!("put {at} back into the balancer"),
                BalancerState::Drain => format!("take {at} out of the balancer (drain)"),
                BalancerState::Maintenance => format!("take {at} out of the balancer"),
            },
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said_of(self.service().map_or("", ServiceName::as_str)))
    }
}

/// How an act ended, as far as the driver can tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActOutcome {
    /// The server accepted it.
    Accepted,
    /// There was nothing to do.
    AlreadySo,
    /// The same act is in progress already.
    Joined,
    /// It did not happen, and trying again later may help.
    Retry(String),
    /// It did not happen, and trying again will not help.
    Failed(String),
    /// Nobody knows whether it happened: look.
    Unknown(String),
}

impl ActOutcome {
    /// Returns the same outcome with its text, which may hold text from outside, made fit for a line.
    #[must_use]
    pub fn bounded(self) -> Self {
        let fit = |text: String| text::bounded(&text, text::LONGEST_REASON);
        match self {
            Self::Accepted | Self::AlreadySo | Self::Joined => self,
            Self::Retry(text) => Self::Retry(fit(text)),
            Self::Failed(text) => Self::Failed(fit(text)),
            Self::Unknown(text) => Self::Unknown(fit(text)),
        }
    }

    /// Returns whether the act is known to have been accepted or to have been needless.
    #[must_use]
    pub fn is_success(&self) -> bool {
        match self {
            Self::Accepted | Self::AlreadySo | Self::Joined => true,
            Self::Retry(_) | Self::Failed(_) | Self::Unknown(_) => false,
        }
    }
}

/// Which server an act is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The pool.
    pub pool: PoolName,
    /// The server.
    pub server: ServerName,
}
