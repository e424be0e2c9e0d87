//! Rows from facts, each light at least once.

use super::*;
use crate::plan::{Finding, Severity};
use jiff::Timestamp;
use orchestrate_model::observe::{DrainingState, FileFacts, HostFacts, Measure, SessionReading};
use orchestrate_model::pool::Transport;
use orchestrate_model::probe::{
    Answering, Certificate, ClockFacts, Disk, FileRights, Listener, LogonFacts, LogonMechanism, Machine, NamesOf,
    PendingFound, PendingSign, Protection, Quotas, ServiceRight, Silence, Standing, TlsFacts, Token, Way,
};
use orchestrate_model::{
    Product, RunState, ServerName, ServerObservation, ServiceName, ServiceStatus, StartType, Version,
};
use std::collections::{BTreeMap, BTreeSet};

fn now() -> Timestamp {
    "2026-11-27T22:00:00Z".parse().unwrap()
}

fn service(name: &str) -> ServiceName {
    ServiceName::new(name).unwrap()
}

fn answers(port: u16, transport: Transport, offers: &[&str]) -> Listener {
    let offers = offers.iter().map(|offer| (*offer).to_owned()).collect();
    Listener { port, transport, found: Answer::Known(Answering { status: 401, offers, tls: None }), silence: None }
}

fn machine() -> Machine {
    let all =
        BTreeSet::from([ServiceRight::PauseContinue, ServiceRight::Start, ServiceRight::Stop, ServiceRight::Configure]);
    Machine {
        powershell: "5.1.14393.0".to_owned(),
        account: Answer::Known("contoso\\svc".to_owned()),
        token: Answer::Known(Token { standing: Standing::Administrator, may_restart: Answer::Known(true) }),
        services: BTreeMap::from([(service("RTCSRV"), Answer::Known(all))]),
        scheduler: Answer::Known(()),
        temp: Answer::Known(r"C:\Windows\TEMP".to_owned()),
        windows_drive: Answer::Known("C:".to_owned()),
        pending: PendingSign::ALL.into_iter().map(|sign| (sign, Answer::Known(None))).collect(),
        file: Some(Answer::Known(FileRights {
            exists: true,
            readable_by_system: Answer::Known(true),
            is_local: Answer::Known(true),
        })),
    }
}

/// A server on which everything is as it should be.
fn good() -> Probe {
    let server = ServerName::new("fe1.contoso.example").unwrap();
    let mut seen = ServerObservation::unknown(server.clone(), now(), "not asked");
    let booted = now() - SignedDuration::from_hours(300);
    seen.host = Answer::Known(HostFacts { booted, local_time: now(), system: "Windows Server 2016 10.0.14393".into() });
    let status = ServiceStatus {
        name: service("RTCSRV"),
        display_name: "Lync Server Front-End".into(),
        state: Answer::Known(RunState::Running),
        start: Answer::Known(StartType::AUTOMATIC),
        accepts_pause: true,
        dependents: Answer::Known(Vec::new()),
    };
    seen.services = Answer::Known(BTreeMap::from([(service("RTCSRV"), status)]));
    let measure = Measure::new("x".into(), Answer::Known(29));
    seen.sessions = BTreeMap::from([(service("RTCSRV"), SessionReading { measures: vec![measure], draining: None })]);
    let component = orchestrate_model::version::ComponentVersion {
        component: "Core".into(),
        version: Version::parse("5.0.8308.0").unwrap(),
    };
    seen.versions = Answer::Known(vec![component]);
    seen.replication = Answer::Known(BTreeMap::new());
    seen.file = Answer::Known(FileFacts::Found { sha256: "a".repeat(64) });
    Probe {
        server,
        asked: now(),
        addresses: Answer::Known(vec!["192.0.2.11".parse().unwrap()]),
        addresses_by: NamesOf::Machine,
        listeners: vec![
            answers(5985, Transport::Http, &["Negotiate", "Kerberos"]),
            Listener {
                port: 5986,
                transport: Transport::Https,
                found: Answer::unknown("connection refused"),
                silence: Some(Silence::Closed),
            },
        ],
        way: Way { transport: Transport::Http, connect_to: "192.0.2.11:5985".into(), why: "the plan says so".into() },
        logon: Some(Answer::Known(LogonFacts {
            mechanism: LogonMechanism::Kerberos,
            binding: Protection::Unused,
            sealing: Protection::Used,
        })),
        clock: Answer::Known(ClockFacts { ahead: SignedDuration::ZERO, source: "x" }),
        product: Product::Lync2013,
        seen,
        machine: Answer::Known(machine()),
        disks: Answer::Known(BTreeMap::from([("C:".to_owned(), Disk { free_bytes: 50 << 30, size_bytes: 100 << 30 })])),
        quotas: Answer::Known(Quotas { envelope_kb: Some(500), shells_per_user: Some(30), ..Quotas::default() }),
        counters: None,
        activity: None,
    }
}

