//! How long somebody's own change takes, how often it fits the window, and what each fault does to it.
//!
//! The same planner, engine and executor as in a real run, in virtual time on servers in memory. What is assumed about
//! sessions, installers and restarts is said in the result.

mod notes;
mod rehearsal;
mod text;

use crate::drive::{Disk, HOST, Link, Shared, Tape};
use crate::faults::{Fault, Faults};
use crate::hunt::runtime;
use crate::runner::{Timeline, live};
use crate::scenario::Scenario;
use crate::world::{MINUTE, Sessions};
use jiff::{SignedDuration, Timestamp};
use notes::Notes;
use orchestrate_driver::Clock;
use orchestrate_engine::record::{Actor, Attended};
use orchestrate_engine::{Engine, RunHeader, RunOutcome, Start};
use orchestrate_executor::{Crew, NoFence, Pulse, Run, survey};
use orchestrate_journal::Journal;
use orchestrate_model::{Change, PoolName, RunId, ServerName};
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::windows::Calendar;
use orchestrate_planner::{Plan, PlanError, make};
pub use rehearsal::{Rehearsal, Resumption};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The version of the form for programs. It rises when a key changes its meaning or goes away; new keys may come at any time.
const VERSION: u32 = 1;

/// The JSON Schema of the form for programs.
pub const SCHEMA: &str = include_str!("../../schemas/simulate.json");

/// Openings that a run is taken up again in before it is called unfinished.
const OPENINGS: usize = 20;

/// What is simulated.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How many runs.
    pub runs: u32,
    /// The seed of the first run; the others follow it.
    pub seed: u64,
    /// Faults to try one by one, each in a tenth of the runs. Empty: none.
    pub faults: Vec<Fault>,
    /// The time from which the next opening is looked for.
    pub now: Timestamp,
    /// What is assumed about sessions.
    pub sessions: SessionAssumption,
}

/// What is assumed about the sessions of every service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SessionAssumption {
    /// Most sessions of one service of one server when it is blocked. Each service has a number of its own up to this.
    pub most: u32,
    /// The longest mean duration of sessions in minutes. Each service has a mean of its own up to this; how long single
    /// sessions last is distributed exponentially around it.
    pub mean_min: u32,
}

impl Default for SessionAssumption {
    /// Calls last a few minutes and conferences half an hour or more; a night has few of either.
    fn default() -> Self {
        Self { most: 12, mean_min: 10 }
    }
}

/// What came of the simulation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Runs.
    pub runs: u32,
    /// The first seed.
    pub seed: u64,
    /// What was assumed, in words.
    pub assumptions: Vec<String>,
    /// Why the plan is refused even when all servers are well. No run was made then.
    pub refusals: Vec<String>,
    /// Each server that is taken out.
    pub servers: Vec<ServerForecast>,
    /// The whole work in seconds, of runs that came to their end; waiting for further openings not counted.
    pub whole: Spread,
    /// Whether the plan has windows.
    pub windows: bool,
    /// The share of runs in which all of it was done in the first opening. Without windows, in which all was done.
    pub fits: f64,
    /// How many openings were needed, of runs that came to their end.
    pub openings: Spread,
    /// Runs that were not done in the first opening, by the reason.
    pub misfits: BTreeMap<String, u32>,
    /// Runs by their outcome.
    pub outcomes: BTreeMap<String, u32>,
    /// Sessions cut because the plan says so, per run.
    pub cut: f64,
    /// The planned schedule at worst, in seconds.
    pub schedule_s: i64,
    /// What no schedule can beat, in seconds.
    pub lower_bound_s: i64,
    /// What each fault leads to.
    pub faults: Vec<FaultForecast>,
    /// What happened in the run of the first seed; with the faults, where one run was asked for with faults.
    pub timeline: Vec<Moment>,
}

/// A forecast for programs.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: u32,
    #[serde(flatten)]
    forecast: &'a Forecast,
}

impl Forecast {
    /// Returns it for programs, with the version of the form.
    #[must_use]
    pub fn document(&self) -> impl Serialize + '_ {
        Document { version: VERSION, forecast: self }
    }
}

/// One server in the forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerForecast {
    /// Its pool.
    pub pool: PoolName,
    /// The server.
    pub server: ServerName,
    /// From the beginning of its work to its end, in seconds.
    pub takes: Spread,
    /// The part of it in which sessions were waited for, in seconds.
    pub drain: Spread,
}

/// What half and nineteen of twenty runs stay under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How many values there are.
    pub values: u32,
    /// Half are no more.
    pub p50: i64,
    /// Nineteen of twenty are no more.
    pub p95: i64,
    /// None is more.
    pub most: i64,
}

