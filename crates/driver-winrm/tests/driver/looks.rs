//! What is read, and what stays unknown.

use crate::fake::{BOOTED, Fake, World, service, target};
use crate::loopback::{Loopback, Reaction};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use orchestrate_driver::{Change as _, Clock, Observe as _};
use orchestrate_driver_winrm::{SetupError, Transport, WinrmReader, WinrmTarget};
use orchestrate_model::observe::{DrainingState, InstallerState, Part, ReadinessState};
use orchestrate_model::pool::{Cmdlets, TaskAccount};
use orchestrate_model::{Act, ActOutcome, Answer, Ask, InstallerToken, RunState, ServiceName, StartType};
use serde_json::{Value, json};
use std::time::Duration;

/// The password of the account that the tests log on with.
const PASSWORD: &str = "secret";

pub(crate) fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

pub(crate) fn services(names: &[&str]) -> Ask {
    Ask { services: names.iter().map(|text| name(text)).collect(), ..Ask::default() }
}

pub(crate) fn sessions(names: &[&str]) -> Ask {
    Ask { sessions: names.iter().map(|text| name(text)).collect(), ..Ask::default() }
}

pub(crate) fn parts(parts: &[Part]) -> Ask {
    Ask { parts: parts.iter().copied().collect(), ..Ask::default() }
}

#[tokio::test]
async fn services_are_read_in_the_spelling_that_was_asked_for() {
    let fake = Fake::start(World::default()).await;
    let seen = fake.driver.observe(&services(&["rtcSrv", "RTCCAA", "RTCXYZ"])).await;
    let known = seen.services.known().unwrap();
    assert_eq!(known.len(), 2, "a service that is not installed is missing");
    let (srv, caa) = (&known[&name("RTCSRV")], &known[&name("RTCCAA")]);
    assert_eq!(srv.name.as_str(), "rtcSrv");
    assert_eq!(srv.state, Answer::Known(RunState::Running));
    assert_eq!(srv.start, Answer::Known(StartType::DELAYED), "the flag comes from the script before Windows 2016");
    assert_eq!(srv.dependents, Answer::Known(vec![name("RTCCAA")]));
    assert!(srv.accepts_pause);
    assert_eq!(caa.state, Answer::Known(RunState::Paused));
    assert_eq!(caa.start, Answer::Known(StartType::MANUAL), "the flag means nothing with manual");
    assert_eq!(seen.host.why_unknown(), Some("not asked"));
    assert_eq!(fake.runs("service-details"), 1);
}

#[tokio::test]
async fn p4_services_of_the_product_are_found_by_their_display_names() {
    let mut world = World::default();
    let mut odd = service("ODDPROXY", "Running", "Auto");
    odd["DisplayName"] = json!("Lync Server XMPP Proxy");
    let mut vendor = service("VENDORBOT", "Running", "Auto");
    vendor["DisplayName"] = json!("Vendor Connector");
    world.services.extend([odd, vendor]);
    let fake = Fake::start(world).await;
    for names in [&["RTCSRV"][..], &[]] {
        let ask = Ask { parts: [Part::ProductServices].into(), ..services(names) };
        let seen = fake.driver.observe(&ask).await;
        let found = seen.service(&name("ODDPROXY")).unwrap();
        assert_eq!(found.display_name, "Lync Server XMPP Proxy");
        assert_eq!(found.state, Answer::Known(RunState::Running));
        assert!(seen.service(&name("RTCSRV")).is_some() && seen.service(&name("VENDORBOT")).is_none(), "{names:?}");
    }
    // Only who asks for them is told.
    assert!(fake.driver.observe(&services(&["RTCSRV"])).await.service(&name("ODDPROXY")).is_none());
}

#[tokio::test]
async fn p3_a_service_of_the_product_with_an_odd_name_makes_the_answer_unknown() {
    let mut world = World::default();
    world.services.push(service("RTC%ODD", "Running", "Auto"));
    let fake = Fake::start(world).await;
    let ask = Ask { parts: [Part::ProductServices].into(), ..services(&["RTCSRV"]) };
    let why = fake.driver.observe(&ask).await.services.why_unknown().unwrap().to_owned();
    assert!(why.contains("odd name, \"RTC%ODD\""), "{why}");
}

