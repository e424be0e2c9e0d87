//! The driver for Windows servers against the lab: two sides of one protocol that share no code.
#![cfg(test)]

use jiff::SignedDuration;
use orchestrate_driver::conformance::{self, ServerExpectation, Waiting};
use orchestrate_driver::{Change as _, Observe as _};
use orchestrate_driver_winrm::{Auth, Credentials, Transport, Trust, WinrmLimits, WinrmServer, WinrmTarget};
use orchestrate_lab::scenario::{
    CmdletsScenario, Fault, FaultEffect, InstallerScenario, Scenario, SecondHop, ServerScenario,
};
use orchestrate_lab::{Lab, LabConfig};
use orchestrate_model::observe::{DrainingState, InstallerState, Part, ReadinessState};
use orchestrate_model::pool::{Cmdlets, TaskAccount};
use orchestrate_model::{
    Act, ActOutcome, Answer, Ask, Change, InstallerRun, InstallerToken, Keeper, RunState, ServerName,
    ServerObservation, ServiceName, StartType,
};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Fast enough that boots and installers take moments, and slow enough that a look takes no time to speak of.
const SPEED: f64 = 60.0;

fn change() -> Change {
    let plan = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans/contoso-front-end.yaml");
    let text = std::fs::read(plan).unwrap();
    orchestrate_config::parse("contoso-front-end.yaml", &text).unwrap().change
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

async fn lab(scenario: Scenario) -> Lab {
    let config = LabConfig { scenario, speed: SPEED, ..LabConfig::new(change()) };
    Lab::start(config).await.unwrap()
}

fn target(lab: &Lab, server: usize) -> WinrmTarget {
    let change = change();
    let (pool, directory) = (&change.pools[0], lab.directory());
    let name = pool.servers[server].name.clone();
    let credentials = Credentials::new(directory.user.clone(), Zeroizing::new(directory.password.clone()));
    WinrmTarget {
        connect_to: Some(directory.servers[&name].to_string()),
        names: None,
        server: name,
        pool: pool.name.clone(),
        product: pool.product,
        role: pool.role,
        transport: Transport::Https(Trust::Authority(Arc::from(directory.ca_pem.as_bytes()))),
        auth: Auth::Basic(credentials),
        cmdlets: Cmdlets::Session,
        measures: pool.measures.clone(),
        keeper: Keeper { id: "us".to_owned(), user: "ops".to_owned(), host: "ctl1".to_owned() },
        limits: WinrmLimits::default(),
    }
}

fn driver(lab: &Lab, server: usize) -> WinrmServer {
    WinrmServer::new(target(lab, server), lab.clock()).unwrap()
}

fn expectation(server: &ServerName) -> ServerExpectation {
    ServerExpectation {
        server: server.clone(),
        installed: ["RTCSRV", "RTCCAA", "RTCRGS", "RTCAVMCU", "W3SVC", "REPLICA"].map(service).into(),
        absent: service("NOSUCHSERVICE"),
        changeable: service("RTCRGS"),
        answers: vec![
            Part::Host,
            Part::Lease,
            Part::Versions,
            Part::Readiness,
            Part::Replication,
            Part::Fabric,
            Part::CentralManagement,
            Part::ProductServices,
        ],
    }
}

/// Looks until what is seen is as wanted.
async fn until(driver: &WinrmServer, ask: &Ask, wanted: impl Fn(&ServerObservation) -> bool) -> ServerObservation {
    loop {
        let seen = driver.observe(ask).await;
        if wanted(&seen) {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_driver_keeps_the_promises_of_the_contract() {
    let lab = lab(Scenario::default()).await;
    let driver = driver(&lab, 1);
    let expected = expectation(driver.reader().server());
    let waiting = Waiting::new(lab.clock(), SignedDuration::from_mins(20));
    let broken = conformance::server_reads(&driver, &expected, &waiting).await;
    assert!(broken.is_empty(), "{}", conformance::report(&broken));
    let broken = conformance::server_changes(&driver, &expected, &waiting).await;
    assert!(broken.is_empty(), "{}", conformance::report(&broken));
    let mut nowhere = target(&lab, 1);
    nowhere.connect_to = Some("127.0.0.1:1".to_owned());
    let nowhere = WinrmServer::new(nowhere, lab.clock()).unwrap();
    let broken = conformance::server_unreachable(&nowhere, &expected, &waiting).await;
    assert!(broken.is_empty(), "{}", conformance::report(&broken));
    driver.reader().close().await;
}

#[tokio::test]
async fn every_service_with_sessions_can_be_measured() {
    let lab = lab(Scenario::default()).await;
    let driver = driver(&lab, 0);
    let change = change();
    let pool = &change.pools[0];
    let names: Vec<ServiceName> = orchestrate_model::catalogue::expected(pool.product, pool.role)
        .filter(|facts| facts.drain == orchestrate_model::catalogue::DrainClass::Session)
        .filter_map(orchestrate_model::catalogue::ServiceFacts::service_name)
        .collect();
    assert!(names.len() > 8);
    let seen = driver.observe(&Ask { sessions: names.clone(), ..Ask::default() }).await;
    for name in &names {
        let reading = &seen.sessions[name];
        assert!(reading.left().known().is_some(), "{name}: {reading:?}");
        if let Some(draining) = &reading.draining {
            assert_eq!(*draining, Answer::Known(DrainingState::NotDraining), "{name}");
        }
    }
    let busy = names.iter().filter(|name| seen.sessions[*name].left() != Answer::Known(0)).count();
    assert!(busy > 0, "{:?}", seen.sessions);
}

#[tokio::test]
async fn a_paused_service_says_that_it_drains() {
    let lab = lab(Scenario::default()).await;
    let driver = driver(&lab, 0);
    let name = service("RTCAVMCU");
    assert_eq!(driver.apply(&Act::Pause { service: name.clone() }).await, ActOutcome::Accepted);
    let ask = Ask { services: vec![name.clone()], sessions: vec![name.clone()], ..Ask::default() };
    let paused = |seen: &ServerObservation| seen.service(&name).is_some_and(|status| status.is(RunState::Paused));
    let seen = until(&driver, &ask, paused).await;
    assert_eq!(seen.sessions[&name].draining, Some(Answer::Known(DrainingState::Draining)));
}

#[tokio::test]
async fn p6_an_installer_runs_once_and_leaves_its_exit_code() {
    let installer = InstallerScenario { exit_code: Some(3010), ..InstallerScenario::default() };
    let lab = lab(Scenario { installer, ..Scenario::default() }).await;
    let driver = driver(&lab, 0);
    let patch = change().maintenance.installers[0].clone();
    let token = InstallerToken("run-1-fe1-1".to_owned());
    let run = InstallerRun {
        token: token.clone(),
        installer: patch.installer,
        arguments: patch.arguments,
        sha256: patch.sha256,
        deadline: patch.deadline,
    };
    let other = InstallerRun { sha256: "0".repeat(64), token: InstallerToken("run-1-fe1-2".to_owned()), ..run.clone() };
    assert!(matches!(driver.apply(&Act::StartInstaller(other)).await, ActOutcome::Failed(_)));
    let ask = Ask { installer: Some(token), ..Ask::default() };
    assert_eq!(driver.observe(&ask).await.installer, Answer::Known(InstallerState::NotStarted));
    let start = Act::StartInstaller(run);
    assert_eq!(driver.apply(&start).await, ActOutcome::Accepted);
    assert_eq!(driver.apply(&start).await, ActOutcome::AlreadySo);
    let ended = |seen: &ServerObservation| seen.installer != Answer::Known(InstallerState::Running);
    let seen = until(&driver, &ask, ended).await;
    assert_eq!(seen.installer, Answer::Known(InstallerState::Finished { exit_code: 3010 }));
    assert_eq!(lab.report().installer_starts(driver.reader().server()), 1);
}

#[tokio::test]
async fn p6_a_restart_happens_once_and_is_seen_by_its_boot_time() {
    let lab = lab(Scenario::default()).await;
    let driver = driver(&lab, 2);
    let ask = Ask { parts: [Part::Host].into(), ..Ask::default() };
    let booted = driver.observe(&ask).await.host.known().unwrap().booted;
    let restart = Act::Restart { booted, comment: "CHG0031337: \"update\"".to_owned() };
    assert_eq!(driver.apply(&restart).await, ActOutcome::Accepted);
    let back = |seen: &ServerObservation| {
        seen.host.known().is_some_and(|host| host.booted.duration_since(booted) > SignedDuration::from_secs(60))
    };
    until(&driver, &ask, |seen| seen.host.known().is_none()).await;
    until(&driver, &ask, back).await;
    assert_eq!(driver.apply(&restart).await, ActOutcome::AlreadySo);
}

#[tokio::test]
async fn p3_mistakes_of_the_wire_leave_unknowns_and_no_second_act() {
    let table = [
        (FaultEffect::DropBefore, "Unknown"),
        (FaultEffect::DropAfter, "Unknown"),
        (FaultEffect::WrongRelatesTo, "Unknown"),
        (FaultEffect::Garbage, "Unknown"),
        (FaultEffect::Oversized, "Unknown"),
        (FaultEffect::Hostile, "Unknown"),
        (FaultEffect::AccessDenied, "Failed"),
        (FaultEffect::Unauthorised, "Retry"),
        (FaultEffect::Quota, "Retry"),
    ];
    for (effect, expected) in table {
        let fault = Fault {
            server: None,
            operation: "PauseService".to_owned(),
            skip: 0,
            count: 1,
            for_s: None,
            effect,
            seconds: 0.0,
            value: Some(0),
        };
        let lab = lab(Scenario { faults: vec![fault], ..Scenario::default() }).await;
        let driver = driver(&lab, 0);
        let pause = Act::Pause { service: service("RTCRGS") };
        let outcome = format!("{:?}", driver.apply(&pause).await);
        assert!(outcome.starts_with(expected), "{effect:?}: {outcome}");
        // Only what the server did counts from here on, asked by a driver of its own: after a refused login this one waits.
        let ask = Ask { services: vec![service("RTCRGS")], ..Ask::default() };
        let seen = self::driver(&lab, 0).observe(&ask).await;
        assert!(seen.services.known().is_some(), "{effect:?}: {:?}", seen.services);
    }
}

#[tokio::test]
async fn answers_in_chunks_and_in_utf_16_are_read_like_any_other() {
    let fault = |operation: &str, effect| Fault {
        server: None,
        operation: operation.to_owned(),
        skip: 0,
        count: 1,
        for_s: None,
        effect,
        seconds: 0.0,
        value: Some(0),
    };
    let faults = ["PauseService", "Enumerate", "Create", "Receive service-details"];
    for effect in [FaultEffect::Chunked, FaultEffect::Utf16] {
        let faults = faults.iter().map(|operation| fault(operation, effect)).collect();
        let lab = lab(Scenario { faults, ..Scenario::default() }).await;
        let driver = driver(&lab, 0);
        let seen = driver.observe(&Ask { services: vec![service("RTCRGS")], ..Ask::default() }).await;
        let status = seen.service(&service("RTCRGS")).unwrap();
        assert_eq!(status.state, Answer::Known(RunState::Running), "{effect:?}");
        assert!(status.dependents.known().is_some(), "{effect:?}: {:?}", status.dependents);
        assert_eq!(driver.apply(&Act::Pause { service: service("RTCRGS") }).await, ActOutcome::Accepted, "{effect:?}");
        assert!(lab.report().faults_not_met.is_empty(), "{effect:?}: {:?}", lab.report().faults_not_met);
    }
}

#[tokio::test]
async fn p5_start_types_come_back_with_their_delayed_flag() {
    let lab = lab(Scenario::default()).await;
    let driver = driver(&lab, 0);
    let names = ["RTCSRV", "RTCRGS", "W3SVC"].map(service);
    let ask = Ask { services: names.clone().into(), ..Ask::default() };
    let starts =
        |seen: &ServerObservation| names.clone().map(|name| *seen.service(&name).unwrap().start.known().unwrap());
    let before = starts(&driver.observe(&ask).await);
    for name in &names {
        let act = Act::SetStartType { service: name.clone(), to: StartType::MANUAL };
        assert_eq!(driver.apply(&act).await, ActOutcome::Accepted);
    }
    assert_eq!(starts(&driver.observe(&ask).await), [StartType::MANUAL; 3]);
    for (name, to) in names.iter().zip(before) {
        let act = Act::SetStartType { service: name.clone(), to };
        assert_eq!(driver.apply(&act).await, ActOutcome::Accepted, "{act}");
    }
    assert_eq!(starts(&driver.observe(&ask).await), before);
}

#[tokio::test]
async fn each_server_names_the_central_management_that_it_takes_for_the_active_one() {
    let says = |name: &str| ServerScenario { active_master: Some(name.to_owned()), ..ServerScenario::default() };
    let servers = [("fe2.contoso.example", "fe2.contoso.example"), ("fe3.contoso.example", "")];
    let servers = servers.map(|(server, name)| (ServerName::new(server).unwrap(), says(name)));
    let lab = lab(Scenario { servers: servers.into(), ..Scenario::default() }).await;
    let ask = Ask { parts: [Part::CentralManagement].into(), ..Ask::default() };
    for (server, expected) in [Some("fe1.contoso.example"), Some("fe2.contoso.example"), None].into_iter().enumerate() {
        let seen = driver(&lab, server).observe(&ask).await;
        assert_eq!(seen.central_management.known().unwrap().active.as_deref(), expected, "{}", seen.server);
    }
}

#[tokio::test]
async fn readiness_names_the_upgrade_domains() {
    let lab = lab(Scenario::default()).await;
    let seen = driver(&lab, 0).observe(&Ask { parts: [Part::Readiness].into(), ..Ask::default() }).await;
    let readiness = seen.readiness.known().unwrap();
    assert_eq!(readiness.state, ReadinessState::Ready);
    assert_eq!((readiness.active, readiness.total), (Some(3), Some(3)));
    let domains: Vec<&str> = readiness.domains.iter().map(|domain| domain.name.as_str()).collect();
    assert_eq!(domains, ["UD1", "UD2", "UD3"]);
}

/// A lab whose servers answer the product's cmdlets in a task, and not in a remote shell.
async fn lab_with_second_hop(session: SecondHop, accounts: Option<Vec<String>>) -> Lab {
    lab(Scenario { cmdlets: CmdletsScenario { session, accounts }, ..Scenario::default() }).await
}

async fn asked_by(lab: &Lab, cmdlets: Cmdlets) -> ServerObservation {
    let target = WinrmTarget { cmdlets, ..target(lab, 0) };
    let driver = WinrmServer::new(target, lab.clock()).unwrap();
    let parts = [Part::Readiness, Part::Replication, Part::CentralManagement, Part::Fabric, Part::Versions];
    let ask = Ask { parts: parts.into(), sessions: vec![service("RTCRGS")], ..Ask::default() };
    let seen = driver.observe(&ask).await;
    driver.reader().close().await;
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_a_double_hop_is_unknown_with_the_ways_out_and_a_task_answers() {
    for session in [SecondHop::OperationsError, SecondHop::LoginFailed, SecondHop::Denied] {
        let lab = lab_with_second_hop(session, None).await;
        let seen = asked_by(&lab, Cmdlets::Session).await;
        let reasons = [
            seen.readiness.why_unknown(),
            seen.replication.why_unknown(),
            seen.central_management.why_unknown(),
            seen.fabric.why_unknown(),
            seen.sessions[&service("RTCRGS")].measures[0].value.why_unknown(),
        ];
        for reason in reasons {
            let reason = reason.unwrap_or_else(|| panic!("{session:?}: something was answered: {seen:?}"));
            for word in ["was not let in at", "cmdlets: {task: {as: 'DOMAIN\\name$'}}", "as: system", "as: self"] {
                assert!(reason.contains(word), "{session:?} {word}: {reason}");
            }
        }
        assert!(seen.versions.known().is_some(), "what the server itself says is not concerned");
        let managed = TaskAccount::Managed(r"CONTOSO\svc-pool$".to_owned());
        for account in [managed, TaskAccount::System, TaskAccount::Caller] {
            let seen = asked_by(&lab, Cmdlets::Task(account.clone())).await;
            assert_eq!(seen.readiness.known().map(|known| &known.state), Some(&ReadinessState::Ready), "{account}");
            assert!(seen.replication.known().is_some() && seen.fabric.known().is_some(), "{account}");
            assert!(seen.central_management.known().is_some(), "{account}");
            let measure = &seen.sessions[&service("RTCRGS")].measures[0].value;
            assert!(measure.known().is_some(), "{account}: {measure:?}");
        }
        drop(lab);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_an_account_that_no_task_may_have_is_unknown_with_what_can_be_done() {
    let lab = lab_with_second_hop(SecondHop::LoginFailed, Some(vec!["system".to_owned()])).await;
    let refused = [
        (TaskAccount::Managed(r"CONTOSO\svc-pool$".to_owned()), "needs the right to log on as a batch job"),
        (TaskAccount::Managed(r"ELSEWHERE\svc-pool$".to_owned()), r"does not know ELSEWHERE\svc-pool$"),
        (TaskAccount::Caller, "needs the right to log on as a batch job"),
    ];
    for (account, word) in refused {
        let seen = asked_by(&lab, Cmdlets::Task(account.clone())).await;
        let reason = seen.readiness.why_unknown().unwrap_or_else(|| panic!("{account}: {seen:?}"));
        assert!(reason.contains(word) && reason.contains("the task cannot be registered"), "{account}: {reason}");
    }
    drop(lab);
}