/// What one fault leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultForecast {
    /// The fault.
    pub fault: Fault,
    /// Runs with it.
    pub runs: u32,
    /// Runs by how they ended at last, taken up again as often as needed.
    pub outcomes: BTreeMap<String, u32>,
    /// Runs after which every server was back.
    pub all_back: u32,
    /// Starts of orchestrate that were needed, most.
    pub most_starts: u32,
    /// Runs in which a promise was broken. Anything but zero is a fault of this program.
    pub broken: u32,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What.
    pub text: String,
}

/// Why nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// There is no plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A window never opens again.
    #[error("no window opens after {0}; there is nothing to simulate")]
    NeverOpen(Timestamp),
    /// A rule of the engine was broken: our bug.
    #[error("run {seed} broke a rule of the engine: {why}")]
    Broken {
        /// The seed.
        seed: u64,
        /// What was broken.
        why: String,
    },
}

/// Simulates a change on all processors and returns when all runs are through. Blocks for that long; it may be called
/// from anywhere, also from within another runtime.
///
/// # Errors
/// When there is no plan for the change, or when it could never be begun.
pub fn simulate(change: &Change, options: &Options) -> Result<Forecast, SimulateError> {
    simulate_telling(change, options, &|| {})
}

/// The same, and calls `lived` after every run, with faults or without, from whichever thread has made it.
///
/// # Errors
/// As [`simulate`].
pub fn simulate_telling(
    change: &Change,
    options: &Options,
    lived: &(dyn Fn() + Sync),
) -> Result<Forecast, SimulateError> {
    let change = Arc::new(change.clone());
    let begins = first_opening(&change, options.now)?;
    let night = Night { change, begins, options, lived };
    let threads = u32::try_from(std::thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    std::thread::scope(|scope| {
        let night = &night;
        let all: Vec<_> = (0..threads)
            .map(|thread| {
                let seeds = (thread..options.runs).step_by(threads as usize);
                scope.spawn(move || night.samples(seeds.map(|run| options.seed.wrapping_add(u64::from(run)))))
            })
            .collect();
        let tried = scope.spawn(move || options.faults.iter().map(|fault| night.tried(*fault)).collect());
        let plan = scope.spawn(move || night.plan());
        let mut samples: Vec<Sample> = Vec::new();
        for thread in all {
            samples.extend(joined(thread)?);
        }
        samples.sort_by_key(|sample| sample.seed);
        let (plan, length) = joined(plan)?;
        let mut forecast = summed(&plan, options, &samples);
        (forecast.schedule_s, forecast.lower_bound_s) = length;
        if forecast.refusals.is_empty() {
            forecast.faults = joined(tried);
            if options.runs == 1 && !options.faults.is_empty() {
                forecast.timeline = night.told(plan);
            }
        }
        Ok(forecast)
    })
}

/// Hands on a panic of a thread instead of hiding it.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// When the run begins: now, if a window is open or there are none, or else when the next one opens.
fn first_opening(change: &Change, now: Timestamp) -> Result<Timestamp, SimulateError> {
    let calendar = Calendar::new(&change.windows, &change.freezes).map_err(PlanError::Zone)?;
    if calendar.is_always_open() {
        return Ok(now);
    }
    let next = calendar.openings(now, 1).first().copied().ok_or(SimulateError::NeverOpen(now))?;
    Ok(next.starts.max(now))
}

/// What all runs have in common.
struct Night<'a> {
    lived: &'a (dyn Fn() + Sync),
    change: Arc<Change>,
    begins: Timestamp,
    options: &'a Options,
}

/// What came of one run.
struct Sample {
    seed: u64,
    outcome: Option<RunOutcome>,
    notes: Notes,
    /// Time in openings, in seconds.
    busy_s: i64,
    openings: i64,
}