fn patch() -> Patch {
    Patch {
        installer: r"C:\CU\x.exe".into(),
        arguments: Vec::new(),
        sha256: "a".repeat(64),
        deadline: SignedDuration::from_mins(45),
        level: None,
        exit_codes: BTreeMap::new(),
        needs_free: None,
        pending_restart: orchestrate_model::change::PendingRestart::Refuse,
        restart: orchestrate_model::change::RestartPoint::AtEnd,
    }
}

fn row(probe: &Probe, topic: Topic) -> Row {
    let patch = patch();
    let expected = Expected { installers: std::slice::from_ref(&patch), ..Expected::default() };
    let rows = rows(probe, &expected);
    rows.into_iter().find(|row| row.topic == topic).unwrap_or_else(|| panic!("no row {topic}"))
}

fn of_machine(change: impl FnOnce(&mut Machine)) -> Probe {
    let mut machine = machine();
    change(&mut machine);
    Probe { machine: Answer::Known(machine), ..good() }
}

#[test]
fn a_server_as_it_should_be_is_green_throughout() {
    let patch = patch();
    let rows = rows(&good(), &Expected { installers: std::slice::from_ref(&patch), ..Expected::default() });
    let off: Vec<&Row> = rows.iter().filter(|row| row.light != Light::Green).collect();
    assert!(off.is_empty(), "{off:#?}");
    assert_eq!(left_out(&good(), &rows), []);
    let topics: Vec<Topic> = rows.iter().map(|row| row.topic).collect();
    assert!(topics.is_sorted() && rows.len() == 20, "{topics:?}");
}

#[test]
fn whatever_is_not_green_says_what_to_do() {
    let mut probe = good();
    probe.machine = Answer::unknown("PowerShell 5.1 runs in ConstrainedLanguage here");
    probe.disks = Answer::unknown("refused");
    probe.quotas = Answer::unknown("refused");
    probe.seen = ServerObservation::unknown(probe.server.clone(), now(), "refused");
    let patch = patch();
    let rows = rows(&probe, &Expected { installers: std::slice::from_ref(&patch), ..Expected::default() });
    assert!(rows.iter().all(|row| row.light == Light::Green || row.todo.is_some()), "{rows:#?}");
    assert_eq!(row(&probe, Topic::PowerShell).light, Light::Red);
    let out = left_out(&probe, &rows);
    assert!(out.contains(&Topic::Account) && out.contains(&Topic::PendingRestart), "{out:?}");
}

#[test]
fn a_transport_on_which_nothing_listens_is_red_and_the_other_one_is_named() {
    let mut probe = good();
    probe.way = Way { transport: Transport::Https, connect_to: "192.0.2.11:5986".into(), ..probe.way };
    let found = row(&probe, Topic::Listeners);
    assert_eq!(found.light, Light::Red);
    assert!(found.found.contains("5986 (https): connection refused"), "{}", found.found);
    assert_eq!(found.todo.as_deref(), Some("use the one that answers: `access: {winrm: {transport: http}}`"));
    probe.listeners = vec![answers(5985, Transport::Http, &["Basic"])];
    probe.way.connect_to = "192.0.2.11:5985".into();
    assert!(row(&probe, Topic::Listeners).todo.unwrap().contains("Negotiate=\"true\""));
}

