//! Servers that are known to be dead: what cannot be so.

use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::reader::Reader;
use crate::written::{Plan, Pool};
use orchestrate_model::PoolName;
use orchestrate_model::pool::Hosted;

pub(crate) fn check(plan: &Plan, reader: &mut Reader) {
    let Some(pools) = &plan.pools else { return };
    for (name, pool) in pools.value.good() {
        every(reader, &name.value, &pool.value);
        central_management(reader, &pool.value);
    }
}

/// A pool of which nothing is left serves nobody, and nothing is left to be done in it.
fn every(reader: &mut Reader, name: &PoolName, pool: &Pool) {
    let Some(servers) = &pool.servers else { return };
    let away = servers.value.0.iter().map(|(_, server)| server.as_ref()?.value.away.as_ref());
    let Some(away) = away.collect::<Option<Vec<_>>>() else { return };
    let Some(last) = away.last() else { return };
    reader.report(
        Diagnostic::error(codes::EVERY_SERVER_AWAY, last.span, format!("every server of the pool `{name}` is away"))
            .label("nothing is left of the pool")
            .help("take the pool out of the plan, or `away` from the servers that can be maintained"),
    );
}

/// What is dead is active nowhere.
fn central_management(reader: &mut Reader, pool: &Pool) {
    let servers = pool.servers.iter().flat_map(|servers| servers.value.good());
    for (name, server) in servers {
        let (Some(away), Some(hosts)) = (&server.value.away, &server.value.hosts) else { continue };
        if !hosts.value.iter().any(|hosted| hosted.value == Hosted::CentralManagement) {
            continue;
        }
        let text = format!("`{}` is away, and cannot host the active central management", name.value);
        reader.report(
            Diagnostic::error(codes::AWAY_CENTRAL_MANAGEMENT, away.span, text)
                .label("a server that is dead hosts nothing")
                .help("fail the central management over first, and write `hosts` at the server that hosts it now"),
        );
    }
}
