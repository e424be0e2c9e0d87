//! How long servers took, step by step: what a forecast of the next run of their pools goes by.

use crate::record::{ServerEnd, StepEnd};
use crate::state::{RunState, StepState};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::PoolName;
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::{Plan, StepKind};
use std::collections::BTreeMap;

/// Returns, pool by pool, what each server took on which the work was done. What was there already, or was passed over, says
/// nothing of a step; several steps of one kind are told together.
#[must_use]
pub fn took(plan: &Plan, state: &RunState) -> BTreeMap<PoolName, Vec<BTreeMap<StepKind, SignedDuration>>> {
    let mut last: Vec<Option<Timestamp>> = state.work.iter().map(|own| own.started).collect();
    let mut took: Vec<BTreeMap<StepKind, SignedDuration>> = vec![BTreeMap::new(); state.work.len()];
    // The steps of a server stand in the order in which they are done.
    for step in plan.steps() {
        let StepTarget::Server(work) = step.target else { continue };
        let place = work.0 as usize;
        let ended = state.steps.get(step.id.0 as usize).and_then(|own| match own {
            StepState::Ended { how, at, .. } => Some((*how, *at)),
            StepState::Pending | StepState::Running { .. } => None,
        });
        let (Some((how, at)), Some(before)) = (ended, last.get_mut(place)) else { continue };
        if let (StepEnd::Done, Some(before)) = (how, *before) {
            let took = took[place].entry(step.kind).or_default();
            *took += at.duration_since(before).max(SignedDuration::ZERO);
        }
        *before = Some(at);
    }
    let mut pools: BTreeMap<PoolName, Vec<BTreeMap<StepKind, SignedDuration>>> = BTreeMap::new();
    for ((work, own), took) in plan.work().iter().zip(&state.work).zip(took) {
        if matches!(own.end, Some(ServerEnd::Finished)) && !took.is_empty() {
            pools.entry(plan.pool_of(work).name.clone()).or_default().push(took);
        }
    }
    pools
}
