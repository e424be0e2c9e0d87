//! What is known to others of what is served: the list of plans, in memory for the API and as a file for `--status`, and what
//! is counted.

use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_serve::{End, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The list of plans as it was left.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Listing {
    /// The layout: 1.
    pub(crate) version: u32,
    /// The folder.
    pub(crate) folder: PathBuf,
    /// Who serves it.
    pub(crate) process: u32,
    /// Since when.
    pub(crate) since: Timestamp,
    /// When the list changed last.
    pub(crate) at: Timestamp,
    /// The plans, by name.
    pub(crate) plans: Vec<Status>,
}

/// What was counted since the process began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted {
    /// Starts.
    pub(crate) begun: u64,
    /// Ends, by exit code; by force without one.
    pub(crate) ended: BTreeMap<Option<u8>, u64>,
}

/// Where the list is left.
pub(crate) struct Board {
    path: PathBuf,
    inside: Mutex<(Listing, Counted)>,
    /// When the folder was looked at last.
    looked: Mutex<Instant>,
}

impl Board {
    pub(crate) fn new(state: &Path, folder: &Path) -> Self {
        let now = Timestamp::now();
        let (process, folder) = (std::process::id(), folder.to_owned());
        let listing = Listing { version: 1, folder, process, since: now, at: now, plans: Vec::new() };
        Self {
            path: path(state),
            inside: Mutex::new((listing, Counted::default())),
            looked: Mutex::new(Instant::now()),
        }
    }

    /// Leaves the list where it has changed.
    pub(crate) fn publish(&self, plans: Vec<Status>) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let listing = &mut inside.0;
        // A list of nothing is left too: it says that the folder is served.
        if listing.plans == plans && self.path.exists() {
            return;
        }
        (listing.plans, listing.at) = (plans, Timestamp::now());
        let body = serde_json::to_vec(listing).unwrap_or_default();
        if let Err(error) = orchestrate_files::replace_unsynced(&self.path, &body) {
            tracing::warn!(%error, path = %self.path.display(), "the list of plans cannot be left for others");
        }
    }

    /// Returns how long ago the folder was looked at.
    pub(crate) fn age(&self) -> Duration {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    pub(crate) fn begun(&self) {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).1.begun += 1;
    }

    pub(crate) fn ended(&self, end: Option<&End>) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        *inside.1.ended.entry(end.and_then(|end| end.exit)).or_default() += 1;
    }

    /// Returns the list.
    pub(crate) fn listing(&self) -> Listing {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Returns what was counted.
    pub(crate) fn counted(&self) -> Counted {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

fn path(state: &Path) -> PathBuf {
    super::book::folder(state).join("plans.json")
}

/// Returns the list as it was left last.
pub(crate) fn left(state: &Path) -> Option<Listing> {
    let bytes = orchestrate_files::read(&path(state), Limit::TEXT, Whose::Ours).ok()?;
    serde_json::from_slice(&bytes).ok()
}
