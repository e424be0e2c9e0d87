//! What is written down: the facts of a run, in order. The state of a run is the fold of its records and nothing else.
//!
//! Progress (counters falling, time passing) is not a record: it may be lost. Unknown kinds of record in a journal of a
//! later version are refused by the reader, not skipped.

use jiff::{SignedDuration, Timestamp};
use orchestrate_model::act::Act;
use orchestrate_model::change::ExitMeaning;
use orchestrate_model::hold::{HoldCause, HoldChoice, Terms};
use orchestrate_model::observe::{BalancerPlace, BalancerState};
use orchestrate_model::version::ComponentVersion;
use orchestrate_model::{
    ActOutcome, Answer, Lease, PoolName, RunId, RunState, ServerName, ServiceName, StartType, Target,
};
use orchestrate_planner::plan::WorkId;
use orchestrate_planner::safety::Asked;
use orchestrate_planner::{StepId, StepKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One fact of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Record {
    /// The run began. Always the first record, and never repeated.
    RunStarted(RunHeader),
    /// Another start of the tool took the run up again.
    Resumed {
        /// Who.
        by: Actor,
        /// Whether it only brings servers back.
        recover: bool,
        /// Whether an operator is there to decide about holds.
        attended: Attended,
    },
    /// A step was begun.
    StepStarted {
        /// The step.
        step: StepId,
    },
    /// The safety questions were answered.
    Evidence {
        /// The step that asked.
        step: StepId,
        /// Questions and answers.
        asked: Vec<Asked>,
    },
    /// How a server was before the first change to it.
    Snapshot {
        /// The server's work.
        work: WorkId,
        /// What was found.
        snapshot: Snapshot,
    },
    /// An act is about to be performed.
    Intent(Intent),
    /// What became of an act.
    Outcome {
        /// The act.
        intent: IntentId,
        /// How it ended.
        outcome: ActOutcome,
    },
    /// The installer ended.
    InstallerEnded {
        /// The server's work.
        work: WorkId,
        /// The exit code.
        exit_code: i64,
        /// What it means.
        meaning: ExitMeaning,
    },
    /// A service that was blocked was found taking work again, and is blocked again.
    Reasserted {
        /// The server's work.
        work: WorkId,
        /// The service.
        service: ServiceName,
        /// What was found.
        found: String,
    },
    /// The lease of a server was another control host's, had run out, and was taken over.
    TakenOver {
        /// The server's work.
        work: WorkId,
        /// Whose it was.
        from: Lease,
    },
    /// Sessions were cut because the plan says so.
    SessionsCut {
        /// The server's work.
        work: WorkId,
        /// How many, by service.
        sessions: BTreeMap<ServiceName, u64>,
    },
    /// A step ended well.
    StepDone {
        /// The step.
        step: StepId,
        /// How.
        how: StepEnd,
        /// What proves it, or why it was passed over.
        proof: String,
    },
    /// Steps that were done have to be done again.
    Reopened {
        /// The steps.
        steps: Vec<StepId>,
        /// Why.
        why: String,
    },
    /// A server goes back into service without the rest of its steps.
    TurnedBack {
        /// The server's work.
        work: WorkId,
        /// Why.
        why: Why,
    },
    /// A server waits for the operator.
    Held {
        /// The server's work.
        work: WorkId,
        /// The step in hand.
        step: StepId,
        /// Why, as one of the causes that have a page. Journals of earlier versions say of none.
        #[serde(default = "unnamed_cause")]
        cause: HoldCause,
        /// What is known.
        reason: String,
        /// What the operator can choose.
        choices: Vec<HoldChoice>,
    },
    /// The operator, or the plan in the operator's place, decided about a held server.
    Decided {
        /// The server's work.
        work: WorkId,
        /// The choice.
        choice: HoldChoice,
        /// Who.
        by: String,
        /// What was said besides.
        #[serde(default, skip_serializing_if = "Terms::is_empty")]
        terms: Terms,
    },
    /// Nothing more is done to a server.
    ServerEnded {
        /// The server's work.
        work: WorkId,
        /// How it ended.
        end: ServerEnd,
    },
    /// The run is to stop.
    StopRequested {
        /// Why.
        why: StopWhy,
    },
    /// A touched server was looked at once more at the end of the run.
    Swept {
        /// The server's work.
        work: WorkId,
        /// What differs from the record, and how to mend it. Empty: it is as it was.
        differences: Vec<String>,
        /// Whether it could not be looked at: what differs is then not known, and the text says why.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unseen: bool,
    },
    /// The work on a server leaves something for a person to look at.
    LeftOver {
        /// The server's work.
        work: WorkId,
        /// What, and what to do.
        text: String,
    },
    /// What is installed on a server after its patch.
    Installed {
        /// The server's work.
        work: WorkId,
        /// The components of the product.
        versions: Vec<ComponentVersion>,
    },
    /// What is installed on a server at the end of the run, when all servers of its pool are done.
    LevelRead {
        /// The server's work.
        work: WorkId,
        /// The components of the product, or why they are not known.
        versions: Answer<Vec<ComponentVersion>>,
    },
    /// A server's boot time, where later steps have to know it.
    Booted {
        /// The server's work.
        work: WorkId,
        /// The boot time that it shows.
        booted: Timestamp,
        /// What it was found for.
        was: Boot,
    },
    /// This machine was not itself for a while: no deadline counts that.
    Gap {
        /// How.
        gap: GapKind,
        /// For how long, or by how much.
        by: SignedDuration,
    },
    /// A safety question about the pool of a server that is out is not answered with yes any more.
    Alarm {
        /// The work on the server that is out.
        work: WorkId,
        /// The questions that are not answered with yes.
        asked: Vec<Asked>,
        /// What is done about it.
        then: AlarmThen,
        /// The reasons, in words, with the servers that are their cause.
        why: String,
    },
    /// The pool can do without the server again.
    AllClear {
        /// The work on the server that is out.
        work: WorkId,
    },
    /// The server was given back, and is begun again: when the pool can do without it, or at its turn when the run was
    /// taken up again.
    PutOff {
        /// The server's work.
        work: WorkId,
        /// Why it was given back.
        why: Why,
    },
    /// What was set in the balancer was undone by another hand, and is set again.
    BalancerUndone {
        /// The server's work.
        work: WorkId,
        /// What was found.
        found: BalancerState,
    },
    /// Start types that were set to Manual were set back by another hand, and are set again.
    StartTypesUndone {
        /// The server's work.
        work: WorkId,
        /// The services.
        services: Vec<ServiceName>,
    },
    /// The server was restarted by another hand while its sessions were waited for.
    Rebooted {
        /// The server's work.
        work: WorkId,
        /// Its new boot time.
        booted: Timestamp,
        /// How many sessions each service had when it was last counted, or why that is not known.
        sessions: Answer<BTreeMap<ServiceName, u64>>,
    },
    /// Services were stopped while their sessions were waited for, which the run has not asked for.
    StoppedByOthers {
        /// The server's work.
        work: WorkId,
        /// How many sessions each had when it was last counted.
        sessions: BTreeMap<ServiceName, u64>,
        /// Those whose sessions were not counted.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        uncounted: BTreeSet<ServiceName>,
    },
    /// Every server of a pool was looked at at the end of the run.
    PoolSeen {
        /// What keeps people from servers that serve, or could not be seen, one sentence each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        faults: Vec<String>,
        /// The pool.
        pool: PoolName,
        /// The servers that do not serve, or of which nobody knows, each with the reason.
        absent: BTreeMap<ServerName, String>,
    },
    /// Something worth knowing that changes nothing.
    Note {
        /// The server's work, if it is about one.
        work: Option<WorkId>,
        /// The note.
        text: String,
    },
    /// The run ended. Always the last record of a run that ended.
    RunEnded {
        /// How.
        outcome: RunOutcome,
    },
}

/// What a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Its id.
    pub run: RunId,
    /// The fingerprint of its plan, hexadecimal.
    pub plan: String,
    /// Who started it.
    pub by: Actor,
    /// Whether an operator is there to decide about holds.
    pub attended: Attended,
    /// Whose signed approvals it was begun with. Empty where its plan needs none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approved>,
}

