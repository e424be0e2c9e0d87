//! Whose sessions were counted: what is said of cut sessions is said of these only.

use orchestrate_engine::WorkState;
use orchestrate_engine::state::Mark;
use orchestrate_model::catalogue::{self, DrainClass};
use orchestrate_model::change::Scope;
use orchestrate_model::{RunState as ServiceState, ServiceName};
use orchestrate_planner::{Plan, ServerWork};

/// The services of a server whose sessions nobody counted, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncounted<'a> {
    /// Nothing counts them: they were waited for by time.
    pub(crate) by_time: Vec<&'a str>,
    /// They were not blocked and served while an installer ran.
    pub(crate) serving: Vec<&'a str>,
}

impl<'a> Uncounted<'a> {
    pub(crate) fn of(plan: &'a Plan, work: &'a ServerWork, each: &'a WorkState) -> Self {
        let maintenance = &plan.change().maintenance;
        let by_time = work.block.iter().filter(|service| maintenance.unmeasured.contains_key(service));
        let by_time = by_time.map(ServiceName::as_str).collect();
        let chosen = matches!(maintenance.scope, Scope::Services(_)) && each.patch_started();
        let recorded = each.as_recorded().into_iter().filter(|_| chosen).flat_map(|snapshot| &snapshot.services);
        let blocked = |name: &ServiceName| {
            let of = |other: &ServiceName| other == name || depends(each, other, name);
            work.support.contains(name) || work.block.iter().any(of)
        };
        let serving = recorded.filter(|(name, service)| {
            let sessions = catalogue::service(name).is_none_or(|facts| facts.drain == DrainClass::Session);
            sessions && service.state == ServiceState::Running && !blocked(name)
        });
        Self { by_time, serving: serving.map(|(name, _)| name.as_str()).collect() }
    }
}

/// Returns every service of a server whose sessions were not counted when it could have cut or ended some, for programs: also
/// those that another hand stopped or that a restart ended before they were counted.
pub(crate) fn uncounted<'a>(plan: &'a Plan, work: &'a ServerWork, each: &'a WorkState) -> Vec<&'a str> {
    let Uncounted { by_time, serving } = Uncounted::of(plan, work, each);
    let restarted = work.block.iter().filter(|_| each.has(Mark::UncountedRestart));
    let others = restarted.chain(&each.stopped_uncounted).map(ServiceName::as_str);
    let mut all: Vec<&str> = by_time.into_iter().chain(serving).chain(others).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Returns whether a service was recorded as depending on a blocked one, which is blocked with it.
fn depends(each: &WorkState, blocked: &ServiceName, name: &ServiceName) -> bool {
    let recorded = each.as_recorded().and_then(|snapshot| snapshot.services.get(blocked));
    recorded.is_some_and(|service| service.dependents.contains(name))
}
