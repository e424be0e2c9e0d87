//! Performing acts: the only place where a driver is asked to change anything.

use crate::crew::Crew;
use crate::lease::Leases;
use orchestrate_driver::{Hands, TOGETHER};
use orchestrate_journal::Receipt;
use orchestrate_model::{Act, ActOutcome, PoolName};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

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
    /// Performs acts on one server whose intents are on disk: in one exchange where the server has one, and otherwise one
    /// after the other. Each outcome is handed over as soon as it is known.
    pub(crate) async fn perform_all(&self, receipts: Vec<(Receipt, oneshot::Sender<ActOutcome>)>) {
        let began = Instant::now();
        let mut open = Vec::new();
        for (receipt, outcome) in receipts {
            match self.barred(&receipt).await {
                Some(barred) => tell(outcome, barred),
                None => open.push((receipt, outcome)),
            }
        }
        if let Some(said) = self.together(&open).await {
            for ((_, outcome), said) in open.into_iter().zip(said) {
                tell(outcome, said.bounded());
            }
            return;
        }
        // What kept the first one from being accepted.
        let mut stopped: Option<String> = None;
        for (receipt, outcome) in open {
            let act = &receipt.intent().act;
            let said = match &stopped {
                Some(why) => ActOutcome::Retry(why.clone()),
                None if began.elapsed() >= TOGETHER => {
                    ActOutcome::Retry(format!("not asked for: the acts before it took longer than {TOGETHER:?}"))
                }
                None => self.perform(&receipt).await,
            };
            if !said.is_success() && !act.brings_back() {
                stopped.get_or_insert_with(|| format!("not asked for: before it came {act}, which was not accepted"));
            }
            tell(outcome, said);
        }
    }

    /// Asks for all of them in one exchange. `None`: none of them was asked for.
    async fn together(&self, receipts: &[(Receipt, oneshot::Sender<ActOutcome>)]) -> Option<Vec<ActOutcome>> {
        let target = &receipts.first()?.0.intent().target.server;
        let driver = self.hands.servers.get(target).cloned()?;
        let acts: Vec<Act> = receipts.iter().map(|(receipt, _)| receipt.intent().act.clone()).collect();
        let count = acts.len();
        let said = self.crew.act(async move { driver.apply_together(&acts).await }).await;
        let mut said = match said {
            Ok(said) => said?,
            Err(why) => vec![ActOutcome::Unknown(why.to_owned()); count],
        };
        let missing = || ActOutcome::Unknown("it has no answer among those to the acts that went with it".to_owned());
        said.resize_with(count, missing);
        Some(said)
    }

    /// Returns what is said in the place of an act that may not be performed.
    async fn barred(&self, receipt: &Receipt) -> Option<ActOutcome> {
        let intent = receipt.intent();
        if let Some(why) = self.fence.closed_on(&[&intent.target.pool]) {
            return Some(ActOutcome::Failed(why));
        }
        self.leases.before_act(&self.hands, &intent.target.server, &intent.act).await
    }

    /// Performs the act of an intent that is on disk.
    pub(crate) async fn perform(&self, receipt: &Receipt) -> ActOutcome {
        if let Some(barred) = self.barred(receipt).await {
            return barred;
        }
        let intent = receipt.intent();
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

/// Hands an outcome over. Who does not wait any more has its answer for nothing.
fn tell(to: oneshot::Sender<ActOutcome>, outcome: ActOutcome) {
    drop(to.send(outcome));
}
