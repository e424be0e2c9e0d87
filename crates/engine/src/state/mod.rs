//! The state of a run: the fold of its records, by one total function.
//!
//! Running, resuming, the terminal, JSON output and the web page all use this fold. A record that does not fit the
//! state is refused by name: a journal that does not replay is corrupt.

mod work;

pub use work::{Alarm, Hold, Mark, RestartAsked, WorkState};

use crate::constants::BOOT_MOVES;
use crate::record::{
    Attended, Boot, Intent, IntentId, Record, RunHeader, RunOutcome, ServerEnd, Snapshot, StepEnd, StopWhy, Why,
    WhyKind,
};
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::{Act, InstallerToken};
use orchestrate_model::change::{ExitMeaning, HoldChoice};
use orchestrate_model::hold::Terms;
use orchestrate_model::observe::BalancerState;
use orchestrate_model::pool::Balancer;
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{ActOutcome, Answer, Lease, PoolName, ServerName, ServiceName};
use orchestrate_planner::plan::{StepTarget, WorkId};
use orchestrate_planner::{Plan, Step, StepId, StepKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A record that does not fit the state it came upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegal {
    /// What the record was.
    pub record: &'static str,
    /// Why it does not fit.
    pub why: String,
}

impl std::fmt::Display for Illegal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the record {:?} does not fit the state of the run: {}", self.record, self.why)
    }
}

impl std::error::Error for Illegal {}

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunState {
    /// The run, once it has begun.
    pub header: Option<RunHeader>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When the last record was written.
    pub last: Option<Timestamp>,
    /// Each server's work, by position in the plan.
    pub work: Vec<WorkState>,
    /// Each step, by position in the plan.
    pub steps: Vec<StepState>,
    /// Acts whose outcome is not recorded.
    pub open: BTreeMap<IntentId, Intent>,
    /// Why the run stops, when it does. The gravest request counts.
    pub stop: Option<StopWhy>,
    /// Whether the run only brings servers back.
    pub recover: bool,
    /// How often the run was taken up again.
    pub resumed: u32,
    /// How the run ended.
    pub ended: Option<RunOutcome>,
    /// The number of the next act.
    pub next_intent: u64,
    /// When the run was last taken up again.
    pub taken_up: Option<Timestamp>,
    /// When this machine was found to have stood still, and for how long it had.
    pub stood_still: Vec<(Timestamp, SignedDuration)>,
    /// Each pool that was looked at at the end, with its servers that do not serve.
    pub pools_seen: BTreeMap<PoolName, BTreeMap<ServerName, String>>,
    /// What kept people from servers that serve, at the last look at each pool.
    pub pool_faults: BTreeMap<PoolName, Vec<String>>,
}

/// The state of one step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Begun.
    Running {
        /// When.
        since: Timestamp,
    },
    /// Ended.
    Ended {
        /// How.
        how: StepEnd,
        /// When.
        at: Timestamp,
        /// What proves it.
        proof: String,
    },
}

impl StepState {
    /// Returns whether the step has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self, Self::Ended { .. })
    }
}

