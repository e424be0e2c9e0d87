//! Changes of several services in one exchange: each with an answer of its own, and none of them done twice.
#![cfg(test)]

use orchestrate_driver::{Change as _, Clock, Observe as _};
use orchestrate_driver_winrm::{Auth, Credentials, Transport, Trust, WinrmLimits, WinrmServer, WinrmTarget};
use orchestrate_lab::scenario::{Fault, FaultEffect, Scenario};
use orchestrate_lab::{Lab, LabConfig, LabDirectory};
use orchestrate_model::observe::Part;
use orchestrate_model::pool::Cmdlets;
use orchestrate_model::{Act, ActOutcome, Ask, Change, Keeper, RunState, ServerObservation, ServiceName};
use orchestrate_tests::cli::Sandbox;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

const NAMES: [&str; 3] = ["RTCCPS", "RTCCAA", "RTCRGS"];

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn change() -> Change {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans/contoso-front-end.yaml");
    orchestrate_config::parse("contoso-front-end.yaml", &std::fs::read(plan).unwrap()).unwrap().change
}

async fn lab(scenario: Scenario, record: &Path) -> Lab {
    let config = LabConfig { scenario, speed: 60.0, record: Some(record.to_owned()), ..LabConfig::new(change()) };
    Lab::start(config).await.unwrap()
}

fn driver(lab: &Lab) -> WinrmServer {
    let (change, directory) = (change(), lab.directory());
    let pool = &change.pools[0];
    let server = pool.servers[0].name.clone();
    let target = WinrmTarget {
        connect_to: Some(directory.servers[&server].to_string()),
        names: None,
        server,
        pool: pool.name.clone(),
        product: pool.product,
        role: pool.role,
        transport: Transport::Https(Trust::Authority(Arc::from(directory.ca_pem.as_bytes()))),
        auth: Auth::Basic(Credentials::new(directory.user.clone(), Zeroizing::new(directory.password.clone()))),
        cmdlets: Cmdlets::Session,
        measures: pool.measures.clone(),
        keeper: Keeper { id: "us".to_owned(), user: "ops".to_owned(), host: "ctl1".to_owned() },
        limits: WinrmLimits { together: Duration::from_millis(200), ..WinrmLimits::default() },
    };
    WinrmServer::new(target, clock(lab)).unwrap()
}

fn clock(lab: &Lab) -> Clock {
    lab.clock()
}

/// Looks until what is seen is as wanted. What else is asked has a process stay.
async fn until(driver: &WinrmServer, wanted: impl Fn(&ServerObservation) -> bool) -> ServerObservation {
    let ask = Ask { services: NAMES.map(service).into(), parts: [Part::Lease].into(), ..Ask::default() };
    loop {
        let seen = driver.observe(&ask).await;
        if wanted(&seen) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn all_are(seen: &ServerObservation, state: RunState) -> bool {
    NAMES.iter().all(|name| seen.service(&service(name)).is_some_and(|status| status.is(state)))
}

/// How often each service was told what, as `operation object`.
fn told(record: &Path) -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(record).unwrap();
    let mut told = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let word = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        *told.entry(format!("{} {} {}", word("server"), word("operation"), word("object"))).or_default() += 1;
    }
    told
}

