use super::{Context, summary};
use crate::fixture::{at, plan};
use crate::log::Log;
use crate::status::{self, Listed, RunStatus};
use crate::style::{Look, Style};
use orchestrate_engine::record::{RunOutcome, ServerEnd, StepEnd, StopWhy, Why, WhyKind};
use orchestrate_engine::state::{Hold, RestartAsked, RunState, StepState};
use orchestrate_engine::{Intent, IntentId, Record};
use orchestrate_model::change::HoldChoice;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{Act, Answer, PoolName, RunId, ServerName, ServiceName, Target, Version};
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::{Plan, StepId};
use serde_json::json;
use std::collections::BTreeMap;

fn state() -> RunState {
    let mut state = RunState::new(&plan());
    state.started = Some(at(0));
    state.last = Some(at(5000));
    for (position, work) in state.work.iter_mut().enumerate().take(2) {
        work.started = Some(at(0));
        work.touched = true;
        work.restarts = vec![RestartAsked { at: at(100), booted: at(-9) }];
        work.boots.insert(at(200));
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
    summary(
        Context { run: &run, plan: &plan, program: "orchestrate", start: "orchestrate PLAN" },
        state,
        &Look::plain(),
    )
}

/// A text wherever its lines end.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
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
fn p8_a_pool_whose_servers_ended_at_different_levels_is_told_component_by_component() {
    let mut plan = serde_json::to_value(plan()).unwrap();
    plan["change"]["maintenance"]["patch"]["level"] = json!("5.0.8308.1149");
    let plan: Plan = serde_json::from_value(plan).unwrap();
    let mut state = state();
    let component = |component: &str, version: &str| ComponentVersion {
        component: component.to_owned(),
        version: Version::parse(version).unwrap(),
    };
    let versions = |tools: &str| vec![component("Core", "5.0.8308.1149"), component("Administrative Tools", tools)];
    for work in &mut state.work {
        work.end = Some(ServerEnd::Finished);
        work.swept = Some(vec![]);
        work.level = Some(Answer::Known(versions("5.0.8308.1149")));
    }
    state.work[1].level = Some(Answer::Known(versions("5.0.8308.866")));
    state.work[2].level = Some(Answer::unknown("access denied"));
    state.ended = Some(RunOutcome::ToBeLookedAt);
    let run = run();
    let said = summary(
        Context { run: &run, plan: &plan, program: "orchestrate", start: "orchestrate PLAN" },
        &state,
        &Look::plain(),
    );
    insta::assert_snapshot!(said);
}

#[test]
fn a_run_that_was_interrupted_with_nothing_out_says_how_to_go_on() {
    let mut state = state();
    state.work[1] = state.work[2].clone();
    state.ended = Some(RunOutcome::Interrupted);
    let said = said(&state);
    assert!(said.contains("to go on with the rest, start the plan again:  orchestrate PLAN"), "{said}");
}

/// Returns the plan of the fixture with a window, and with database work after its servers.
fn with_database_and_window() -> Plan {
    let mut plan = serde_json::to_value(plan()).unwrap();
    plan["change"]["windows"] = json!([{"every": {"weekly": ["saturday"]}, "start": "22:00:00", "duration": "PT6H",
        "timezone": "Europe/Paris"}]);
    plan["change"]["pools"][0]["database"] = json!({"primary": "sql1.contoso.example", "mirror": null,
        "instructions": "Install-CsDatabase"});
    let steps = plan["steps"].as_array_mut().unwrap();
    let id = steps.len();
    steps.push(json!({"id": id, "target": {"pool": 0}, "kind": "database", "certainty": "not-knowable"}));
    serde_json::from_value(plan).unwrap()
}

#[test]
fn every_end_that_leaves_work_says_how_to_go_on_and_what_is_left_for_people() {
    let plan = with_database_and_window();
    let mut state = RunState::new(&plan);
    (state.started, state.last) = (Some(at(0)), Some(at(5000)));
    for work in &mut state.work {
        work.end = Some(ServerEnd::Finished);
    }
    let why = Why { kind: WhyKind::Window, text: "the window ends".to_owned() };
    state.work[2].end = Some(ServerEnd::Untouched { why });
    let run = run();
    let said = |state: &RunState| {
        summary(
            Context { run: &run, plan: &plan, program: "orchestrate", start: "orchestrate PLAN" },
            state,
            &Look::plain(),
        )
    };
    state.ended = Some(RunOutcome::StoppedByWindow);
    let opens = "in the next window, start the plan again:  orchestrate PLAN (opens Sat 2026-12-05 21:00 UTC)";
    assert!(said(&state).contains(opens), "{}", said(&state));
    assert!(!said(&state).contains("left for you"), "the servers come first: {}", said(&state));
    for outcome in [RunOutcome::PartlyDone, RunOutcome::StoppedByPolicy] {
        state.ended = Some(outcome);
        let again = "when the cause is mended, start the plan again:  orchestrate PLAN";
        assert!(said(&state).contains(again), "{}", said(&state));
    }
    state.ended = Some(RunOutcome::Done);
    state.work[2].end = Some(ServerEnd::Finished);
    let proof = "left to a person".to_owned();
    *state.steps.last_mut().unwrap() = StepState::Ended { how: StepEnd::Skipped, at: at(5000), proof };
    let left = "left for you:  the database work on sql1.contoso.example: Install-CsDatabase";
    let record = Record::StepDone { step: StepId(33), how: StepEnd::Skipped, proof: "left to a person".to_owned() };
    let entry = Log::new(&plan).entry(at(5000), &record, &Look::plain()).unwrap();
    assert!(entry.ends_with("database: left for you: left to a person"), "{entry}");
    assert!(said(&state).contains(left) && !said(&state).contains("start the plan"), "{}", said(&state));
}

#[test]
fn p8_that_nothing_is_out_is_said_only_when_every_server_was_seen_to_serve() {
    let mut state = state();
    for work in &mut state.work {
        work.started = Some(at(0));
        work.end =
            Some(ServerEnd::Returned { why: Why { kind: WhyKind::Pool, text: "fe9 (no answer) is out".into() } });
        work.alarms = vec!["fe9 (no answer) is out".into()];
        work.swept = Some(vec![]);
    }
    state.ended = Some(RunOutcome::StoppedByPolicy);
    assert!(!said(&state).contains("nothing is out"), "nobody has looked: {}", said(&state));
    let pool = plan().change().pools[0].name.clone();
    let absent = ServerName::new("fe9.contoso.example").unwrap();
    state.pools_seen.insert(pool.clone(), BTreeMap::from([(absent, "no answer".to_owned())]));
    let told = in_one_line(&said(&state));
    assert!(told.contains("1 server is not seen to serve: fe9 (no answer)"), "{told}");
    assert!(!told.contains("nothing is out"), "{told}");
    assert_eq!(told.matches("fe9 (no answer) is out").count(), state.work.len(), "each reason is said once: {told}");
    state.pools_seen.insert(pool, BTreeMap::new());
    assert!(said(&state).contains("nothing is out; when the cause"), "{}", said(&state));
}

#[test]
fn sessions_that_a_restart_ended_are_said_to_have_ended_by_it() {
    let mut state = state();
    state.work[0].ended_by_restart = BTreeMap::from([(ServiceName::new("RTCSRV").unwrap(), 12)]);
    let told = said(&state).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("12 sessions ended by a restart that was not this run's"), "{told}");
    state.work[0].ended_by_restart.clear();
    state.work[0].marks.insert(orchestrate_engine::state::Mark::UncountedRestart);
    let told = said(&state).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("sessions that had not been counted"), "p3: {told}");
}

