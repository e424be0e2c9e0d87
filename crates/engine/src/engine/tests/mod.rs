//! Short stories of a run, each told as records and inputs.

mod again;
mod away;
mod budgets;
mod dependents;
mod drains;
mod first;
mod gaps;
mod gates;
mod leases;
mod levels;
mod refusals;
mod several;
mod stops;
mod times;
mod together;
mod watch;

use super::{Command, Effect, Engine, Input, Look, Record, Start, Ticket};
use crate::record::{
    Actor, Attended, GapKind, Intent, IntentId, RecordedService, RunHeader, RunOutcome, ServerEnd, Snapshot, StepEnd,
    StopWhy, Why, WhyKind,
};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::{InstallerRun, InstallerToken};
use orchestrate_model::change::{ExitMeaning, HoldCause, HoldChoice};
use orchestrate_model::hold::Terms;
use orchestrate_model::observe::{DrainingState, HostFacts, Measure, SessionReading};
use orchestrate_model::{
    Act, ActOutcome, Answer, LeaseState, PoolObservation, RunId, RunState, ServerName, ServerObservation, ServiceName,
    ServiceStatus, StartMode, StartType, Target,
};
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::{Plan, StepId};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const KINDS: [&str; 11] =
    ["guard", "record", "block", "drain", "stop", "patch", "restart", "verify", "return", "gate", "soak"];
const GUARD: StepId = StepId(0);
const DRAIN: StepId = StepId(3);
const PATCH: StepId = StepId(5);
const FE1: WorkId = WorkId(0);

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_795_899_600).unwrap() + SignedDuration::from_mins(minutes)
}

fn service() -> ServiceName {
    ServiceName::new("RTCSRV").unwrap()
}

fn server(number: usize) -> ServerName {
    ServerName::new(&format!("fe{number}.contoso.example")).unwrap()
}

/// Three front ends of one pool, one after the other, with no windows.
fn plan() -> Arc<Plan> {
    plan_with(|_| {})
}

/// The same, with changes to what stands in it.
fn plan_with(change_it: impl FnOnce(&mut serde_json::Value)) -> Arc<Plan> {
    let minutes = |minutes| serde_json::to_value(SignedDuration::from_mins(minutes)).unwrap();
    let server_of =
        |n: usize| json!({"name": server(n), "addresses": [], "upgrade_domain": format!("UD{n}"), "hosts": []});
    let work_of = |n: usize| {
        json!({"pool": 0, "server": server(n), "upgrade_domain": format!("UD{n}"), "batch": n - 1,
            "block": [service()], "support": [], "skip": null})
    };
    let (mut steps, mut edges) = (Vec::new(), Vec::new());
    for id in 0..3 * KINDS.len() {
        let (work, place) = (id / KINDS.len(), id % KINDS.len());
        steps.push(json!({"id": id, "target": {"server": work}, "kind": KINDS[place], "certainty": "assumed"}));
        if id > 0 {
            let reason = if place > 0 { json!("same_server") } else { json!({"at_once": 1}) };
            edges.push(json!({"before": id - 1, "after": id, "reason": reason}));
        }
    }
    let change = json!({
        "name": "a review", "reason": "",
        "pools": [{
            "name": "pool01.contoso.example", "product": "lync2013", "role": "front-end",
            "load_balancing": {"sip": "dns", "web": null, "balancer": "none"},
            "servers": [server_of(1), server_of(2), server_of(3)], "access": "unstated", "after": [], "labels": [],
            "paired_with": null, "next_hop": null, "archiving": null, "extra_services": [], "database": null,
            "measures": {},
        }],
        "maintenance": {
            "scope": "all_services", "at_once": 1, "start_type": "manual",
            "drain": {"deadline": minutes(60), "at_deadline": "cut", "stuck_after": minutes(30), "per_service": {}},
            "patch": {"installer": "C:\\CU\\setup.exe", "arguments": [], "sha256": "00", "deadline": minutes(45),
                "level": null, "exit_codes": {}},
            "restart": "when-needed", "soak": minutes(20), "accept_loss": [], "unmeasured": {}, "on_hold": "stop",
        },
        "budgets": [], "stop_when": {"failed": 3}, "windows": [], "freezes": [], "dns": {"resolvers": []},
    });
    let work = [work_of(1), work_of(2), work_of(3)];
    let mut plan = json!({"schema": 1, "change": change, "work": work, "steps": steps, "edges": edges, "findings": []});
    change_it(&mut plan);
    Arc::new(serde_json::from_value(plan).unwrap())
}

