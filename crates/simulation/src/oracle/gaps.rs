//! A machine that stood still knows nothing of the time in between: it looks before it acts or judges, and no deadline
//! counts what it slept through.

use super::Oracle;
use super::lines::Line;
use crate::world::{Ms, SECOND, World};
use orchestrate_model::Act;
use orchestrate_model::change::AtDeadline;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What the oracle knows of gaps.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// From when until when the machine of the run stood still.
    slept: Vec<(Ms, Ms)>,
    /// Machines of which no question was answered that was asked since.
    unseen: BTreeSet<usize>,
    /// Pools whose balancers answered nothing that was asked since.
    unseen_balancers: BTreeSet<usize>,
    /// Machines that an operator has just decided about: what follows from that follows from no look.
    decided: BTreeSet<usize>,
    /// Since when the drain of a machine is in hand.
    drains: BTreeMap<usize, Ms>,
}

impl Gaps {
    pub(super) fn read(&mut self, kind: &str, line: &Line<'_>) {
        match (kind, line.step, line.machine) {
            ("step_started", "drain", Some(at)) => drop(self.drains.insert(at, line.now)),
            ("decided", _, Some(at)) => drop(self.decided.insert(at)),
            ("step_started" | "held", _, Some(at)) => drop(self.decided.remove(&at)),
            ("resumed", _, _) => {
                self.unseen.clear();
                self.unseen_balancers.clear();
                self.decided.clear();
            }
            _ => {}
        }
    }

    fn is_since_waking(&self, asked: Ms) -> bool {
        self.slept.last().is_none_or(|(_, until)| asked >= *until)
    }

    /// How long the machine of the run has stood still since then.
    fn slept_since(&self, since: Ms) -> Ms {
        self.slept.iter().filter(|(_, until)| *until > since).map(|(from, until)| until - from.max(&since)).sum()
    }
}

impl Oracle {
    /// How long the machine of the run has stood still since then.
    pub(crate) fn slept_since(&self, since: Ms) -> Ms {
        self.gaps.slept_since(since)
    }

    /// The machine of the run goes on after it has stood still.
    pub(crate) fn wakes(&mut self, from: Ms, now: Ms) {
        self.gaps.slept.push((from, now));
        self.gaps.unseen = (0..self.names.len()).collect();
        self.gaps.unseen_balancers = self.gaps.unseen.clone();
        self.watch.sleeps();
        self.neighbours.sleeps();
        self.refused.sleeps();
        self.promised.sleeps();
    }

    /// A question about a machine is answered that was asked at this time.
    pub(crate) fn answers(&mut self, at: usize, asked: Ms) {
        if self.gaps.is_since_waking(asked) {
            self.gaps.unseen.remove(&at);
        }
    }

    /// The balancers of a pool answer a question that was asked at this time.
    pub(crate) fn balancers_answer(&mut self, pool: usize, asked: Ms) {
        if self.gaps.is_since_waking(asked) {
            self.gaps.unseen_balancers.remove(&pool);
        }
    }
}

impl World {
    /// P3: nothing follows from what was seen before the machine of the run stood still.
    pub(super) fn check_unseen(&mut self, at: usize, kind: &str) {
        let gaps = &self.oracle.gaps;
        if gaps.unseen.contains(&at) && !(kind == "turned_back" && gaps.decided.contains(&at)) {
            let (now, name) = (self.now, self.machines[at].name.clone());
            self.oracle.breach(
                "P3",
                now,
                format!("{name}: {kind}, and there was no look since the machine of the run slept"),
            );
        }
    }

    /// P3: the same for an act on a balancer, which hangs on what the balancer said.
    pub(super) fn check_unseen_act(&mut self, at: usize, act: &Act) {
        let pool = self.machines[at].pool;
        match act {
            Act::SetBalancer { .. } if !self.oracle.gaps.unseen_balancers.contains(&pool) => {}
            _ => self.check_unseen(at, "an act"),
        }
    }

    /// P4: where a person is asked, no more sessions are cut than the person has typed.
    pub(super) fn check_cut_by_person(&mut self, at: usize, record: &Value) {
        if self.change.maintenance.drain.at_deadline != AtDeadline::Ask
            || !self.change.maintenance.drain.per_service.is_empty()
        {
            return;
        }
        let cut: u64 = record["sessions"].as_object().into_iter().flatten().filter_map(|(_, left)| left.as_u64()).sum();
        let typed = self.oracle.typed.get(&at).copied().unwrap_or_default();
        if cut > typed {
            let (now, name) = (self.now, self.machines[at].name.clone());
            self.oracle.breach("P4", now, format!("{name}: {cut} sessions are cut, and a person has typed {typed}"));
        }
    }

    /// P4: a deadline after which sessions are cut counts what was lived through.
    pub(super) fn check_cut(&mut self, at: usize) {
        let drain = &self.change.maintenance.drain;
        let Some(since) = self.oracle.gaps.drains.get(&at).copied() else { return };
        if drain.at_deadline != AtDeadline::Cut || !drain.per_service.is_empty() {
            return;
        }
        let deadline = Ms::try_from(drain.deadline.as_millis()).unwrap_or(Ms::MAX);
        let now = self.now;
        let lived = now - since - self.oracle.gaps.slept_since(since);
        if lived < deadline - SECOND {
            let name = self.machines[at].name.clone();
            let text =
                format!("{name}: sessions are cut after {} s of a drain of {} s", lived / SECOND, deadline / SECOND);
            self.oracle.breach("P4", now, text);
        }
    }
}
