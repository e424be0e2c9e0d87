//! The PowerShell that stays on a server: what it saves, and everything that may become of it.

use crate::fake::{Fake, Mishap, Powershell, World};
use crate::looks::{measured, name, parts, services};
use orchestrate_driver::Observe as _;
use orchestrate_driver_winrm::WinrmTarget;
use orchestrate_model::observe::Part;
use serde_json::{Value, json};
use std::time::Duration;

/// Answers with this dependent, so that answers can be told apart.
fn with_dependent(dependent: &str) -> Value {
    json!({"services": {"RTCSRV": {"delayed": true, "dependents": [dependent]}}})
}

/// Asks one question, and returns the dependent in its answer, or why there is none.
async fn ask(fake: &Fake) -> Result<String, String> {
    let seen = fake.driver.observe(&services(&["RTCSRV"])).await;
    let dependents = &seen.service(&name("RTCSRV")).unwrap().dependents;
    match dependents.known() {
        Some(names) => Ok(names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        None => Err(dependents.why_unknown().unwrap().to_owned()),
    }
}

fn world(dependent: &str) -> World {
    let mut world = World::default();
    world.scripts.insert("service-details", with_dependent(dependent));
    world
}

fn workers(fake: &Fake) -> usize {
    fake.world.lock().unwrap().workers
}

fn soon(target: &mut WinrmTarget) {
    target.limits.look_script = Duration::from_millis(300);
}

#[tokio::test]
async fn one_powershell_answers_everything_as_long_as_it_stays() {
    let mut world = measured();
    world.scripts.extend([
        ("versions", json!({"components": []})),
        ("replication", json!({"replicas": [{"fqdn": "fe1.contoso.example", "upToDate": true}]})),
    ]);
    let fake = Fake::start(world).await;
    let mut ask = parts(&[Part::Versions, Part::Replication]);
    ask.services = vec![name("RTCSRV")];
    ask.sessions = vec![name("RTCAVMCU")];
    for _ in 0..3 {
        let seen = fake.driver.observe(&ask).await;
        assert_eq!(seen.replication.known().map(std::collections::BTreeMap::len), Some(1));
    }
    assert!(fake.runs("versions") == 3 && fake.runs("service-details") == 3 && fake.runs("counter-classes") == 1);
    assert_eq!((fake.count("Command"), fake.count("Create")), (1, 1), "one process for eleven questions");
    assert_eq!(fake.count("Send"), 7, "a greeting, four lines of the first look, and one of each that comes after it");
}

#[tokio::test]
async fn where_no_powershell_stays_each_question_has_its_own() {
    let world = World { powershell: Powershell::LeavesAtOnce, ..world("A") };
    let fake = Fake::start(world).await;
    for _ in 0..3 {
        assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    }
    assert_eq!(workers(&fake), 1, "it is tried once");
    assert_eq!((fake.count("Command"), fake.count("Create")), (4, 2));
}

#[tokio::test]
async fn after_a_while_one_is_tried_again() {
    let world = World { powershell: Powershell::LeavesAtOnce, ..world("A") };
    let fake = Fake::start_with(world, |target| target.limits.stay.pause = Duration::ZERO).await;
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    fake.world.lock().unwrap().powershell = Powershell::Usual;
    for _ in 0..3 {
        assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    }
    assert_eq!((workers(&fake), fake.count("Command")), (2, 3));
}

#[tokio::test]
async fn one_that_does_not_answer_its_first_question_is_ended_and_each_question_has_its_own() {
    let fake = Fake::start_with(World { powershell: Powershell::Mute, ..world("A") }, |target| {
        target.limits.stay.start = Duration::from_millis(200);
    })
    .await;
    for _ in 0..3 {
        assert_eq!(ask(&fake).await.as_deref(), Ok("A"), "and no question goes without its answer for that");
    }
    assert_eq!((workers(&fake), fake.count("Delete")), (1, 1));
}

#[tokio::test]
async fn one_that_starts_for_longer_than_a_look_takes_is_there_for_the_next() {
    let world = World { powershell: Powershell::Starting, ..world("A") };
    let fake = Fake::start_with(world, |target| target.limits.observation = Duration::from_millis(200)).await;
    for _ in 0..2 {
        ask(&fake).await.unwrap_err();
    }
    assert_eq!((workers(&fake), fake.count("Create"), fake.count("Delete")), (1, 1, 0), "it goes on starting");
    fake.world.lock().unwrap().has_started();
    let mut answer = ask(&fake).await;
    while answer.is_err() {
        answer = ask(&fake).await;
    }
    assert_eq!((answer.as_deref(), workers(&fake)), (Ok("A"), 1));
}

#[tokio::test]
async fn one_that_is_still_starting_is_gone_when_the_work_ends() {
    let world = World { powershell: Powershell::Starting, ..world("A") };
    let fake = Fake::start_with(world, |target| target.limits.observation = Duration::from_millis(200)).await;
    ask(&fake).await.unwrap_err();
    fake.driver.reader().close().await;
    assert_eq!((fake.count("Create"), fake.count("Delete")), (1, 1));
}

#[tokio::test]
async fn a_restricted_powershell_is_named_and_not_started_twice_for_each_question() {
    let fake = Fake::start(World { powershell: Powershell::Restricted, ..world("A") }).await;
    for _ in 0..3 {
        let why = ask(&fake).await.unwrap_err();
        assert!(why.contains("runs in ConstrainedLanguage here"), "{why}");
    }
    assert_eq!((workers(&fake), fake.count("Command"), fake.count("Create")), (1, 3, 1));
}

#[tokio::test]
async fn p3_a_powershell_that_ends_under_a_question_leaves_it_unknown_and_is_replaced() {
    let fake = Fake::start(world("A")).await;
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    fake.world.lock().unwrap().mishap = Some(Mishap::Ends);
    let why = ask(&fake).await.unwrap_err();
    assert!(why.contains("no answer, exit code 255"), "{why}");
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    assert_eq!(workers(&fake), 2);
}

#[tokio::test]
async fn p3_a_question_that_hangs_is_unknown_and_its_process_is_ended() {
    let fake = Fake::start_with(world("A"), soon).await;
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    fake.world.lock().unwrap().mishap = Some(Mishap::Silence);
    let why = ask(&fake).await.unwrap_err();
    assert!(why.contains("300ms") || why.contains("0.3"), "{why}");
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    assert_eq!((workers(&fake), fake.count("Delete")), (2, 1));
}

#[tokio::test]
async fn p3_an_answer_that_comes_too_late_is_never_taken_for_the_answer_to_the_next_question() {
    // Too late for the question, and too late for the whole look: either way its process is gone.
    let look: fn(&mut WinrmTarget) = |target| target.limits.observation = Duration::from_millis(300);
    for limit in [soon, look] {
        let fake = Fake::start_with(world("A"), limit).await;
        assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
        fake.world.lock().unwrap().mishap = Some(Mishap::Late);
        ask(&fake).await.unwrap_err();
        fake.world.lock().unwrap().scripts.insert("service-details", with_dependent("B"));
        assert_eq!(ask(&fake).await.as_deref(), Ok("B"));
        assert_eq!(workers(&fake), 2);
    }
}

#[tokio::test]
async fn p3_more_than_is_ever_read_is_unknown_and_the_next_question_has_its_answer() {
    let fake = Fake::start(world("A")).await;
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    fake.world.lock().unwrap().mishap = Some(Mishap::Flood);
    let why = ask(&fake).await.unwrap_err();
    assert!(why.contains("4194304"), "{why}");
    fake.world.lock().unwrap().mishap = None;
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    assert_eq!(workers(&fake), 2);
}

#[tokio::test]
async fn what_looks_like_the_end_of_an_answer_ends_none() {
    let fake = Fake::start(world("A")).await;
    fake.world.lock().unwrap().mishap = Some(Mishap::Noise);
    for _ in 0..2 {
        assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    }
    assert_eq!(workers(&fake), 1);
}

#[tokio::test]
async fn p3_a_connection_that_breaks_under_a_question_leaves_it_unknown_and_the_next_one_is_answered() {
    let fake = Fake::start(world("A")).await;
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
    for times in 1..=4 {
        fake.world.lock().unwrap().dies_at = Some("Receive");
        ask(&fake).await.unwrap_err();
        fake.world.lock().unwrap().dies_at = None;
        assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
        assert_eq!(workers(&fake), times + 1, "that is nothing against processes that stay");
    }
}

#[tokio::test]
async fn one_that_never_answers_is_given_up_after_three_tries() {
    let fake = Fake::start_with(world("A"), soon).await;
    for _ in 0..3 {
        fake.world.lock().unwrap().mishap = Some(Mishap::Silence);
        ask(&fake).await.unwrap_err();
    }
    fake.world.lock().unwrap().mishap = Some(Mishap::Silence);
    assert_eq!(ask(&fake).await.as_deref(), Ok("A"), "in a process of its own");
    assert_eq!(workers(&fake), 3);
}

#[tokio::test]
async fn one_that_has_been_there_for_long_enough_is_replaced_and_no_question_goes_without_its_answer() {
    let fake = Fake::start_with(world("A"), |target| target.limits.stay.age = Duration::ZERO).await;
    for times in 1..=3 {
        assert_eq!(ask(&fake).await.as_deref(), Ok("A"));
        assert_eq!(workers(&fake), times);
    }
    assert_eq!(fake.count("Delete"), 2, "one is left, and it is in use");
}

#[tokio::test]
async fn two_that_ask_at_once_wait_for_each_other_and_each_has_its_own_answer() {
    let mut world = world("A");
    world.scripts.insert("replication", json!({"replicas": [{"fqdn": "fe1.contoso.example", "upToDate": true}]}));
    let fake = Fake::start(world).await;
    let other = parts(&[Part::Replication]);
    for _ in 0..5 {
        let (one, two) = tokio::join!(ask(&fake), fake.driver.observe(&other));
        assert_eq!(one.as_deref(), Ok("A"));
        assert_eq!(two.replication.known().map(std::collections::BTreeMap::len), Some(1));
    }
    assert_eq!((workers(&fake), fake.count("Command")), (1, 1));
}