#[tokio::test]
async fn p3_what_cannot_be_read_of_a_service_is_unknown() {
    let mut world = World::default();
    world.scripts.clear();
    world.services = vec![service("RTCSRV", "Dreaming", "Auto"), service("RTCCAA", "Running", "Manual")];
    world.services[0]["StartMode"] = json!("Sometimes");
    let mut newer = service("RTCRGS", "Running", "Auto");
    newer["DelayedAutoStart"] = json!("true");
    world.services.push(newer);
    let mut older = service("RTCCPS", "Running", "Auto");
    older["State"] = Value::Null;
    world.services.push(older);
    let fake = Fake::start(world).await;
    let seen = fake.driver.observe(&services(&["RTCSRV", "RTCCAA", "RTCRGS", "RTCCPS"])).await;
    let known = seen.services.known().unwrap();
    assert!(known[&name("RTCSRV")].state.why_unknown().unwrap().contains("Dreaming"));
    assert!(known[&name("RTCSRV")].start.why_unknown().unwrap().contains("Sometimes"));
    assert_eq!(known[&name("RTCCAA")].start, Answer::Known(StartType::MANUAL));
    assert!(known[&name("RTCCAA")].dependents.why_unknown().unwrap().contains("no such cmdlet"));
    assert_eq!(known[&name("RTCRGS")].start, Answer::Known(StartType::DELAYED), "newer servers have the flag in WMI");
    assert!(known[&name("RTCCPS")].start.why_unknown().unwrap().contains("delayed or not"));
    assert!(known[&name("RTCCPS")].state.known().is_none());
}

#[tokio::test]
async fn what_depends_on_a_service_is_read_in_the_same_look() {
    let mut world = World::default();
    world.services.push(service("VENDORBOT", "Running", "Auto"));
    world.services.push(service("VENDORLOG", "Stopped", "Manual"));
    let details = json!({"services": {
        "RTCSRV": {"delayed": true, "dependents": ["VENDORBOT", "GONE", "odd'name"]},
        "VENDORBOT": {"delayed": false, "dependents": ["VENDORLOG", "RTCSRV"]},
        "VENDORLOG": {"delayed": false, "dependents": []},
    }});
    world.scripts.insert("service-details", details);
    let fake = Fake::start(world).await;
    let seen = fake.driver.observe(&services(&["RTCSRV"])).await;
    let known = seen.services.known().unwrap();
    let names: Vec<&str> = known.keys().map(ServiceName::as_str).collect();
    assert_eq!(names, ["RTCSRV", "VENDORBOT", "VENDORLOG"], "what has no row is missing");
    assert_eq!(known[&name("VENDORBOT")].state, Answer::Known(RunState::Running));
    assert!(known[&name("VENDORBOT")].accepts_pause);
    assert_eq!(fake.runs("service-details"), 1, "a second script would wait for the slow ones");
    assert!(known[&name("RTCSRV")].dependents.why_unknown().unwrap().contains("odd name"), "p3");
}

#[tokio::test]
async fn the_boot_time_is_read() {
    let fake = Fake::start(World::default()).await;
    let seen = fake.driver.observe(&parts(&[Part::Host])).await;
    let host = seen.host.known().unwrap();
    assert_eq!(host.booted, BOOTED.parse().unwrap());
    assert_eq!(host.system, "Windows Server 6.3.9600");
    assert_eq!(fake.server.actions(), ["Get"]);
}

pub(crate) const AVMCU: &str = "Win32_PerfFormattedData_LSAVMCU_LSAVMCUOperations";
pub(crate) const HEALTH: &str = "Win32_PerfFormattedData_LSAVMCU_Health";
pub(crate) const PEERS: &str = "Win32_PerfFormattedData_LSSIP_LSSIPPeers";

