//! Counters that a pool names for the sessions of its services.

use crate::codes;
use crate::diagnostic::{Diagnostic, quoted};
use crate::reader::Reader;
use crate::written::Plan;
use orchestrate_model::ServiceName;
use orchestrate_model::catalogue::{MeasureKind, SERVICES, ServiceFacts};

/// Warns of a counter that is known to count the sessions of another service: its zero would be taken for that of this one.
pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    for (_, pool) in plan.pools.iter().flat_map(|pools| pools.value.good()) {
        for (service, counters) in pool.value.measures.iter().flat_map(|measures| measures.value.good()) {
            let Some(name) = &service.value.service else { continue };
            for counter in &counters.value.0 {
                let Some(owner) = owner(&counter.value.0, name) else { continue };
                let (owner, path) = (owner.name.unwrap_or(owner.title), quoted(&counter.value.0));
                let text = format!("{path} counts sessions of `{owner}`, and not those of `{name}`");
                reader.report(
                    Diagnostic::warning(codes::COUNTER_OF_ANOTHER, counter.span, text)
                        .label(format!("`{name}` would be called drained when this is zero"))
                        .help(
                            "name a counter of the service, which `orchestrate probe PLAN --counters` lists; where a server has none, \
                             a time to wait: `maintenance: drain: unmeasured`",
                        ),
                );
            }
        }
    }
}

/// Returns the service that the counter set of a path belongs to, where it is known and is not this one's.
fn owner(path: &str, service: &ServiceName) -> Option<&'static ServiceFacts> {
    let (set, _) = path.strip_prefix('\\')?.split_once('\\')?;
    let set = set.split('(').next()?;
    let has = |facts: &&ServiceFacts| facts.measures.iter().any(|measure| is_of(&measure.kind, set));
    let is_own = SERVICES.iter().filter(has).any(|facts| facts.service_name().is_some_and(|name| name == *service));
    SERVICES.iter().find(has).filter(|_| !is_own)
}

fn is_of(kind: &MeasureKind, set: &str) -> bool {
    matches!(kind, MeasureKind::Counter { object, .. } if object.eq_ignore_ascii_case(set))
}
