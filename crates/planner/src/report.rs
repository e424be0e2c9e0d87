//! What is said about a plan: the order with its reasons, the safety of each server as it was seen, how long it takes.

use crate::forecast::Forecast;
use crate::plan::{Edge, EdgeReason, Finding, Plan, StepId, StepTarget, WorkId};
use crate::safety::{Asked, may_go};
use orchestrate_model::{PoolName, ServerName, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is said about a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use = "a plan that nobody explains is a plan that nobody can approve"]
pub struct Report {
    /// The servers in the order in which they are taken, those passed over first.
    pub order: Vec<Place>,
    /// The safety questions as they are answered now, as if the other servers of the batch were out, for each server
    /// that is to go and whose pool was looked at, in the same order.
    pub safety: Vec<ServerSafety>,
    /// How long it takes at worst.
    pub forecast: Forecast,
    /// What was found, gravest first: the findings of the plan.
    pub findings: Vec<Finding>,
}

/// The place of one server in the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its pool.
    pub pool: PoolName,
    /// The server.
    pub server: ServerName,
    /// Its batch within the pool, from 0.
    pub batch: u32,
    /// Why it stands here, or why nothing is done to it.
    pub reason: String,
    /// Whether nothing is done to it.
    pub skipped: bool,
}

/// The safety questions about one server and their answers at plan time. A run asks them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerSafety {
    /// Its pool.
    pub pool: PoolName,
    /// The server.
    pub server: ServerName,
    /// The answers.
    pub asked: Vec<Asked>,
    /// Whether the server answers nothing at all: what is asked about it has no answer for that alone.
    pub silent: bool,
}

impl ServerSafety {
    /// Returns whether the server could go now, with the reasons.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        may_go(&self.asked)
    }
}

/// How many servers that a server waits for are named; a pool that waits for many others is explained by the first few.
const NAMED: usize = 3;

/// Returns the order of the servers with the reason for each place.
pub(crate) fn order(plan: &Plan) -> Vec<Place> {
    let mut waits: BTreeMap<WorkId, Vec<(WorkId, Vec<&EdgeReason>)>> = BTreeMap::new();
    let target = |step: StepId| plan.steps[step.0 as usize].target;
    for Edge { before, after, reason } in plan.edges.iter().filter(|edge| edge.reason != EdgeReason::SameServer) {
        let (StepTarget::Server(first), StepTarget::Server(second)) = (target(*before), target(*after)) else {
            continue;
        };
        let said = waits.entry(second).or_default();
        let room = said.len() < NAMED;
        match said.last_mut() {
            Some((same, reasons)) if *same == first => reasons.push(reason),
            _ if room => said.push((first, vec![reason])),
            _ => {}
        }
    }
    let said = |(first, reasons): &(WorkId, Vec<&EdgeReason>)| {
        let reasons: Vec<String> = reasons.iter().map(|reason| reason.to_string()).collect();
        format!("after {} ({})", plan.work_of(*first).server.short(), reasons.join("; "))
    };
    let places = plan.work.iter().zip(0..);
    places
        .map(|(work, id)| {
            let waits = waits.get(&WorkId(id));
            let reason = match (&work.skip, waits) {
                (Some(why), _) => why.clone(),
                (None, None) => "first: nothing has to be finished before it".to_owned(),
                (None, Some(waits)) => waits.iter().map(said).collect::<Vec<_>>().join(", "),
            };
            let pool = plan.pool_of(work).name.clone();
            Place { pool, server: work.server.clone(), batch: work.batch, reason, skipped: work.skip.is_some() }
        })
        .collect()
}
