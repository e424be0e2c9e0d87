//! Stops: nothing new is begun, and whatever only a person can undo waits for the person.

use super::*;

#[test]
fn p9_a_stop_that_comes_while_a_look_is_on_its_way_comes_before_the_act() {
    let mut records = draining(Attended::Yes);
    records.push(Record::StepDone { step: DRAIN, how: StepEnd::Done, proof: String::new() });
    records.extend(done(4));
    let mut engine = after(&records);
    let effects = engine.handle(resumed(), at(60));
    said(&mut engine, Command::Stop { by: "ann".to_owned() });
    let mut seen = fe1(RunState::Stopped, Answer::Known(0), at(60));
    seen.servers.get_mut(&server(1)).unwrap().installer =
        Answer::Known(orchestrate_model::observe::InstallerState::NotStarted);
    let effects = answer(&mut engine, &effects, seen, at(60));
    let installs = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Act(intent) if matches!(intent.act, Act::StartInstaller(_))));
    assert_eq!(installs.count(), 0, "{effects:?}");
    assert!(engine.state().work[0].back.is_some(), "the server goes back");
}

#[test]
fn a_second_stop_ends_the_work_on_a_server_that_nothing_was_done_to_and_on_no_other() {
    let stopped = |records: &[Record]| {
        let mut engine = after(records);
        engine.handle(resumed(), at(60));
        let effects = said(&mut engine, Command::StopNow { by: "ann".to_owned() });
        assert!(ends_with(&effects, RunOutcome::Interrupted), "{effects:?}");
        engine.state().work[0].end.clone()
    };
    let records = draining(Attended::Yes);
    assert_eq!(stopped(&records), None, "it is out, and a recovery brings it back");
    // Only its lease was taken: whoever works on the pool next does not wait for that.
    let end = stopped(&records[..7]);
    assert!(matches!(end, Some(ServerEnd::Untouched { .. })), "{end:?}");
}

#[test]
fn a_recovery_that_brings_a_finished_server_back_once_more_leaves_it_finished() {
    let mut records = draining(Attended::Yes);
    records.push(Record::StepDone { step: DRAIN, how: StepEnd::Done, proof: String::new() });
    records.extend((4..11).flat_map(done));
    records.push(Record::ServerEnded { work: FE1, end: ServerEnd::Finished });
    records.push(Record::Swept { work: FE1, differences: vec!["APPSRV is paused".to_owned()], unseen: false });
    records.push(Record::RunEnded { outcome: RunOutcome::StoppedByPolicy });
    let mut engine = after(&records);
    let effects = engine.handle(recovery(), at(900));
    let work = &engine.state().work[0];
    assert!(work.end.is_none() && work.back.is_some(), "{work:?}");
    let effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(0), at(900)), at(900));
    assert_eq!(acts(&effects), 1, "{effects:?}");
    records.push(Record::Resumed { by: actor(), recover: true, attended: Attended::No });
    records.push(Record::TurnedBack { work: FE1, why: why("recover") });
    records.extend([8, 9].into_iter().flat_map(done));
    let mut engine = after(&records);
    said(&mut engine, Command::Hold { server: Some(server(2)), by: "ann".to_owned() });
    let end = engine.state().work[0].end.clone();
    assert_eq!(end, Some(ServerEnd::Finished));
}

/// The plan, with a balancer that a person works.
fn by_hand() -> Arc<Plan> {
    plan_with(|plan| {
        plan["change"]["pools"][0]["load_balancing"]["balancer"] = json!("operator");
        let steps = plan["steps"].as_array_mut().unwrap();
        for step in steps {
            let kind = match step["kind"].as_str().unwrap() {
                "stop" => "balancer-out",
                "verify" => "balancer-in",
                other => other,
            };
            step["kind"] = json!(kind.to_owned());
        }
    })
}

const OUT: StepId = StepId(4);
const IN: StepId = StepId(7);

fn held_in(step: StepId) -> Record {
    let choices = vec![HoldChoice::Retry, HoldChoice::Skip, HoldChoice::Abandon, HoldChoice::Stop];
    Record::Held {
        work: FE1,
        step,
        cause: HoldCause::BalancerByHand,
        reason: "a person works the balancer".to_owned(),
        choices,
    }
}

fn skipped() -> Record {
    Record::Decided { work: FE1, choice: HoldChoice::Skip, by: "ann".to_owned(), terms: Terms::default() }
}