impl RunState {
    /// Returns the state before the first record of a run of `plan`.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            header: None,
            started: None,
            last: None,
            work: vec![WorkState::default(); plan.work().len()],
            steps: vec![StepState::Pending; plan.steps().len()],
            open: BTreeMap::new(),
            stop: None,
            recover: false,
            resumed: 0,
            ended: None,
            next_intent: 1,
            taken_up: None,
            stood_still: Vec::new(),
            pools_seen: BTreeMap::new(),
            pool_faults: BTreeMap::new(),
        }
    }

    /// Returns whether holds wait for an operator.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.attended == Attended::Yes)
    }

    /// Returns whether taking the run up again has anything to do: it did not end, left a server out, or left servers
    /// undone.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        let done = |work: &WorkState| work.end.as_ref().is_some_and(ServerEnd::is_done);
        self.started.is_some() && (self.ended.is_none() || !self.work.iter().all(done))
    }

    /// Returns the servers that may be out on our account.
    #[must_use]
    pub fn out(&self, plan: &Plan) -> BTreeSet<WorkId> {
        plan.work()
            .iter()
            .zip(&self.work)
            .enumerate()
            .filter(|(_, (_, work))| work.is_out())
            .map(|(position, _)| work_id(position))
            .collect()
    }

    /// Applies one record.
    ///
    /// # Errors
    /// Says why the record does not fit; the state is then unchanged.
    pub fn apply(&mut self, plan: &Plan, at: Timestamp, record: &Record) -> Result<(), Illegal> {
        let name = record.name();
        let illegal = |why: &str| Illegal { record: name, why: why.to_owned() };
        match (&self.header, record) {
            (None, Record::RunStarted(_)) => {}
            (None, _) => return Err(illegal("the run has not begun")),
            (Some(_), Record::RunStarted(_)) => return Err(illegal("the run has begun already")),
            (Some(_), _) => {}
        }
        if self.ended.is_some() && !matches!(record, Record::Resumed { .. }) {
            return Err(illegal("the run has ended"));
        }
        self.check_references(plan, record).map_err(|why| illegal(&why))?;
        self.transition(plan, at, record).map_err(|why| illegal(&why))?;
        self.last = Some(at);
        Ok(())
    }

    /// Checks that everything a record points at exists.
    fn check_references(&self, plan: &Plan, record: &Record) -> Result<(), String> {
        let step_exists = |step: &StepId| {
            if (step.0 as usize) < self.steps.len() { Ok(()) } else { Err(format!("there is no step {}", step.0)) }
        };
        let work_exists = |work: &WorkId| {
            if (work.0 as usize) < plan.work().len() { Ok(()) } else { Err(format!("there is no server {}", work.0)) }
        };
        match record {
            Record::StepStarted { step } | Record::Evidence { step, .. } | Record::StepDone { step, .. } => {
                step_exists(step)
            }
            Record::Reopened { steps, .. } => steps.iter().try_for_each(step_exists),
            Record::Intent(intent) => step_exists(&intent.step).and_then(|()| work_exists(&intent.work)),
            Record::Held { work, step, .. } => step_exists(step).and_then(|()| work_exists(work)),
            Record::Snapshot { work, .. }
            | Record::InstallerEnded { work, .. }
            | Record::Reasserted { work, .. }
            | Record::SessionsCut { work, .. }
            | Record::TakenOver { work, .. }
            | Record::TurnedBack { work, .. }
            | Record::Decided { work, .. }
            | Record::ServerEnded { work, .. }
            | Record::Swept { work, .. }
            | Record::LeftOver { work, .. }
            | Record::Installed { work, .. }
            | Record::Alarm { work, .. }
            | Record::AllClear { work }
            | Record::PutOff { work, .. }
            | Record::BalancerUndone { work, .. }
            | Record::StartTypesUndone { work, .. }
            | Record::Rebooted { work, .. }
            | Record::StoppedByOthers { work, .. }
            | Record::LevelRead { work, .. }
            | Record::Booted { work, .. } => work_exists(work),
            Record::RunStarted(_)
            | Record::Resumed { .. }
            | Record::Outcome { .. }
            | Record::StopRequested { .. }
            | Record::Gap { .. }
            | Record::PoolSeen { .. }
            | Record::Note { .. }
            | Record::RunEnded { .. } => Ok(()),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one table, an arm per case")]
    fn transition(&mut self, plan: &Plan, at: Timestamp, record: &Record) -> Result<(), String> {
        match record {
            Record::RunStarted(header) => {
                self.header = Some(header.clone());
                self.started = Some(at);
            }
            Record::Resumed { recover, attended, .. } => {
                if let Some(header) = &mut self.header {
                    header.attended = *attended;
                }
                self.resumed += 1;
                self.taken_up = Some(at);
                self.recover = *recover;
                self.ended = None;
                // What stopped the earlier start does not stop this one.
                self.stop = None;
                self.pools_seen.clear();
                self.pool_faults.clear();
                self.reopen_work(plan);
            }
            Record::StepStarted { step } => self.step_started(plan, at, *step)?,
            Record::StepDone { step, how, proof } => self.step_done(plan, at, (*step, *how, proof))?,
            Record::Reopened { steps, .. } => {
                for step in steps {
                    self.steps[step.0 as usize] = StepState::Pending;
                }
                if let Some(StepTarget::Server(work)) = steps.first().map(|step| plan.steps()[step.0 as usize].target) {
                    // To begin again before the first change is no sign of trouble on the server.
                    let begins = steps.iter().any(|step| plan.steps()[step.0 as usize].kind == StepKind::Guard);
                    let state = self.work_mut(work)?;
                    state.reopened += u32::from(!begins);
                    state.given_up.clear();
                    let returns = |step: &&StepId| plan.steps()[step.0 as usize].kind == StepKind::Return;
                    state.mended += u32::from(steps.iter().any(|step| returns(&step)));
                }
            }
            Record::Intent(intent) => self.intend(at, plan, intent)?,
            Record::Outcome { intent, outcome } => self.outcome(*intent, outcome)?,
            Record::Snapshot { work, snapshot } => {
                let state = self.work_mut(*work)?;
                if state.touched {
                    return Err("the server was changed already, so this is not how it was".to_owned());
                }
                state.snapshot = Some(snapshot.clone());
            }
            Record::TurnedBack { work, why } => self.turn_back(plan, *work, why)?,
            Record::Held { work, step, cause, reason, choices } => {
                let hold =
                    Hold { since: at, step: *step, cause: *cause, reason: reason.clone(), choices: choices.clone() };
                // Whoever was asked to take it out of the balancer may have done so before they say it.
                let asked = plan.steps()[step.0 as usize].kind == StepKind::BalancerOut
                    && plan.pool_of(plan.work_of(*work)).load_balancing.balancer == Balancer::Operator;
                let state = self.work_mut(*work)?;
                state.held = Some(hold);
                state.to_cut = None;
                state.marks.extend(asked.then_some(Mark::OutByHand));
            }
            Record::Decided { work, choice, terms, .. } => self.decide(plan, (at, *work), *choice, terms)?,
            Record::ServerEnded { work, end } => {
                let state = &mut self.work[work.0 as usize];
                if state.end.is_some() {
                    return Err("the server has ended already".to_owned());
                }
                state.end = Some(end.clone());
                state.held = None;
            }
            Record::StopRequested { why } => self.stop = Some(why.clone()),
            Record::RunEnded { outcome } => self.ended = Some(*outcome),
            Record::PutOff { work, why } => self.put_off(plan, *work, why)?,
            Record::PoolSeen { pool, absent, faults } => {
                self.pools_seen.insert(pool.clone(), absent.clone());
                self.pool_faults.insert(pool.clone(), faults.clone());
            }
            Record::InstallerEnded { .. }
            | Record::Reasserted { .. }
            | Record::SessionsCut { .. }
            | Record::TakenOver { .. }
            | Record::Swept { .. }
            | Record::LeftOver { .. }
            | Record::Alarm { .. }
            | Record::AllClear { .. }
            | Record::BalancerUndone { .. }
            | Record::StartTypesUndone { .. }
            | Record::Rebooted { .. }
            | Record::StoppedByOthers { .. }
            | Record::Installed { .. }
            | Record::LevelRead { .. }
            | Record::Booted { .. } => self.happened(at, record),
            Record::Gap { gap, by } => self.gap(at, *gap, *by),
            Record::Evidence { .. } | Record::Note { .. } => {}
        }
        Ok(())
    }

    /// Facts about a server that are only written down.
    fn happened(&mut self, at: Timestamp, record: &Record) {
        match record {
            Record::InstallerEnded { work, exit_code, meaning } => {
                let state = &mut self.work[work.0 as usize];
                state.installer = Some((*exit_code, *meaning));
                state.installer_ended = Some(at);
                state.gave_up_busy += usize::from(*meaning == ExitMeaning::Busy);
            }
            Record::Reasserted { work, service, .. } => {
                self.work[work.0 as usize].blocked_again(at, service);
            }
            Record::SessionsCut { work, sessions } => self.work[work.0 as usize].sessions_cut(sessions),
            Record::TakenOver { work, from } => self.work[work.0 as usize].taken_over = Some(from.clone()),
            Record::Swept { work, differences, unseen } => self.work[work.0 as usize].seen_last(differences, *unseen),
            Record::LeftOver { work, text } => drop(self.work[work.0 as usize].left_over.insert(text.clone())),
            Record::Booted { work, booted, was } => {
                let state = &mut self.work[work.0 as usize];
                match was {
                    Boot::BeforeInstaller => state.booted_before = Some(*booted),
                    Boot::Restarted => {
                        state.restart_proven = Some(*booted);
                        state.owed = None;
                        state.boots.insert(*booted);
                    }
                }
            }
            Record::Installed { work, versions } => self.work[work.0 as usize].installed = Some(versions.clone()),
            Record::LevelRead { work, versions } => self.work[work.0 as usize].level = Some(versions.clone()),
            Record::Alarm { work, why, .. } => {
                let state = &mut self.work[work.0 as usize];
                state.alarm = Some(Alarm { since: at, why: why.clone() });
                if !state.alarms.contains(why) {
                    state.alarms.push(why.clone());
                }
            }
            Record::AllClear { work } => self.work[work.0 as usize].alarm = None,
            Record::BalancerUndone { work, .. } => self.work[work.0 as usize].undone_at_balancer(),
            Record::StartTypesUndone { work, .. } => self.work[work.0 as usize].start_types_undone += 1,
            Record::Rebooted { work, booted, sessions } => {
                self.work[work.0 as usize].rebooted_at(at, *booted, sessions);
            }
            Record::StoppedByOthers { work, sessions, uncounted } => {
                self.work[work.0 as usize].stopped_by_others(sessions, uncounted);
            }
            Record::RunStarted(_)
            | Record::Resumed { .. }
            | Record::StepStarted { .. }
            | Record::Evidence { .. }
            | Record::Snapshot { .. }
            | Record::Intent(_)
            | Record::Outcome { .. }
            | Record::StepDone { .. }
            | Record::Reopened { .. }
            | Record::TurnedBack { .. }
            | Record::Held { .. }
            | Record::Decided { .. }
            | Record::ServerEnded { .. }
            | Record::StopRequested { .. }
            | Record::PutOff { .. }
            | Record::PoolSeen { .. }
            | Record::Note { .. }
            | Record::Gap { .. }
            | Record::RunEnded { .. } => {}
        }
    }

    fn work_mut(&mut self, work: WorkId) -> Result<&mut WorkState, String> {
        let state = &mut self.work[work.0 as usize];
        if state.end.is_some() { Err("the server has ended already".to_owned()) } else { Ok(state) }
    }

    fn step_started(&mut self, plan: &Plan, at: Timestamp, id: StepId) -> Result<(), String> {
        let state = &mut self.steps[id.0 as usize];
        if state.is_ended() {
            return Err(format!("step {} has ended already", id.0));
        }
        *state = StepState::Running { since: at };
        if let StepTarget::Server(work) = plan.steps()[id.0 as usize].target {
            let (kind, installer) = (plan.steps()[id.0 as usize].kind, plan.steps()[id.0 as usize].installer);
            let work = self.work_mut(work)?;
            work.started.get_or_insert(at);
            if kind == StepKind::Patch {
                work.take_in_hand(installer);
            }
            if kind == StepKind::Drain {
                // It has its full time, and what was said of another one does not count.
                (work.extended, work.to_cut) = (None, None);
            }
            // A soak only watches; every other step that begins may be on a server that is out.
            work.proven_back &= kind == StepKind::Soak;
        }
        Ok(())
    }

    fn step_done(&mut self, plan: &Plan, at: Timestamp, record: (StepId, StepEnd, &str)) -> Result<(), String> {
        let (id, how, proof) = record;
        let state = &mut self.steps[id.0 as usize];
        match (&state, how) {
            (StepState::Ended { .. }, _) => return Err(format!("step {} has ended already", id.0)),
            (StepState::Pending, StepEnd::Done | StepEnd::AlreadyDone) => {
                return Err(format!("step {} has not begun", id.0));
            }
            (StepState::Pending, StepEnd::Skipped) | (StepState::Running { .. }, _) => {}
        }
        *state = StepState::Ended { how, at, proof: proof.to_owned() };
        let step = &plan.steps()[id.0 as usize];
        if let (StepKind::Gate, StepEnd::Done, StepTarget::Server(work)) = (step.kind, how, step.target) {
            let state = &mut self.work[work.0 as usize];
            // Its pool has it again: nothing is missed by its absence any more.
            (state.proven_back, state.alarm) = (true, None);
            state.proven_at = Some(at);
        }
        Ok(())
    }

    fn intend(&mut self, at: Timestamp, plan: &Plan, intent: &Intent) -> Result<(), String> {
        if intent.id.0 != self.next_intent {
            return Err(format!("act {} was expected, not {}", self.next_intent, intent.id.0));
        }
        if plan.steps()[intent.step.0 as usize].target != StepTarget::Server(intent.work) {
            return Err("the step belongs to another server".to_owned());
        }
        let state = self.work_mut(intent.work)?;
        if state.snapshot.is_none() {
            return Err("nothing may be changed on a server that was not recorded".to_owned());
        }
        state.touched = true;
        match &intent.act {
            Act::StartInstaller(run) => {
                let another = state.token.as_ref() != Some(&run.token);
                if another {
                    state.marks.remove(&Mark::StartTaken);
                }
                // A start that was refused is none, and the installer has its full time from the one that is taken.
                if another || !state.has(Mark::StartTaken) {
                    state.token_since = Some(at);
                }
                if another {
                    // No restart from before it is the one that it asks for.
                    state.restarts_before = state.restarts.len();
                    (state.restart_refused, state.restart_unknown) = (None, None);
                }
                *state.tokens.entry(run.token.clone()).or_default() += 1;
                state.token = Some(run.token.clone());
                state.installer = None;
                state.restart_proven = None;
                state.marks.remove(&Mark::StartAnew);
            }
            Act::Restart { booted, .. } => {
                // One that was refused, or of which nobody knows and whose boot never came, is asked for once more.
                if state.restart_refused.take().is_some() | state.restart_unknown.take().is_some() {
                    state.restarts.pop();
                }
                state.restart_proven = None;
                state.restarts.push(RestartAsked { at, booted: *booted });
            }
            Act::SetBalancer { to: BalancerState::Ready, .. } => drop(state.marks.insert(Mark::BackInBalancer)),
            Act::SetBalancer { to: BalancerState::Drain, .. } => drop(state.marks.remove(&Mark::BackInBalancer)),
            Act::SetBalancer { .. }
            | Act::SetStartType { .. }
            | Act::Pause { .. }
            | Act::Continue { .. }
            | Act::Start { .. }
            | Act::Stop { .. } => {}
        }
        self.next_intent += 1;
        self.open.insert(intent.id, intent.clone());
        Ok(())
    }

    fn outcome(&mut self, id: IntentId, outcome: &ActOutcome) -> Result<(), String> {
        let intent = self.open.remove(&id).ok_or_else(|| format!("act {} is not open", id.0))?;
        let state = &mut self.work[intent.work.0 as usize];
        // A refusal is a word, not a proof: that an installer or a restart was asked for is kept, and looks decide.
        match (&intent.act, outcome) {
            (Act::Restart { .. }, ActOutcome::Retry(why) | ActOutcome::Failed(why)) => {
                state.restart_refused = Some(why.clone());
            }
            (Act::Restart { .. }, ActOutcome::Unknown(why)) => state.restart_unknown = Some(why.clone()),
            (
                Act::StartInstaller(_),
                ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined | ActOutcome::Unknown(_),
            ) => drop(state.marks.insert(Mark::StartTaken)),
            (_, ActOutcome::Retry(_) | ActOutcome::Failed(_) | ActOutcome::Unknown(_))
            | (_, ActOutcome::Accepted | ActOutcome::AlreadySo | ActOutcome::Joined) => {}
        }
        Ok(())
    }

    fn turn_back(&mut self, plan: &Plan, work: WorkId, why: &Why) -> Result<(), String> {
        let state = &mut self.work[work.0 as usize];
        match &state.end {
            None | Some(ServerEnd::Out { .. }) => {}
            Some(_) => return Err("the server is back already".to_owned()),
        }
        state.end = None;
        state.proven_back = false;
        state.back = Some(why.clone());
        state.held = None;
        state.given_up.clear();
        for step in steps_of(plan, work).filter(|step| Record::return_path().contains(&step.kind)) {
            self.steps[step.id.0 as usize] = StepState::Pending;
        }
        Ok(())
    }

    fn decide(
        &mut self,
        plan: &Plan,
        (at, work): (Timestamp, WorkId),
        choice: HoldChoice,
        terms: &Terms,
    ) -> Result<(), String> {
        let by_plan = !self.is_attended();
        let state = self.work_mut(work)?;
        let Some(hold) = state.held.take() else {
            return Err("the server is not held".to_owned());
        };
        match choice {
            HoldChoice::Retry => {
                if by_plan {
                    state.retries += 1;
                }
                // The retried step gets its full time and all its tries again.
                state.reasserted.clear();
                state.balancer_undone = 0;
                state.start_types_undone = 0;
                state.reopened = 0;
                // A failed installer gets a token of its own. So does one that left no result, when a person says so:
                // nobody else can know that it is not half done.
                if plan.steps()[hold.step.0 as usize].kind == StepKind::Patch {
                    if matches!(state.installer, Some((_, ExitMeaning::Failed | ExitMeaning::Busy))) {
                        state.token = None;
                        state.installer = None;
                    }
                    if !by_plan {
                        state.marks.insert(Mark::StartAnew);
                    }
                }
                self.steps[hold.step.0 as usize] = StepState::Pending;
            }
            HoldChoice::Skip | HoldChoice::Confirm => {
                let step = plan.steps()[hold.step.0 as usize].kind;
                state.accepted_as_found |= step == StepKind::Record;
                match step {
                    StepKind::BalancerOut => drop(state.marks.insert(Mark::OutByHand)),
                    StepKind::BalancerIn => drop(state.marks.remove(&Mark::OutByHand)),
                    StepKind::Soak if choice == HoldChoice::Confirm => drop(state.marks.insert(Mark::Followed)),
                    StepKind::Guard
                    | StepKind::Record
                    | StepKind::Block
                    | StepKind::Drain
                    | StepKind::Stop
                    | StepKind::Patch
                    | StepKind::Restart
                    | StepKind::Verify
                    | StepKind::Return
                    | StepKind::Gate
                    | StepKind::Soak
                    | StepKind::Database => {}
                }
                if matches!(step, StepKind::Patch | StepKind::Restart | StepKind::Verify) {
                    let kind = if by_plan { WhyKind::Failed } else { WhyKind::Operator };
                    state.passed_over = Some(Why { kind, text: format!("passed over: {}", hold.reason) });
                }
            }
            HoldChoice::Extend => state.extended = terms.more.map(|more| (at, more)),
            HoldChoice::Cut => state.to_cut = terms.sessions,
            HoldChoice::Stop | HoldChoice::Return | HoldChoice::Abandon => {}
        }
        Ok(())
    }
}

/// Returns the steps of one server in their order.
pub fn steps_of(plan: &Plan, work: WorkId) -> impl Iterator<Item = &Step> {
    plan.steps().iter().filter(move |step| step.target == StepTarget::Server(work))
}

/// Returns the id of the work at a position of the plan.
#[must_use]
pub fn work_id(position: usize) -> WorkId {
    WorkId(u32::try_from(position).expect("a plan has fewer than four billion servers"))
}
