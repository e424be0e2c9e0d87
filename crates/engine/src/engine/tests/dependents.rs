//! Services that depend on others: how they are drained, and in which order they come back.

use super::*;

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

/// fe1 blocks these services, and each was recorded running with what depends on it; its drain is in hand.
fn draining_with(services: &[(&str, &[&str])], block: &[&str]) -> Engine {
    draining_in(services, block, |_| {})
}

/// The same in another plan.
fn draining_in(services: &[(&str, &[&str])], block: &[&str], change: impl FnOnce(&mut serde_json::Value)) -> Engine {
    let plan = plan_with(|plan| {
        plan["work"][0]["block"] = json!(block);
        change(plan);
    });
    let start = StartType { mode: StartMode::Automatic, delayed: false };
    let recorded = services.iter().map(|(service, dependents)| {
        let dependents = dependents.iter().map(|text| name(text)).collect();
        (name(service), RecordedService { state: RunState::Running, start, dependents })
    });
    let recorded: BTreeMap<_, _> = recorded.collect();
    let mut records = draining(Attended::Yes);
    for record in &mut records {
        if let Record::Snapshot { snapshot, .. } = record {
            snapshot.services = recorded.clone();
        }
    }
    after_in(plan, &records)
}

/// fe1 with all these services in this state; those with a count have a measure.
fn seen_as(services: &[(&str, Option<i64>)], state: RunState, taken: Timestamp) -> PoolObservation {
    let mut seen = fe1(state, Answer::Known(0), taken);
    let fe1 = seen.servers.get_mut(&server(1)).unwrap();
    let Answer::Known(map) = &mut fe1.services else { panic!("known") };
    let status = map[&service()].clone();
    map.clear();
    fe1.sessions.clear();
    for (text, count) in services {
        map.insert(name(text), ServiceStatus { name: name(text), ..status.clone() });
        let measure = |value| Measure::new("sessions".to_owned(), Answer::Known(value));
        let measures = count.map(measure).into_iter().collect();
        fe1.sessions.insert(name(text), SessionReading { measures, draining: None });
    }
    seen
}

#[test]
fn a_supporting_service_that_depends_on_a_blocked_one_is_not_waited_for() {
    for (dependent, ends) in [("REPLICA", true), ("VENDORBOT", false)] {
        let services = [("RTCSRV", &[dependent] as &[&str]), (dependent, &[])];
        let mut engine = draining_with(&services, &["RTCSRV", dependent]);
        let mut effects = engine.handle(resumed(), at(100));
        let mut now = at(200);
        for _ in 0..3 {
            if !effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
                effects = wake(&mut engine, &effects).0;
            }
            now += SignedDuration::from_secs(11);
            let seen = seen_as(&[("RTCSRV", Some(0)), (dependent, None)], RunState::Paused, now);
            effects = answer(&mut engine, &effects, seen, now);
        }
        assert_eq!(engine.state().steps[DRAIN.0 as usize].is_ended(), ends, "p3: {dependent} {effects:?}");
    }
}

/// RTCMRAUTH has no sessions that last, and a counter: who chooses it waits for that.
#[test]
fn a_supporting_service_that_is_chosen_is_waited_for_by_its_counter_if_it_has_one() {
    for (chosen, ends) in [("REPLICA", true), ("RTCMRAUTH", false)] {
        let services = [(chosen, &[] as &[&str])];
        let mut engine = draining_in(&services, &[chosen], |plan| {
            plan["change"]["maintenance"]["scope"] = json!({"services": [chosen]});
        });
        let mut effects = engine.handle(resumed(), at(100));
        let mut now = at(200);
        for _ in 0..3 {
            if !effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
                effects = wake(&mut engine, &effects).0;
            }
            now += SignedDuration::from_secs(11);
            let seen = seen_as(&[(chosen, None)], RunState::Paused, now);
            effects = answer(&mut engine, &effects, seen, now);
        }
        assert_eq!(engine.state().steps[DRAIN.0 as usize].is_ended(), ends, "p3: {chosen} {effects:?}");
    }
}

#[test]
fn services_come_back_after_what_they_depend_on_and_otherwise_as_they_were_blocked() {
    let services: [(&str, &[&str]); 5] =
        [("APPBOT", &[]), ("RTCATS", &[]), ("RTCCAA", &[]), ("RTCCAS", &["RTCCAA"]), ("RTCSRV", &["APPBOT", "RTCATS"])];
    let mut engine = draining_with(&services, &["RTCSRV", "RTCCAA", "RTCCAS", "RTCATS"]);
    let mut effects = engine.handle(resumed(), at(100));
    effects.extend(said(&mut engine, Command::Stop { by: "ann".to_owned() }));
    let mut started = Vec::new();
    let mut now = at(101);
    let stopped: Vec<(&str, Option<i64>)> = services.iter().map(|(service, _)| (*service, Some(0))).collect();
    while started.len() < services.len() {
        let intents: Vec<Intent> = effects
            .iter()
            .filter_map(|effect| if let Effect::Act(intent) = effect { Some(intent.clone()) } else { None })
            .collect();
        now += SignedDuration::from_secs(1);
        match intents.last() {
            Some(intent) => {
                let Act::Start { service } = &intent.act else { panic!("{intent:?}") };
                started.push(service.to_string());
                let outcome = ActOutcome::Accepted;
                effects = engine.handle(Input::Acted { intent: intent.id, outcome }, now);
            }
            None => effects = answer(&mut engine, &effects, seen_as(&stopped, RunState::Stopped, now), now),
        }
    }
    assert_eq!(started, ["RTCSRV", "RTCCAS", "RTCCAA", "RTCATS", "APPBOT"]);
}
