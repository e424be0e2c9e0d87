//! Servers that have nothing that says whether their conferencing services drain, or nothing that counts the sessions of a
//! service: the counters are not there, or were lost.

use super::{HOUR, MINUTE, World};
use crate::dice::Dice;
use crate::faults::Fault;
use jiff::SignedDuration;
use orchestrate_model::catalogue;
use orchestrate_model::observe::DrainingState;
use orchestrate_model::{Answer, Change, ServerObservation, ServiceName};

/// Makes dice of their own, so that the nights of older seeds stay as they were.
const STATELESS: u64 = 0x7374_6174_6500_0000;

/// Has the plan name the services whose sessions alone are the proof, in some nights in which servers have no state.
pub(crate) fn draw_alone(change: &mut Change, seed: u64) {
    if Dice::new(seed ^ STATELESS).chance(0.5) {
        let states = catalogue::SERVICES.iter().filter(|facts| facts.draining_state.is_some());
        let names = states.filter_map(catalogue::ServiceFacts::service_name);
        change.maintenance.drain.by_sessions_alone.extend(names);
    }
    let (mut dice, lost) = countless(seed);
    if let Some(lost) = lost.filter(|_| dice.chance(0.6)) {
        let wait = SignedDuration::from_mins(dice.between(5, 60));
        change.maintenance.unmeasured.insert(lost, wait);
    }
}

/// Draws the service whose sessions nothing counts, in some nights in which servers have no state.
fn countless(seed: u64) -> (Dice, Option<ServiceName>) {
    let mut dice = Dice::new(seed ^ STATELESS ^ 2);
    let counted = catalogue::SERVICES.iter().filter(|facts| !facts.measures.is_empty());
    let counted: Vec<&catalogue::ServiceFacts> = counted.collect();
    let lost = dice.chance(0.6).then(|| dice.pick(&counted));
    (dice, lost.and_then(catalogue::ServiceFacts::service_name))
}

impl World {
    /// Draws from when to when the servers have no draining state: from the start, or from when the counters are lost.
    pub(crate) fn draw_stateless(&mut self, seed: u64) {
        if self.faults.has(Fault::NoDrainingState) {
            let mut dice = Dice::new(seed ^ STATELESS ^ 1);
            let from = if dice.chance(0.6) { 0 } else { dice.between(0, 3 * HOUR) };
            let lasts = if dice.chance(0.5) { 24 * HOUR } else { dice.between(2 * MINUTE, 3 * HOUR) };
            self.stateless = Some((from, from + lasts));
            self.countless = countless(seed).1;
        }
    }

    /// Leaves out what the servers do not have.
    pub(super) fn without_states(&self, value: &mut ServerObservation) {
        let now = self.now;
        if !self.faulty || !self.stateless.is_some_and(|(from, until)| (from..until).contains(&now)) {
            return;
        }
        for reading in value.sessions.values_mut().filter(|reading| reading.draining.is_some()) {
            reading.draining =
                Some(Answer::Known(DrainingState::Absent("the server has no such counter set".to_owned())));
        }
        let lost = self.countless.as_ref().and_then(|name| value.sessions.get_mut(name));
        for measure in lost.into_iter().flat_map(|reading| &mut reading.measures) {
            (measure.value, measure.absent) = (Answer::unknown("the server has no such counter set"), true);
        }
    }
}
