//! What is refused: for a time, for good, and on the way back.
#![expect(clippy::wildcard_enum_match_arm, reason = "an act that a test does not expect fails it")]

use super::watch::balanced;
use super::*;
use crate::state::StepState;
use crate::view::Phase;
use orchestrate_model::change::RestartPolicy;
use orchestrate_model::observe::{BalancerPlace, BalancerState};
use orchestrate_planner::StepKind;

const BLOCK: StepId = StepId(2);

pub(super) fn park() -> ServiceName {
    ServiceName::new("RTCCPS").unwrap()
}

pub(super) fn manual(state: RunState, name: ServiceName) -> ServiceStatus {
    ServiceStatus {
        name,
        display_name: String::new(),
        state: Answer::Known(state),
        start: Answer::Known(StartType::MANUAL),
        accepts_pause: true,
        dependents: Answer::Known(vec![]),
    }
}

/// fe1 with its two services.
pub(super) fn both(services: [ServiceStatus; 2], taken: Timestamp) -> PoolObservation {
    let mut seen = fe1(RunState::Paused, Answer::Known(0), taken);
    let own = seen.servers.get_mut(&server(1)).unwrap();
    own.services = Answer::Known(services.into_iter().map(|status| (status.name.clone(), status)).collect());
    seen
}

/// A recovery of fe1, which has two services that are paused and Manual, right after its first look was asked for.
pub(super) fn recovering() -> (Engine, Vec<Effect>) {
    let mut engine = about_to_recover(&plan_with(|plan| plan["work"][0]["block"] = json!([service(), park()])), None);
    let effects = engine.handle(recovery(), at(100));
    (engine, effects)
}

/// A run that has blocked fe1, with what was recorded of the balancer.
fn about_to_recover(plan: &Arc<Plan>, balancer: Option<BTreeMap<BalancerPlace, BalancerState>>) -> Engine {
    let Record::Snapshot { work, mut snapshot } = recorded() else { panic!("a snapshot") };
    let like = snapshot.services[&service()].clone();
    snapshot.services.insert(park(), like);
    snapshot.balancer = balancer;
    let mut records = vec![begun(Attended::No)];
    records.extend(done(0));
    records.push(Record::StepStarted { step: StepId(1) });
    records.push(Record::Snapshot { work, snapshot });
    records.push(Record::StepDone { step: StepId(1), how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: BLOCK });
    records.extend(intended(1, BLOCK, Act::Pause { service: service() }));
    after_in(plan.clone(), &records)
}

/// The act that is asked for.
pub(super) fn act_in(effects: &[Effect]) -> (IntentId, Act) {
    let mut acts = effects.iter().filter_map(|effect| match effect {
        Effect::Act(intent) => Some((intent.id, intent.act.clone())),
        Effect::Record(_) | Effect::Look { .. } | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => None,
    });
    acts.next_back().unwrap_or_else(|| panic!("no act among {effects:?}"))
}

/// Lives through what comes, with one service that is always refused, until nothing more is to be done for the server.
/// Returns how often it was refused, and when the server was given up.
fn lived(refusal: &ActOutcome, most: Timestamp) -> (Engine, u32, Timestamp) {
    lived_with(|_| Some(refusal.clone()), most)
}

/// The same, with one service that is refused as is said for each time. What is not refused is done.
fn lived_with(refusal: impl Fn(Timestamp) -> Option<ActOutcome>, most: Timestamp) -> (Engine, u32, Timestamp) {
    let (mut engine, mut effects) = recovering();
    let (mut now, mut refused) = (at(100), 0);
    let mut services = [manual(RunState::Paused, service()), manual(RunState::Paused, park())];
    while engine.state().work[0].end.is_none() && now < most {
        if effects.iter().any(|effect| matches!(effect, Effect::Act(_))) {
            let (intent, act) = act_in(&effects);
            let outcome = match &act {
                Act::Continue { service } if *service == super::service() => refusal(now).map_or_else(
                    || {
                        services[0].state = Answer::Known(RunState::Running);
                        ActOutcome::Accepted
                    },
                    |outcome| {
                        refused += 1;
                        outcome
                    },
                ),
                Act::Continue { .. } => {
                    services[1].state = Answer::Known(RunState::Running);
                    ActOutcome::Accepted
                }
                Act::SetStartType { service, to } => {
                    let place = usize::from(*service == park());
                    services[place].start = Answer::Known(*to);
                    ActOutcome::Accepted
                }
                other => panic!("{other}"),
            };
            effects = engine.handle(Input::Acted { intent, outcome }, now);
        } else if effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            effects = answer(&mut engine, &effects, both(services.clone(), now), now);
        } else {
            (effects, now) = wake(&mut engine, &effects);
        }
    }
    for status in &services {
        let start = StartType { mode: StartMode::Automatic, delayed: false };
        assert_eq!(status.start, Answer::Known(start), "the next restart must not leave {} down", status.name);
    }
    assert_eq!(services[1].state, Answer::Known(RunState::Running), "one refusal keeps no other service down");
    (engine, refused, now)
}

