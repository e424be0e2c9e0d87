//! One run, from its first record to its last.

use crate::act::{Actuator, Fence};
use crate::crew::Crew;
use crate::events::Listener;
use crate::lease::{Earlier, Leases};
use crate::pulse::{Pulse, Watch};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use orchestrate_driver::{Clock, Eyes, Hands};
use orchestrate_engine::record::{ServerEnd, StopWhy};
use orchestrate_engine::{Command, Effect, Engine, Input, Record, RunOutcome, RunState, Start};
use orchestrate_journal::{Journal, JournalError, Receipt};
use orchestrate_model::{ActOutcome, Answer, LeaseState, PoolName, PoolObservation, RunId, ServerName};
use orchestrate_planner::plan::StepTarget;
use orchestrate_planner::{StepId, StepKind};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::Instrument as _;

/// Why a run could not go on. The servers are as the journal and a look at them say.
#[derive(Debug, Error)]
pub enum RunError {
    /// A record could not be written, so nothing more may be done.
    #[error("the journal cannot be written, so nothing more is done")]
    Journal(#[from] JournalError),
    /// The pools are not ours any more.
    #[error("nothing more is done: {0}")]
    ClaimLost(String),
    /// A rule of the engine was broken: our bug.
    #[error("a rule of the engine was broken: {0}")]
    Broken(String),
}

/// How a run ended, and its last state.
#[derive(Debug)]
pub struct Finished {
    /// The outcome, or why there is none.
    pub outcome: Result<RunOutcome, RunError>,
    /// The state when it ended.
    pub state: RunState,
}

/// Everything a run needs.
pub struct Run {
    /// The engine, after the records of earlier starts.
    pub engine: Engine,
    /// Where its records go.
    pub journal: Journal,
    /// What it sees with.
    pub eyes: Eyes,
    /// What it acts with.
    pub hands: Hands,
    /// What it waits by.
    pub clock: Clock,
    /// What keeps it from acting on pools that are not its own any more.
    pub fence: Arc<dyn Fence>,
    /// What tells it that it has stood still.
    pub pulse: Pulse,
    /// Where its drivers work.
    pub crew: Crew,
}

/// The run that leases are taken for.
fn run_of(start: &Start, engine: &Engine) -> RunId {
    match (start, &engine.state().header) {
        (Start::New(header), _) | (Start::Resume { .. } | Start::Recover { .. }, Some(header)) => header.run.clone(),
        (Start::Resume { .. } | Start::Recover { .. }, None) => {
            RunId::new("unknown").expect("a word is the name of a run")
        }
    }
}

type Pending = FuturesUnordered<BoxFuture<'static, Input>>;

impl Run {
    /// Runs to the end. Commands are obeyed as they come; a closed channel means that none will.
    pub async fn execute(
        self,
        start: Start,
        mut commands: mpsc::UnboundedReceiver<Command>,
        listener: &mut dyn Listener,
    ) -> Finished {
        let Self { mut engine, journal, eyes, hands, clock, fence, pulse, crew } = self;
        let leases = Leases::new(run_of(&start, &engine), clock, crew.clone());
        let mut shell = Shell {
            journal,
            eyes: Arc::new(eyes),
            actuator: Actuator { hands: hands.clone(), fence, crew, leases: leases.clone() },
            clock,
            pending: Pending::new(),
            working: FuturesUnordered::new(),
            farewells: FuturesUnordered::new(),
        };
        let keeping = leases.keep(&hands);
        tokio::pin!(keeping);
        let mut inputs = vec![Input::Begin(start)];
        let mut listening = true;
        let mut told_of_full_disk = false;
        let mut watch = Watch::new(clock, pulse);
        loop {
            if !inputs.is_empty() {
                let now = clock.now();
                let taken = leases.news().into_iter().map(|(server, from)| Input::TakenOver { server, from });
                for input in taken.chain(watch.gaps(now)).chain(std::mem::take(&mut inputs)) {
                    let effects = engine.handle(input, now);
                    match shell.perform(effects, &engine, now, listener) {
                        Ok(None) => {}
                        Ok(Some(outcome)) => {
                            shell.take_leave(&engine).await;
                            listener.progressed(&engine, clock.now());
                            return Finished { outcome: Ok(outcome), state: engine.state().clone() };
                        }
                        Err(error) => return Finished { outcome: Err(error), state: engine.state().clone() },
                    }
                }
                listener.progressed(&engine, now);
                if shell.journal.is_strained() && !told_of_full_disk {
                    told_of_full_disk = true;
                    let why = "the disk of the state folder is full".to_owned();
                    inputs.push(Input::Operator(Command::StopForRoom { why }));
                    continue;
                }
            }
            tokio::select! {
                biased;
                command = commands.recv(), if listening => match command {
                    Some(command) => inputs.push(Input::Operator(command)),
                    None => listening = false,
                },
                next = shell.pending.next(), if !shell.pending.is_empty() => inputs.extend(next),
                Some(()) = shell.working.next(), if !shell.working.is_empty() => {}
                Some(()) = shell.farewells.next(), if !shell.farewells.is_empty() => {}
                () = &mut keeping, if !shell.pending.is_empty() || listening => {}
                // Until then all that is said of deadlines is from before the gap.
                () = watch.beat(), if !shell.pending.is_empty() || listening => inputs.extend(watch.gaps(clock.now())),
                else => {
                    let broken = RunError::Broken("nothing is waited for and the run has not ended".to_owned());
                    return Finished { outcome: Err(broken), state: engine.state().clone() };
                }
            }
        }
    }
}

/// How long leases are given back when a person has asked twice for the end. What is not given back by then runs out.
const AT_ONCE: Duration = Duration::from_secs(3);

struct Shell {
    journal: Journal,
    eyes: Arc<Eyes>,
    actuator: Actuator,
    clock: Clock,
    pending: Pending,
    /// Acts that were asked for together. What becomes of each is among what is waited for.
    working: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Leases on their way back.
    farewells: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Shell {
    /// Performs effects in their order. A record is on disk before what follows it begins.
    fn perform(
        &mut self,
        effects: Vec<Effect>,
        engine: &Engine,
        now: Timestamp,
        listener: &mut dyn Listener,
    ) -> Result<Option<RunOutcome>, RunError> {
        // Before looks too: a drain may last for hours without a record, and is not to go on unwatched on a pool that
        // is not ours any more.
        let binding = |effect: &Effect| !matches!(effect, Effect::Wake { .. } | Effect::Broken(_));
        if effects.iter().any(binding)
            && let Some(why) = self.actuator.fence.closed_on(&concerned(&effects))
        {
            // Whoever holds the pools now goes on after the journal as it is.
            return Err(RunError::ClaimLost(why));
        }
        // Acts on one server that come together are asked for together.
        let mut intended: Vec<Receipt> = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(record) => {
                    let seq = self.journal.append(now, &record)?;
                    listener.recorded(seq, now, &record);
                    self.part(&record, engine);
                }
                Effect::Act(intent) => {
                    let record = Record::Intent(intent.clone());
                    let (seq, receipt) = self.journal.intend(now, intent)?;
                    listener.recorded(seq, now, &record);
                    let server = |receipt: &Receipt| receipt.intent().target.server.clone();
                    if intended.last().is_some_and(|last| server(last) != server(&receipt)) {
                        self.act(std::mem::take(&mut intended));
                    }
                    intended.push(receipt);
                }
                Effect::Look { ticket, look } => {
                    let (eyes, clock) = (self.eyes.clone(), self.clock);
                    let Actuator { hands, leases, crew, .. } = self.actuator.clone();
                    self.pending.push(Box::pin(async move {
                        let untaken = match &look.lease {
                            Some(server) => leases.before_look(&hands, server).await,
                            None => None,
                        };
                        let mut seen = crate::look(&crew, &eyes, &look, &clock).await;
                        if let (Some(server), Some(why)) = (&look.lease, untaken) {
                            not_taken(&mut seen, server, &why);
                        }
                        Input::Seen { ticket, seen: Box::new(seen) }
                    }));
                }
                Effect::Wake { ticket, at } => {
                    let clock = self.clock;
                    self.pending.push(Box::pin(async move {
                        clock.sleep_until(at).await;
                        Input::Woke { ticket }
                    }));
                }
                Effect::End(outcome) => return Ok(Some(outcome)),
                Effect::Broken(why) => return Err(RunError::Broken(why)),
            }
        }
        self.act(intended);
        Ok(None)
    }

