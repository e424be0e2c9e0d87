use super::{Context, summary};
use crate::fixture::{at, plan};
use crate::status::{self, Listed, RunStatus};
use crate::style::{Look, Style};
use orchestrate_engine::record::{RunOutcome, ServerEnd, StepEnd, StopWhy};
use orchestrate_engine::state::{Hold, RestartAsked, RunState, StepState};
use orchestrate_model::change::HoldChoice;
use orchestrate_model::{RunId, ServiceName};
use orchestrate_planner::StepId;
use std::collections::BTreeMap;

fn state() -> RunState {
    let mut state = RunState::new(&plan());
    state.started = Some(at(0));
    state.last = Some(at(5000));
    for (position, work) in state.work.iter_mut().enumerate().take(2) {
        work.started = Some(at(0));
        work.touched = true;
        work.restarts = vec![RestartAsked { at: at(100), booted: at(-9) }];
        state.steps[position * 11] = StepState::Ended { how: StepEnd::Done, at: at(1300), proof: "all yes".to_owned() };
    }
    state.work[0].end = Some(ServerEnd::Finished);
    state.work[0].swept = Some(vec![]);
    state.work[1].cut = BTreeMap::from([(ServiceName::new("RTCSRV").unwrap(), 3)]);
    state
}

fn run() -> RunId {
    RunId::new("20261128-2100-abcd").unwrap()
}

fn said(state: &RunState) -> String {
    let (run, plan) = (run(), plan());
    summary(Context { run: &run, plan: &plan, program: "orchestrate" }, state, &Look::plain())
}

#[test]
fn p8_a_run_that_leaves_a_server_out_names_the_command_that_brings_it_back() {
    let mut state = state();
    state.work[1].end = Some(ServerEnd::Out { why: "the installer ended with exit code 1603".to_owned() });
    state.stop = Some(StopWhy::Policy("1 server has failed".to_owned()));
    state.ended = Some(RunOutcome::StoppedByPolicy);
    let said = said(&state);
    assert!(said.contains("orchestrate recover 20261128-2100-abcd"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_run_that_is_done_names_no_command() {
    let mut state = state();
    for work in &mut state.work {
        work.started = Some(at(0));
        work.touched = true;
        work.cut.clear();
        work.end = Some(ServerEnd::Finished);
        work.swept = Some(vec![]);
    }
    state.ended = Some(RunOutcome::Done);
    let said = said(&state);
    assert!(!said.contains("recover"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn a_run_that_was_interrupted_with_nothing_out_says_how_to_go_on() {
    let mut state = state();
    state.work[1] = state.work[2].clone();
    state.ended = Some(RunOutcome::Interrupted);
    let said = said(&state);
    assert!(said.contains("to go on with the rest, start the plan again"), "{said}");
}

#[test]
fn a_list_of_runs_says_who_waits_for_a_decision() {
    let mut state = state();
    state.work[1].held = Some(Hold {
        step: StepId(0),
        reason: "the installer ended with exit code 1603".to_owned(),
        choices: vec![HoldChoice::Retry],
        since: at(100),
    });
    let holder = Some("ann@admin1 (process 4711)".to_owned());
    let held = RunStatus { run: run(), plan: plan(), state, view: None, holder };
    let list = status::list(&[Listed::Run(Box::new(held))], &Look::plain());
    assert!(list.contains("HELD, waits for your decision about fe2, 1 out"), "{list}");
}

#[test]
fn p8_a_list_of_runs_says_what_an_ended_run_has_left_out() {
    let mut state = state();
    state.work[1].end = Some(ServerEnd::Out { why: "the installer ended with exit code 1603".to_owned() });
    state.ended = Some(RunOutcome::StoppedByPolicy);
    let ended = RunStatus { run: run(), plan: plan(), state, view: None, holder: None };
    let look = Look { style: Style::Ansi, ..Look::plain() };
    let head = status::one(&ended, "orchestrate", at(6000), &look);
    let unreadable = Listed::Unreadable { run: run(), why: "the journal x is damaged at record 20".to_owned() };
    let list = status::list(&[Listed::Run(Box::new(ended)), unreadable], &look);
    let bad = "\u{1b}[1m\u{1b}[31m";
    for said in [list.as_str(), head.lines().next().unwrap()] {
        assert!(said.contains(&format!("stopped by policy\u{1b}[0m{bad}, 1 OUT: fe2")), "{said:?}");
    }
    assert!(list.contains(&format!("{bad}UNREADABLE: servers may be out; the journal x is damaged")), "{list:?}");
}

#[test]
fn status_of_an_interrupted_run_says_what_is_out() {
    let interrupted = RunStatus { run: run(), plan: plan(), state: state(), view: None, holder: None };
    let running = RunStatus { holder: Some("ann@admin1 (process 4711)".to_owned()), ..interrupted.clone() };
    let look = Look::plain();
    let list = [running, interrupted.clone()].map(|run| Listed::Run(Box::new(run)));
    let list = status::list(&list, &look);
    insta::assert_snapshot!(format!("{list}\n{}", status::one(&interrupted, "orchestrate", at(6000), &look)));
}
