//! The rest of a pool while a server of it is out: a server that is not being patched yet does not stay out when its pool
//! cannot do without it any more (P1), what is out stays out of the balancer (P2), and what the run has done itself is no
//! reason to give up.

use super::lines::Line;
use crate::world::{MINUTE, Ms, World};
use orchestrate_model::observe::BalancerState;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How long a run may take to notice and to act: lost and late answers, an act that nobody answers, and an installer that
/// could not be asked about come in between. It takes a minute when nothing does.
const PATIENCE: Ms = 10 * MINUTE;

/// What has to be left of a lease for a change.
const LEASE_LEFT: Ms = 5 * MINUTE;

/// What other people did is no reason any more after so long.
const LONG_AGO: Ms = 45 * MINUTE;

/// What the oracle knows of servers that are out.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    /// Machines that were changed and whose patch or restart was not asked for, nor their way back begun.
    undoable: BTreeSet<usize>,
    /// Machines whose patch or restart was asked for.
    patched: BTreeSet<usize>,
    /// Machines that have to stay out of the balancer.
    kept_out: BTreeSet<usize>,
    /// Since when the pool of a machine cannot do without it.
    since: BTreeMap<usize, Ms>,
    /// Since when a machine is back in the balancer.
    undone: BTreeMap<usize, Ms>,
    /// Machines of which the run has said that another hand has put them back into the balancer, with nothing done there
    /// since, by the run or by another hand.
    told: BTreeSet<usize>,
}

impl Neighbours {
    pub(super) fn read(&mut self, kind: &str, line: &Line<'_>) {
        let Some(at) = line.machine else {
            if matches!(kind, "resumed" | "run_ended") {
                *self = Self { patched: std::mem::take(&mut self.patched), ..Self::default() };
            }
            return;
        };
        if matches!(kind, "decided" | "turned_back" | "server_ended" | "put_off") {
            self.told.remove(&at);
        }
        let act = |name: &str| line.record["act"].get(name).is_some();
        match (kind, line.step) {
            ("intent", _) if act("start_installer") || act("restart") => {
                self.undoable.remove(&at);
                self.patched.insert(at);
            }
            // A server that is blocked again after its installer ran is finished and not given back.
            ("intent", "balancer-out" | "block") if !self.patched.contains(&at) => {
                self.undoable.insert(at);
            }
            ("step_done", "balancer-out") => {
                self.kept_out.insert(at);
            }
            ("step_started", "return") | ("turned_back" | "server_ended" | "put_off", _) => {
                self.undoable.remove(&at);
                self.kept_out.remove(&at);
            }
            ("held", _) => {
                self.kept_out.remove(&at);
            }
            _ => {}
        }
    }

    /// The machine of the run has stood still: what it did not live through it could not see.
    pub(super) fn sleeps(&mut self) {
        self.since.clear();
        self.undone.clear();
        self.told.clear();
    }

    /// The balancer may have another state of a machine now.
    pub(super) fn at_balancer(&mut self, at: usize) {
        self.told.remove(&at);
    }

    /// Whether a machine has to be out of the balancer now.
    pub(crate) fn is_kept_out(&self, at: usize) -> bool {
        self.kept_out.contains(&at)
    }
}

impl World {
    /// P8: what another hand has undone is told once each time, and not as often as it could not be set again.
    pub(super) fn check_undone(&mut self, at: usize) {
        if !self.oracle.neighbours.told.insert(at) {
            let name = &self.machines[at].name;
            let text =
                format!("{name} was said to be put back into the balancer once more, and nothing was done there since");
            self.oracle.breach("P8", self.now, text);
        }
    }

    /// Called whenever the run learns something or writes something down.
    pub(crate) fn check_neighbours(&mut self) {
        let now = self.now;
        for at in self.oracle.neighbours.undoable.clone() {
            let out = self.absent_mates(at);
            if out.len() < self.change.maintenance.at_once as usize {
                self.oracle.neighbours.since.remove(&at);
                continue;
            }
            let since = *self.oracle.neighbours.since.entry(at).or_insert(now);
            if now - since > PATIENCE {
                self.oracle.neighbours.undoable.remove(&at);
                let names: Vec<&str> = out.iter().map(|other| self.machines[*other].name.short()).collect();
                let text = format!(
                    "{} stays out {} min after its pool could no longer do without it: out are {}",
                    self.machines[at].name,
                    (now - since) / MINUTE,
                    names.join(", ")
                );
                self.oracle.breach("P1", now, text);
            }
        }
        self.oracle.neighbours.since.retain(|at, _| self.oracle.neighbours.undoable.contains(at));
        for at in self.oracle.neighbours.kept_out.clone() {
            // An entry that has another address by now is not the server's.
            let odd = &self.pools[self.machines[at].pool].balancer;
            let odd = odd.moved.is_some() || odd.swapped.is_some();
            let back = self.machines[at].admin.contains(&BalancerState::Ready);
            // P12 comes first: whoever stood still until its lease had run out does nothing to a server that cannot say whose it is.
            let machine = &self.machines[at];
            let nobodys = !machine.up && machine.lease.is_none_or(|(_, until)| until <= now + LEASE_LEFT);
            if !self.has_balancer(at) || odd || !back || nobodys {
                self.oracle.neighbours.undone.remove(&at);
                continue;
            }
            let since = *self.oracle.neighbours.undone.entry(at).or_insert(now);
            if now - since > PATIENCE {
                self.oracle.neighbours.kept_out.remove(&at);
                let (name, minutes) = (&self.machines[at].name, (now - since) / MINUTE);
                let text = format!("{name} is out, and has been back in the balancer for {minutes} min");
                self.oracle.breach("P2", now, text);
            }
        }
    }

    /// Other servers of the pool of a machine that do not serve, whoever took them down.
    fn absent_mates(&self, at: usize) -> Vec<usize> {
        let pool = &self.pools[self.machines[at].pool];
        let mates = pool.machines.iter().copied().filter(|other| *other != at);
        mates.filter(|other| !self.machines[*other].serves() && !self.is_beside_budget(*other)).collect()
    }

    /// A server is given back or held, and the product's word is the reason: then somebody besides the run must have had a
    /// hand in it.
    pub(super) fn check_own_doing(&mut self, record: &Value) {
        let work = record["work"].as_u64().and_then(|work| self.oracle.work.get(usize::try_from(work).ok()?)).copied();
        let Some(at) = work else { return };
        let now = self.now;
        let text = record["why"]["text"].as_str().or_else(|| record["reason"].as_str()).unwrap_or_default();
        // What was not answered is a reason of its own, whatever else was.
        let answered = !text.contains("not known after");
        let by_word = answered && (text.contains("Busy") || text.contains("InsufficientActiveFrontEnds"));
        let pool = &self.pools[self.machines[at].pool];
        let theirs = pool.machines.iter().any(|mate| {
            let services = self.machines[*mate].services.len();
            let touched = (0..services).filter_map(|place| self.oracle.foreign.get(&(*mate, place)));
            let recent = touched.into_iter().any(|foreign| foreign.at > now - LONG_AGO);
            let down = *mate != at && !self.machines[*mate].serves() && !self.oracle.is_out(*mate);
            recent || down || self.machines[*mate].booted > now - LONG_AGO
        });
        let busy = pool.busy.1 > now - LONG_AGO && pool.busy.1 > 0;
        if by_word && !theirs && !busy && self.oracle.is_out(at) {
            let text = format!("{} is given up for what only the run itself has done: {text}", self.machines[at].name);
            self.oracle.breach("alive", now, text);
        }
    }
}
