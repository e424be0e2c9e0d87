//! Power: shutdown, reboot, crash, and which services a boot starts.

use super::server::Power;
use super::{Event, ServerIndex, World, lab_seconds};
use crate::scenario::RestartBehaviour;
use orchestrate_model::time::after;
use orchestrate_model::{RunState, ServiceName, StartMode};

/// What a request to restart was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Accepted.
    Accepted,
    /// A shutdown is scheduled already.
    Scheduled,
}

impl World {
    /// Asks a server to restart after `grace_s` lab seconds.
    pub(crate) fn restart(&mut self, server: ServerIndex, grace_s: f64) -> Shutdown {
        match self.servers[server].power {
            Power::GoingDown { .. } | Power::Off => return Shutdown::Scheduled,
            Power::Up { .. } => {}
        }
        if self.behaviour(server) == RestartBehaviour::Ignored {
            return Shutdown::Accepted;
        }
        let at = after(self.now(), lab_seconds(grace_s));
        self.servers[server].power = Power::GoingDown { at };
        let boot = self.servers[server].boot;
        self.schedule(at, Event::PowerOff { server, boot });
        Shutdown::Accepted
    }

    fn behaviour(&self, server: ServerIndex) -> RestartBehaviour {
        let name = &self.servers[server].name;
        self.scenario.servers.get(name).map_or(RestartBehaviour::Normal, |server| server.restart)
    }

    pub(super) fn power_off(&mut self, server: ServerIndex, boot: u64) {
        if self.servers[server].boot != boot || self.servers[server].power == Power::Off {
            return;
        }
        self.go_dark(server);
        self.servers[server].restarts += 1;
        self.tell(server, "power", "off", "restart");
        if self.behaviour(server) != RestartBehaviour::StaysDown {
            self.schedule_boot(server);
        }
    }

    pub(super) fn crash(&mut self, server: ServerIndex) {
        if self.servers[server].is_up() {
            self.go_dark(server);
            self.tell(server, "power", "off", "crash");
            self.schedule_boot(server);
        }
    }

    /// Everything that runs on the server ends at once.
    pub(super) fn go_dark(&mut self, server: ServerIndex) {
        let names: Vec<ServiceName> = self.servers[server].services.keys().cloned().collect();
        for name in names {
            self.cut_service(server, &name);
            self.enter(server, &name, RunState::Stopped);
        }
        self.servers[server].power = Power::Off;
        self.servers[server].boot += 1;
        for installer in self.servers[server].installers.values_mut() {
            installer.power_failed();
        }
        self.count_out(self.servers[server].pool);
    }

    fn schedule_boot(&mut self, server: ServerIndex) {
        let boot = self.servers[server].boot;
        let seconds = self.scenario.timing.boot_s;
        self.schedule_in(seconds, Event::Booted { server, boot });
    }

    pub(super) fn booted(&mut self, server: ServerIndex, boot: u64) {
        if self.servers[server].boot != boot || self.servers[server].power != Power::Off {
            return;
        }
        let now = self.now();
        let winrm = after(now, lab_seconds(self.scenario.timing.winrm_late_s));
        // The kernel counts from some time before the services start.
        self.servers[server].booted = after(now, -lab_seconds(self.scenario.timing.boot_s.min(20.0)));
        self.servers[server].power = Power::Up { winrm };
        // What waits for a restart has had one.
        self.servers[server].machine.pending_restart.clear();
        for service in self.servers[server].services.values_mut() {
            service.exit_code = NEVER_STARTED;
        }
        self.tell(server, "power", "on", "booted");
        self.start_by_type(server, |delayed| !delayed);
        let delay = self.scenario.timing.delayed_start_s;
        self.schedule_in(delay, Event::DelayedStart { server, boot });
    }

    pub(super) fn delayed_start(&mut self, server: ServerIndex, boot: u64) {
        if self.servers[server].boot == boot && self.servers[server].is_up() {
            self.start_by_type(server, |delayed| delayed);
        }
    }

    /// Starts the automatic services whose delayed flag is as wanted. That the pool was paused before is forgotten.
    fn start_by_type(&mut self, server: ServerIndex, wanted: fn(bool) -> bool) {
        let due: Vec<ServiceName> = self.servers[server]
            .services
            .values()
            .filter(|service| service.start.mode == StartMode::Automatic && wanted(service.start.delayed))
            .filter(|service| service.state == RunState::Stopped)
            .map(|service| service.name.clone())
            .collect();
        for name in due {
            let refused = self.control(server, name.as_str(), super::Control::Start).unwrap_or_default() != 0;
            if refused && self.servers[server].services[&name].state == RunState::Stopped {
                self.tell(server, "autostart", name.as_str(), "failed");
            }
        }
    }
}

/// The exit code of a service that was not started since the boot.
pub(super) const NEVER_STARTED: u32 = 1077;
