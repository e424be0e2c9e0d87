//! A server that is out stays out of the balancer: another hand, a reload or an agent check may put it back.

use super::{Engine, Position};
use crate::constants::{POOL_NOES, REASSERTIONS, UNDONE_AGAIN, UNDONE_TRIES};
use crate::record::{Record, Why, WhyKind};
use crate::state::work_id;
use crate::steps::{self, Undone};
use jiff::Timestamp;
use orchestrate_model::hold::HoldCause;
use orchestrate_model::observe::{BalancerPlace, BalancerServer, BalancerState};
use orchestrate_model::time::after;
use orchestrate_model::{Act, ActOutcome, PoolObservation};
use orchestrate_planner::StepId;

impl Engine {
    /// Takes a server out of the balancer again that another hand has put back while it is out.
    pub(super) fn keep_out_of_balancer(
        &mut self,
        position: usize,
        seen: &PoolObservation,
        (asked, now): (Timestamp, Timestamp),
    ) {
        let Some(step) = self.step_in_hand(position) else { return };
        let subject = self.subject(position);
        let own = seen.balancer.known().and_then(|seen| seen.as_far_as_known(&subject.work.server));
        let recorded = subject.own.snapshot.as_ref().and_then(|snapshot| snapshot.balancer.as_ref());
        let is_recorded = |place: &BalancerPlace| {
            recorded.is_some_and(|recorded| steps::balancer_state_of(&subject, recorded, place).is_some())
        };
        let is_seen = own.is_some();
        let ready = own.into_iter().flat_map(BalancerServer::ready).cloned();
        let (back, new): (Vec<BalancerPlace>, Vec<BalancerPlace>) = ready.partition(is_recorded);
        match new.first().filter(|_| steps::is_kept_out(&subject, asked)).cloned() {
            Some(new) if self.new_entry(position, &new, now) => return,
            Some(_) => {}
            None => self.scratch[position].new_entry_looks = 0,
        }
        if back.is_empty() && is_seen {
            self.scratch[position].undone = None;
            self.scratch[position].let_in = None;
        }
        let subject = self.subject(position);
        if back.is_empty() || !steps::is_kept_out(&subject, asked) {
            return;
        }
        if subject.own.held.is_some() {
            self.tell_of_balancer(position, now);
            return;
        }
        // An act on its way comes first; the next look sees whether it is still so.
        if !matches!(self.positions[position], Position::Idle | Position::Sleeping(_) | Position::Looking { .. }) {
            return;
        }
        // Another control host, or a person, may have had the server meanwhile: first it is seen what is installed on it.
        if self.is_to_be_seen(position) {
            return;
        }
        // People may come as long as it is in, also while taking it out is refused.
        self.scratch[position].zeros = 0;
        if !self.goes_out_again(position, step, now) {
            return;
        }
        let pool = self.subject(position).pool.name.clone();
        let acts = back.into_iter().map(|at| Act::SetBalancer { pool: pool.clone(), at, to: BalancerState::Drain });
        self.act(position, step, acts.collect(), (asked, now));
    }

    /// Whether a server that is found in the balancer is to be taken out again now: told of as often as another hand has put
    /// it back, and not as often as taking it out was refused.
    fn goes_out_again(&mut self, position: usize, step: StepId, now: Timestamp) -> bool {
        let id = work_id(position);
        let past_undoing = self.is_past_undoing(position);
        if let Some(undone) = &mut self.scratch[position].undone
            && let Some(why) = undone.refused.clone()
        {
            if undone.tries >= UNDONE_TRIES && !past_undoing {
                let server = &self.plan.work()[position].server;
                let text = format!(
                    "{server} is out, another hand has put it back into the balancer, and it could not be taken out again: \
                     {why}"
                );
                self.turn_back(id, Why { kind: WhyKind::Failed, text }, now);
                self.rouse(position);
                return false;
            }
            let due = after(undone.asked, UNDONE_AGAIN) <= now;
            if due {
                *undone = Undone { tries: undone.tries + 1, asked: now, refused: None };
            }
            return due;
        }
        let subject = self.subject(position);
        if subject.own.balancer_undone >= REASSERTIONS && !past_undoing {
            let (reason, choices) = steps::balancer_hold(&subject);
            self.positions[position] = Position::Idle;
            self.to_hold.remove(&id);
            let cause = HoldCause::BalancerUndone;
            self.record(now, Record::Held { work: id, step, cause, reason, choices });
            return false;
        }
        self.record(now, Record::BalancerUndone { work: id, found: BalancerState::Ready });
        self.scratch[position].undone = Some(Undone { tries: 1, asked: now, refused: None });
        true
    }

    /// Notes that a server that another hand has put back into the balancer could not be taken out again.
    pub(super) fn note_balancer_act(&mut self, position: usize, act: &Act, outcome: &ActOutcome) {
        let refused = match (act, outcome) {
            (
                Act::SetBalancer { to, .. },
                ActOutcome::Retry(why) | ActOutcome::Failed(why) | ActOutcome::Unknown(why),
            ) => (*to != BalancerState::Ready).then(|| why.clone()),
            (_, _) => None,
        };
        if let (Some(undone), Some(why)) = (&mut self.scratch[position].undone, refused) {
            undone.refused = Some(why);
        }
    }

    /// Says once that the balancer has an entry of a server that is out which it did not have when the server was recorded.
    /// How it was before is not known, so it could not be put back, and is left alone. As long as it sends people to the
    /// server, the server does not run empty: before its patch has begun it is given back at the second look, afterwards
    /// it is left to a person. Returns whether the server goes back.
    fn new_entry(&mut self, position: usize, place: &BalancerPlace, now: Timestamp) -> bool {
        let id = work_id(position);
        let server = self.plan.work()[position].server.clone();
        let fact = format!(
            "{server} is out, and the balancer sends it new connections in {place}, which it did not have when the server was \
             recorded: this entry is left as it is"
        );
        self.scratch[position].new_entry_looks += 1;
        if self.scratch[position].new_entry_looks == 1 && !self.scratch[position].told_of_entry {
            self.scratch[position].told_of_entry = true;
            let text = format!("{fact}. Take it out of the balancer by hand");
            // It stands in the summary whatever becomes of the server: the entry is there until a person takes it out.
            self.record(now, Record::LeftOver { work: id, text });
        }
        let work = &self.state.work[position];
        let undo = work.is_active() && work.back.is_none() && work.held.is_none() && !self.is_past_undoing(position);
        if !undo || self.scratch[position].new_entry_looks < POOL_NOES {
            return false;
        }
        if !matches!(self.positions[position], Position::Idle | Position::Sleeping(_) | Position::Looking { .. }) {
            return false;
        }
        self.turn_back(id, Why { kind: WhyKind::Failed, text: fact }, now);
        self.rouse(position);
        true
    }

    /// Says once that a held server was put back into the balancer. Nothing is done about it: a hold is a person's.
    fn tell_of_balancer(&mut self, position: usize, now: Timestamp) {
        if self.scratch[position].let_in.is_some() {
            return;
        }
        self.scratch[position].let_in = Some(now);
        let text = format!(
            "{} is held, and the balancer sends it new connections again: another hand has put it back. Choose retry to have \
             it taken out again, or return",
            self.plan.work()[position].server
        );
        self.record(now, Record::Note { work: Some(work_id(position)), text });
    }
}
