//! Faults of our own making: what the engine, the executor and the journal would do if a rule were missing.
//!
//! Each is put in from outside, at a seam: the plan that the engine is given, what it is shown, what becomes of its
//! acts, what is kept of its records. The product has no hooks for them. They prove that the oracle can see.

mod drivers;
mod plans;
mod tape;

use crate::drive::{Link, Tape};
use crate::faults::Fault;
use orchestrate_driver::{Eyes, Hands};
use orchestrate_executor::{Fence, NoFence};
use orchestrate_journal::Storage;
use orchestrate_planner::Plan;
use std::sync::Arc;

/// A rule that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// A count that cannot be read is zero.
    UnknownIsZero,
    /// A negative count is zero.
    NegativeIsZero,
    /// No session is ever counted.
    SessionsNotCounted,
    /// The other servers of the pool are always taken to serve.
    OthersAlwaysServe,
    /// A server that does not answer is taken to serve.
    SilentServersServe,
    /// The records of a pool are not looked at.
    RecordsNotLookedAt,
    /// Entry names are taken to lead to every server.
    EntryNotLookedAt,
    /// A pool that is busy is taken to be ready.
    BusyIsReady,
    /// Old answers are taken as new.
    StaleIsFresh,
    /// Leases are neither looked at nor taken.
    LeasesIgnored,
    /// Nobody looks again whether services were resumed before the patch and the restart.
    ResumedNotNoticed,
    /// A new boot is not noticed, and a restart is not tied to a boot.
    BootNotNoticed,
    /// The last look shows what is wanted.
    SweepIsBlind,
    /// Start types are not set to Manual.
    StartTypesNotSet,
    /// Start types are not restored.
    StartTypesNotRestored,
    /// The delayed flag is not restored.
    DelayedFlagForgotten,
    /// Services are stopped where they should be paused.
    StoppedInsteadOfPaused,
    /// Services are not continued.
    NotContinued,
    /// Services are not started.
    NotStarted,
    /// The server is not put back into the balancer.
    BalancerNotRestored,
    /// Each start of the installer has a token of its own.
    TokenPerStart,
    /// Every act is done twice.
    ActsTwice,
    /// A preview changes something.
    PreviewChanges,
    /// Intents are not written down.
    IntentsNotWritten,
    /// Records are written down one record late.
    RecordsWrittenLate,
    /// A run that is taken up again knows nothing of what was before.
    ResumeForgets,
    /// A run that lost its claim goes on.
    NoFence,
    /// Every run that ends is called done.
    AlwaysCalledDone,
    /// Windows do not count.
    WindowsIgnored,
    /// Budgets do not count.
    BudgetIgnored,
    /// Budgets that pools share do not count.
    SharedBudgetIgnored,
    /// Sessions are cut at the deadline though the plan does not say so.
    SessionsCut,
    /// Start types are left alone though the plan does not say so.
    StartTypesKept,
    /// Every loss of a feature counts as accepted.
    EveryLossAccepted,
    /// Services whose sessions cannot be read are waited for by no time at all.
    UnmeasuredAtOnce,
    /// There is no way back.
    NoReturn,
    /// Waits do not say what happens then.
    SilentWaits,
    /// The run goes on however many servers fail.
    StopConditionsIgnored,
    /// The next server goes before the last one has soaked.
    SoakSkipped,
    /// The level after the patch is not looked at.
    LevelNotLookedAt,
    /// The servers of a pool are not compared component by component.
    ComponentsNotCompared,
    /// A component that is older than before is taken to be as it was.
    FallNotSeen,
    /// A service that is paused counts as draining.
    DrainingNotAsked,
    /// The safety questions are not asked before the first change and its record.
    GuardSkipped,
    /// A server is not restarted though the installer wants it.
    RestartSkipped,
    /// Nobody looks whether services were resumed while sessions end.
    ResumedInDrainNotNoticed,
    /// The end of a window does not count.
    WindowNeverCloses,
    /// The stated worst case leaves the way back out.
    StatedTooShort,
    /// Nobody notices that the machine has stood still.
    GapNotNoticed,
    /// A refusal that passes counts as one for good.
    PassingIsFinal,
    /// One refusal for good keeps the rest from coming back.
    RestNotRestored,
    /// The names in the balancer are believed, whatever address stands beside them.
    AddressesNotLookedAt,
    /// Backends that the plan does not name are not looked for.
    UnnamedBackendsNotLookedAt,
    /// Of several backends and balancers only the first is seen.
    OneBackendAlone,
    /// The rest of a pool is not looked at while a server of it is out, nor at the end.
    PoolNotWatched,
    /// What was set in the balancer is not looked at while a server is out.
    BalancerNotWatched,
    /// The product's word on a pool counts against the run whatever it is about.
    OwnDoingCounts,
    /// Nobody asks before the block whether the end of a drain could be told.
    DrainUntold,
    /// The balancer has a server again only when everything else of it is back.
    BalancerLast,
    /// Nobody sees that a restart is due.
    DueRestartNotSeen,
    /// Several installers are run in another order.
    InstallersReversed,
    /// Servers that were not chosen are worked on too.
    OnlyIgnored,
    /// The server that goes first is one of many.
    FirstIgnored,
    /// A server that is away is worked on like the others.
    AwayIgnored,
    /// An installer that failed is taken for one that is done.
    FailureIsDone,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Self; 65] = [
        Self::UnknownIsZero,
        Self::NegativeIsZero,
        Self::SessionsNotCounted,
        Self::OthersAlwaysServe,
        Self::SilentServersServe,
        Self::RecordsNotLookedAt,
        Self::EntryNotLookedAt,
        Self::BusyIsReady,
        Self::StaleIsFresh,
        Self::ResumedNotNoticed,
        Self::BootNotNoticed,
        Self::SweepIsBlind,
        Self::StartTypesNotSet,
        Self::StartTypesNotRestored,
        Self::DelayedFlagForgotten,
        Self::StoppedInsteadOfPaused,
        Self::NotContinued,
        Self::NotStarted,
        Self::BalancerNotRestored,
        Self::TokenPerStart,
        Self::ActsTwice,
        Self::PreviewChanges,
        Self::IntentsNotWritten,
        Self::RecordsWrittenLate,
        Self::ResumeForgets,
        Self::NoFence,
        Self::AlwaysCalledDone,
        Self::WindowsIgnored,
        Self::BudgetIgnored,
        Self::SharedBudgetIgnored,
        Self::SessionsCut,
        Self::StartTypesKept,
        Self::EveryLossAccepted,
        Self::UnmeasuredAtOnce,
        Self::NoReturn,
        Self::SilentWaits,
        Self::StopConditionsIgnored,
        Self::SoakSkipped,
        Self::LevelNotLookedAt,
        Self::ComponentsNotCompared,
        Self::FallNotSeen,
        Self::DrainingNotAsked,
        Self::GuardSkipped,
        Self::RestartSkipped,
        Self::ResumedInDrainNotNoticed,
        Self::WindowNeverCloses,
        Self::StatedTooShort,
        Self::GapNotNoticed,
        Self::PassingIsFinal,
        Self::RestNotRestored,
        Self::AddressesNotLookedAt,
        Self::UnnamedBackendsNotLookedAt,
        Self::OneBackendAlone,
        Self::PoolNotWatched,
        Self::BalancerNotWatched,
        Self::OwnDoingCounts,
        Self::LeasesIgnored,
        Self::DrainUntold,
        Self::BalancerLast,
        Self::DueRestartNotSeen,
        Self::InstallersReversed,
        Self::OnlyIgnored,
        Self::FirstIgnored,
        Self::AwayIgnored,
        Self::FailureIsDone,
    ];

    /// Faults without which the missing rule makes no difference: they happen in every night with it.
    pub(crate) fn needs(self) -> &'static [Fault] {
        match self {
            Self::UnknownIsZero => &[Fault::PartialAnswers, Fault::NegativeCounts, Fault::EmptyAnswers],
            Self::NegativeIsZero => &[Fault::NegativeCounts],
            // Only an outage that falls between two looks, the second of which is stale, shows it.
            Self::StaleIsFresh => &[
                Fault::StaleAnswers,
                Fault::StaleAnswers,
                Fault::StaleAnswers,
                Fault::ForeignOutage,
                Fault::ForeignOutage,
            ],
            Self::BusyIsReady => &[Fault::PoolBusy],
            Self::TokenPerStart => &[Fault::SilentActs, Fault::MisreportedActs],
            Self::SilentServersServe | Self::OthersAlwaysServe => &[Fault::ForeignOutage],
            Self::RecordsNotLookedAt | Self::EveryLossAccepted => &[Fault::RecordsVanish],
            Self::ResumedNotNoticed => &[Fault::ForeignResume],
            Self::AddressesNotLookedAt => &[Fault::BalancerSwapped],
            Self::UnnamedBackendsNotLookedAt => &[Fault::BackendUnnamed],
            Self::NoFence => &[Fault::Takeover],
            Self::LeasesIgnored => &[Fault::OtherHost, Fault::OtherHost],
            Self::ResumeForgets => &[Fault::Crash],
            Self::StopConditionsIgnored => &[Fault::InstallerFails, Fault::PoolBusy],
            Self::FailureIsDone => &[Fault::InstallerFails],
            Self::LevelNotLookedAt => &[Fault::InstallerLies],
            Self::ComponentsNotCompared => &[Fault::InstallerLeavesOut],
            Self::FallNotSeen => &[Fault::InstallerLowers],
            Self::DrainingNotAsked => &[Fault::LateDraining],
            Self::ResumedInDrainNotNoticed => &[Fault::ForeignResume],
            Self::StatedTooShort => &[Fault::SlowComeback, Fault::SlowComeback],
            Self::GapNotNoticed => &[Fault::Suspended],
            Self::PassingIsFinal => &[Fault::RefusedForATime],
            Self::RestNotRestored => &[Fault::RefusedForGood],
            Self::PoolNotWatched => &[Fault::NeighbourGoes, Fault::NeighbourGoes],
            Self::BalancerNotWatched => &[Fault::BalancerUndone],
            Self::DrainUntold | Self::UnmeasuredAtOnce => &[Fault::NoDrainingState],
            Self::BalancerLast => &[Fault::RefusedForHours],
            _ => &[],
        }
    }

    pub(crate) fn plan(self, plan: &Plan) -> Plan {
        plans::mutated(self, plan)
    }

    pub(crate) fn storage(self, tape: Tape) -> Box<dyn Storage> {
        match self {
            Self::IntentsNotWritten => Box::new(tape::WithoutIntents(tape)),
            Self::RecordsWrittenLate => Box::new(tape::Late { tape, line: Vec::new() }),
            _ => Box::new(tape),
        }
    }

    pub(crate) fn drivers(self, link: &Link, fence: Arc<dyn Fence>) -> (Eyes, Hands, Arc<dyn Fence>) {
        let fence = if self == Self::NoFence { Arc::new(NoFence) } else { fence };
        let (eyes, hands) = drivers::mutated(self, link);
        (eyes, hands, fence)
    }
}
