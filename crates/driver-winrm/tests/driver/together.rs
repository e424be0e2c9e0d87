//! What a look asks in one line, and how it is asked where that leads nowhere.

use crate::fake::{BOOTED, Fake, Mishap, Powershell, World, service};
use crate::looks::{AVMCU, HEALTH, PEERS, measured, name};
use orchestrate_driver::Observe as _;
use orchestrate_driver_winrm::WinrmTarget;
use orchestrate_model::observe::Part;
use orchestrate_model::{Answer, Ask, LeaseState, RunState, ServerObservation, StartType};
use serde_json::{Value, json};
use std::time::Duration;

/// A sample of a drain.
fn sample() -> Ask {
    Ask {
        parts: [Part::Host, Part::Lease].into(),
        services: vec![name("RTCSRV"), name("RTCCAA")],
        sessions: vec![name("RTCAVMCU")],
        ..Ask::default()
    }
}

/// What the script says of services and of the system.
fn state() -> Value {
    json!({
        "services": [
            {"Name": "RTCSRV", "DisplayName": "Front-End", "State": "Paused", "StartMode": "Auto", "AcceptPause": "False"},
            {"Name": "RTCCAA", "DisplayName": "Attendant", "State": "Paused", "StartMode": "Manual", "AcceptPause": "True"},
        ],
        "system": {"LastBootUpTime": "20261120070000.000000+060", "LocalDateTime": "20261123020000.000000+060",
            "Caption": "Windows Server", "Version": "6.3.9600"},
    })
}

/// A server that answers everything in a line. By its WMI the service runs.
fn world(state: Value) -> World {
    let mut world = measured();
    let classes = json!({
        AVMCU: [{"Conferences": "1", "Users": "5"}],
        HEALTH: [{"Draining": "1"}],
        PEERS: [{"Name": "Clients", "Active": "3"}],
    });
    world.scripts.insert("counters", json!({"classes": classes, "errors": {}}));
    world.scripts.insert("lease", json!({"lease": null, "now": 5}));
    world.scripts.insert("state", state);
    world
}

/// Starts a server and looks at it twice, so that a process stays and the names of classes are known.
async fn known(world: World, change: impl FnOnce(&mut WinrmTarget)) -> Fake {
    let fake = Fake::start_with(world, |target| {
        target.limits.details = Duration::from_secs(300);
        change(target);
    })
    .await;
    for _ in 0..2 {
        fake.driver.observe(&sample()).await;
    }
    fake
}

fn assert_whole(seen: &ServerObservation, state: RunState) {
    let service = seen.service(&name("RTCSRV")).unwrap();
    assert_eq!(service.state, Answer::Known(state));
    assert_eq!(service.start, Answer::Known(StartType::DELAYED), "the flag is kept");
    assert_eq!(seen.host.known().unwrap().booted, BOOTED.parse().unwrap());
    assert_eq!(seen.lease, Answer::Known(LeaseState::Free));
    assert!(seen.sessions[&name("RTCAVMCU")].left().known().is_some());
}

#[tokio::test]
async fn a_sample_of_a_drain_is_two_requests() {
    let fake = known(world(state()), |_| {}).await;
    for _ in 0..3 {
        let before = fake.server.actions().len();
        let seen = fake.driver.observe(&sample()).await;
        assert_eq!(fake.server.actions()[before..], ["Send", "Receive"]);
        assert_whole(&seen, RunState::Paused);
        assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(5));
    }
}

#[tokio::test]
async fn services_alone_are_asked_for_without_powershell() {
    let fake = known(world(state()), |_| {}).await;
    let ask = Ask { services: vec![name("RTCSRV")], ..Ask::default() };
    // Over the wire the service is seen to run, which it did not: all rows are read, with what depends on it.
    for expected in [vec!["Enumerate"; 2], vec!["Enumerate"]] {
        let before = fake.server.actions().len();
        let seen = fake.driver.observe(&ask).await;
        assert_eq!(fake.server.actions()[before..], expected);
        assert_eq!(seen.service(&name("RTCSRV")).unwrap().state, Answer::Known(RunState::Running));
    }
}

#[tokio::test]
async fn p3_a_service_that_has_changed_is_seen_by_a_look_that_asks_for_no_more() {
    let fake = Fake::start(world(state())).await;
    let ask = Ask { services: vec![name("RTCSRV")], ..Ask::default() };
    fake.driver.observe(&ask).await;
    for state in [("Stopped", RunState::Stopped), ("Start Pending", RunState::StartPending)] {
        fake.world.lock().unwrap().services = vec![service("RTCSRV", state.0, "Auto")];
        let seen = fake.driver.observe(&ask).await;
        assert_eq!(seen.service(&name("RTCSRV")).unwrap().state, Answer::Known(state.1));
    }
    // A start mode that another hand has set, and a service that is gone as soon as all are read.
    fake.world.lock().unwrap().services = vec![service("RTCSRV", "Start Pending", "Manual")];
    let seen = fake.driver.observe(&ask).await;
    assert_eq!(seen.service(&name("RTCSRV")).unwrap().start, Answer::Known(StartType::MANUAL));
}

