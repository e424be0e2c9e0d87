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
#[derive(Debug, Clone, PartialEq)]
struct Left {
    patched: bool,
    admin: Vec<BalancerState>,
    services: Vec<(RunState, StartType)>,
    installers: usize,
    boots: u32,
}

fn left(machine: &Machine) -> Left {
    let services = machine.services.iter().map(|service| (service.state, service.start)).collect();
    let installers = machine.installers.len();
    Left { patched: machine.patched, admin: machine.admin.clone(), services, installers, boots: machine.boots }
}

/// Which pool.
#[derive(Debug, Clone, Copy)]
enum Pool {
    /// Three front ends.
    FrontEnds,
    /// Two servers with one service.
    Small,
}

impl Pool {
    async fn stage(self) -> Stage {
        match self {
            Self::FrontEnds => Stage::set().await,
            Self::Small => Stage::small().await,
        }
    }

    /// Runs without a kill. Returns the bytes of the journal and what is left.
    fn undisturbed(self) -> (Vec<u8>, Vec<Left>) {
        runtime().block_on(async {
            let mut stage = self.stage().await;
            assert_eq!(stage.start(first(), None).await, Some(RunOutcome::Done));
            let end = ends(&stage);
            assert!(end.iter().all(|left| left.patched && left.installers == 1));
            (stage.disk.bytes(), end)
        })
    }

    /// Runs, is killed, and runs again to its end. Returns what is left, and whether there was a kill.
    fn killed(self, crash: CrashAt) -> (Vec<Left>, bool) {
        runtime().block_on(async {
            let mut stage = self.stage().await;
            let killed = stage.start(first(), Some(crash)).await.is_none();
            if let CrashAt::Byte(byte) = crash {
                assert_eq!(stage.disk.bytes().len() as u64, byte, "the journal has as many bytes as wanted");
            }
            if killed {
                stage.link.clock.sleep(SignedDuration::from_secs(20)).await;
                let again = Start::Resume { by: actor(), attended: Attended::No };
                assert_eq!(stage.start(again, None).await, Some(RunOutcome::Done), "{crash:?}");
            }
            (ends(&stage), killed)
        })
    }
}

fn ends(stage: &Stage) -> Vec<Left> {
    let world = stage.link.world.lock();
    assert_eq!(world.oracle.violations, []);
    world.machines.iter().map(left).collect()
}

#[test]
fn p6_killed_at_every_record_and_in_the_middle_of_it_the_end_is_the_same() {
    let (journal, undisturbed) = Pool::FrontEnds.undisturbed();
    let records = journal.iter().filter(|byte| **byte == b'\n').count() as u64;
    assert!(records > 100, "{records}");
    for record in 1..=records {
        let crashes = [CrashAt::BeforeRecord(record), CrashAt::TornRecord(record, 0.5), CrashAt::AfterRecord(record)];
        for crash in crashes {
            assert_eq!(Pool::FrontEnds.killed(crash).0, undisturbed, "{crash:?}");
        }
    }
}

#[test]
fn p6_killed_after_every_act_the_end_is_the_same() {
    let (_, undisturbed) = Pool::FrontEnds.undisturbed();
    let mut acts = 0;
    loop {
        let (end, killed) = Pool::FrontEnds.killed(CrashAt::AfterAct(acts + 1));
        assert_eq!(end, undisturbed, "after act {}", acts + 1);
        if !killed {
            break;
        }
        acts += 1;
    }
    assert!(acts > 100, "{acts}");
}

/// Cuts the journal at each of these bytes, as the disk had it then, and goes on.
fn cut_at(pool: Pool, bytes: impl Iterator<Item = u64>, undisturbed: &[Left]) {
    for byte in bytes {
        let (end, killed) = pool.killed(CrashAt::Byte(byte));
        assert!(killed, "byte {byte}");
        assert_eq!(end, undisturbed, "the journal cut at byte {byte}");
    }
}

#[test]
fn p6_the_journal_cut_at_every_byte_leads_to_the_same_end() {
    let (journal, undisturbed) = Pool::Small.undisturbed();
    cut_at(Pool::Small, 0..journal.len() as u64, &undisturbed);
}

#[test]
fn p6_the_journal_of_a_large_pool_cut_at_its_bytes_leads_to_the_same_end() {
    let (journal, undisturbed) = Pool::FrontEnds.undisturbed();
    let whole = journal.len() as u64;
    // Every byte takes half an hour: on demand only. Otherwise a byte of every few hundred.
    let step = if std::env::var_os("ORCHESTRATE_EVERY_BYTE").is_some() { 1 } else { 331 };
    cut_at(Pool::FrontEnds, (0..whole).step_by(step), &undisturbed);
}