/// A server with the counters of audio and video, and of the front end.
pub(crate) fn measured() -> World {
    let mut world = World::default();
    world.scripts.insert(
        "counter-classes",
        json!({"classes": {
            "LS:AVMCU - Operations": {"class": AVMCU, "properties": {
                "AVMCU - Number of Conferences": "Conferences", "AVMCU - Number of Users": "Users"}},
            "LS:AVMCU - MCU Health And Performance": {"class": HEALTH, "properties": {
                "AVMCU - MCU Draining State": "Draining"}},
            "LS:SIP - Peers": {"class": PEERS, "properties": {"SIP - Connections Active": "Active"}},
        }}),
    );
    world.counters.insert(AVMCU, vec![json!({"Conferences": 2, "Users": 17})]);
    world.counters.insert(HEALTH, vec![json!({"Draining": 1})]);
    world
        .counters
        .insert(PEERS, vec![json!({"Name": "_Total", "Active": 95}), json!({"Name": "Clients", "Active": 0})]);
    world
}

#[tokio::test]
async fn counters_are_looked_up_once_and_then_read() {
    let fake = Fake::start(measured()).await;
    for _ in 0..3 {
        let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
        let reading = &seen.sessions[&name("RTCAVMCU")];
        assert_eq!(reading.left(), Answer::Known(17));
        assert_eq!(reading.draining, Some(Answer::Known(DrainingState::Draining)));
        assert_eq!(reading.measures[0].name, r"\LS:AVMCU - Operations\AVMCU - Number of Conferences");
    }
    assert_eq!(fake.runs("counter-classes"), 1);
    assert_eq!(fake.runs("activity"), 0, "counters are all that is needed");
    assert_eq!(fake.count("Enumerate"), 6, "one per class");
}

#[tokio::test]
async fn counters_that_an_update_has_registered_anew_are_looked_up_again() {
    let fake = Fake::start(measured()).await;
    fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    {
        let mut world = fake.world.lock().unwrap();
        let rows = world.counters.remove(AVMCU).unwrap();
        world.counters.insert("Win32_PerfFormattedData_New", rows);
        let classes = world.scripts.get_mut("counter-classes").unwrap();
        classes["classes"]["LS:AVMCU - Operations"]["class"] = json!("Win32_PerfFormattedData_New");
        world.faults = vec![("Enumerate", "CannotProcessFilter", 2_150_858_778); 2];
    }
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    assert!(seen.sessions[&name("RTCAVMCU")].left().known().is_none());
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17));
    assert_eq!(fake.runs("counter-classes"), 2);
}

#[tokio::test]
async fn p3_a_counter_that_cannot_be_read_is_unknown_and_never_zero() {
    let mut world = measured();
    world.counters.insert(AVMCU, vec![json!({"Conferences": 0, "Users": null})]);
    world.counters.insert(HEALTH, vec![json!({"Draining": 2})]);
    world.counters.remove(PEERS);
    let fake = Fake::start(world).await;
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU", "RTCSRV", "RTCIMMCU"])).await;
    let conferences = &seen.sessions[&name("RTCAVMCU")];
    assert!(conferences.left().why_unknown().unwrap().contains("has no value"));
    assert!(conferences.draining.as_ref().unwrap().why_unknown().unwrap().contains("reads 2"));
    let front_end = &seen.sessions[&name("RTCSRV")];
    assert!(front_end.left().why_unknown().unwrap().contains("AccessDenied"), "{front_end:?}");
    let messages = &seen.sessions[&name("RTCIMMCU")];
    assert!(messages.left().why_unknown().unwrap().contains("no counter set"), "{messages:?}");
    let state = messages.draining.as_ref().unwrap().known();
    assert!(matches!(state, Some(DrainingState::Absent(_))), "{messages:?}");
    fake.driver.observe(&sessions(&["RTCIMMCU"])).await;
    assert_eq!(fake.runs("counter-classes"), 1, "what is not there is not asked for at every look");
}

