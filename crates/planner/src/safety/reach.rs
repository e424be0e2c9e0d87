//! What keeps people from servers that serve: records that are missing, and health checks that fail. Asked at the end of a run,
//! when every server should be in use again, and not about a server that is to go.

use super::{Look, coverage};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::Balancer;
use orchestrate_model::{Change, Pool, PoolObservation, ServerName};
use std::collections::BTreeSet;

/// Returns what keeps people from the servers of a pool, one sentence each; also what could not be seen. Those that are known
/// not to serve (`out`) are left out: what follows from that is no news.
#[must_use]
pub fn unreached(change: &Change, pool: &Pool, seen: &PoolObservation, out: &BTreeSet<ServerName>) -> Vec<String> {
    let ours = BTreeSet::new();
    let mut look = Look::new(change, pool, seen, &ours);
    if let Some(records) = &mut look.records {
        records.without(pool, out, "out of service");
    }
    if let Some(external) = &mut look.external {
        external.without(out);
    }
    let asked = coverage::records(&look).into_iter().chain(coverage::external(&look));
    let mut found: Vec<String> =
        asked.filter(|asked| !asked.verdict.is_yes()).map(|asked| asked.verdict.text().to_owned()).collect();
    found.extend(unhealthy(pool, seen, out));
    found
}

/// Servers that are ready at the balancer, and that its health check calls down.
fn unhealthy(pool: &Pool, seen: &PoolObservation, out: &BTreeSet<ServerName>) -> Vec<String> {
    let Balancer::Haproxy(_) = &pool.load_balancing.balancer else { return Vec::new() };
    let servers = seen.balancer.known().and_then(|balancer| balancer.servers.known());
    let is_away = |server: &ServerName| pool.server(server).is_some_and(|server| server.away.is_some());
    let servers = servers.into_iter().flatten().filter(|(server, _)| !out.contains(*server) && !is_away(server));
    let down = servers.filter_map(|(server, own)| {
        let (place, _) = own.entries.iter().find(|(_, entry)| !entry.up && entry.admin == BalancerState::Ready)?;
        Some(format!("the balancer's health check does not pass for {}: {place}", server.short()))
    });
    down.collect()
}
