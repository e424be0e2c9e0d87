//! Windows services as the service manager shows them.

use crate::answer::Answer;
use crate::ids::ServiceName;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of a service, as `Win32_Service.State` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Not running.
    Stopped,
    /// On its way up; `RTCSRV` may stay here for an hour.
    StartPending,
    /// On its way down.
    StopPending,
    /// Running and taking new work.
    Running,
    /// Leaving the paused state.
    ContinuePending,
    /// On its way to paused.
    PausePending,
    /// Refuses new work and keeps the work it has. Proves nothing about sessions.
    Paused,
}

impl RunState {
    /// Returns whether the service has reached a state in which it stays by itself.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Stopped | Self::Running | Self::Paused)
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "stopped",
            Self::StartPending => "start pending",
            Self::StopPending => "stop pending",
            Self::Running => "running",
            Self::ContinuePending => "continue pending",
            Self::PausePending => "pause pending",
            Self::Paused => "paused",
        })
    }
}

/// How a service comes up after a restart of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartMode {
    /// Starts by itself.
    Automatic,
    /// Starts when asked.
    Manual,
    /// Cannot be started.
    Disabled,
    /// A driver's start type (`Boot`); never changed by us.
    Boot,
    /// A driver's start type (`System`); never changed by us.
    System,
}

impl fmt::Display for StartMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
            Self::Disabled => "disabled",
            Self::Boot => "boot",
            Self::System => "system",
        })
    }
}

/// The start type of a service: the mode, and the delayed flag that only means something with automatic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StartType {
    /// The mode.
    pub mode: StartMode,
    /// Whether an automatic start waits about two minutes after the others.
    pub delayed: bool,
}

impl StartType {
    /// Starts when asked, never by itself.
    pub const MANUAL: Self = Self { mode: StartMode::Manual, delayed: false };
    /// Starts by itself.
    pub const AUTOMATIC: Self = Self { mode: StartMode::Automatic, delayed: false };
    /// Starts by itself, after the others.
    pub const DELAYED: Self = Self { mode: StartMode::Automatic, delayed: true };
}

impl fmt::Display for StartType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mode, self.delayed) {
            (StartMode::Automatic, true) => f.write_str("automatic (delayed)"),
            (mode, _) => mode.fmt(f),
        }
    }
}

/// One service of one server, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Short name.
    pub name: ServiceName,
    /// Display name in the server's language.
    pub display_name: String,
    /// State. An unknown text from the server is an unknown answer.
    pub state: Answer<RunState>,
    /// Start type with the delayed flag.
    pub start: Answer<StartType>,
    /// Whether it accepts a pause now. The service manager says no while it is stopped or pending.
    pub accepts_pause: bool,
    /// Services that must be stopped before this one can be.
    pub dependents: Answer<Vec<ServiceName>>,
}

impl ServiceStatus {
    /// Returns whether the service is known to be in `state`.
    #[must_use]
    pub fn is(&self, state: RunState) -> bool {
        self.state == Answer::Known(state)
    }
}