#[tokio::test]
async fn p3_a_draining_state_that_a_server_does_not_have_is_said_and_not_left_out() {
    let mut world = measured();
    world.counters.insert(AVMCU, vec![json!({"Conferences": 0, "Users": 0})]);
    let classes = world.scripts.get_mut("counter-classes").unwrap();
    classes["classes"].as_object_mut().unwrap().remove("LS:AVMCU - MCU Health And Performance");
    let fake = Fake::start(world).await;
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    let reading = &seen.sessions[&name("RTCAVMCU")];
    assert_eq!(reading.left(), Answer::Known(0));
    let state = reading.draining.as_ref().and_then(|state| state.known());
    assert!(matches!(state, Some(DrainingState::Absent(why)) if why.contains("no counter set")), "{reading:?}");
    // What was not answered is another matter: nobody knows whether there is one.
    let unasked = Fake::start(World { scripts: Default::default(), ..measured() }).await;
    let seen = unasked.driver.observe(&sessions(&["RTCAVMCU"])).await;
    let reading = &seen.sessions[&name("RTCAVMCU")];
    assert!(reading.draining.as_ref().unwrap().why_unknown().is_some(), "{reading:?}");
}

#[tokio::test]
async fn p3_an_instance_is_never_mistaken_for_another() {
    let mut world = measured();
    world.counters.insert(PEERS, vec![json!({"Name": "_Total", "Active": 0})]);
    world.counters.insert(AVMCU, vec![json!({"Conferences": 0, "Users": 0}), json!({"Conferences": 1, "Users": 1})]);
    let fake = Fake::start(world).await;
    let seen = fake.driver.observe(&sessions(&["RTCSRV", "RTCAVMCU"])).await;
    assert!(seen.sessions[&name("RTCSRV")].left().why_unknown().unwrap().contains("no such instance"));
    assert!(seen.sessions[&name("RTCAVMCU")].left().why_unknown().unwrap().contains("2 instances"));
}

#[tokio::test]
async fn one_call_reads_the_activity_of_all_services() {
    let mut world = World::default();
    world.scripts.insert(
        "activity",
        json!({"activity": {"rtccaa": "Concurrent Calls=3", "RTCRGS": "Something New=0"},
            "errors": {"RTCCPS": "not\u{7} listed"}}),
    );
    let fake = Fake::start(world).await;
    let seen = fake.driver.observe(&sessions(&["RTCCAA", "RTCRGS", "RTCCPS", "RTCATS", "NOBODYKNOWS"])).await;
    assert_eq!(seen.sessions[&name("RTCCAA")].left(), Answer::Known(3));
    for (service, reason) in [
        ("RTCRGS", "does not have this key"),
        ("RTCCPS", "not listed"),
        ("RTCATS", "says nothing"),
        ("NOBODYKNOWS", "no session measure"),
    ] {
        let left = seen.sessions[&name(service)].left();
        assert!(left.why_unknown().is_some_and(|why| why.contains(reason)), "{service}: {left:?}");
    }
    assert_eq!(fake.runs("activity"), 1);
}

#[tokio::test]
async fn measures_of_the_plan_replace_those_of_the_catalogue() {
    let mut world = measured();
    world.scripts.insert("activity", json!({"activity": {"RTCSRV": "Messages in Server=0,Own Key=4"}}));
    let fake = Fake::start_with(world, |target| {
        let own = |names: &[&str]| names.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        target.measures.insert(name("rtcavmcu"), own(&[r"\LS:AVMCU - Operations\AVMCU - Number of Conferences"]));
        target.measures.insert(name("RTCSRV"), own(&["Own Key"]));
        target.measures.insert(name("RTCCAA"), own(&["Incoming Requests per Second"]));
    })
    .await;
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU", "RTCSRV", "RTCCAA"])).await;
    assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(2));
    assert_eq!(seen.sessions[&name("RTCSRV")].left(), Answer::Known(4));
    assert!(seen.sessions[&name("RTCCAA")].left().why_unknown().unwrap().contains("rate"));
}

