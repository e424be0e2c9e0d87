//! May this server go out of service now? Nobody else decides.
//!
//! Each question is answered yes, no (with the counts behind it) or unknown (promises P1, P2, P3). The preview and the
//! run put the same questions through the same functions. What has to be asked of the servers beforehand is
//! [`crate::scope::evidence`].

mod balancer;
mod central;
mod coverage;
mod dependents;
mod drains;
mod entry;
mod fitness;
mod lease;
mod look;
mod ours;
mod questions;
mod reach;
mod replicas;

use jiff::{SignedDuration, Timestamp};
use orchestrate_model::{Change, Feature, Pool, PoolName, PoolObservation, ServerName, Verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(crate) use balancer::advice as balancer_advice;
pub(crate) use central::{ADVICE as CENTRAL_ADVICE, differ, silent};
pub use central::{central_management, concerns as concerns_central_management};
pub(crate) use coverage::spread;
pub(crate) use dependents::{called, needed, problems, uncounted};
pub(crate) use drains::{Untold, untold};
pub(crate) use fitness::RESTART;
pub use fitness::due as due_restart;
pub(crate) use lease::{ADVICE as LEASE_ADVICE, Holds, of_others as leases_of_others};
pub(crate) use look::Look;
pub use ours::{Ours, assess_ours};
pub(crate) use questions::{Count, is_for_time, outage_accepted, shown, unmeasured, unplanned};
pub use reach::unreached;
pub use replicas::Replicas;

/// Evidence older than this proves nothing. Why 30 s: a look at a whole pool takes a few seconds over WinRM, and the
/// state of a service seldom changes within half a minute of a maintenance night; at a few minutes another
/// administrator's restart would go unseen.
pub const EVIDENCE_LIFETIME: SignedDuration = SignedDuration::from_secs(30);

/// All that the questions about one server need.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The change.
    pub change: &'a Change,
    /// The server's pool.
    pub pool: &'a Pool,
    /// The server that is to go out.
    pub server: &'a ServerName,
    /// The whole pool as it was seen.
    pub seen: &'a PoolObservation,
    /// Servers of the pool that this run has taken out and not yet proven back.
    pub ours_out: &'a BTreeSet<ServerName>,
    /// The time now.
    pub now: Timestamp,
}

/// One safety question and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// The answer, with its counts.
    pub verdict: Verdict,
    /// What to do when the answer is not yes; empty when it is.
    pub advice: String,
}

/// A safety question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// Is the evidence fresh?
    Fresh,
    /// Does the pool's budget allow one more server out, counting those already down?
    Budget,
    /// Does a budget that several pools share allow one more server out? Answered by [`shared_budgets`].
    SharedBudget,
    /// Does another server of the pool stay in service?
    Remaining,
    /// Does enough of the pool keep running for the product's quorum? Front end pools only.
    Quorum,
    /// Is every server that is out in the same upgrade domain? Front end pools only.
    UpgradeDomain,
    /// Is this covered while the server is out?
    Coverage(Covered),
    /// Do servers remain behind the balancer?
    Balancer,
    /// Does the product say that a server may be taken out? Front end pools only.
    Ready,
    /// Are the configuration replicas up to date? Pools with the central management server only.
    Replication,
    /// Is the central management active where the plan says, and nowhere else? Pools that host it, and paired ones.
    CentralManagement,
    /// Can every service in scope be blocked, its sessions be counted and the end of its drain be told?
    Blockable,
    /// Is the installer on the server, and is it the one that the plan means? Plans with a patch only.
    Staged,
    /// Is there room for the installer, and no restart due? Plans with a patch only, as far as they ask.
    Fit,
    /// Does no other control host work on the pool?
    Lease,
}