fn actor() -> Actor {
    Actor { user: "ann".to_owned(), host: "control".to_owned(), process: 1 }
}

fn begun(attended: Attended) -> Record {
    Record::RunStarted(RunHeader {
        run: RunId::new("run-1").unwrap(),
        plan: String::new(),
        by: actor(),
        attended,
        approvals: Vec::new(),
    })
}

fn recorded() -> Record {
    let start = StartType { mode: StartMode::Automatic, delayed: false };
    let services =
        BTreeMap::from([(service(), RecordedService { state: RunState::Running, start, dependents: vec![] })]);
    let snapshot = Snapshot { booted: at(-9000), services, versions: vec![], balancer: None, fabric: None };
    Record::Snapshot { work: FE1, snapshot }
}

fn intended(id: u64, step: StepId, act: Act) -> [Record; 2] {
    let pool = plan().change().pools[0].name.clone();
    let target = Target { pool, server: server(1) };
    let intent = Intent { id: IntentId(id), step, work: FE1, target, act };
    [Record::Intent(intent), Record::Outcome { intent: IntentId(id), outcome: ActOutcome::Accepted }]
}

fn done(step: u32) -> [Record; 2] {
    let step = StepId(step);
    [Record::StepStarted { step }, Record::StepDone { step, how: StepEnd::Done, proof: String::new() }]
}

fn why(text: &str) -> Why {
    Why { kind: WhyKind::Operator, text: text.to_owned() }
}

/// A run in which fe1 was paused, and its drain is in hand.
fn draining(attended: Attended) -> Vec<Record> {
    let mut records = vec![begun(attended)];
    records.extend(done(0));
    records.push(Record::StepStarted { step: StepId(1) });
    records.push(recorded());
    records.push(Record::StepDone { step: StepId(1), how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: StepId(2) });
    records.extend(intended(1, StepId(2), Act::Pause { service: service() }));
    records.push(Record::StepDone { step: StepId(2), how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: DRAIN });
    records
}

/// The same, with the installer that ended badly, and the server held for it.
fn failed(attended: Attended) -> Vec<Record> {
    let mut records = draining(attended);
    records.push(Record::StepDone { step: DRAIN, how: StepEnd::Done, proof: String::new() });
    records.extend(done(4));
    records.push(Record::StepStarted { step: PATCH });
    let run = InstallerRun {
        token: InstallerToken("run-1-fe1-1".to_owned()),
        installer: String::new(),
        arguments: vec![],
        sha256: String::new(),
        deadline: SignedDuration::from_mins(45),
    };
    records.extend(intended(2, PATCH, Act::StartInstaller(run)));
    records.push(Record::InstallerEnded { work: FE1, exit_code: 1603, meaning: ExitMeaning::Failed });
    let choices = vec![HoldChoice::Retry, HoldChoice::Skip, HoldChoice::Return, HoldChoice::Abandon, HoldChoice::Stop];
    records.push(Record::Held {
        work: FE1,
        step: PATCH,
        cause: HoldCause::InstallerFailed,
        reason: "it ended with 1603".to_owned(),
        choices,
    });
    records
}

fn returned() -> [Record; 2] {
    let end = ServerEnd::Returned { why: why("asked") };
    [Record::TurnedBack { work: FE1, why: why("asked") }, Record::ServerEnded { work: FE1, end }]
}

fn after(records: &[Record]) -> Engine {
    after_in(plan(), records)
}

fn after_in(plan: Arc<Plan>, records: &[Record]) -> Engine {
    let mut engine = Engine::new(plan);
    for (minute, record) in records.iter().enumerate() {
        engine.replay(at(i64::try_from(minute).unwrap()), record).unwrap();
    }
    engine
}

fn said(engine: &mut Engine, command: Command) -> Vec<Effect> {
    engine.handle(Input::Operator(command), at(100))
}

fn acts(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| matches!(effect, Effect::Act(_))).count()
}

fn ends_with(effects: &[Effect], outcome: RunOutcome) -> bool {
    matches!(effects.last(), Some(Effect::End(found)) if *found == outcome)
}

/// The look that the step in hand waits for. The watch over the pool has looks of its own, which are bounded in time.
fn look_in(effects: &[Effect]) -> (Ticket, &Look) {
    let mut looks = effects.iter().filter_map(|effect| match effect {
        Effect::Look { ticket, look } => Some((*ticket, look)).filter(|(_, look)| look.within.is_none()),
        Effect::Record(_) | Effect::Act(_) | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
    });
    looks.next_back().unwrap_or_else(|| panic!("no look among {effects:?}"))
}

