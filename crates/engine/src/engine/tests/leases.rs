//! Another control host that works on the pool.

use super::*;
use crate::constants::POOL_WAIT;
use orchestrate_model::observe::{Readiness, ReadinessState};
use orchestrate_model::{Keeper, Lease};

fn lease() -> LeaseState {
    let keeper = Keeper { id: "other".to_owned(), user: "bob".to_owned(), host: "control2".to_owned() };
    LeaseState::Held(Lease { keeper, run: "run-9".to_owned(), until: at(900) })
}

/// The pool with fe2 in this lease, of which the product says this.
fn pool(lease: LeaseState, word: ReadinessState, now: Timestamp) -> PoolObservation {
    let mut seen = fe1(RunState::Running, Answer::Known(0), now);
    let template = seen.servers[&server(1)].clone();
    for number in [2, 3] {
        let mut other = ServerObservation { server: server(number), ..template.clone() };
        let readiness = Readiness { state: word.clone(), active: Some(1), total: Some(3), domains: vec![] };
        other.readiness = Answer::Known(readiness);
        other.lease = Answer::Known(if number == 2 { lease.clone() } else { LeaseState::Free });
        seen.servers.insert(server(number), other);
    }
    seen
}

/// A run at its first guard, of a plan that stops at a pool that is unsafe, or waits for it.
fn at_the_guard(pool_unsafe: &str) -> (Engine, Vec<Effect>) {
    let plan = plan_with(|plan| {
        plan["change"]["maintenance"]["pool_unsafe"] = json!(pool_unsafe);
        plan["change"]["stop_when"]["failed"] = json!(1);
        // Without an installer, of which these looks say nothing.
        plan["change"]["maintenance"]["patch"] = json!(null);
    });
    let mut engine = after_in(plan, &[begun(Attended::No), Record::StepStarted { step: GUARD }]);
    let effects = engine.handle(resumed(), at(100));
    (engine, effects)
}

#[test]
fn p12_another_control_host_is_the_reason_whatever_the_product_says_of_its_work() {
    for word in [ReadinessState::InsufficientActiveFrontEnds, ReadinessState::Busy, ReadinessState::Ready] {
        let (mut engine, mut effects) = at_the_guard("stop");
        let mut now = at(100);
        for _ in 0..20 {
            effects = answer(&mut engine, &effects, pool(lease(), word.clone(), now), now);
            if engine.state().work[0].end.is_some() {
                break;
            }
            let wait = engine.view(now).servers[0].wait.clone().expect("it waits");
            assert!(wait.why.contains("bob on control2") && !wait.why.contains("says"), "{word:?}: {wait:?}");
            (effects, now) = wake(&mut engine, &effects);
        }
        let end = engine.state().work[0].end.clone();
        assert!(
            matches!(&end, Some(ServerEnd::Untouched { why }) if why.kind == WhyKind::Elsewhere),
            "{word:?}: {end:?} {effects:?}"
        );
        assert_eq!(engine.outcome(), RunOutcome::HeldElsewhere, "{word:?}");
        assert!(now < at(103), "{word:?}: what is not so is looked at three times: {now}");
    }
}

#[test]
fn p12_a_plan_that_waits_for_its_pool_waits_for_the_lease_and_then_looks_at_what_else_there_is() {
    let word = ReadinessState::InsufficientActiveFrontEnds;
    let (mut engine, mut effects) = at_the_guard("wait");
    let mut now = at(100);
    while now < at(160) {
        effects = answer(&mut engine, &effects, pool(lease(), word.clone(), now), now);
        let wait = engine.view(now).servers[0].wait.clone().unwrap_or_else(|| panic!("it waits: {effects:?}"));
        assert!(wait.why.contains("bob on control2") && wait.then == "the run stops", "{wait:?}");
        (effects, now) = wake(&mut engine, &effects);
    }
    effects = answer(&mut engine, &effects, pool(LeaseState::Free, word, now), now);
    let wait = engine.view(now).servers[0].wait.clone().unwrap_or_else(|| panic!("it waits: {effects:?}"));
    assert!(
        wait.why.contains("InsufficientActiveFrontEnds"),
        "with the lease gone the product's word counts: {wait:?}"
    );
}

#[test]
fn p2_a_plan_that_waits_for_its_pool_does_so_before_the_products_word_ends_it() {
    let (mut ends, mut said) = (Vec::new(), String::new());
    for pool_unsafe in ["stop", "wait"] {
        let (mut engine, mut effects) = at_the_guard(pool_unsafe);
        let mut now = at(100);
        while engine.state().work[0].end.is_none() && now < at(1000) {
            let word = ReadinessState::InsufficientActiveFrontEnds;
            effects = answer(&mut engine, &effects, pool(LeaseState::Free, word, now), now);
            if let Some(wait) = &engine.view(now).servers[0].wait {
                assert!(wait.why.contains("InsufficientActiveFrontEnds"), "{wait:?}");
                (effects, now) = wake(&mut engine, &effects);
            }
        }
        let end = engine.state().work[0].end.clone();
        assert!(matches!(&end, Some(ServerEnd::Untouched { .. })), "{pool_unsafe}: {end:?}");
        said = format!("{end:?}");
        ends.push(now);
    }
    // One look may see a service that is restarted; the same word at three of them is an answer.
    assert!(ends[0] > at(100) && ends[0] < at(102), "the word of the product ends a plan that stops: {}", ends[0]);
    assert!(ends[1] >= at(100) + POOL_WAIT && ends[1] < at(103) + POOL_WAIT, "{}: {said}", ends[1]);
}