#[test]
fn status_of_an_interrupted_run_says_what_was_in_hand_and_how_old_the_news_is() {
    let mut state = state();
    state.steps[13] = StepState::Running { since: at(4000) };
    let target = Target { pool: PoolName::new(crate::fixture::POOL).unwrap(), server: crate::fixture::server(2) };
    let act = Act::Pause { service: ServiceName::new("RTCSRV").unwrap() };
    let intent = Intent { id: IntentId(7), step: StepId(13), work: WorkId(1), target, act };
    state.open.insert(intent.id, intent);
    let run =
        RunStatus { run: run(), ground: crate::live::Ground::Real, plan: plan(), state, view: None, holder: None };
    let said = status::one(&run, ("orchestrate", "orchestrate PLAN"), at(6000), &Look::plain());
    for words in [
        "the last news is from Sat 2026-11-28 22:23 UTC, 16m 40s ago",
        "fe2 was in block, since Sat 2026-11-28 22:06 UTC, 33m 20s ago",
        "fe2 was asked to pause RTCSRV, and whether it did is not known",
    ] {
        assert!(said.contains(words), "{words} is missing: {said}");
    }
}

#[test]
fn a_list_of_runs_says_who_waits_for_a_decision() {
    let mut state = state();
    state.work[1].held = Some(Hold {
        step: StepId(0),
        cause: orchestrate_model::hold::HoldCause::InstallerFailed,
        reason: "the installer ended with exit code 1603".to_owned(),
        choices: vec![HoldChoice::Retry],
        since: at(100),
    });
    let holder = Some("ann@admin1 (process 4711)".to_owned());
    let held = RunStatus { run: run(), ground: crate::live::Ground::Real, plan: plan(), state, view: None, holder };
    let list = status::list(&[Listed::Run(Box::new(held))], &Look::plain());
    assert!(list.contains("HELD, waits for your decision about fe2, 1 out"), "{list}");
}