    /// Gives the lease of a server back when the work on it is over, or begins again before its first change. One that is
    /// left out keeps it until it runs out: so nobody begins beside it unawares.
    fn part(&mut self, record: &Record, engine: &Engine) {
        let begins = |steps: &[StepId]| {
            let mut steps = steps.iter().map(|step| &engine.plan().steps()[step.0 as usize]);
            steps.find_map(|step| match step.target {
                StepTarget::Server(work) if step.kind == StepKind::Guard => Some(work),
                StepTarget::Server(_) | StepTarget::Pool(_) => None,
            })
        };
        let work = match record {
            Record::ServerEnded { end: ServerEnd::Out { .. }, .. } => None,
            Record::ServerEnded { work, .. } => Some(*work),
            Record::Reopened { steps, .. } => begins(steps),
            _ => None,
        };
        let Some(work) = work else { return };
        // A start that took the run up again need not have taken the lease: an earlier one did, before its first change.
        let state = engine.state();
        let begun = state.work[work.0 as usize].started.is_some();
        let earlier = if state.resumed > 0 && begun { Earlier::Held } else { Earlier::Never };
        let server = engine.plan().work_of(work).server.clone();
        let Actuator { hands, leases, .. } = self.actuator.clone();
        self.farewells.push(Box::pin(async move { leases.release(&hands, &server, earlier).await }));
    }

