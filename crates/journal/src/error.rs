//! What can go wrong with the files of a run.

use orchestrate_files::Exposed;
use std::io::ErrorKind;
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
    /// A folder or file of ours that others can write into, or that is another account's.
    #[error("{0}")]
    Exposed(Exposed),
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
        move |source| Self::of(doing, path, source)
    }

    /// Returns the error for the state folder itself, or one that it consists of. What stands where it was said to be and
    /// is no folder is none of ours.
    pub fn of_folder(path: PathBuf, source: std::io::Error) -> Self {
        match source.kind() {
            ErrorKind::NotADirectory => Self::Io { doing: "use", path, source },
            _ => Self::of("use", path, source),
        }
    }

    /// Returns the error for an answer of the system. What stands where a file of ours belongs and is none is a file that
    /// is not what was written: it does not mend by itself.
    pub(crate) fn of(doing: &'static str, path: PathBuf, source: std::io::Error) -> Self {
        if let Some(exposed) = source.get_ref().and_then(|inner| inner.downcast_ref::<Exposed>()) {
            return Self::Exposed(exposed.clone());
        }
        match source.kind() {
            ErrorKind::InvalidInput
            | ErrorKind::InvalidData
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::FileTooLarge => Self::Unreadable { path, why: source.to_string() },
            _ => Self::Io { doing, path, source },
        }
    }
}
