//! What has to be known of a server to reach it.

use orchestrate_driver::{LOOK_LIMIT, PlanNames, TOGETHER};
use orchestrate_model::pool::Cmdlets;
use orchestrate_model::{Keeper, PoolName, Product, Role, ServerName, ServiceName};
use orchestrate_wsman::{Auth, Endpoint, Looking, Names, Timeouts, Transport};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A server and how it is reached.
#[derive(Debug, Clone)]
pub struct WinrmTarget {
    /// The server: the name that its certificate is checked against.
    pub server: ServerName,
    /// The pool that it belongs to.
    pub pool: PoolName,
    /// What the pool runs.
    pub product: Product,
    /// What the servers of the pool do.
    pub role: Role,
    /// Where to connect to, `host:port`, when that is not the server's own name and the usual port.
    pub connect_to: Option<String>,
    /// The name servers of the plan, where it names any: they are asked for the server's address where that is not stated.
    /// `None`: the machine is.
    pub names: Option<PlanNames>,
    /// How requests travel, and whom we trust.
    pub transport: Transport,
    /// How we prove who we are.
    pub auth: Auth,
    /// By which way the cmdlets of the product are asked.
    pub cmdlets: Cmdlets,
    /// Session measures that replace those of the catalogue: counter paths such as
    /// `\LS:AVMCU - Operations\AVMCU - Number of Users`, or keys of the activity level.
    pub measures: BTreeMap<ServiceName, Vec<String>>,
    /// Who takes leases on the server.
    pub keeper: Keeper,
    /// How long everything may take.
    pub limits: WinrmLimits,
}

impl WinrmTarget {
    /// Returns where the server is reached.
    pub(crate) fn endpoint(&self) -> Endpoint {
        let names = self.names.clone().map(|names| Arc::new(AtPlan(names)) as Arc<dyn Names>);
        let named = Endpoint { names, ..Endpoint::named(self.server.as_str()) };
        match &self.connect_to {
            Some(connect_to) => Endpoint { connect_to: connect_to.clone(), ..named },
            None => named,
        }
    }
}

#[derive(Debug)]
struct AtPlan(PlanNames);

impl Names for AtPlan {
    fn addresses<'a>(&'a self, host: &'a str) -> Looking<'a> {
        Box::pin(self.0.addresses(host))
    }
}

/// How long the levels may take. Real time: the clock of a run does not apply to a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WinrmLimits {
    /// Of single requests.
    pub wire: Timeouts,
    /// A script or program that changes something, from its start to its end.
    pub script: Duration,
    /// A script that looks, from its start to its end. The cmdlets of the product take seconds, and up to a minute on
    /// a server that is busy. Half of `observation`, so that one that hangs leaves time for others.
    pub look_script: Duration,
    /// A whole observation. What was not read by then is unknown; what was read counts.
    pub observation: Duration,
    /// Of the process that stays on the server and is asked.
    pub stay: Stay,
    /// For how long the delayed flags and dependents of services are not asked for again. Another hand's change of them is
    /// seen after that, or at once where the start mode is another too; our own changes forget them.
    pub details: Duration,
    /// Within what time acts that are asked for together are begun.
    pub together: Duration,
}

/// How long a process that stays may take, and is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// From its start to its first answer. Longer than evidence is good for: the look after it has the process already.
    pub start: Duration,
    /// After this time it is replaced: what the product's module keeps in memory neither grows without end nor gets old.
    pub age: Duration,
    /// For how long each question has a process of its own, where none has stayed.
    pub pause: Duration,
}

impl Default for Stay {
    fn default() -> Self {
        let minutes = Duration::from_mins;
        Self { start: Duration::from_secs(40), age: minutes(30), pause: minutes(5) }
    }
}

/// The limit of an observation. A run gives up on a look altogether after [`LOOK_LIMIT`], and would lose what was read.
const OBSERVATION: Duration = Duration::from_secs(120);
const _: () = assert!(
    OBSERVATION.as_secs() + 10 <= LOOK_LIMIT.as_secs(),
    "an observation has to be over well before the run gives up on it"
);

impl Default for WinrmLimits {
    fn default() -> Self {
        Self {
            wire: Timeouts::default(),
            script: Duration::from_secs(120),
            look_script: OBSERVATION / 2,
            observation: OBSERVATION,
            stay: Stay::default(),
            details: Duration::from_mins(5),
            together: TOGETHER,
        }
    }
}
