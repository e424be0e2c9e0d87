//! What a run was told, and whether that was enough for what it does (promises P3 and P4): no other server is counted on
//! of which every fresh answer was unknown, and nothing is stopped against the last answer about its sessions.

use super::GUARD_AGE;
use crate::world::{Ms, World};
use orchestrate_model::observe::{BalancerObservation, DrainingState};
use orchestrate_model::{Act, Answer, Ask, RunState, ServerObservation, ServiceName};
use std::collections::{BTreeMap, BTreeSet};

/// Answers that are kept: a look is judged before the next one but one comes.
const KEPT: usize = 12;

/// An answer, when it was taken, and whether it said something.
#[derive(Debug, Clone, Copy)]
struct Heard {
    taken: Ms,
    known: bool,
}

/// What was said about the sessions of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sessions {
    None,
    Some(u64),
    NotDraining,
    /// None, and nothing says whether the service drains.
    NoState,
    /// The server has no counter of them.
    Uncounted,
    Unknown,
}

/// What the run was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Of the services of each machine: whether all that was asked was answered.
    services: BTreeMap<usize, Vec<Heard>>,
    /// Of the balancer of each pool.
    balancers: BTreeMap<usize, Vec<Heard>>,
    sessions: BTreeMap<(usize, usize), Sessions>,
    /// Services that had sessions when they were last counted by the process that works now.
    pub(super) counted: BTreeSet<(usize, usize)>,
    /// The services of machines that have no draining state, by the last answer.
    stateless: BTreeSet<(usize, usize)>,
}

fn hear(list: &mut Vec<Heard>, one: Heard) {
    if list.len() >= KEPT {
        list.remove(0);
    }
    list.push(one);
}

/// Whether every fresh answer that has come was unknown, or none has come.
fn nothing_known(list: Option<&Vec<Heard>>, now: Ms) -> bool {
    !list.into_iter().flatten().any(|heard| heard.taken >= now - GUARD_AGE && heard.known)
}

impl World {
    /// A run has the answer to a look at a machine.
    pub(crate) fn oracle_answers(&mut self, at: usize, ask: &Ask, seen: &ServerObservation) {
        let taken = self.moment(seen.taken);
        let machine = &self.machines[at];
        if !ask.services.is_empty() {
            // How a server is hangs on what it serves with, not on a replicator that did not say its state.
            let there =
                |name: &&ServiceName| machine.service(name).is_some_and(|place| machine.services[place].serving);
            let known = seen.services.known().is_some_and(|services| {
                let told = |name: &ServiceName| services.get(name).is_some_and(|status| status.state.known().is_some());
                ask.services.iter().filter(there).all(told)
            });
            hear(self.oracle.told.services.entry(at).or_default(), Heard { taken, known });
        }
        for name in &ask.sessions {
            let Some(place) = self.machines[at].service(name) else { continue };
            let what = sessions(seen, name);
            if matches!(what, Sessions::Some(_)) {
                self.oracle.told.counted.insert((at, place));
            }
            self.oracle.told.sessions.insert((at, place), what);
            let state = seen.sessions.get(name).and_then(|reading| reading.draining.as_ref());
            if matches!(state, Some(Answer::Known(DrainingState::Absent(_)))) {
                self.oracle.told.stateless.insert((at, place));
            } else {
                self.oracle.told.stateless.remove(&(at, place));
            }
        }
        self.check_block(at, seen);
        self.check_neighbours();
        self.check_served_again();
    }

    /// A run has the answer of the balancer of a pool.
    pub(crate) fn oracle_balancer(&mut self, pool: usize, seen: &BalancerObservation) {
        let taken = self.moment(seen.taken);
        let known = seen.servers.known().is_some_and(|servers| !servers.is_empty());
        hear(self.oracle.told.balancers.entry(pool).or_default(), Heard { taken, known });
    }

    /// P3: servers that count as serving without a word of them use up the budget as if they were out.
    pub(super) fn unknown_others(&self, at: usize, others: &[usize], out: &[usize]) -> Option<(&'static str, String)> {
        // Somebody has brought the server back a moment ago: to block the rest of it is no new decision.
        let services = self.machines[at].services.len();
        let fresh = (0..services).filter_map(|place| self.oracle.foreign.get(&(at, place)));
        if fresh.into_iter().any(|foreign| foreign.at > self.now - GUARD_AGE) {
            return None;
        }
        let told = &self.oracle.told;
        let silent: Vec<usize> = others
            .iter()
            .copied()
            .filter(|other| !out.contains(other) && nothing_known(told.services.get(other), self.now))
            .collect();
        let most = self.change.maintenance.at_once as usize;
        let pool = self.machines[at].pool;
        let out: Vec<usize> = out.iter().copied().filter(|other| !self.is_beside_budget(*other)).collect();
        if !silent.is_empty() && silent.len() + out.len() >= most {
            let names: Vec<&str> = silent.iter().map(|other| self.machines[*other].name.short()).collect();
            return Some(("P3", format!("no fresh answer says how these are: {}", names.join(", "))));
        }
        let unknown = self.has_balancer(at) && nothing_known(told.balancers.get(&pool), self.now);
        unknown.then(|| ("P3", "no fresh answer says what the balancer does".to_owned()))
    }

