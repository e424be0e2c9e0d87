//! Does a server stay behind the balancer in every backend, and can the balancer be changed?

use super::look::Other;
use super::{Asked, Look, Question, questions};
use crate::scope::leaves_balancer;
use crate::words::{few, list};
use orchestrate_model::observe::{BalancerDoubt, BalancerPlace, BalancerState, DoubtKind};
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Server, ServerName, Verdict, secret};
use std::collections::BTreeSet;

/// Whether the balancer lets the server go, and whether another one stays behind it.
pub(super) fn question(look: &Look<'_>, server: &ServerName) -> Option<Asked> {
    if !leaves_balancer(look.change, look.pool, &look.scope) {
        return None;
    }
    let verdict = match &look.pool.load_balancing.balancer {
        Balancer::None => return None,
        Balancer::Operator => Verdict::Yes("the operator is asked to confirm it before the block".to_owned()),
        Balancer::Elsewhere(how) => {
            Verdict::Yes(format!("handled elsewhere, as the plan says: {}", secret::shown_text(how)))
        }
        Balancer::Haproxy(_) => behind_balancer(look, server),
    };
    let advice = match doubt(look, server) {
        // Where the balancer is not as the plan says, or cannot be changed, no other server is the remedy.
        Some(doubt) => advice(doubt.kind),
        None => "Bring another server back behind the balancer first: ready, with its health check passing.",
    };
    Some(questions::asked(Question::Balancer, verdict, advice))
}

fn behind_balancer(look: &Look<'_>, server: &ServerName) -> Verdict {
    let name = server.short();
    let seen = look.seen.balancer.as_result().and_then(|seen| seen.servers.as_result());
    let servers = match seen {
        Ok(servers) => servers,
        Err(reason) => return Verdict::Unknown(format!("{name} may not go: the balancer did not say: {reason}")),
    };
    if let Some(verdict) = doubted(look, server) {
        return verdict;
    }
    let own = match servers.get(server) {
        Some(own) if !own.entries.is_empty() => own,
        Some(_) | None => return Verdict::No(format!("{name} may not go: the balancer does not have it")),
    };
    let ready_in = |(balancer, backend): (&String, &String), other: &Server| {
        let entries = servers.get(&other.name).into_iter().flat_map(|seen| &seen.entries);
        let here = |place: &BalancerPlace| place.balancer == *balancer && place.backend == *backend;
        let mut here = entries.filter(|(place, _)| here(place));
        here.any(|(_, entry)| entry.admin == BalancerState::Ready && entry.up)
    };
    let backends: BTreeSet<_> = own.entries.keys().map(|place| (&place.balancer, &place.backend)).collect();
    let mut backends: Vec<_> = backends.into_iter().collect();
    // Where not one is ready comes first: that backend is the cause, and the others only follow.
    backends.sort_by_key(|place| look.others(server).any(|other| ready_in(*place, other.server)));
    // Whoever is ready in every backend stays; in each backend somebody has to.
    let mut staying: Option<BTreeSet<&str>> = None;
    for (balancer, backend) in backends {
        let is_ready = |other: &Server| ready_in((balancer, backend), other);
        let (mut ready, mut not) = (BTreeSet::new(), Vec::new());
        for Other { server: other, standing, .. } in look.others(server) {
            let short = other.name.short();
            if standing.serves() && is_ready(other) {
                ready.insert(short);
            } else {
                not.push(short);
            }
        }
        if ready.is_empty() {
            return Verdict::No(format!(
                "{name} may not go: nothing would be left behind the balancer in {backend} at {balancer}, not ready: {}",
                list(not)
            ));
        }
        staying = Some(match staying {
            None => ready,
            Some(before) => before.intersection(&ready).copied().collect(),
        });
    }
    let staying: Vec<&str> = staying.into_iter().flatten().collect();
    match staying.as_slice() {
        [] => Verdict::Yes("in every backend another server stays behind the balancer".to_owned()),
        [only] => Verdict::Yes(format!("{only} stays behind the balancer")),
        several => Verdict::Yes(format!("{} stay behind the balancer", few(several))),
    }
}

/// Returns what does not fit the plan at the balancer and is about a server.
fn doubt<'a>(look: &Look<'a>, server: &ServerName) -> Option<&'a BalancerDoubt> {
    // No before unknown: it says more.
    look.seen.balancer.known()?.against(server).min_by_key(|doubt| doubt.kind == DoubtKind::RightUnknown)
}

/// What does not fit the plan at the balancer keeps the servers that it is about from being taken out.
fn doubted(look: &Look<'_>, server: &ServerName) -> Option<Verdict> {
    let doubt = doubt(look, server)?;
    let text = format!("{} may not go: {}", server.short(), doubt.text);
    Some(if doubt.kind == DoubtKind::RightUnknown { Verdict::Unknown(text) } else { Verdict::No(text) })
}

/// Returns what to do about a doubt, wherever it is spoken of.
pub(crate) fn advice(kind: DoubtKind) -> &'static str {
    match kind {
        DoubtKind::OtherAddress => {
            "Correct the address in the balancer (at its runtime API: set server BACKEND/NAME addr ADDRESS) or in the plan. \
             Where the balancer fills its places as it likes (server-template), say so: slots: by-address. Where it reaches the \
             server by an address of its own, state its name there: names."
        }
        DoubtKind::NotThere => {
            "Correct backends, accept_backends, address or names in the plan, or add the server in the balancer."
        }
        DoubtKind::Unnamed => {
            "Name it under backends, and the server is taken out there too. If it may go on, say why: accept_backends."
        }
        DoubtKind::NoRight | DoubtKind::RightUnknown => {
            "Give the socket that the plan names level admin (stats socket ... level admin), or name another one."
        }
        DoubtKind::ByNameAlone => "Make sure that it is that server: nothing else says so.",
        DoubtKind::Accepted => "Make sure that those who come that way can wait.",
    }
}
