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
    let effects = sampled(&mut engine, &effects, &vec![Answer::unknown(NO_COUNTER); 3], at(200));
    assert!(engine.state().work[0].back.is_none() && held(&engine).is_none(), "{effects:?}");
    let effects = sampled(&mut engine, &effects, &vec![Answer::unknown(NO_COUNTER); 3], at(300));
    assert!(engine.state().steps[DRAIN.0 as usize].is_ended(), "{effects:?}");
}

#[test]
fn p3_p4_what_could_not_be_read_is_not_waited_for_by_time() {
    let rules = |deadline, action: &str| json!({"deadline": minutes(deadline), "at_deadline": action, "unmeasured": {service().as_str(): minutes(1)}});
    let (mut engine, effects) = drained_by(&rules(5, "cut"));
    sampled(&mut engine, &effects, &vec![Answer::unknown("access denied"); 3], at(400));
    assert!(held(&engine).is_some_and(|held| held.contains("access denied")), "{:?}", held(&engine));
    assert!(engine.state().work[0].cut.is_empty());
    // A counter that was read and is lost is no counter that was never there.
    let (mut engine, effects) = drained_by(&rules(3000, "hold"));
    let lost =
        [Answer::Known(9), Answer::unknown(NO_COUNTER), Answer::unknown(NO_COUNTER), Answer::unknown(NO_COUNTER)];
    sampled(&mut engine, &effects, &lost, at(400));
    assert!(!engine.state().steps[DRAIN.0 as usize].is_ended());
    let waits = engine.view(at(500)).servers[0].wait.clone().expect("it waits").why;
    assert!(waits.contains("it had 9 when its sessions were last counted"), "{waits}");
    // To try again forgets much, and not that.
    let (mut engine, effects) = drained_by(&rules(5, "hold"));
    sampled(&mut engine, &effects, &[Answer::Known(9)], at(400));
    assert!(held(&engine).is_some());
    let effects = decides(&mut engine, HoldChoice::Retry, Terms::default(), at(401));
    sampled(&mut engine, &effects, &vec![Answer::unknown(NO_COUNTER); 5], at(402));
    assert!(!engine.state().steps[DRAIN.0 as usize].is_ended(), "nine people may be there");
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
        let seen = fe1(state, Answer::unknown(NO_COUNTER), now);
        effects = answer(&mut engine, &effects, seen, now);
    }
    let work = &engine.state().work[0];
    assert!(work.ended_by_stop.is_empty(), "{:?}", work.ended_by_stop);
    assert!(work.stopped_uncounted.contains(&service()), "{:?}", work.stopped_uncounted);
}

/// A run that holds fe1 at the deadline of its drain with these sessions, and the looks that follow.
fn held_at_deadline(action: &str, sessions: i64) -> (Engine, Vec<Effect>) {
    let (mut engine, effects) = drained_by(&json!({"deadline": minutes(5), "at_deadline": action}));
    let effects = sampled(&mut engine, &effects, &[Answer::Known(sessions)], at(200));
    (engine, effects)
}

fn choices(engine: &Engine) -> Vec<HoldChoice> {
    engine.state().work[0].held.as_ref().map(|hold| hold.choices.clone()).unwrap_or_default()
}

fn decides(engine: &mut Engine, choice: HoldChoice, terms: Terms, now: Timestamp) -> Vec<Effect> {
    let command = Command::Decide { server: server(1), choice, since: None, by: "ann".to_owned(), terms };
    engine.handle(Input::Operator(command), now)
}

fn last_note(effects: &[Effect]) -> String {
    let mut notes = effects.iter().filter_map(|effect| match effect {
        Effect::Record(Record::Note { text, .. }) => Some(text.clone()),
        Effect::Record(_)
        | Effect::Act(_)
        | Effect::Look { .. }
        | Effect::Wake { .. }
        | Effect::End(_)
        | Effect::Broken(_) => None,
    });
    notes.next_back().unwrap_or_default()
}

