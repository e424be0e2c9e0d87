//! What depends on the services that are blocked: it is blocked with them, and the plan may not know of it.

use super::Look;
use crate::scope::class;
use crate::words::list;
use orchestrate_model::catalogue::DrainClass;
use orchestrate_model::change::RestartPolicy;
use orchestrate_model::{Answer, RunState, ServerObservation, ServiceName, ServiceStatus, Verdict};

/// Returns the services in scope that `service` depends on, as its server says.
pub(crate) fn needed<'a>(look: &'a Look<'_>, seen: &'a ServerObservation, service: &ServiceName) -> Vec<&'a str> {
    let has = |name: &&ServiceName| {
        let dependents = seen.service(name).and_then(|status| status.dependents.known());
        dependents.is_some_and(|dependents| dependents.contains(service))
    };
    look.scope.block.iter().filter(has).map(ServiceName::as_str).collect()
}

/// Returns a service with the reason why it is blocked, where the plan does not ask for it.
pub(crate) fn called(look: &Look<'_>, seen: &ServerObservation, service: &ServiceName) -> String {
    if look.scope.dependents.contains(service) {
        let needed = needed(look, seen, service);
        if !needed.is_empty() {
            return format!("{service}, which depends on {},", list(needed));
        }
    }
    service.to_string()
}

/// Returns whether the sessions of a service are counted, waited for by time, or none.
pub(crate) fn is_counted(look: &Look<'_>, service: &ServiceName) -> bool {
    let without = class(service) == DrainClass::Support;
    without || look.change.maintenance.unmeasured.contains_key(service) || look.pool.can_count(service)
}

/// Returns what is not stopped on a server, is blocked only because of what it depends on, and has sessions that nothing
/// counts. What is stopped does no harm.
pub(crate) fn uncounted<'a>(
    look: &'a Look<'_>,
    seen: &'a ServerObservation,
) -> impl Iterator<Item = &'a ServiceStatus> {
    let dependents = look.scope.dependents.iter().filter(|service| !is_counted(look, service));
    dependents.filter_map(|service| seen.service(service)).filter(|status| !status.is(RunState::Stopped))
}

/// Returns what stands against blocking and stopping the services in scope on the side of what depends on them, besides
/// what is asked about every service that is blocked.
pub(crate) fn problems(look: &Look<'_>, name: &str, seen: &ServerObservation) -> Vec<Verdict> {
    let maintenance = &look.change.maintenance;
    let stops = maintenance.installs() || maintenance.restart == RestartPolicy::Always;
    let mut problems = Vec::new();
    for status in look.scope.block.iter().filter_map(|service| seen.service(service)) {
        let service = &status.name;
        let dependents = match &status.dependents {
            Answer::Known(dependents) => dependents,
            Answer::Unknown(why) => {
                problems.push(Verdict::Unknown(format!("{name}: what depends on {service} is not known: {why}")));
                continue;
            }
        };
        for dependent in dependents {
            match seen.service(dependent) {
                None => problems
                    .push(Verdict::Unknown(format!("{name}: {dependent} depends on {service}, and was not looked at"))),
                Some(status) if class(dependent) == DrainClass::Infrastructure => {
                    if stops && !status.is(RunState::Stopped) {
                        problems.push(Verdict::No(format!(
                            "{name}: {dependent} depends on {service}, runs and is never touched, so {service} cannot \
                             be stopped"
                        )));
                    }
                }
                Some(_) => {}
            }
        }
    }
    problems
}