    /// Waits for the leases that are on their way back; only for a moment where a person wants the run ended at once.
    async fn take_leave(&mut self, engine: &Engine) {
        let farewells = async { while self.farewells.next().await.is_some() {} };
        if matches!(engine.state().stop, Some(StopWhy::OperatorNow(_))) {
            if tokio::time::timeout(AT_ONCE, farewells).await.is_err() {
                tracing::warn!("a lease could not be given back at once; it runs out");
            }
            return;
        }
        farewells.await;
    }

    /// Performs acts on one server.
    fn act(&mut self, mut receipts: Vec<Receipt>) {
        match receipts.len() {
            0 => {}
            1 => receipts.drain(..).for_each(|receipt| self.act_alone(receipt)),
            _ => self.act_together(receipts),
        }
    }

    /// Performs several acts on one server. Each has an outcome of its own, which the engine hears as soon as it is there.
    fn act_together(&mut self, receipts: Vec<Receipt>) {
        let actuator = self.actuator.clone();
        let server = receipts.first().map(|receipt| receipt.intent().target.server.to_string()).unwrap_or_default();
        let span = tracing::info_span!("acts", server, count = receipts.len());
        let mut with_outcomes = Vec::new();
        for receipt in receipts {
            let (sender, outcome) = oneshot::channel();
            let intent = receipt.intent().id;
            self.pending.push(Box::pin(async move {
                let gone = || ActOutcome::Unknown("what became of it was not told".to_owned());
                Input::Acted { intent, outcome: outcome.await.unwrap_or_else(|_gone| gone()) }
            }));
            with_outcomes.push((receipt, sender));
        }
        self.working.push(Box::pin(async move { actuator.perform_all(with_outcomes).await }.instrument(span)));
    }

    fn act_alone(&mut self, receipt: Receipt) {
        let actuator = self.actuator.clone();
        let intent = receipt.intent();
        let span = tracing::info_span!("act", server = %intent.target.server, step = intent.step.0, intent = intent.id.0, act = %intent.act);
        self.pending.push(Box::pin(
            async move {
                let outcome = actuator.perform(&receipt).await;
                tracing::debug!(?outcome, "performed");
                Input::Acted { intent: receipt.intent().id, outcome }
            }
            .instrument(span),
        ));
    }
}

/// Returns the pools that effects look at or act on.
fn concerned(effects: &[Effect]) -> Vec<&PoolName> {
    let mut pools = Vec::new();
    for effect in effects {
        match effect {
            Effect::Act(intent) => pools.push(&intent.target.pool),
            Effect::Look { look, .. } => pools.push(&look.pool),
            Effect::Record(_) | Effect::Wake { .. } | Effect::End(_) | Effect::Broken(_) => {}
        }
    }
    pools
}

/// Has a look say why the lease of a server could not be taken. A server whose lease is free, and cannot be had, is not ours.
fn not_taken(seen: &mut PoolObservation, server: &ServerName, why: &str) {
    let Some(own) = seen.servers.get_mut(server) else { return };
    match &own.lease {
        Answer::Known(LeaseState::Free | LeaseState::RanOut(_)) => {
            own.lease = Answer::unknown(format!("it could not be taken: {why}"));
        }
        Answer::Known(LeaseState::Ours | LeaseState::Held(_)) | Answer::Unknown(_) => {}
    }
}
