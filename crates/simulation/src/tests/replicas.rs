//! Configuration replicas that follow only after a while, in a run that has two pools in work at a time.

use super::{Stage, first};
use crate::hunt::runtime;
use crate::scenario::{example_change, small_change};
use crate::world::MINUTE;
use orchestrate_engine::RunOutcome;
use orchestrate_model::pool::Hosted;
use orchestrate_model::{Change, PoolName, ServerName};

/// A pool of two with the central management, and one of seven beside it, each of which works for itself.
fn two_pools() -> Change {
    let mut change = small_change(2, 1);
    let example = example_change(2).maintenance;
    (change.maintenance.installers, change.maintenance.restart) = (example.installers, example.restart);
    let mut beside = small_change(7, 1).pools.remove(0);
    beside.name = PoolName::new("web.contoso.example").expect("a pool name");
    for (number, server) in (1_u8..).zip(&mut beside.servers) {
        server.name = ServerName::new(&format!("web{number}.contoso.example")).expect("a server name");
        server.addresses = vec![format!("192.0.2.{}", 100 + number).parse().expect("an address")];
    }
    change.pools[0].servers[0].hosts.insert(Hosted::CentralManagement);
    change.pools.push(beside);
    change
}

#[test]
fn p8_replicas_that_lag_for_what_the_run_does_in_another_pool_hold_no_server() {
    let ends = runtime().block_on(async {
        let mut stage = Stage::of(two_pools()).await;
        stage.link.world.lock().replicas_lag = 15 * MINUTE;
        let outcome = stage.start(first(), None).await;
        let world = stage.link.world.lock();
        (outcome, world.machines.iter().filter(|machine| machine.patched).count())
    });
    assert_eq!(ends, (Some(RunOutcome::Done), 9));
}

#[test]
fn p8_a_replica_of_the_own_pool_that_does_not_follow_holds_its_server() {
    let outcome = runtime().block_on(async {
        let mut stage = Stage::of(two_pools()).await;
        stage.link.world.lock().replicas_lag = 24 * 60 * MINUTE;
        stage.start(first(), None).await
    });
    assert_eq!(outcome, Some(RunOutcome::StoppedByPolicy));
}
