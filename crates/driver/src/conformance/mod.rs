//! The suite that every driver and the lab pass: what the traits of this crate promise, tried out.
//!
//! Each function takes a driver as a trait object and a small description of what stands behind it, tries the promises
//! one after the other, and returns every one that was broken. Nothing panics, so the suite can run in a test as well
//! as against a real server before a driver is trusted with it. All waiting goes through the [`Clock`] of [`Waiting`].
//!
//! | function | needs | changes anything |
//! |---|---|---|
//! | [`server_reads`] | a server that answers | no |
//! | [`server_changes`] | the same, with a service that may be paused and stopped | yes, and back |
//! | [`server_unreachable`] | a driver pointed at nothing | no |
//! | [`balancer_reads`] | a balancer that answers | no |
//! | [`balancer_changes`] | the same, without clients | yes, and back |
//! | [`balancer_unreachable`] | a driver pointed at nothing | no |
//! | [`names`] | name servers with known records | no |
//! | [`names_unreachable`] | a resolver pointed at nothing | no |
//!
//! In a driver's test:
//!
//! ```
//! # use orchestrate_driver::{Clock, NoNames};
//! # use orchestrate_driver::conformance::{self, Waiting};
//! # use orchestrate_model::DnsName;
//! # async fn test() {
//! let waiting = Waiting::new(Clock::real(), jiff::SignedDuration::from_secs(10));
//! let name = DnsName::new("pool01.contoso.example").unwrap();
//! let broken = conformance::names_unreachable(&NoNames, &name, &waiting).await;
//! assert!(broken.is_empty(), "{}", conformance::report(&broken));
//! # }
//! ```
//!
//! What the suite leaves out on purpose: starting an installer and restarting a server, which cannot be taken back. Of
//! the restart it only tries that one meant for another boot time is not carried out.

mod balancer;
mod names;
mod server;

#[cfg(test)]
mod tests;

pub use balancer::{BalancerExpectation, balancer_changes, balancer_reads, balancer_unreachable};
pub use names::{NameExpectation, NamesExpectation, names, names_unreachable};
pub use server::{ServerExpectation, server_changes, server_reads, server_unreachable};

use crate::Clock;
use jiff::{SignedDuration, Timestamp};
use orchestrate_model::Answer;
use std::fmt;

/// How the suite waits.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    clock: Clock,
    patience: SignedDuration,
}

impl Waiting {
    /// Returns a way of waiting in which every observation must come, and every change come about, within `patience`
    /// by `clock`, which must be the clock that the driver was given.
    #[must_use]
    pub fn new(clock: Clock, patience: SignedDuration) -> Self {
        Self { clock, patience }
    }

    /// Returns what `looking` yields, with the times before and after, or nothing if it takes too long.
    async fn look<T>(&self, looking: impl Future<Output = T>) -> Option<Look<T>> {
        let before = self.clock.now();
        let seen = tokio::time::timeout(self.clock.runtime_duration(self.patience), looking).await.ok()?;
        Some(Look { before, after: self.clock.now(), seen })
    }

    /// Returns when patience ends.
    fn deadline(&self) -> Timestamp {
        self.clock.now().checked_add(self.patience).unwrap_or(Timestamp::MAX)
    }

    fn is_over(&self, deadline: Timestamp) -> bool {
        self.clock.now() >= deadline
    }

    /// Waits a small part of the patience between two looks.
    async fn pause(&self) {
        self.clock.sleep(self.patience / 200).await;
    }
}

/// One look with the times around it.
struct Look<T> {
    before: Timestamp,
    after: Timestamp,
    seen: T,
}

impl<T> Look<T> {
    /// Returns why evidence taken at `taken` is not of this look, if it is not.
    fn why_stale(&self, taken: Timestamp) -> Option<String> {
        let fresh = self.before <= taken && taken <= self.after;
        (!fresh).then(|| format!("taken at {taken}, asked for between {} and {}", self.before, self.after))
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub rule: Rule,
    /// What was seen instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.found)
    }
}