#[tokio::test]
async fn where_no_powershell_stays_a_sample_is_asked_for_as_ever() {
    for powershell in [Powershell::LeavesAtOnce, Powershell::Mute] {
        let world = World { powershell, ..world(state()) };
        let fake = known(world, |target| target.limits.stay.start = Duration::from_millis(100)).await;
        let seen = fake.driver.observe(&sample()).await;
        assert_whole(&seen, RunState::Running);
        assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17));
        assert_eq!((fake.runs("state"), fake.runs("counters")), (0, 0), "neither is worth a process");
        assert_eq!(fake.runs("lease"), 3);
    }
}

#[tokio::test]
async fn p3_whatever_is_odd_about_the_answer_has_wmi_asked_in_the_same_look() {
    let changed = |change: fn(&mut Value)| {
        let mut said = state();
        change(&mut said);
        said
    };
    let odd = [
        json!({"error": "Get-CimInstance is not there"}),
        json!(7),
        json!({}),
        changed(|said| said["services"] = Value::Null),
        changed(|said| said["services"] = json!({"value": [], "Count": 0})),
        changed(|said| said["services"] = json!([5])),
        changed(|said| said["services"][0]["State"] = json!(["Running"])),
        changed(|said| said["system"] = Value::Null),
        changed(|said| said["system"]["LastBootUpTime"] = json!("")),
        changed(|said| said["system"]["LastBootUpTime"] = json!("11/20/2026 7:00:00 AM")),
        changed(|said| drop(said["system"].as_object_mut().unwrap().remove("LocalDateTime"))),
    ];
    for said in odd {
        let fake = known(world(said.clone()), |_| {}).await;
        let seen = fake.driver.observe(&sample()).await;
        assert_whole(&seen, RunState::Running);
        assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(5), "{said}");
    }
}

#[tokio::test]
async fn p3_a_state_that_is_not_in_the_list_is_unknown_in_a_line_too() {
    let mut said = state();
    said["services"][0]["State"] = json!("Dreaming");
    drop(said["services"][1].as_object_mut().unwrap().remove("StartMode"));
    let fake = known(world(said), |_| {}).await;
    let seen = fake.driver.observe(&sample()).await;
    assert!(seen.service(&name("RTCSRV")).unwrap().state.why_unknown().unwrap().contains("Dreaming"));
    assert!(seen.service(&name("RTCCAA")).unwrap().start.known().is_none());
}

#[tokio::test]
async fn p3_a_line_that_is_not_answered_has_each_question_put_by_itself_for_a_while() {
    for mishap in [Mishap::Ends, Mishap::Silence, Mishap::Late] {
        let soon = |target: &mut WinrmTarget| target.limits.look_script = Duration::from_millis(500);
        let fake = known(world(state()), soon).await;
        fake.world.lock().unwrap().mishap = Some(mishap);
        // By WMI in the look in which the process is replaced, and by the new one in the next.
        for state in [RunState::Running, RunState::Paused] {
            let sends = fake.count("Send");
            let seen = fake.driver.observe(&sample()).await;
            assert_whole(&seen, state);
            assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(5));
            assert!(fake.count("Send") - sends >= 3, "{mishap:?}: services, lease and counters each have a line");
        }
    }
}

#[tokio::test]
async fn p3_what_a_process_says_that_has_not_been_there_before_is_asked_of_wmi() {
    let fake = known(world(state()), |_| {}).await;
    // As after a restart: the server does not know the shell any more.
    fake.world.lock().unwrap().faults.push(("Send", "InvalidSelectors", 2_150_858_843));
    let seen = fake.driver.observe(&sample()).await;
    assert_eq!(fake.world.lock().unwrap().workers, 2);
    assert_whole(&seen, RunState::Running);
    assert_whole(&fake.driver.observe(&sample()).await, RunState::Paused);
}

#[tokio::test]
async fn p3_a_connection_that_breaks_under_a_line_leaves_nothing_that_is_taken_for_an_answer() {
    let fake = known(world(state()), |_| {}).await;
    fake.world.lock().unwrap().dies_at = Some("Receive");
    let seen = fake.driver.observe(&sample()).await;
    assert_eq!(seen.service(&name("RTCSRV")).unwrap().state, Answer::Known(RunState::Running), "as WMI has it");
    assert!(seen.lease.known().is_none(), "{:?}", seen.lease);
    fake.world.lock().unwrap().dies_at = None;
    assert_whole(&fake.driver.observe(&sample()).await, RunState::Running);
    assert_whole(&fake.driver.observe(&sample()).await, RunState::Paused);
}
