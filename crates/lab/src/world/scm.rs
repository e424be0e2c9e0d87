//! The service manager of one server: controls, pending states that take time, dependencies, and the return values of
//! `Win32_Service`.

use super::{Event, ServerIndex, World};
use crate::scenario::DelayedFlag;
use orchestrate_model::time::after;
use orchestrate_model::{RunState, ServiceName, StartMode, StartType};

/// A request to the service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Control {
    /// `PauseService`
    Pause,
    /// `ResumeService`
    Resume,
    /// `StartService`
    Start,
    /// `StopService`
    Stop,
    /// `InterrogateService`
    Interrogate,
}

impl Control {
    /// Returns the control that a method of `Win32_Service` stands for.
    pub(crate) fn of_method(method: &str) -> Option<Self> {
        match method {
            "PauseService" => Some(Self::Pause),
            "ResumeService" => Some(Self::Resume),
            "StartService" => Some(Self::Start),
            "StopService" => Some(Self::Stop),
            "InterrogateService" => Some(Self::Interrogate),
            _ => None,
        }
    }
}

/// Accepted.
const ACCEPTED: u32 = 0;
/// Dependent services are running.
const DEPENDENTS_RUNNING: u32 = 3;
/// The service does not take this control.
const INVALID_CONTROL: u32 = 4;
/// Not in this state.
const CANNOT_ACCEPT: u32 = 5;
/// Not started.
const NOT_STARTED: u32 = 6;
/// Running already.
const ALREADY_RUNNING: u32 = 10;
/// A service that this one needs did not start.
const DEPENDENCY_FAILED: u32 = 13;
/// Disabled.
const DISABLED: u32 = 14;
/// A parameter that the service manager does not know.
const INVALID_PARAMETER: u32 = 21;

/// How much longer than others `RTCSRV` takes to start.
const FRONT_END_STARTS_SLOWER: f64 = 4.0;

impl World {
    /// Passes a control to a service. `None` when there is no such service.
    pub(crate) fn control(&mut self, server: ServerIndex, service: &str, control: Control) -> Option<u32> {
        let name = self.servers[server].service_named(service)?.name.clone();
        let value = match control {
            Control::Pause => self.pause(server, &name),
            Control::Resume => self.resume(server, &name),
            Control::Start => self.start(server, &name),
            Control::Stop => self.stop(server, &name),
            Control::Interrogate => self.interrogate(server, &name),
        };
        Some(value)
    }

    fn state(&self, server: ServerIndex, name: &ServiceName) -> RunState {
        self.servers[server].services[name].state
    }

    fn interrogate(&self, server: ServerIndex, name: &ServiceName) -> u32 {
        match self.state(server, name) {
            RunState::Stopped => NOT_STARTED,
            RunState::StartPending | RunState::StopPending => CANNOT_ACCEPT,
            RunState::Running | RunState::Paused | RunState::PausePending | RunState::ContinuePending => ACCEPTED,
        }
    }

    fn pause(&mut self, server: ServerIndex, name: &ServiceName) -> u32 {
        let pausable = self.servers[server].services[name].pausable;
        match self.state(server, name) {
            RunState::Stopped => NOT_STARTED,
            RunState::StartPending | RunState::StopPending => CANNOT_ACCEPT,
            RunState::Running | RunState::Paused | RunState::PausePending | RunState::ContinuePending if !pausable => {
                INVALID_CONTROL
            }
            RunState::Paused => self.scenario.services.pause_of_paused,
            RunState::PausePending => ACCEPTED,
            RunState::Running | RunState::ContinuePending => {
                if let Some(value) = self.scenario.services.refuse_pause.get(name) {
                    return *value;
                }
                let own = self.scenario.services.pause_s.get(name).copied();
                let seconds = own.unwrap_or(self.scenario.timing.pause_s);
                self.pend(server, name, RunState::PausePending, seconds);
                ACCEPTED
            }
        }
    }

