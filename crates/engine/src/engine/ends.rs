//! The end of a run: the final sweep over every touched server (promise P8), and what the run is called.

use super::{Effect, Engine, Position};
use crate::constants::{SWEEP_LOOKS, UNKNOWN_LOOK};
use crate::look::Look;
use crate::record::{Record, RunOutcome, ServerEnd, StopWhy};
use crate::state::work_id;
use crate::steps::sweep;
use jiff::Timestamp;
use orchestrate_model::PoolObservation;

impl Engine {
    pub(super) fn is_over(&self) -> bool {
        !self.broken
            && self.state.ended.is_none()
            && self.state.header.is_some()
            && self.state.work.iter().all(|work| !work.is_active())
    }

    pub(super) fn end(&mut self, now: Timestamp, outcome: RunOutcome) {
        self.record(now, Record::RunEnded { outcome });
        if !self.broken {
            self.effects.push(Effect::End(outcome));
        }
    }

    /// Looks at the next touched server that was not swept. Returns whether the sweep still goes on.
    pub(super) fn sweep_next(&mut self, now: Timestamp) -> bool {
        let mut going = false;
        for position in 0..self.state.work.len() {
            let work = &self.state.work[position];
            if work.as_recorded().is_none() || work.swept.is_some() {
                continue;
            }
            if self.positions[position] != Position::Idle {
                going = true;
                continue;
            }
            going = true;
            let look = Look::for_sweep(&self.subject(position));
            let ticket = self.ticket();
            self.positions[position] = Position::Looking { ticket, asked: now };
            self.effects.push(Effect::Look { ticket, look });
        }
        going
    }

    pub(super) fn swept(&mut self, position: usize, seen: &PoolObservation, now: Timestamp) {
        if self.state.work[position].as_recorded().is_none() || self.state.work[position].swept.is_some() {
            return;
        }
        let judged = sweep(&self.subject(position), seen);
        // What differs at one look and not at the next was on its way, or a wrong answer.
        self.scratch[position].sweep_looks += 1;
        let again = self.scratch[position].sweep_looks < SWEEP_LOOKS;
        let differences = match judged {
            Ok(differences) if differences.is_empty() || !again => differences,
            Ok(_) | Err(_) if again => {
                self.sleep(position, UNKNOWN_LOOK, now);
                return;
            }
            Ok(differences) => differences,
            Err(why) => vec![format!("it could not be looked at: {why}")],
        };
        self.record(now, Record::Swept { work: work_id(position), differences });
    }

    pub(super) fn outcome(&self) -> RunOutcome {
        let work = &self.state.work;
        let out = work.iter().any(|work| matches!(work.end, Some(ServerEnd::Out { .. })));
        let differs = work.iter().any(|work| work.swept.as_ref().is_some_and(|found| !found.is_empty()));
        let done =
            work.iter().all(|work| matches!(work.end, Some(ServerEnd::Finished | ServerEnd::NothingToDo { .. })));
        match &self.state.stop {
            _ if self.state.recover && !out && !differs => RunOutcome::Recovered,
            _ if self.state.recover => RunOutcome::StoppedByPolicy,
            _ if done && !differs => RunOutcome::Done,
            Some(StopWhy::Operator(_) | StopWhy::OperatorNow(_) | StopWhy::Storage(_)) => RunOutcome::Interrupted,
            Some(StopWhy::Window(_)) if !out && !differs => RunOutcome::StoppedByWindow,
            Some(StopWhy::Policy(_) | StopWhy::Window(_)) => RunOutcome::StoppedByPolicy,
            None if out || differs => RunOutcome::StoppedByPolicy,
            None => RunOutcome::PartlyDone,
        }
    }
}