/// A person has signed an approval of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// Who.
    pub by: String,
    /// As what.
    pub role: String,
    /// For which change.
    pub ticket: String,
    /// With which key, by its fingerprint.
    pub key: String,
    /// When the text was made that was signed.
    pub given: Timestamp,
    /// Until when a run could be begun with it.
    pub expires: Timestamp,
}

/// Who acted: a process on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// The account.
    pub user: String,
    /// The host.
    pub host: String,
    /// The process id.
    pub process: u32,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} (process {})", self.user, self.host, self.process)
    }
}

/// Whether an operator is there to decide about holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attended {
    /// Holds wait for a decision.
    Yes,
    /// Holds take the choice that the plan names.
    No,
}

/// How a server was before the first change to it. What goes back into service is compared with this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// When it was last booted.
    pub booted: Timestamp,
    /// Its services that the plan knows of, with all their dependents.
    pub services: BTreeMap<ServiceName, RecordedService>,
    /// Installed versions, as far as they could be read.
    pub versions: Vec<ComponentVersion>,
    /// What its balancers did with it, entry by entry. `None` where there is no balancer that can be asked.
    pub balancer: Option<BTreeMap<BalancerPlace, BalancerState>>,
    /// The fabric state of its pool as another server printed it. `None` where there is none, or none could be read.
    #[serde(default)]
    pub fabric: Option<Vec<String>>,
}

