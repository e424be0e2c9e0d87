//! Claims: two runs never work on one pool (promise P12).
//!
//! A claim is a lock that the operating system holds for the process, so a dead holder's claim is free at once, and a
//! file beside it that says who holds it. Each claim has a number that only grows; a run that lost its claim finds
//! another number there and may not act any more.

use crate::error::JournalError;
use crate::storage::is_full;
use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_model::{PoolName, RunId};
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Who holds a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The account.
    pub user: String,
    /// The host.
    pub host: String,
    /// The process id.
    pub process: u32,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// The run.
    pub run: RunId,
}

/// Why a pool could not be claimed.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// Somebody else holds it.
    #[error("{}", held(pool, holder.as_deref()))]
    Held {
        /// The pool.
        pool: PoolName,
        /// Who, as far as it can be read.
        holder: Option<Box<Holder>>,
    },
    /// The claim is not ours any more.
    #[error("this run no longer holds {pool}: {why}")]
    Lost {
        /// The pool.
        pool: PoolName,
        /// What was found.
        why: String,
    },
    /// The system refused.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

fn held(pool: &PoolName, holder: Option<&Holder>) -> String {
    holder.map_or_else(
        || format!("{pool} is held by another process, which has not said who it is"),
        |holder| {
            let since = holder.since.strftime("%Y-%m-%d %H:%MZ");
            format!(
                "{pool} is held by {} on {} (process {}) since {since} for run {}: {}",
                holder.user, holder.host, holder.process, holder.run, holder.reason
            )
        },
    )
}

/// A hold on pools. Dropping it gives them back.
#[derive(Debug)]
pub struct Claim {
    pools: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    pool: PoolName,
    path: PathBuf,
    number: u64,
    holder: Holder,
    /// Holds the system's lock until it is dropped.
    _lock: File,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OnDisk {
    pub(crate) number: u64,
    pub(crate) holder: Holder,
}

impl Claim {
    /// Claims all of `pools`, or none.
    pub(crate) fn take(folder: &Path, pools: &[PoolName], holder: &Holder) -> Result<Self, ClaimError> {
        // One order for everybody, so that two runs with several pools cannot wait for each other.
        let mut names = pools.to_vec();
        names.sort();
        names.dedup();
        let mut held = Vec::new();
        for pool in names {
            held.push(take_one(folder, pool, holder)?);
        }
        Ok(Self { pools: held })
    }

    /// Returns whether every pool is still ours.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] names the pool that is not.
    pub fn check(&self) -> Result<(), ClaimError> {
        self.pools.iter().try_for_each(Held::check)
    }

    /// Returns whether these pools are still ours; where none is named, whether the first of ours is. A run that is taken
    /// up by somebody else has all its pools taken, so any of them shows it: with hundreds of pools, reading every claim
    /// before each look would be most of what a run does.
    ///
    /// # Errors
    /// [`ClaimError::Lost`] names the pool that is not.
    pub fn check_of(&self, pools: &[&PoolName]) -> Result<(), ClaimError> {
        let first = self.pools.iter().take(usize::from(pools.is_empty()));
        let named = self.pools.iter().filter(|held| pools.contains(&&held.pool));
        first.chain(named).try_for_each(Held::check)
    }
}

impl Held {
    fn check(&self) -> Result<(), ClaimError> {
        let lost = |why: String| ClaimError::Lost { pool: self.pool.clone(), why };
        match on_disk(&self.path) {
            // Numbers begin anew when the folder was deleted, so the holder has to be the same too.
            Ok(Some(there)) if there.number == self.number && there.holder == self.holder => Ok(()),
            Ok(Some(there)) => Err(lost(format!("run {} holds it now", there.holder.run))),
            Ok(None) => Err(lost(format!("{} is gone", self.path.display()))),
            Err(error) => Err(lost(error.to_string())),
        }
    }
}

/// First labels that Windows takes for devices, whatever follows the dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Returns the beginning of the names of a pool's files. It is the same on every system, so that a state folder can be
/// read on each.
fn stem(pool: &PoolName) -> String {
    let name = pool.to_string();
    let first = name.split('.').next().unwrap_or_default();
    let is_port = |kind: &str| first.strip_prefix(kind).is_some_and(|end| end.len() == 1 && end.is_ascii());
    let is_device = DEVICES.contains(&first) || is_port("com") || is_port("lpt");
    // No name of a pool begins with this character.
    if is_device { format!("@{name}") } else { name }
}

fn take_one(folder: &Path, pool: PoolName, holder: &Holder) -> Result<Held, ClaimError> {
    let lock_path = folder.join(format!("{}.lock", stem(&pool)));
    let path = folder.join(format!("{}.json", stem(&pool)));
    let lock = orchestrate_files::open_lock(&lock_path).map_err(JournalError::io("open", &lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = on_disk(&path).ok().flatten().map(|there| Box::new(there.holder));
            return Err(ClaimError::Held { pool, holder });
        }
        Err(TryLockError::Error(source)) => {
            return Err(JournalError::Io { doing: "lock", path: lock_path, source }.into());
        }
    }
    let number = on_disk(&path)?.map_or(1, |there| there.number + 1);
    let body = serde_json::to_vec(&OnDisk { number, holder: holder.clone() }).expect("a holder serialises");
    match crate::folder::write_synced(&path, &body) {
        // A full disk must not keep anybody from bringing servers back: what was there is written over, which takes no
        // more room.
        Err(JournalError::Io { source, .. }) if is_full(&source) && path.exists() => {
            orchestrate_files::overwrite(&path, &body).map_err(JournalError::io("write", &path))?;
        }
        other => other?,
    }
    Ok(Held { pool, path, number, holder: holder.clone(), _lock: lock })
}

/// Returns who holds a pool now. A shared lock that is had at once proves that nobody does; it is given back at once.
pub(crate) fn holder(folder: &Path, pool: &PoolName) -> Result<Option<Holder>, JournalError> {
    let lock_path = folder.join(format!("{}.lock", stem(pool)));
    if let Err(error) = std::fs::symlink_metadata(&lock_path)
        && error.kind() == std::io::ErrorKind::NotFound
    {
        return Ok(None);
    }
    let lock = orchestrate_files::open_lock(&lock_path).map_err(JournalError::io("open", &lock_path))?;
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            on_disk(&folder.join(format!("{}.json", stem(pool)))).map(|there| there.map(|there| there.holder))
        }
        Err(TryLockError::Error(source)) => Err(JournalError::Io { doing: "lock", path: lock_path, source }),
    }
}

fn on_disk(path: &Path) -> Result<Option<OnDisk>, JournalError> {
    match orchestrate_files::read(path, Limit::SMALL, Whose::Ours) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| JournalError::Unreadable { path: path.to_owned(), why: error.to_string() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(JournalError::of("read", path.to_owned(), source)),
    }
}
