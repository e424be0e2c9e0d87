//! The replicas of the configuration store, as the pool with central management names them: which are behind, which belong to
//! servers that the run has just brought back, and which no answer names.

use crate::words::few;
use orchestrate_model::{Pool, PoolObservation, ServerName};
use std::collections::{BTreeMap, BTreeSet};

/// What a pool knows of replicas. Each list holds short names of servers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replicas<'a> {
    /// Behind, and not by our doing.
    pub behind: Vec<&'a str>,
    /// Behind since the run has just had their servers in hand. They are not counted.
    pub following: Vec<&'a str>,
    /// In none of the answers: what is not named is not up to date.
    pub unnamed: Vec<&'a str>,
}

impl<'a> Replicas<'a> {
    /// Sorts what the servers of a pool say. `away`: the servers that the run has out, which replicate nothing. `catching_up`:
    /// those that it has just brought back. `None`: no server could be asked.
    #[must_use]
    pub fn of(
        pool: &'a Pool,
        seen: &'a PoolObservation,
        away: &BTreeSet<ServerName>,
        catching_up: &BTreeSet<ServerName>,
    ) -> Option<Self> {
        let known: Vec<&BTreeMap<ServerName, bool>> =
            seen.servers.values().filter_map(|server| server.replication.known()).collect();
        if known.is_empty() {
            return None;
        }
        let gone =
            |name: &ServerName| away.contains(name) || pool.server(name).is_some_and(|server| server.away.is_some());
        let lag = known.iter().copied().flatten().filter(|(server, up_to_date)| !**up_to_date && !gone(server));
        let (following, behind): (BTreeSet<&ServerName>, BTreeSet<&ServerName>) =
            lag.map(|(server, _)| server).partition(|server| catching_up.contains(*server));
        let is_named = |name: &ServerName| known.iter().any(|replicas| replicas.contains_key(name));
        let names = pool.servers.iter().map(|server| &server.name);
        let unnamed = names.filter(|name| !is_named(name) && !gone(name));
        Some(Self {
            behind: behind.into_iter().map(ServerName::short).collect(),
            following: following.into_iter().map(ServerName::short).collect(),
            unnamed: unnamed.map(ServerName::short).collect(),
        })
    }

    /// Returns the sentence about replicas that are all up to date, but for those that are not counted.
    #[must_use]
    pub fn up_to_date(&self) -> String {
        let but = match self.following.as_slice() {
            [] => String::new(),
            some => format!(" but those of {}, which this run has just had in hand", few(some)),
        };
        format!("every configuration replica is up to date{but}")
    }
}