impl Night<'_> {
    fn scenario(&self, faults: Faults, seed: u64) -> Scenario {
        let SessionAssumption { most, mean_min } = self.options.sessions;
        let sessions = Sessions { most: i64::from(most), mean: i64::from(mean_min.max(1)) * MINUTE };
        Scenario::of(&self.change, faults, (self.begins, sessions), seed)
    }

    /// The plan in a world where all is well, with the length of its schedule and the bound below it.
    fn plan(&self) -> Result<(Arc<Plan>, (i64, i64)), SimulateError> {
        runtime().block_on(async {
            let scenario = self.scenario(Faults::none(), self.options.seed);
            let clock = Clock::derived(self.begins, 1.0);
            let link = Link { world: Shared::new(scenario.world), clock, epoch: 0, host: HOST };
            let seen = survey(&Crew::here(), &link.eyes(), &self.change, &clock).await;
            let (plan, report) = make(&self.change, &seen, self.begins)?;
            Ok((Arc::new(plan), (report.forecast.length.as_secs(), report.forecast.lower_bound.as_secs())))
        })
    }

    fn samples(&self, seeds: impl Iterator<Item = u64>) -> Result<Vec<Sample>, SimulateError> {
        let (plan, _length) = self.plan()?;
        if plan.refusals().next().is_some() {
            return Ok(Vec::new());
        }
        let runtime = runtime();
        seeds
            .map(|seed| {
                let mut sample = runtime.block_on(sample(self.scenario(Faults::none(), seed), &plan, seed))?;
                if seed != self.options.seed {
                    sample.notes.lines = Vec::new();
                }
                (self.lived)();
                Ok(sample)
            })
            .collect()
    }

    /// Lives through the night of the first seed with all the faults at once, and tells it.
    fn told(&self, plan: Arc<Plan>) -> Vec<Moment> {
        let scenario = self.scenario(Faults::of(&self.options.faults), self.options.seed);
        let night = runtime().block_on(live(scenario, self.options.seed, None, Timeline::Keep));
        let at = |ms: i64| self.begins.saturating_add(SignedDuration::from_millis(ms)).unwrap_or(Timestamp::MAX);
        let mut notes = Notes::new(plan);
        let lines = night.timeline.iter().filter(|(_, line)| line != "refused: []");
        lines.for_each(|(ms, line)| notes.heard(at(*ms), line));
        notes.lines
    }

    /// Tries one fault in a tenth of the runs.
    fn tried(&self, fault: Fault) -> FaultForecast {
        let runs = (self.options.runs / 10).clamp(1, 1000);
        let runtime = runtime();
        let mut forecast =
            FaultForecast { fault, runs, outcomes: BTreeMap::new(), all_back: 0, most_starts: 0, broken: 0 };
        for run in 0..runs {
            let seed = self.options.seed.wrapping_add(u64::from(run));
            let scenario = self.scenario(Faults::of(&[fault]), seed);
            let night = runtime.block_on(live(scenario, seed, None, Timeline::Leave));
            let outcome = if night.refused {
                "refused before the first change".to_owned()
            } else {
                night.outcome.map_or_else(|| "unfinished".to_owned(), text::word)
            };
            *forecast.outcomes.entry(outcome).or_default() += 1;
            forecast.all_back += u32::from(night.all_back);
            forecast.most_starts = forecast.most_starts.max(night.starts);
            forecast.broken += u32::from(!night.violations.is_empty());
            (self.lived)();
        }
        forecast
    }
}

/// Runs once, in as many openings as it takes.
async fn sample(scenario: Scenario, plan: &Arc<Plan>, seed: u64) -> Result<Sample, SimulateError> {
    let clock = Clock::derived(scenario.world.origin, 1.0);
    let calendar = Calendar::new(&plan.change().windows, &plan.change().freezes).map_err(PlanError::Zone)?;
    let mut world = scenario.world;
    world.oracle.holder = 1;
    let link = Link { world: Shared::new(world), clock, epoch: 1, host: HOST };
    let disk = Disk::default();
    let mut sample = Sample { seed, outcome: None, notes: Notes::new(plan.clone()), busy_s: 0, openings: 0 };
    let mut start = Start::New(header(seed));
    for _ in 0..OPENINGS {
        let from = clock.now();
        let outcome = one(&link, plan, (&disk, start), &mut sample.notes).await;
        let outcome = outcome.map_err(|why| SimulateError::Broken { seed, why })?;
        sample.outcome = Some(outcome);
        sample.busy_s += clock.now().duration_since(from).as_secs();
        sample.openings += 1;
        if outcome != RunOutcome::StoppedByWindow {
            break;
        }
        let now = clock.now();
        let Some(next) = calendar.openings(now, 2).into_iter().find(|opening| opening.starts > now) else { break };
        clock.sleep_until(next.starts).await;
        start = Start::Resume { by: actor(), attended: Attended::Yes };
    }
    Ok(sample)
}

async fn one(
    link: &Link,
    plan: &Arc<Plan>,
    (disk, start): (&Disk, Start),
    notes: &mut Notes,
) -> Result<RunOutcome, String> {
    let bytes = disk.bytes();
    let entries = orchestrate_journal::read(std::path::Path::new("journal.jsonl"), &bytes);
    let entries = entries.map_err(|error| error.to_string())?;
    let mut engine = Engine::new(plan.clone());
    for entry in &entries.entries {
        engine.replay(entry.at, &entry.record).map_err(|illegal| illegal.to_string())?;
    }
    let tape = Tape { link: link.clone(), disk: disk.clone(), length: entries.length, strained: false };
    let (sender, commands) = mpsc::unbounded_channel();
    notes.commands = Some(sender);
    let run = Run {
        engine,
        journal: Journal::after(&entries, Box::new(tape)),
        eyes: link.eyes(),
        hands: link.hands(),
        clock: link.clock,
        fence: Arc::new(NoFence),
        pulse: Pulse::told(),
        crew: Crew::here(),
    };
    run.execute(start, commands, notes).await.outcome.map_err(|error| error.to_string())
}

