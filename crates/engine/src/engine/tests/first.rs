//! A server that goes first in its pool.

use super::*;

/// The first of three goes first, and this comes then.
fn plan_first(then: serde_json::Value) -> Arc<Plan> {
    plan_with(|plan| plan["change"]["pools"][0]["first"] = json!({"server": server(1), "then": then}))
}

fn ended(end: ServerEnd) -> Record {
    Record::ServerEnded { work: FE1, end }
}

/// A start of the run in which its first server has ended so, and what the run does then.
fn behind(then: serde_json::Value, end: ServerEnd, attended: Attended) -> (Engine, Vec<Effect>) {
    let mut records = vec![begun(attended)];
    records.push(Record::StepStarted { step: StepId(0) });
    records.push(ended(end));
    let mut engine = after_in(plan_first(then), &records);
    let by = actor();
    let effects = engine.handle(Input::Begin(Start::Resume { by, attended }), at(1));
    (engine, effects)
}

fn stop(engine: &Engine) -> Option<&str> {
    engine.state().stop.as_ref().map(crate::record::StopWhy::text)
}

#[test]
fn others_do_not_follow_a_first_server_without_a_word_of_a_person() {
    let (engine, _) = behind(json!("ask"), ServerEnd::Finished, Attended::No);
    let why = stop(&engine).unwrap();
    assert!(why.contains("whether the others follow is for a person to say"), "{why}");
    assert!(engine.state().work[1].started.is_none());
    // Who takes it up attended has said so.
    let (engine, _) = behind(json!("ask"), ServerEnd::Finished, Attended::Yes);
    assert_eq!(stop(&engine), None);
    assert!(engine.state().work[1].started.is_some());
    let (engine, _) = behind(json!("usual"), ServerEnd::Finished, Attended::No);
    assert_eq!(stop(&engine), None);
}

#[test]
fn a_run_stops_behind_a_first_server_that_is_not_done_although_more_may_fail() {
    // The plan of these tests stops at three.
    let mut records = vec![begun(Attended::No), Record::StepStarted { step: StepId(0) }];
    records.push(ended(ServerEnd::Untouched { why: Why { kind: WhyKind::Failed, text: "no quorum".to_owned() } }));
    let mut engine = after_in(plan_first(json!("usual")), &records);
    let effects = engine.handle(Input::ClockMoved { by: SignedDuration::from_secs(20) }, at(1));
    assert!(stop(&engine).is_some_and(|why| why.contains("goes first") && why.contains("is not done")), "{effects:?}");
    assert!(engine.state().work[1].started.is_none());
    let mut engine = after_in(plan(), &records);
    engine.handle(Input::ClockMoved { by: SignedDuration::from_secs(20) }, at(1));
    assert_eq!(stop(&engine), None, "without the word every server counts alike");
}

#[test]
fn a_stop_behind_the_first_server_leaves_it_done() {
    let soak = StepId(u32::try_from(KINDS.len() - 1).unwrap());
    for (choice, stops) in [(HoldChoice::Confirm, false), (HoldChoice::Stop, true)] {
        let mut records = failed(Attended::Yes);
        records.clear();
        records.push(begun(Attended::Yes));
        for step in 0..=soak.0 {
            records.push(Record::StepStarted { step: StepId(step) });
            if step < soak.0 {
                records.push(Record::StepDone {
                    step: StepId(step),
                    how: crate::record::StepEnd::Done,
                    proof: String::new(),
                });
            }
            if step == 1 {
                records.push(recorded());
            }
        }
        records.push(Record::Held {
            work: FE1,
            step: soak,
            cause: HoldCause::FirstDone,
            reason: "fe1 is done".to_owned(),
            choices: vec![HoldChoice::Confirm, HoldChoice::Stop],
        });
        let mut engine = after_in(plan_first(json!("ask")), &records);
        let command = Command::Decide {
            server: server(1),
            choice,
            since: None,
            by: "ann".to_owned(),
            terms: orchestrate_model::hold::Terms::default(),
        };
        let effects = said(&mut engine, command);
        assert_eq!(engine.state().work[0].end, Some(ServerEnd::Finished), "{effects:?}");
        assert_eq!(stop(&engine).is_some(), stops, "{effects:?}");
        assert_eq!(engine.state().work[1].started.is_some(), !stops, "{effects:?}");
    }
}
