//! The schemas are held true by what the code makes: each value of a type, and each word of an enumeration.

use super::{EVENTS, PREVIEW, PROBE, REPORT, SHARED, STATUS, WINDOWS, complete};
use crate::compare::{Difference, Subject, Weight};
use crate::fixture::{self, at, plan, seen, server};
use crate::openings::Openings;
use crate::preview::{Instead, Preview};
use crate::probe::{Told, ToldPool};
use crate::status::{self, Listed, RunStatus};
use crate::{events, words};
use jiff::SignedDuration;
use orchestrate_engine::record::{
    Actor, AlarmThen, Approved, Attended, Boot, GapKind, RecordedService, RunHeader, RunOutcome, ServerEnd, Snapshot,
    StepEnd, StopWhy, Why, WhyKind,
};
use orchestrate_engine::state::{Alarm, Hold, Mark, RunState};
use orchestrate_engine::view::{Phase, ServerView, Wait};
use orchestrate_engine::{Intent, IntentId, Record, View};
use orchestrate_model::act::{InstallerRun, InstallerToken};
use orchestrate_model::change::ExitMeaning;
use orchestrate_model::hold::{HoldCause, HoldChoice, Terms};
use orchestrate_model::observe::{BalancerPlace, BalancerState};
use orchestrate_model::probe::{ActivityKeys, CounterSet, Light, Row, Topic};
use orchestrate_model::service::StartMode;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::window::{Freeze, FrozenDays, FrozenSpan};
use orchestrate_model::{
    Act, ActOutcome, Answer, Feature, PoolName, RunId, ServiceName, StartType, Target, Verdict, Version,
};
use orchestrate_planner::forecast::{Forecast, PlacedBatch, Placement};
use orchestrate_planner::plan::{Certainty, LeftOut, WorkId};
use orchestrate_planner::report::ServerSafety;
use orchestrate_planner::safety::{Asked, Covered, Question};
use orchestrate_planner::windows::Opening;
use orchestrate_planner::{Plan, Report, Severity, StepId, StepKind};
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Returns a schema in which no object may have a key that it does not describe. Programs pass over what they do not know; a
/// test does not.
fn strict(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keys) => {
            for value in keys.values_mut() {
                *value = strict(value.take());
            }
            if keys.get("properties").is_some_and(Value::is_object) {
                keys.entry("additionalProperties").or_insert(Value::Bool(false));
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| *value = strict(value.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}

fn validator(file: &str) -> jsonschema::Validator {
    jsonschema::options().should_validate_formats(true).build(&strict(complete(file).unwrap())).unwrap()
}

fn assert_valid(validator: &jsonschema::Validator, value: &Value) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{value:#}\n{}", errors.join("\n"));
}

/// Takes from the reader of a type the words that it knows.
#[derive(Debug, Default)]
struct Known(BTreeSet<String>);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl std::error::Error for Known {}

impl de::Error for Known {
    fn custom<T: fmt::Display>(_text: T) -> Self {
        Self::default()
    }

    fn unknown_variant(_found: &str, known: &'static [&'static str]) -> Self {
        Self(known.iter().map(|word| (*word).to_owned()).collect())
    }
}

/// Returns every word of an enumeration.
fn of<T: DeserializeOwned + fmt::Debug>() -> BTreeSet<String> {
    T::deserialize(StrDeserializer::<Known>::new("?")).unwrap_err().0
}

/// Returns every word of an enumeration whose word stands under a key.
fn tags_of<T: DeserializeOwned + fmt::Debug>(key: &str) -> BTreeSet<String> {
    let map = MapDeserializer::<_, Known>::new([(key, "?")].into_iter());
    T::deserialize(map).unwrap_err().0
}

fn shared() -> Value {
    serde_json::from_str::<Value>(SHARED).unwrap()["$defs"].take()
}

/// Returns the words that a part of a schema allows: its own, those of its alternatives, and the one key of an alternative.
fn words_of(part: &Value, tag: Option<&str>) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let own = part["enum"].as_array().into_iter().flatten().chain(part.get("const")).map(text);
    let alternatives = part["oneOf"].as_array().into_iter().flatten();
    let more = alternatives.flat_map(|one| match tag {
        Some(tag) => words_of(&one["properties"][tag], None),
        None if one.get("required").is_some() => BTreeSet::from([text(&one["required"][0])]),
        None => words_of(one, None),
    });
    own.chain(more).collect()
}

