//! Tests that need the inside of the simulation: kills at every record, records that do not fit, the small model.

mod claims;
mod hosts;
mod kills;
mod records;
mod replicas;
mod small_model;

use crate::drive::{Crash, CrashAt, Disk, HOST, Link, Shared, Tape};
use crate::faults::Faults;
use crate::scenario::{Scenario, example_change, origin, small_change};
use crate::world::{MINUTE, Sessions};
use orchestrate_driver::Clock;
use orchestrate_engine::record::{Actor, Attended};
use orchestrate_engine::{Engine, RunHeader, RunOutcome, Start};
use orchestrate_executor::{Crew, Fence, Finished, NoFence, Pulse, Quiet, Run, survey};
use orchestrate_journal::{Entries, Journal};
use orchestrate_model::{Change, RunId};
use orchestrate_planner::{Plan, make};
use std::sync::Arc;
use tokio::sync::mpsc;

/// A quiet pool with a plan for it, and what its starts have in common.
struct Stage {
    link: Link,
    plan: Arc<Plan>,
    disk: Disk,
    fence: Arc<dyn Fence>,
}

fn actor() -> Actor {
    Actor { user: "test".into(), host: "memory".into(), process: 1 }
}

fn first() -> Start {
    let run = RunId::new("test").expect("a run id");
    Start::New(RunHeader { run, plan: "test".into(), by: actor(), attended: Attended::No, approvals: Vec::new() })
}

impl Stage {
    async fn set() -> Self {
        Self::of(example_change(3)).await
    }

    /// A pool of two servers with one service, with everything that can be done to a server.
    async fn small() -> Self {
        let mut change = small_change(2, 1);
        let example = example_change(2).maintenance;
        (change.maintenance.installers, change.maintenance.restart) = (example.installers, example.restart);
        Self::of(change).await
    }

    async fn of(change: Change) -> Self {
        let change = Arc::new(change);
        let sessions = Sessions { most: 2, mean: 2 * MINUTE };
        let scenario = Scenario::of(&change, Faults::none(), (origin(), sessions), 3);
        let clock = Clock::derived(origin(), 1.0);
        let link = Link { world: Shared::new(scenario.world), clock, epoch: 1, host: HOST };
        let seen = survey(&Crew::here(), &link.eyes(), &change, &clock).await;
        let (plan, _report) = make(&change, &seen, clock.now()).expect("a plan for a pool that is well");
        assert_eq!(plan.refusals().count(), 0, "{:?}", plan.findings());
        {
            let mut world = link.world.lock();
            world.oracle.holder = 1;
            world.oracle.read_plan(&serde_json::to_value(&plan).expect("a plan serialises"));
        }
        Self { link, plan: Arc::new(plan), disk: Disk::default(), fence: Arc::new(NoFence) }
    }

    fn entries(&self) -> Entries {
        orchestrate_journal::read(std::path::Path::new("journal.jsonl"), &self.disk.bytes()).expect("a whole journal")
    }

    /// Runs one start. `None`: it was killed.
    async fn start(&mut self, start: Start, crash: Option<CrashAt>) -> Option<RunOutcome> {
        self.run(start, crash).await.map(|finished| finished.outcome.expect("a run that nobody kills ends"))
    }

    /// Runs one start. `None`: it was killed.
    async fn run(&mut self, start: Start, crash: Option<CrashAt>) -> Option<Finished> {
        let entries = self.entries();
        self.disk.truncate(entries.length);
        let mut engine = Engine::new(self.plan.clone());
        for entry in &entries.entries {
            engine.replay(entry.at, &entry.record).expect("every record replays");
        }
        let bell = {
            let mut world = self.link.world.lock();
            let dead = std::mem::take(&mut world.crash.dead);
            world.crash = Crash { at: crash, dead, ..Crash::default() };
            world.oracle.holder = self.link.epoch;
            world.crash.bell.clone()
        };
        let tape = Tape { link: self.link.clone(), disk: self.disk.clone(), length: entries.length, strained: false };
        let run = Run {
            engine,
            journal: Journal::after(&entries, Box::new(tape)),
            eyes: self.link.eyes(),
            hands: self.link.hands(),
            clock: self.link.clock,
            fence: self.fence.clone(),
            pulse: Pulse::told(),
            crew: Crew::here(),
        };
        let (_sender, commands) = mpsc::unbounded_channel();
        let start = if entries.entries.is_empty() { first() } else { start };
        let mut quiet = Quiet;
        let finished = tokio::select! {
            biased;
            () = bell.notified() => None,
            finished = run.execute(start, commands, &mut quiet) => Some(finished),
        };
        let killed = !self.link.world.lock().crash.dead.insert(self.link.epoch);
        self.link.epoch += 1;
        finished.filter(|_| !killed)
    }
}
