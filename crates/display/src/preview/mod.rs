//! What a run would do, before it does anything.

pub(crate) mod alike;
mod doing;
mod gantt;
mod graph;
mod json;
mod matrix;
pub(crate) mod nights;
mod page;
mod said;
mod text;
pub(crate) mod timeline;
mod verdict;

pub(crate) use nights::freeze_said;
pub(crate) use page::{class, window_said};

pub use doing::{Doing, doings};
pub use gantt::gantt;
pub use graph::{dot, mermaid};
pub use json::{PREVIEW_VERSION, json};
pub use page::{Ground, Start, html, svg};
pub use text::{Detail, finding, text};

use crate::text::clean;
use orchestrate_model::{PoolName, PoolObservation, RunId, ServerObservation};
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::{EdgeReason, Plan, Report, ServerWork, Step};
use std::collections::BTreeMap;

/// All that a preview shows.
#[derive(Debug, Clone, Copy)]
pub struct Preview<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its fingerprint, hexadecimal.
    pub fingerprint: &'a str,
    /// What was seen of the pools. Empty when nobody was asked.
    pub seen: &'a BTreeMap<PoolName, PoolObservation>,
    /// What the planner says about it.
    pub report: &'a Report,
    /// What a start would do instead of beginning a new run. `None`: it would begin one.
    pub instead: Option<&'a Instead>,
}

/// What a start of a plan would do instead of beginning a new run, because of an earlier start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// It would go on with an unfinished run.
    GoOn {
        /// The run.
        run: RunId,
        /// How far it is, in words.
        said: String,
    },
    /// It would be refused.
    Refused {
        /// With this exit code.
        exit_code: u8,
        /// Why.
        why: String,
    },
}

impl Instead {
    /// Returns it in words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::GoOn { run, said } => format!(
                "{} is unfinished: a start would go on with it, at the steps that `status {run}` shows. What follows is \
                 the plan for a new run",
                clean(said)
            ),
            Self::Refused { exit_code, why } => {
                format!("a start would be refused now, with exit code {exit_code}: {}", clean(why))
            }
        }
    }
}

impl<'a> Preview<'a> {
    /// Returns what was seen of the server of `work`.
    fn seen(&self, work: &ServerWork) -> Option<&'a ServerObservation> {
        let pool = self.seen.get(&self.plan.pool_of(work).name)?;
        pool.servers.get(&work.server)
    }

    /// Returns the steps of each server, in the order of the servers.
    fn steps(&self) -> Vec<Vec<&'a Step>> {
        let mut steps: Vec<Vec<&Step>> = self.plan.work().iter().map(|_| Vec::new()).collect();
        for step in self.plan.steps() {
            if let StepTarget::Server(WorkId(work)) = step.target {
                steps[work as usize].push(step);
            }
        }
        steps
    }

    /// Returns what each server waits for on others and on pools: each with the reasons, in order.
    fn waits(&self) -> Vec<Waits<'a>> {
        let plan = self.plan;
        let mut waits: Vec<Waits<'a>> = plan.work().iter().map(|_| Vec::new()).collect();
        let target = |step: orchestrate_planner::StepId| plan.steps()[step.0 as usize].target;
        for edge in plan.edges() {
            let (before, after) = (target(edge.before), target(edge.after));
            let StepTarget::Server(WorkId(work)) = after else { continue };
            if before == after {
                continue;
            }
            let name = match before {
                StepTarget::Server(other) => plan.work_of(other).server.as_str(),
                StepTarget::Pool(pool) => plan.change().pools[pool as usize].name.as_str(),
            };
            let own = &mut waits[work as usize];
            let place = own.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                own.push((name, Vec::new()));
                own.len() - 1
            });
            if !own[place].1.contains(&&edge.reason) {
                own[place].1.push(&edge.reason);
            }
        }
        waits
    }
}

/// Who is waited for, and why.
type Waits<'a> = Vec<(&'a str, Vec<&'a EdgeReason>)>;

/// Returns the works of a plan with their ids, in the order in which they are taken.
fn works(plan: &Plan) -> impl Iterator<Item = (WorkId, &ServerWork)> {
    plan.work().iter().enumerate().map(|(position, work)| (orchestrate_engine::state::work_id(position), work))
}

#[cfg(test)]
mod page_tests;
#[cfg(test)]
mod tests;
