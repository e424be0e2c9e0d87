//! What this run has done itself, and which answers that turns.
//!
//! A server that the run has blocked, stopped or restarted makes its pool less than whole. What follows from that alone is
//! no reason against the run: the product may call the pool busy, the server's replica falls behind, a name server that
//! watches servers leaves its record out. The right question is then whether anything besides is wrong.

use super::{Asked, Case, Look, balancer, coverage, entry, questions};
use crate::words::list;
use orchestrate_model::observe::{Readiness, ReadinessState};
use orchestrate_model::{ServerName, ServiceName, Verdict};
use std::collections::BTreeSet;

/// What this run has done itself.
#[derive(Debug, Clone, Copy)]
pub struct Ours<'a> {
    /// Servers of any pool that it has out, the one in question among them once it is blocked.
    pub away: &'a BTreeSet<ServerName>,
    /// Servers of other pools whose configuration replica this run has stopped a short time ago: it follows, and says
    /// nothing about the pool in question.
    pub catching_up: &'a BTreeSet<ServerName>,
    /// The services that ran on the server in question before it was blocked, where the questions are about a server that
    /// is out and stays out, and not about one that is to go.
    pub served: Option<&'a BTreeSet<ServiceName>>,
}

/// Returns every question that matters for the server, as [`super::assess`] does, put so that what the run has done itself
/// does not answer it.
///
/// About a server that is out already these are the questions whose answer says whether the others can go on without it.
/// Whether it can be blocked and its installer is in place was asked before it went; configuration replicas and the place
/// of the central management say whether a change may begin, and nobody is served worse while they lag.
#[must_use]
pub fn assess_ours(case: &Case<'_>, ours: &Ours<'_>) -> Vec<Asked> {
    let mut look = Look::new(case.change, case.pool, case.seen, case.ours_out);
    look.away.clone_from(ours.away);
    look.catching_up.clone_from(ours.catching_up);
    if let Some(records) = &mut look.records {
        records.without(case.pool, ours.away, "out by this run");
    }
    if let Some(external) = &mut look.external {
        external.without(ours.away);
    }
    look.is_out = ours.served.is_some();
    let Some(served) = ours.served else {
        return look.assess(case.server, case.now);
    };
    let server = case.server;
    let mut asked = vec![questions::fresh(&look, case.now), questions::budget(&look, server)];
    asked.push(questions::remaining(&look, server));
    if look.pool.has_fabric() {
        asked.push(questions::quorum(&look, server));
        asked.push(questions::upgrade_domain(&look, server));
    }
    asked.extend(coverage::records(&look));
    asked.extend(coverage::external(&look));
    asked.extend(entry::question(&look, server));
    asked.extend(coverage::features_of(&look, server, |service| served.contains(service)));
    asked.extend(coverage::web_name(&look));
    asked.extend(balancer::question(&look, server));
    if look.pool.has_fabric() {
        asked.push(questions::ready(&look, server));
    }
    asked
}

/// Takes the product's word on a pool for a yes where all that it can be about are servers that this run has out.
///
/// The count of active front ends says so: when every other server that is seen to serve is active, nobody is missing but
/// ours. Where a word comes without a count, it cannot be told apart while the server in question is out itself, and how
/// the others are is known from their services; a server that is still to go waits for the word.
pub(super) fn explained(look: &Look<'_>, server: &ServerName, said: &Readiness, verdict: Verdict) -> Verdict {
    let own: Vec<&str> =
        look.pool.servers.iter().filter(|s| look.away.contains(&s.name)).map(|s| s.name.short()).collect();
    if own.is_empty() || verdict.is_yes() {
        return verdict;
    }
    let word = match &said.state {
        ReadinessState::Ready => "that an upgrade domain is not ready",
        ReadinessState::Busy => "Busy",
        ReadinessState::InsufficientActiveFrontEnds => "InsufficientActiveFrontEnds",
        ReadinessState::Other(_) => return verdict,
    };
    let others =
        look.servers().filter(|(other, standing)| standing.serves() && !look.away.contains(&other.name)).count();
    let own = list(own);
    // When every server of the pool is active, none is missing: what the product waits for is not what we have taken away.
    // A server that is still to go waits for that too. For one that is out it is no reason to give it back: a pool is busy
    // for a while after each change, and those who serve are all there.
    let short = said.state == ReadinessState::InsufficientActiveFrontEnds;
    if said.active.is_some() && said.active == said.total && (short || !look.is_out) {
        return verdict;
    }
    match said.active.map(|active| usize::try_from(active).unwrap_or(usize::MAX)) {
        Some(active) if active >= others => Verdict::Yes(format!(
            "the product says {word}, and none is missing but {own}, out by this run: {active} active of {others} others in service"
        )),
        None if look.away.contains(server) => {
            Verdict::Yes(format!("the product says {word}, which {own}, out by this run, may be the cause of"))
        }
        Some(_) | None => verdict,
    }
}