    fn resume(&mut self, server: ServerIndex, name: &ServiceName) -> u32 {
        match self.state(server, name) {
            RunState::Stopped => NOT_STARTED,
            RunState::StartPending | RunState::StopPending | RunState::PausePending => CANNOT_ACCEPT,
            RunState::Running | RunState::ContinuePending => {
                if self.servers[server].services[name].pausable {
                    ACCEPTED
                } else {
                    INVALID_CONTROL
                }
            }
            RunState::Paused => {
                if let Some(value) = self.scenario.services.refuse_continue.get(name) {
                    return *value;
                }
                let seconds = self.scenario.timing.continue_s;
                self.pend(server, name, RunState::ContinuePending, seconds);
                ACCEPTED
            }
        }
    }

    fn start(&mut self, server: ServerIndex, name: &ServiceName) -> u32 {
        if self.state(server, name) != RunState::Stopped {
            return ALREADY_RUNNING;
        }
        if self.servers[server].services[name].start.mode == StartMode::Disabled {
            return DISABLED;
        }
        if let Some(value) = self.scenario.services.refuse_start.get(name) {
            return *value;
        }
        // The service manager starts what a service needs, whatever its start type, unless it is disabled.
        for needed in self.servers[server].services[name].depends_on.clone() {
            if !self.servers[server].services.contains_key(&needed) {
                continue;
            }
            if self.state(server, &needed) == RunState::Stopped && self.start(server, &needed) != ACCEPTED {
                return DEPENDENCY_FAILED;
            }
        }
        let seconds = self.start_seconds(name);
        self.pend(server, name, RunState::StartPending, seconds);
        ACCEPTED
    }

    fn start_seconds(&self, name: &ServiceName) -> f64 {
        let usual = self.scenario.timing.start_s;
        let slower = if name.as_str().eq_ignore_ascii_case("RTCSRV") { FRONT_END_STARTS_SLOWER } else { 1.0 };
        self.scenario.services.start_s.get(name).copied().unwrap_or(usual * slower)
    }

    fn stop(&mut self, server: ServerIndex, name: &ServiceName) -> u32 {
        match self.state(server, name) {
            RunState::Stopped => return NOT_STARTED,
            RunState::StartPending | RunState::StopPending => return CANNOT_ACCEPT,
            RunState::Running | RunState::Paused | RunState::PausePending | RunState::ContinuePending => {}
        }
        if self.servers[server].dependents(name).any(|dependent| dependent.state != RunState::Stopped) {
            return DEPENDENTS_RUNNING;
        }
        if let Some(value) = self.scenario.services.refuse_stop.get(name) {
            return *value;
        }
        self.cut_service(server, name);
        let seconds = self.scenario.timing.stop_s;
        self.pend(server, name, RunState::StopPending, seconds);
        ACCEPTED
    }

    /// Sets a start mode as `ChangeStartMode` does. `None` when there is no such service.
    pub(crate) fn change_start_mode(&mut self, server: ServerIndex, service: &str, mode: &str) -> Option<u32> {
        let name = self.servers[server].service_named(service)?.name.clone();
        let mode = match mode.to_ascii_lowercase().as_str() {
            "automatic" => StartMode::Automatic,
            "manual" => StartMode::Manual,
            "disabled" => StartMode::Disabled,
            _ => return Some(INVALID_PARAMETER),
        };
        if let Some(value) = self.refuses_automatic(&name).filter(|_| mode == StartMode::Automatic) {
            return Some(value);
        }
        let keeps = self.scenario.services.delayed_flag == DelayedFlag::Kept;
        if let Some(entry) = self.servers[server].services.get_mut(&name) {
            entry.start.mode = mode;
            entry.start.delayed = entry.start.delayed && keeps;
        }
        Some(ACCEPTED)
    }

