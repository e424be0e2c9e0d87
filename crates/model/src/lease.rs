//! Whose a server is: the lease that a control host leaves on a server while it works on it (promise P12).
//!
//! Claims reach as far as a state folder. A lease lies on the server itself, so control hosts with state folders of their
//! own see each other. Its times are those of the server's own clock, so that control hosts need not agree on theirs.

use crate::ids::RunId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who works from one state folder on one control host. All runs of a state folder see each other's claims, so they are
/// one keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keeper {
    /// The state folder and the host, as one name that no other pair has.
    pub id: String,
    /// The account.
    pub user: String,
    /// The control host.
    pub host: String,
}

/// What a control host has left on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Whose it is.
    pub keeper: Keeper,
    /// The run that it was taken for.
    pub run: String,
    /// Until when it holds unless it is renewed, by the server's clock.
    pub until: Timestamp,
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { keeper, run, until } = self;
        let until = until.strftime("%Y-%m-%d %H:%M:%SZ");
        write!(f, "{} on {} for run {run}, until {until} by its clock", keeper.user, keeper.host)
    }
}

/// What a server says of its lease to one who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseState {
    /// There is none.
    Free,
    /// It is that of the one who asks.
    Ours,
    /// Another's, which has run out: it may be taken over.
    RanOut(Lease),
    /// Another's, which holds.
    Held(Lease),
}

/// What it takes to take or renew a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseAsk {
    /// The run that it is for.
    pub run: RunId,
    /// How long it is to hold from now on, at least.
    pub lasts: SignedDuration,
}

/// What became of taking or renewing a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// It is ours, and was another's that had run out before, if it says so.
    Ours {
        /// The lease that was taken over.
        from: Option<Lease>,
    },
    /// It is another's, and holds.
    Taken(Lease),
    /// Nobody knows whose it is.
    Unknown(String),
}