/// What has to be covered while a server is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Covered {
    /// What DNS spreads over the pool besides the features of the list: do the records name every server and nothing
    /// else? Pools that DNS balances only.
    Records,
    /// The web clients: does the web services name lead to a balancer and to no server? Where `W3SVC` is blocked.
    WebName,
    /// The clients outside: do the external names of an Edge pool lead to every server and nothing else, or, behind a
    /// balancer, to no server? Where the plan states external names.
    External,
    /// Clients that begin: does every entry name lead to something else than the server that goes? Where the plan states
    /// entry names.
    Entry,
    /// A feature of the list: do the records, and another running server, cover it? Written as the feature alone.
    #[serde(untagged)]
    Feature(Feature),
}

impl fmt::Display for Covered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records => f.pad("records"),
            Self::WebName => f.pad("web-name"),
            Self::External => f.pad("external"),
            Self::Entry => f.pad("entry-names"),
            Self::Feature(feature) => feature.fmt(f),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.pad("fresh evidence"),
            Self::Budget => f.pad("budget"),
            Self::SharedBudget => f.pad("shared budget"),
            Self::Remaining => f.pad("another server serves"),
            Self::Quorum => f.pad("quorum"),
            Self::UpgradeDomain => f.pad("upgrade domain"),
            Self::Coverage(Covered::Records) => f.pad("records name every server"),
            Self::Coverage(Covered::WebName) => f.pad("web name leads to a balancer"),
            Self::Coverage(Covered::External) => f.pad("external names in order"),
            Self::Coverage(Covered::Entry) => f.pad("clients find another way in"),
            Self::Coverage(Covered::Feature(feature)) => f.pad(&format!("{feature} is covered")),
            Self::Balancer => f.pad("balancer"),
            Self::Ready => f.pad("the product says ready"),
            Self::Replication => f.pad("replicas up to date"),
            Self::CentralManagement => f.pad("one active central management"),
            Self::Blockable => f.pad("can be blocked and counted"),
            Self::Staged => f.pad("the installer is in place"),
            Self::Fit => f.pad("fit for the installer"),
            Self::Lease => f.pad("no other control host"),
        }
    }
}

/// Returns every question that matters for the server, in the order of [`Question`], with its answer. Questions that
/// do not exist for the pool (quorum of an Edge pool) are left out. The list is never empty.
///
/// Budgets that several pools share are not among them, since a case is about one pool: see [`shared_budgets`].
#[must_use]
pub fn assess(case: &Case<'_>) -> Vec<Asked> {
    Look::new(case.change, case.pool, case.seen, case.ours_out).assess(case.server, case.now)
}

/// Returns one verdict for all answers: yes only when each is yes, and no before unknown. The text is that of every
/// answer that is not yes, and the count when all are. No answer at all is unknown.
#[must_use]
pub fn may_go(asked: &[Asked]) -> Verdict {
    let against = |wanted: fn(&Verdict) -> bool| -> Vec<String> {
        asked
            .iter()
            .map(|asked| &asked.verdict)
            .filter(|verdict| wanted(verdict))
            .map(|v| v.text().to_owned())
            .collect()
    };
    let refused = against(|verdict| matches!(verdict, Verdict::No(_)));
    let unknown = against(|verdict| matches!(verdict, Verdict::Unknown(_)));
    match (refused.is_empty(), unknown.is_empty(), asked.is_empty()) {
        (false, _, _) => Verdict::No(refused.join("; ")),
        (true, false, _) => Verdict::Unknown(unknown.join("; ")),
        (true, true, true) => Verdict::Unknown("no question was asked".to_owned()),
        (true, true, false) => Verdict::Yes(format!("{} safety questions answered yes", asked.len())),
    }
}

/// Returns, for every budget that the server's pool shares with others, whether one more server may go. `out` holds,
/// by pool, the servers known to be out or not known to serve, taken out by this run or not; the server itself is not
/// counted. A pool of the budget that is missing from `out` makes the answer unknown.
#[must_use]
pub fn shared_budgets(
    change: &Change,
    pool: &Pool,
    server: &ServerName,
    out: &BTreeMap<PoolName, BTreeSet<ServerName>>,
) -> Vec<Asked> {
    let shared = change.budgets.iter().filter(|budget| pool.labels.contains(&budget.label));
    shared.map(|budget| questions::shared_budget(change, budget, server, out)).collect()
}