#[test]
fn a_certificate_that_is_not_trusted_says_which_pin_would_pin_it() {
    let mut probe = good();
    let leaf = Certificate {
        subject: "CN=fe1".into(),
        issuer: "CN=fe1".into(),
        names: vec!["fe1.contoso.example".into()],
        from: now(),
        until: now() + SignedDuration::from_hours(24),
        sha256: "b".repeat(64),
    };
    let shown = |distrust: Option<&str>| TlsFacts {
        agreed: "TLS 1.2".into(),
        chain: vec![leaf.clone()],
        distrust: distrust.map(str::to_owned),
    };
    let with = |distrust: Option<&str>| Listener {
        port: 5986,
        transport: Transport::Https,
        found: Answer::Known(Answering { status: 401, offers: vec!["Negotiate".into()], tls: Some(shown(distrust)) }),
        silence: None,
    };
    probe.listeners[1] = with(Some("UnknownIssuer"));
    assert_eq!(row(&probe, Topic::Tls).light, Light::Green, "it is not used");
    probe.way = Way { transport: Transport::Https, connect_to: "192.0.2.11:5986".into(), ..probe.way };
    let found = row(&probe, Topic::Tls);
    assert_eq!(found.light, Light::Red);
    assert!(found.todo.unwrap().contains(&format!("pin: {}", "b".repeat(64))));
    probe.listeners[1] = with(None);
    let soon = row(&probe, Topic::Tls);
    assert!(soon.light == Light::Yellow && soon.found.starts_with("ends in 1d"), "{soon:?}");
}

#[test]
fn a_clock_that_kerberos_refuses_is_red_for_kerberos_and_yellow_for_ntlm() {
    let clock = |seconds: i64| Answer::Known(ClockFacts { ahead: SignedDuration::from_secs(seconds), source: "x" });
    let mut probe = Probe { clock: clock(-432), ..good() };
    let found = row(&probe, Topic::Clock);
    assert_eq!(found.light, Light::Red);
    assert!(found.found.starts_with("7m 12s behind this machine"), "{}", found.found);
    if let Some(Answer::Known(facts)) = &mut probe.logon {
        facts.mechanism = LogonMechanism::Ntlm;
    }
    assert_eq!(row(&probe, Topic::Clock).light, Light::Yellow);
    assert_eq!(row(&Probe { clock: clock(90), ..good() }, Topic::Clock).light, Light::Yellow);
    assert_eq!(row(&Probe { clock: clock(300), ..good() }, Topic::Clock).light, Light::Yellow);
    assert_eq!(row(&Probe { clock: clock(301), ..good() }, Topic::Clock).light, Light::Red);
}

#[test]
fn p3_a_refused_account_leaves_nothing_green_that_needs_one() {
    let probe = Probe { logon: Some(Answer::unknown("HTTP 401: the account was not let in")), ..good() };
    let rows = rows(&probe, &Expected::default());
    assert!(rows.iter().all(|row| row.topic <= Topic::Clock), "{rows:?}");
    assert_eq!(row(&probe, Topic::Logon).light, Light::Red);
    assert!(left_out(&probe, &rows).contains(&Topic::Services));
}

