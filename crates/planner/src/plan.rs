//! A plan: which step happens to which server, and what each waits for. Immutable once made.

use crate::codes;
use crate::fingerprint::Fingerprint;
use jiff::SignedDuration;
use orchestrate_model::change::Patch;
use orchestrate_model::{Change, Label, Pool, PoolName, ServerName, ServiceName, UpgradeDomain};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The version of the form in which a plan is stored.
pub(crate) const SCHEMA: u32 = 1;

/// The position of a step in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

/// The position of a server's work in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkId(pub u32);

/// What is done for one change, in which order, and why in that order. Made by [`crate::make`] only; it never changes
/// afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) schema: u32,
    pub(crate) change: Change,
    pub(crate) work: Vec<ServerWork>,
    pub(crate) steps: Vec<Step>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) findings: Vec<Finding>,
    /// Where it is for some of the servers: the fingerprint of the plan for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) whole: Option<Fingerprint>,
}

/// What is done to one server. In the plan these stand in the order in which the servers are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerWork {
    /// Its pool, as a position in the change.
    pub pool: u32,
    /// The server.
    pub server: ServerName,
    /// Its upgrade domain.
    pub upgrade_domain: Option<UpgradeDomain>,
    /// Servers of a pool with the same batch may be out together; the next batch waits for all of the one before.
    /// Counted from 0 in each pool.
    pub batch: u32,
    /// The services to block, in the order in which they are paused. Those that the server turns out not to have are
    /// passed over; they are stopped in the same order, dependents first as the server names them.
    pub block: Vec<ServiceName>,
    /// Services that are watched but never waited for.
    pub support: Vec<ServiceName>,
    /// Why nothing is done to this server, when nothing is.
    pub skip: Option<String>,
}

/// Why a server of the plan is no part of a run, where that is not what it is found at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOut {
    /// The plan says that it is dead.
    Away,
    /// Whoever has started the run has chosen others.
    ByChoice,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Its position in the plan.
    pub id: StepId,
    /// What it is about.
    pub target: StepTarget,
    /// What it does.
    pub kind: StepKind,
    /// Which of the installers it is about, counted from 0: the one that is run, or the last one before a restart.
    #[serde(default, skip_serializing_if = "is_first")]
    pub installer: u32,
    /// What is known of it before the run.
    pub certainty: Certainty,
}

fn is_first(installer: &u32) -> bool {
    *installer == 0
}

/// What a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepTarget {
    /// One server.
    Server(WorkId),
    /// A whole pool, as a position in the change.
    Pool(u32),
}

/// What a step does. The order of the variants is the order of the steps of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Asks every safety question about the whole pool, minus this server.
    Guard,
    /// Writes down start types, service states, balancer state, boot time and patch level.
    Record,
    /// Takes the server out of the HTTP(S) balancer.
    BalancerOut,
    /// Sets start types to Manual and pauses the services.
    Block,
    /// Waits until the sessions have ended.
    Drain,
    /// Stops what the patch needs stopped.
    Stop,
    /// Runs the installer.
    Patch,
    /// Restarts the server if needed.
    Restart,
    /// Proves the patch level.
    Verify,
    /// Starts or continues the services and restores start types.
    Return,
    /// Puts the server back into the balancer, as it was.
    BalancerIn,
    /// Proves that the server is back.
    Gate,
    /// Watches that it stays good.
    Soak,
    /// Asks for the database work of a pool whose servers are all done.
    Database,
}

impl StepKind {
    /// Returns the word used in output, journal and documentation.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Record => "record",
            Self::BalancerOut => "balancer-out",
            Self::Block => "block",
            Self::Drain => "drain",
            Self::Stop => "stop",
            Self::Patch => "patch",
            Self::Restart => "restart",
            Self::Verify => "verify",
            Self::Return => "return",
            Self::BalancerIn => "balancer-in",
            Self::Gate => "gate",
            Self::Soak => "soak",
            Self::Database => "database",
        }
    }

    /// Returns whether the step can change anything on a server or balancer.
    #[must_use]
    pub fn changes(self) -> bool {
        match self {
            Self::BalancerOut
            | Self::Block
            | Self::Stop
            | Self::Patch
            | Self::Restart
            | Self::Return
            | Self::BalancerIn => true,
            // A drain only re-asserts the block; see the engine.
            Self::Drain => true,
            Self::Guard | Self::Record | Self::Verify | Self::Gate | Self::Soak | Self::Database => false,
        }
    }
}

impl fmt::Display for StepKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What is known of a step before the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// What it will do was read from the servers.
    Proven,
    /// What it will do follows from the plan file and the catalogue; the servers were not asked or did not say.
    Assumed,
    /// What it will do depends on something that happens only in the run.
    NotKnowable,
}

impl Certainty {
    /// Returns the words used in previews.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Assumed => "assumed",
            Self::NotKnowable => "not knowable yet",
        }
    }
}

/// One step waits for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// Done first.
    pub before: StepId,
    /// Waits.
    pub after: StepId,
    /// Why.
    pub reason: EdgeReason,
}