/// One service before the first change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedService {
    /// Its state.
    pub state: RunState,
    /// Its start type.
    pub start: StartType,
    /// What must be stopped before it.
    pub dependents: Vec<ServiceName>,
}

/// The number of an act in its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IntentId(pub u64);

/// An act that is about to be performed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Its number.
    pub id: IntentId,
    /// The step it is part of.
    pub step: StepId,
    /// The server's work.
    pub work: WorkId,
    /// The server.
    pub target: Target,
    /// The act.
    pub act: Act,
}

/// What a boot time was found for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boot {
    /// It is the one before the installer, which may begin a restart by itself.
    BeforeInstaller,
    /// It is later than the restart that was asked for, or that the installer began: proof that it happened.
    Restarted,
}

/// How this machine was not itself for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// The process was stopped: time passed, and nobody looked.
    StoodStill,
    /// Its clock is ahead: it slept or was frozen, or the clock was set on. Nobody can tell which, and either way the time
    /// in between was not lived through.
    ClockAhead,
    /// Its clock was set back: every time that was noted before is an earlier one now.
    ClockBack,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// It was done, and is proven.
    Done,
    /// There was nothing to do.
    AlreadyDone,
    /// It was passed over.
    Skipped,
}

/// Why a server turned back or a run stopped, by the kind that decides the exit code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// The kind.
    pub kind: WhyKind,
    /// In words.
    pub text: String,
}

/// The kind of a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyKind {
    /// Something failed, or a safety question was not answered with yes.
    Failed,
    /// The window ends.
    Window,
    /// Somebody asked for it.
    Operator,
    /// The pool could no longer do without the server.
    Pool,
    /// Another control host works on the pool.
    Elsewhere,
    /// Another hand has installed something on the server since it was recorded.
    Changed,
}

/// What is done when a pool can no longer do without a server that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmThen {
    /// It goes back at once.
    GoesBack,
    /// It is past undoing: it is finished as fast as it can be.
    IsFinished,
    /// It is on its way back already.
    IsOnItsWay,
}

/// How a server ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "as")]
pub enum ServerEnd {
    /// All its steps are done; it is back in service.
    Finished,
    /// There was nothing to do.
    NothingToDo {
        /// Why.
        why: String,
    },
    /// It was no part of the run: the plan or whoever started it says so.
    LeftOut {
        /// Why.
        why: String,
    },
    /// Nothing was changed on it.
    Untouched {
        /// Why.
        why: Why,
    },
    /// It is back in service, without the rest of its steps.
    Returned {
        /// Why.
        why: Why,
    },
    /// It is out of service.
    Out {
        /// What is known.
        why: String,
    },
}

