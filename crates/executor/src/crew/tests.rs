//! The loop is served whatever a driver does.

use super::*;
use crate::{NoFence, Pulse, Quiet, Run};
use async_trait::async_trait;
use jiff::Timestamp;
use orchestrate_driver::{Clock, Eyes, Hands, NoNames, Observe};
use orchestrate_engine::record::{Actor, Attended};
use orchestrate_engine::{Command, Engine, RunHeader, RunOutcome, Start};
use orchestrate_journal::{Journal, Storage};
use orchestrate_model::{Answer, Ask, Change, RunId, ServerObservation};
use orchestrate_planner::{Observations, make};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{Notify, mpsc};

const PLAN: &[u8] = include_bytes!("../../../../plans/contoso-front-end.yaml");

/// The plan of the example, without its windows.
fn change() -> Change {
    let mut change = orchestrate_config::parse("plan.yaml", PLAN).expect("a plan without mistakes").change;
    change.windows.clear();
    change
}

fn two_pools() -> Change {
    let mut change = change();
    let mut second = change.pools[0].clone();
    second.name = orchestrate_model::PoolName::new("second.contoso.example").expect("a name");
    change.pools.push(second);
    change
}

/// What a driver does instead of answering.
#[derive(Debug, Clone, Copy)]
enum Stubborn {
    /// It computes and never yields.
    Spins,
    /// It blocks its thread.
    Blocks,
    /// It fails.
    Panics,
}

/// A driver of a server, with what ends it when the test is over.
struct Driver {
    server: ServerName,
    does: Stubborn,
    asked: Arc<Notify>,
    over: Arc<AtomicBool>,
}

#[async_trait]
impl Observe for Driver {
    async fn observe(&self, _ask: &Ask) -> ServerObservation {
        self.asked.notify_one();
        match self.does {
            Stubborn::Panics => panic!("a mistake in the driver"),
            Stubborn::Spins => {
                while !self.over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            }
            Stubborn::Blocks => {
                while !self.over.load(Ordering::Relaxed) {
                    std::thread::park_timeout(Duration::from_millis(10));
                }
            }
        }
        ServerObservation::unknown(self.server.clone(), Timestamp::UNIX_EPOCH, "the test is over")
    }
}

/// Lines that nobody reads again.
struct Memory(Arc<AtomicUsize>);

impl Storage for Memory {
    fn append(&mut self, _line: &[u8]) -> std::io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn eyes(change: &Change, does: Stubborn, asked: &Arc<Notify>, over: &Arc<AtomicBool>) -> Eyes {
    let servers = change.pools.iter().flat_map(|pool| &pool.servers).map(|server| {
        let driver = Driver { server: server.name.clone(), does, asked: asked.clone(), over: over.clone() };
        (server.name.clone(), Arc::new(driver) as Arc<dyn Observe>)
    });
    Eyes { servers: servers.collect(), names: Arc::new(NoNames), balancers: BTreeMap::new() }
}

/// Ends the drivers with the test, however it ends: a thread that spins would stay.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns how long a run took to end after it was told to, with drivers that do not let go of their threads.
fn ends_after(does: Stubborn) -> Duration {
    let (asked, over) = (Arc::new(Notify::new()), Over(Arc::new(AtomicBool::new(false))));
    let change = change();
    let (plan, _report) = make(&change, &Observations::default(), Timestamp::now()).expect("a plan");
    let lines = Arc::new(AtomicUsize::new(0));
    let run = Run {
        engine: Engine::new(Arc::new(plan)),
        journal: Journal::new(Box::new(Memory(lines.clone()))),
        eyes: eyes(&change, does, &asked, &over.0),
        hands: Hands { servers: BTreeMap::new(), balancers: BTreeMap::new() },
        clock: Clock::real(),
        fence: Arc::new(NoFence),
        pulse: Pulse::told(),
        crew: Crew::apart().expect("threads"),
    };
    let by = Actor { user: "test".to_owned(), host: "test".to_owned(), process: 1 };
    let header = RunHeader {
        run: RunId::new("test").expect("an id"),
        plan: "test".to_owned(),
        by,
        attended: Attended::Yes,
        approvals: Vec::new(),
    };
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let (commands, received) = mpsc::unbounded_channel();
        let running = tokio::spawn(async move { run.execute(Start::New(header), received, &mut Quiet).await });
        asked.notified().await;
        let written = lines.load(Ordering::Relaxed);
        let before = Instant::now();
        // A timer, then an order, as a signal would send it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        commands.send(Command::StopNow { by: "test".to_owned() }).expect("the run listens");
        let finished = running.await.expect("the loop does not fail");
        assert_eq!(finished.outcome.expect("an outcome"), RunOutcome::Interrupted);
        assert!(lines.load(Ordering::Relaxed) > written, "the stop is in the journal");
        before.elapsed()
    })
}

