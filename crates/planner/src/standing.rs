//! Which servers of a pool serve, which are out, and of which nobody knows.

use crate::scope::PoolScope;
use orchestrate_model::pool::Balancer;
use orchestrate_model::{
    Answer, Pool, PoolObservation, RunState, Server, ServerName, ServerObservation, ServiceName, ServiceStatus,
    StartMode,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Whether a server serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every service that the change is about, and that is in use in the pool, runs.
    Serving,
    /// It is out of service, and why. It may be so by our own hand.
    Out(String),
    /// Nobody knows, and why. Counts against every budget.
    Unknown(String),
}

impl Standing {
    /// Returns whether the server is known to serve.
    #[must_use]
    pub fn serves(&self) -> bool {
        *self == Self::Serving
    }
}

/// Returns how each server of the pool stands, in topology order, as it was seen. A server that this run has taken out and not yet proven
/// back (`ours_out`) is out, whatever was seen. What was seen may be of more pools than this one; its balancer is that of
/// the pool that it names.
///
/// A service that is stopped and disabled on every server of the pool is not in use and is passed over.
#[must_use]
pub fn standings(
    pool: &Pool,
    scope: &PoolScope,
    seen: &PoolObservation,
    ours_out: &BTreeSet<ServerName>,
) -> Vec<(ServerName, Standing)> {
    let of_pool: Vec<&ServerObservation> =
        pool.servers.iter().filter_map(|server| seen.servers.get(&server.name)).collect();
    let is_used = |service: &&ServiceName| is_used(service, of_pool.iter().copied());
    let used: Vec<&ServiceName> = scope.serving.iter().filter(is_used).collect();
    let standing = |server: &Server| {
        let name = &server.name;
        // Whatever it may answer: the plan's word counts, and nothing was asked.
        if let Some(away) = &server.away {
            return Standing::Out(format!("away, {}", away.reason));
        }
        if ours_out.contains(name) {
            return Standing::Out("taken out by this run".to_owned());
        }
        match seen.servers.get(name) {
            None => Standing::Unknown("it was not asked".to_owned()),
            Some(server) => match of(server, &used) {
                Standing::Serving => behind_balancer(pool, seen, name),
                other @ (Standing::Out(_) | Standing::Unknown(_)) => other,
            },
        }
    };
    pool.servers.iter().map(|server| (server.name.clone(), standing(server))).collect()
}

/// A server that its balancer sends nothing new is out for the people behind it, whoever has set it so.
fn behind_balancer(pool: &Pool, seen: &PoolObservation, name: &ServerName) -> Standing {
    let asked = pool.name == seen.pool && matches!(pool.load_balancing.balancer, Balancer::Haproxy(_));
    let balancer = seen.balancer.known().filter(|_| asked);
    let servers = balancer.and_then(|balancer| balancer.servers.known());
    let Some(server) = servers.and_then(|servers| servers.get(name)) else { return Standing::Serving };
    match (server.closed().next(), server.ready().next()) {
        (None, _) => Standing::Serving,
        (Some(_), None) => Standing::Out("the balancer sends it nothing new".to_owned()),
        // Out for those who come by way of that backend.
        (Some(place), Some(_)) => Standing::Out(format!("the balancer sends it nothing new in {place}")),
    }
}

fn of(server: &ServerObservation, used: &[&ServiceName]) -> Standing {
    let services = match &server.services {
        Answer::Known(services) => services,
        Answer::Unknown(reason) => return Standing::Unknown(reason.clone()),
    };
    let mut unknown = None;
    let mut found = false;
    for name in used {
        match services.get(*name).map(|status| &status.state) {
            Some(Answer::Known(RunState::Running)) => found = true,
            Some(Answer::Known(state)) => return Standing::Out(format!("{name} is {state}")),
            Some(Answer::Unknown(reason)) => unknown = Some(format!("{name}: {reason}")),
            None if name.as_str().eq_ignore_ascii_case("RTCSRV") => {
                return Standing::Out("RTCSRV is not installed".to_owned());
            }
            None => {}
        }
    }
    match unknown {
        Some(reason) => Standing::Unknown(reason),
        None if found => Standing::Serving,
        None => Standing::Out("none of the services in question is installed".to_owned()),
    }
}

/// Returns whether a service is in use somewhere in the pool: not stopped and disabled wherever it is installed.
pub(crate) fn in_use(service: &ServiceName, seen: &PoolObservation) -> bool {
    is_used(service, seen.servers.values())
}

fn is_used<'a>(service: &ServiceName, servers: impl Iterator<Item = &'a ServerObservation>) -> bool {
    let mut installed = servers.filter_map(|server| server.service(service)).peekable();
    if installed.peek().is_none() {
        return true;
    }
    installed.any(|status| {
        let disabled = status.start.known().is_some_and(|start| start.mode == StartMode::Disabled);
        !(disabled && status.is(RunState::Stopped))
    })
}

/// Returns what looks as an interrupted maintenance leaves it: a paused service, or one that does not start by itself
/// although it is in use.
pub(crate) fn left_behind(status: &ServiceStatus, seen: &PoolObservation) -> Option<String> {
    let (Answer::Known(state), service) = (&status.state, &status.name) else {
        return None;
    };
    if *state == RunState::Paused {
        return Some(format!("{service} is paused already"));
    }
    let start = status.start.known().filter(|start| matches!(start.mode, StartMode::Manual | StartMode::Disabled))?;
    match state {
        RunState::Running => Some(format!("{service} runs, and its start type is {start}")),
        RunState::Stopped if in_use(service, seen) => {
            Some(format!("{service} is stopped, and its start type is {start}"))
        }
        RunState::Stopped
        | RunState::Paused
        | RunState::StartPending
        | RunState::StopPending
        | RunState::ContinuePending
        | RunState::PausePending => None,
    }
}
