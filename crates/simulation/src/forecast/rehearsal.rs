//! Single runs of a change, for benches and trials: one at a time, on the thread that asks.

use super::{Night, Options, SessionAssumption, SimulateError, actor, first_opening, one, sample};
use crate::drive::{CrashAt, Disk, HOST, Link, Shared};
use crate::faults::Faults;
use crate::forecast::notes::Notes;
use crate::hunt::runtime;
use jiff::Timestamp;
use orchestrate_driver::Clock;
use orchestrate_engine::record::Attended;
use orchestrate_engine::{Engine, Input, RunOutcome, Start};
use orchestrate_model::Change;
use orchestrate_planner::Plan;
use std::path::Path;
use std::sync::Arc;

/// A change that is run through once at a time.
pub struct Rehearsal {
    change: Arc<Change>,
    begins: Timestamp,
    options: Options,
    plan: Arc<Plan>,
    runtime: tokio::runtime::Runtime,
}

impl Rehearsal {
    /// Prepares runs of a change that begin in the next opening after `now`.
    ///
    /// # Errors
    /// As [`crate::simulate`].
    pub fn of(change: &Change, now: Timestamp) -> Result<Self, SimulateError> {
        let options = Options { runs: 1, seed: 0, faults: Vec::new(), now, sessions: SessionAssumption::default() };
        let begins = first_opening(change, now)?;
        let change = Arc::new(change.clone());
        let (plan, _length) = Night { change: change.clone(), begins, options: &options, lived: &|| {} }.plan()?;
        Ok(Self { change, begins, options, plan, runtime: runtime() })
    }

    /// Runs once. Returns how the run ended.
    ///
    /// # Errors
    /// When a rule of the engine was broken.
    pub fn once(&self, seed: u64) -> Result<Option<RunOutcome>, SimulateError> {
        let night = Night { change: self.change.clone(), begins: self.begins, options: &self.options, lived: &|| {} };
        let sample = self.runtime.block_on(sample(night.scenario(Faults::none(), seed), &self.plan, seed))?;
        Ok(sample.outcome)
    }
}

/// The journal of a run that was killed near its end.
pub struct Resumption {
    plan: Arc<Plan>,
    bytes: Vec<u8>,
    at: Timestamp,
}

impl Resumption {
    /// Runs a change until nine tenths of its records are written, and kills the run there.
    ///
    /// # Errors
    /// As [`crate::simulate`].
    pub fn of(change: &Change, now: Timestamp) -> Result<Self, SimulateError> {
        let rehearsal = Rehearsal::of(change, now)?;
        let night = Night {
            change: rehearsal.change.clone(),
            begins: rehearsal.begins,
            options: &rehearsal.options,
            lived: &|| {},
        };
        let plan = rehearsal.plan.clone();
        let whole = rehearsal.runtime.block_on(part(&night, &plan, None));
        let records = whole.iter().filter(|byte| **byte == b'\n').count() as u64;
        let kill = CrashAt::BeforeRecord(records * 9 / 10);
        let bytes = rehearsal.runtime.block_on(part(&night, &plan, Some(kill)));
        Ok(Self { plan, bytes, at: now + jiff::SignedDuration::from_hours(12) })
    }

    /// Reads the journal, replays it and takes the run up. Returns how many effects come first.
    ///
    /// # Panics
    /// When the journal is not what was written.
    #[must_use]
    pub fn first_effects(&self) -> usize {
        let entries = orchestrate_journal::read(Path::new("journal.jsonl"), &self.bytes).expect("a whole journal");
        let mut engine = Engine::new(self.plan.clone());
        for entry in &entries.entries {
            engine.replay(entry.at, &entry.record).expect("what was written replays");
        }
        let start = Start::Resume { by: actor(), attended: Attended::No };
        engine.handle(Input::Begin(start), self.at).len()
    }
}

/// Runs until the end or until the run is killed. Returns the journal.
async fn part(night: &Night<'_>, plan: &Arc<Plan>, kill: Option<CrashAt>) -> Vec<u8> {
    let mut world = night.scenario(Faults::none(), 1).world;
    world.oracle.holder = 1;
    world.crash.at = kill;
    let link = Link { world: Shared::new(world), clock: Clock::derived(night.begins, 1.0), epoch: 1, host: HOST };
    let disk = Disk::default();
    let ended = one(&link, plan, (&disk, Start::New(super::header(1))), &mut Notes::new(plan.clone())).await;
    tracing::trace!(?ended, "came to its end");
    disk.bytes()
}
