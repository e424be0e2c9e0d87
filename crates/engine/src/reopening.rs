//! What the state forgets and what it keeps when a run is taken up again.

use crate::record::{ServerEnd, Why, WhyKind};
use crate::state::{Mark, RunState, StepState, WorkState, steps_of, work_id};
use crate::steps::NEEDS_RESTART;
use orchestrate_model::change::ExitMeaning;
use orchestrate_planner::Plan;
use orchestrate_planner::plan::WorkId;

impl RunState {
    /// A run that is taken up again looks anew at every server that is out or was left undone.
    pub(crate) fn reopen_work(&mut self, plan: &Plan) {
        for position in 0..self.work.len() {
            // Whoever takes up a server that was given up has its step tried again, with its full time.
            if self.work[position].held.is_some() || matches!(self.work[position].end, Some(ServerEnd::Out { .. })) {
                self.step_again(plan, position);
            }
            let state = &mut self.work[position];
            let differs = state.swept.take().is_some_and(|found| !found.is_empty());
            (state.held, state.level, state.alarm) = (None, None, None);
            // Whether a restart is still owed is seen anew at the end.
            state.left_over.retain(|text| !text.starts_with(NEEDS_RESTART));
            match &state.end {
                Some(ServerEnd::Out { .. }) => state.end = None,
                // What the last look found is what a recovery was asked to mend.
                Some(_) if self.recover && differs => {
                    if let Some(earlier) = state.earlier.take().filter(|_| !state.touched) {
                        state.snapshot = Some(earlier);
                        state.touched = true;
                    }
                    if state.touched {
                        // What was done to it stays done: only what differs comes back.
                        let finished = state.end.take() == Some(ServerEnd::Finished);
                        state.marks.extend(finished.then_some(Mark::Finished));
                    }
                }
                Some(ServerEnd::Untouched { .. } | ServerEnd::Returned { .. }) if !self.recover => {
                    self.begin_again(plan, position);
                }
                // What was recorded of a server that was not changed since may have changed by itself.
                None if state.is_active() && !state.is_changed() && !self.recover => self.begin_again(plan, position),
                None | Some(_) => {}
            }
        }
    }

    /// Lets a server begin the step in hand anew.
    fn step_again(&mut self, plan: &Plan, position: usize) {
        for step in steps_of(plan, work_id(position)) {
            let state = &mut self.steps[step.id.0 as usize];
            if matches!(state, StepState::Running { .. }) {
                *state = StepState::Pending;
            }
        }
    }

    /// Lets a server that was given back to its pool go through its steps from the first.
    pub(crate) fn put_off(&mut self, plan: &Plan, work: WorkId, why: &Why) -> Result<(), String> {
        let state = &mut self.work[work.0 as usize];
        match (&state.end, &state.back) {
            (None, Some(_)) => {}
            (Some(_), _) => return Err("the server has ended already".to_owned()),
            (None, None) => return Err("the server is not on its way back".to_owned()),
        }
        // What a stop gave back is no sign that the pool cannot do without it.
        let times = state.put_off + u32::from(matches!(why.kind, WhyKind::Pool | WhyKind::Changed));
        let given_back = state.touched || state.has(Mark::GivenBack);
        self.begin_again(plan, work.0 as usize);
        let state = &mut self.work[work.0 as usize];
        state.put_off = times;
        state.marks.extend(given_back.then_some(Mark::GivenBack));
        Ok(())
    }

    /// Lets a server go through its steps from the first. What happened to it is kept: an installer that ran is not run
    /// again, nor is it restarted again. One that failed may be run again, under another token.
    fn begin_again(&mut self, plan: &Plan, position: usize) {
        let state = &mut self.work[position];
        let snapshot = state.snapshot.take().filter(|_| state.touched);
        let failed = matches!(state.installer, Some((_, ExitMeaning::Failed | ExitMeaning::Busy)));
        // What a person has passed over is theirs to know.
        let by_hand = state.passed_over.as_ref().is_some_and(|why| why.kind == WhyKind::Operator);
        let is_last = state.in_hand as usize + 1 >= plan.change().maintenance.installers.len();
        let good = is_last && state.owed.is_none() && matches!(state.installer, Some((_, ExitMeaning::Done)));
        let uncounted = state.has(Mark::UncountedRestart).then_some(Mark::UncountedRestart);
        let taken = (!failed && state.has(Mark::StartTaken)).then_some(Mark::StartTaken);
        let half_done = state.has(Mark::HalfDone) || (state.patch_started() && !good && !by_hand);
        *state = WorkState {
            earlier: snapshot.or_else(|| state.earlier.take()),
            tokens: std::mem::take(&mut state.tokens),
            in_hand: state.in_hand,
            installed_before: std::mem::take(&mut state.installed_before),
            owed: state.owed,
            tokens_before: state.tokens_before,
            gave_up_busy: state.gave_up_busy,
            token: state.token.take().filter(|_| !failed),
            token_since: state.token_since.filter(|_| !failed),
            installer: state.installer.take().filter(|_| !failed),
            installer_ended: state.installer_ended.filter(|_| !failed),
            marks: half_done.then_some(Mark::HalfDone).into_iter().chain(uncounted).chain(taken).collect(),
            restarts: std::mem::take(&mut state.restarts),
            restart_refused: state.restart_refused.take(),
            restart_unknown: state.restart_unknown.take(),
            restart_proven: state.restart_proven.take(),
            restarts_before: state.restarts_before,
            boots: std::mem::take(&mut state.boots),
            booted_before: state.booted_before.take().filter(|_| !failed),
            cut: std::mem::take(&mut state.cut),
            alarms: std::mem::take(&mut state.alarms),
            ended_by_restart: std::mem::take(&mut state.ended_by_restart),
            ended_by_stop: std::mem::take(&mut state.ended_by_stop),
            stopped_uncounted: std::mem::take(&mut state.stopped_uncounted),
            balancer_undone_in_all: state.balancer_undone_in_all,
            ..WorkState::default()
        };
        for step in steps_of(plan, work_id(position)) {
            self.steps[step.id.0 as usize] = StepState::Pending;
        }
    }
}
