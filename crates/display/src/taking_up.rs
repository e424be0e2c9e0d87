//! What a run is found like when it is taken up again, and what is done with each server that an earlier start had in hand.

use crate::text::clean;
use orchestrate_engine::RunState;
use orchestrate_engine::record::{ServerEnd, WhyKind};
use orchestrate_engine::state::{self, StepState, WorkState};
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::{Plan, StepKind};

/// For what a run is taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// All that is left of it.
    Resume,
    /// Only what brings servers back.
    Recover,
}

/// Returns a line for each server that was in hand or was given back early: how the records leave it, and what is done.
/// The servers themselves are looked at before anything is done.
#[must_use]
pub fn found(plan: &Plan, state: &RunState, what_for: For) -> Vec<String> {
    let works = plan.work().iter().zip(&state.work).enumerate();
    let line = |(position, (work, each))| {
        let kind = in_hand(plan, state, state::work_id(position));
        let (how, then) = one(each, kind, what_for)?;
        let work: &orchestrate_planner::ServerWork = work;
        Some(format!("{}: {how}; {then}", work.server))
    };
    works.filter_map(line).collect()
}

/// Returns the step that a server was in.
fn in_hand(plan: &Plan, state: &RunState, work: WorkId) -> Option<StepKind> {
    let mut steps = state::steps_of(plan, work);
    let running = |id: usize| matches!(state.steps.get(id), Some(StepState::Running { .. }));
    steps.find(|step| running(step.id.0 as usize)).map(|step| step.kind)
}

fn one(each: &WorkState, kind: Option<StepKind>, what_for: For) -> Option<(String, String)> {
    let recovers = what_for == For::Recover;
    let brought_back = || "it is brought back as it was recorded".to_owned();
    let step = kind.map_or_else(|| "its next step".to_owned(), |kind| kind.word().to_owned());
    let again = |each: &WorkState| if recovers { brought_back() } else { retried(each, &step) };
    Some(match (&each.end, &each.back) {
        (Some(ServerEnd::Out { why }), _) => (format!("out of service: {}", clean(why)), again(each)),
        (Some(ServerEnd::Returned { why }), _) if !recovers => {
            (format!("was given back early ({})", clean(&why.text)), "it begins again".to_owned())
        }
        (Some(_), _) => return None,
        (None, Some(why)) => {
            let how = format!("was on its way back into service ({})", clean(&why.text));
            let for_stop = matches!(why.kind, WhyKind::Operator | WhyKind::Window | WhyKind::Changed);
            let then = if recovers {
                brought_back()
            } else if for_stop {
                "it is brought back as it was, then begins again".to_owned()
            } else {
                "it is brought back as it was, unpatched, and not begun again".to_owned()
            };
            (how, then)
        }
        (None, None) if !each.is_active() => return None,
        (None, None) => match &each.held {
            Some(hold) => (format!("was held in {step}: {}", clean(&hold.reason)), again(each)),
            None if each.is_changed() => (format!("out of service, in {step}"), goes_on(&step, what_for)),
            None if recovers => return None,
            None => ("was looked at, not changed".to_owned(), "it begins again".to_owned()),
        },
    })
}

fn goes_on(step: &str, what_for: For) -> String {
    match what_for {
        For::Resume => format!("it is looked at, and {step} goes on"),
        For::Recover => "it is brought back as it was recorded".to_owned(),
    }
}

fn retried(each: &WorkState, step: &str) -> String {
    if each.back.is_some() { "it is brought back once more".to_owned() } else { format!("{step} is tried again") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::plan;
    use orchestrate_engine::record::Why;

    fn said(change: impl FnOnce(&mut WorkState), what_for: For) -> Vec<String> {
        let plan = plan();
        let mut state = RunState::new(&plan);
        state.work[0].started = Some(crate::fixture::at(0));
        state.work[0].touched = true;
        change(&mut state.work[0]);
        found(&plan, &state, what_for)
    }

    #[test]
    fn a_run_that_is_taken_up_says_of_each_server_how_it_was_left_and_what_is_done() {
        let back = |kind| move |work: &mut WorkState| work.back = Some(Why { kind, text: "the run stops".to_owned() });
        let stopped = said(back(WhyKind::Operator), For::Resume);
        assert_eq!(stopped.len(), 1, "a line for each server in hand: {stopped:?}");
        assert!(stopped[0].contains("on its way back") && stopped[0].ends_with("then begins again"), "{stopped:?}");
        let failed = said(back(WhyKind::Failed), For::Resume);
        assert!(failed[0].ends_with("unpatched, and not begun again"), "{failed:?}");
        let plain = said(|_| {}, For::Resume);
        assert!(plain[0].contains("out of service") && plain[0].ends_with("goes on"), "{plain:?}");
        let recovered = said(|_| {}, For::Recover);
        assert!(recovered[0].ends_with("it is brought back as it was recorded"), "{recovered:?}");
        let out = |work: &mut WorkState| work.end = Some(ServerEnd::Out { why: "exit code 1603".to_owned() });
        assert!(said(out, For::Resume)[0].contains("out of service: exit code 1603"));
        let finished = |work: &mut WorkState| work.end = Some(ServerEnd::Finished);
        assert!(said(finished, For::Resume).is_empty());
    }
}
