//! The checker finds what is wrong with plans that this crate would never make: good plans, spoilt as text.

use crate::support::*;
use orchestrate_model::change::SharedBudget;
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Change, Label};
use orchestrate_planner::check::{Violation, check};
use orchestrate_planner::{Observations, Plan, StepKind};
use serde_json::{Value, json};

fn sound() -> Change {
    let label = Label::new("site=paris").unwrap();
    let mut pools = vec![pool("one", "a", "192.0.2", 3), pool("two", "b", "198.51.100", 3)];
    for pool in &mut pools {
        pool.labels.insert(label.clone());
        pool.load_balancing.balancer = Balancer::Operator;
    }
    let mut change = change(pools);
    change.budgets.push(SharedBudget { label, at_once: 2 });
    change
}

/// Returns what the checker finds once `spoil` has changed the text of a good plan.
fn found(spoil: impl Fn(&mut Value)) -> Vec<Violation> {
    let (plan, _) = planned(&sound(), &Observations::default());
    assert_eq!(check(&plan), []);
    let mut text = serde_json::to_value(&plan).unwrap();
    spoil(&mut text);
    let spoilt: Plan = serde_json::from_value(text).unwrap();
    check(&spoilt)
}

fn drop_edges(plan: &mut Value, unwanted: impl Fn(&Value) -> bool) {
    plan["edges"].as_array_mut().unwrap().retain(|edge| !unwanted(&edge["reason"]));
}

/// Makes every step of one kind another kind.
fn rename(plan: &mut Value, from: StepKind, to: StepKind) {
    for step in plan["steps"].as_array_mut().unwrap() {
        if step["kind"] == json!(from) {
            step["kind"] = json!(to);
        }
    }
}

#[test]
fn p1_servers_that_do_not_wait_for_each_other_are_found() {
    let found = found(|plan| drop_edges(plan, |reason| reason.get("at_once").is_some()));
    assert!(found.iter().any(|violation| matches!(violation, Violation::NotWaiting { .. })), "{found:?}");
}

#[test]
fn p1_a_batch_that_is_too_large_or_of_two_domains_is_found() {
    let found = found(|plan| {
        for work in plan["work"].as_array_mut().unwrap() {
            work["batch"] = json!(0);
        }
    });
    assert!(found.iter().any(|v| matches!(v, Violation::OverBudget { found: 3, most: 1, .. })), "{found:?}");
    assert!(found.iter().any(|violation| matches!(violation, Violation::TwoDomains(_))), "{found:?}");
    assert!(found.iter().any(|v| matches!(v, Violation::BelowQuorum { left: 0, need: 2, .. })), "{found:?}");
}

#[test]
fn p1_pools_that_can_use_more_than_a_shared_budget_are_found() {
    let found = found(|plan| plan["change"]["budgets"][0]["at_once"] = json!(1));
    let wanted = [Violation::OverSharedBudget { label: Label::new("site=paris").unwrap(), found: 2, most: 1 }];
    assert_eq!(found, wanted);
}

#[test]
fn p2_a_block_without_its_guard_or_record_is_found() {
    for kind in [StepKind::Guard, StepKind::Record] {
        let found = found(|plan| rename(plan, kind, StepKind::Soak));
        assert!(found.iter().any(|v| matches!(v, Violation::Lacks { lacks, .. } if *lacks == kind)), "{found:?}");
    }
}

#[test]
fn p5_a_change_without_its_return_is_found() {
    for (missing, change) in [
        (StepKind::Return, StepKind::Block),
        (StepKind::BalancerIn, StepKind::BalancerOut),
        (StepKind::Verify, StepKind::Patch),
        (StepKind::Gate, StepKind::Restart),
    ] {
        let found = found(|plan| rename(plan, missing, StepKind::Soak));
        let lacks =
            |v: &Violation| matches!(v, Violation::Lacks { kind, lacks, .. } if (*kind, *lacks) == (change, missing));
        assert!(found.iter().any(lacks), "{missing}: {found:?}");
    }
}

#[test]
fn p4_a_patch_before_the_drain_is_found() {
    let found = found(|plan| {
        rename(plan, StepKind::Drain, StepKind::Soak);
    });
    for kind in [StepKind::Stop, StepKind::Patch, StepKind::Restart] {
        let lacks = |v: &Violation| matches!(v, Violation::Lacks { kind: k, lacks: StepKind::Drain, .. } if *k == kind);
        assert!(found.iter().any(lacks), "{kind}: {found:?}");
    }
}

#[test]
fn an_edge_that_leads_back_and_a_broken_chain_are_found() {
    let back = found(|plan| {
        let edge = &mut plan["edges"][0];
        (edge["before"], edge["after"]) = (edge["after"].clone(), edge["before"].clone());
    });
    assert!(back.iter().any(|violation| matches!(violation, Violation::Misplaced(_))), "{back:?}");
    let broken = found(|plan| drop_edges(plan, |reason| *reason == json!("same_server")));
    assert!(broken.iter().any(|violation| matches!(violation, Violation::Misplaced(_))), "{broken:?}");
}

#[test]
fn a_server_that_is_passed_over_and_has_steps_is_found() {
    let found = found(|plan| plan["work"][0]["skip"] = json!("already at the wanted level"));
    assert!(found.contains(&Violation::HalfSkipped(server_name("a1"))), "{found:?}");
}
