//! What can go wrong with the files of a run.

use std::path::PathBuf;
use thiserror::Error;

/// Why a file of a run could not be read or written.
#[derive(Debug, Error)]
pub enum JournalError {
    /// The system refused.
    #[error("could not {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A record could not be appended. Nothing may be done that depends on it.
    #[error("could not append record {seq} to the journal")]
    Append {
        /// The record's number.
        seq: u64,
        /// The system's answer.
        #[source]
        source: std::io::Error,
    },
    /// A record that is not what was written.
    #[error("the journal {} is damaged at record {number}: {why}", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The record, counted from 1.
        number: u64,
        /// What does not fit.
        why: String,
    },
    /// A file that is not what it should be.
    #[error("{} is not readable: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is no such run.
    #[error("there is no run {run} in {}", path.display())]
    NoSuchRun {
        /// The run.
        run: String,
        /// The state folder.
        path: PathBuf,
    },
}

impl JournalError {
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
