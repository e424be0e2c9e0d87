//! Two runs that want the same pools, with real claims in a real folder.

use super::{Stage, actor, first};
use crate::hunt::runtime;
use jiff::{SignedDuration, Timestamp};
use orchestrate_engine::record::Attended;
use orchestrate_engine::{RunOutcome, Start};
use orchestrate_executor::{Fence, RunError};
use orchestrate_journal::{Claim, ClaimError, Holder, StateDir};
use orchestrate_model::{PoolName, RunId};
use std::sync::Arc;

struct Held(Claim);

impl Fence for Held {
    fn closed(&self) -> Option<String> {
        self.0.check().err().map(|lost| lost.to_string())
    }
}

fn holder(run: &str) -> Holder {
    Holder {
        user: "somebody".into(),
        host: "control".into(),
        process: 7,
        since: Timestamp::UNIX_EPOCH,
        reason: "CHG1".into(),
        run: RunId::new(run).expect("a run id"),
    }
}

fn pools(stage: &Stage) -> Vec<PoolName> {
    stage.plan.change().pools.iter().map(|pool| pool.name.clone()).collect()
}

/// Lets the first run go on until it has taken a server out, and this long after it.
const IN_THE_MIDDLE: SignedDuration = SignedDuration::from_mins(4);

#[test]
fn p12_another_run_on_the_same_pools_is_refused_while_the_first_one_lives() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(folder.path()).expect("a state folder");
        let mut stage = Stage::set().await;
        let pools = pools(&stage);
        stage.fence = Arc::new(Held(state.claim(&pools, &holder("first")).expect("nobody holds the pools")));
        let (clock, world) = (stage.link.clock, stage.link.world.clone());
        let outcome = {
            let mut run = Box::pin(stage.start(first(), None));
            tokio::select! {
                _ = &mut run => panic!("it is over too soon"),
                () = clock.sleep(IN_THE_MIDDLE) => {}
            }
            assert_eq!(world.lock().oracle.out().len(), 1, "a server is out");
            let refused = state.claim(&pools, &holder("second")).expect_err("the pools are held");
            assert!(matches!(&refused, ClaimError::Held { holder: Some(by), .. } if by.run.as_str() == "first"));
            run.await
        };
        assert_eq!(outcome, Some(RunOutcome::Done), "the attempt does not disturb the first run");
        stage.fence = Arc::new(orchestrate_executor::NoFence);
        state.claim(&pools, &holder("second")).expect("the first one is over");
        assert_eq!(world.lock().oracle.violations, []);
    });
}

#[test]
fn p12_a_run_that_lost_its_claim_is_stopped_at_its_next_effect_and_can_be_taken_up_later() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateDir::open(folder.path()).expect("a state folder");
        let mut stage = Stage::set().await;
        let pools = pools(&stage);
        stage.fence = Arc::new(Held(state.claim(&pools, &holder("first")).expect("nobody holds the pools")));
        let (clock, world) = (stage.link.clock, stage.link.world.clone());
        let (second, asked, ended) = {
            let mut run = Box::pin(stage.run(first(), None));
            tokio::select! {
                _ = &mut run => panic!("it is over too soon"),
                () = clock.sleep(IN_THE_MIDDLE) => {}
            }
            // Somebody clears the claims away by hand, and another run takes the pools.
            std::fs::remove_dir_all(folder.path().join("claims")).expect("the claims go");
            let anew = StateDir::open(folder.path()).expect("a state folder");
            let second = anew.claim(&pools, &holder("second")).expect("nothing is claimed any more");
            let asked = {
                let mut world = world.lock();
                // From now on the oracle takes every act of the first one for a breach.
                world.oracle.holder = 2;
                world.oracle.requests
            };
            (second, asked, run.await.expect("nobody kills it"))
        };
        assert!(matches!(&ended.outcome, Err(RunError::ClaimLost(why)) if why.contains("second")), "{ended:?}");
        assert_eq!(world.lock().oracle.requests, asked, "nothing more is asked of any server");
        assert_eq!(world.lock().oracle.violations, []);
        drop(second);
        stage.fence = Arc::new(Held(state.claim(&pools, &holder("first")).expect("the second one is gone")));
        let outcome = stage.start(Start::Resume { by: actor(), attended: Attended::No }, None).await;
        assert_eq!(outcome, Some(RunOutcome::Done));
        let world = world.lock();
        assert_eq!(world.oracle.violations, []);
        assert!(world.machines.iter().all(|machine| machine.patched && machine.installers.len() == 1));
    });
}