#[test]
fn p8_a_list_of_runs_says_what_an_ended_run_has_left_out() {
    let mut state = state();
    state.work[1].end = Some(ServerEnd::Out { why: "the installer ended with exit code 1603".to_owned() });
    state.ended = Some(RunOutcome::StoppedByPolicy);
    let ended =
        RunStatus { run: run(), ground: crate::live::Ground::Real, plan: plan(), state, view: None, holder: None };
    let look = Look { style: Style::Ansi, ..Look::plain() };
    let head = status::one(&ended, ("orchestrate", "orchestrate PLAN"), at(6000), &look);
    let unreadable = Listed::Unreadable { run: run(), why: "the journal x is damaged at record 20".to_owned() };
    let list = status::list(&[Listed::Run(Box::new(ended)), unreadable], &look);
    let bad = "\u{1b}[1m\u{1b}[31m";
    for said in [list.as_str(), head.lines().next().unwrap()] {
        assert!(said.contains(&format!("stopped before its end\u{1b}[0m{bad}, 1 OUT: fe2")), "{said:?}");
    }
    assert!(list.contains(&format!("{bad}UNREADABLE: servers may be out; the journal x is damaged")), "{list:?}");
}

#[test]
fn status_of_an_interrupted_run_says_what_is_out() {
    let interrupted = RunStatus {
        run: run(),
        ground: crate::live::Ground::Real,
        plan: plan(),
        state: state(),
        view: None,
        holder: None,
    };
    let running = RunStatus { holder: Some("ann@admin1 (process 4711)".to_owned()), ..interrupted.clone() };
    let look = Look::plain();
    let list = [running, interrupted.clone()].map(|run| Listed::Run(Box::new(run)));
    let list = status::list(&list, &look);
    insta::assert_snapshot!(format!(
        "{list}\n{}",
        status::one(&interrupted, ("orchestrate", "orchestrate PLAN"), at(6000), &look)
    ));
}

fn with_level(level: &str) -> Plan {
    let mut plan = serde_json::to_value(plan()).unwrap();
    plan["change"]["maintenance"]["patch"]["level"] = json!(level);
    serde_json::from_value(plan).unwrap()
}

fn one(component: &str, version: &str) -> ComponentVersion {
    ComponentVersion { component: component.to_owned(), version: Version::parse(version).unwrap() }
}

#[test]
fn p8_a_component_that_stayed_old_on_every_server_is_named_with_what_to_do() {
    let plan = with_level("5.0.8308.1149");
    let mut state = state();
    for work in &mut state.work {
        work.end = Some(ServerEnd::Finished);
        work.swept = Some(vec![]);
        work.level = Some(Answer::Known(vec![one("Core", "5.0.8308.1149"), one("Front End Server", "5.0.8308.866")]));
    }
    state.ended = Some(RunOutcome::ToBeLookedAt);
    let run = run();
    let said = summary(
        Context { run: &run, plan: &plan, program: "orchestrate", start: "orchestrate PLAN" },
        &state,
        &Look::plain(),
    );
    assert!(said.contains("below the level: Front End Server is at 5.0.8308.866 on fe1, fe2 and fe3"), "{said}");
    assert!(said.contains("which components it touches"), "{said}");
}