#[test]
fn a_drain_is_given_more_time_from_the_decision_on_and_held_again_at_its_end() {
    let (mut engine, _) = held_at_deadline("hold", 4);
    use HoldChoice::{Abandon, Cut, Extend, Retry, Return, Stop};
    assert_eq!(choices(&engine), [Retry, Extend, Return, Abandon, Stop], "p4: the plan lets no person cut");
    for (more, said) in [(None, "does not say by how much"), (Some(0), "up to 24h"), (Some(10_000), "up to 24h")] {
        let terms = Terms { more: more.map(SignedDuration::from_mins), ..Terms::default() };
        let effects = decides(&mut engine, Extend, terms, at(210));
        assert!(held(&engine).is_some() && last_note(&effects).contains(said), "{effects:?}");
    }
    let cut = Terms { sessions: Some(4), ..Terms::default() };
    let effects = decides(&mut engine, Cut, cut, at(210));
    assert!(last_note(&effects).contains("no choice it has now"), "{effects:?}");
    let why = Some("the call ends at nine".to_owned());
    let terms = Terms { more: Some(SignedDuration::from_mins(15)), why, ..Terms::default() };
    let effects = decides(&mut engine, Extend, terms.clone(), at(210));
    let decided = Record::Decided { work: FE1, choice: Extend, by: "ann".to_owned(), terms };
    assert!(effects.contains(&Effect::Record(decided)), "with who and why: {effects:?}");
    let effects = sampled(&mut engine, &effects, &[Answer::Known(3)], at(211));
    let until = engine.view(at(212)).servers[0].wait.as_ref().unwrap().until;
    assert_eq!((held(&engine), until), (None, Some(at(225))));
    sampled(&mut engine, &effects, &[Answer::Known(2)], at(226));
    assert!(held(&engine).is_some_and(|reason| reason.contains("RTCSRV 2")), "it has what was given, and no more");
}

#[test]
fn p4_a_person_cuts_what_they_have_counted_where_the_plan_says_so_and_nothing_else() {
    let (mut engine, effects) = held_at_deadline("ask", 4);
    assert!(choices(&engine).contains(&HoldChoice::Cut));
    let typed = |sessions| Terms { sessions, ..Terms::default() };
    for (sessions, said) in [(None, "does not say how many"), (Some(3), "3 were to be cut, and 4 are left")] {
        let effects = decides(&mut engine, HoldChoice::Cut, typed(sessions), at(208));
        assert!(last_note(&effects).contains(said) && last_note(&effects).contains("Nothing was changed"));
    }
    assert!(held(&engine).is_some() && engine.state().work[0].cut.is_empty());
    // One that was counted as ended goes on: nobody has said that it may be cut.
    answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(3), at(209)), at(209));
    let effects = decides(&mut engine, HoldChoice::Cut, typed(Some(3)), at(210));
    sampled(&mut engine, &effects, &[Answer::Known(4)], at(211));
    assert!(held(&engine).is_some_and(|reason| reason.contains("nothing was cut")), "{:?}", held(&engine));
    let effects = decides(&mut engine, HoldChoice::Cut, typed(Some(4)), at(212));
    sampled(&mut engine, &effects, &[Answer::unknown("no answer")], at(213));
    assert!(held(&engine).is_some(), "p3: what is not known is not cut");
    assert!(!choices(&engine).contains(&HoldChoice::Cut), "nor offered: {:?}", choices(&engine));
}

#[test]
fn p4_what_a_person_has_cut_is_counted_and_the_drain_is_over() {
    let (mut engine, _) = held_at_deadline("ask", 4);
    let effects = decides(&mut engine, HoldChoice::Cut, Terms { sessions: Some(4), ..Terms::default() }, at(210));
    // One has ended by itself meanwhile: it is not cut.
    sampled(&mut engine, &effects, &vec![Answer::Known(3); 4], at(211));
    assert_eq!(engine.state().work[0].cut.values().sum::<u64>(), 3);
    assert!(engine.state().steps[DRAIN.0 as usize].is_ended() && held(&engine).is_none());
}

#[test]
fn the_sessions_of_a_server_that_is_held_in_its_drain_are_counted_on() {
    let (mut engine, effects) = held_at_deadline("hold", 4);
    let effects = answer(&mut engine, &effects, fe1(RunState::Paused, Answer::Known(2), at(205)), at(205));
    assert_eq!(engine.view(at(205)).servers[0].sessions_left, Some(Answer::Known(2)), "{effects:?}");
    assert!(held(&engine).is_some());
}

#[test]
fn p5_a_service_that_was_manual_and_is_made_automatic_while_it_is_blocked_is_set_to_manual() {
    let mut records = draining(Attended::Yes);
    for record in &mut records {
        if let Record::Snapshot { snapshot, .. } = record {
            snapshot.services.get_mut(&service()).unwrap().start = StartType::MANUAL;
        }
    }
    let mut engine = after(&records);
    let effects = engine.handle(resumed(), at(100));
    let mut seen = fe1(RunState::Paused, Answer::Known(3), at(101));
    let mut status = seen.servers[&server(1)].service(&service()).unwrap().clone();
    status.start = Answer::Known(StartType { mode: StartMode::Automatic, delayed: false });
    seen.servers.get_mut(&server(1)).unwrap().services = Answer::Known(BTreeMap::from([(service(), status)]));
    let effects = answer(&mut engine, &effects, seen, at(101));
    let wanted = Act::SetStartType { service: service(), to: StartType::MANUAL };
    assert_eq!(refusals::act_in(&effects).1, wanted, "a restart would let people onto it");
    assert_eq!(engine.state().work[0].start_types_undone, 1, "another hand did it, and that is told");
}