#[tokio::test]
async fn the_parts_that_scripts_answer_are_read() {
    let mut world = World::default();
    world.scripts.extend([
        (
            "versions",
            json!({"components": [{"name": "Core Components", "version": "5.0.8308.0"}, {"name": "odd", "version": "x"}]}),
        ),
        ("readiness", json!({"answer": {"State": "Busy", "TotalFrontends": 3}})),
        ("replication", json!({"replicas": [{"fqdn": "fe1.contoso.example", "upToDate": true}]})),
        ("fabric", json!({"lines": ["fe1.contoso.example   Up\u{1b}[31m"]})),
        ("central-management", json!({"answer": {"ActiveMasterFqdn": "pool01.contoso.example"}})),
        ("installer-state", json!({"state": "finished", "exitCode": 3010})),
    ]);
    let fake = Fake::start(world).await;
    let mut ask = parts(&[Part::Versions, Part::Readiness, Part::Replication, Part::Fabric, Part::CentralManagement]);
    ask.installer = Some(InstallerToken("run-1-fe1-1".to_owned()));
    let seen = fake.driver.observe(&ask).await;
    assert_eq!(seen.versions.known().unwrap().len(), 1);
    assert_eq!(seen.readiness.known().unwrap().state, ReadinessState::Busy);
    assert_eq!(seen.replication.known().unwrap().len(), 1);
    assert_eq!(seen.fabric.known().unwrap(), &["fe1.contoso.example Up [31m"]);
    assert_eq!(seen.central_management.known().unwrap().active.as_deref(), Some("pool01.contoso.example"));
    assert_eq!(seen.installer, Answer::Known(InstallerState::Finished { exit_code: 3010 }));
    assert_eq!(fake.count("Create"), 1, "one shell for all scripts");
    let ran = fake.world.lock().unwrap().ran.clone();
    let request = |script: &str| ran.iter().find(|(name, _)| name == script).unwrap().1.clone();
    assert_eq!(request("readiness"), json!({"pool": "pool01.contoso.example", "product": "lync2013"}));
    assert_eq!(request("fabric"), json!({"pool": "pool01.contoso.example"}));
    assert_eq!(request("installer-state"), json!({"token": "run-1-fe1-1"}));
    fake.driver.reader().close().await;
    assert_eq!(fake.count("Delete"), 1);
}

#[tokio::test]
async fn p3_parts_that_fail_are_unknown_one_by_one() {
    let mut world = World::default();
    world.scripts.extend([
        ("versions", json!({"error": "access\u{1b}[31m denied"})),
        ("readiness", json!({"answer": null})),
        ("replication", json!({"replicas": [{"fqdn": "fe1", "upToDate": true}]})),
        ("installer-state", json!({"state": "finished"})),
        ("fabric", json!({"lines": ["  "]})),
        ("central-management", json!({"answer": [{"ActiveMasterFQDN": "fe1"}, {"ActiveMasterFQDN": "fe2"}]})),
    ]);
    let fake = Fake::start(world).await;
    let mut ask = parts(&PRODUCT);
    ask.parts.insert(Part::Host);
    ask.installer = Some(InstallerToken("t".to_owned()));
    let seen = fake.driver.observe(&ask).await;
    assert!(seen.host.known().is_some());
    assert_eq!(seen.versions.why_unknown(), Some("script versions: access [31m denied"));
    assert!(seen.readiness.known().is_none());
    assert!(seen.replication.why_unknown().unwrap().contains("odd name"));
    assert!(seen.fabric.why_unknown().unwrap().contains("nothing"));
    assert!(seen.central_management.why_unknown().unwrap().contains("found 2: fe1, fe2"));
    assert_eq!(seen.installer, Answer::Known(InstallerState::Vanished), "it has ended without an exit code");
    ask.installer = Some(InstallerToken("..\\x".to_owned()));
    assert!(fake.driver.observe(&ask).await.installer.known().is_none());
    assert_eq!(fake.runs("installer-state"), 1, "a token that is no name is not sent");
}