/// What a server says that lists its counters and has none for the service.
const NO_COUNTER: &str = "the server has no such counter";

/// fe1 with its one service in this state, so many sessions, and the start type that a blocked service has.
fn fe1(state: RunState, sessions: Answer<i64>, taken: Timestamp) -> PoolObservation {
    let absent = sessions.why_unknown() == Some(NO_COUNTER);
    let measures = vec![Measure { absent, ..Measure::new("sessions".to_owned(), sessions) }];
    let status = ServiceStatus {
        name: service(),
        display_name: String::new(),
        state: Answer::Known(state),
        start: Answer::Known(StartType::MANUAL),
        accepts_pause: true,
        dependents: Answer::Known(vec![]),
    };
    let mut seen = ServerObservation::unknown(server(1), taken, "not asked");
    seen.lease = Answer::Known(LeaseState::Ours);
    seen.host = Answer::Known(HostFacts { booted: at(-9000), local_time: taken, system: String::new() });
    seen.services = Answer::Known(BTreeMap::from([(service(), status)]));
    seen.sessions = BTreeMap::from([(service(), SessionReading { measures, draining: None })]);
    PoolObservation {
        pool: plan().change().pools[0].name.clone(),
        servers: BTreeMap::from([(server(1), seen)]),
        dns: Answer::not_asked(),
        balancer: Answer::not_asked(),
    }
}

/// Answers the look that is waited for.
fn answer(engine: &mut Engine, effects: &[Effect], seen: PoolObservation, now: Timestamp) -> Vec<Effect> {
    engine.handle(Input::Seen { ticket: look_in(effects).0, seen: Box::new(seen) }, now)
}

/// Lets the wait that is in hand pass.
fn wake(engine: &mut Engine, effects: &[Effect]) -> (Vec<Effect>, Timestamp) {
    let mut wakes = effects.iter().filter_map(|effect| match effect {
        Effect::Wake { ticket, at } => Some((*ticket, *at)),
        Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::End(_) | Effect::Broken(_) => None,
    });
    let (ticket, at) = wakes.next_back().unwrap_or_else(|| panic!("nothing is waited for in {effects:?}"));
    (engine.handle(Input::Woke { ticket }, at), at)
}

/// The reason of the hold of fe1, if it is held.
fn held(engine: &Engine) -> Option<String> {
    engine.state().work[0].held.as_ref().map(|hold| hold.reason.clone())
}

fn resumed() -> Input {
    Input::Begin(Start::Resume { by: actor(), attended: Attended::Yes })
}

fn recovery() -> Input {
    Input::Begin(Start::Recover { by: actor(), attended: Attended::No })
}

#[test]
fn p6_a_recovery_begins_nothing_on_a_server_that_was_only_looked_at() {
    let mut engine = after(&[begun(Attended::No), Record::StepStarted { step: GUARD }]);
    let effects = engine.handle(recovery(), at(100));
    assert!(matches!(engine.state().work[0].end, Some(ServerEnd::Untouched { .. })));
    // Whether its pool serves is seen at the end, and nothing else is asked for.
    let more = |effect: &Effect| match effect {
        Effect::Look { look, .. } => look.within.is_none(),
        Effect::Act(_) => true,
        Effect::Record(_) | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => false,
    };
    assert!(!effects.iter().any(more), "nothing is asked for: {effects:?}");
}

#[test]
fn p8_a_recovery_mends_what_the_last_look_of_the_run_found() {
    let mut records = draining(Attended::No);
    records.extend(returned());
    let differences = vec!["RTCSRV is paused, it was running".to_owned()];
    records.push(Record::Swept { work: FE1, differences, unseen: false });
    records.push(Record::RunEnded { outcome: RunOutcome::StoppedByPolicy });
    let mut engine = after(&records);
    let effects = engine.handle(recovery(), at(100));
    assert!(engine.state().work[0].back.is_some() && engine.state().work[0].is_active(), "{effects:?}");
    assert!(matches!(effects.last(), Some(Effect::Look { .. })), "{effects:?}");
}

