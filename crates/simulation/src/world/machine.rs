//! One server: power, services, sessions, installers.

use super::{By, Ms, NEVER};
use crate::dice::Dice;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{
    Ask, InstallerToken, RunState, ServerName, ServerObservation, ServiceName, StartMode, StartType,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How long a service takes from its start until it has its usual number of sessions.
const FILLING: Ms = 10 * super::MINUTE;

/// A server.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a state of its own")]
pub(crate) struct Machine {
    pub(crate) pool: usize,
    pub(crate) name: ServerName,
    pub(crate) address: IpAddr,
    pub(crate) up: bool,
    pub(crate) booted: Ms,
    /// How often it was booted in the simulation.
    pub(crate) boots: u32,
    /// Whether it is on its way down.
    pub(crate) going_down: bool,
    /// What its clock shows more than ours.
    pub(crate) skew: Ms,
    pub(crate) services: Vec<Service>,
    pub(crate) installers: BTreeMap<InstallerToken, Installer>,
    /// Which of the installers each token has started.
    pub(crate) ran: BTreeMap<InstallerToken, usize>,
    /// The installers that have ended well.
    pub(crate) brought: BTreeSet<usize>,
    /// Whether it has the level of the product.
    pub(crate) patched: bool,
    /// Whether the patch left one component as it was.
    pub(crate) left_out: bool,
    /// Whether the patch put an older version of that component in place.
    pub(crate) lowered: bool,
    /// Whether an installer has said that it wants a restart, and there was none since.
    pub(crate) wants_restart: bool,
    /// Whether a restart is due since before the night.
    pub(crate) restart_due: bool,
    /// The installer that has begun a restart by itself.
    pub(crate) restarts_by: Option<InstallerToken>,
    /// What the balancers do with it, by backend. One where its pool has none that can be told.
    pub(crate) admin: Vec<BalancerState>,
    /// Since when it does not serve, and whose doing that was.
    pub(crate) out_since: Option<(Ms, By)>,
    /// Whose it is, by the number of the control host, and until when.
    pub(crate) lease: Option<(u32, Ms)>,
    /// An earlier answer, to be given again.
    pub(crate) remembered: Option<(Ask, ServerObservation)>,
}

/// A service.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a trait of its own that the dice decide")]
pub(crate) struct Service {
    pub(crate) name: ServiceName,
    pub(crate) state: RunState,
    pub(crate) start: StartType,
    pub(crate) dependents: Vec<ServiceName>,
    /// Whether the server does not serve without it.
    pub(crate) serving: bool,
    /// Whether the change is about it.
    pub(crate) scope: bool,
    /// Whether a run may change it at all.
    pub(crate) touchable: bool,
    /// Whether it says that it is draining.
    pub(crate) says_draining: bool,
    /// Sessions when it runs as usual.
    pub(crate) load: i64,
    /// How long its sessions last.
    pub(crate) lasting: Ms,
    /// When it began to run.
    pub(crate) runs_since: Ms,
    /// Sessions by birth and end.
    pub(crate) live: Vec<(Ms, Ms)>,
    /// Changes with every transition, so that a later one cancels an earlier one.
    pub(crate) turn: u32,
    /// From when on it drains while it is paused. Before that it takes new sessions all the same.
    pub(crate) drains_from: Ms,
    /// When it was last asked to pause.
    pub(crate) pausing_since: Ms,
    /// Whether people come back to it.
    pub(crate) returning: bool,
    /// False zeros in a row.
    pub(crate) lies: u32,
}

/// An installer that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Installer {
    Running,
    Finished(i64),
    Killed,
    Vanished,
    NeverRan,
}

impl Machine {
    /// Whether everything that it serves with runs, and clients are sent to it.
    pub(crate) fn serves(&self) -> bool {
        self.up
            && self.is_admitted()
            && self.services.iter().filter(|service| service.serving).all(|s| s.state == RunState::Running)
    }

    /// Whether every backend sends it what is new.
    pub(crate) fn is_admitted(&self) -> bool {
        self.admin.iter().all(|state| *state == BalancerState::Ready)
    }

    pub(crate) fn service(&self, name: &ServiceName) -> Option<usize> {
        self.services.iter().position(|service| service.name == *name)
    }
}

impl Service {
    /// How many sessions it has.
    pub(crate) fn sessions(&self, now: Ms) -> i64 {
        self.sessions_older(now, 0)
    }

    /// How many of its sessions are older than `age`.
    pub(crate) fn sessions_older(&self, now: Ms, age: Ms) -> i64 {
        let live = self.live.iter().filter(|(born, end)| *born <= now - age && *end > now).count();
        let live = i64::try_from(live).unwrap_or(i64::MAX);
        if self.state == RunState::Running { live.max(self.newcomers(now - age)) } else { live }
    }

    /// Sessions that came since it began to run.
    fn newcomers(&self, now: Ms) -> i64 {
        let running = now - self.runs_since;
        if running <= 0 { 0 } else { (self.load * running.min(FILLING) + FILLING - 1) / FILLING }
    }

    /// Makes the sessions that it has single ones, each with its end.
    pub(crate) fn settle_sessions(&mut self, now: Ms, dice: &mut Dice, endless: f64) {
        if self.state != RunState::Running {
            return;
        }
        self.live.retain(|(_, end)| *end > now);
        let known = i64::try_from(self.live.len()).unwrap_or(i64::MAX);
        let more = self.newcomers(now) - known;
        let since = self.runs_since.max(now - FILLING);
        for _ in 0..more.max(0) {
            let end = if dice.chance(endless) { NEVER } else { now + 1 + dice.lasting(self.lasting) };
            self.live.push((dice.between(since, now), end));
        }
    }

    /// Whether it comes up by itself after a restart.
    pub(crate) fn comes_up(&self) -> bool {
        self.start.mode == StartMode::Automatic
    }
}