impl ServerEnd {
    /// Returns whether nothing is left to be done to the server by its run.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::Finished | Self::NothingToDo { .. } | Self::LeftOut { .. } => true,
            Self::Untouched { .. } | Self::Returned { .. } | Self::Out { .. } => false,
        }
    }

    /// Returns whether the server counts as failed for `stop_when`.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Finished | Self::NothingToDo { .. } | Self::LeftOut { .. } => false,
            Self::Untouched { why } | Self::Returned { why } => {
                matches!(why.kind, WhyKind::Failed | WhyKind::Elsewhere)
            }
            Self::Out { .. } => true,
        }
    }
}

/// Why a run stops early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopWhy {
    /// A stop condition of the plan, or a hold that nobody decides.
    Policy(String),
    /// The window ends, or there is none.
    Window(String),
    /// Somebody asked: what is in hand is finished or undone first.
    Operator(String),
    /// Somebody asked twice: stop now, whatever is out.
    OperatorNow(String),
    /// The journal runs out of room: what is in hand is finished or undone first.
    Storage(String),
}

impl StopWhy {
    /// Returns the reason in words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Policy(text)
            | Self::Window(text)
            | Self::Operator(text)
            | Self::OperatorNow(text)
            | Self::Storage(text) => text,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every server is done and back.
    Done,
    /// Every server is done and back, and something is left for a person to look at: a restart that was not made, a
    /// fabric state that changed, servers of a pool that are not proven to be at one level.
    ToBeLookedAt,
    /// Some servers were skipped or failed; all that were touched are back.
    PartlyDone,
    /// Stopped by policy.
    StoppedByPolicy,
    /// Stopped by the window.
    StoppedByWindow,
    /// Another control host works on the pool; this run changed nothing.
    HeldElsewhere,
    /// Stopped by an operator or a signal.
    Interrupted,
    /// A `recover` brought everything back.
    Recovered,
    /// Our bug: a rule of the engine was broken.
    Bug,
}

/// The cause of a hold that was recorded without one.
fn unnamed_cause() -> HoldCause {
    HoldCause::StepFailed
}

impl Record {
    /// Returns the step kinds that are undone or redone when a server turns back.
    #[must_use]
    pub fn return_path() -> [StepKind; 3] {
        [StepKind::Return, StepKind::BalancerIn, StepKind::Gate]
    }
}

impl Record {
    /// Returns the word for this kind of record, as it stands in the journal.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::RunStarted(_) => "run_started",
            Self::Resumed { .. } => "resumed",
            Self::StepStarted { .. } => "step_started",
            Self::Evidence { .. } => "evidence",
            Self::Snapshot { .. } => "snapshot",
            Self::Intent(_) => "intent",
            Self::Outcome { .. } => "outcome",
            Self::InstallerEnded { .. } => "installer_ended",
            Self::Reasserted { .. } => "reasserted",
            Self::SessionsCut { .. } => "sessions_cut",
            Self::TakenOver { .. } => "taken_over",
            Self::StepDone { .. } => "step_done",
            Self::Reopened { .. } => "reopened",
            Self::TurnedBack { .. } => "turned_back",
            Self::Held { .. } => "held",
            Self::Decided { .. } => "decided",
            Self::ServerEnded { .. } => "server_ended",
            Self::StopRequested { .. } => "stop_requested",
            Self::Swept { .. } => "swept",
            Self::LeftOver { .. } => "left_over",
            Self::Installed { .. } => "installed",
            Self::LevelRead { .. } => "level_read",
            Self::Booted { .. } => "booted",
            Self::Gap { .. } => "gap",
            Self::Alarm { .. } => "alarm",
            Self::AllClear { .. } => "all_clear",
            Self::PutOff { .. } => "put_off",
            Self::BalancerUndone { .. } => "balancer_undone",
            Self::StartTypesUndone { .. } => "start_types_undone",
            Self::Rebooted { .. } => "rebooted",
            Self::StoppedByOthers { .. } => "stopped_by_others",
            Self::PoolSeen { .. } => "pool_seen",
            Self::Note { .. } => "note",
            Self::RunEnded { .. } => "run_ended",
        }
    }
}
