//! Where lines are kept: a file that is synced after every line, or memory for simulations.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps lines.
pub trait Storage: Send {
    /// Appends a line, ending included, and returns when it would survive a loss of power.
    ///
    /// # Errors
    /// The system's answer. Part of the line may have been written.
    fn append(&mut self, line: &[u8]) -> io::Result<()>;

    /// Returns whether room is running out: what is in hand can still be brought back, nothing more should be begun.
    fn is_strained(&self) -> bool {
        false
    }
}

/// A file that only grows.
#[derive(Debug)]
pub struct FileStorage {
    path: PathBuf,
    file: File,
    length: u64,
    reserve: PathBuf,
    strained: bool,
}

/// Room kept free for the records that bring servers back when the disk is full. A record takes a few hundred bytes,
/// and bringing back a server with thirty services fewer than two hundred records.
const RESERVE: usize = 1024 * 1024;

/// Returns whether there is no room: on the disk, or for this account.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl FileStorage {
    /// Opens the journal at `path` for appending after its first `length` bytes; what follows them is cut off.
    ///
    /// # Errors
    /// The system's answer.
    pub fn open(path: &Path, length: u64) -> io::Result<Self> {
        let file = orchestrate_files::append_to(path)?;
        if file.metadata()?.len() != length {
            orchestrate_files::cut(&file, length)?;
        }
        file.sync_all()?;
        let reserve = path.with_extension("reserve");
        // A reserve that was only half written is none.
        let whole =
            std::fs::symlink_metadata(&reserve).is_ok_and(|found| found.is_file() && found.len() == RESERVE as u64);
        let reserved = if whole { Ok(()) } else { orchestrate_files::replace(&reserve, &vec![0x5a; RESERVE]) };
        let strained = match reserved {
            Ok(()) => false,
            // A disk that is full must not keep servers from being brought back.
            Err(error) if is_full(&error) => true,
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), file, length, reserve, strained })
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(line).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += line.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A torn line in the middle would make what follows unreadable.
                orchestrate_files::cut(&self.file, self.length)?;
                Err(error)
            }
        }
    }
}

impl Storage for FileStorage {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        // A journal that was deleted or replaced would take records that nobody finds again.
        let there = std::fs::metadata(&self.path)?.len();
        if there != self.length {
            return Err(io::Error::other(format!(
                "the file has {there} bytes, {} were written: it was changed by something else",
                self.length
            )));
        }
        match self.write_line(line) {
            Err(error) if is_full(&error) && self.reserve.exists() => {
                self.strained = true;
                orchestrate_files::remove(&self.reserve)?;
                self.write_line(line)
            }
            other => other,
        }
    }

    fn is_strained(&self) -> bool {
        self.strained
    }
}

/// Lines in memory, shared with whoever wants to read them.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage(Arc<Mutex<Vec<u8>>>);

impl MemoryStorage {
    /// Returns storage that begins with what was kept before.
    #[must_use]
    pub fn with(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(bytes)))
    }

    /// Returns a copy of what was kept.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Storage for MemoryStorage {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(())
    }
}