/// Every part of a schema that lists words, with the words that the code has.
fn lists() -> Vec<(&'static str, Option<&'static str>, BTreeSet<String>)> {
    vec![
        ("/step", None, of::<StepKind>()),
        ("/certainty", None, of::<Certainty>()),
        ("/service_state", None, of::<orchestrate_model::RunState>()),
        ("/start_type/properties/mode", None, of::<StartMode>()),
        ("/balancer_state", None, of::<BalancerState>()),
        ("/exit_meaning", None, of::<ExitMeaning>()),
        ("/feature", None, of::<Feature>()),
        ("/question", None, of::<Question>()),
        ("/asked/properties/verdict", None, of::<Verdict>()),
        ("/hold_choice", None, of::<HoldChoice>()),
        ("/hold_cause", None, of::<HoldCause>()),
        ("/why/properties/kind", None, of::<WhyKind>()),
        ("/stop", None, of::<StopWhy>()),
        ("/server_end", Some("as"), tags_of::<ServerEnd>("as")),
        ("/outcome", None, of::<RunOutcome>()),
        ("/act", None, of::<Act>()),
        ("/act_outcome", None, of::<ActOutcome>()),
        ("/record", Some("kind"), tags_of::<Record>("kind")),
        ("/view/properties/servers/items/properties/phase", None, of::<Phase>()),
        ("/finding/properties/severity", None, of::<Severity>()),
    ]
}

#[test]
fn every_word_that_the_code_has_is_in_the_schema_and_no_other() {
    let shared = shared();
    for (place, tag, known) in lists() {
        assert!(known.len() > 1, "{place}: the words of the type are not to be had");
        assert_eq!(words_of(shared.pointer(place).unwrap(), tag), known, "{place}");
    }
    // What stands within a record.
    let of_kind = |kind: &str, key: &str| {
        let all = shared["record"]["oneOf"].as_array().unwrap();
        let record = all.iter().find(|record| record["properties"]["kind"]["const"] == kind).unwrap();
        words_of(&record["properties"][key], None)
    };
    assert_eq!(of_kind("run_started", "attended"), of::<Attended>());
    assert_eq!(of_kind("resumed", "attended"), of::<Attended>());
    assert_eq!(of_kind("step_done", "how"), of::<StepEnd>());
    assert_eq!(of_kind("booted", "was"), of::<Boot>());
    assert_eq!(of_kind("gap", "gap"), of::<GapKind>());
    assert_eq!(of_kind("alarm", "then"), of::<AlarmThen>());
    let probe: Value = serde_json::from_str(PROBE).unwrap();
    assert_eq!(words_of(&probe["$defs"]["topic"], None), of::<Topic>());
    assert_eq!(words_of(&probe["$defs"]["light"], None), of::<Light>());
}

/// Returns what can be covered. One that is new does not compile until it stands here.
fn covered() -> Vec<Covered> {
    let named = [Covered::Records, Covered::WebName, Covered::External, Covered::Entry];
    for each in named {
        match each {
            Covered::Records | Covered::WebName | Covered::External | Covered::Entry | Covered::Feature(_) => {}
        }
    }
    named.into_iter().chain(Feature::ALL.map(Covered::Feature)).collect()
}

/// Returns every safety question.
fn questions() -> Vec<Question> {
    let plain = of::<Question>().into_iter().filter(|word| word != "coverage");
    let plain = plain.map(|word| serde_json::from_value(word.into()).unwrap());
    plain.chain(covered().into_iter().map(Question::Coverage)).collect()
}

#[test]
fn every_safety_question_has_its_words_in_records_and_in_previews() {
    let shared = shared();
    let keys: BTreeSet<String> = questions().into_iter().map(words::question_key).collect();
    assert_eq!(words_of(&shared["question_key"], None), keys);
    let ways: BTreeSet<String> =
        covered().into_iter().map(|each| serde_json::from_value(json!(each)).unwrap()).collect();
    let of_coverage = &shared["question"]["oneOf"][1]["properties"]["coverage"];
    assert_eq!(words_of(of_coverage, None), ways);
}

