//! Which services may be waited for by time alone.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::reader::{At, Reader};
use crate::written::Plan;
use orchestrate_model::catalogue::{self, MeasureFacts};
use orchestrate_model::{Product, Role, ServiceName};

/// Reports services under `drain: unmeasured` whose sessions can be counted: where their counters cannot be read,
/// their sessions are unknown, and the time would let them be cut.
pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let Some(drain) = plan.maintenance.as_ref().and_then(|maintenance| maintenance.value.drain.as_ref()) else {
        return;
    };
    for (text, _) in drain.value.unmeasured.iter().flat_map(|services| services.value.good()) {
        let Some(service) = &text.value.service else { continue };
        if let Some((measure, role)) = countable(plan, service) {
            reader.report(counted(&At { value: service, span: text.span }, measure, role));
        }
    }
}

/// Returns a measure of the catalogue that a source shows, and the role of a pool of the plan on which it is read.
fn countable(plan: &Plan, service: &ServiceName) -> Option<(&'static MeasureFacts, Role)> {
    let facts = catalogue::service(service)?;
    let kinds = plan.pools.iter().flat_map(|pools| pools.value.good()).filter_map(|(_, pool)| {
        let (product, role): (Product, Role) = (pool.value.product.as_ref()?.value, pool.value.role.as_ref()?.value);
        let runs =
            facts.products.contains(&product) && (facts.roles.contains(&role) || facts.optional_roles.contains(&role));
        runs.then_some((product, role))
    });
    kinds
        .filter_map(|(product, role)| Some((facts.measures_for(product, role).find(|measure| measure.sourced)?, role)))
        .next()
}

fn counted(service: &At<&ServiceName>, measure: &MeasureFacts, role: Role) -> Diagnostic {
    let name = service.value;
    Diagnostic::error(
        codes::CAN_BE_COUNTED,
        service.span,
        format!("the sessions of `{name}` can be counted on {role} servers, so no time stands for their count"),
    )
    .label("expected a service whose sessions nothing counts")
    .help(
        "leave it out and make its counters readable: the account has to be a member of Performance Monitor Users on the \
         servers; or name other counters that the servers have under the pool's `measures`, as `orchestrate probe PLAN \
         --counters` lists them: what cannot be counted is not cut either",
    )
    .note(format!("one of its measures is `{}`; one that cannot be read is unknown, not zero", measure.kind.path()))
}
