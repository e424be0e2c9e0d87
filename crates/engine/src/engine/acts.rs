//! Asking for acts: one after the other, or several of one server at once.

use super::{Engine, Position};
use crate::constants::{MOST_TOGETHER, SETTLE_LOOK, TOGETHER};
use crate::record::{Intent, IntentId, Record};
use crate::state::work_id;
use crate::view::Wait;
use jiff::Timestamp;
use orchestrate_model::act::Act;
use orchestrate_model::time::after;
use orchestrate_model::{ActOutcome, Target};
use orchestrate_planner::safety::EVIDENCE_LIFETIME;
use orchestrate_planner::{StepId, StepKind};
use std::collections::{BTreeSet, VecDeque};

/// Acts that were asked for at once, and what became of those that have an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// Those that have none yet.
    open: BTreeSet<IntentId>,
    /// Whether every outcome so far is a success.
    success: bool,
    /// Whether nobody knows what became of one of them.
    unknown: bool,
    /// Whether one of them was accepted for the first time.
    first: bool,
    /// How they show.
    shows: Shows,
}

/// When it shows that acts have come about.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shows {
    /// At once, as a start type does; and of one act it is seen at once whether it has.
    AtOnce,
    /// In a moment: of several services that were told something, some have not followed yet when the answer comes.
    InAMoment,
}

impl Asked {
    fn of(open: BTreeSet<IntentId>, shows: Shows) -> Self {
        Self { open, success: true, unknown: false, first: false, shows }
    }

    fn has(&self, intent: IntentId) -> bool {
        self.open.contains(&intent)
    }
}

impl Engine {
    /// Intends the first act of the queue, and with it those after it that may be asked for at once.
    pub(super) fn act(
        &mut self,
        position: usize,
        step: StepId,
        mut queue: VecDeque<Act>,
        (seen, now): (Timestamp, Timestamp),
    ) {
        let acts = self.next_acts(position, &mut queue, (seen, now));
        if acts.is_empty() {
            return;
        }
        let subject = self.subject(position);
        let target = Target { pool: subject.pool.name.clone(), server: subject.work.server.clone() };
        let told = acts.iter().any(|act| !matches!(act, Act::SetStartType { .. }));
        let shows = if told && acts.len() > 1 { Shows::InAMoment } else { Shows::AtOnce };
        let mut open = BTreeSet::new();
        for act in acts {
            let id = IntentId(self.state.next_intent);
            open.insert(id);
            self.record(now, Record::Intent(Intent { id, step, work: work_id(position), target: target.clone(), act }));
        }
        self.positions[position] = Position::Acting { asked: Asked::of(open, shows), queue, since: now, seen };
    }

    /// Takes the next acts from the queue: several where the server takes several, and the last of them is begun on evidence
    /// that is still fresh then (promise P2). What was refused before, or not answered, goes by itself: it is asked for in
    /// another way, and takes no other act with it.
    fn next_acts(&self, position: usize, queue: &mut VecDeque<Act>, (seen, now): (Timestamp, Timestamp)) -> Vec<Act> {
        let Some(first) = queue.pop_front() else { return Vec::new() };
        let joins = |act: &Act| act.service().is_some() && !self.scratch[position].tries.was_refused(act);
        let fresh = after(now, TOGETHER).duration_since(seen) <= EVIDENCE_LIFETIME;
        let several = self.takes_several[position] && fresh && joins(&first);
        let mut acts = vec![first];
        while several && acts.len() < MOST_TOGETHER {
            let Some(next) = queue.front() else { break };
            let alike =
                acts.iter().all(|act| act.brings_back() == next.brings_back() && act.service() != next.service());
            if !alike || !joins(next) {
                break;
            }
            acts.extend(queue.pop_front());
        }
        acts
    }

    /// Takes the outcome of an act. What follows is decided when all that were asked for with it have theirs.
    pub(super) fn acted(&mut self, intent: IntentId, outcome: ActOutcome, now: Timestamp) {
        let position = self
            .positions
            .iter()
            .position(|position| matches!(position, Position::Acting { asked, .. } if asked.has(intent)));
        let Some(position) = position else { return };
        let act = self.state.open.get(&intent).map(|intent| intent.act.clone());
        if let Some(act) = &act {
            self.scratch[position].tries.note(act, &outcome, now);
            self.note_balancer_act(position, act, &outcome);
        }
        let first = act.is_some_and(|act| self.scratch[position].tries.of(&act).accepted <= 1);
        if let Position::Acting { asked, .. } = &mut self.positions[position] {
            asked.open.remove(&intent);
            asked.success &= outcome.is_success();
            asked.unknown |= matches!(outcome, ActOutcome::Unknown(_));
            asked.first |= first;
        }
        self.record(now, Record::Outcome { intent, outcome });
        if matches!(&self.positions[position], Position::Acting { asked, .. } if asked.open.is_empty()) {
            self.acted_all(position, now);
        }
    }

    fn acted_all(&mut self, position: usize, now: Timestamp) {
        let Position::Acting { asked, queue, seen, .. } =
            std::mem::replace(&mut self.positions[position], Position::Idle)
        else {
            return;
        };
        let Asked { success, unknown, first, shows, .. } = asked;
        // Acts that follow from one look are carried out as long as that look is fresh.
        let fresh = now.duration_since(seen) <= EVIDENCE_LIFETIME;
        let step = self.step_in_hand(position);
        // On the way back no act waits for another: one that is refused does not keep the others.
        let kind = step.map(|step| self.plan.steps()[step.0 as usize].kind);
        let back = matches!(kind, Some(StepKind::Return | StepKind::BalancerIn));
        let goes_on = success || (back && !unknown);
        // Only what a stop turns back is broken off: half a return would be worse than a whole one.
        let work = &self.state.work[position];
        let stopping = work.back.is_none()
            && (self.to_hold.contains_key(&work_id(position))
                || ((self.state.stop.is_some() || work.alarm.is_some()) && !self.is_past_undoing(position)));
        match step {
            Some(step) if goes_on && fresh && !queue.is_empty() && !stopping => {
                self.act(position, step, queue, (seen, now));
            }
            // The first look after accepted acts is taken at once, later ones when they had time to come about.
            Some(_) if success && shows == Shows::AtOnce && (first || !queue.is_empty()) => {}
            Some(_) | None if unknown => self.settle(position, now),
            Some(_) | None => self.sleep(position, SETTLE_LOOK, now),
        }
    }

    /// Says what is waited for while acts have no outcome.
    pub(super) fn wait_for_acts(&self, asked: &Asked, since: Timestamp) -> Wait {
        let act = asked.open.first().and_then(|intent| self.state.open.get(intent));
        let act = act.map(|intent| intent.act.to_string()).unwrap_or_default();
        let (what, why) = match asked.open.len() {
            0 | 1 => (format!("the answer to an act: {act}"), "it was asked for and has not been answered yet"),
            several => (
                format!("the answer to {several} acts at once, the first of them: {act}"),
                "they were asked for and have not been answered yet",
            ),
        };
        Wait { what, why: why.to_owned(), since, until: None, then: "the server is looked at".to_owned() }
    }
}