fn actor() -> Actor {
    Actor { user: "simulation".to_owned(), host: "memory".to_owned(), process: 1 }
}

fn header(seed: u64) -> RunHeader {
    let run = RunId::new(&format!("simulated-{seed}")).expect("digits and letters are a run id");
    RunHeader { run, plan: "simulated".to_owned(), by: actor(), attended: Attended::Yes, approvals: Vec::new() }
}

fn spread(mut values: Vec<i64>) -> Spread {
    values.sort_unstable();
    let at = |share: usize| values.get((values.len() * share).div_ceil(100).max(1) - 1).copied().unwrap_or_default();
    Spread {
        values: u32::try_from(values.len()).unwrap_or(u32::MAX),
        p50: at(50),
        p95: at(95),
        most: values.last().copied().unwrap_or_default(),
    }
}

fn summed(plan: &Plan, options: &Options, samples: &[Sample]) -> Forecast {
    let over = |sample: &&Sample| {
        matches!(sample.outcome, Some(RunOutcome::Done | RunOutcome::ToBeLookedAt | RunOutcome::PartlyDone))
    };
    let done = |sample: &&Sample| sample.outcome == Some(RunOutcome::Done);
    let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
    for sample in samples {
        *outcomes.entry(sample.outcome.map_or_else(|| "unfinished".to_owned(), text::word)).or_default() += 1;
    }
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let fitting = samples.iter().filter(|sample| done(sample) && sample.openings == 1).count();
    let cut: u64 = samples.iter().map(|sample| sample.notes.cut).sum();
    let each = |value: f64| if samples.is_empty() { 0.0 } else { value / count(samples.len()) };
    Forecast {
        runs: u32::try_from(samples.len()).unwrap_or(u32::MAX),
        seed: options.seed,
        assumptions: text::assumptions(options),
        refusals: plan.refusals().map(|finding| finding.message.clone()).collect(),
        servers: servers(plan, samples),
        whole: spread(samples.iter().filter(over).map(|sample| sample.busy_s).collect()),
        windows: !plan.change().windows.is_empty(),
        fits: each(count(fitting)),
        openings: spread(samples.iter().filter(over).map(|sample| sample.openings).collect()),
        outcomes,
        misfits: misfits(samples.iter().filter(|sample| !(done(sample) && sample.openings == 1))),
        cut: each(f64::from(u32::try_from(cut).unwrap_or(u32::MAX))),
        schedule_s: 0,
        lower_bound_s: 0,
        faults: Vec::new(),
        timeline: samples.first().map(|sample| sample.notes.lines.clone()).unwrap_or_default(),
    }
}

/// Counts runs by why they were not done in the first opening.
fn misfits<'s>(samples: impl Iterator<Item = &'s Sample>) -> BTreeMap<String, u32> {
    let mut misfits: BTreeMap<String, u32> = BTreeMap::new();
    for sample in samples {
        let why = match (sample.outcome, &sample.notes.trouble) {
            (Some(RunOutcome::Done), _) => "needs more than one window".to_owned(),
            (outcome, trouble) => {
                let outcome = outcome.map_or_else(|| "unfinished".to_owned(), text::word);
                let trouble = trouble.as_ref().map(|trouble| format!(", {trouble}"));
                format!("{outcome}{}", trouble.unwrap_or_default())
            }
        };
        *misfits.entry(why).or_default() += 1;
    }
    misfits
}

fn servers(plan: &Plan, samples: &[Sample]) -> Vec<ServerForecast> {
    let todo = plan.work().iter().zip(0..).filter(|(work, _)| work.skip.is_none());
    let one = |(work, id): (&orchestrate_planner::ServerWork, u32)| {
        let id = WorkId(id);
        let takes = samples.iter().filter_map(|sample| {
            let begun = sample.notes.begun.get(&id)?;
            sample.notes.ended.get(&id).map(|ended| ended.duration_since(*begun).as_secs())
        });
        let drain = samples.iter().filter_map(|sample| sample.notes.drained.get(&id).map(SignedDuration::as_secs));
        ServerForecast {
            pool: plan.pool_of(work).name.clone(),
            server: work.server.clone(),
            takes: spread(takes.collect()),
            drain: spread(drain.collect()),
        }
    };
    todo.map(one).collect()
}
