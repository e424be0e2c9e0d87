//! What depends on the services that are blocked, and is not in the plan.

use super::refusal;
use crate::codes;
use crate::plan::Finding;
use crate::report::ServerSafety;
use crate::safety::{Look, needed, problems, uncounted};
use crate::words::list;
use orchestrate_model::{ServiceName, catalogue};
use std::collections::{BTreeMap, BTreeSet};

/// Says what stands against blocking what depends on the services in scope. Services whose sessions nothing counts: one
/// finding per service.
pub(super) fn pool(look: &Look<'_>, safety: &[&ServerSafety], found: &mut Vec<Finding>) {
    let mut by_service: BTreeMap<&ServiceName, Seen<'_>> = BTreeMap::new();
    for server in safety.iter().filter_map(|safety| look.seen.servers.get(&safety.server)) {
        for status in uncounted(look, server) {
            let seen = by_service.entry(&status.name).or_default();
            seen.servers.insert(server.server.short());
            seen.needed.extend(needed(look, server, &status.name));
            seen.display = &status.display_name;
        }
        for problem in problems(look, server.server.short(), server) {
            let advice = "Look at the service on the server: sc enumdepend NAME lists what depends on it. What is stopped \
                          does no harm.";
            let finding = refusal(codes::DEPENDENT_UNKNOWN, problem.text()).pool(look.pool).server(&server.server);
            found.push(finding.advise(advice));
        }
    }
    for (service, seen) in by_service {
        let display = match seen.display {
            "" => String::new(),
            display if display.eq_ignore_ascii_case(service.as_str()) => String::new(),
            display => format!(" ({display})"),
        };
        let text = format!(
            "{service}{display} on {} depends on {}: it would be blocked too, and nothing counts its sessions",
            list(seen.servers),
            list(seen.needed)
        );
        let name = if catalogue::service(service).is_some() { "" } else { "Name it under the pool's services, and " };
        let count = if name.is_empty() { "Say" } else { "say" };
        let advice = format!(
            "{name}{count} what counts its sessions under the pool's measures, or how long to wait for it under \
             maintenance: drain: unmeasured. If it need not run meanwhile, stop it on the servers first."
        );
        found.push(refusal(codes::DEPENDENT_UNKNOWN, text).pool(look.pool).advise(advice));
    }
}

#[derive(Default)]
struct Seen<'a> {
    servers: BTreeSet<&'a str>,
    needed: BTreeSet<&'a str>,
    display: &'a str,
}
