//! One simulated night: planner, engine, executor and journal as they are, killed and started again as the dice have it.

use crate::drive::{CrashAt, Disk, HOST, Link, Shared, SimFence, Tape};
use crate::mutation::Mutation;
use crate::operator::{Held, Watcher, operate};
use crate::oracle::Violation;
use crate::scenario::Scenario;
use crate::world::{HOUR, MINUTE, Ms, SECOND};
use futures::future::BoxFuture;
use jiff::SignedDuration;
use orchestrate_driver::Clock;
use orchestrate_engine::record::{Actor, Attended};
use orchestrate_engine::{Engine, RunHeader, RunOutcome, Start};
use orchestrate_executor::{Crew, Fence, Finished, Pulse, Run, survey};
use orchestrate_journal::Journal;
use orchestrate_model::RunId;
use orchestrate_planner::{Plan, make};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Starts of orchestrate in one night, at most.
const MOST_STARTS: u32 = 16;

/// No start may take longer than this.
const LONGEST: Ms = 60 * HOUR;

/// What came of one seed.
#[derive(Debug, Clone, Serialize)]
pub struct Night {
    /// The seed.
    pub seed: u64,
    /// Promises that were broken. Empty is good.
    pub violations: Vec<Violation>,
    /// How the run ended at last, if it did.
    pub outcome: Option<RunOutcome>,
    /// How often orchestrate was started.
    pub starts: u32,
    /// Whether the plan was refused before the first change.
    pub refused: bool,
    /// Whether every server that was changed is back.
    pub all_back: bool,
    /// Records written.
    pub records: u64,
    /// What happened, by time in milliseconds. Empty unless it was asked for.
    pub timeline: Vec<(i64, String)>,
}

/// Whether a timeline is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeline {
    /// It is.
    Keep,
    /// It is not.
    Leave,
}

/// Lives through one night.
pub(crate) async fn night(seed: u64, mutation: Option<Mutation>, timeline: Timeline) -> Night {
    let needs = mutation.map_or(&[][..], Mutation::needs);
    live(Scenario::by_seed(seed, needs), seed, mutation, timeline).await
}

/// Lives through the night of a mutation, faults included, without the mutation.
pub(crate) async fn without(seed: u64, mutation: Mutation) -> Night {
    live(Scenario::by_seed(seed, mutation.needs()), seed, None, Timeline::Leave).await
}

/// Lives through the night of a scenario.
pub(crate) async fn live(scenario: Scenario, seed: u64, mutation: Option<Mutation>, timeline: Timeline) -> Night {
    let clock = Clock::derived(scenario.world.origin, 1.0);
    let Scenario { mut world, change, attended, orders, crashes, takeover, sleeps, mut dice } = scenario;
    if timeline == Timeline::Keep {
        world.log.lines = Some(vec![(0, format!("seed {seed}, faults: {}", world.faults.words().join(", ")))]);
    }
    let shared = Shared::new(world);
    let mut night = Night {
        seed,
        violations: Vec::new(),
        outcome: None,
        starts: 0,
        refused: false,
        all_back: true,
        records: 0,
        timeline: Vec::new(),
    };
    if mutation == Some(Mutation::PreviewChanges) {
        preview_changes(&shared);
    }
    if let Some(plan) = preview(&shared, clock, &change, &mut night).await {
        if mutation == Some(Mutation::StatedTooShort) {
            shared.lock().oracle.promised.forget_the_way_back();
        }
        let plan = mutation.map_or_else(|| plan.clone(), |mutation| mutation.plan(&plan));
        shared.lock().oracle.read_plan(&serde_json::to_value(&plan).unwrap_or_default());
        let mut starts = Starts {
            shared: shared.clone(),
            clock,
            plan: Arc::new(plan),
            disk: Disk::default(),
            mutation,
            attended,
            orders,
            crashes: crashes.into(),
            takeover,
            sleeps: sleeps.into(),
            dice: dice.fork(),
            killed: false,
            night: &mut night,
        };
        starts.all().await;
        starts.is_alive().await;
    }
    let mut world = shared.lock();
    night.violations = std::mem::take(&mut world.oracle.violations);
    night.timeline = world.log.lines.take().unwrap_or_default();
    night
}

/// A preview that has hands and uses them.
fn preview_changes(shared: &Shared) {
    let mut world = shared.lock();
    world.oracle.previewing = true;
    let service = world.machines[0].services[0].name.clone();
    let way = world.begin_act(0, &orchestrate_model::Act::Pause { service }, 0);
    tracing::trace!(number = way.number, "changed");
}

