//! Several acts on one server at once.

use super::refusals::{both, manual, park, recovering};
use super::*;
use crate::constants::{IN_FLIGHT, SETTLE_LOOK};

/// fe1 with two paused services, as a server that takes several acts at once.
fn paused(taken: Timestamp) -> PoolObservation {
    let mut seen = both([service(), park()].map(|name| manual(RunState::Paused, name)), taken);
    seen.servers.get_mut(&server(1)).unwrap().together = true;
    seen
}

fn intents(effects: &[Effect]) -> Vec<(IntentId, Act)> {
    let intent = |effect: &Effect| match effect {
        Effect::Act(intent) => Some((intent.id, intent.act.clone())),
        Effect::Record(_) | Effect::Look { .. } | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
    };
    effects.iter().filter_map(intent).collect()
}

/// When the server is looked at or thought of again, if it is.
fn wakes(effects: &[Effect]) -> Vec<Timestamp> {
    let wake = |effect: &Effect| match effect {
        Effect::Wake { at, .. } => Some(*at),
        Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::End(_) | Effect::Broken(_) => None,
    };
    effects.iter().filter_map(wake).collect()
}

fn acted(engine: &mut Engine, intent: IntentId, outcome: ActOutcome) -> Vec<Effect> {
    engine.handle(Input::Acted { intent, outcome }, at(100))
}

#[test]
fn p6_all_of_them_are_intended_before_one_is_answered_and_what_follows_waits_for_all() {
    for (second, rest) in [
        (ActOutcome::Accepted, SETTLE_LOOK),
        (ActOutcome::Failed("access denied".to_owned()), SETTLE_LOOK),
        (ActOutcome::Unknown("no answer".to_owned()), IN_FLIGHT),
    ] {
        let (mut engine, effects) = recovering();
        let effects = answer(&mut engine, &effects, paused(at(100)), at(100));
        let asked = intents(&effects);
        let expected = [service(), park()].map(|service| Act::Continue { service });
        assert_eq!(asked.iter().map(|(_, act)| act.clone()).collect::<Vec<_>>(), expected);
        let told = engine.view(at(100));
        let wait = told.servers[0].wait.as_ref().map(|wait| wait.what.clone());
        assert_eq!(wait.as_deref(), Some("the answer to 2 acts at once, the first of them: continue RTCSRV"));
        // In whatever order the answers come.
        let effects = acted(&mut engine, asked[1].0, second.clone());
        assert!(matches!(&effects[..], [Effect::Record(Record::Outcome { .. })]), "{effects:?}");
        let effects = acted(&mut engine, asked[0].0, ActOutcome::Accepted);
        assert_eq!(wakes(&effects), [at(100) + rest], "{second:?}: {effects:?}");
        assert!(engine.state().open.is_empty());
    }
}

#[test]
fn p2_they_are_asked_for_one_by_one_where_the_last_would_be_begun_on_old_evidence() {
    for (seconds, together, count) in [(20, true, 2), (21, true, 1), (0, false, 1)] {
        let (mut engine, effects) = recovering();
        let now = at(100) + SignedDuration::from_secs(seconds);
        let mut seen = paused(now);
        seen.servers.get_mut(&server(1)).unwrap().together = together;
        let effects = answer(&mut engine, &effects, seen, now);
        assert_eq!(intents(&effects).len(), count, "{seconds} s, {together}");
    }
}

#[test]
fn what_was_refused_before_goes_by_itself() {
    let (mut engine, effects) = recovering();
    let effects = answer(&mut engine, &effects, paused(at(100)), at(100));
    let mut last = Vec::new();
    for (intent, _) in intents(&effects) {
        last = acted(&mut engine, intent, ActOutcome::Unknown("no answer".to_owned()));
    }
    let (effects, now) = wake(&mut engine, &last);
    let mut seen = paused(now);
    let Answer::Known(services) = &mut seen.servers.get_mut(&server(1)).unwrap().services else { panic!("known") };
    services.values_mut().for_each(|status| status.start = Answer::Known(StartType::AUTOMATIC));
    let effects = answer(&mut engine, &effects, seen, now);
    assert_eq!(intents(&effects).len(), 1, "{effects:?}");
}

#[test]
fn p6_a_start_that_finds_several_without_an_outcome_knows_of_none_of_them() {
    let mut records = draining(Attended::No);
    let acts = [Act::Pause { service: service() }, Act::Stop { service: service() }];
    records.extend(acts.into_iter().zip(2..).map(|(act, id)| intended(id, DRAIN, act)[0].clone()));
    let mut engine = after(&records);
    assert_eq!(engine.state().open.len(), 2);
    let effects = engine.handle(resumed(), at(100));
    assert!(engine.state().open.is_empty(), "{effects:?}");
    assert!(wakes(&effects).iter().all(|wake| *wake == at(100) + IN_FLIGHT), "{effects:?}");
    let look = |effect: &Effect| matches!(effect, Effect::Look { look, .. } if look.within.is_none());
    assert!(!effects.iter().any(look), "nothing is asked before that is over: {effects:?}");
}