/// Why one step waits for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgeReason {
    /// The steps of one server have an order.
    SameServer,
    /// At most so many servers of the pool at once.
    AtOnce(u32),
    /// At most so many servers of all pools with this label at once.
    SharedBudget(Label, u32),
    /// Never two upgrade domains at once.
    UpgradeDomains,
    /// The active central management server is the last of its pool.
    CentralManagementLast,
    /// The plan takes this server of the pool first.
    First(ServerName),
    /// The plan file says so.
    After(PoolName),
    /// Front ends before other internal roles, Edge last.
    InsideOut,
    /// The pool is the next hop of the Edge pool.
    NextHop(PoolName),
    /// Databases after all front ends.
    DatabasesLast,
}

impl fmt::Display for EdgeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameServer => f.write_str("the steps of one server have an order"),
            Self::AtOnce(1) => f.write_str("one at a time"),
            Self::AtOnce(n) => write!(f, "at most {n} at once"),
            Self::SharedBudget(label, n) => write!(f, "at most {n} of {label} at once"),
            Self::UpgradeDomains => f.write_str("never two upgrade domains at once"),
            Self::CentralManagementLast => f.write_str("the active central management server is last in its pool"),
            Self::First(server) => write!(f, "the plan takes {} first", server.short()),
            Self::After(pool) => write!(f, "the plan file puts it after {pool}"),
            Self::InsideOut => f.write_str("inside out: front ends, other internal roles, Edge last"),
            Self::NextHop(pool) => write!(f, "{pool} is the Edge pool's next hop"),
            Self::DatabasesLast => f.write_str("databases after all front ends"),
        }
    }
}

/// Something the planner found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable code, with a page of its own: `O` and four digits.
    pub code: String,
    /// How grave it is.
    pub severity: Severity,
    /// The pool it is about.
    pub pool: Option<PoolName>,
    /// The server it is about.
    pub server: Option<ServerName>,
    /// What was expected, what was found, and what follows from it.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The run is refused before its first change (exit code 9).
    Refusal,
    /// The run may go on; somebody should know.
    Warning,
    /// Worth a line in the preview.
    Note,
}

impl Plan {
    /// Returns the change that the plan is for.
    #[must_use]
    pub fn change(&self) -> &Change {
        &self.change
    }

    /// Returns the servers' work in the order in which they are taken.
    #[must_use]
    pub fn work(&self) -> &[ServerWork] {
        &self.work
    }

    /// Returns the installer that a step is about.
    #[must_use]
    pub fn installer_of(&self, step: &Step) -> Option<&Patch> {
        self.change.maintenance.installers.get(step.installer as usize)
    }

    /// Returns whether another installer comes after the one that a step is about.
    #[must_use]
    pub fn is_followed(&self, step: &Step) -> bool {
        step.installer as usize + 1 < self.change.maintenance.installers.len()
    }

    /// Returns the steps in an order that respects all edges.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns what waits for what.
    #[must_use]
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    /// Returns what was found while planning, gravest first.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the refusals among the findings.
    pub fn refusals(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity == Severity::Refusal)
    }

    /// Returns the warnings about what an operator has to decide or to confirm while the run goes on, so that it must
    /// not be begun when nobody is there.
    pub fn for_the_operator(&self) -> impl Iterator<Item = &Finding> {
        let asked = [codes::INTERRUPTED, codes::BALANCER_BY_HAND];
        let warnings = self.findings.iter().filter(|finding| finding.severity == Severity::Warning);
        warnings.filter(move |finding| asked.contains(&finding.code.as_str()))
    }

    /// Returns how long a server has to stay good once it is back.
    #[must_use]
    pub fn soak_of(&self, work: &ServerWork) -> SignedDuration {
        self.pool_of(work).soak_of(&work.server, self.change.maintenance.soak)
    }

    /// Returns how much longer than others a server soaks that goes first; less than nothing where it is shorter.
    #[must_use]
    pub fn more_soak(&self, work: &ServerWork) -> SignedDuration {
        self.soak_of(work) - self.change.maintenance.soak
    }

    /// Returns why a server is no part of a run, where that is not what it is found at.
    #[must_use]
    pub fn left_out(&self, work: &ServerWork) -> Option<LeftOut> {
        let server = self.pool_of(work).server(&work.server)?;
        match (&server.away, self.change.leaves_out(&server.name)) {
            (Some(_), _) => Some(LeftOut::Away),
            (None, true) => Some(LeftOut::ByChoice),
            (None, false) => None,
        }
    }

    /// Returns the fingerprints by which somebody may have said yes to the plan: its own, and that of the plan for all servers
    /// where it is for some of them.
    pub fn approvable(&self) -> impl Iterator<Item = Fingerprint> {
        std::iter::once(self.fingerprint()).chain(self.whole)
    }

    /// Returns the fingerprint of the plan for all servers, where this one is for some of them.
    #[must_use]
    pub fn whole(&self) -> Option<Fingerprint> {
        self.whole
    }

    /// Returns the pool of a server's work.
    ///
    /// # Panics
    /// When `work` is not of this plan.
    #[must_use]
    pub fn pool_of(&self, work: &ServerWork) -> &Pool {
        &self.change.pools[work.pool as usize]
    }

    /// Returns the work with this id.
    ///
    /// # Panics
    /// When `id` is not of this plan.
    #[must_use]
    pub fn work_of(&self, id: WorkId) -> &ServerWork {
        &self.work[id.0 as usize]
    }

    /// Returns the work of the server called `name`.
    #[must_use]
    pub fn work_named(&self, name: &ServerName) -> Option<&ServerWork> {
        self.work.iter().find(|work| work.server == *name)
    }
}