#[tokio::test]
async fn an_installer_that_never_ran_has_no_exit_code_but_a_reason() {
    let fake = Fake::start(World::default()).await;
    let ask = Ask { installer: Some(InstallerToken("t".to_owned())), ..Ask::default() };
    let never = InstallerState::NeverRan { why: "the file has changed".to_owned() };
    let killed = InstallerState::Killed { note: "it was ended at its deadline".to_owned() };
    let table = [
        (json!({"state": "never-ran", "detail": "the file has changed"}), Answer::Known(never)),
        (json!({"state": "finished", "detail": "access denied"}), Answer::Known(InstallerState::Vanished)),
        (json!({"state": "killed", "detail": "it was ended at its deadline"}), Answer::Known(killed)),
    ];
    for (said, expected) in table {
        fake.world.lock().unwrap().scripts.insert("installer-state", said.clone());
        assert_eq!(fake.driver.observe(&ask).await.installer, expected, "{said}");
    }
    let silent = json!({"error": "the scheduler is not available"});
    fake.world.lock().unwrap().scripts.insert("installer-state", silent);
    let seen = fake.driver.observe(&ask).await;
    assert!(seen.installer.why_unknown().unwrap().contains("the scheduler is not available"), "{:?}", seen.installer);
    // An installer may have this code of its own.
    let ended = json!({"state": "finished", "exitCode": 1460});
    fake.world.lock().unwrap().scripts.insert("installer-state", ended);
    let seen = fake.driver.observe(&ask).await;
    assert_eq!(seen.installer, Answer::Known(InstallerState::Finished { exit_code: 1460 }));
}

#[tokio::test]
async fn a_lost_shell_is_replaced_once_for_a_look() {
    let fake = Fake::start(World::default()).await;
    fake.driver.observe(&services(&["RTCSRV"])).await;
    fake.world.lock().unwrap().faults = vec![("Send", "InvalidSelectors", 2_150_858_843)];
    let seen = fake.driver.observe(&services(&["RTCSRV"])).await;
    assert!(seen.service(&name("RTCSRV")).unwrap().dependents.known().is_some());
    assert_eq!(fake.count("Create"), 2);
    let fault = ("Send", "InvalidSelectors", 2_150_858_843);
    fake.world.lock().unwrap().faults = vec![fault, fault];
    let seen = fake.driver.observe(&services(&["RTCSRV"])).await;
    assert!(seen.service(&name("RTCSRV")).unwrap().dependents.known().is_none(), "twice in a row is not tried again");
}

#[tokio::test]
async fn p3_a_server_that_cannot_be_reached_leaves_only_unknowns() {
    let fake = Fake::start_with(World::default(), |target| target.connect_to = Some("127.0.0.1:1".to_owned())).await;
    let mut ask = parts(&[Part::Host, Part::Versions]);
    ask.services = vec![name("RTCSRV")];
    ask.sessions = vec![name("RTCSRV")];
    let seen = fake.driver.observe(&ask).await;
    for why in [seen.host.why_unknown(), seen.services.why_unknown(), seen.versions.why_unknown()] {
        assert!(why.unwrap().contains("cannot connect to 127.0.0.1:1"), "{why:?}");
    }
    assert_eq!(seen.readiness.why_unknown(), Some("not asked"));
    assert!(seen.sessions.is_empty());
}

#[tokio::test]
async fn a_look_at_a_server_that_refuses_us_is_one_failed_logon() {
    for line in ["401 Unauthorized", "404 Not Found", "503 Service Unavailable"] {
        let page = move || Reaction::Answer { status: line, headers: String::new(), body: Vec::new() };
        let server = Loopback::start(move |_, _| page()).await;
        let reader = WinrmReader::new(target(&server), Clock::real()).unwrap();
        let mut ask = parts(&[Part::Host, Part::Versions, Part::Readiness]);
        ask.services = vec![name("RTCSRV")];
        ask.sessions = vec![name("RTCSRV")];
        let seen = reader.observe(&ask).await;
        for why in [seen.host.why_unknown(), seen.services.why_unknown(), seen.versions.why_unknown()] {
            assert!(why.unwrap().contains(&line[..3]), "{why:?}");
        }
        assert_eq!(server.seen().len(), 1, "{line}");
    }
    let server = Loopback::start(|_, _| Reaction::Answer {
        status: "401 Unauthorized",
        headers: String::new(),
        body: Vec::new(),
    })
    .await;
    let reader = WinrmReader::new(target(&server), Clock::real()).unwrap();
    let ask = Ask { sessions: vec![name("RTCSRV")], ..parts(&[Part::Versions]) };
    assert!(reader.observe(&ask).await.versions.why_unknown().unwrap().contains("401"));
    assert_eq!(server.seen().len(), 1, "sessions are read over both connections");
}

