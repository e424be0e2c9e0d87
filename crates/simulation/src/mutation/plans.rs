//! Plans that say something else than the change does.

use super::Mutation;
use crate::scenario::origin;
use orchestrate_planner::{Observations, Plan, make};
use serde_json::{Value, json};

/// Returns the plan with the mutation in it. The world goes on to hold the run to the true change.
pub(super) fn mutated(mutation: Mutation, plan: &Plan) -> Plan {
    if let Some(plan) = another(mutation, plan) {
        return plan;
    }
    let mut value = serde_json::to_value(plan).expect("a plan serialises");
    let change = &mut value["change"];
    match mutation {
        Mutation::WindowsIgnored => change["windows"] = json!([]),
        Mutation::BudgetIgnored => change["maintenance"]["at_once"] = json!(99),
        Mutation::SharedBudgetIgnored => {
            change["budgets"] = json!([]);
            between_servers(&mut value);
        }
        Mutation::SessionsCut => {
            change["maintenance"]["drain"]["at_deadline"] = json!("cut");
            change["maintenance"]["drain"]["deadline"] = json!("PT30S");
        }
        Mutation::StartTypesKept => change["maintenance"]["start_type"] = json!("keep"),
        Mutation::EveryLossAccepted => {
            let all = ["attendant", "conferencing-announcement", "response-group", "announcement", "call-park"];
            change["maintenance"]["accept_loss"] = json!(all);
        }
        Mutation::UnmeasuredAtOnce => unmeasured(&mut value),
        Mutation::StopConditionsIgnored => change["stop_when"]["failed"] = json!(999),
        Mutation::SoakSkipped => without(&mut value, &["soak"]),
        Mutation::GuardSkipped => without(&mut value, &["guard"]),
        Mutation::RestartSkipped => without(&mut value, &["restart"]),
        Mutation::WindowNeverCloses => {
            for window in change["windows"].as_array_mut().into_iter().flatten() {
                window["duration"] = json!("PT96H");
            }
        }
        Mutation::InstallersReversed => {
            if let Some(installers) = change["maintenance"]["patch"].as_array_mut() {
                installers.reverse();
            }
        }
        Mutation::NoReturn => without(&mut value, &["return", "balancer-in", "gate", "soak"]),
        _ => return plan.clone(),
    }
    serde_json::from_value(value).expect("a plan that was changed in a few places is still a plan")
}

/// Returns the plan of a change that says less, where what is left out decides which steps there are.
fn another(mutation: Mutation, plan: &Plan) -> Option<Plan> {
    let mut change = plan.change().clone();
    match mutation {
        Mutation::OnlyIgnored => change.only.clear(),
        Mutation::FirstIgnored => change.pools.iter_mut().for_each(|pool| pool.first = None),
        Mutation::AwayIgnored => {
            let servers = change.pools.iter_mut().flat_map(|pool| &mut pool.servers);
            servers.for_each(|server| server.away = None);
        }
        _ => return None,
    }
    let (another, _report) =
        make(&change, &Observations::default(), origin()).expect("a change that says less is good too");
    Some(another)
}

/// Drops what makes servers wait for each other.
fn between_servers(plan: &mut Value) {
    if let Some(edges) = plan["edges"].as_array_mut() {
        edges.retain(|edge| edge["reason"] == json!("same_server"));
    }
}

fn unmeasured(plan: &mut Value) {
    let mut names: Vec<Value> = Vec::new();
    for work in plan["work"].as_array().into_iter().flatten() {
        names.extend(work["block"].as_array().into_iter().flatten().cloned());
    }
    for name in names {
        if let Some(name) = name.as_str() {
            plan["change"]["maintenance"]["unmeasured"][name] = json!("PT0S");
        }
    }
}

/// Drops the steps of some kinds and numbers the rest anew.
fn without(plan: &mut Value, kinds: &[&str]) {
    let steps = plan["steps"].as_array().cloned().unwrap_or_default();
    let kept: Vec<Value> =
        steps.into_iter().filter(|step| !kinds.contains(&step["kind"].as_str().unwrap_or_default())).collect();
    let place = |id: &Value| kept.iter().position(|step| step["id"] == *id);
    let edges = plan["edges"].as_array().cloned().unwrap_or_default();
    let edges = edges.into_iter().filter_map(|mut edge| {
        let (before, after) = (place(&edge["before"])?, place(&edge["after"])?);
        (edge["before"], edge["after"]) = (json!(before), json!(after));
        Some(edge)
    });
    plan["edges"] = Value::Array(edges.collect());
    let numbered = kept.iter().cloned().enumerate().map(|(number, mut step)| {
        step["id"] = json!(number);
        step
    });
    plan["steps"] = Value::Array(numbered.collect());
}
