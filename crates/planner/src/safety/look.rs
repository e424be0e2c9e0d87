//! One look at one pool, from which the questions about each of its servers are answered.

use super::{Asked, balancer, central, coverage, entry, fitness, lease, questions};
use crate::coverage::{Records, records};
use crate::external::{self, External};
use crate::scope::PoolScope;
use crate::standing::{Standing, standings};
use jiff::Timestamp;
use orchestrate_model::observe::Readiness;
use orchestrate_model::pool::SipBalancing;
use orchestrate_model::{
    Answer, Change, Pool, PoolObservation, RunState, Server, ServerName, ServerObservation, ServiceName,
};
use std::collections::BTreeSet;

/// What was seen of a pool, judged once for all questions about its servers.
pub(crate) struct Look<'a> {
    pub(crate) change: &'a Change,
    pub(crate) pool: &'a Pool,
    pub(crate) seen: &'a PoolObservation,
    pub(crate) ours_out: &'a BTreeSet<ServerName>,
    /// Servers of any pool that this run has out, the one in question among them once it is blocked.
    pub(crate) away: BTreeSet<ServerName>,
    /// Servers of other pools whose replica this run has stopped a short time ago.
    pub(crate) catching_up: BTreeSet<ServerName>,
    /// Whether the questions are about a server that is out and stays out, and not about one that is to go.
    pub(crate) is_out: bool,
    pub(crate) scope: PoolScope,
    /// How each server stands, by position in the pool.
    pub(crate) standings: Vec<Standing>,
    /// What was seen of each server, by position in the pool.
    servers: Vec<Option<&'a ServerObservation>>,
    /// Whether RTCSRV runs, which is what quorum counts, by position in the pool. Where it should be and is not, it
    /// does not run. Empty where there is no quorum.
    pub(crate) registrars: Vec<Answer<bool>>,
    /// When the oldest part was seen.
    pub(crate) oldest: Option<Timestamp>,
    /// What the serving servers say of the pool's readiness, each different word once, with who says it.
    pub(crate) readiness: Vec<(&'a Readiness, Vec<&'a ServerName>)>,
    /// The pool's records, where DNS spreads its clients.
    pub(crate) records: Option<Records>,
    /// The records of the pool's external names, where the plan states any.
    pub(crate) external: Option<External>,
}

impl<'a> Look<'a> {
    pub(crate) fn new(
        change: &'a Change,
        pool: &'a Pool,
        seen: &'a PoolObservation,
        ours_out: &'a BTreeSet<ServerName>,
    ) -> Self {
        Self::at(change, pool, PoolScope::of(change, pool).with_dependents(seen), seen, ours_out)
    }

    /// The same, for a scope that was worked out before.
    pub(crate) fn at(
        change: &'a Change,
        pool: &'a Pool,
        scope: PoolScope,
        seen: &'a PoolObservation,
        ours_out: &'a BTreeSet<ServerName>,
    ) -> Self {
        let servers: Vec<_> = pool.servers.iter().map(|server| seen.servers.get(&server.name)).collect();
        let standings: Vec<Standing> =
            standings(pool, &scope, seen, ours_out).into_iter().map(|(_, standing)| standing).collect();
        let serving = servers.iter().zip(&standings).filter(|(_, standing)| standing.serves());
        let readiness = said(serving.filter_map(|(server, _)| *server));
        let by_dns = pool.load_balancing.sip == SipBalancing::Dns;
        let gone: BTreeSet<ServerName> = pool.away().map(|(server, _)| server.name.clone()).collect();
        let mut records = by_dns.then(|| records(change, pool, &seen.dns));
        let mut external = external::judge(change, pool, &seen.dns);
        if !gone.is_empty() {
            // That they are named is another question: people may still be sent there.
            records.iter_mut().for_each(|records| records.without(pool, &gone, "away"));
            external.iter_mut().for_each(|external| external.without(&gone));
        }
        let registrar = pool.has_fabric().then(|| ServiceName::new("RTCSRV").ok()).flatten();
        let registrars = registrar.map(|registrar| registrars(pool, seen, &registrar)).unwrap_or_default();
        let oldest = seen.oldest();
        Self {
            change,
            pool,
            seen,
            ours_out,
            away: BTreeSet::new(),
            catching_up: BTreeSet::new(),
            is_out: false,
            scope,
            oldest,
            standings,
            servers,
            registrars,
            readiness,
            records,
            external,
        }
    }

    /// Returns the questions about `server` with their answers.
    pub(crate) fn assess(&self, server: &ServerName, now: Timestamp) -> Vec<Asked> {
        let mut asked = vec![questions::fresh(self, now), questions::budget(self, server)];
        asked.push(questions::remaining(self, server));
        if self.pool.has_fabric() {
            asked.push(questions::quorum(self, server));
            asked.push(questions::upgrade_domain(self, server));
        }
        asked.extend(coverage::records(self));
        asked.extend(coverage::external(self));
        asked.extend(entry::question(self, server));
        asked.extend(coverage::features(self, server));
        asked.extend(coverage::web_name(self));
        asked.extend(balancer::question(self, server));
        if self.pool.has_fabric() {
            asked.push(questions::ready(self, server));
        }
        asked.extend(questions::replication(self, server));
        asked.extend(central::question(self));
        asked.push(questions::blockable(self, server));
        asked.extend(questions::staged(self, server));
        asked.extend(fitness::fit(self, server));
        asked.push(lease::question(self, server));
        asked
    }

    /// Returns the servers of the pool besides `server`, in topology order.
    pub(crate) fn others(&self, server: &ServerName) -> impl Iterator<Item = Other<'_>> {
        let all = self.pool.servers.iter().zip(&self.standings).zip(&self.servers);
        all.filter(move |((other, _), _)| other.name != *server).map(|((server, standing), seen)| Other {
            server,
            standing,
            seen: *seen,
        })
    }

    /// Returns every server of the pool with how it stands, in topology order.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (&'a Server, &Standing)> {
        self.pool.servers.iter().zip(&self.standings)
    }
}

/// Another server of the pool.
pub(crate) struct Other<'a> {
    pub(crate) server: &'a Server,
    pub(crate) standing: &'a Standing,
    pub(crate) seen: Option<&'a ServerObservation>,
}

fn said<'a>(servers: impl Iterator<Item = &'a ServerObservation>) -> Vec<(&'a Readiness, Vec<&'a ServerName>)> {
    let mut said: Vec<(&Readiness, Vec<&ServerName>)> = Vec::new();
    for server in servers {
        let Some(readiness) = server.readiness.known() else {
            continue;
        };
        match said.iter_mut().find(|(same, _)| *same == readiness) {
            Some((_, who)) => who.push(&server.server),
            None => said.push((readiness, vec![&server.server])),
        }
    }
    said
}

fn registrars(pool: &Pool, seen: &PoolObservation, registrar: &ServiceName) -> Vec<Answer<bool>> {
    let runs = |server: &Server| match seen.servers.get(&server.name).map(|server| &server.services) {
        _ if server.away.is_some() => Answer::Known(false),
        None => Answer::unknown("it was not asked"),
        Some(Answer::Unknown(reason)) => Answer::unknown(reason),
        Some(Answer::Known(services)) => match services.get(registrar) {
            None => Answer::Known(false),
            Some(status) => status.state.clone().map(|state| state == RunState::Running),
        },
    };
    pool.servers.iter().map(runs).collect()
}