fn words(outcomes: &[ActOutcome]) -> Vec<&'static str> {
    let word = |outcome: &ActOutcome| match outcome {
        ActOutcome::Accepted => "accepted",
        ActOutcome::AlreadySo => "already",
        ActOutcome::Joined => "joined",
        ActOutcome::Retry(_) => "retry",
        ActOutcome::Failed(_) => "failed",
        ActOutcome::Unknown(_) => "unknown",
    };
    outcomes.iter().map(word).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_one_is_accepted_one_refused_and_of_one_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.jsonl");
    let mut scenario = Scenario::default();
    scenario.services.refuse_start = [(service("RTCCAA"), 2), (service("RTCRGS"), 7)].into();
    let lab = lab(scenario, &record).await;
    let driver = driver(&lab);
    let acts = |act: fn(ServiceName) -> Act| NAMES.map(|name| act(service(name)));
    assert_eq!(driver.apply_together(&acts(|service| Act::Pause { service })).await, None, "no process stays yet");
    until(&driver, |seen| seen.together).await;
    let pause = driver.apply_together(&acts(|service| Act::Pause { service })).await.unwrap();
    assert_eq!(words(&pause), ["accepted"; 3]);
    until(&driver, |seen| all_are(seen, RunState::Paused)).await;
    let stop = driver.apply_together(&acts(|service| Act::Stop { service })).await.unwrap();
    assert_eq!(words(&stop), ["accepted"; 3]);
    until(&driver, |seen| all_are(seen, RunState::Stopped)).await;
    let asked = || lab.report().servers[driver.reader().server()].traffic.requests;
    let before = asked();
    let start = driver.apply_together(&acts(|service| Act::Start { service })).await.unwrap();
    assert_eq!(words(&start), ["accepted", "failed", "unknown"], "{start:?}");
    assert!(asked() - before <= 3, "{} requests", asked() - before);
    let ActOutcome::Failed(why) = &start[1] else { panic!("{start:?}") };
    assert!(why.contains("RTCCAA: StartService returned 2: access denied"), "{why}");
    let told = told(&record);
    for name in NAMES {
        for operation in ["PauseService", "StopService", "StartService"] {
            assert_eq!(told[&format!("fe1.contoso.example {operation} {name}")], 1, "{told:?}");
        }
    }
    driver.reader().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_lost_answer_leaves_all_of_them_unknown_and_none_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.jsonl");
    let fault = Fault {
        server: None,
        operation: "Receive acts".to_owned(),
        skip: 0,
        count: 1,
        for_s: None,
        effect: FaultEffect::DropAfter,
        seconds: 0.0,
        value: None,
    };
    let lab = lab(Scenario { faults: vec![fault], ..Scenario::default() }, &record).await;
    let driver = driver(&lab);
    until(&driver, |seen| seen.together).await;
    let acts = NAMES.map(|name| Act::Pause { service: service(name) });
    let outcomes = driver.apply_together(&acts).await.unwrap();
    assert_eq!(words(&outcomes), ["unknown"; 3], "{outcomes:?}");
    assert!(lab.report().faults_not_met.is_empty());
    let seen = until(&driver, |seen| all_are(seen, RunState::Paused)).await;
    assert!(!seen.together, "for a while each act is asked for by itself");
    assert_eq!(driver.apply_together(&acts).await, None);
    let told = told(&record);
    for name in NAMES {
        assert_eq!(told[&format!("fe1.contoso.example PauseService {name}")], 1, "{told:?}");
    }
    driver.reader().close().await;
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn p6_a_run_whose_exchanges_are_lost_does_nothing_twice() {
    let holder = Sandbox::default();
    // Of each server the answers to the first two exchanges: start types, or pauses, or stops, as they come.
    let faults = "faults: [{operation: Receive acts, skip: 1, count: 1, effect: drop-after}, \
                  {operation: Receive acts, skip: 4, count: 2, effect: drop-after}]\ntiming: {";
    let plan = holder.first_pool(&[], &[("timing: {", faults)]);
    let mut lab = holder.start(&["lab", &plan, "--lab-speed", "20"]);
    lab.wait_for_output("Ctrl-C ends it");
    let at = holder.lab_file().display().to_string();
    let sandbox = Sandbox::default();
    let said = sandbox.run(&[&plan, "--lab-at", &at, "--unattended", "--yes"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let directory = LabDirectory::read(&holder.lab_file()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(directory.report()).unwrap();
    assert!(report.faults_not_met.is_empty(), "{:?}", report.faults_not_met);
    assert!(report.start_types_as_before && report.sessions.cut_total() == 0, "{report}");
    let twice: Vec<_> = told(report.record.as_deref().unwrap())
        .into_iter()
        .filter(|(what, times)| {
            let of_services =
                ["PauseService", "StopService", "StartService", "ResumeService", "ChangeStartMode", "set-delayed"];
            *times > 1 && of_services.iter().any(|operation| what.contains(operation))
        })
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
    lab.signal("INT");
    drop(lab.ended());
}