/// Plans, as a preview would: with eyes and without hands.
async fn preview(
    shared: &Shared,
    clock: Clock,
    change: &Arc<orchestrate_model::Change>,
    night: &mut Night,
) -> Option<Plan> {
    shared.lock().oracle.previewing = true;
    let eyes = Link { world: shared.clone(), clock, epoch: 0, host: HOST }.eyes();
    let seen = survey(&Crew::here(), &eyes, change, &clock).await;
    let made = make(change, &seen, clock.now());
    let mut world = shared.lock();
    world.oracle.previewing = false;
    for pool in &mut world.pools {
        if let Some((swapped, unnamed)) = pool.balancer.after_preview.take() {
            (pool.balancer.swapped, pool.balancer.unnamed) = (swapped, unnamed);
        }
    }
    world.at(clock.now());
    let now = world.now;
    match made {
        Err(error) => {
            world.oracle.breach("alive", now, format!("no plan could be made: {error}"));
            None
        }
        Ok((plan, report)) => {
            let refusals: Vec<String> = plan.refusals().map(|finding| finding.message.clone()).collect();
            world.log.say(now, || format!("refused: {refusals:?}"));
            world.oracle.read_plan(&serde_json::to_value(&plan).unwrap_or_default());
            world.oracle.promised.state(report.forecast.one_server, report.forecast.room);
            night.refused = !refusals.is_empty();
            refusals.is_empty().then_some(plan)
        }
    }
}

/// The starts of orchestrate in one night.
struct Starts<'a> {
    shared: Shared,
    clock: Clock,
    plan: Arc<Plan>,
    disk: Disk,
    mutation: Option<Mutation>,
    attended: bool,
    orders: crate::operator::Orders,
    crashes: std::collections::VecDeque<CrashAt>,
    takeover: Option<Ms>,
    sleeps: std::collections::VecDeque<(Ms, Ms)>,
    dice: crate::dice::Dice,
    /// Whether the last start was killed, even if it noticed and came to an end.
    killed: bool,
    night: &'a mut Night,
}

/// How a start came to its end.
enum Came {
    Finished(Box<Finished>),
    Killed,
    TakenOver,
    TooLong,
}

