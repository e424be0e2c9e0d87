//! What the starts of each plan leave in the state folder, `serve/PLAN/`: `begun.json`, written before a start; `ended.json`,
//! written by the start itself when it ends; `lock`, which it holds as long as it lives; and `log`, what it said. So a
//! serving process that begins anew knows what the one before it has begun. Losing all of it loses no run: runs are in their
//! journals, and what is lost is that a plan was refused in this window already.

use crate::exit::Exit;
use crate::failure::Failure;
use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_journal::JournalError;
use orchestrate_serve::{End, Last};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folder of a plan.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    path: PathBuf,
}

/// A start before it is made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Begun {
    /// Unlike any other start.
    pub(crate) start: String,
    /// The plan file.
    pub(crate) plan: PathBuf,
    /// What it is begun with.
    pub(crate) last: Last,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ended {
    start: String,
    end: End,
}

/// A log longer than this is put aside before the next start; two of them are kept.
const LONG_LOG: u64 = 8 * 1024 * 1024;

/// How long a start waits for its lock: who serves asks for a moment whether it is held.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
const LOCK_AGAIN: Duration = Duration::from_millis(20);

impl Book {
    /// Returns the folder of a plan in a state folder. Nothing is created.
    pub(crate) fn of(state: &Path, plan: &str) -> Self {
        Self { path: folder(state).join(plan) }
    }

    /// Returns the one that was named to a start.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the starts say what they do.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Opens the log for a start.
    pub(crate) fn open_log(&self) -> Result<File, Failure> {
        let path = self.log();
        if std::fs::metadata(&path).is_ok_and(|found| found.len() > LONG_LOG) {
            std::fs::rename(&path, self.path.join("log.1")).map_err(failed("rename", &path))?;
        }
        orchestrate_files::append_to(&path).map_err(failed("open", &path))
    }

    /// Notes a start before it is made.
    pub(crate) fn begin(&self, begun: &Begun) -> Result<(), Failure> {
        orchestrate_files::create_folder(&self.path).map_err(failed("create", &self.path))?;
        self.write("begun.json", begun)
    }

    /// Notes how the start in hand ended. One that has noted it itself knows better.
    pub(crate) fn end(&self, end: End) -> Result<(), Failure> {
        let Some(begun) = self.read::<Begun>("begun.json") else { return Ok(()) };
        match self.read::<Ended>("ended.json") {
            Some(ended) if ended.start == begun.start => Ok(()),
            Some(_) | None => self.write("ended.json", &Ended { start: begun.start, end }),
        }
    }

    /// Returns the last start of a plan file, with its end where that is known.
    pub(crate) fn last(&self, plan: &Path) -> Option<Last> {
        let begun: Begun = self.read("begun.json").filter(|begun: &Begun| begun.plan == plan)?;
        let ended = self.read::<Ended>("ended.json").filter(|ended| ended.start == begun.start);
        Some(Last { end: ended.map(|ended| ended.end), ..begun.last })
    }

    /// Returns whether a start of the plan lives.
    pub(crate) fn is_at_work(&self) -> bool {
        let path = self.path.join("lock");
        if !path.exists() {
            return false;
        }
        let Ok(lock) = orchestrate_files::open_lock(&path) else { return false };
        matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Holds the plan as long as the start lives.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        let path = self.path.join("lock");
        let lock = orchestrate_files::open_lock(&path).map_err(failed("open", &path))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WITHIN => std::thread::sleep(LOCK_AGAIN),
                Err(TryLockError::WouldBlock) => return Err(Failure::Served { path }),
                Err(TryLockError::Error(source)) => return Err(failed("lock", &path)(source)),
            }
        }
    }

    fn write(&self, name: &str, what: &impl Serialize) -> Result<(), Failure> {
        let path = self.path.join(name);
        let body = serde_json::to_vec(what).expect("texts serialise");
        orchestrate_files::replace(&path, &body).map_err(failed("write", &path))
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let bytes = orchestrate_files::read(&self.path.join(name), Limit::SMALL, Whose::Ours).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Returns the folder for what is served from a state folder.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join("serve")
}

/// Returns the failure of a file of the state folder.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |source| JournalError::Io { doing, path, source }.into()
}

/// Returns how a start ended, for the next judgement of its plan.
pub(crate) fn end_of(ended: &Result<Exit, Failure>) -> End {
    let (exit, why) = match ended {
        Ok(exit) => (exit.code(), exit.words().to_owned()),
        Err(failure) => (failure.exit().code(), failure.in_one_line()),
    };
    End { exit: Some(exit), why, at: Timestamp::now() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(start: &str) -> Begun {
        let last = Last {
            digest: "d".into(),
            approved: "f".into(),
            approved_at: Timestamp::UNIX_EPOCH,
            begun: Timestamp::UNIX_EPOCH,
            window_ends: None,
            tries: 1,
            end: None,
        };
        Begun { start: start.into(), plan: "/plans/a.yaml".into(), last }
    }

    #[test]
    fn p6_a_start_that_was_ended_by_force_has_no_end_and_one_that_ended_keeps_what_it_said() {
        let state = tempfile::TempDir::new().unwrap();
        let book = Book::of(state.path(), "a.yaml");
        let plan = Path::new("/plans/a.yaml");
        assert!(book.last(plan).is_none() && !book.is_at_work());
        book.begin(&begun("one")).unwrap();
        assert!(book.last(plan).is_some_and(|last| last.end.is_none()));
        assert!(book.last(Path::new("/others/a.yaml")).is_none(), "another folder has another plan of this name");
        let end = |exit| End { exit, why: "because".into(), at: Timestamp::UNIX_EPOCH };
        book.end(end(Some(9))).unwrap();
        book.end(end(None)).unwrap();
        assert_eq!(book.last(plan).unwrap().end, Some(end(Some(9))));
        book.begin(&begun("two")).unwrap();
        assert!(book.last(plan).unwrap().end.is_none(), "the end is that of the start before");
        book.end(end(None)).unwrap();
        assert_eq!(book.last(plan).unwrap().end, Some(end(None)));
    }

    #[test]
    fn a_start_is_at_work_as_long_as_it_holds_its_lock() {
        let state = tempfile::TempDir::new().unwrap();
        let book = Book::of(state.path(), "a.yaml");
        book.begin(&begun("one")).unwrap();
        let lock = book.lock().unwrap();
        assert!(book.is_at_work() && book.is_at_work());
        drop(lock);
        assert!(!book.is_at_work());
    }
}