    /// Returns the value with which a service refuses to start by itself again, where it does.
    pub(crate) fn refuses_automatic(&self, service: &ServiceName) -> Option<u32> {
        let refused = &self.scenario.services.refuse_automatic;
        let found = refused.iter().find(|(name, _)| name.as_str().eq_ignore_ascii_case(service.as_str()));
        found.map(|(_, value)| *value)
    }

    /// Makes the start automatic and delayed, as `sc.exe config NAME start= delayed-auto` does. `None` when there is no
    /// such service.
    pub(crate) fn set_delayed(&mut self, server: ServerIndex, service: &str) -> Option<()> {
        let name = self.servers[server].service_named(service)?.name.clone();
        let entry = self.servers[server].services.get_mut(&name)?;
        entry.start.mode = StartMode::Automatic;
        entry.start.delayed = true;
        Some(())
    }

    /// Makes the start automatic and not delayed, as `sc.exe config NAME start= auto` does. `None` when there is no
    /// such service.
    pub(crate) fn clear_delayed(&mut self, server: ServerIndex, service: &str) -> Option<()> {
        let name = self.servers[server].service_named(service)?.name.clone();
        let entry = self.servers[server].services.get_mut(&name)?;
        entry.start = StartType::AUTOMATIC;
        Some(())
    }

    fn pend(&mut self, server: ServerIndex, name: &ServiceName, state: RunState, seconds: f64) {
        let change = self.enter(server, name, state);
        let service = name.clone();
        self.schedule_in(seconds, Event::Settled { server, service, change });
    }

    /// Puts a service into a state and returns the number of the change.
    pub(super) fn enter(&mut self, server: ServerIndex, name: &ServiceName, state: RunState) -> u64 {
        let now = self.now();
        let pool = self.servers[server].pool;
        let Some(service) = self.servers[server].services.get_mut(name) else { return 0 };
        service.change += 1;
        service.state = state;
        let change = service.change;
        match state {
            RunState::Running => service.running_since = service.running_since.or(Some(now)),
            RunState::StartPending => {
                service.pid = 1200 + u32::try_from(change % 7000).unwrap_or_default() * 4;
                service.exit_code = 0;
            }
            RunState::Stopped => {
                service.pid = 0;
                service.running_since = None;
            }
            RunState::StopPending | RunState::Paused | RunState::PausePending | RunState::ContinuePending => {}
        }
        self.count_out(pool);
        change
    }

    pub(super) fn settled(&mut self, server: ServerIndex, name: &ServiceName, change: u64) {
        let Some(service) = self.servers[server].services.get(name) else { return };
        if service.change != change {
            return;
        }
        let state = service.state;
        let next = match state {
            RunState::StartPending if self.waits_for_others(server, name) => {
                let service = name.clone();
                self.schedule_in(1.0, Event::Settled { server, service, change });
                return;
            }
            RunState::StartPending | RunState::ContinuePending => RunState::Running,
            RunState::StopPending => RunState::Stopped,
            RunState::PausePending => RunState::Paused,
            RunState::Running | RunState::Stopped | RunState::Paused => return,
        };
        self.enter(server, name, next);
        if state == RunState::StartPending && name.as_str().eq_ignore_ascii_case("RTCSRV") {
            self.front_end_came_up(server);
        }
    }

    /// A service stays start-pending as long as one that it needs does.
    fn waits_for_others(&self, server: ServerIndex, name: &ServiceName) -> bool {
        let services = &self.servers[server].services;
        let needed = services.get(name).map(|service| service.depends_on.as_slice()).unwrap_or_default();
        needed.iter().filter_map(|other| services.get(other)).any(|other| other.state == RunState::StartPending)
    }

    fn front_end_came_up(&mut self, server: ServerIndex) {
        let until = after(self.now(), super::lab_seconds(self.scenario.timing.busy_s));
        let pool = self.servers[server].pool;
        self.pools[pool].busy_until = self.pools[pool].busy_until.max(until);
    }
}
