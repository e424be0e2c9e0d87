//! A block is watched: what takes work again while its server is blocked is blocked again, or the server is held or
//! turned back.

use super::GUARD_AGE;
use super::lines::Line;
use crate::world::{MINUTE, Ms, World};
use orchestrate_model::{Act, RunState, ServerObservation};
use std::collections::{BTreeMap, BTreeSet};

/// How long a run may know of it and do nothing.
const PATIENCE: Ms = 6 * MINUTE;

/// What the oracle knows of blocks.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Machines whose block was proven, and which are not on their way back.
    blocked: BTreeSet<usize>,
    /// Those of them that wait for a person.
    held: BTreeSet<usize>,
    /// Services that were truthfully shown to take work again, since when, and what was shown.
    open: BTreeMap<(usize, usize), (Ms, &'static str)>,
    /// Paused services that were truthfully shown without sessions.
    empty: BTreeSet<(usize, usize)>,
}

impl Watch {
    pub(super) fn read(&mut self, kind: &str, line: &Line<'_>) {
        let Some(at) = line.machine else {
            if kind == "resumed" {
                self.open.clear();
                self.empty.clear();
                self.held.clear();
            }
            return;
        };
        match (kind, line.step) {
            ("step_done", "block") => {
                self.blocked.insert(at);
            }
            // An installer starts and stops services itself, so it is left alone; what runs is blocked after it.
            ("step_started", "patch" | "restart" | "verify" | "return" | "balancer-in" | "gate")
            | ("reopened" | "turned_back" | "server_ended", _) => {
                self.blocked.remove(&at);
                self.held.remove(&at);
                self.forget(at);
            }
            ("held", _) => {
                self.held.insert(at);
                self.forget(at);
            }
            ("decided", _) => {
                self.held.remove(&at);
            }
            ("reasserted", _) => self.forget(at),
            _ => {}
        }
    }

    /// While the machine of the run stood still it could do nothing.
    pub(super) fn sleeps(&mut self) {
        self.open.clear();
    }

    /// What was shown before says nothing any more.
    fn forget(&mut self, at: usize) {
        self.open.retain(|(machine, _), _| *machine != at);
        self.empty.retain(|(machine, _)| *machine != at);
    }

    /// The run acts on a machine.
    pub(super) fn acts(&mut self, at: usize, place: Option<usize>, act: &Act) {
        match (act, place) {
            (Act::Pause { .. } | Act::Stop { .. }, Some(place)) => {
                self.open.remove(&(at, place));
                self.empty.remove(&(at, place));
            }
            (Act::Pause { .. } | Act::Stop { .. }, None) => {}
            (Act::Continue { .. } | Act::Start { .. } | Act::SetBalancer { .. }, _) => self.forget(at),
            (Act::SetStartType { .. } | Act::StartInstaller(_) | Act::Restart { .. }, _) => {}
        }
    }
}

impl World {
    /// A run is shown a machine that it has blocked.
    pub(super) fn check_block(&mut self, at: usize, seen: &ServerObservation) {
        if !self.oracle.watch.blocked.contains(&at) || self.oracle.watch.held.contains(&at) {
            return;
        }
        let now = self.now;
        let fresh = self.moment(seen.taken) >= now - GUARD_AGE;
        for place in 0..self.machines[at].services.len() {
            let service = &self.machines[at].services[place];
            let shown = seen.services.known().and_then(|services| services.get(&service.name));
            let Some(state) = shown.and_then(|status| status.state.known()).filter(|_| fresh && service.scope) else {
                continue;
            };
            let sessions = service.sessions(now);
            let counted = seen.sessions.get(&service.name).map(orchestrate_model::observe::SessionReading::left);
            let counted = counted.and_then(|left| left.known().and_then(|left| i64::try_from(*left).ok()));
            let watch = &mut self.oracle.watch;
            if service.state == RunState::Running && *state == RunState::Running {
                watch.open.entry((at, place)).or_insert((now, "runs"));
            } else if service.state != RunState::Paused {
                watch.open.remove(&(at, place));
                watch.empty.remove(&(at, place));
            } else if sessions == 0 {
                watch.open.remove(&(at, place));
                if counted == Some(0) {
                    watch.empty.insert((at, place));
                }
            } else if counted == Some(sessions) && watch.empty.contains(&(at, place)) {
                watch.open.entry((at, place)).or_insert((now, "takes new sessions while it is paused"));
            }
        }
        self.check_patience();
    }

    fn check_patience(&mut self) {
        let now = self.now;
        let watch = &self.oracle.watch;
        let late = watch.open.iter().filter(|(_, (since, _))| now - since > PATIENCE);
        let late: Vec<_> = late.map(|(which, since)| (*which, *since)).collect();
        for ((at, place), (since, what)) in late {
            self.oracle.watch.open.remove(&(at, place));
            let (name, service) = (&self.machines[at].name, &self.machines[at].services[place].name);
            let minutes = (now - since) / MINUTE;
            let text =
                format!("{name} is blocked, the run was shown {minutes} min ago that {service} {what}, and goes on");
            self.oracle.breach("P4", now, text);
        }
    }
}
