//! Counters of many classes in one question, and what is enumerated where that leads nowhere.

use crate::fake::{Fake, Mishap, Powershell, World};
use crate::looks::{AVMCU, HEALTH, PEERS, measured, name, sessions};
use orchestrate_driver::Observe as _;
use orchestrate_model::Answer;
use orchestrate_model::observe::{DrainingState, Part};
use serde_json::{Value, json};
use std::time::Duration;

/// A server that answers a question for all counters with these classes. Its enumerations say 17 users of audio and video,
/// and no connections of clients.
fn answering(classes: Value) -> World {
    let mut world = measured();
    world.scripts.insert("counters", json!({"classes": classes, "errors": {}}));
    world
}

/// What a server says that is well: five users, and three connections of clients.
fn well() -> Value {
    json!({
        AVMCU: [{"Conferences": "1", "Users": "5"}],
        HEALTH: [{"Draining": "1"}],
        PEERS: [{"Name": "_Total", "Active": "95"}, {"Name": "Clients", "Active": "3"}],
    })
}

/// Starts a server and looks at it once, so that the names of its classes are known.
async fn known(world: World) -> Fake {
    let fake = Fake::start(world).await;
    fake.driver.observe(&sessions(&["RTCAVMCU", "RTCSRV"])).await;
    // What is enumerated from here on is what the tests are about.
    fake.world.lock().unwrap().enumerated.clear();
    fake
}

/// The classes that were enumerated, after those of the look at the names.
fn enumerated(fake: &Fake) -> Vec<String> {
    fake.world.lock().unwrap().enumerated.clone()
}

#[tokio::test]
async fn the_counters_of_a_look_are_one_question() {
    let fake = known(answering(well())).await;
    assert_eq!(fake.runs("counters"), 1, "nothing else waits in the look at the names");
    for _ in 0..3 {
        let seen = fake.driver.observe(&sessions(&["RTCAVMCU", "RTCSRV"])).await;
        let conferences = &seen.sessions[&name("RTCAVMCU")];
        assert_eq!(conferences.left(), Answer::Known(5));
        assert_eq!(conferences.draining, Some(Answer::Known(DrainingState::Draining)));
        let clients = &seen.sessions[&name("RTCSRV")].measures[0];
        assert_eq!(clients.value, Answer::Known(3), "{clients:?}");
    }
    assert_eq!((fake.runs("counters"), enumerated(&fake)), (4, vec![]));
    let ran = fake.world.lock().unwrap().ran.clone();
    let asked = ran.iter().find(|(name, _)| name == "counters").unwrap().1["classes"].clone();
    let of = |class: &str| asked.as_array().unwrap().iter().find(|asked| asked["name"] == class).unwrap().clone();
    assert_eq!(of(AVMCU), json!({"name": AVMCU, "properties": ["Conferences", "Users"]}));
    assert_eq!(of(PEERS), json!({"name": PEERS, "properties": ["Active", "Name"]}));
}

#[tokio::test]
async fn p3_what_is_odd_about_one_value_makes_that_counter_unknown_and_no_other() {
    for (users, expected) in [
        (json!(null), "has no value"),
        (json!("4294967295.5"), "is not a whole number"),
        (json!("1.234"), "is not a whole number"),
        (json!(""), "is not a whole number"),
        (json!("99999999999999999999"), "is not a whole number"),
        (json!(["0"]), "is not a whole number"),
        (json!({"value": "0"}), "is not a whole number"),
        (json!(true), "is not a whole number"),
    ] {
        let mut classes = well();
        classes[AVMCU][0]["Users"] = users.clone();
        let fake = known(answering(classes)).await;
        let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
        let measures = &seen.sessions[&name("RTCAVMCU")].measures;
        assert_eq!(measures[0].value, Answer::Known(1), "{users}");
        assert!(measures[1].value.why_unknown().is_some_and(|why| why.contains(expected)), "{users}: {measures:?}");
        assert_eq!(enumerated(&fake), [""; 0], "{users}");
    }
}

#[tokio::test]
async fn p3_an_instance_that_is_missing_or_there_twice_is_unknown() {
    for (rows, expected) in [
        (json!([{"Name": "_Total", "Active": "0"}]), "no such instance"),
        (json!([{"Active": "0"}]), "no such instance"),
        (json!([{"Name": "clients", "Active": "0"}, {"Name": "Clients", "Active": "0"}]), "2 instances"),
    ] {
        let mut classes = well();
        classes[PEERS] = rows.clone();
        let fake = known(answering(classes)).await;
        let seen = fake.driver.observe(&sessions(&["RTCSRV", "RTCAVMCU"])).await;
        let clients = &seen.sessions[&name("RTCSRV")].measures[0].value;
        assert!(clients.why_unknown().is_some_and(|why| why.contains(expected)), "{rows}: {clients:?}");
        assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(5), "{rows}");
    }
}

