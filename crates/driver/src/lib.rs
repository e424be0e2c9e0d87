//! The contract between a run and what it drives.
//!
//! Belongs here: the traits that a transport implements, the clock that all waiting goes through, how much may be under
//! way at once, and the conformance suite that every driver and the lab pass. Does not belong here: any transport, plans, runs, and judgement of what
//! was seen.
//!
//! Reading and changing are separate traits. A preview is given only [`Eyes`], which hold no method that changes
//! anything (promise P7).

mod clock;
pub mod conformance;
pub mod limits;
mod names;

pub use clock::Clock;
pub use limits::{ACT_LIMIT, LOOK_LIMIT, TOGETHER};
pub use names::PlanNames;

use async_trait::async_trait;
use orchestrate_model::observe::{
    BalancerObservation, BalancerPlace, BalancerState, DnsAnswer, DnsAsk, DnsObservation,
};
use orchestrate_model::{
    Act, ActOutcome, Answer, Ask, DnsName, LeaseAsk, LeaseOutcome, PoolName, ServerName, ServerObservation,
};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// Reads one server. Nothing here changes anything.
#[async_trait]
pub trait Observe: Send + Sync {
    /// Returns what could be read of the parts asked about. Never fails as a whole and never hangs: every part that
    /// could not be read within the driver's own limits is unknown, with the reason.
    async fn observe(&self, ask: &Ask) -> ServerObservation;
}

/// Changes one server.
///
/// `apply` asks for the change and returns when the server has accepted it, not when it has come about: the caller
/// looks. It is never repeated by the driver once the request may have reached the server.
#[async_trait]
pub trait Change: Observe {
    /// Asks the server for one change. [`Act::SetBalancer`] is not for servers and fails.
    async fn apply(&self, act: &Act) -> ActOutcome;

    /// Asks for changes of several services in one exchange, in their order, and returns the outcome of each. None is begun
    /// later than [`TOGETHER`] after they were asked for, and none after one that the server has not accepted, unless it
    /// brings back what was taken away ([`Act::brings_back`]): those are asked for again. Nothing is on its way any more
    /// when it returns.
    ///
    /// `None`: there is no such exchange, and nothing was asked for. A driver has one only where
    /// [`ServerObservation::together`] says so.
    async fn apply_together(&self, _acts: &[Act]) -> Option<Vec<ActOutcome>> {
        None
    }

    /// Takes the lease of the server or renews it, in one step that no other control host can come between. Safe to be
    /// repeated: a lease that is ours is never shortened.
    async fn hold_lease(&self, ask: &LeaseAsk) -> LeaseOutcome;

    /// Gives the lease back if it is ours.
    ///
    /// # Errors
    /// Why nobody knows that it was given back. It runs out by itself.
    async fn release_lease(&self) -> Result<(), String>;
}

/// Looks names up.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// Returns what each resolver says of each name.
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation;
}

/// Reads the balancers of one pool.
#[async_trait]
pub trait ObserveBalancer: Send + Sync {
    /// Returns what the balancers say of the pool's servers, each found by its address in every backend that the plan
    /// names, and what does not fit the plan.
    async fn observe_balancer(&self) -> BalancerObservation;
}

/// Changes the balancers of one pool.
#[async_trait]
pub trait ChangeBalancer: ObserveBalancer {
    /// Asks one balancer to treat a server differently in one backend. An entry that does not have the address any
    /// more is left alone: it is another server's. Established sessions are never cut by this.
    async fn set_balancer(&self, server: &ServerName, at: &BalancerPlace, to: BalancerState) -> ActOutcome;
}

/// Everything that can be looked at: all that a preview holds.
#[derive(Clone)]
pub struct Eyes {
    /// The servers.
    pub servers: BTreeMap<ServerName, Arc<dyn Observe>>,
    /// The name servers.
    pub names: Arc<dyn Resolve>,
    /// The balancers, by pool. A pool without one is missing.
    pub balancers: BTreeMap<PoolName, Arc<dyn ObserveBalancer>>,
}

/// Everything that can be changed: what a run holds besides [`Eyes`].
#[derive(Clone)]
pub struct Hands {
    /// The servers.
    pub servers: BTreeMap<ServerName, Arc<dyn Change>>,
    /// The balancers, by pool. A pool without one is missing.
    pub balancers: BTreeMap<PoolName, Arc<dyn ChangeBalancer>>,
}

/// A resolver for runs that have no names to ask about: every answer is unknown.
#[derive(Debug, Clone, Copy)]
pub struct NoNames;

#[async_trait]
impl Resolve for NoNames {
    async fn resolve(&self, ask: &DnsAsk) -> DnsObservation {
        let resolver = SocketAddr::from(([0, 0, 0, 0], 0));
        let nobody = |name: &DnsName| DnsAnswer {
            name: name.clone(),
            resolver,
            records: Answer::unknown("no name server was given"),
        };
        DnsObservation {
            taken: jiff::Timestamp::UNIX_EPOCH,
            answers: ask.names.iter().map(nobody).collect(),
            external: ask.external.iter().map(nobody).collect(),
        }
    }
}
