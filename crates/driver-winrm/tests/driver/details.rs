//! How long what does not change of services is taken for what it is.

use crate::fake::{Fake, World, service as row};
use crate::looks::{name, parts, services};
use orchestrate_driver::{Change as _, Observe as _};
use orchestrate_model::observe::Part;
use orchestrate_model::{Act, Answer, Ask, StartType};
use serde_json::json;
use std::time::Duration;

/// A server whose details are kept for five minutes.
async fn keeping(world: World) -> Fake {
    Fake::start_with(world, |target| target.limits.details = Duration::from_mins(5)).await
}

/// A server with a service of another vendor that depends on one of the product.
fn world() -> World {
    let mut world = World::default();
    world.services.push(row("VENDORBOT", "Running", "Auto"));
    let details = json!({"services": {
        "RTCSRV": {"delayed": true, "dependents": ["VENDORBOT", "GONE"]},
        "VENDORBOT": {"delayed": false, "dependents": []},
    }});
    world.scripts.insert("service-details", details);
    world
}

fn flag(fake: &Fake, delayed: serde_json::Value) {
    let mut world = fake.world.lock().unwrap();
    world.scripts.get_mut("service-details").unwrap()["services"]["RTCSRV"]["delayed"] = delayed;
}

/// Returns the start type, and what depends on the service and was read with it.
async fn look(fake: &Fake, ask: &Ask) -> (Answer<StartType>, usize) {
    let seen = fake.driver.observe(ask).await;
    let known = seen.services.known().unwrap();
    (known[&name("RTCSRV")].start.clone(), known.len())
}

#[tokio::test]
async fn what_does_not_change_is_not_asked_for_in_every_look() {
    let fake = keeping(world()).await;
    for _ in 0..4 {
        assert_eq!(look(&fake, &services(&["RTCSRV"])).await, (Answer::Known(StartType::DELAYED), 2));
    }
    assert_eq!(fake.runs("service-details"), 1);
    // One that nothing is known of is asked for.
    fake.driver.observe(&services(&["RTCSRV", "RTCCAA"])).await;
    assert_eq!(fake.runs("service-details"), 2);
}

#[tokio::test]
async fn p5_what_is_written_down_to_be_restored_is_read_anew() {
    let fake = keeping(world()).await;
    look(&fake, &services(&["RTCSRV"])).await;
    flag(&fake, json!(false));
    let record = Ask { services: vec![name("RTCSRV")], ..parts(&[Part::Host, Part::Versions]) };
    assert_eq!(look(&fake, &record).await.0, Answer::Known(StartType::AUTOMATIC));
    assert_eq!(
        look(&fake, &services(&["RTCSRV"])).await.0,
        Answer::Known(StartType::AUTOMATIC),
        "and kept from then on"
    );
}

#[tokio::test]
async fn p5_an_act_of_ours_and_another_start_mode_have_them_read_anew() {
    let fake = keeping(world()).await;
    look(&fake, &services(&["RTCSRV"])).await;
    flag(&fake, json!(false));
    let act = Act::SetStartType { service: name("RTCSRV"), to: StartType::MANUAL };
    fake.driver.apply(&act).await;
    assert_eq!(look(&fake, &services(&["RTCSRV"])).await.0, Answer::Known(StartType::AUTOMATIC));
    fake.world.lock().unwrap().services[0] = row("RTCSRV", "Running", "Manual");
    assert_eq!(look(&fake, &services(&["RTCSRV"])).await.0, Answer::Known(StartType::MANUAL));
    flag(&fake, json!(true));
    fake.world.lock().unwrap().services[0] = row("RTCSRV", "Running", "Auto");
    assert_eq!(
        look(&fake, &services(&["RTCSRV"])).await.0,
        Answer::Known(StartType::DELAYED),
        "another hand has set it"
    );
    fake.driver.apply(&Act::Pause { service: name("RTCSRV") }).await;
    let runs = fake.runs("service-details");
    look(&fake, &services(&["RTCSRV"])).await;
    assert_eq!(fake.runs("service-details"), runs, "to pause a service changes nothing of that");
}

#[tokio::test]
async fn p3_what_could_not_be_read_is_asked_for_again() {
    let mut bad = world();
    bad.scripts.insert("service-details", json!({"error": "no such cmdlet"}));
    let fake = keeping(bad).await;
    assert!(look(&fake, &services(&["RTCSRV"])).await.0.why_unknown().is_some());
    fake.world.lock().unwrap().scripts = world().scripts;
    assert_eq!(look(&fake, &services(&["RTCSRV"])).await.0, Answer::Known(StartType::DELAYED));
    let mut one = world();
    one.scripts.insert(
        "service-details",
        json!({"services": {"RTCSRV": {"error": "its registry key cannot be read", "dependents": []}}}),
    );
    let fake = keeping(one).await;
    for times in 1..=2 {
        assert!(look(&fake, &services(&["RTCSRV"])).await.0.why_unknown().is_some());
        assert_eq!(fake.runs("service-details"), times);
    }
}

#[tokio::test]
async fn details_that_are_old_are_asked_for_again() {
    let fake = Fake::start_with(world(), |target| target.limits.details = Duration::from_millis(1)).await;
    for times in 1..=2 {
        look(&fake, &services(&["RTCSRV"])).await;
        assert_eq!(fake.runs("service-details"), times);
        let asked = std::time::Instant::now();
        while asked.elapsed() < Duration::from_millis(2) {
            tokio::task::yield_now().await;
        }
    }
}
