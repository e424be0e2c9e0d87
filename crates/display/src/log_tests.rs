use super::Log;
use crate::fixture::{asked, at, plan, server};
use crate::style::Look;
use jiff::tz::TimeZone;
use orchestrate_engine::record::{
    Actor, Attended, RunHeader, RunOutcome, ServerEnd, Snapshot, StepEnd, StopWhy, Why, WhyKind,
};
use orchestrate_engine::{Intent, IntentId, Record};
use orchestrate_model::change::{ExitMeaning, HoldChoice};
use orchestrate_model::hold::Terms;
use orchestrate_model::{Act, ActOutcome, Keeper, Lease, PoolName, RunId, ServiceName, Target, Verdict};
use orchestrate_planner::StepId;
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::safety::{Asked, Question};
use std::collections::BTreeMap;

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn intent(id: u64, act: Act) -> Record {
    let target = Target { pool: PoolName::new(crate::fixture::POOL).unwrap(), server: server(1) };
    Record::Intent(Intent { id: IntentId(id), step: StepId(2), work: WorkId(0), target, act })
}

fn outcome(id: u64, outcome: ActOutcome) -> Record {
    Record::Outcome { intent: IntentId(id), outcome }
}

fn why(kind: WhyKind) -> Why {
    Why { kind, text: "the window ends at 04:00".to_owned() }
}

pub(crate) fn records() -> Vec<Record> {
    let work = WorkId(0);
    let by = Actor { user: "ann".to_owned(), host: "admin1".to_owned(), process: 4711 };
    let run = RunId::new("20261128-2100-abcd").unwrap();
    let (plan, attended) = ("5e3a91c0".repeat(8), Attended::No);
    let header = RunHeader { run, plan, by: by.clone(), attended, approvals: Vec::new() };
    let ended = |end| Record::ServerEnded { work, end };
    vec![
        Record::RunStarted(header),
        Record::Resumed { by: by.clone(), recover: false, attended: Attended::Yes },
        Record::Resumed { by, recover: true, attended: Attended::Yes },
        Record::StepStarted { step: StepId(0) },
        Record::Evidence { step: StepId(0), asked: asked() },
        Record::Evidence { step: StepId(0), asked: asked()[..1].to_vec() },
        Record::StepDone { step: StepId(0), how: StepEnd::Done, proof: "all 8 answers are yes".to_owned() },
        Record::Snapshot {
            work,
            snapshot: Snapshot {
                booted: at(-9),
                services: BTreeMap::new(),
                versions: vec![],
                balancer: None,
                fabric: None,
            },
        },
        intent(1, Act::Pause { service: service("RTCSRV") }),
        outcome(1, ActOutcome::Accepted),
        intent(2, Act::Pause { service: service("RTCRGS") }),
        outcome(2, ActOutcome::Failed("return code 2".to_owned())),
        intent(3, Act::Restart { booted: at(-9), comment: "x".to_owned() }),
        outcome(3, ActOutcome::Unknown("the connection was lost\u{1b}[31m".to_owned())),
        Record::StepStarted { step: StepId(3) },
        Record::StartTypesUndone { work, services: vec![service("RTCSRV"), service("RTCASMCU")] },
        Record::Reasserted { work, service: service("RTCSRV"), found: "found running".to_owned() },
        Record::SessionsCut { work, sessions: BTreeMap::from([(service("RTCSRV"), 3), (service("RTCRGS"), 1)]) },
        Record::TakenOver {
            work,
            from: Lease {
                keeper: Keeper { id: "x".to_owned(), user: "bob".to_owned(), host: "ctl2".to_owned() },
                run: "20261128-1900-ffff".to_owned(),
                until: at(-60),
            },
        },
        Record::StepDone { step: StepId(3), how: StepEnd::AlreadyDone, proof: "no sessions".to_owned() },
        Record::StepStarted { step: StepId(5) },
        Record::InstallerEnded { work, exit_code: 3010, meaning: ExitMeaning::RestartNeeded },
        Record::StepDone { step: StepId(6), how: StepEnd::Skipped, proof: "the installer did not ask".to_owned() },
        Record::Reopened { steps: vec![StepId(2), StepId(3)], why: "the server was restarted by someone".to_owned() },
        Record::TurnedBack { work, why: why(WhyKind::Window) },
        Record::Held {
            work,
            step: StepId(3),
            cause: orchestrate_model::hold::HoldCause::DrainDeadline,
            reason: "42 sessions are left after 2h".to_owned(),
            choices: vec![HoldChoice::Retry, HoldChoice::Return],
        },
        Record::Decided { work, choice: HoldChoice::Retry, by: "ann@admin1".to_owned(), terms: Terms::default() },
        Record::StepStarted { step: StepId(10) },
        ended(ServerEnd::Finished),
        ended(ServerEnd::NothingToDo { why: "at 5.0.8308.1149 already".to_owned() }),
        ended(ServerEnd::Untouched { why: why(WhyKind::Failed) }),
        ended(ServerEnd::Returned { why: why(WhyKind::Window) }),
        ended(ServerEnd::Out { why: "the installer's exit code 1603 is unknown".to_owned() }),
        Record::StopRequested { why: StopWhy::Operator("Ctrl-C".to_owned()) },
        Record::Swept { work, differences: vec![], unseen: false },
        Record::Swept { work, differences: vec!["RTCSRV: start type manual, was automatic".to_owned()], unseen: false },
        Record::Note { work: None, text: "the answer came late".to_owned() },
        Record::RunEnded { outcome: RunOutcome::StoppedByWindow },
    ]
}