impl Starts<'_> {
    async fn all(&mut self) {
        {
            let mut world = self.shared.lock();
            world.faulty = true;
            world.schedule_faults(8 * HOUR);
        }
        let mut next = Start::New(self.header());
        let mut after_heal = 0;
        loop {
            self.night.starts += 1;
            let healed = self.is_healed();
            let came = self.one(next).await;
            self.note(&came);
            let over = self.judge(came);
            if self.is_broken() || self.night.starts >= MOST_STARTS || (over && self.is_done(after_heal)) {
                return;
            }
            after_heal += u32::from(healed && over);
            self.pause().await;
            next = self.next_start(over.then_some(after_heal));
        }
    }

    fn note(&self, came: &Came) {
        let mut world = self.shared.lock();
        let (now, start) = (world.now, self.night.starts);
        world.log.say(now, || match came {
            Came::Finished(finished) => format!("start {start} came to its end: {:?}", finished.outcome),
            Came::Killed => format!("start {start} is killed"),
            Came::TakenOver => format!("start {start} loses the pools"),
            Came::TooLong => format!("start {start} does not come to its end"),
        });
    }

    fn is_broken(&self) -> bool {
        !self.shared.lock().oracle.violations.is_empty()
    }

    fn is_healed(&self) -> bool {
        !self.shared.lock().faulty
    }

    /// Whether nothing more is to be done: everything is back, or nobody would go on.
    fn is_done(&self, after_heal: u32) -> bool {
        let world = self.shared.lock();
        let all_back = world.oracle.out().is_empty();
        let good = matches!(
            self.night.outcome,
            Some(RunOutcome::Done | RunOutcome::ToBeLookedAt | RunOutcome::PartlyDone | RunOutcome::Recovered)
        );
        (all_back && good) || (world.heals.is_none() && self.night.starts > 3) || after_heal > 8
    }

    fn header(&self) -> RunHeader {
        let run = RunId::new(&format!("sim-{}", self.night.seed)).expect("a run id");
        RunHeader { run, plan: "simulated".to_owned(), by: actor(), attended: self.attended(), approvals: Vec::new() }
    }

    fn attended(&self) -> Attended {
        if self.attended { Attended::Yes } else { Attended::No }
    }

    /// Runs one start to its end.
    async fn one(&mut self, start: Start) -> Came {
        let epoch = self.night.starts;
        let link = Link { world: self.shared.clone(), clock: self.clock, epoch, host: HOST };
        let bell = {
            let mut world = self.shared.lock();
            let now = world.at(self.clock.now());
            world.log.say(now, || format!("start {epoch}: {start:?}"));
            world.oracle.holder = epoch;
            world.crash.at = self.crashes.pop_front();
            (world.crash.records, world.crash.acts) = (0, 0);
            world.crash.bell = Arc::default();
            world.crash.bell.clone()
        };
        let kill_at = match self.shared.lock().crash.at {
            Some(CrashAt::Time(after)) => Some(after),
            _ => None,
        };
        let pulse = Pulse::told();
        let Some((run, commands, held)) = self.build(&link, start, pulse.clone()) else { return Came::TooLong };
        let orders = std::mem::take(&mut self.orders);
        let operator = operate(link, held, commands, orders, self.dice.fork());
        let takeover = self.takeover.take();
        let mut run = self.with_sleeps(run, pulse);
        let came = tokio::select! {
            biased;
            () = bell.notified() => Came::Killed,
            finished = &mut run => Came::Finished(Box::new(finished)),
            () = operator => Came::TooLong,
            () = after(self.clock, kill_at) => Came::Killed,
            () = after(self.clock, takeover) => Came::TakenOver,
            () = after(self.clock, Some(LONGEST)) => Came::TooLong,
        };
        if matches!(came, Came::TakenOver) {
            // The old one goes on until it notices.
            self.shared.lock().oracle.holder = epoch + 1;
            let old = tokio::spawn(run);
            drop(old);
        } else {
            self.killed = !self.shared.lock().crash.dead.insert(epoch);
        }
        came
    }

    /// Lets the machine stand still at its times: the run is left where it is, and the world goes on.
    fn with_sleeps(&mut self, mut run: BoxFuture<'static, Finished>, pulse: Pulse) -> BoxFuture<'static, Finished> {
        let sleeps = std::mem::take(&mut self.sleeps);
        let (shared, clock) = (self.shared.clone(), self.clock);
        let origin = shared.lock().origin;
        let forgotten = self.mutation == Some(Mutation::GapNotNoticed);
        Box::pin(async move {
            for (at, long) in sleeps {
                tokio::select! {
                    biased;
                    finished = &mut run => return finished,
                    () = clock.sleep_until(origin + SignedDuration::from_millis(at)) => {}
                }
                let from = clock.now();
                clock.sleep(SignedDuration::from_millis(long)).await;
                if !forgotten {
                    pulse.missed(Duration::from_millis(long.unsigned_abs()));
                }
                let mut world = shared.lock();
                let now = world.at(clock.now());
                let from = world.moment(from);
                world.log.say(now, || format!("the machine of orchestrate has stood still for {} s", long / SECOND));
                world.oracle.wakes(from, now);
            }
            run.await
        })
    }

    /// Reads the journal and builds the run after it.
    fn build(
        &mut self,
        link: &Link,
        start: Start,
        pulse: Pulse,
    ) -> Option<(BoxFuture<'static, Finished>, Sender, Held)> {
        if self.mutation == Some(Mutation::ResumeForgets) {
            self.disk.truncate(0);
        }
        let bytes = self.disk.bytes();
        let entries = match orchestrate_journal::read(Path::new("journal.jsonl"), &bytes) {
            Ok(entries) => entries,
            Err(error) => return self.breach("P6", format!("the journal cannot be read: {error}")),
        };
        self.disk.truncate(entries.length);
        let mut engine = Engine::new(self.plan.clone());
        for entry in &entries.entries {
            if let Err(illegal) = engine.replay(entry.at, &entry.record) {
                return self.breach("P6", format!("record {} does not replay: {illegal}", entry.seq));
            }
        }
        // A start that was killed before its first record begins anew.
        let start = if entries.entries.is_empty() { Start::New(self.header()) } else { start };
        let tape = Tape { link: link.clone(), disk: self.disk.clone(), length: entries.length, strained: false };
        let storage = match self.mutation {
            Some(mutation) => mutation.storage(tape),
            None => Box::new(tape),
        };
        let fence: Arc<dyn Fence> = Arc::new(SimFence { link: link.clone() });
        let (eyes, hands, fence) = match self.mutation {
            Some(mutation) => mutation.drivers(link, fence),
            None => (link.eyes(), link.hands(), fence),
        };
        let run = Run {
            engine,
            journal: Journal::after(&entries, storage),
            eyes,
            hands,
            clock: self.clock,
            fence,
            pulse,
            crew: Crew::here(),
        };
        let (sender, receiver) = mpsc::unbounded_channel();
        let held = Held::default();
        let mut watcher = Watcher {
            link: link.clone(),
            held: held.clone(),
            dirty: false,
            calls: 0,
            heard: BTreeMap::new(),
            mute: self.mutation == Some(Mutation::SilentWaits),
        };
        let run = Box::pin(async move { run.execute(start, receiver, &mut watcher).await });
        Some((run, sender, held))
    }

    fn breach<T>(&self, promise: &'static str, text: String) -> Option<T> {
        let mut world = self.shared.lock();
        let now = world.now;
        world.oracle.breach(promise, now, text);
        None
    }

    /// Takes note of how a start ended. Returns whether the run has ended.
    fn judge(&mut self, came: Came) -> bool {
        {
            let mut world = self.shared.lock();
            world.at(self.clock.now());
            self.night.records += world.crash.records;
        }
        match came {
            Came::Killed | Came::TakenOver => false,
            Came::TooLong => {
                self.breach::<()>("alive", "the run has not come to an end in sixty hours".to_owned());
                true
            }
            Came::Finished(finished) => {
                let Finished { outcome, state } = *finished;
                let full = std::mem::take(&mut self.shared.lock().disk.failed);
                if !full {
                    self.same_as_replayed(&state);
                }
                match outcome {
                    Ok(outcome) => {
                        self.night.outcome = Some(outcome);
                        let mut world = self.shared.lock();
                        if self.mutation == Some(Mutation::AlwaysCalledDone) {
                            world.oracle.outcome = Some("done".to_owned());
                        }
                        world.check_end();
                        true
                    }
                    // Nothing more is done when a record cannot be written. Somebody makes room and starts it again.
                    Err(orchestrate_executor::RunError::Journal(_)) if full => false,
                    Err(error) => {
                        if !self.killed {
                            self.breach::<()>("alive", format!("the run broke: {error}"));
                        }
                        false
                    }
                }
            }
        }
    }

    /// The state that ran is the state that the journal tells.
    fn same_as_replayed(&self, state: &orchestrate_engine::RunState) {
        let bytes = self.disk.bytes();
        let Ok(entries) = orchestrate_journal::read(Path::new("journal.jsonl"), &bytes) else { return };
        let mut engine = Engine::new(self.plan.clone());
        for entry in &entries.entries {
            if let Err(illegal) = engine.replay(entry.at, &entry.record) {
                self.breach::<()>("P6", format!("record {} does not replay: {illegal}", entry.seq));
                return;
            }
        }
        if !self.killed && engine.state() != state && self.mutation.is_none() {
            self.breach::<()>("P6", "the state of the run is not what its journal tells".to_owned());
        }
    }

    /// Somebody notices after a while and starts it again.
    async fn pause(&mut self) {
        let gap = self.dice.pick(&[2, 20, 300, 1800, 7200]);
        self.clock.sleep(SignedDuration::from_secs(gap)).await;
        let wait = {
            let mut world = self.shared.lock();
            let now = world.at(self.clock.now());
            // In the long run people wait until the trouble is over.
            world.heals.filter(|heals| *heals > now && self.night.starts > 3).map(|heals| heals - now + 2 * MINUTE)
        };
        if let Some(wait) = wait {
            self.clock.sleep(SignedDuration::from_millis(wait)).await;
        }
        let mut world = self.shared.lock();
        world.at(self.clock.now());
        if !world.faulty {
            for at in 0..world.machines.len() {
                world.mend(at);
            }
        }
    }

    fn next_start(&mut self, after_heal: Option<u32>) -> Start {
        let recover = match (self.is_healed(), after_heal) {
            (true, Some(ends)) => ends > 2,
            _ => self.dice.chance(0.2),
        };
        if self.is_healed() {
            self.attended = true;
        }
        if recover {
            Start::Recover { by: actor(), attended: self.attended() }
        } else {
            Start::Resume { by: actor(), attended: self.attended() }
        }
    }

    /// Liveness: when faults cease, every run ends with all servers back.
    async fn is_alive(&mut self) {
        // Faults cease, and what is on its way comes about: a server that comes back slowly takes an hour and more.
        let heals = {
            let world = self.shared.lock();
            world.heals.map(|heals| (heals - world.now).max(0) + 120 * MINUTE)
        };
        if let Some(wait) = heals {
            self.clock.sleep(SignedDuration::from_millis(wait)).await;
        }
        let mut world = self.shared.lock();
        world.at(self.clock.now());
        let out: Vec<String> = (0..world.machines.len())
            .filter(|at| world.oracle.has_touched(*at))
            .map(|at| (at, world.not_back(at)))
            .filter(|(_, found)| !found.is_empty())
            .map(|(at, found)| format!("{}: {}", world.machines[at].name, found.join(", ")))
            .collect();
        self.night.all_back = out.is_empty();
        if world.heals.is_some() && !out.is_empty() && world.oracle.violations.is_empty() {
            let now = world.now;
            let text =
                format!("faults have ceased, and after {} starts not back: {}", self.night.starts, out.join("; "));
            world.oracle.breach("alive", now, text);
        }
    }
}

type Sender = mpsc::UnboundedSender<orchestrate_engine::Command>;

fn actor() -> Actor {
    Actor { user: "simulation".to_owned(), host: "memory".to_owned(), process: 1 }
}

/// Waits for so long; for ever when there is no time.
async fn after(clock: Clock, time: Option<Ms>) {
    match time {
        Some(time) => clock.sleep(SignedDuration::from_millis(time)).await,
        None => std::future::pending().await,
    }
}
