//! What can go wrong in a simulated world, and how often.

use crate::dice::Dice;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Answers come seconds to minutes late.
    LateAnswers,
    /// Looks are not answered at all.
    LostAnswers,
    /// Some parts of an answer are missing.
    PartialAnswers,
    /// Answers are those of an earlier look.
    StaleAnswers,
    /// One answer contradicts the next.
    Contradictions,
    /// Answers are well formed and empty.
    EmptyAnswers,
    /// Session counts read negative.
    NegativeCounts,
    /// What became of an act is not said.
    SilentActs,
    /// An act was done and is reported as failed, or the other way round.
    MisreportedActs,
    /// Services stay pending for an hour or more.
    StuckServices,
    /// Sessions do not end.
    EndlessSessions,
    /// People come back into a conference that goes on.
    ReturningSessions,
    /// A restarted server stays away for hours.
    HangingRestarts,
    /// A restarted server restarts once more.
    DoubleRestarts,
    /// A restart that was accepted does not happen.
    SkippedRestarts,
    /// Servers restart by themselves.
    OwnRestarts,
    /// The installer fails.
    InstallerFails,
    /// Another installation is running.
    InstallerBusy,
    /// The installer leaves no result.
    InstallerVanishes,
    /// The installer does not end.
    InstallerHangs,
    /// Records of the pool vanish from name servers.
    RecordsVanish,
    /// The product says that the pool is busy.
    PoolBusy,
    /// Somebody resumes or starts blocked services.
    ForeignResume,
    /// Somebody stops services or changes start types.
    ForeignStop,
    /// Somebody patches a server.
    ForeignPatch,
    /// Somebody takes another server down.
    ForeignOutage,
    /// Orchestrate is killed.
    Crash,
    /// Somebody else takes the pools over.
    Takeover,
    /// People connect to a paused service that had no sessions any more.
    NewSessions,
    /// A paused service does not drain yet, and takes new sessions.
    LateDraining,
    /// The installer says that it is done and has installed nothing.
    InstallerLies,
    /// Somebody else does maintenance: stops services, patches, may restart, and starts them again.
    ForeignMaintenance,
    /// An earlier maintenance left services paused, or set to Manual.
    ForeignLeftovers,
    /// Somebody changes what the balancer does with a server.
    ForeignBalancer,
    /// The disk of the journal is full for a while.
    FullDisk,
    /// The installer says that it is done and has left one component as it was.
    InstallerLeavesOut,
    /// A restarted server and its services take nearly as long to come back as the run waits for them.
    SlowComeback,
    /// A server refuses every act for some minutes.
    RefusedForATime,
    /// A server refuses for good to bring a service back.
    RefusedForGood,
    /// The machine that orchestrate runs on stands still for minutes.
    Suspended,
    /// Two entries of the balancer have each other's address.
    BalancerSwapped,
    /// A backend that the plan does not name sends traffic to the servers too.
    BackendUnnamed,
    /// An entry of the balancer has another address for a while.
    BalancerMoves,
    /// Another server of a pool that has one out goes down, or is paused.
    NeighbourGoes,
    /// A server that is out is put back into the balancer.
    BalancerUndone,
    /// Another control host works on a server, and has taken its lease.
    OtherHost,
    /// The product does not answer in a remote shell: the logon does not go on to a second machine.
    SecondHop,
    /// Servers have nothing that says whether their conferencing services drain.
    NoDrainingState,
    /// A server says for hours, of single services, that they may be brought back later.
    RefusedForHours,
    /// A server denies for some minutes to bring single services back, as if a right were missing for good.
    DeniedForMinutes,
    /// The installer says that it is done and has put an older version of a component in place.
    InstallerLowers,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 51] = [
        Self::LateAnswers,
        Self::LostAnswers,
        Self::PartialAnswers,
        Self::StaleAnswers,
        Self::Contradictions,
        Self::EmptyAnswers,
        Self::NegativeCounts,
        Self::SilentActs,
        Self::MisreportedActs,
        Self::StuckServices,
        Self::EndlessSessions,
        Self::ReturningSessions,
        Self::HangingRestarts,
        Self::DoubleRestarts,
        Self::SkippedRestarts,
        Self::OwnRestarts,
        Self::InstallerFails,
        Self::InstallerBusy,
        Self::InstallerVanishes,
        Self::InstallerHangs,
        Self::RecordsVanish,
        Self::PoolBusy,
        Self::ForeignResume,
        Self::ForeignStop,
        Self::ForeignPatch,
        Self::ForeignOutage,
        Self::Crash,
        Self::Takeover,
        Self::NewSessions,
        Self::LateDraining,
        Self::InstallerLies,
        Self::ForeignMaintenance,
        Self::ForeignLeftovers,
        Self::ForeignBalancer,
        Self::FullDisk,
        Self::InstallerLeavesOut,
        Self::SlowComeback,
        Self::RefusedForATime,
        Self::RefusedForGood,
        Self::Suspended,
        Self::BalancerSwapped,
        Self::BackendUnnamed,
        Self::BalancerMoves,
        Self::NeighbourGoes,
        Self::BalancerUndone,
        Self::OtherHost,
        Self::SecondHop,
        Self::NoDrainingState,
        Self::RefusedForHours,
        Self::DeniedForMinutes,
        Self::InstallerLowers,
    ];

    /// Those that are thrown with dice that are younger still.
    const LATEST: [Self; 3] = [Self::RefusedForATime, Self::RefusedForGood, Self::Suspended];

    /// What is odd about balancers, with dice of its own again.
    const AT_BALANCERS: [Self; 3] = [Self::BalancerSwapped, Self::BackendUnnamed, Self::BalancerMoves];

    /// Those that are thrown with dice of their own, so that the nights of older seeds stay as they were.
    const LATER: [Self; 8] = [
        Self::NewSessions,
        Self::LateDraining,
        Self::InstallerLies,
        Self::ForeignMaintenance,
        Self::ForeignLeftovers,
        Self::ForeignBalancer,
        Self::FullDisk,
        Self::InstallerLeavesOut,
    ];

    /// Those that are thrown with dice of their own each, for the same reason.
    const ALONE: [Self; 7] = [
        Self::SlowComeback,
        Self::OtherHost,
        Self::SecondHop,
        Self::NoDrainingState,
        Self::RefusedForHours,
        Self::DeniedForMinutes,
        Self::InstallerLowers,
    ];

    /// Those that happen to a pool while a server of it is out, thrown with dice of their own for the same reason.
    const MEANWHILE: [Self; 2] = [Self::NeighbourGoes, Self::BalancerUndone];

    /// Returns the word used on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LateAnswers => "late-answers",
            Self::LostAnswers => "lost-answers",
            Self::PartialAnswers => "partial-answers",
            Self::StaleAnswers => "stale-answers",
            Self::Contradictions => "contradictions",
            Self::EmptyAnswers => "empty-answers",
            Self::NegativeCounts => "negative-counts",
            Self::SilentActs => "silent-acts",
            Self::MisreportedActs => "misreported-acts",
            Self::StuckServices => "stuck-services",
            Self::EndlessSessions => "endless-sessions",
            Self::ReturningSessions => "returning-sessions",
            Self::HangingRestarts => "hanging-restarts",
            Self::DoubleRestarts => "double-restarts",
            Self::SkippedRestarts => "skipped-restarts",
            Self::OwnRestarts => "own-restarts",
            Self::InstallerFails => "installer-fails",
            Self::InstallerBusy => "installer-busy",
            Self::InstallerVanishes => "installer-vanishes",
            Self::InstallerHangs => "installer-hangs",
            Self::RecordsVanish => "records-vanish",
            Self::PoolBusy => "pool-busy",
            Self::ForeignResume => "foreign-resume",
            Self::ForeignStop => "foreign-stop",
            Self::ForeignPatch => "foreign-patch",
            Self::ForeignOutage => "foreign-outage",
            Self::Crash => "crash",
            Self::Takeover => "takeover",
            Self::NewSessions => "new-sessions",
            Self::LateDraining => "late-draining",
            Self::InstallerLies => "installer-lies",
            Self::ForeignMaintenance => "foreign-maintenance",
            Self::ForeignLeftovers => "foreign-leftovers",
            Self::ForeignBalancer => "foreign-balancer",
            Self::FullDisk => "full-disk",
            Self::InstallerLeavesOut => "installer-leaves-out",
            Self::InstallerLowers => "installer-lowers",
            Self::SlowComeback => "slow-comeback",
            Self::RefusedForATime => "refused-for-a-time",
            Self::RefusedForGood => "refused-for-good",
            Self::Suspended => "suspended",
            Self::BalancerSwapped => "balancer-swapped",
            Self::BackendUnnamed => "backend-unnamed",
            Self::BalancerMoves => "balancer-moves",
            Self::NeighbourGoes => "neighbour-goes",
            Self::BalancerUndone => "balancer-undone",
            Self::OtherHost => "other-host",
            Self::SecondHop => "second-hop",
            Self::NoDrainingState => "no-draining-state",
            Self::RefusedForHours => "refused-for-hours",
            Self::DeniedForMinutes => "denied-for-minutes",
        }
    }

    /// Returns the fault that a word means.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.word() == word)
    }

    /// Whether it is thrown with other dice than the first kinds.
    fn is_later(self) -> bool {
        let own = Self::ALONE.contains(&self) || Self::AT_BALANCERS.contains(&self);
        own || Self::LATER.contains(&self) || Self::MEANWHILE.contains(&self)
    }

    /// How often it happens when it is tried: per look, act, transition, session or installation, or, for what comes
    /// by itself, how often in a night of eight hours.
    fn usual(self) -> f64 {
        match self {
            Self::LateAnswers => 0.08,
            Self::LostAnswers | Self::PartialAnswers | Self::StaleAnswers => 0.05,
            Self::Contradictions | Self::EmptyAnswers | Self::NegativeCounts => 0.03,
            Self::SilentActs | Self::MisreportedActs => 0.12,
            Self::StuckServices => 0.05,
            Self::EndlessSessions => 0.02,
            Self::ReturningSessions => 0.6,
            Self::HangingRestarts | Self::DoubleRestarts | Self::SkippedRestarts => 0.3,
            Self::InstallerFails | Self::InstallerBusy | Self::InstallerVanishes | Self::InstallerHangs => 0.25,
            Self::OwnRestarts => 2.0,
            Self::SecondHop | Self::NoDrainingState => 1.0,
            Self::RecordsVanish | Self::PoolBusy => 4.0,
            Self::ForeignResume => 8.0,
            Self::ForeignStop | Self::ForeignOutage => 4.0,
            Self::ForeignPatch => 2.0,
            Self::Crash => 2.0,
            Self::Takeover => 1.0,
            Self::NewSessions => 0.5,
            Self::LateDraining => 0.3,
            Self::InstallerLies | Self::InstallerLeavesOut | Self::InstallerLowers | Self::ForeignLeftovers => 0.15,
            Self::ForeignMaintenance | Self::OtherHost => 2.0,
            Self::ForeignBalancer => 4.0,
            Self::NeighbourGoes => 4.0,
            Self::BalancerUndone => 8.0,
            Self::SlowComeback => 0.4,
            Self::RefusedForATime => 1.2,
            Self::RefusedForGood | Self::RefusedForHours | Self::DeniedForMinutes => 0.15,
            Self::Suspended => 1.0,
            Self::FullDisk | Self::BalancerMoves => 2.0,
            Self::BalancerSwapped | Self::BackendUnnamed => 0.3,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Makes the dice of the faults that have their own others than those of the seed.
const ALONE: u64 = 0x616C_6F6E_6500_0000;

/// How often each fault happens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Faults([f64; Fault::ALL.len()]);

impl Faults {
    pub(crate) fn none() -> Self {
        Self([0.0; Fault::ALL.len()])
    }

    /// Each fault of the list as often as usual.
    pub(crate) fn of(faults: &[Fault]) -> Self {
        let mut rates = Self::none();
        for fault in faults {
            rates.0[*fault as usize] = fault.usual();
        }
        rates
    }

    /// A few faults, rare to frequent: a run in which everything goes wrong ends at once and shows little.
    pub(crate) fn by(dice: &mut Dice) -> Self {
        let mut rates = Self::none();
        let share = dice.pick(&[0.0, 0.08, 0.15, 0.15, 0.25, 0.4]);
        for fault in Fault::ALL.into_iter().filter(|fault| !fault.is_later() && !Fault::LATEST.contains(fault)) {
            if dice.chance(share) {
                let strength = dice.pick(&[0.1, 0.3, 1.0, 1.0, 2.0]);
                rates.0[fault as usize] = fault.usual() * strength;
            }
        }
        rates
    }

    /// In some nights a few of the later kinds too.
    pub(crate) fn more(&mut self, dice: &mut Dice) {
        self.some(&Fault::LATER, dice);
    }

    /// In some nights a few of the latest kinds too.
    pub(crate) fn latest(&mut self, dice: &mut Dice) {
        self.some(&Fault::LATEST, dice);
    }

    fn some(&mut self, kinds: &[Fault], dice: &mut Dice) {
        let share = dice.pick(&[0.0, 0.0, 0.15, 0.3]);
        for fault in kinds.iter().copied() {
            if dice.chance(share) {
                let strength = dice.pick(&[0.3, 1.0, 1.0, 2.0]);
                self.0[fault as usize] = fault.usual() * strength;
            }
        }
    }

    /// In some nights those that have dice of their own.
    pub(crate) fn alone(&mut self, seed: u64) {
        for fault in Fault::ALONE {
            let mut dice = Dice::new(seed ^ (ALONE + fault as u64));
            if dice.chance(0.15) {
                self.0[fault as usize] = fault.usual() * dice.pick(&[0.5, 1.0, 2.0]);
            }
        }
    }

    /// In some nights what is odd about balancers too.
    pub(crate) fn at_balancers(&mut self, dice: &mut Dice) {
        let share = dice.pick(&[0.0, 0.0, 0.0, 0.4]);
        for fault in Fault::AT_BALANCERS {
            if dice.chance(share) {
                self.0[fault as usize] = fault.usual();
            }
        }
    }

    /// In some nights what happens to a pool while a server of it is out.
    pub(crate) fn meanwhile(&mut self, dice: &mut Dice) {
        for fault in Fault::MEANWHILE {
            if dice.chance(0.15) {
                self.0[fault as usize] = fault.usual() * dice.pick(&[0.3, 1.0, 2.0]);
            }
        }
    }

    /// These faults too, more often than usual; the more often each is named, the more.
    pub(crate) fn add(&mut self, faults: &[Fault]) {
        for fault in faults {
            self.0[*fault as usize] += fault.usual() * 3.0;
        }
    }

    pub(crate) fn rate(&self, fault: Fault) -> f64 {
        self.0[fault as usize]
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.rate(fault) > 0.0
    }

    /// The faults that can happen, for timelines.
    pub(crate) fn words(&self) -> Vec<&'static str> {
        Fault::ALL.into_iter().filter(|fault| self.has(*fault)).map(Fault::word).collect()
    }
}