#[test]
fn a_filtered_token_is_named_and_each_right_is_told_by_what_needs_it() {
    let probe = of_machine(|machine| {
        machine.token = Answer::Known(Token { standing: Standing::Filtered, may_restart: Answer::Known(false) });
        let pause = BTreeSet::from([ServiceRight::PauseContinue, ServiceRight::Start, ServiceRight::Stop]);
        machine.services.insert(service("RTCSRV"), Answer::Known(pause));
    });
    assert!(row(&probe, Topic::Account).found.contains("whose token is filtered"));
    let light = |topic| row(&probe, topic).light;
    assert_eq!(light(Topic::ServiceControl), Light::Green, "an entry of its own on the service");
    for topic in [Topic::StartTypes, Topic::Tasks, Topic::Restart, Topic::Account] {
        assert_eq!(light(topic), Light::Red, "{topic}");
    }
    let unknown = of_machine(|machine| machine.token = Answer::unknown("no whoami"));
    for topic in [Topic::Account, Topic::Tasks, Topic::Restart] {
        assert_eq!(row(&unknown, topic).light, Light::Yellow, "{topic}");
    }
}

#[test]
fn a_full_disk_is_red_and_a_nearly_full_one_yellow() {
    let with = |free_bytes: u64| Probe {
        disks: Answer::Known(BTreeMap::from([("C:".to_owned(), Disk { free_bytes, size_bytes: 100 << 30 })])),
        ..good()
    };
    assert_eq!(row(&with(1 << 30), Topic::Disk).light, Light::Red);
    assert_eq!(row(&with(5 << 30), Topic::Disk).light, Light::Yellow);
    let elsewhere = of_machine(|machine| machine.temp = Answer::Known(r"T:\temp".into()));
    let found = row(&elsewhere, Topic::Disk);
    assert!(found.light == Light::Yellow && found.found.contains("T: is no local disk"), "{found:?}");
}

#[test]
fn a_probe_measures_by_what_the_plan_says_as_its_runs_do() {
    let light = |probe: &Probe, patch: &Patch, topic: Topic| {
        let rows = rows(probe, &Expected { installers: std::slice::from_ref(patch), ..Expected::default() });
        rows.into_iter().find(|row| row.topic == topic).map(|row| row.light)
    };
    let greedy = Patch { needs_free: Some(60 << 30), ..patch() };
    assert_eq!(light(&good(), &patch(), Topic::Disk), Some(Light::Green));
    assert_eq!(light(&good(), &greedy, Topic::Disk), Some(Light::Red), "50 GiB are free");
    let due = of_machine(|machine| {
        let found = PendingFound { what: "updates".into(), since: None };
        machine.pending.insert(PendingSign::WindowsUpdate, Answer::Known(Some(found)));
    });
    let ignoring = Patch { pending_restart: orchestrate_model::change::PendingRestart::Ignore, ..patch() };
    assert_eq!(light(&due, &patch(), Topic::PendingRestart), Some(Light::Red));
    assert_eq!(light(&due, &ignoring, Topic::PendingRestart), Some(Light::Yellow));
}

#[test]
fn a_pending_restart_is_told_with_its_age_against_the_last_start() {
    let pending = |sign: PendingSign, hours: i64| {
        of_machine(|machine| {
            let since = Some(now() - SignedDuration::from_hours(hours));
            machine.pending.insert(sign, Answer::Known(Some(PendingFound { what: "x".into(), since })));
        })
    };
    let fresh = row(&pending(PendingSign::WindowsUpdate, 5), Topic::PendingRestart);
    assert_eq!(fresh.light, Light::Red);
    assert!(fresh.found.contains("Windows Update: x, since 5h ago; last started 12d 12h ago"), "{}", fresh.found);
    let stale = row(&pending(PendingSign::FileRenames, 400), Topic::PendingRestart);
    assert_eq!(stale.light, Light::Yellow);
    assert!(stale.found.contains("before the last start, which has not cleared it"), "{}", stale.found);
    let odd = of_machine(|machine| {
        machine.pending.insert(PendingSign::Servicing, Answer::unknown("denied"));
    });
    assert_eq!(row(&odd, Topic::PendingRestart).light, Light::Yellow);
}

