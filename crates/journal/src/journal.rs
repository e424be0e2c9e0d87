//! Appending, with a receipt for each intent.

use crate::error::JournalError;
use crate::line::{self, Entries};
use crate::storage::Storage;
use jiff::Timestamp;
use orchestrate_engine::{Intent, Record};

/// A journal that is being written.
pub struct Journal {
    storage: Box<dyn Storage>,
    seq: u64,
    prev: String,
}

/// Proof that an intent is on disk. Only the journal makes it, and acting consumes it.
#[derive(Debug)]
pub struct Receipt {
    intent: Intent,
}

impl Receipt {
    /// Returns the intent that is on disk.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.intent
    }
}

impl Journal {
    /// Returns an empty journal.
    #[must_use]
    pub fn new(storage: Box<dyn Storage>) -> Self {
        Self { storage, seq: 0, prev: line::FIRST.to_owned() }
    }

    /// Returns a journal that goes on after `entries`. The storage must hold exactly these.
    #[must_use]
    pub fn after(entries: &Entries, storage: Box<dyn Storage>) -> Self {
        Self { storage, seq: entries.entries.len() as u64, prev: entries.last_hash.clone() }
    }

    /// Appends a record; when this returns it would survive a loss of power. Returns its number.
    ///
    /// # Errors
    /// The record is then not part of the journal.
    pub fn append(&mut self, at: Timestamp, record: &Record) -> Result<u64, JournalError> {
        let seq = self.seq + 1;
        let (line, hash) = line::write(seq, at, &self.prev, record);
        self.storage.append(line.as_bytes()).map_err(|source| JournalError::Append { seq, source })?;
        self.seq = seq;
        self.prev = hash;
        Ok(seq)
    }

    /// Returns whether room for records is running out.
    #[must_use]
    pub fn is_strained(&self) -> bool {
        self.storage.is_strained()
    }

    /// Appends an intent. Returns its number, and the receipt that lets its act be performed.
    ///
    /// # Errors
    /// The intent is then not part of the journal, and its act must not be performed.
    pub fn intend(&mut self, at: Timestamp, intent: Intent) -> Result<(u64, Receipt), JournalError> {
        let seq = self.append(at, &Record::Intent(intent.clone()))?;
        Ok((seq, Receipt { intent }))
    }
}