#[test]
fn p8_levels_are_said_as_they_were_seen_and_not_as_the_servers_ended() {
    let plan = with_level("5.0.8308.1149");
    let mut state = state();
    let token = orchestrate_model::act::InstallerToken("t".to_owned());
    for work in state.work.iter_mut().take(2) {
        work.tokens.insert(token.clone(), 1);
        work.end = Some(ServerEnd::Returned { why: Why { kind: WhyKind::Operator, text: "recover".to_owned() } });
        work.swept = Some(vec![]);
    }
    state.work[0].level = Some(Answer::Known(vec![one("Core", "5.0.8308.1149")]));
    state.work[1].level = Some(Answer::Known(vec![one("Core", "5.0.8308.866")]));
    state.ended = Some(RunOutcome::Recovered);
    let run = run();
    let said = summary(
        Context { run: &run, plan: &plan, program: "orchestrate", start: "orchestrate PLAN" },
        &state,
        &Look::plain(),
    );
    let flat = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let mixed = "is at mixed levels: 1 of 3 servers at 5.0.8308.1149, not fe2, not known of fe3";
    assert!(flat.contains(mixed), "{said}");
    assert!(flat.contains("BELOW the level: at 5.0.8308.866"), "{said}");
}

#[test]
fn p4_sessions_of_services_that_served_while_an_installer_ran_are_not_counted_and_not_called_0() {
    use orchestrate_engine::record::{RecordedService, Snapshot};
    use orchestrate_model::{RunState as ServiceState, StartType};
    let mut plan = serde_json::to_value(plan()).unwrap();
    plan["change"]["maintenance"]["scope"] = json!({"services": ["RTCRGS"]});
    for work in plan["work"].as_array_mut().unwrap() {
        work["block"] = json!(["RTCRGS"]);
    }
    let plan: Plan = serde_json::from_value(plan).unwrap();
    let mut state = state();
    let service = |state| RecordedService { state, start: StartType::AUTOMATIC, dependents: vec![] };
    let services = [
        ("RTCRGS", ServiceState::Running),
        ("RTCSRV", ServiceState::Running),
        ("RTCAVMCU", ServiceState::Running),
        ("RTCCPS", ServiceState::Stopped),
    ];
    let services = services.map(|(name, state)| (ServiceName::new(name).unwrap(), service(state)));
    let snapshot =
        Snapshot { booted: at(-9), services: BTreeMap::from(services), versions: vec![], balancer: None, fabric: None };
    state.work[0].snapshot = Some(snapshot);
    let said = |state: &RunState| {
        let run = run();
        summary(
            Context { run: &run, plan: &plan, program: "orchestrate", start: "orchestrate PLAN" },
            state,
            &Look::plain(),
        )
    };
    assert!(!said(&state).contains("not counted"), "no installer ran: {}", said(&state));
    state.work[0].tokens.insert(orchestrate_model::act::InstallerToken("t".to_owned()), 1);
    let text = said(&state).replace('\n', " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = "0 sessions cut of the services that were blocked, those of RTCAVMCU and RTCSRV not counted";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn p8_a_restart_that_was_asked_for_and_never_seen_is_not_counted() {
    let mut state = state();
    state.work[0].restarts.push(RestartAsked { at: at(900), booted: at(-9) });
    state.work[1].boots.clear();
    let said = in_one_line(&said(&state));
    assert!(said.contains("1 restart of 2 that were asked for"), "{said}");
    assert!(said.contains("0 restarts of 1 that were asked for"), "{said}");
    // Computed from uptime and clock, the same boot time moves by seconds.
    state.work[0].boots.insert(at(201));
    assert_eq!(state.work[0].restarted(), 1);
    state.work[0].boots.insert(at(1200));
    assert_eq!(state.work[0].restarted(), 2);
}
