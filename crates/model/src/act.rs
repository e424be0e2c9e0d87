//! What can be done to a server, as data: it is written down before it is done.

use crate::balancer::{BalancerPlace, BalancerState};
use crate::ids::{PoolName, ServerName, ServiceName};
use crate::secret;
use crate::service::{StartMode, StartType};
use crate::text;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, Serializer};
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
///
/// What is written or shown of it has no secret: it goes into journals, events, reports and logs. Only the act itself, which is
/// never read back from any of them, has the arguments as the plan gives them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallerRun {
    /// At most one start per token, ever.
    pub token: InstallerToken,
    /// Path on the server.
    #[serde(serialize_with = "without_logon")]
    pub installer: String,
    /// Arguments.
    #[serde(serialize_with = "without_secrets")]
    pub arguments: Vec<String>,
    /// Wanted SHA-256 of the file, lower-case hexadecimal. Another file is not started.
    pub sha256: String,
    /// How long it may run before the server's own task ends it.
    pub deadline: SignedDuration,
}

fn without_logon<S: Serializer>(installer: &str, serializer: S) -> Result<S::Ok, S::Error> {
    secret::shown_address(installer).serialize(serializer)
}

fn without_secrets<S: Serializer>(arguments: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    secret::shown_arguments(arguments).0.serialize(serializer)
}

impl fmt::Debug for InstallerRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstallerRun")
            .field("token", &self.token)
            .field("installer", &secret::shown_address(&self.installer))
            .field("arguments", &secret::shown_arguments(&self.arguments).0)
            .field("sha256", &self.sha256)
            .field("deadline", &self.deadline)
            .finish()
    }
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
            Self::StartInstaller(run) => format!("run {}", secret::shown_address(&run.installer)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_what_is_written_and_shown_of_an_installer_has_no_secret_and_the_act_has_it() {
        let run = InstallerRun {
            token: InstallerToken("t".to_owned()),
            installer: r"\\svc:geheim@nas\CU\x.exe".to_owned(),
            arguments: ["/quiet", "/password=geheim", "-Pwd:geheim", "PASSWORD=geheim", "--token", "geheim"]
                .map(str::to_owned)
                .to_vec(),
            sha256: String::new(),
            deadline: SignedDuration::from_mins(1),
        };
        let act = Act::StartInstaller(run.clone());
        let written = serde_json::to_string(&act).unwrap();
        for text in [written.clone(), act.to_string(), format!("{act:?}")] {
            assert!(!text.contains("geheim"), "{text}");
        }
        // It is read again as what was written, and says what ran.
        let Act::StartInstaller(read) = serde_json::from_str(&written).unwrap() else { panic!("another act") };
        assert_eq!((&read.token, read.arguments.len(), &*read.arguments[0]), (&run.token, 6, "/quiet"));
        assert_eq!(run.arguments[1], "/password=geheim");
    }
}
