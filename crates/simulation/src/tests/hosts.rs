//! Two control hosts with state folders of their own, which see nothing of each other but what lies on the servers.

use super::{actor, first};
use crate::dice::Dice;
use crate::drive::{Disk, HOST, Link, Shared, Tape};
use crate::faults::Faults;
use crate::hunt::runtime;
use crate::mutation::Mutation;
use crate::scenario::{Scenario, example_change, origin};
use crate::world::{MINUTE, Ms, SECOND, Sessions};
use jiff::SignedDuration;
use orchestrate_driver::{Clock, Eyes, Hands};
use orchestrate_engine::record::RunOutcome;
use orchestrate_engine::{Engine, RunHeader, Start};
use orchestrate_executor::{Crew, Finished, NoFence, Pulse, Quiet, Run, survey};
use orchestrate_journal::Journal;
use orchestrate_model::change::PoolUnsafe;
use orchestrate_model::{Change, RunId};
use orchestrate_planner::make;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The second control host.
const OTHER: u32 = 2;

/// What came of a night with two control hosts.
#[derive(Debug)]
struct Both {
    /// How each came to its end. `None`: it was refused, or killed.
    outcomes: [Option<RunOutcome>; 2],
    /// Why each stopped early.
    stops: [String; 2],
    /// What broke P12.
    violations: Vec<String>,
    /// How often the lease of another was taken over.
    taken_over: usize,
    /// Installers by machine.
    installers: Vec<usize>,
}

fn pause(ms: Ms) -> SignedDuration {
    SignedDuration::from_millis(ms)
}

/// What a control host sees and acts with.
fn drivers(link: &Link, mutation: Option<Mutation>) -> (Eyes, Hands) {
    match mutation {
        None => (link.eyes(), link.hands()),
        Some(mutation) => {
            let (eyes, hands, _fence) = mutation.drivers(link, Arc::new(NoFence));
            (eyes, hands)
        }
    }
}

/// Looks, plans and runs, as one start of orchestrate does.
async fn host(link: Link, change: Arc<Change>, disk: Disk, mutation: Option<Mutation>) -> Ended {
    let (eyes, hands) = drivers(&link, mutation);
    let seen = survey(&Crew::here(), &eyes, &change, &link.clock).await;
    let (plan, _report) = make(&change, &seen, link.clock.now()).expect("a plan");
    if plan.refusals().next().is_some() {
        return (None, String::new());
    }
    let plan = Arc::new(plan);
    let tape = Tape { link: link.clone(), disk, length: 0, strained: false };
    let entries = orchestrate_journal::read(Path::new("journal.jsonl"), &[]).expect("an empty journal");
    let (clock, run) = (link.clock, format!("host-{}", link.host));
    let run = RunId::new(&run).expect("a run id");
    let Start::New(header) = first() else { unreachable!("a first start is new") };
    let start = Start::New(RunHeader { run, by: actor(), ..header });
    let journal = Journal::after(&entries, Box::new(tape));
    let run = Run {
        engine: Engine::new(plan),
        journal,
        eyes,
        hands,
        clock,
        fence: Arc::new(NoFence),
        pulse: Pulse::told(),
        crew: Crew::here(),
    };
    let (_sender, commands) = mpsc::unbounded_channel();
    let Finished { outcome, state } = run.execute(start, commands, &mut Quiet).await;
    (outcome.ok(), state.stop.map(|why| why.text().to_owned()).unwrap_or_default())
}

/// How a control host came to its end, and why it stopped early, if it did.
type Ended = (Option<RunOutcome>, String);

/// How the first control host ends.
#[derive(Debug, Clone, Copy)]
enum End {
    ByItself,
    /// It dies so long after its start. `undone`: a person then gives the servers their services back by hand, and nothing
    /// but the lease speaks of the run.
    Killed {
        after: Ms,
        undone: bool,
    },
}

/// Lives through a night in which the second control host starts so much later than the first.
async fn night(seed: u64, later: Ms, end: End, mutation: Option<Mutation>) -> Both {
    night_of(example_change(3), seed, (later, end), mutation).await
}