#[test]
fn an_installer_that_system_cannot_run_is_red() {
    let file = |file: Answer<FileFacts>| {
        let mut probe = good();
        probe.seen.file = file;
        row(&probe, Topic::Installer).light
    };
    assert_eq!(file(Answer::Known(FileFacts::Missing)), Light::Red);
    assert_eq!(file(Answer::Known(FileFacts::Found { sha256: "b".repeat(64) })), Light::Red);
    assert_eq!(file(Answer::unknown("x")), Light::Red);
    let rights = |readable_by_system: Answer<bool>, is_local: Answer<bool>| {
        let rights = FileRights { exists: true, readable_by_system, is_local };
        row(&of_machine(|machine| machine.file = Some(Answer::Known(rights))), Topic::Installer).light
    };
    let yes = || Answer::Known(true);
    assert_eq!(rights(yes(), yes()), Light::Green);
    assert_eq!(rights(Answer::Known(false), yes()), Light::Red);
    assert_eq!(rights(yes(), Answer::Known(false)), Light::Red);
    assert_eq!(rights(Answer::unknown("x"), yes()), Light::Yellow);
}

#[test]
fn sessions_that_cannot_be_counted_and_services_that_do_not_run_are_told() {
    let mut probe = good();
    let reading =
        SessionReading { measures: vec![Measure::new("x".into(), Answer::unknown("no such counter"))], draining: None };
    probe.seen.sessions.insert(service("RTCAVMCU"), reading);
    assert!(row(&probe, Topic::Counters).found.contains("RTCAVMCU: x: no such counter"));
    for (state, light) in [
        (Answer::Known(DrainingState::Absent("no such counter set".into())), Light::Red),
        (Answer::unknown("access denied"), Light::Red),
        (Answer::Known(DrainingState::NotDraining), Light::Green),
    ] {
        let measures = vec![Measure::new("x".into(), Answer::Known(0))];
        let reading = SessionReading { measures, draining: Some(state) };
        probe.seen.sessions.insert(service("RTCAVMCU"), reading);
        let row = row(&probe, Topic::Counters);
        assert!(row.light == light && (light == Light::Green || row.found.contains("RTCAVMCU")), "{row:?}");
    }
    if let Answer::Known(services) = &mut probe.seen.services {
        services.get_mut(&service("RTCSRV")).unwrap().state = Answer::Known(RunState::Paused);
    }
    let found = row(&probe, Topic::Services);
    assert!(found.light == Light::Yellow && found.found.contains("RTCSRV is paused"), "{found:?}");
}

#[test]
fn a_silent_counter_hides_no_other_and_each_has_the_code_of_a_dry_run() {
    let mut probe = good();
    let reading =
        |value: Answer<i64>, draining| SessionReading { measures: vec![Measure::new("x".into(), value)], draining };
    let absent = Some(Answer::Known(DrainingState::Absent("no such counter set".into())));
    probe.seen.sessions = BTreeMap::from([
        (service("RTCSRV"), reading(Answer::unknown("no such counter"), None)),
        (service("RTCAVMCU"), reading(Answer::Known(0), absent)),
    ]);
    let patch = patch();
    let rows = rows(&probe, &Expected { installers: std::slice::from_ref(&patch), ..Expected::default() });
    let codes = rows.iter().filter(|row| row.topic == Topic::Counters).map(|row| (row.code.as_deref(), row.light));
    assert_eq!(codes.collect::<Vec<_>>(), [(Some("O2022"), Light::Red), (Some("O2098"), Light::Red)]);
}

