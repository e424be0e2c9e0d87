//! The names by which clients outside find an Edge pool.

use super::{note, refusal, warning};
use crate::codes;
use crate::external::{Fault, Wrong};
use crate::plan::Finding;
use crate::safety::{self, Look};
use crate::words::list;
use orchestrate_model::pool::SipBalancing;
use orchestrate_model::{ExternalUse, Pool, Product, Role};

/// Says so where an external name does not lead where it should.
pub(super) fn records(look: &Look<'_>, found: &mut Vec<Finding>) {
    let blocked = safety::spread(look);
    for (fault, text) in look.external.iter().flat_map(|external| external.faults()) {
        let finding = if blocked {
            let what = if fault.wrong == Wrong::Unknown {
                "It is not known whether clients outside have"
            } else {
                "Clients outside may not have"
            };
            refusal(codes::EXTERNAL_NAME, format!("{text}. {what} another server to go to while one is blocked"))
        } else {
            warning(codes::EXTERNAL_NAME, text)
        };
        let finding = finding.pool(look.pool).advise(advice(look.pool, fault));
        found.push(match &fault.server {
            Some(server) => finding.server(server),
            None => finding,
        });
    }
}

fn advice(pool: &Pool, fault: &Fault) -> String {
    let name = &fault.name;
    let by_dns = pool.load_balancing.sip == SipBalancing::Dns;
    match fault.wrong {
        Wrong::Missing => format!(
            "Add the record to {name}, or correct the server's address in the plan (external), or take the server out of \
             the plan once it is out of the topology."
        ),
        Wrong::Nothing if by_dns => format!(
            "Give {name} one record per server. Where this name server does not know the names outside, name those that \
             do: dns.external_resolvers."
        ),
        Wrong::Nothing => format!("Let {name} lead to the balancer, or ask who knows it: dns.external_resolvers."),
        Wrong::Stranger => {
            format!("Remove the record from {name}, or state the address at the server whose it is (external).")
        }
        Wrong::Elsewhere => format!(
            "Remove the record from {name}. Where this name server answers for the inside only, name those that answer \
             outside: dns.external_resolvers."
        ),
        Wrong::Alias => format!("Replace the alias {name} by one address record per server."),
        Wrong::Kind if by_dns => format!(
            "Internal and external have to be balanced alike: give {name} one record per server, or balance the pool by \
             hardware on both sides and say sip: hardware."
        ),
        Wrong::Kind => format!(
            "Internal and external have to be balanced alike: let {name} lead to the balancer, or balance the pool by DNS \
             on both sides and say sip: dns."
        ),
        Wrong::Unknown => {
            format!("Make the name servers answer for {name}, or name others that do: dns.external_resolvers.")
        }
    }
}

/// Says which external names of a pool are not stated: nothing looks at them.
pub(super) fn unstated(pool: &Pool) -> Option<Finding> {
    let by_dns = pool.load_balancing.sip == SipBalancing::Dns && pool.product != Product::Generic;
    let stated = &pool.load_balancing.external;
    let open: Vec<ExternalUse> = ExternalUse::ALL.into_iter().filter(|purpose| !stated.contains_key(purpose)).collect();
    if pool.role != Role::Edge || !by_dns || open.is_empty() {
        return None;
    }
    let text = format!("{}: the external names of {} are not stated, and so not checked", pool.name, list(&open));
    let keys = open.iter().map(|purpose| format!("{}: NAME", purpose.key())).collect::<Vec<_>>().join(", ");
    Some(note(codes::EXTERNAL_UNSTATED, text).pool(pool).advise(format!(
        "State them under load_balancing, external: {{{keys}}}, and the addresses behind them at each server, external: \
         ADDRESS. Otherwise look at their records yourself before the change."
    )))
}