    /// P3: no machine is begun of which it is known that nobody could say when it has drained.
    pub(super) fn check_tellable(&mut self, at: usize, act: &Act) {
        let (now, name) = (self.now, self.machines[at].name.clone());
        let alone = &self.change.maintenance.drain.by_sessions_alone;
        let services = self.machines[at].services.iter().enumerate();
        let untold = services.filter(|(place, service)| {
            let runs = matches!(service.state, RunState::Running | RunState::Paused);
            service.scope
                && runs
                && !alone.contains(&service.name)
                && self.oracle.told.stateless.contains(&(at, *place))
        });
        let untold: Vec<String> = untold.map(|(_, service)| service.name.to_string()).collect();
        if !untold.is_empty() {
            let why = format!("although nothing says whether these drain: {}", untold.join(", "));
            self.oracle.breach("P3", now, format!("{name} is begun ({act}) {why}"));
        }
    }

    /// Whether nothing counts the sessions of a service, as its server said, and it was waited for as long as the plan says.
    pub(super) fn was_waited_for(&self, at: usize, place: usize, service: &crate::world::Service) -> bool {
        let wait = self.change.maintenance.unmeasured.get(&service.name);
        let told = &self.oracle.told;
        let uncounted = matches!(told.sessions.get(&(at, place)), Some(Sessions::Uncounted));
        let uncounted = uncounted && !told.counted.contains(&(at, place));
        uncounted && wait.is_some_and(|wait| i128::from(self.now - service.pausing_since) >= wait.as_millis())
    }

    /// P3 and P4: nothing is stopped, patched or restarted against the last answer about its sessions.
    pub(super) fn check_told(&mut self, at: usize, act: &Act, concerns: impl Fn(usize) -> bool) {
        let now = self.now;
        let alone = &self.change.maintenance.drain.by_sessions_alone;
        let machine = &self.machines[at];
        let against = machine.services.iter().enumerate().filter(|(place, service)| {
            let there = matches!(service.state, RunState::Running | RunState::Paused | RunState::PausePending);
            concerns(*place) && service.scope && there && !self.may_cut(at, service)
        });
        let against: Vec<(&'static str, String)> = against
            .filter_map(|(place, service)| {
                let last = self.oracle.told.sessions.get(&(at, place))?;
                match last {
                    Sessions::None => None,
                    Sessions::Some(left) => Some(("P4", format!("{} has {left} sessions", service.name))),
                    Sessions::NotDraining => Some(("P4", format!("{} is not draining", service.name))),
                    Sessions::NoState if alone.contains(&service.name) => None,
                    Sessions::NoState => Some(("P3", format!("it is not known whether {} drains", service.name))),
                    Sessions::Uncounted if self.was_waited_for(at, place, service) => None,
                    Sessions::Uncounted => Some(("P3", format!("nothing counts the sessions of {}", service.name))),
                    Sessions::Unknown => Some(("P3", format!("the sessions of {} are unknown", service.name))),
                }
            })
            .collect();
        let name = machine.name.clone();
        for (promise, why) in against {
            self.oracle.breach(promise, now, format!("{name}: {act}, although the last answer says that {why}"));
        }
    }
}

fn sessions(seen: &ServerObservation, name: &ServiceName) -> Sessions {
    let state = seen.services.known().and_then(|services| services.get(name)).and_then(|status| status.state.known());
    if state == Some(&RunState::Stopped) {
        return Sessions::None;
    }
    let Some(reading) = seen.sessions.get(name).filter(|reading| !reading.measures.is_empty()) else {
        return Sessions::Unknown;
    };
    let (mut most, mut uncounted) = (0, false);
    for measure in &reading.measures {
        match measure.value {
            Answer::Known(value) => match u64::try_from(value) {
                Ok(value) => most = most.max(value),
                Err(_negative) => return Sessions::Unknown,
            },
            Answer::Unknown(_) if measure.absent => uncounted = true,
            Answer::Unknown(_) => return Sessions::Unknown,
        }
    }
    if uncounted && most == 0 {
        return Sessions::Uncounted;
    }
    match (most, &reading.draining) {
        (0, None | Some(Answer::Known(DrainingState::Draining))) => Sessions::None,
        (0, Some(Answer::Known(DrainingState::NotDraining))) => Sessions::NotDraining,
        (0, Some(Answer::Known(DrainingState::Absent(_)))) => Sessions::NoState,
        (0, Some(Answer::Unknown(_))) => Sessions::Unknown,
        (left, _) => Sessions::Some(left),
    }
}