#[test]
fn words_that_are_only_written_are_in_the_schema() {
    let shared = shared();
    let away = |why| match why {
        LeftOut::Away | LeftOut::ByChoice => words::left_out(why).to_owned(),
    };
    let left_out = &shared["preview"]["properties"]["servers"]["items"]["properties"]["left_out"]["anyOf"][0];
    assert_eq!(words_of(left_out, None), [away(LeftOut::Away), away(LeftOut::ByChoice)].into());
    let answers = [Verdict::Yes(String::new()), Verdict::No(String::new()), Verdict::Unknown(String::new())];
    let safety = "/preview/properties/servers/items/properties/safety/items/properties/answer";
    assert_eq!(words_of(shared.pointer(safety).unwrap(), None), answers.map(|each| each.word().to_owned()).into());
    let difference = &shared["difference"]["properties"];
    assert_eq!(words_of(&difference["subject"], None), differences().iter().map(|each| word(&each.subject)).collect());
    assert_eq!(words_of(&difference["weight"], None), differences().iter().map(|each| word(&each.weight)).collect());
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::from_value(json!(value)).unwrap()
}

/// Returns a difference about each subject, and of each weight. What is new does not compile until it stands here.
fn differences() -> Vec<Difference> {
    use Subject::{Findings, Order, Rules, Seen, Servers, Steps, Times};
    let weight = |subject| match subject {
        Rules | Servers | Seen => Weight::Another,
        Steps | Order => Weight::Matters,
        Times | Findings => Weight::Aside,
    };
    match Weight::Another {
        Weight::Another | Weight::Matters | Weight::Aside => {}
    }
    let each = |subject| Difference { subject, weight: weight(subject), about: Some("fe1".into()), text: "x".into() };
    [Rules, Servers, Seen, Steps, Order, Times, Findings].map(each).into()
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn pool() -> PoolName {
    PoolName::new(fixture::POOL).unwrap()
}

fn sessions() -> BTreeMap<ServiceName, u64> {
    BTreeMap::from([(service("RTCSRV"), 3)])
}

fn components() -> Vec<ComponentVersion> {
    vec![ComponentVersion {
        component: "Core Components".to_owned(),
        version: Version::parse("5.0.8308.1149").unwrap(),
    }]
}

fn why() -> Why {
    Why { kind: WhyKind::Pool, text: "fe2 is down".to_owned() }
}

fn approved() -> Approved {
    let text = |text: &str| text.to_owned();
    let (by, role, ticket, key) = (text("ann"), text("approver"), text("CHG1"), text("SHA256:x"));
    Approved { by, role, ticket, key, given: at(-900), expires: at(900) }
}

fn place() -> BalancerPlace {
    "192.0.2.10:9999 web/fe1 192.0.2.11".parse().unwrap()
}

/// Returns one of every act.
fn acts() -> Vec<Act> {
    let service = || service("RTCSRV");
    let run = InstallerRun {
        token: InstallerToken("x".to_owned()),
        installer: r"C:\CU\x.exe".to_owned(),
        arguments: vec!["/silentmode".to_owned()],
        sha256: "9f".repeat(32),
        deadline: SignedDuration::from_mins(45),
    };
    vec![
        Act::SetStartType { service: service(), to: StartType::MANUAL },
        Act::Pause { service: service() },
        Act::Continue { service: service() },
        Act::Start { service: service() },
        Act::Stop { service: service() },
        Act::StartInstaller(run),
        Act::Restart { booted: at(-9), comment: "x".to_owned() },
        Act::SetBalancer { pool: pool(), at: place(), to: BalancerState::Drain },
    ]
}

/// Returns records with everything in them that a record may have.
fn full_records() -> Vec<Record> {
    let work = WorkId(0);
    let by = Actor { user: "ann".to_owned(), host: "admin1".to_owned(), process: 4711 };
    let (run, plan) = (RunId::new("20261128-2100-abcd").unwrap(), "5e3a91c0".repeat(8));
    let services = RecordedService {
        state: orchestrate_model::RunState::Running,
        start: StartType::DELAYED,
        dependents: vec![service("RTCCAA")],
    };
    let snapshot = Snapshot {
        booted: at(-9),
        services: BTreeMap::from([(service("RTCSRV"), services)]),
        versions: components(),
        balancer: Some(BTreeMap::from([(place(), BalancerState::Ready)])),
        fabric: Some(vec!["Primary".to_owned()]),
    };
    let terms =
        Terms { more: Some(SignedDuration::from_mins(15)), sessions: Some(2), why: Some("late call".to_owned()) };
    let asked = || -> Vec<Asked> {
        let asked = |question| Asked { question, verdict: Verdict::No("x".into()), advice: "y".into() };
        questions().into_iter().map(asked).collect()
    };
    vec![
        Record::RunStarted(RunHeader { run, plan, by, attended: Attended::Yes, approvals: vec![approved()] }),
        Record::Evidence { step: StepId(0), asked: asked() },
        Record::Snapshot { work, snapshot },
        Record::Decided { work, choice: HoldChoice::Cut, by: "ann".to_owned(), terms },
        Record::Swept { work, differences: vec!["x".to_owned()], unseen: true },
        Record::LeftOver { work, text: "x".to_owned() },
        Record::Installed { work, versions: components() },
        Record::LevelRead { work, versions: Answer::Known(components()) },
        Record::LevelRead { work, versions: Answer::unknown("x") },
        Record::Booted { work, booted: at(3), was: Boot::Restarted },
        Record::Gap { gap: GapKind::ClockBack, by: SignedDuration::from_secs(-90) },
        Record::Alarm { work, asked: asked(), then: AlarmThen::GoesBack, why: "x".to_owned() },
        Record::AllClear { work },
        Record::PutOff { work, why: why() },
        Record::BalancerUndone { work, found: BalancerState::Maintenance },
        Record::Rebooted { work, booted: at(3), sessions: Answer::Known(sessions()) },
        Record::StoppedByOthers { work, sessions: sessions(), uncounted: [service("RTCRGS")].into() },
        Record::PoolSeen { faults: vec!["x".into()], pool: pool(), absent: [(server(2), "x".to_owned())].into() },
        Record::Note { work: Some(work), text: "x".to_owned() },
        Record::ServerEnded { work, end: ServerEnd::LeftOut { why: "x".to_owned() } },
    ]
}

/// Returns records of every kind.
fn records() -> Vec<Record> {
    let act = |act| {
        let target = Target { pool: pool(), server: server(1) };
        Record::Intent(Intent { id: IntentId(1), step: StepId(2), work: WorkId(0), target, act })
    };
    let outcomes = [ActOutcome::AlreadySo, ActOutcome::Joined, ActOutcome::Retry("x".to_owned())];
    let stops = [StopWhy::Policy, StopWhy::Window, StopWhy::OperatorNow, StopWhy::Storage];
    let mut all = crate::log::tests::records();
    all.extend(full_records());
    all.extend(acts().into_iter().map(act));
    all.extend(outcomes.map(|outcome| Record::Outcome { intent: IntentId(1), outcome }));
    all.extend(stops.map(|stop| Record::StopRequested { why: stop("x".to_owned()) }));
    all
}

#[test]
fn events_of_every_kind_of_record_are_as_the_schema_says() {
    let (plan, validator) = (plan(), validator(EVENTS));
    let events: Vec<Value> = records().iter().map(|record| events::recorded(&plan, 7, at(0), record)).collect();
    events.iter().for_each(|event| assert_valid(&validator, event));
    // What the schema describes is there too: every kind, and every key of a kind, has an example here.
    for described in shared()["record"]["oneOf"].as_array().unwrap() {
        let kind = &described["properties"]["kind"]["const"];
        let mut of_kind =
            events.iter().map(|event| &event["record"]).filter(|record| record["kind"] == *kind).peekable();
        assert!(of_kind.peek().is_some(), "{kind} has no example");
        let found: BTreeSet<&String> = of_kind.flat_map(|record| record.as_object().unwrap().keys()).collect();
        assert_eq!(described["properties"].as_object().unwrap().keys().collect::<BTreeSet<_>>(), found, "{kind}");
    }
    let unlike = json!({"version": 1, "event": "record", "seq": 1, "at": at(0), "server": null, "step": null,
        "record": {"kind": "run_ended", "outcome": "exploded"}});
    assert!(!validator.is_valid(&unlike));
}

/// Returns a view with a server in every phase, and with everything that is known of a server.
fn view() -> View {
    let hold = Hold {
        since: at(60),
        step: StepId(3),
        cause: HoldCause::InstallerLost,
        reason: "x".to_owned(),
        choices: vec![HoldChoice::Retry],
    };
    let wait = Wait { what: "x".into(), why: "y".into(), since: at(0), until: Some(at(9)), then: "z".into() };
    let row = |phase| ServerView {
        pool: pool(),
        server: server(1),
        phase,
        started: Some(at(0)),
        out: true,
        failed: false,
        changed: true,
        sessions_left: Some(Answer::Known(42)),
        sessions_first: Some(50),
        alarm: Some(Alarm { since: at(1), why: "x".to_owned() }),
        let_in: Some(at(2)),
        wait: Some(wait.clone()),
        steps: (3, 11),
    };
    let ends = [
        ServerEnd::Finished,
        ServerEnd::NothingToDo { why: "x".to_owned() },
        ServerEnd::LeftOut { why: "x".to_owned() },
        ServerEnd::Untouched { why: why() },
        ServerEnd::Returned { why: why() },
        ServerEnd::Out { why: "x".to_owned() },
    ];
    let step = Phase::Step { kind: StepKind::Drain, since: at(60), back: false };
    let mut servers = [Phase::Waiting, step, Phase::Held(hold)].map(row).to_vec();
    servers.extend(ends.map(Phase::Ended).map(row));
    servers[0].sessions_left = Some(Answer::unknown("x"));
    let empty =
        ServerView { started: None, sessions_left: None, alarm: None, let_in: None, wait: None, ..row(Phase::Waiting) };
    servers.push(empty);
    let (stop, ended) = (Some(StopWhy::Operator("x".to_owned())), Some(RunOutcome::Interrupted));
    let run = RunId::new("20261128-2100-abcd").ok();
    View { run, at: at(100), started: Some(at(0)), stop, ended, recovers: true, servers }
}

/// Returns a run in which much has happened, and of which nothing is missing.
fn state() -> RunState {
    let mut state = RunState::new(&plan());
    (state.started, state.last) = (Some(at(0)), Some(at(5000)));
    (state.ended, state.stop) = (Some(RunOutcome::PartlyDone), Some(StopWhy::Window("x".to_owned())));
    if let Record::RunStarted(header) = full_records().swap_remove(0) {
        state.header = Some(header);
    }
    state.pools_seen.insert(pool(), [(server(2), "x".to_owned())].into());
    state.pool_faults.insert(pool(), vec!["x".to_owned()]);
    let work = &mut state.work[0];
    (work.end, work.touched) = (Some(ServerEnd::Out { why: "x".to_owned() }), true);
    (work.cut, work.ended_by_restart, work.ended_by_stop) = (sessions(), sessions(), sessions());
    work.installer = Some((3010, ExitMeaning::RestartNeeded));
    (work.swept, work.alarms) = (Some(vec!["x".to_owned()]), vec!["x".to_owned()]);
    (work.left_over, work.stopped_uncounted) = (["x".to_owned()].into(), [service("RTCRGS")].into());
    work.level = Some(Answer::Known(components()));
    state.work[1].marks.insert(Mark::UncountedRestart);
    state.work[1].level = Some(Answer::unknown("x"));
    state
}

#[test]
fn progress_summary_report_and_status_are_as_their_schemas_say() {
    let (plan, run) = (plan(), RunId::new("20261128-2100-abcd").unwrap());
    let new = || RunState::new(&plan);
    let events = validator(EVENTS);
    assert_valid(&events, &events::progress(&view()));
    for (state, exit_code) in [(new(), None), (state(), Some(3))] {
        assert_valid(&events, &events::summary(&run, &plan, &state, exit_code));
    }
    let all: Vec<_> = records().into_iter().map(|record| (1, at(0), record)).collect();
    let report = validator(REPORT);
    assert_valid(&report, &events::report(&run, &plan, &new(), &[]));
    assert_valid(&report, &events::report(&run, &plan, &state(), &all));
    let status = validator(STATUS);
    let of = |state, view, holder| {
        let (run, ground) = (run.clone(), crate::live::Ground::Real);
        status::json(&RunStatus { run, ground, plan: plan.clone(), state, view, holder })
    };
    assert_valid(&status, &of(new(), None, None));
    assert_valid(&status, &of(state(), Some(view()), Some("ann@admin1".to_owned())));
    assert_valid(&status, &status::listed_json(&Listed::Unreadable { run, why: "x".to_owned() }));
    let unlike = json!({"version": 2, "run": "x", "unreadable": "y"});
    assert!(!status.is_valid(&unlike), "another version is another format");
}

fn report(plan: &Plan) -> Report {
    let asked = |question| Asked { question, verdict: Verdict::Unknown("x".into()), advice: "y".into() };
    let opening = Opening { starts: at(0), ends: at(21_600) };
    let batch = |opening| PlacedBatch {
        pool: pool(),
        batch: 0,
        servers: vec![server(1)],
        placed: Some(Placement { begins: at(0), ends: at(3600), opening }),
    };
    let unplaced = PlacedBatch { placed: None, ..batch(None) };
    let hour = SignedDuration::from_hours(1);
    let safety = ServerSafety {
        pool: pool(),
        server: server(1),
        asked: questions().into_iter().map(asked).collect(),
        silent: false,
    };
    let forecast = Forecast {
        servers: 3,
        one_server: hour,
        one_likely: hour,
        room: hour,
        length: hour,
        likely: hour,
        measured: 3,
        lower_bound: hour,
        begins: Some(at(0)),
        ends: None,
        openings: Some(1),
        batches_per_opening: None,
        schedule: vec![batch(Some(opening)), batch(None), unplaced],
    };
    Report { order: Vec::new(), safety: vec![safety], forecast, findings: plan.findings().to_vec() }
}

#[test]
fn previews_are_as_the_schema_says_alone_and_as_an_event() {
    let (plan, seen) = (plan(), seen());
    let (report, whole) = (report(&plan), "5e3a91c0".repeat(8));
    let on = Instead::GoOn { run: RunId::new("20261128-2100-abcd").unwrap(), said: "x".to_owned() };
    let refused = Instead::Refused { exit_code: 8, why: "x".to_owned() };
    let (alone, event) = (validator(PREVIEW), validator(EVENTS));
    for instead in [None, Some(&on), Some(&refused)] {
        let preview = Preview { plan: &plan, fingerprint: &whole, seen: &seen, report: &report, instead };
        assert_valid(&alone, &crate::preview::json(&preview));
        assert_valid(&event, &events::preview(&preview));
    }
}

#[test]
fn a_probe_is_as_the_schema_says() {
    let row = |topic| Row {
        topic,
        light: Light::Yellow,
        found: "x".into(),
        todo: Some("y".into()),
        code: Some("O2022".into()),
    };
    let rows: Vec<Row> = Topic::ALL.into_iter().map(row).collect();
    let set = CounterSet { name: "LS:x".into(), class: "y".into(), counters: [("a".into(), "b".into())].into() };
    let (counters, unread) = (Answer::Known(vec![set]), Answer::unknown("x"));
    let keys = Answer::Known(BTreeMap::from([("a".to_owned(), -1)]));
    let keys = [keys, Answer::unknown("x")].map(|keys| ActivityKeys { service: service("RTCRGS"), keys });
    let (keys, none) = (Answer::Known(keys.to_vec()), Answer::unknown("x"));
    let name = server(1);
    let told = |counters, activity| Told { server: &name, rows: &rows, left_out: &Topic::ALL, counters, activity };
    let servers = [told(None, None), told(Some(&counters), Some(&keys)), told(Some(&unread), Some(&none))];
    let name = pool();
    let value = crate::probe::json(&servers, &[ToldPool { pool: &name, rows: &rows }]);
    assert_valid(&validator(PROBE), &value);
}

#[test]
fn openings_and_freezes_are_as_the_schema_says() {
    let mut change = plan().change().clone();
    let (from, to) = (jiff::civil::date(2026, 12, 19), jiff::civil::date(2027, 1, 3));
    let (timezone, reason) = (Some("Europe/Paris".to_owned()), "year end".to_owned());
    change.freezes = vec![
        Freeze::Days(FrozenDays { from, to, timezone, reason: reason.clone() }),
        Freeze::days(from, to, reason.clone()),
        Freeze::Span(FrozenSpan { from: at(0), to: at(9), reason }),
    ];
    let openings = [Opening { starts: at(0), ends: at(21_600) }];
    let told = Openings { change: &change, openings: &openings, fits: &[2] };
    assert_valid(&validator(WINDOWS), &told.json());
}

#[test]
fn each_schema_stands_alone_and_the_shared_file_has_nothing_that_is_not_used() {
    let mut used = BTreeSet::new();
    for file in [EVENTS, PREVIEW, REPORT, STATUS, PROBE, WINDOWS] {
        let schema = complete(file).unwrap();
        let own: BTreeSet<String> = schema["$defs"].as_object().unwrap().keys().cloned().collect();
        let wanted: BTreeSet<String> = super::references(&schema).into_iter().collect();
        assert_eq!(own, wanted, "{}", schema["title"]);
        assert!(!schema["description"].as_str().unwrap().is_empty() && jsonschema::meta::is_valid(&schema));
        used.extend(own);
    }
    let unused: Vec<String> =
        shared().as_object().unwrap().keys().filter(|name| !used.contains(*name)).cloned().collect();
    assert_eq!(unused, Vec::<String>::new());
}