#[test]
fn a_run_obeys_within_a_second_while_a_driver_never_yields() {
    let took = ends_after(Stubborn::Spins);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_run_obeys_within_a_second_while_every_driver_blocks_its_thread() {
    let took = ends_after(Stubborn::Blocks);
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[tokio::test]
async fn a_driver_that_does_not_yield_keeps_no_other_waiting() {
    let crew = Crew::apart().expect("threads");
    let over = Over(Arc::new(AtomicBool::new(false)));
    let name = |text: &str| ServerName::new(text).expect("a name");
    let begun = Arc::new(Notify::new());
    let (stubborn, told) = (over.0.clone(), begun.clone());
    let one = crew.clone();
    let spinning = tokio::spawn(async move {
        let spin = async move {
            told.notify_one();
            while !stubborn.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        one.look_at((&name("fe1.contoso.example"), || ()), spin).await
    });
    begun.notified().await;
    // Timers of the drivers' threads go on too.
    for _ in 0..20 {
        let server = name("fe2.contoso.example");
        let other = crew.look_at((&server, || ()), tokio::time::sleep(Duration::from_millis(1)));
        timeout(Duration::from_secs(5), other).await.expect("its turn comes").expect("it is done");
    }
    assert!(!spinning.is_finished());
}

#[tokio::test]
async fn p3_a_driver_that_fails_leaves_what_it_was_asked_unknown() {
    let (asked, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let change = change();
    let eyes = eyes(&change, Stubborn::Panics, &asked, &over);
    for crew in [Crew::here(), Crew::apart().expect("threads")] {
        let seen = crate::survey(&crew, &eyes, &change, &Clock::real()).await;
        for server in seen.pools.values().flat_map(|pool| pool.servers.values()) {
            let why = server.services.why_unknown().expect("nothing was seen");
            assert!(why.contains("a mistake of its own"), "{why}");
        }
    }
}

#[tokio::test]
async fn a_survey_of_some_pools_asks_no_others_and_tells_of_each_that_is_over() {
    let change = two_pools();
    let (asked, over) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(true)));
    let eyes = eyes(&change, Stubborn::Panics, &asked, &over);
    let last = &change.pools.last().expect("a pool").name;
    let told = std::sync::Mutex::new(Vec::new());
    let note = |pool: &orchestrate_model::PoolName| told.lock().expect("no panic").push(pool.clone());
    let which = |pool: &orchestrate_model::PoolName| pool == last;
    let seen = crate::survey_of(&Crew::here(), &eyes, (&change, &which), &Clock::real(), &note).await;
    assert_eq!(seen.pools.keys().collect::<Vec<_>>(), [last]);
    assert_eq!(seen.looked.keys().collect::<Vec<_>>(), [last]);
    assert_eq!(*told.lock().expect("no panic"), std::slice::from_ref(last));
}

#[tokio::test(start_paused = true)]
async fn a_look_that_waits_for_its_turn_is_not_late() {
    let crew = Crew::here();
    // Each takes most of what a look may take, and there are seats for a third of them.
    let takes = LOOK_LIMIT - Duration::from_secs(1);
    let most = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let looks = (0..3 * SERVERS_AT_ONCE).map(|number| {
        let (crew, most) = (crew.clone(), most.clone());
        async move {
            let work = async move {
                let now = most.0.fetch_add(1, Ordering::SeqCst) + 1;
                most.1.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(takes).await;
                most.0.fetch_sub(1, Ordering::SeqCst);
            };
            let server = ServerName::new(&format!("fe{number}.contoso.example")).expect("a name");
            crew.look_at((&server, || ()), work).await
        }
    });
    let seen = futures::future::join_all(looks).await;
    assert!(seen.iter().all(Result::is_ok));
    assert_eq!(most.1.load(Ordering::SeqCst), SERVERS_AT_ONCE);
}

/// A server that says nothing, or one whose first answer is old when the look is over.
struct Late {
    server: ServerName,
    is_silent: bool,
    asked: Arc<AtomicUsize>,
}

#[async_trait]
impl Observe for Late {
    async fn observe(&self, _ask: &Ask) -> ServerObservation {
        let first = self.asked.fetch_add(1, Ordering::SeqCst) == 0;
        let age = if first { jiff::SignedDuration::from_mins(2) } else { jiff::SignedDuration::ZERO };
        let seen = ServerObservation::unknown(self.server.clone(), Timestamp::now() - age, "no answer within 35 s");
        let services = if self.is_silent { seen.services.clone() } else { Answer::Known(BTreeMap::new()) };
        ServerObservation { services, ..seen }
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_asked_once_and_the_others_until_what_they_say_is_fresh() {
    let change = change();
    let mut asked = BTreeMap::new();
    let servers = change.pools[0].servers.iter().enumerate().map(|(position, server)| {
        let count = Arc::new(AtomicUsize::new(0));
        asked.insert(server.name.clone(), (position == 0, count.clone()));
        let driver = Late { server: server.name.clone(), is_silent: position == 0, asked: count };
        (server.name.clone(), Arc::new(driver) as Arc<dyn Observe>)
    });
    let eyes = Eyes { servers: servers.collect(), names: Arc::new(NoNames), balancers: BTreeMap::new() };
    let seen = crate::survey(&Crew::here(), &eyes, &change, &Clock::real()).await;
    for (server, (is_silent, count)) in &asked {
        assert_eq!(count.load(Ordering::SeqCst) == 1, *is_silent, "{server}");
    }
    let pool = seen.pools.values().next().expect("a pool");
    assert_eq!(pool.servers.len(), asked.len(), "the silent one is told too");
    let over = seen.looked.values().next().expect("a pool");
    let oldest = pool.servers.values().map(|server| server.taken).min().expect("servers");
    assert!(over.duration_since(oldest) < orchestrate_planner::safety::EVIDENCE_LIFETIME, "nothing is called stale");
}
