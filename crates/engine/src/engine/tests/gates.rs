//! What proves that a server is back.

use super::*;
use orchestrate_model::observe::{CentralManagement, Part};

const GATE: StepId = StepId(9);

/// A pool without a fabric whose first server hosts the central management, with that server at its gate.
fn at_the_gate() -> (Engine, Vec<Effect>) {
    let plan = plan_with(|plan| {
        let pool = &mut plan["change"]["pools"][0];
        pool["role"] = json!("mediation");
        pool["servers"][0]["hosts"] = json!(["central-management"]);
    });
    let mut records = draining(Attended::Yes);
    records.pop();
    records.extend((3..9).flat_map(done));
    records.push(Record::StepStarted { step: GATE });
    let mut engine = after_in(plan, &records);
    let effects = engine.handle(resumed(), at(60));
    (engine, effects)
}

/// fe1 as it was recorded, and what fe2 says of the central management.
fn back(central: Answer<CentralManagement>, now: Timestamp) -> PoolObservation {
    let mut seen = fe1(RunState::Running, Answer::Known(0), now);
    let Answer::Known(services) = &mut seen.servers.get_mut(&server(1)).unwrap().services else { panic!("known") };
    services.get_mut(&service()).unwrap().start = Answer::Known(StartType::AUTOMATIC);
    let mut other = ServerObservation::unknown(server(2), now, "not asked");
    other.lease = Answer::Known(LeaseState::Free);
    other.replication = Answer::Known((1..=3).map(|number| (server(number), true)).collect());
    other.central_management = central;
    seen.servers.insert(server(2), other);
    seen
}

fn active(name: &str) -> Answer<CentralManagement> {
    Answer::Known(CentralManagement { active: Some(name.to_owned()) })
}

#[test]
fn p8_a_server_is_not_back_before_the_central_management_is_active_where_it_was() {
    let (mut engine, mut effects) = at_the_gate();
    let asked = &look_in(&effects).1.servers;
    assert!(asked[&server(2)].wants(Part::CentralManagement), "another server is asked: {asked:?}");
    assert!(!asked[&server(1)].wants(Part::CentralManagement));
    let mut now = at(60);
    for (said, next, why) in [
        (active("fe3.contoso.example"), 3, "fe2 says that the central management is active on fe3, the plan says fe1"),
        (Answer::unknown("access denied"), 2, "is active, the plan says fe1: fe2: access denied"),
    ] {
        effects = answer(&mut engine, &effects, back(said, now), now);
        let wait = engine.view(now).servers[0].wait.clone().unwrap_or_else(|| panic!("not waited for: {effects:?}"));
        assert!(wait.why.contains(why), "{wait:?}");
        (effects, now) = wake(&mut engine, &effects);
        // Each failed look is followed by one at another server.
        assert!(look_in(&effects).1.servers[&server(next)].wants(Part::CentralManagement), "{effects:?}");
    }
    let effects = answer(&mut engine, &effects, back(active("pool01.contoso.example"), now), now);
    let done = effects.iter().find_map(|effect| match effect {
        Effect::Record(Record::StepDone { step: GATE, proof, .. }) => Some(proof.clone()),
        Effect::Record(_) | Effect::Act(_) | Effect::Look { .. } | Effect::Wake { .. } => None,
        Effect::End(_) | Effect::Broken(_) => None,
    });
    assert!(done.unwrap().ends_with("the central management is active where it was"), "{effects:?}");
}

#[test]
fn p8_a_server_is_held_when_the_central_management_stays_where_it_went() {
    let (mut engine, mut effects) = at_the_gate();
    let mut now = at(60);
    for _ in 0..1_000 {
        effects = answer(&mut engine, &effects, back(active("fe3"), now), now);
        if let Some(reason) = held(&engine) {
            assert!(reason.contains("active on fe3, the plan says fe1"), "{reason}");
            return;
        }
        (effects, now) = wake(&mut engine, &effects);
    }
    panic!("it was never held");
}