#[tokio::test]
async fn a_class_that_is_not_answered_as_it_should_be_is_enumerated_and_no_other() {
    let odd = [
        json!("5"),
        json!(null),
        json!({"Users": "5"}),
        json!(["5"]),
        json!([]),
        json!([null]),
        json!({"value": [], "Count": 0}),
    ];
    for rows in odd {
        let mut classes = well();
        classes[AVMCU] = rows.clone();
        let fake = known(answering(classes)).await;
        let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
        assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17), "{rows}");
        assert_eq!(enumerated(&fake), [AVMCU], "{rows}");
    }
    let mut world = answering(json!({HEALTH: [{"Draining": "1"}], "Win32_Other": [{"Users": "0"}]}));
    world.scripts.get_mut("counters").unwrap()["errors"] = json!({AVMCU: "the others took too long", "x": 1});
    let fake = known(world).await;
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17));
    assert_eq!(enumerated(&fake), [AVMCU]);
}

#[tokio::test]
async fn where_the_question_leads_nowhere_all_are_enumerated_for_a_while() {
    for said in [
        json!({"error": "Get-CimInstance is not there"}),
        json!({"classes": {}}),
        json!({"classes": []}),
        json!({"classes": {"Win32_Other": []}}),
        json!(7),
    ] {
        let mut world = measured();
        world.scripts.insert("counters", said.clone());
        let fake = known(world).await;
        for _ in 0..3 {
            let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
            assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17), "{said}");
        }
        assert_eq!((fake.runs("counters"), enumerated(&fake).len()), (1, 6), "{said}");
    }
}

#[tokio::test]
async fn a_question_that_hangs_is_made_up_for_in_the_same_look() {
    let fake = Fake::start_with(answering(well()), |target| {
        target.limits.look_script = Duration::from_millis(300);
    })
    .await;
    fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(5));
    fake.world.lock().unwrap().mishap = Some(Mishap::Silence);
    for _ in 0..2 {
        let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
        assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17));
    }
    assert_eq!((fake.runs("counters"), enumerated(&fake).len()), (2, 4), "what hung is not asked again at once");
}

#[tokio::test]
async fn in_a_look_that_asks_the_product_for_long_the_values_are_one_question_before_that() {
    let mut ask = sessions(&["RTCAVMCU", "RTCSRV"]);
    ask.parts.insert(Part::Readiness);
    let fake = Fake::start(answering(well())).await;
    let seen = fake.driver.observe(&ask).await;
    assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(5));
    assert_eq!((fake.runs("counters"), enumerated(&fake).len()), (1, 0));
    let ran: Vec<String> = fake.world.lock().unwrap().ran.iter().map(|(name, _)| name.clone()).collect();
    let place = |script: &str| ran.iter().position(|name| name == script);
    assert!(place("counters") < place("readiness"), "{ran:?}");
}

#[tokio::test]
async fn a_class_that_is_empty_is_enumerated_once_and_its_counters_are_unknown() {
    let mut classes = well();
    classes[AVMCU] = json!([]);
    let mut world = answering(classes);
    world.counters.insert(AVMCU, vec![]);
    let fake = known(world).await;
    for _ in 0..3 {
        let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
        assert!(seen.sessions[&name("RTCAVMCU")].left().known().is_none());
    }
    assert_eq!(enumerated(&fake), [""; 0], "it was found empty in the first look");
    fake.world.lock().unwrap().scripts.insert("counters", json!({"classes": well(), "errors": {}}));
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(5));
}

#[tokio::test]
async fn an_answer_without_end_is_made_up_for_as_well() {
    let fake = known(answering(well())).await;
    fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    fake.world.lock().unwrap().mishap = Some(Mishap::Flood);
    let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
    assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17));
}

#[tokio::test]
async fn where_no_powershell_stays_counters_cost_no_process() {
    let world = World { powershell: Powershell::LeavesAtOnce, ..answering(well()) };
    let fake = Fake::start(world).await;
    for _ in 0..3 {
        let seen = fake.driver.observe(&sessions(&["RTCAVMCU"])).await;
        assert_eq!(seen.sessions[&name("RTCAVMCU")].left(), Answer::Known(17));
    }
    assert_eq!(
        (fake.runs("counters"), fake.count("Command")),
        (0, 2),
        "one that left, and one for the names of classes"
    );
}
