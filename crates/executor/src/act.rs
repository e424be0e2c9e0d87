//! Performing acts: the only place where a driver is asked to change anything.

use crate::lease::Leases;
use orchestrate_driver::Hands;
use orchestrate_journal::Receipt;
use orchestrate_model::{Act, ActOutcome};
use std::sync::Arc;
use std::time::Duration;

/// How long any act may take to be accepted, by the runtime's time. See the limit on looks.
const ACT_LIMIT: Duration = Duration::from_secs(150);

/// Says whether this run may still act.
pub trait Fence: Send + Sync {
    /// Returns why it may not, when it may not.
    fn closed(&self) -> Option<String>;
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
}

/// The hands of a run, behind its fence.
#[derive(Clone)]
pub(crate) struct Actuator {
    pub(crate) hands: Hands,
    pub(crate) fence: Arc<dyn Fence>,
    pub(crate) leases: Leases,
}

impl Actuator {
    /// Performs the act of an intent that is on disk.
    pub(crate) async fn perform(&self, receipt: &Receipt) -> ActOutcome {
        if let Some(why) = self.fence.closed() {
            return ActOutcome::Failed(why);
        }
        let intent = receipt.intent();
        if let Some(barred) = self.leases.before_act(&self.hands, &intent.target.server, &intent.act).await {
            return barred;
        }
        let work = self.route(receipt);
        tokio::time::timeout(ACT_LIMIT, work)
            .await
            .unwrap_or_else(|_late| ActOutcome::Unknown("it did not answer in time".to_owned()))
    }

    async fn route(&self, receipt: &Receipt) -> ActOutcome {
        let intent = receipt.intent();
        let target = &intent.target;
        if let Act::SetBalancer { pool, to } = &intent.act {
            return match self.hands.balancers.get(pool) {
                Some(driver) => driver.set_balancer(&target.server, *to).await,
                None => ActOutcome::Failed(format!("there is no way to reach the balancer of {pool}")),
            };
        }
        match self.hands.servers.get(&target.server) {
            Some(driver) => driver.apply(&intent.act).await,
            None => ActOutcome::Failed(format!("there is no way to reach {}", target.server)),
        }
    }
}