/// The same, of another change than the example.
async fn night_of(change: Change, seed: u64, (later, end): (Ms, End), mutation: Option<Mutation>) -> Both {
    let change = Arc::new(change);
    let sessions = Sessions { most: 2, mean: 2 * MINUTE };
    let scenario = Scenario::of(&change, Faults::none(), (origin(), sessions), seed);
    let shared = Shared::new(scenario.world);
    shared.lock().log.lines = Some(Vec::new());
    let clock = Clock::derived(origin(), 1.0);
    let link = |host| Link { world: shared.clone(), clock, epoch: host, host };
    {
        let seen = survey(&Crew::here(), &link(HOST).eyes(), &change, &clock).await;
        let (plan, _report) = make(&change, &seen, clock.now()).expect("a plan");
        shared.lock().oracle.read_plan(&serde_json::to_value(&plan).expect("a plan serialises"));
    }
    let one = async {
        let before: Vec<_> = shared.lock().machines.iter().map(|machine| machine.services.clone()).collect();
        let run = host(link(HOST), change.clone(), Disk::default(), mutation);
        match end {
            End::ByItself => run.await,
            End::Killed { after, undone } => {
                tokio::select! { outcome = run => return outcome, () = clock.sleep(pause(after)) => {} }
                if undone {
                    let mut world = shared.lock();
                    for (machine, services) in world.machines.iter_mut().zip(before) {
                        machine.services = services;
                    }
                }
                (None, String::new())
            }
        }
    };
    let two = async {
        clock.sleep(pause(later)).await;
        host(link(OTHER), change.clone(), Disk::default(), mutation).await
    };
    let ((one, why_one), (two, why_two)) = tokio::join!(one, two);
    let mut world = shared.lock();
    let violations = std::mem::take(&mut world.oracle.violations);
    let violations =
        violations.into_iter().filter(|found| found.promise == "P12" && found.text.contains("control host"));
    let lines = world.log.lines.take().unwrap_or_default();
    Both {
        outcomes: [one, two],
        stops: [why_one, why_two],
        violations: violations.map(|found| found.text).collect(),
        taken_over: lines.iter().filter(|(_, line)| line.contains("takes over the lease")).count(),
        installers: world.machines.iter().map(|machine| machine.installers.len()).collect(),
    }
}

/// When the second control host starts, by seed: often at the same moment, else within the first server's work.
fn later(dice: &mut Dice) -> Ms {
    dice.pick(&[0, 0, 1, 700, 2 * SECOND, 8 * SECOND, 40 * SECOND, 3 * MINUTE, 12 * MINUTE, 50 * MINUTE])
}

#[test]
fn p12_two_control_hosts_never_work_on_one_pool_at_once() {
    let runtime = runtime();
    let (mut done, mut held) = (0, 0);
    for seed in 0..60 {
        let mut dice = Dice::new(seed);
        let later = later(&mut dice);
        let both = runtime.block_on(night(seed, later, End::ByItself, None));
        assert!(both.violations.is_empty(), "seed {seed}: {both:#?}");
        assert!(both.installers.iter().all(|count| *count <= 1), "seed {seed}: {both:#?}");
        done += usize::from(both.outcomes.contains(&Some(RunOutcome::Done)));
        if both.outcomes.contains(&Some(RunOutcome::Done)) {
            // Who comes second is told that, and not what the first one does to the servers.
            let ends = [None, Some(RunOutcome::HeldElsewhere), Some(RunOutcome::Done)];
            assert!(both.outcomes.iter().all(|outcome| ends.contains(outcome)), "seed {seed}: {both:#?}");
        }
        held += usize::from(both.outcomes.contains(&Some(RunOutcome::HeldElsewhere)));
    }
    assert!(held > 0, "no second control host was ever turned away by a lease in its run");
    assert!(done >= 30, "in most nights one of the two comes to its end: {done} of 60");
}

#[test]
fn p12_a_plan_that_waits_for_its_pool_goes_on_when_the_other_control_host_is_done() {
    let runtime = runtime();
    let mut waited = 0;
    for seed in 0..100 {
        let mut dice = Dice::new(seed);
        let later = dice.pick(&[0, 0, 1, 700, 2 * SECOND, 20 * SECOND, 2 * MINUTE, 11 * MINUTE]);
        let mut change = example_change(3);
        change.maintenance.pool_unsafe = PoolUnsafe::Wait;
        let both = runtime.block_on(night_of(change, seed, (later, End::ByItself), None));
        assert!(both.violations.is_empty(), "seed {seed}: {both:#?}");
        assert!(both.installers.iter().all(|count| *count == 1), "seed {seed}: {both:#?}");
        let ends = [None, Some(RunOutcome::Done)];
        assert!(both.outcomes.iter().all(|outcome| ends.contains(outcome)), "seed {seed}: {both:#?}");
        assert!(both.stops.iter().all(String::is_empty), "seed {seed}: {both:#?}");
        waited += usize::from(both.outcomes.iter().all(|outcome| *outcome == Some(RunOutcome::Done)));
    }
    assert!(waited > 0, "no control host ever waited for the other to be done");
}

#[test]
fn p12_the_lease_of_a_control_host_that_died_is_taken_over_when_it_has_run_out() {
    let runtime = runtime();
    let mut taken = 0;
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        let undone = seed % 2 == 0;
        let after = dice.between(SECOND, if undone { 4 * SECOND } else { 4 * MINUTE });
        let end = End::Killed { after, undone };
        let both = runtime.block_on(night(seed, after + 40 * MINUTE, end, None));
        assert!(!undone || both.outcomes[1] == Some(RunOutcome::Done), "seed {seed}: {both:#?}");
        assert!(both.violations.is_empty(), "seed {seed}: {both:#?}");
        taken += both.taken_over;
    }
    assert!(taken > 0, "no lease was ever taken over");
}

#[test]
fn p12_without_leases_two_control_hosts_are_seen_to_work_on_one_pool() {
    let runtime = runtime();
    let seen = (0..60).any(|seed| {
        let mut dice = Dice::new(seed);
        let later = later(&mut dice);
        !runtime.block_on(night(seed, later, End::ByItself, Some(Mutation::LeasesIgnored))).violations.is_empty()
    });
    assert!(seen, "the oracle does not see it");
}