fn out(engine: &Engine) -> String {
    match &engine.state().work[0].end {
        Some(ServerEnd::Out { why }) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn p8_what_one_service_is_refused_keeps_no_other_from_coming_back_and_is_named_with_its_command() {
    let (engine, refused, now) = lived(&ActOutcome::Failed("access is denied".to_owned()), at(300));
    assert!((10..20).contains(&refused), "less and less often: {refused}");
    assert!((at(110)..at(113)).contains(&now), "after some minutes a refusal for good is an answer: {now}");
    let why = out(&engine);
    for part in [
        format!("could not continue RTCSRV (refused {refused} times, so it was not asked for again): access is denied")
            .as_str(),
        "on fe1.contoso.example: Resume-Service RTCSRV",
    ] {
        assert!(why.contains(part), "{why}");
    }
}

#[test]
fn p8_a_right_that_is_missing_for_some_minutes_leaves_no_server_out() {
    let denied = || ActOutcome::Failed("access is denied".to_owned());
    let (engine, refused, now) = lived_with(|now| (now < at(107)).then(denied), at(112));
    assert!(refused > 2, "{refused}");
    let phase = &engine.view(now).servers[0].phase;
    assert!(matches!(phase, Phase::Step { kind: StepKind::Gate, .. }), "it is back, and asked for proof: {phase:?}");
}

#[test]
fn a_wait_for_a_refusal_for_good_says_until_when_the_act_is_asked_for() {
    let (mut engine, mut effects) = recovering();
    let (mut now, mut refused, mut told) = (at(100), 0, Vec::new());
    let services = [manual(RunState::Paused, service()), manual(RunState::Running, park())];
    while engine.state().work[0].end.is_none() && now < at(130) {
        if effects.iter().any(|effect| matches!(effect, Effect::Act(_))) {
            let (intent, _) = act_in(&effects);
            refused += 1;
            effects = engine.handle(Input::Acted { intent, outcome: ActOutcome::Failed("denied".into()) }, now);
        } else if effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            effects = answer(&mut engine, &effects, both(services.clone(), now), now);
        } else {
            (effects, now) = wake(&mut engine, &effects);
        }
        let waits = engine.view(now).servers.into_iter().filter_map(|server| server.wait);
        told.extend(waits.filter(|wait| wait.what == "a refusal to pass").map(|wait| (wait.until, wait.why)));
    }
    assert!(refused > 4 && !told.is_empty(), "{refused}");
    let ended = now;
    for (until, why) in told {
        let until = until.unwrap();
        assert!(until >= at(110) && until <= ended, "told {until}, and it was given up at {ended}: {why}");
    }
}

#[test]
fn a_refusal_that_can_pass_is_waited_for_until_the_deadline_and_keeps_its_cause() {
    let (engine, refused, now) = lived(&ActOutcome::Retry("the quota is used up".to_owned()), at(300));
    assert!((60..100).contains(&refused), "less and less often, and at least every minute: {refused}");
    assert!((at(174)..at(178)).contains(&now), "the deadline of the way back: {now}");
    let why = out(&engine);
    assert!(why.contains(&format!("(refused {refused} times): the quota is used up")), "{why}");
    assert!(!why.contains("accepted"), "{why}");
}

#[test]
fn an_act_of_which_nobody_knows_is_asked_for_again_and_keeps_no_other_service_down() {
    let (engine, asked, _) = lived(&ActOutcome::Unknown("the connection broke".to_owned()), at(300));
    assert!(asked > 12, "{asked}");
    let why = out(&engine);
    assert!(why.contains("outcome unknown") && why.contains("the connection broke"), "{why}");
}

#[test]
fn a_start_type_that_is_refused_for_minutes_in_a_drain_is_no_failure() {
    let mut records = vec![begun(Attended::No)];
    records.extend(done(0));
    records.push(Record::StepStarted { step: StepId(1) });
    records.push(recorded());
    records.push(Record::StepDone { step: StepId(1), how: StepEnd::Done, proof: String::new() });
    records.push(Record::StepStarted { step: BLOCK });
    records.extend(intended(1, BLOCK, Act::SetStartType { service: service(), to: StartType::MANUAL }));
    records.extend(done_only(BLOCK));
    records.push(Record::StepStarted { step: DRAIN });
    let mut engine = after(&records);
    let mut effects = engine.handle(resumed(), at(20));
    let mut now = at(20);
    let seen = |now| {
        let mut seen = fe1(RunState::Paused, Answer::Known(3), now);
        let own = seen.servers.get_mut(&server(1)).unwrap();
        let mut status = manual(RunState::Paused, service());
        status.start = Answer::Known(StartType { mode: StartMode::Automatic, delayed: false });
        own.services = Answer::Known(BTreeMap::from([(service(), status)]));
        seen
    };
    let mut refused = 0;
    while now < at(28) {
        assert!(engine.state().work[0].back.is_none() && held(&engine).is_none(), "{now}, refused {refused}");
        if effects.iter().any(|effect| matches!(effect, Effect::Act(_))) {
            refused += 1;
            let outcome = ActOutcome::Retry("the quota is used up".to_owned());
            effects = engine.handle(Input::Acted { intent: act_in(&effects).0, outcome }, now);
        } else if effects.iter().any(|effect| matches!(effect, Effect::Look { .. })) {
            effects = answer(&mut engine, &effects, seen(now), now);
        } else {
            (effects, now) = wake(&mut engine, &effects);
        }
    }
    assert!((8..20).contains(&refused), "{refused}");
}

fn done_only(step: StepId) -> [Record; 1] {
    [Record::StepDone { step, how: StepEnd::Done, proof: String::new() }]
}

#[test]
fn a_restart_of_which_nobody_knows_is_asked_for_again_as_soon_as_a_look_shows_the_old_boot() {
    let (mut engine, effects) = super::gaps::restarting(RestartPolicy::Always);
    let (intent, act) = act_in(&effects);
    let outcome = ActOutcome::Unknown("the connection broke".to_owned());
    let effects = engine.handle(Input::Acted { intent, outcome }, at(100));
    let (effects, now) = wake(&mut engine, &effects);
    assert!(now < at(101), "{now}");
    let effects = answer(&mut engine, &effects, fe1(RunState::Stopped, Answer::Known(0), now), now);
    assert_eq!(act_in(&effects).1, act, "by the boot time that it is to change");
    assert_eq!(engine.state().work[0].restarts.len(), 1, "one restart is counted once");
    // Accepted now: it has its time to show.
    let effects = engine.handle(Input::Acted { intent: act_in(&effects).0, outcome: ActOutcome::Joined }, now);
    let effects = answer(&mut engine, &effects, fe1(RunState::Stopped, Answer::Known(0), now), now);
    assert_eq!(acts(&effects), 0, "{effects:?}");
}

/// Lives through half an hour of such a recovery behind a balancer that has fe1 as drained, in which everything is back but
/// one service that is refused for a time. Returns when the balancer was asked to have it again, and the engine.
fn behind_a_balancer(missing: &ServiceName, mode: StartMode) -> (Engine, Option<Timestamp>) {
    let haproxy = json!({"haproxy": {"sites": [{"address": "192.0.2.10:9999", "backends": ["web"]}]}});
    let plan = plan_with(|plan| {
        plan["work"][0]["block"] = json!([service(), park()]);
        plan["change"]["pools"][0]["load_balancing"]["balancer"] = haproxy;
    });
    let seen = balanced(BalancerState::Ready, at(0));
    let entries = &seen.balancer.known().unwrap().servers.known().unwrap()[&server(1)];
    let ready = entries.ready().map(|place| (place.clone(), BalancerState::Ready)).collect();
    let mut engine = about_to_recover(&plan, Some(ready));
    let (mut now, mut in_balancer, mut asked) = (at(100), BalancerState::Drain, None);
    let mut effects = engine.handle(recovery(), now);
    let is = |name: ServiceName| if name == *missing { RunState::Paused } else { RunState::Running };
    let services = [service(), park()].map(|name| {
        let mode = if name == *missing { mode } else { StartMode::Automatic };
        let start = Answer::Known(StartType { mode, delayed: false });
        // Policy has disabled and stopped it.
        let state = if mode == StartMode::Disabled { RunState::Stopped } else { is(name.clone()) };
        ServiceStatus { start, ..manual(state, name) }
    });
    while engine.state().work[0].end.is_none() && now < at(130) {
        if effects.iter().any(|effect| matches!(effect, Effect::Act(_))) {
            let (intent, act) = act_in(&effects);
            let outcome = match &act {
                Act::Continue { .. } | Act::SetStartType { .. } => ActOutcome::Retry("the service is busy".to_owned()),
                Act::SetBalancer { to, .. } => {
                    asked.get_or_insert(now);
                    in_balancer = *to;
                    ActOutcome::Accepted
                }
                other => panic!("{other}"),
            };
            effects = engine.handle(Input::Acted { intent, outcome }, now);
        } else if effects.iter().any(|effect| matches!(effect, Effect::Look { look, .. } if look.within.is_none())) {
            let mut seen = both(services.clone(), now);
            seen.balancer = balanced(in_balancer, now).balancer;
            effects = answer(&mut engine, &effects, seen, now);
        } else {
            (effects, now) = wake(&mut engine, &effects);
        }
    }
    (engine, asked)
}

#[test]
fn p8_a_refusal_that_may_last_keeps_no_server_out_of_its_balancer() {
    let (engine, asked) = behind_a_balancer(&park(), StartMode::Automatic);
    assert!(asked.is_some_and(|asked| asked < at(102)), "the front end serves, and people come for it: {asked:?}");
    let Some(StepState::Running { .. }) = engine.state().steps.get(8) else { panic!("the rest is waited for") };
}

#[test]
fn p8_a_server_without_its_front_end_is_not_put_back_into_the_balancer() {
    for start in [StartMode::Automatic, StartMode::Disabled] {
        let (_, asked) = behind_a_balancer(&service(), start);
        assert_eq!(asked, None, "{start:?}");
    }
}