#[test]
fn a_finding_gives_its_code_and_remedy_to_the_row_that_tells_the_same() {
    let mut probe = good();
    probe.seen.file = Answer::Known(FileFacts::Missing);
    let finding = |code: &str| Finding {
        code: code.to_owned(),
        severity: Severity::Refusal,
        pool: None,
        server: None,
        message: "m".to_owned(),
        advice: "Mend it.".to_owned(),
    };
    let patch = patch();
    let mut rows = rows(&probe, &Expected { installers: std::slice::from_ref(&patch), ..Expected::default() });
    let before = rows.len();
    agree(&mut rows, &probe, &[finding("O2049"), finding("O2098"), finding("O2037")]);
    assert_eq!(rows.len(), before + 1, "{rows:#?}");
    let of = |code: &str| rows.iter().find(|row| row.code.as_deref() == Some(code));
    let installer = of("O2049").unwrap();
    assert!(installer.topic == Topic::Installer && installer.found.contains("is not there"), "{installer:?}");
    assert_eq!(installer.todo.as_deref(), Some("Mend it."));
    assert_eq!(of("O2098").map(|row| (row.topic, row.light)), Some((Topic::Counters, Light::Red)));
    assert!(of("O2037").is_none(), "the time is no matter of a host");
    // A drive that is too full and a restart that is due are one question, and two rows.
    for (advice, topic) in [(crate::safety::RESTART, Topic::PendingRestart), ("Make room.", Topic::Disk)] {
        let row = |topic| yellow(topic, "x", "y");
        let mut rows = vec![row(Topic::Disk), row(Topic::PendingRestart)];
        agree(&mut rows, &probe, &[Finding { advice: advice.to_owned(), ..finding("O2093") }]);
        let told: Vec<Topic> = rows.iter().filter(|row| row.code.is_some()).map(|row| row.topic).collect();
        assert_eq!(told, [topic], "{rows:?}");
    }
}

#[test]
fn one_row_says_why_no_script_runs_and_the_others_say_nothing_more() {
    let why = "PowerShell 5.1 runs in ConstrainedLanguage here";
    let mut probe = Probe { machine: Answer::unknown(why), ..good() };
    let measure = Measure::new("x".into(), Answer::unknown(why));
    probe.seen.sessions =
        BTreeMap::from([(service("RTCSRV"), SessionReading { measures: vec![measure], draining: None })]);
    probe.seen.versions = Answer::unknown(why);
    probe.seen.replication = Answer::unknown(why);
    probe.seen.file = Answer::unknown(why);
    let patch = patch();
    let rows = rows(&probe, &Expected { installers: std::slice::from_ref(&patch), ..Expected::default() });
    let red: Vec<Topic> = rows.iter().filter(|row| row.light == Light::Red).map(|row| row.topic).collect();
    assert_eq!(red, [Topic::PowerShell], "{rows:#?}");
    let left_out = left_out(&probe, &rows);
    for topic in [Topic::Cmdlets, Topic::Counters, Topic::Versions, Topic::Installer, Topic::PendingRestart] {
        assert!(left_out.contains(&topic), "{topic} in {left_out:?}");
    }
    // One that answers all the same is told.
    probe.seen.versions = good().seen.versions;
    assert_eq!(row(&probe, Topic::Versions).light, Light::Green);
}

#[test]
fn a_server_that_does_not_answer_says_so_once() {
    let mut probe = Probe { logon: Some(Answer::unknown("connection refused")), ..good() };
    for listener in &mut probe.listeners {
        listener.found = Answer::unknown("connection refused");
    }
    let rows = rows(&probe, &Expected::default());
    let red: Vec<Topic> = rows.iter().filter(|row| row.light == Light::Red).map(|row| row.topic).collect();
    assert_eq!(red, [Topic::Listeners], "{rows:#?}");
    assert!(left_out(&probe, &rows).contains(&Topic::Logon));
}

#[test]
fn few_shells_are_worth_a_look() {
    let quotas = |shells| Probe {
        quotas: Answer::Known(Quotas { shells_per_user: Some(shells), ..Quotas::default() }),
        ..good()
    };
    assert_eq!(row(&quotas(2), Topic::Quotas).light, Light::Yellow);
    assert_eq!(row(&quotas(5), Topic::Quotas).light, Light::Green);
}

#[test]
fn sizes_and_lengths_are_said_as_people_say_them() {
    assert_eq!([size(500), size(3 << 20), size((41 << 30) + (300 << 20))], ["500 bytes", "3.0 MiB", "41.2 GiB"]);
    let said = |seconds| length(SignedDuration::from_secs(seconds));
    assert_eq!([said(59), said(-300), said(3600), said(90_000)], ["59s", "5m", "1h", "1d 01h"]);
}
