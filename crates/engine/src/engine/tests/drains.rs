//! Drains: what happens at their deadlines.

use super::*;

/// A run that drains fe1 under these rules, taken up again at minute 100.
fn drained_by(rules: &serde_json::Value) -> (Engine, Vec<Effect>) {
    let plan = plan_with(|plan| {
        for (key, value) in rules.as_object().unwrap() {
            if key == "unmeasured" {
                plan["change"]["maintenance"][key] = value.clone();
            } else {
                plan["change"]["maintenance"]["drain"][key] = value.clone();
            }
        }
    });
    let mut engine = after_in(plan, &draining(Attended::Yes));
    let effects = engine.handle(resumed(), at(100));
    (engine, effects)
}

/// Answers looks with a paused service and these sessions, ten seconds apart, until something else comes of it.
fn sampled(engine: &mut Engine, effects: &[Effect], sessions: &[Answer<i64>], from: Timestamp) -> Vec<Effect> {
    let (mut now, mut effects) = (from, effects.to_vec());
    for count in sessions {
        if !effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            let (woken, at) = wake(engine, &effects);
            effects = woken;
            // An answer is not older than its question.
            now = now.max(at);
        }
        now += SignedDuration::from_secs(11);
        effects = answer(engine, &effects, fe1(RunState::Paused, count.clone(), now), now);
    }
    effects
}

fn minutes(minutes: i64) -> serde_json::Value {
    serde_json::to_value(SignedDuration::from_mins(minutes)).unwrap()
}

#[test]
fn sessions_that_have_ended_at_the_deadline_are_no_failure() {
    for action in ["hold", "return", "cut"] {
        let (mut engine, effects) = drained_by(&json!({"deadline": minutes(5), "at_deadline": action}));
        let effects = sampled(&mut engine, &effects, &vec![Answer::Known(0); 3], at(200));
        let drain = &engine.state().steps[DRAIN.0 as usize];
        assert!(drain.is_ended(), "{action}: {drain:?} {effects:?}");
    }
}

#[test]
fn p4_sessions_that_are_cut_are_counted_and_then_the_drain_is_over() {
    let (mut engine, effects) = drained_by(&json!({"deadline": minutes(5), "at_deadline": "cut"}));
    sampled(&mut engine, &effects, &vec![Answer::Known(9); 4], at(200));
    assert_eq!(engine.state().work[0].cut.values().sum::<u64>(), 9, "once, not at each sample");
    assert!(engine.state().steps[DRAIN.0 as usize].is_ended() && held(&engine).is_none());
}

#[test]
fn p3_what_is_not_known_is_never_cut() {
    let (mut engine, effects) = drained_by(&json!({"deadline": minutes(5), "at_deadline": "cut"}));
    sampled(&mut engine, &effects, &[Answer::unknown("access denied")], at(200));
    assert!(held(&engine).unwrap().contains("access denied"));
    assert!(engine.state().work[0].cut.is_empty());
}

#[test]
fn a_service_with_a_longer_deadline_of_its_own_has_it_also_when_a_counter_cannot_be_read() {
    let own = json!({service().as_str(): {"deadline": minutes(300), "at_deadline": "return"}});
    for sessions in [Answer::Known(3), Answer::unknown("busy")] {
        let rules = json!({"deadline": minutes(5), "at_deadline": "hold", "per_service": own});
        let (mut engine, effects) = drained_by(&rules);
        let effects = sampled(&mut engine, &effects, &vec![sessions; 2], at(200));
        assert!(held(&engine).is_none() && engine.state().work[0].back.is_none(), "{effects:?}");
    }
}

#[test]
fn a_service_that_time_alone_can_tell_of_has_that_time_whatever_the_deadline() {
    let rules =
        json!({"deadline": minutes(5), "at_deadline": "return", "unmeasured": {service().as_str(): minutes(240)}});
    let (mut engine, effects) = drained_by(&rules);
    let effects = sampled(&mut engine, &effects, &vec![Answer::unknown("no counter"); 3], at(200));
    assert!(engine.state().work[0].back.is_none() && held(&engine).is_none(), "{effects:?}");
    let effects = sampled(&mut engine, &effects, &vec![Answer::unknown("no counter"); 3], at(300));
    assert!(engine.state().steps[DRAIN.0 as usize].is_ended(), "{effects:?}");
}

