//! Mappings by service: one entry for each, whatever name it goes by.

use crate::codes;
use crate::diagnostic::{Diagnostic, Span, quoted};
use crate::reader::{At, Entries, Reader};
use crate::scalars::ServiceText;
use crate::written::Plan;
use orchestrate_model::ServiceName;
use std::collections::BTreeMap;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    for (_, pool) in plan.pools.iter().flat_map(|pools| pools.value.good()) {
        once(reader, pool.value.measures.as_ref());
    }
    let Some(drain) = plan.maintenance.as_ref().and_then(|maintenance| maintenance.value.drain.as_ref()) else {
        return;
    };
    once(reader, drain.value.services.as_ref());
    once(reader, drain.value.unmeasured.as_ref());
    let alone = drain.value.by_sessions_alone.iter().flat_map(|services| &services.value);
    let named: Vec<At<&ServiceName>> =
        alone.filter_map(|at| Some(At { value: at.value.service.as_ref()?, span: at.span })).collect();
    super::maintenance::twice(reader, &named);
}

/// Reports entries for a service that has one under another name: only one of the two could be meant.
fn once<V>(reader: &mut Reader, entries: Option<&At<Entries<ServiceText, V>>>) {
    let mut first: BTreeMap<&ServiceName, (&str, Span)> = BTreeMap::new();
    for key in entries.into_iter().flat_map(|entries| entries.value.keys()) {
        let Some(service) = &key.value.service else { continue };
        let Some((text, span)) = first.get(service) else {
            first.insert(service, (&key.value.text, key.span));
            continue;
        };
        reader.report(
            Diagnostic::error(
                codes::DUPLICATE_KEY,
                key.span,
                format!("{} is `{service}`, which stands here already", quoted(&key.value.text)),
            )
            .label("the second one")
            .note(format!("the first one is {} in line {}", quoted(text), span.line)),
        );
    }
}
