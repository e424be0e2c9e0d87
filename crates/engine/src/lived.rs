//! Time that was lived through: what deadlines count.
//!
//! A deadline counts from the act or the step that it is about, as the journal has it, whoever takes the run up again.
//! What this machine slept through, and what a clock that was set only seems to have taken, is not counted: during that
//! time nobody could see what the servers did. Whatever a deadline says, everything is looked at anew first.

use crate::constants::AFTER_GAP;
use crate::record::GapKind;
use crate::state::{RunState, StepState};
use jiff::{SignedDuration, Timestamp};

impl RunState {
    /// Notes that this machine was not itself for a while.
    pub(crate) fn gap(&mut self, at: Timestamp, gap: GapKind, by: SignedDuration) {
        match gap {
            GapKind::StoodStill | GapKind::ClockAhead => self.stood_still.push((at, by)),
            GapKind::ClockBack => self.shift(by),
        }
    }

    /// Turns every time that something is counted from into what the clock shows now for that moment. Since when a
    /// server is held stays as it was said: choices name it.
    fn shift(&mut self, by: SignedDuration) {
        let shifted = |at: Timestamp| at.checked_add(by).unwrap_or(at);
        for step in &mut self.steps {
            match step {
                StepState::Running { since: at } | StepState::Ended { at, .. } => *at = shifted(*at),
                StepState::Pending => {}
            }
        }
        for work in &mut self.work {
            work.restarts.iter_mut().for_each(|restart| restart.at = shifted(restart.at));
            for at in [&mut work.started, &mut work.token_since, &mut work.installer_ended, &mut work.blocked_again] {
                *at = at.map(shifted);
            }
            work.owed = work.owed.map(|(code, meaning, at)| (code, meaning, shifted(at)));
            work.rebooted = work.rebooted.map(|(at, booted)| (shifted(at), booted));
        }
        self.stood_still.iter_mut().for_each(|(at, _)| *at = shifted(*at));
        self.taken_up = self.taken_up.map(shifted);
    }

    /// Returns how much of the time since then was lived through.
    pub(crate) fn lived(&self, from: Timestamp, now: Timestamp) -> SignedDuration {
        now.duration_since(from).saturating_sub(self.missed(from)).max(SignedDuration::ZERO)
    }

    /// Returns when `limit` has been lived through since then. Where there was a gap in between, there is always time
    /// to look anew.
    pub(crate) fn deadline(&self, from: Timestamp, limit: SignedDuration) -> Timestamp {
        let whole = limit.saturating_add(self.missed(from));
        let end = from.checked_add(whole).unwrap_or(Timestamp::MAX);
        let gaps = self.stood_still.iter().map(|(at, _)| *at).chain(self.taken_up);
        let last = gaps.filter(|at| *at > from).max();
        last.and_then(|at| at.checked_add(limit.min(AFTER_GAP)).ok()).map_or(end, |least| end.max(least))
    }

    /// How long this machine has stood still since then.
    fn missed(&self, from: Timestamp) -> SignedDuration {
        let since = self.stood_still.iter().filter(|(at, _)| *at > from);
        since.fold(SignedDuration::ZERO, |sum, (_, by)| sum.saturating_add(*by))
    }
}
