//! Refusals: one of them keeps nothing else from coming back, and one that can pass is waited for.

use super::lines::Line;
use crate::world::{MINUTE, Ms, QUOTA, SECOND, World, brings_back, service_of};
use orchestrate_model::{Act, ActOutcome, ServerName};
use std::collections::{BTreeMap, BTreeSet};

/// Every step that asks a server for something asks for at least so long where a refusal can pass.
const LEAST_PATIENCE: Ms = 9 * MINUTE;

/// What follows from a refusal follows within this: an act, a look, and the time of both.
const FOLLOWS: Ms = 15 * SECOND;

/// What the oracle knows of answers to acts.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Services that the run was told something else of than that they are on their way back, since the way back began.
    tried: BTreeSet<(usize, usize)>,
    /// When a machine last refused for a time, with nothing else said since, and since when its step is in hand.
    passing: BTreeMap<usize, Ms>,
    begun: BTreeMap<usize, Ms>,
    /// When a machine last refused for good to bring a service back.
    for_good: BTreeMap<usize, Ms>,
    /// The step of each machine.
    steps: BTreeMap<usize, String>,
}

impl Refused {
    pub(super) fn read(&mut self, kind: &str, line: &Line<'_>) {
        let Some(at) = line.machine else { return };
        match kind {
            "step_started" => {
                self.begun.insert(at, line.now);
                self.steps.insert(at, line.step.to_owned());
                if line.step == "return" {
                    self.tried.retain(|(of, _)| *of != at);
                }
            }
            "turned_back" | "decided" => drop(self.passing.remove(&at)),
            _ => {}
        }
    }
}

impl World {
    /// A run was told how an act ended.
    pub(crate) fn oracle_answered(&mut self, at: usize, act: &Act, outcome: &ActOutcome) {
        let now = self.now;
        if let Some(place) = service_of(act).and_then(|name| self.machines[at].service(name))
            && brings_back(act)
        {
            self.oracle.refused.tried.insert((at, place));
        }
        if matches!(outcome, ActOutcome::Failed(_)) && brings_back(act) {
            self.oracle.refused.for_good.insert(at, now);
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
            let text =
                format!("{name} is held on its way back, and nobody has tried the rest: {}", forgotten.join(", "));
            self.oracle.breach("P8", now, text);
        }
    }
}