#[test]
fn p8_a_server_that_a_person_took_out_of_the_balancer_is_not_forgotten() {
    let mut records = vec![begun(Attended::Yes)];
    records.extend(done(0));
    records.push(Record::StepStarted { step: OUT });
    records.extend([held_in(OUT), skipped()]);
    records.push(Record::StepDone { step: OUT, how: StepEnd::Skipped, proof: String::new() });
    let mut engine = after_in(by_hand(), &records);
    assert!(engine.state().work[0].is_out(), "it counts as out, though nothing was changed on it");
    let effects = engine.handle(resumed(), at(50));
    said(&mut engine, Command::Stop { by: "ann".to_owned() });
    answer(&mut engine, &effects, fe1(RunState::Running, Answer::Known(3), at(50)), at(50));
    let work = &engine.state().work[0];
    assert!(work.back.is_some() && work.end.is_none(), "it goes back by way of the balancer: {work:?}");
}

#[test]
fn p8_a_stop_waits_for_the_person_who_puts_the_server_back_into_the_balancer() {
    let mut records = draining(Attended::Yes);
    records.push(Record::TurnedBack { work: FE1, why: why("asked") });
    records.push(Record::StepStarted { step: IN });
    records.push(held_in(IN));
    for attended in [Attended::Yes, Attended::No] {
        let mut engine = after_in(by_hand(), &records);
        let again = Input::Begin(Start::Recover { by: actor(), attended });
        engine.handle(again, at(60));
        let mut records = records.clone();
        records.push(Record::Resumed { by: actor(), recover: true, attended });
        records.push(held_in(IN));
        let mut engine = after_in(by_hand(), &records);
        said(&mut engine, Command::Stop { by: "ann".to_owned() });
        let waits = engine.state().work[0].end.is_none();
        assert_eq!(waits, attended == Attended::Yes, "{:?}", engine.state().work[0]);
    }
}

#[test]
fn p9_a_server_that_is_given_up_for_the_window_stops_the_run_for_this_night() {
    let plan = plan_with(|plan| {
        plan["change"]["windows"] = json!([{
            "every": {"once": "2026-11-28"}, "start": "20:00:00", "duration": "PT3H", "timezone": "UTC",
        }]);
    });
    let mut engine = after_in(plan, &draining(Attended::Yes));
    engine.handle(resumed(), at(60 * 24 * 30));
    assert!(matches!(engine.state().stop, Some(StopWhy::Window(_))), "{:?}", engine.state().stop);
    assert!(matches!(&engine.state().work[0].back, Some(why) if why.kind == WhyKind::Window));
}

#[test]
fn a_hold_that_is_asked_for_on_the_way_back_is_answered_and_not_remembered() {
    let mut records = draining(Attended::Yes);
    records.push(Record::TurnedBack { work: FE1, why: why("asked") });
    let mut engine = after(&records);
    engine.handle(resumed(), at(60));
    let effects = said(&mut engine, Command::Hold { server: Some(server(1)), by: "ann".to_owned() });
    assert!(engine.to_hold.is_empty());
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Record(Record::Note { .. }))), "{effects:?}");
}

#[test]
fn p8_an_unattended_run_chooses_by_why_a_server_is_held() {
    let chosen = |on_hold: serde_json::Value| {
        let plan = plan_with(|plan| plan["change"]["maintenance"]["on_hold"] = on_hold);
        let mut engine = after_in(plan, &failed(Attended::No));
        let effects = engine.handle(Input::Begin(Start::Resume { by: actor(), attended: Attended::No }), at(100));
        answer(&mut engine, &effects, fe1(RunState::Stopped, Answer::Known(0), at(100)), at(100));
        engine.state().work[0].clone()
    };
    let back = chosen(json!({"by_cause": {"installer_failed": "return"}, "otherwise": "stop"}));
    let why = back.back.as_ref().or(match &back.end {
        Some(ServerEnd::Returned { why }) => Some(why),
        Some(_) | None => None,
    });
    assert!(why.is_some_and(|why| why.text.contains("the plan chose return")), "{back:?}");
    let other = chosen(json!({"by_cause": {"drain_deadline": "return"}, "otherwise": "abandon"}));
    assert!(
        matches!(other.end, Some(ServerEnd::Out { .. })),
        "the installer failed, and no session was left: {other:?}"
    );
}

#[test]
fn a_hold_of_an_earlier_version_reads_without_its_cause() {
    let held = failed(Attended::No).pop().unwrap();
    let mut written = serde_json::to_value(&held).unwrap();
    assert!(written.as_object_mut().unwrap().remove("cause").is_some(), "{written}");
    let read: Record = serde_json::from_value(written).unwrap();
    assert!(matches!(read, Record::Held { cause: HoldCause::StepFailed, .. }), "{read:?}");
}
