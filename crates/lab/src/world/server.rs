//! One imitated server: power, services, installers.

use super::installer::Installer;
use super::lease::LeaseFile;
use crate::machine::MachineScenario;
use jiff::Timestamp;
use orchestrate_model::catalogue::ServiceFacts;
use orchestrate_model::{RunState, ServerName, ServiceName, StartMode, StartType};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One server.
pub(crate) struct LabServer {
    pub(crate) name: ServerName,
    pub(crate) pool: usize,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) power: Power,
    /// When it was last booted.
    pub(crate) booted: Timestamp,
    /// Counts boots, so that what was meant for an earlier one is passed over.
    pub(crate) boot: u64,
    pub(crate) services: BTreeMap<ServiceName, LabService>,
    pub(crate) installers: BTreeMap<String, Installer>,
    /// Whose it is.
    pub(crate) lease: Option<LeaseFile>,
    pub(crate) restarts: u32,
    pub(crate) installs: u32,
    /// Whether it is at the level that the installer brings.
    pub(crate) patched: bool,
    /// Which installers of the plan have ended well on it.
    pub(crate) brought: BTreeSet<usize>,
    /// Services that took sessions when an installer that replaces their files was started.
    pub(crate) patched_while_serving: BTreeSet<ServiceName>,
    pub(crate) os: OperatingSystem,
    /// What it is like besides its services.
    pub(crate) machine: MachineScenario,
}

/// Whether a server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// It runs; WinRM answers from the given time on.
    Up { winrm: Timestamp },
    /// It was told to go down and does so at the given time.
    GoingDown { at: Timestamp },
    /// It is off, and booting if it ever comes back.
    Off,
}

/// What the operating system says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperatingSystem {
    pub(crate) caption: &'static str,
    pub(crate) version: &'static str,
    pub(crate) build: &'static str,
    /// Whether `Win32_Service` has `DelayedAutoStart`: only from 2016 on.
    pub(crate) shows_delayed: bool,
}

/// One service of one server.
#[derive(Debug, Clone)]
pub(crate) struct LabService {
    pub(crate) name: ServiceName,
    pub(crate) display: String,
    pub(crate) facts: Option<&'static ServiceFacts>,
    pub(crate) state: RunState,
    /// Counts changes of state, so that the end of an earlier pending state is passed over.
    pub(crate) change: u64,
    pub(crate) start: StartType,
    pub(crate) start_at_origin: StartType,
    /// Whether it takes pauses at all.
    pub(crate) pausable: bool,
    /// Whether it belongs to the services that have sessions.
    pub(crate) has_sessions: bool,
    pub(crate) depends_on: Vec<ServiceName>,
    /// Open sessions.
    pub(crate) sessions: u32,
    pub(crate) pid: u32,
    pub(crate) exit_code: u32,
    /// When it last became running.
    pub(crate) running_since: Option<Timestamp>,
}

impl LabService {
    /// Returns whether the service's process exists and its counters with it.
    pub(crate) fn has_process(&self) -> bool {
        match self.state {
            RunState::Running | RunState::Paused | RunState::PausePending | RunState::ContinuePending => true,
            RunState::Stopped | RunState::StartPending | RunState::StopPending => false,
        }
    }

    /// Returns whether the service takes new sessions.
    pub(crate) fn accepts(&self) -> bool {
        self.state == RunState::Running
    }

    /// Returns whether the service refuses new sessions while it keeps its own.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.state, RunState::Paused | RunState::PausePending)
    }

    /// Returns whether the service manager would pass a pause on now.
    pub(crate) fn accepts_pause(&self) -> bool {
        self.pausable && matches!(self.state, RunState::Running | RunState::Paused)
    }

    /// Returns whether the service manager would pass a stop on now.
    pub(crate) fn accepts_stop(&self) -> bool {
        matches!(self.state, RunState::Running | RunState::Paused)
    }
}

impl LabServer {
    /// Returns whether the operating system runs.
    pub(crate) fn is_up(&self) -> bool {
        match self.power {
            Power::Up { .. } | Power::GoingDown { .. } => true,
            Power::Off => false,
        }
    }

    /// Returns whether WinRM answers at `now`.
    pub(crate) fn answers(&self, now: Timestamp) -> bool {
        match self.power {
            Power::Up { winrm } => now >= winrm,
            Power::GoingDown { .. } => true,
            Power::Off => false,
        }
    }

    /// Returns the service with this name.
    pub(crate) fn service_named(&self, name: &str) -> Option<&LabService> {
        self.services.values().find(|service| service.name.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns whether the server is out: off, or one of its session services does not take connections. Services that
    /// were disabled from the start do not count.
    pub(crate) fn is_out(&self) -> bool {
        !self.is_up()
            || self.services.values().any(|service| {
                service.has_sessions && service.start_at_origin.mode != StartMode::Disabled && !service.accepts()
            })
    }

    /// Returns the services that need `name` to run.
    pub(crate) fn dependents<'a>(&'a self, name: &'a ServiceName) -> impl Iterator<Item = &'a LabService> {
        self.services.values().filter(move |service| service.depends_on.contains(name))
    }

    /// Returns whether every start type is as it was at the start.
    pub(crate) fn start_types_as_before(&self) -> bool {
        self.services.values().all(|service| service.start == service.start_at_origin)
    }
}