#[test]
fn p4_sessions_that_were_given_up_once_are_waited_for_again_the_next_time() {
    let cut = || Record::SessionsCut { work: FE1, sessions: BTreeMap::from([(service(), 5)]) };
    let again = |more: Vec<Record>| {
        let mut records = draining(Attended::No);
        records.push(cut());
        assert_eq!(after(&records).state().work[0].given_up.len(), 1);
        records.extend(more);
        after(&records).state().work[0].clone()
    };
    let reopened = Record::Reopened { steps: vec![StepId(2), DRAIN], why: "resumed as a whole".to_owned() };
    let reasserted = Record::Reasserted { work: FE1, service: service(), found: "running".to_owned() };
    let back = Record::Resumed { by: actor(), recover: false, attended: Attended::No };
    let mut later: Vec<Record> = returned().into();
    later.extend([Record::RunEnded { outcome: RunOutcome::Interrupted }, back]);
    for more in [vec![reopened], vec![reasserted], later] {
        let work = again(more.clone());
        assert!(work.given_up.is_empty(), "after {more:?}");
        assert_eq!(work.cut.values().sum::<u64>(), 5, "what was cut stays in the report");
    }
    assert_eq!(again(vec![cut()]).cut.values().sum::<u64>(), 10, "each cut session is counted");
}

#[test]
fn a_decision_answers_the_hold_it_was_made_for_and_never_the_next_one() {
    let mut engine = after(&draining(Attended::Yes));
    engine.handle(resumed(), at(100));
    let skip = Command::Decide {
        server: server(1),
        choice: HoldChoice::Skip,
        since: None,
        by: "ann".to_owned(),
        terms: Terms::default(),
    };
    let effects = said(&mut engine, skip);
    assert!(engine.decisions.is_empty(), "nothing is held");
    assert!(
        matches!(&effects[..], [Effect::Record(Record::Note { text, .. })] if text.contains("ignored")),
        "{effects:?}"
    );
}

#[test]
fn p8_a_failed_installer_that_was_passed_over_is_not_called_done() {
    for (attended, kind) in [(Attended::Yes, WhyKind::Operator), (Attended::No, WhyKind::Failed)] {
        let mut records = failed(attended);
        records.push(Record::Decided {
            work: FE1,
            choice: HoldChoice::Skip,
            by: "ann".to_owned(),
            terms: Terms::default(),
        });
        for step in 5..11 {
            records.push(Record::StepDone { step: StepId(step), how: StepEnd::Skipped, proof: String::new() });
        }
        let mut engine = after(&records);
        engine.handle(resumed(), at(100));
        let end = engine.state().work[0].end.clone();
        assert!(matches!(&end, Some(ServerEnd::Returned { why }) if why.kind == kind), "{end:?}");
    }
}

#[test]
fn p9_an_operator_can_stop_a_run_whose_window_has_stopped_it_already() {
    let mut records = draining(Attended::Yes);
    records.push(Record::StopRequested { why: StopWhy::Window("fe2 does not fit".to_owned()) });
    let mut engine = after(&records);
    let effects = said(&mut engine, Command::Stop { by: "ann".to_owned() });
    assert!(matches!(engine.state().stop, Some(StopWhy::Operator(_))), "{effects:?}");
    assert!(engine.state().work[0].back.is_some(), "the server in hand goes back: {effects:?}");
}

#[test]
fn p9_an_installer_of_an_earlier_pass_does_not_keep_a_stop_from_being_obeyed() {
    let mut records = failed(Attended::Yes);
    records.push(Record::Decided {
        work: FE1,
        choice: HoldChoice::Return,
        by: "ann".to_owned(),
        terms: Terms::default(),
    });
    records.extend(returned());
    records.push(Record::RunEnded { outcome: RunOutcome::PartlyDone });
    let mut engine = after(&records);
    let effects = engine.handle(resumed(), at(100));
    let mut looks =
        effects.iter().filter_map(|effect| if let Effect::Look { ticket, .. } = effect { Some(*ticket) } else { None });
    let look = looks.next();
    said(&mut engine, Command::Stop { by: "ann".to_owned() });
    let nothing = orchestrate_model::PoolObservation {
        pool: plan().change().pools[0].name.clone(),
        servers: BTreeMap::new(),
        dns: orchestrate_model::Answer::not_asked(),
        balancer: orchestrate_model::Answer::not_asked(),
    };
    let effects = engine.handle(Input::Seen { ticket: look.unwrap(), seen: Box::new(nothing) }, at(101));
    said(&mut engine, Command::Stop { by: "ann".to_owned() });
    let end = engine.state().work[0].end.clone();
    assert_eq!(acts(&effects), 0);
    assert!(matches!(end, Some(ServerEnd::Untouched { .. })), "{end:?} {effects:?}");
}
