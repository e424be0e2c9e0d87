//! The memory of a run: its folder, the hash-chained journal in it, and the claim on its pools.
//!
//! Belongs here: everything that touches the files of a run. Does not belong here: drivers, terminals, decisions. A
//! record is on disk before this crate says so, and only this crate can make the [`Receipt`] without which the executor
//! cannot act (promise P6).

mod claim;
mod error;
mod folder;
mod inbox;
mod journal;
mod line;
mod storage;
#[cfg(test)]
mod tests;

pub use claim::{Claim, ClaimError, Holder};
pub use error::JournalError;
pub use folder::{Kept, RunFolder, Started, StateDir, new_identity};
pub use inbox::Taken;
pub use journal::{Journal, Receipt};
pub use line::{Entries, Entry, read};
pub use storage::{FileStorage, MemoryStorage, Storage};
