//! Name servers as a source of evidence: what every resolver, and every authoritative server that can be reached,
//! says of a pool's names.
//!
//! Belongs here: asking name servers and turning what they say into three-valued answers. Does not belong here: any
//! judgement of whether the records fit the pool.
//!
//! Nothing is cached, no search domain is tried and no resolver stands in for another: the point is to see each
//! server's own word, now. "No such name" and "no such records" are known, empty answers; a server that fails, refuses,
//! refers elsewhere or stays silent leaves its answer unknown (promise P3).

mod authorities;
mod exchange;
mod lookup;
mod machine;
mod reading;
mod seats;

#[cfg(test)]
mod tests;

use crate::exchange::Manner;
use crate::lookup::{Lookup, Shortfall};
use crate::seats::Seats;
use async_trait::async_trait;
use futures::{StreamExt, stream};
use orchestrate_driver::limits::QUESTIONS_AT_ONCE;
use orchestrate_driver::{Clock, Resolve};
use orchestrate_model::observe::{AddressRecords, DnsAnswer, DnsAsk, DnsObservation};
use orchestrate_model::{Answer, DnsName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// Whether the authoritative servers of the names' zones are asked besides the resolvers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authorities {
    /// They are looked up and asked. One that cannot be reached adds nothing to the observation but a trace: from an
    /// administration network they often cannot be, and the resolvers have answered already.
    Ask,
    /// Only the resolvers are asked: for a lab, which must not send anything elsewhere.
    Skip,
}

/// Why the machine's own name servers cannot be used.
#[derive(Debug, Error)]
#[error("cannot read this machine's name server settings; name the resolvers in the plan (dns: resolvers)")]
pub struct MachineSettingsError {
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// How long a server gets to answer one question, and on which port authoritative servers listen.
///
/// The limits run by the runtime's time, never by a lab's faster clock: what they bound is a real socket.
#[derive(Debug, Clone, Copy)]
struct Limits {
    resolver: Duration,
    authority: Duration,
    authority_port: u16,
}

impl Limits {
    /// A resolver may have to ask several servers itself before it can answer, hence its five seconds; an authority
    /// has the answer at hand. With both, evidence is still younger than the 30 s that a guard accepts.
    const USUAL: Self =
        Self { resolver: Duration::from_secs(5), authority: Duration::from_secs(2), authority_port: 53 };
}

/// Asks a fixed list of resolvers, and the authoritative servers behind them.
#[derive(Debug, Clone)]
pub struct NameServers {
    resolvers: Vec<SocketAddr>,
    /// Who is asked for external names. Empty where it is the same servers.
    external: Vec<SocketAddr>,
    authorities: Authorities,
    limits: Limits,
    seats: Seats,
    clock: Clock,
}

impl NameServers {
    /// Returns name servers that ask each of `resolvers`, and the authorities as well.
    ///
    /// With no resolver at all every answer is unknown.
    #[must_use]
    pub fn new(resolvers: Vec<SocketAddr>, clock: Clock) -> Self {
        Self {
            resolvers: each_once(resolvers),
            external: Vec::new(),
            authorities: Authorities::Ask,
            limits: Limits::USUAL,
            seats: Seats::new(),
            clock,
        }
    }

    /// Returns name servers that ask the resolvers this machine is set up with, and the authorities as well. Where the
    /// only one is a stub of systemd-resolved, the resolvers behind it are asked instead.
    ///
    /// # Errors
    /// The settings of the machine cannot be read or name no resolver.
    pub fn of_this_machine(clock: Clock) -> Result<Self, MachineSettingsError> {
        let (config, _options) = hickory_resolver::system_conf::read_system_conf()
            .map_err(|source| MachineSettingsError { source: Box::new(source) })?;
        let resolvers = config.name_servers.iter().map(|server| {
            let port = server.connections.first().map_or(53, |connection| connection.port);
            SocketAddr::new(server.ip, port)
        });
        let resolvers = machine::behind_a_stub(resolvers.collect(), || std::fs::read_to_string(machine::UPSTREAM).ok());
        Ok(Self::new(resolvers, clock))
    }

    /// Returns the same name servers with another choice about the authorities.
    #[must_use]
    pub fn with_authorities(self, authorities: Authorities) -> Self {
        Self { authorities, ..self }
    }

    /// Returns the same name servers with resolvers of their own for external names. With none the others are asked.
    #[must_use]
    pub fn with_external(self, resolvers: Vec<SocketAddr>) -> Self {
        Self { external: each_once(resolvers), ..self }
    }

