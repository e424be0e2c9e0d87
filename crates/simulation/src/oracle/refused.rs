//! Refusals: one of them keeps nothing else from coming back, and one that can pass is waited for.

use super::lines::Line;
use crate::world::{DENIED, LATER, MINUTE, Ms, QUOTA, SECOND, World};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{Act, ActOutcome, Product, RunState, ServerName};
use std::collections::{BTreeMap, BTreeSet};

/// Every step that asks a server for something asks for at least so long where a refusal can pass.
const LEAST_PATIENCE: Ms = 9 * MINUTE;

/// A way back that has been in hand for so long may end with whatever is refused then.
const NEARLY_LATE: Ms = 60 * MINUTE;

/// What follows from a refusal follows within this: an act, a look, and the time of both.
const FOLLOWS: Ms = 15 * SECOND;

/// Within this a server on its way back is in the balancer again that has all that people come there for, whatever else is
/// refused: the minutes in which services start by themselves, and lost answers of the server and the balancer.
const SERVES_AGAIN: Ms = 15 * MINUTE;

/// What the oracle knows of answers to acts.
#[derive(Debug, Default)]
pub(crate) struct Refused {
    /// Services that the run was told something else of than that they are on their way back, since the way back began.
    tried: BTreeSet<(usize, usize)>,
    /// When a machine last refused for a time, with nothing else said since, and since when its step is in hand.
    passing: BTreeMap<usize, Ms>,
    begun: BTreeMap<usize, Ms>,
    /// When a machine last refused for good to bring a service back.
    for_good: BTreeMap<usize, Ms>,
    /// When a machine on its way back first and last denied, for minutes, to bring a service back.
    denied: BTreeMap<usize, (Ms, Ms)>,
    /// Machines on their way back of which single services are refused for hours, and since when all is there that people
    /// come through the balancer for.
    lasting: BTreeMap<usize, Ms>,
    /// The step of each machine.
    steps: BTreeMap<usize, String>,
}

impl Refused {
    pub(super) fn read(&mut self, kind: &str, line: &Line<'_>) {
        let Some(at) = line.machine else {
            if matches!(kind, "resumed" | "run_ended") {
                self.lasting.clear();
            }
            return;
        };
        if matches!(kind, "step_started" | "held" | "turned_back" | "decided" | "server_ended" | "put_off") {
            self.lasting.remove(&at);
        }
        match kind {
            "step_started" => {
                self.begun.insert(at, line.now);
                self.steps.insert(at, line.step.to_owned());
                self.denied.remove(&at);
                if line.step == "return" {
                    self.tried.retain(|(of, _)| *of != at);
                }
            }
            "turned_back" | "decided" => drop(self.passing.remove(&at)),
            _ => {}
        }
    }
}

impl Refused {
    /// The machine of the run has stood still: what it did not live through it could not see.
    pub(super) fn sleeps(&mut self) {
        self.lasting.clear();
    }

    /// Whether a machine on its way back has a service that is refused for hours.
    pub(crate) fn is_refused_for_hours(&self, at: usize) -> bool {
        self.lasting.contains_key(&at)
    }
}

impl World {
    /// P8: a refusal for hours keeps a server from nothing else, also not from the balancer, where people come for other
    /// services than the one that is refused.
    pub(crate) fn check_served_again(&mut self) {
        let now = self.now;
        for at in self.oracle.refused.lasting.keys().copied().collect::<Vec<_>>() {
            if !self.may_serve_again(at) {
                self.oracle.refused.lasting.insert(at, now);
                continue;
            }
            let since = self.oracle.refused.lasting[&at];
            if now - since > SERVES_AGAIN {
                self.oracle.refused.lasting.remove(&at);
                let (name, minutes) = (&self.machines[at].name, (now - since) / MINUTE);
                let text = format!("{name} serves again and has been out of the balancer for {minutes} min");
                self.oracle.breach("P8", now, text);
            }
        }
    }

    /// Whether a machine could serve through its balancer, and is not in it.
    fn may_serve_again(&self, at: usize) -> bool {
        let machine = &self.machines[at];
        let odd = &self.pools[machine.pool].balancer;
        let came = |name: &str| ["W3SVC", "RTCSRV"].iter().any(|web| name.eq_ignore_ascii_case(web));
        let web = machine.services.iter().filter(|service| came(service.name.as_str()));
        let before = self.oracle.baselines.get(&at).map(|baseline| &baseline.admin);
        let out = before.is_some_and(|before| {
            let mut states = before.iter().zip(&machine.admin);
            states.any(|(was, is)| *was == BalancerState::Ready && *is != BalancerState::Ready)
        });
        let installing = machine.installers.values().any(|one| *one == crate::world::Installer::Running);
        self.has_balancer(at)
            && self.change.pools[machine.pool].product != Product::Generic
            && out
            && odd.moved.is_none()
            && odd.swapped.is_none()
            && machine.up
            && !machine.going_down
            && !installing
            && web.into_iter().all(|service| service.state == RunState::Running)
    }