#[test]
fn p4_a_restart_at_the_gate_is_told_once_and_what_it_ended_is_not_known() {
    let (mut engine, effects) = at_the_gate();
    let seen = |now: Timestamp| {
        let mut seen = back(Answer::unknown("access denied"), now);
        let own = seen.servers.get_mut(&server(1)).unwrap();
        own.host = Answer::Known(HostFacts { booted: at(61), local_time: now, system: String::new() });
        seen
    };
    let told = |effects: &[Effect]| {
        let is_told = |effect: &&Effect| matches!(effect, Effect::Record(Record::Rebooted { .. }));
        effects.iter().filter(is_told).count()
    };
    let mut now = at(62);
    let mut effects = answer(&mut engine, &effects, seen(now), now);
    assert_eq!(told(&effects), 1, "{effects:?}");
    // The look is taken again at once, and from then on at the pace of the gate.
    for _ in 0..3 {
        if effects.iter().any(|effect| matches!(effect, Effect::Wake { .. })) {
            (effects, now) = wake(&mut engine, &effects);
        }
        effects = answer(&mut engine, &effects, seen(now), now);
        assert_eq!(told(&effects), 0, "{effects:?}");
    }
    assert!(engine.state().work[0].has(crate::state::Mark::UncountedRestart));
}

#[test]
fn p8_what_another_hand_changes_again_is_brought_back_again_and_the_third_time_is_a_hold() {
    for mended in 0..3 {
        let (mut engine, effects) = at_the_gate();
        engine.state.work[0].mended = mended;
        let mut seen = back(active("pool01.contoso.example"), at(60));
        let Answer::Known(services) = &mut seen.servers.get_mut(&server(1)).unwrap().services else { panic!("known") };
        services.get_mut(&service()).unwrap().state = Answer::Known(RunState::Paused);
        let effects = answer(&mut engine, &effects, seen, at(60));
        let again = effects.iter().any(|effect| matches!(effect, Effect::Record(Record::Reopened { .. })));
        let reason = held(&engine).unwrap_or_default();
        assert_eq!(
            (again, reason.contains("brought back 2 times before")),
            (mended < 2, mended == 2),
            "{reason}: {effects:?}"
        );
    }
}

/// A front end that is back, in its gate or in its soak, of which another one says that too few are active.
fn too_few_active(now: Timestamp) -> PoolObservation {
    use orchestrate_model::observe::{Readiness, ReadinessState};
    let mut seen = back(Answer::not_asked(), now);
    let state = ReadinessState::InsufficientActiveFrontEnds;
    let word = Readiness { state, active: Some(2), total: Some(3), domains: vec![] };
    seen.servers.get_mut(&server(2)).unwrap().readiness = Answer::Known(word);
    seen
}

#[test]
fn p8_a_server_that_is_as_recorded_is_not_held_for_what_the_product_says_of_others() {
    for step in [GATE, StepId(10)] {
        let mut records = draining(Attended::Yes);
        records.pop();
        records.extend((3..step.0).flat_map(done));
        records.push(Record::StepStarted { step });
        let mut engine = after(&records);
        let mut effects = engine.handle(resumed(), at(60));
        let mut now = at(60);
        let mut looks = 0;
        while engine.state().work[0].end.is_none() && engine.state().work[0].held.is_none() && looks < 2_000 {
            looks += 1;
            if effects.iter().any(|effect| matches!(effect, Effect::Look { look, .. } if look.within.is_none())) {
                effects = answer(&mut engine, &effects, too_few_active(now), now);
            } else {
                (effects, now) = wake(&mut engine, &effects);
            }
        }
        let held = held(&engine);
        assert!(looks > 60, "step {}: it has its time: {held:?}", step.0);
        let left_over =
            engine.state().work[0].left_over.iter().any(|text| text.contains("too few front ends are active"));
        // A gate proves that the server is back, so it needs a person in the end; a soak only watches.
        assert_eq!((held.is_some(), left_over), (step == GATE, step != GATE), "step {}: {held:?}", step.0);
        if step != GATE {
            assert_eq!(engine.state().work[0].end, Some(ServerEnd::Finished));
        }
    }
}