#[test]
fn every_kind_of_record_has_its_line_or_is_bookkeeping() {
    let plan = plan();
    let mut log = Log::new(&plan).with_command("orchestrate", &RunId::new("20261128-2100-abcd").unwrap());
    let look = Look { zone: TimeZone::get("Europe/Paris").unwrap(), ..Look::plain() };
    let mut said = Vec::new();
    for (second, record) in records().iter().enumerate() {
        let entry = log.entry(at(i64::try_from(second).unwrap()), record, &look);
        said.push(format!("{:16} {}", record.name(), entry.as_deref().unwrap_or("(bookkeeping)")));
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn every_kind_of_record_stands_on_the_page_for_programs() {
    let page = include_str!("../../../docs/json.md");
    for record in records() {
        assert!(page.contains(&format!("`{}`", record.name())), "docs/json.md does not have {}", record.name());
    }
}

#[test]
fn one_cause_of_several_services_is_told_once() {
    let plan = plan();
    let mut log = Log::new(&plan);
    let look = Look { width: 200, zone: TimeZone::UTC, ..Look::plain() };
    let mut said = |record: &Record| log.entry(at(0), record, &look).unwrap_or_default();
    for (id, name) in [(1, "RTCSRV"), (2, "RTCRGS"), (3, "RTCCPS"), (4, "RTCCAA")] {
        said(&intent(id, Act::Pause { service: service(name) }));
    }
    let denied = |name: &str| ActOutcome::Failed(format!("PauseService {name}: access denied"));
    assert!(said(&outcome(1, denied("RTCSRV"))).ends_with("pause RTCSRV: failed: PauseService RTCSRV: access denied"));
    assert!(said(&outcome(2, denied("RTCRGS"))).ends_with("pause RTCRGS: failed, for the same reason"));
    let busy = ActOutcome::Retry("PauseService RTCCPS: access denied".to_owned());
    assert!(said(&outcome(3, busy)).contains("pause RTCCPS: not yet, will be tried again, for the same reason"));
    let other = ActOutcome::Failed("PauseService RTCCAA: it is disabled".to_owned());
    assert!(said(&outcome(4, other)).ends_with("it is disabled"));
}

#[test]
fn what_is_asked_again_and_answered_as_before_is_told_once_in_each_step() {
    let plan = plan();
    let mut log = Log::new(&plan);
    let look = Look { width: 200, zone: TimeZone::UTC, ..Look::plain() };
    let mut said = |record: &Record| log.entry(at(0), record, &look);
    let asked = |why: &str| Record::Evidence {
        step: StepId(0),
        asked: vec![Asked { question: Question::Ready, verdict: Verdict::No(why.to_owned()), advice: String::new() }],
    };
    assert!(said(&asked("fe2 is down")).unwrap().ends_with("no: fe2 is down"));
    assert_eq!(said(&asked("fe2 is down")), None);
    assert!(said(&asked("fe3 is down")).unwrap().ends_with("no: fe3 is down"));
    said(&Record::StepStarted { step: StepId(0) });
    assert!(said(&asked("fe3 is down")).is_some(), "another time is another matter");

    let denied = |id: u64, log: &mut Log<'_>| {
        log.entry(at(0), &intent(id, Act::Start { service: service("RTCSRV") }), &look);
        log.entry(at(0), &outcome(id, ActOutcome::Failed("access denied".to_owned())), &look)
    };
    assert!(denied(11, &mut log).unwrap().ends_with("start RTCSRV: failed: access denied"));
    assert_eq!(denied(12, &mut log), None);
}
