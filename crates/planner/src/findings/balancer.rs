//! What does not fit the plan at the balancers.

use super::{note, refusal};
use crate::codes;
use crate::plan::Finding;
use crate::safety::{Look, balancer_advice as advice};
use crate::words::list;
use orchestrate_model::ServerName;
use orchestrate_model::observe::{BalancerDoubt, DoubtKind};
use std::collections::BTreeMap;

pub(super) fn pool(look: &Look<'_>, found: &mut Vec<Finding>) {
    let Some(seen) = look.seen.balancer.known() else { return };
    // One thing can concern several servers; it is said once.
    let mut said: BTreeMap<(DoubtKind, &str), Vec<&ServerName>> = BTreeMap::new();
    for BalancerDoubt { server, kind, text } in &seen.doubts {
        said.entry((*kind, text)).or_default().extend(server);
    }
    for ((kind, text), servers) in said {
        let finding = match (servers.as_slice(), kind.forbids()) {
            ([] | [_], true) => refusal(code(kind), text),
            (several, true) => {
                let whose = match several {
                    [one, other] => format!("Neither {} nor {}", one.short(), other.short()),
                    more => format!("None of {}", list(more.iter().map(|server| server.short()))),
                };
                refusal(code(kind), format!("{text}. {whose} may go"))
            }
            (_, false) => note(code(kind), text),
        };
        let finding = finding.pool(look.pool).advise(advice(kind));
        found.push(match servers.as_slice() {
            [only] => finding.server(only),
            _ => finding,
        });
    }
}

fn code(kind: DoubtKind) -> &'static str {
    match kind {
        DoubtKind::OtherAddress => codes::BALANCER_ADDRESS,
        DoubtKind::NotThere => codes::BALANCER_MISSING,
        DoubtKind::Unnamed => codes::BALANCER_BACKEND,
        DoubtKind::NoRight | DoubtKind::RightUnknown => codes::BALANCER_RIGHT,
        DoubtKind::ByNameAlone => codes::BALANCER_BY_NAME,
        DoubtKind::Accepted => codes::BALANCER_BACKEND_LEFT,
    }
}
