//! The end of a run: the final sweep over every touched server (promise P8), the comparison of levels within each pool,
//! and what the run is called.

use super::{Effect, Engine, Position};
use crate::constants::{SWEEP_LOOKS, UNKNOWN_LOOK};
use crate::levels;
use crate::look::Look;
use crate::record::{Record, RunOutcome, ServerEnd, StopWhy};
use crate::state::{WorkState, work_id};
use crate::steps::{NEEDS_RESTART, sweep};
use jiff::Timestamp;
use orchestrate_model::{Answer, PoolObservation, ServerObservation};
use orchestrate_planner::codes;

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

    /// Looks at the next servers that the end of the run has to see. Returns whether any is still to be seen.
    pub(super) fn sweep_next(&mut self, now: Timestamp) -> bool {
        let mut going = false;
        for position in 0..self.state.work.len() {
            if !self.has_to_be_swept(position) && !self.has_to_tell_its_level(position) {
                continue;
            }
            going = true;
            if self.positions[position] != Position::Idle {
                continue;
            }
            let look = Look::for_sweep(&self.subject(position));
            let ticket = self.ticket();
            self.positions[position] = Position::Looking { ticket, asked: now };
            self.effects.push(Effect::Look { ticket, look });
        }
        going
    }

    fn has_to_be_swept(&self, position: usize) -> bool {
        let work = &self.state.work[position];
        work.as_recorded().is_some() && work.swept.is_none()
    }

    fn has_to_tell_its_level(&self, position: usize) -> bool {
        self.state.work[position].level.is_none() && levels::is_asked(&self.plan, &self.state, position)
    }

    pub(super) fn swept(&mut self, position: usize, seen: &PoolObservation, now: Timestamp) {
        let (sweeps, levels) = (self.has_to_be_swept(position), self.has_to_tell_its_level(position));
        if !sweeps && !levels {
            return;
        }
        let judged = sweep(&self.subject(position), seen);
        let owed = owed_restart(&self.state.work[position], seen.servers.get(&self.plan.work()[position].server), now);
        let own = seen.servers.get(&self.plan.work()[position].server);
        let versions = own.map_or_else(|| Answer::unknown("the server was not looked at"), |own| own.versions.clone());
        // What differs at one look and not at the next was on its way, or a wrong answer.
        self.scratch[position].sweep_looks += 1;
        let again = self.scratch[position].sweep_looks < SWEEP_LOOKS;
        let good = judged.as_ref().is_ok_and(Vec::is_empty)
            && (!levels || versions.known().is_some_and(|versions| !versions.is_empty()));
        if again && !good {
            self.sleep(position, UNKNOWN_LOOK, now);
            return;
        }
        let work = work_id(position);
        if sweeps {
            let (unseen, differences) = match judged {
                Ok(differences) => (false, differences),
                Err(why) => (true, vec![format!("it could not be looked at: {why}")]),
            };
            self.record(now, Record::Swept { work, differences, unseen });
            if let Some(text) = owed.filter(|_| !self.has_said_of_restart(position)) {
                self.record(now, Record::LeftOver { work, text });
            }
        }
        if levels {
            self.record(now, Record::LevelRead { work, versions });
        }
    }

    /// Whether the verify step has left the restart to a person, since the plan makes none.
    fn has_said_of_restart(&self, position: usize) -> bool {
        self.state.work[position].left_over.iter().any(|text| text.starts_with(NEEDS_RESTART))
    }

    pub(super) fn outcome(&self) -> RunOutcome {
        let work = &self.state.work;
        let out = work.iter().any(|work| matches!(work.end, Some(ServerEnd::Out { .. })));
        let differs = work.iter().any(|work| work.swept.as_ref().is_some_and(|found| !found.is_empty()));
        let done = work.iter().all(|work| work.end.as_ref().is_some_and(ServerEnd::is_done));
        let absent = self.state.pools_seen.values().any(|absent| !absent.is_empty())
            || self.state.pool_faults.values().any(|faults| !faults.is_empty());
        let owed = self.plan.findings().iter().any(|finding| finding.code == codes::RESTART_OWED);
        let left_over = absent || (owed && !self.state.recover) || work.iter().any(|work| !work.left_over.is_empty());
        let one_level = levels::of(&self.plan, &self.state).iter().all(levels::PoolLevels::is_whole);
        let fell = work.iter().any(|own| !levels::fell_at_end(&self.plan, own).is_empty());
        // What counts as changed is what was recorded first: without that nothing is.
        let untouched = work.iter().all(|work| work.as_recorded().is_none());
        match &self.state.stop {
            _ if !self.state.recover && untouched && work.iter().any(WorkState::is_held_elsewhere) => {
                RunOutcome::HeldElsewhere
            }
            _ if self.state.recover && !out && !differs && (left_over || fell) => RunOutcome::ToBeLookedAt,
            _ if self.state.recover && !out && !differs => RunOutcome::Recovered,
            _ if self.state.recover => RunOutcome::StoppedByPolicy,
            _ if done && !differs && !left_over && one_level => RunOutcome::Done,
            _ if done && !differs => RunOutcome::ToBeLookedAt,
            Some(StopWhy::Operator(_) | StopWhy::OperatorNow(_) | StopWhy::Storage(_)) => RunOutcome::Interrupted,
            Some(StopWhy::Window(_)) if !out && !differs => RunOutcome::StoppedByWindow,
            Some(StopWhy::Policy(_) | StopWhy::Window(_)) => RunOutcome::StoppedByPolicy,
            None if out || differs => RunOutcome::StoppedByPolicy,
            None => RunOutcome::PartlyDone,
        }
    }
}

/// Says so when an installer has asked for a restart, and the server shows none since, or does not show whether there was
/// one. How long it has been up is compared, since its clock may differ from ours.
fn owed_restart(work: &WorkState, seen: Option<&ServerObservation>, now: Timestamp) -> Option<String> {
    let (code, _, ended) = work.asks_for_restart()?;
    if work.restart_proven.is_some() {
        return None;
    }
    let host = seen.map_or_else(|| Answer::unknown("it was not looked at"), |seen| seen.host.clone());
    match host {
        Answer::Known(host) if host.local_time.duration_since(host.booted) < now.duration_since(ended) => None,
        Answer::Known(host) => Some(format!(
            "{NEEDS_RESTART}: the installer ended with {code}, and it is up since {}",
            host.booted.strftime("%Y-%m-%d %H:%M:%SZ")
        )),
        Answer::Unknown(why) => Some(format!(
            "{NEEDS_RESTART}: the installer ended with {code}, and whether it was restarted since is not known: {why}"
        )),
    }
}