#[tokio::test]
async fn a_server_that_comes_back_may_refuse_us_for_a_while_and_another_may_not() {
    // An account that never worked is not tried again at once: the refusal would count at its domain.
    for (restarted, logons) in [(true, 4), (false, 1)] {
        let soon = |target: &mut WinrmTarget| target.limits.wire.refused_in_restart = Duration::ZERO;
        let fake = Fake::start_with(World::default(), soon).await;
        if restarted {
            let act = Act::Restart { booted: BOOTED.parse().unwrap(), comment: "CHG0031337".to_owned() };
            assert_eq!(fake.driver.apply(&act).await, ActOutcome::Accepted);
        }
        fake.world.lock().unwrap().refuses = true;
        let before = fake.server.seen().len();
        for _ in 0..4 {
            fake.driver.observe(&parts(&[Part::Host])).await;
        }
        assert_eq!(fake.server.seen().len() - before, logons, "restarted: {restarted}");
    }
}

#[tokio::test]
async fn p3_a_silent_server_does_not_hold_up_an_observation() {
    let server = Loopback::start(|_, _| Reaction::Hang).await;
    let mut target = target(&server);
    target.limits.observation = Duration::from_millis(200);
    let reader = WinrmReader::new(target, Clock::real()).unwrap();
    let seen = reader.observe(&parts(&[Part::Host])).await;
    assert!(seen.host.why_unknown().unwrap().contains("not read within"));
}

const PRODUCT: [Part; 5] = [Part::Versions, Part::Replication, Part::CentralManagement, Part::Fabric, Part::Readiness];

#[tokio::test]
async fn p3_a_shell_that_does_not_open_is_waited_for_once_in_a_look_and_the_rest_is_kept() {
    let fake = Fake::start_with(World { hangs_at: Some("Create"), ..measured() }, |target| {
        target.limits.wire.operation = Duration::from_millis(100);
        target.limits.wire.answer_margin = Duration::from_millis(100);
    })
    .await;
    let mut ask = parts(&PRODUCT);
    ask.parts.insert(Part::Host);
    ask.services = vec![name("RTCSRV")];
    ask.sessions = vec![name("RTCAVMCU")];
    for looks in 1..=2 {
        let seen = fake.driver.observe(&ask).await;
        assert!(seen.host.known().is_some());
        assert!(seen.service(&name("RTCSRV")).unwrap().state.known().is_some());
        for why in [seen.versions.why_unknown(), seen.fabric.why_unknown(), seen.readiness.why_unknown()] {
            assert!(why.unwrap().contains("no answer within"), "{why:?}");
        }
        assert!(seen.sessions[&name("RTCAVMCU")].left().known().is_none());
        assert_eq!(fake.count("Create"), looks, "eight scripts, and one of them found out");
    }
}

#[tokio::test]
async fn p3_a_look_has_one_deadline_and_keeps_what_was_read_until_then() {
    let mut world = measured();
    world.hangs_at = Some("Receive");
    let fake = Fake::start_with(world, |target| target.limits.observation = Duration::from_millis(300)).await;
    let mut ask = parts(&PRODUCT);
    ask.parts.insert(Part::Host);
    ask.services = vec![name("RTCSRV")];
    ask.sessions = vec![name("RTCSRV")];
    let began = std::time::Instant::now();
    let seen = fake.driver.observe(&ask).await;
    assert!(began.elapsed() < Duration::from_secs(10), "not once for each part");
    assert!(seen.host.known().is_some());
    assert_eq!(seen.service(&name("RTCSRV")).unwrap().state, Answer::Known(RunState::Running));
    assert!(seen.service(&name("RTCSRV")).unwrap().dependents.why_unknown().unwrap().contains("not read within"));
    assert!(seen.sessions[&name("RTCSRV")].left().why_unknown().unwrap().contains("not read within"));
    assert!(seen.readiness.why_unknown().unwrap().contains("not read within"));
}

