//! A run that is killed anywhere ends as if it had not been.

use super::{Stage, actor, first};
use crate::drive::CrashAt;
use crate::hunt::runtime;
use crate::world::Machine;
use jiff::SignedDuration;
use orchestrate_engine::record::Attended;
use orchestrate_engine::{RunOutcome, Start};
use orchestrate_model::observe::BalancerState;
use orchestrate_model::{RunState, StartType};

/// All that a run leaves behind on a machine.
type Left = (bool, BalancerState, Vec<(RunState, StartType)>, usize);

fn left(machine: &Machine) -> Left {
    let services = machine.services.iter().map(|service| (service.state, service.start)).collect();
    (machine.patched, machine.admin, services, machine.installers.len())
}

async fn resumed(stage: &mut Stage) {
    stage.link.clock.sleep(SignedDuration::from_secs(20)).await;
    let again = Start::Resume { by: actor(), attended: Attended::No };
    let outcome = stage.start(again, None).await;
    assert_eq!(outcome, Some(RunOutcome::Done));
}

fn ends(stage: &Stage) -> Vec<Left> {
    let world = stage.link.world.lock();
    assert_eq!(world.oracle.violations, []);
    world.machines.iter().map(left).collect()
}

#[test]
fn p6_killed_at_every_record_and_in_the_middle_of_it_the_end_is_the_same() {
    let (records, undisturbed) = runtime().block_on(async {
        let mut stage = Stage::set().await;
        assert_eq!(stage.start(first(), None).await, Some(RunOutcome::Done));
        (stage.entries().entries.len() as u64, ends(&stage))
    });
    assert!(records > 100, "{records}");
    assert!(undisturbed.iter().all(|(patched, ..)| *patched));
    for record in 1..=records {
        let crashes = [
            CrashAt::BeforeRecord(record),
            CrashAt::TornRecord(record, 0.0),
            CrashAt::TornRecord(record, 0.5),
            CrashAt::TornRecord(record, 1.0),
            CrashAt::AfterRecord(record),
        ];
        for crash in crashes {
            let end = runtime().block_on(async {
                let mut stage = Stage::set().await;
                if stage.start(first(), Some(crash)).await != Some(RunOutcome::Done) {
                    resumed(&mut stage).await;
                }
                ends(&stage)
            });
            assert_eq!(end, undisturbed, "{crash:?}");
        }
    }
}

#[test]
fn p6_killed_after_every_act_the_end_is_the_same() {
    let mut acts = 0;
    loop {
        let killed = runtime().block_on(async {
            let mut stage = Stage::set().await;
            let outcome = stage.start(first(), Some(CrashAt::AfterAct(acts + 1))).await;
            if outcome.is_none() {
                resumed(&mut stage).await;
            }
            assert!(ends(&stage).iter().all(|(patched, _, _, installers)| *patched && *installers == 1));
            outcome.is_none()
        });
        if !killed {
            break;
        }
        acts += 1;
    }
    assert!(acts > 100, "{acts}");
}
