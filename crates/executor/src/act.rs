//! Performing acts: the only place where a driver is asked to change anything.

use crate::crew::Crew;
use crate::lease::Leases;
use orchestrate_driver::Hands;
use orchestrate_journal::Receipt;
use orchestrate_model::{Act, ActOutcome, PoolName};
use std::sync::Arc;

/// Says whether this run may still act.
pub trait Fence: Send + Sync {
    /// Returns why it may not, when it may not.
    fn closed(&self) -> Option<String>;

    /// Returns why it may not act on these pools; where none is named, why it may not go on at all. Unless there is a
    /// cheaper way this asks about everything.
    fn closed_on(&self, pools: &[&PoolName]) -> Option<String> {
        tracing::trace!(?pools, "asked about everything");
        self.closed()
    }
}

/// A fence that is always open, for pools that nobody else can reach.
#[derive(Debug, Clone, Copy)]
pub struct NoFence;

impl Fence for NoFence {
    fn closed(&self) -> Option<String> {
        None
    }
}

impl Fence for orchestrate_journal::Claim {
    fn closed(&self) -> Option<String> {
        self.check().err().map(|error| error.to_string())
    }

    fn closed_on(&self, pools: &[&PoolName]) -> Option<String> {
        self.check_of(pools).err().map(|error| error.to_string())
    }
}

/// The hands of a run, behind its fence.
#[derive(Clone)]
pub(crate) struct Actuator {
    pub(crate) hands: Hands,
    pub(crate) fence: Arc<dyn Fence>,
    pub(crate) crew: Crew,
    pub(crate) leases: Leases,
}

impl Actuator {
    /// Performs the act of an intent that is on disk.
    pub(crate) async fn perform(&self, receipt: &Receipt) -> ActOutcome {
        if let Some(why) = self.fence.closed_on(&[&receipt.intent().target.pool]) {
            return ActOutcome::Failed(why);
        }
        let intent = receipt.intent();
        if let Some(barred) = self.leases.before_act(&self.hands, &intent.target.server, &intent.act).await {
            return barred;
        }
        let target = intent.target.server.clone();
        let outcome = match &intent.act {
            Act::SetBalancer { pool, at, to } => {
                let Some(driver) = self.hands.balancers.get(pool).cloned() else {
                    return ActOutcome::Failed(format!("there is no way to reach the balancer of {pool}"));
                };
                let (at, to) = (at.clone(), *to);
                self.crew.act(async move { driver.set_balancer(&target, &at, to).await }).await
            }
            act => {
                let Some(driver) = self.hands.servers.get(&target).cloned() else {
                    return ActOutcome::Failed(format!("there is no way to reach {target}"));
                };
                let act = act.clone();
                self.crew.act(async move { driver.apply(&act).await }).await
            }
        };
        outcome.unwrap_or_else(|why| ActOutcome::Unknown(why.to_owned())).bounded()
    }
}