    /// A run was told how an act ended.
    pub(crate) fn oracle_answered(&mut self, at: usize, act: &Act, outcome: &ActOutcome) {
        let now = self.now;
        if let Some(place) = act.service().and_then(|name| self.machines[at].service(name))
            && act.brings_back()
        {
            self.oracle.refused.tried.insert((at, place));
        }
        if matches!(outcome, ActOutcome::Failed(_)) && act.brings_back() {
            self.oracle.refused.for_good.insert(at, now);
        }
        let refused = &mut self.oracle.refused;
        let returning = refused.steps.get(&at).is_some_and(|step| step == "return");
        if returning && matches!(outcome, ActOutcome::Retry(why) if why == LATER) {
            refused.lasting.entry(at).or_insert(now);
        }
        if returning && matches!(outcome, ActOutcome::Failed(why) if why == DENIED) {
            refused.denied.entry(at).or_insert((now, now)).1 = now;
        }
        let done = outcome.is_success() || matches!(outcome, ActOutcome::Unknown(_));
        if done && matches!(act, Act::SetBalancer { .. }) {
            self.oracle.neighbours.at_balancer(at);
        }
        let passing = &mut self.oracle.refused.passing;
        match outcome {
            ActOutcome::Retry(why) if why == QUOTA => drop(passing.insert(at, now)),
            ActOutcome::Retry(_)
            | ActOutcome::Accepted
            | ActOutcome::AlreadySo
            | ActOutcome::Joined
            | ActOutcome::Failed(_)
            | ActOutcome::Unknown(_) => drop(passing.remove(&at)),
        }
    }

    /// A server is given up: it is held, or goes back because something failed.
    #[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
    pub(super) fn check_given_up(&mut self, at: usize, kind: &str, failed: bool) {
        let now = self.now;
        let name = self.machines[at].name.clone();
        let refused = &self.oracle.refused;
        let last = refused.passing.get(&at).is_some_and(|last| now - last <= FOLLOWS);
        let lived = refused.begun.get(&at).map_or(Ms::MAX, |begun| now - begun);
        if failed && last && lived < LEAST_PATIENCE {
            let text = format!("{name} is given up after {} s of a refusal that passes", lived / SECOND);
            self.oracle.breach("P11", now, text);
        }
        let refused = &self.oracle.refused;
        let returning = refused.steps.get(&at).is_some_and(|step| step == "return");
        if kind == "held"
            && returning
            && let Some((first, last)) = refused.denied.get(&at)
            && now - last <= FOLLOWS
            && now - first < LEAST_PATIENCE
            && lived < NEARLY_LATE
        {
            let text = format!("{name} is held on its way back {} s after the first denial", (now - first) / SECOND);
            self.oracle.breach("P8", now, text);
        }
        let refused = &self.oracle.refused;
        let for_good = refused.for_good.get(&at).is_some_and(|last| now - last <= FOLLOWS);
        if kind == "held" && returning && for_good {
            self.check_rest(&name, at);
        }
    }

    /// P8: what can be restored is restored, whatever else is refused.
    fn check_rest(&mut self, name: &ServerName, at: usize) {
        let now = self.now;
        let machine = &self.machines[at];
        if !machine.up || machine.booted > now - 10 * MINUTE {
            return;
        }
        let forgotten: Vec<String> = machine
            .services
            .iter()
            .enumerate()
            .filter(|(place, service)| {
                let before = self.oracle.baseline_of(at, *place);
                service.scope && before.is_some_and(|(_, start)| start != service.start)
            })
            .filter(|(place, _)| {
                !self.oracle.refused.tried.contains(&(at, *place)) && self.oracle.before(at, *place).is_none()
            })
            .map(|(_, service)| format!("{} is {}", service.name, service.start))
            .collect();
        if !forgotten.is_empty() {
            let text = format!("{name} is held on its way back, and the rest was not tried: {}", forgotten.join(", "));
            self.oracle.breach("P8", now, text);
        }
    }
}