#[test]
fn p4_a_clock_that_is_set_brings_no_deadline_nearer() {
    let (mut engine, effects) = drained_by(&json!({"deadline": minutes(5), "at_deadline": "cut"}));
    let effects = sampled(&mut engine, &effects, &[Answer::Known(9)], at(100));
    assert!(!effects.is_empty());
    let day = SignedDuration::from_hours(24);
    let later = at(101) + day;
    let effects = engine.handle(Input::ClockMoved { by: day }, later);
    let gap = Effect::Record(Record::Gap { gap: GapKind::ClockAhead, by: day });
    assert!(effects.contains(&gap), "{effects:?}");
    let effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(9), later), later);
    assert!(engine.state().work[0].cut.is_empty() && held(&engine).is_none(), "{effects:?}");
}

#[test]
fn p2_evidence_from_the_future_is_not_fresh() {
    let mut scratch = crate::steps::Scratch { guarded_at: Some(at(60)), ..Default::default() };
    let fresh = |scratch: &crate::steps::Scratch, now| crate::steps::is_fresh_at(scratch, now);
    assert!(fresh(&scratch, at(60)));
    assert!(!fresh(&scratch, at(0)), "the clock went back");
    assert!(!fresh(&scratch, at(61)));
    scratch.guarded_at = None;
    assert!(!fresh(&scratch, at(60)));
}

/// Answers three looks with a paused service without sessions, and this about its draining.
fn without_sessions(rules: &serde_json::Value, state: &Answer<DrainingState>) -> Engine {
    let (mut engine, mut effects) = drained_by(rules);
    let mut now = at(101);
    for _ in 0..3 {
        if !effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            effects = wake(&mut engine, &effects).0;
        }
        now += SignedDuration::from_secs(11);
        let mut seen = fe1(RunState::Paused, Answer::Known(0), now);
        let own = seen.servers.get_mut(&server(1)).unwrap();
        own.sessions.get_mut(&service()).unwrap().draining = Some(state.clone());
        effects = answer(&mut engine, &effects, seen, now);
    }
    engine
}

#[test]
fn p3_p4_sessions_alone_prove_a_drain_only_where_the_plan_says_so_and_the_server_has_no_state() {
    let absent = Answer::Known(DrainingState::Absent("no such counter set".to_owned()));
    let (named, unnamed) = (json!({"by_sessions_alone": [service().as_str()]}), json!({}));
    let ended = |rules: &serde_json::Value, state: &Answer<DrainingState>| {
        without_sessions(rules, state).state().steps[DRAIN.0 as usize].clone()
    };
    let over = ended(&named, &absent);
    let proof = "by their sessions alone, as the plan says, since the server has no draining state: RTCSRV";
    assert!(over.is_ended() && format!("{over:?}").contains(proof), "{over:?}");
    assert!(ended(&unnamed, &Answer::Known(DrainingState::Draining)).is_ended());
    for (rules, state) in [
        (&unnamed, absent),
        (&named, Answer::Known(DrainingState::NotDraining)),
        (&named, Answer::unknown("access denied")),
    ] {
        assert!(!ended(rules, &state).is_ended(), "{rules}: {state:?}");
    }
}

#[test]
fn p4_sessions_of_a_service_that_another_hand_stops_did_not_end_by_themselves() {
    let (mut engine, mut effects) = drained_by(&json!({}));
    let mut now = at(101);
    for (state, left) in [(RunState::Paused, 5), (RunState::Paused, 3), (RunState::Stopped, 0), (RunState::Stopped, 0)]
    {
        if !effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            effects = wake(&mut engine, &effects).0;
        }
        now += SignedDuration::from_secs(11);
        let seen = fe1(state, Answer::Known(left), now);
        effects = answer(&mut engine, &effects, seen, now);
    }
    let ended = &engine.state().work[0].ended_by_stop;
    assert_eq!(ended.get(&service()), Some(&3), "as last counted, and once: {ended:?}");
}

#[test]
fn p4_a_service_that_nothing_counts_and_another_hand_stops_is_told() {
    let (mut engine, mut effects) = drained_by(&json!({"unmeasured": {service().as_str(): "10h"}}));
    let mut now = at(101);
    for state in [RunState::Paused, RunState::Paused, RunState::Stopped, RunState::Stopped] {
        if !effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            let (woken, at) = wake(&mut engine, &effects);
            (effects, now) = (woken, now.max(at));
        }
        now += SignedDuration::from_secs(11);
        let seen = fe1(state, Answer::unknown("nothing counts it"), now);
        effects = answer(&mut engine, &effects, seen, now);
    }
    let work = &engine.state().work[0];
    assert!(work.ended_by_stop.is_empty(), "{:?}", work.ended_by_stop);
    assert!(work.stopped_uncounted.contains(&service()), "{:?}", work.stopped_uncounted);
}