#[tokio::test]
async fn p3_a_pool_that_is_waited_for_is_busy_and_not_ready() {
    let mut world = measured();
    world.hangs_at = Some("Receive");
    let fake = Fake::start_with(world, |target| target.limits.look_script = Duration::from_millis(200)).await;
    let seen = fake.driver.observe(&parts(&[Part::Readiness])).await;
    assert_eq!(seen.readiness.known().unwrap().state, ReadinessState::Busy, "the cmdlet waits for replicas");
}

#[tokio::test]
async fn what_the_product_takes_long_over_comes_last() {
    let fake = Fake::start(measured()).await;
    let mut ask = parts(&PRODUCT);
    ask.services = vec![name("RTCSRV")];
    ask.sessions = vec![name("RTCAVMCU")];
    ask.file = Some(r"C:\CU\x.exe".to_owned());
    fake.driver.observe(&ask).await;
    let ran: Vec<String> = fake.world.lock().unwrap().ran.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(ran[ran.len() - 4..], ["replication", "central-management", "fabric", "readiness"], "{ran:?}");
}

#[tokio::test]
async fn p10_what_is_not_safe_is_refused_when_the_driver_is_made() {
    let server = Loopback::start(|_, _| Reaction::Close).await;
    let mut plain = target(&server);
    plain.transport = Transport::Http;
    assert!(matches!(WinrmReader::new(plain, Clock::real()), Err(SetupError::BasicWithoutTls)));
}

#[tokio::test]
async fn p3_only_cmdlets_of_the_product_are_asked_in_a_task_and_one_that_waits_there_is_a_busy_pool() {
    let mut world = World::default();
    world.scripts.insert("by-task", json!({"result": "slow", "left": ["ask-1: in use"]}));
    world.scripts.insert("versions", json!({"components": [{"name": "Core Components", "version": "5.0.8308.866"}]}));
    let by_task = |target: &mut WinrmTarget| target.cmdlets = Cmdlets::Task(TaskAccount::System);
    let fake = Fake::start_with(world, by_task).await;
    let seen = fake.driver.observe(&parts(&[Part::Readiness, Part::Fabric, Part::Versions])).await;
    assert_eq!(seen.readiness.known().map(|known| &known.state), Some(&ReadinessState::Busy));
    let why = seen.fabric.why_unknown().unwrap();
    assert!(why.contains("script fabric: a task as SYSTEM gave no answer in time"), "{why}");
    assert!(seen.versions.known().is_some(), "what is installed is said by the server itself");
    assert_eq!((fake.runs("by-task"), fake.runs("versions"), fake.runs("readiness")), (2, 1, 0));
}

#[tokio::test]
async fn p10_the_password_goes_by_input_and_only_where_the_task_has_the_accounts_own_name() {
    for (account, goes) in [(TaskAccount::Caller, true), (TaskAccount::System, false)] {
        let mut world = World::default();
        world.scripts.insert("by-task", json!({"result": "silent", "code": 267_011, "left": []}));
        let fake = Fake::start_with(world, |target| target.cmdlets = Cmdlets::Task(account.clone())).await;
        let seen = fake.driver.observe(&parts(&[Part::Fabric])).await;
        let why = seen.fabric.why_unknown().unwrap();
        assert!(why.contains("the scheduler did not run it"), "{why}");
        let world = fake.world.lock().unwrap();
        let last = STANDARD.decode(world.input.lines().nth(2).unwrap()).unwrap();
        assert_eq!(String::from_utf8(last).unwrap() == PASSWORD, goes, "{account}");
        assert!(!why.contains(PASSWORD) && !world.command_line.contains(&STANDARD.encode(PASSWORD)), "{why}");
    }
}