    /// Returns the resolvers that are asked, in order.
    #[must_use]
    pub fn resolvers(&self) -> &[SocketAddr] {
        &self.resolvers
    }

    fn lookup(&self, server: SocketAddr, manner: Manner) -> Lookup {
        Lookup { seats: self.seats.clone(), server, manner }
    }

    /// Asks each of `resolvers` about each name, and the authorities that they name.
    async fn ask(&self, names: &[DnsName], resolvers: &[SocketAddr]) -> Vec<DnsAnswer> {
        let names: Vec<DnsName> = names.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        if resolvers.is_empty() {
            return names.into_iter().map(without_resolver).collect();
        }
        let mut answers = self.ask_resolvers(&names, resolvers).await;
        match self.authorities {
            Authorities::Ask => {
                let more = self.ask_authorities(&names, &answers, resolvers).await;
                answers.extend(more);
            }
            Authorities::Skip => {}
        }
        answers
    }

    /// Asks every resolver about every name.
    async fn ask_resolvers(&self, names: &[DnsName], resolvers: &[SocketAddr]) -> Vec<DnsAnswer> {
        let manner = Manner::recursive(self.limits.resolver);
        let mut questions: Vec<(SocketAddr, DnsName)> = Vec::new();
        for resolver in resolvers {
            questions.extend(names.iter().map(|name| (*resolver, name.clone())));
        }
        let asked = questions.into_iter().map(|(resolver, name)| async move {
            let records = self.lookup(resolver, manner).addresses(&name).await;
            DnsAnswer { name, resolver, records: Answer::from(records) }
        });
        // Each future asks two questions, for A and for AAAA.
        stream::iter(asked).buffered(QUESTIONS_AT_ONCE / 2).collect().await
    }

    /// Asks the authoritative servers of every name, as the first resolver that knows anything names them.
    async fn ask_authorities(&self, names: &[DnsName], said: &[DnsAnswer], resolvers: &[SocketAddr]) -> Vec<DnsAnswer> {
        let Some(guide) = said.iter().find(|answer| answer.records.known().is_some()) else {
            tracing::debug!("no resolver answered, so the authoritative servers cannot be found");
            return Vec::new();
        };
        let guide = self.lookup(guide.resolver, Manner::recursive(self.limits.resolver));
        let manner = Manner::authoritative(self.limits.authority);
        let found = authorities::of_names(&guide, names, manner, self.limits.authority_port).await;
        let mut questions: Vec<(SocketAddr, DnsName)> = Vec::new();
        for (name, servers) in found {
            let others = servers.into_iter().filter(|server| !resolvers.contains(server));
            questions.extend(others.map(|server| (server, name.clone())));
        }
        let asked = questions.into_iter().map(|(server, name)| async move {
            match self.lookup(server, manner).addresses(&name).await {
                // The resolvers follow the alias to whoever answers for it; this server cannot.
                Err(reason @ Shortfall::AliasLeadsAway { .. }) => {
                    tracing::debug!(%server, %name, %reason, "no answer of its own from an authoritative server");
                    None
                }
                records => Some(DnsAnswer { name, resolver: server, records: Answer::from(records) }),
            }
        });
        let answers: Vec<_> = stream::iter(asked).buffered(QUESTIONS_AT_ONCE / 2).collect().await;
        answers.into_iter().flatten().collect()
    }
}

#[async_trait]
impl Resolve for NameServers {
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation {
        let _seat = self.seats.look().await;
        let taken = self.clock.now();
        let external = if self.external.is_empty() { &self.resolvers } else { &self.external };
        // Side by side: one after the other, silent servers would take up most of the time that evidence is fresh.
        let (answers, external) =
            futures::join!(self.ask(&ask.names, &self.resolvers), self.ask(&ask.external, external));
        DnsObservation { taken, answers, external }
    }
}

fn each_once(resolvers: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = BTreeSet::new();
    resolvers.into_iter().filter(|resolver| seen.insert(*resolver)).collect()
}

/// Says for one name that there was nobody to ask: an empty observation could be mistaken for agreement.
fn without_resolver(name: DnsName) -> DnsAnswer {
    let records: Answer<AddressRecords> = Answer::unknown("no name server was given");
    DnsAnswer { name, resolver: SocketAddr::from(([0, 0, 0, 0], 0)), records }
}

/// Authoritative servers by name.
type ServersByName = BTreeMap<DnsName, Vec<SocketAddr>>;