/// Returns the violations as lines, for the message of a test.
#[must_use]
pub fn report(violations: &[Violation]) -> String {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// A promise of the driver contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// What the suite needs is there.
    Prepared,
    /// A look comes back within the patience, whatever happens.
    AnswersInTime,
    /// An observation names the server that was asked for.
    NamesItsServer,
    /// `taken` lies between the question and the answer.
    TakenWhenAsked,
    /// A part not asked about is unknown, "not asked".
    NotAskedIsNotAnswered,
    /// A part asked about is known where the server can be reached.
    AskedIsAnswered,
    /// What depends on a service that was asked about is in the answer too, and so is what depends on that.
    DependentsComeAlong,
    /// What does not exist is missing, and no error.
    AbsentIsMissing,
    /// Two looks at a quiet system are the same apart from the time.
    LookingChangesNothing,
    /// A count that cannot be read is not a number.
    UnreadableIsNoNumber,
    /// An installer's token that was never used was never started.
    UnusedTokenWasNotStarted,
    /// Nothing is known of what cannot be reached.
    UnreachableIsUnknown,
    /// A change that can be made is accepted.
    ChangeIsAccepted,
    /// An accepted change comes about, through pending states only.
    ChangeComesAbout,
    /// A change asked for twice is as good as once.
    RepeatIsHarmless,
    /// A start type reads back exactly as it was set, with its delayed flag.
    StartTypeReadsBack,
    /// A change touches nothing else.
    NothingElseChanges,
    /// A change to what does not exist fails.
    AbsentCannotBeChanged,
    /// A restart meant for another boot time is not carried out.
    OtherBootIsNotRestarted,
    /// A server refuses a change that is the balancer's.
    BalancerActIsRefused,
    /// A lease that was taken reads back as ours, and as none when it was given back.
    LeaseIsKept,
    /// After the suite all is as it was before.
    LeftAsFound,
    /// Addresses come sorted, each once.
    AddressesAreSorted,
    /// Every name is answered for once by each server that was asked, and no other name is.
    EachNameOnce,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepared => "the suite needs something else behind the driver",
            Self::AnswersInTime => "a look must come back in time",
            Self::NamesItsServer => "an observation must name its server",
            Self::TakenWhenAsked => "evidence must be taken when it is asked for",
            Self::NotAskedIsNotAnswered => "what was not asked must be unknown, \"not asked\"",
            Self::AskedIsAnswered => "what was asked must be known",
            Self::DependentsComeAlong => "what depends on a service must be answered with it",
            Self::AbsentIsMissing => "what does not exist must be missing and no error",
            Self::LookingChangesNothing => "looking must change nothing",
            Self::UnreadableIsNoNumber => "a count that cannot be read must not be a number",
            Self::UnusedTokenWasNotStarted => "a token that was never used must not be started",
            Self::UnreachableIsUnknown => "what cannot be reached must be unknown, with a reason",
            Self::ChangeIsAccepted => "a change that can be made must be accepted",
            Self::ChangeComesAbout => "an accepted change must come about, through pending states only",
            Self::RepeatIsHarmless => "a change asked for twice must be as good as once",
            Self::StartTypeReadsBack => "a start type must read back as it was set",
            Self::NothingElseChanges => "a change must touch nothing else",
            Self::AbsentCannotBeChanged => "a change to what does not exist must fail",
            Self::OtherBootIsNotRestarted => "a restart meant for another boot time must not be carried out",
            Self::BalancerActIsRefused => "a server must refuse a change that is the balancer's",
            Self::LeaseIsKept => "a lease must be kept until it is given back",
            Self::LeftAsFound => "after the suite all must be as before",
            Self::AddressesAreSorted => "addresses must be sorted and each be there once",
            Self::EachNameOnce => "each name must be answered for once by each server asked, and no other name",
        })
    }
}

/// The violations found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, rule: Rule, found: impl fmt::Display) {
        self.0.push(Violation { rule, found: found.to_string() });
    }

    fn add_if(&mut self, rule: Rule, found: Option<impl fmt::Display>) {
        if let Some(found) = found {
            self.add(rule, found);
        }
    }
}

/// Returns whether two answers say the same. Two unknown answers do, whatever their reasons.
fn same<T: PartialEq>(one: &Answer<T>, other: &Answer<T>) -> bool {
    match (one, other) {
        (Answer::Known(one), Answer::Known(other)) => one == other,
        (Answer::Unknown(_), Answer::Unknown(_)) => true,
        (Answer::Known(_), Answer::Unknown(_)) | (Answer::Unknown(_), Answer::Known(_)) => false,
    }
}

/// Returns what is wrong with an answer that ought to be unknown because nothing could be reached.
fn why_not_unreachable<T: fmt::Debug>(part: &str, answer: &Answer<T>) -> Option<String> {
    match answer {
        Answer::Known(value) => Some(format!("{part} is {value:?}")),
        Answer::Unknown(reason) if reason.is_empty() => Some(format!("{part} is unknown for no reason")),
        Answer::Unknown(reason) if *reason == not_asked() => Some(format!("{part} was asked, and says {reason:?}")),
        Answer::Unknown(_) => None,
    }
}

/// Returns the reason that a part carries which was not asked about.
fn not_asked() -> String {
    let answer: Answer<()> = Answer::not_asked();
    answer.why_unknown().unwrap_or_default().to_owned()
}
