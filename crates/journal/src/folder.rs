//! The state folder and the folders of runs in it.
//!
//! `runs/ID/` holds `plan.json` (all that a run needs, also when the plan file is gone), `plan.yaml` (as it was read),
//! `journal.jsonl`, `started.json` (how the plan was started, for commands that people are told), `progress.json` (the latest
//! view; losing either loses nothing) and `inbox/`; `claims/` the claims.

use crate::claim::{Claim, ClaimError, Holder};
use crate::error::JournalError;
use crate::inbox::{self, Taken};
use crate::journal::Journal;
use crate::line::{self, Entries};
use crate::storage::FileStorage;
use jiff::Timestamp;
use orchestrate_engine::{Command, Record, View};
use orchestrate_files::{Limit, Whose};
use orchestrate_model::{PoolName, RunId};
use orchestrate_planner::Plan;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The folder in which everything is kept that outlives a start of the tool.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
    /// The file with its name, as it was before the folder was opened here and got another one.
    before: Option<Vec<u8>>,
}

/// The folder of one run.
#[derive(Debug, Clone)]
pub struct RunFolder {
    id: RunId,
    path: PathBuf,
}

/// How a plan was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The plan file, as an absolute path.
    pub plan: String,
    /// The options that say on which servers, as a shell takes them.
    pub options: String,
    /// The directory file of the lab that was named, as an absolute path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lab_at: Option<String>,
    /// Whether it is a saved plan, which another command starts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub saved: bool,
}

/// The file that says how the plan of a run was started.
const STARTED: &str = "started.json";

/// What a process keeps of its run, should the run's folder go.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// The plan file as it was read.
    pub plan_file: Vec<u8>,
    /// The records so far.
    pub records: Vec<(Timestamp, Record)>,
    /// The name of its state folder.
    pub identity: Option<String>,
}

impl StateDir {
    /// Opens the state folder, creating it when it is not there.
    ///
    /// # Errors
    /// The system's answer, with the folder.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        for folder in [path.to_owned(), path.join("runs"), path.join("claims")] {
            orchestrate_files::create_folder(&folder).map_err(|source| JournalError::of_folder(folder, source))?;
        }
        all_ours(path)?;
        let mut state = Self { path: path.to_owned(), before: None };
        if state.identity().is_none() {
            state.before = state.came_from().and_then(|_| read_own(&path.join(IDENTITY), Limit::SMALL).ok());
            write_identity(path, &new_identity())?;
        }
        Ok(state)
    }

    /// Takes back that a copied folder was opened as another one, for a start that did not come to a run: that it is a copy
    /// stays known to whoever asks next.
    ///
    /// # Errors
    /// The system's answer.
    pub fn not_begun(&self) -> Result<(), JournalError> {
        self.before.as_ref().map_or(Ok(()), |before| write_synced(&self.path.join(IDENTITY), before))
    }

    /// Opens the state folder as it is. `None`: there is none. Nothing is created.
    ///
    /// # Errors
    /// The system's answer, with the folder.
    pub fn open_existing(path: &Path) -> Result<Option<Self>, JournalError> {
        for folder in [path.to_owned(), path.join("runs"), path.join("claims")] {
            match orchestrate_files::own_folder(&folder) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(source) => return Err(JournalError::of_folder(folder, source)),
            }
        }
        all_ours(path)?;
        Ok(Some(Self { path: path.to_owned(), before: None }))
    }

    /// Returns the name that no other state folder has, by which leases on servers know it. A folder that was copied or moved
    /// has none until it is opened for a run: the leases may be those of the other one, where somebody works.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        identity(&self.path)
    }

    /// Returns where the folder was when it got its name, if that is another place than this one.
    #[must_use]
    pub fn came_from(&self) -> Option<PathBuf> {
        let (_, place) = named(&self.path)?;
        place.filter(|place| *place != here(&self.path))
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the folder of a new run, with its plan in it.
    ///
    /// # Errors
    /// The system's answer, with the file.
    pub fn create_run(&self, id: &RunId, plan: &Plan, plan_file: &[u8]) -> Result<RunFolder, JournalError> {
        let path = self.path.join("runs").join(id.as_str());
        orchestrate_files::create_folder(&path).map_err(JournalError::io("create", &path))?;
        // The name of the folder too: a run that nobody finds again is a server that nobody brings back.
        sync_folder(&self.path.join("runs"))?;
        write_synced(&path.join("plan.yaml"), plan_file)?;
        let body = serde_json::to_vec(plan).expect("a plan serialises");
        write_synced(&path.join("plan.json"), &body)?;
        sync_folder(&path)?;
        Ok(RunFolder { id: id.clone(), path })
    }

    /// Writes a run again whose folder is gone or damaged, from what its process still knows.
    ///
    /// # Errors
    /// The system's answer, with the file.
    pub fn restore_run(&self, id: &RunId, plan: &Plan, kept: &Kept) -> Result<RunFolder, JournalError> {
        if let Some(identity) = &kept.identity {
            // The leases of its servers are those of this name.
            write_identity(&self.path, identity)?;
        }
        let folder = self.create_run(id, plan, &kept.plan_file)?;
        let mut journal = folder.writer(&folder.entries()?)?;
        kept.records.iter().try_for_each(|(at, record)| journal.append(*at, record).map(drop))?;
        Ok(folder)
    }

    /// Returns every run, oldest first.
    ///
    /// # Errors
    /// The system's answer.
    pub fn runs(&self) -> Result<Vec<RunFolder>, JournalError> {
        let folder = self.path.join("runs");
        let listing = std::fs::read_dir(&folder).map_err(JournalError::io("read", &folder))?;
        let mut runs: Vec<RunFolder> = listing
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let id = RunId::new(entry.file_name().to_str()?).ok()?;
                was_run(&entry.path()).then(|| RunFolder { id, path: entry.path() })
            })
            .collect();
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(runs)
    }

    /// Returns the run with this id.
    ///
    /// # Errors
    /// When there is none.
    pub fn run(&self, id: &RunId) -> Result<RunFolder, JournalError> {
        let path = self.path.join("runs").join(id.as_str());
        if was_run(&path) {
            Ok(RunFolder { id: id.clone(), path })
        } else {
            Err(JournalError::NoSuchRun { run: id.to_string(), path: self.path.clone() })
        }
    }

    /// Claims pools for a run: all of them or none.
    ///
    /// # Errors
    /// [`ClaimError::Held`] says who holds which.
    pub fn claim(&self, pools: &[PoolName], holder: &Holder) -> Result<Claim, ClaimError> {
        Claim::take(&self.path.join("claims"), pools, holder)
    }

    /// Returns who holds a pool now. `None`: nobody does, whatever a claim that was left behind says.
    ///
    /// # Errors
    /// The system's answer.
    pub fn holder(&self, pool: &PoolName) -> Result<Option<Holder>, JournalError> {
        crate::claim::holder(&self.path.join("claims"), pool)
    }
}

impl RunFolder {
    /// Returns the run's id.
    #[must_use]
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the journal is.
    #[must_use]
    pub fn journal_path(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// Returns the name of the state folder that the run is in.
    #[must_use]
    pub fn identity(&self) -> Option<String> {
        self.path.ancestors().nth(2).and_then(identity)
    }

    /// Refuses the folder of a run that others can change, or that is a link to elsewhere: what stands in it is obeyed.
    fn checked(&self) -> Result<(), JournalError> {
        let of = |source| JournalError::of_folder(self.path.clone(), source);
        if self.path.symlink_metadata().map_err(of)?.is_symlink() {
            let why = "it is a link, and no folder of a run".to_owned();
            return Err(JournalError::Unreadable { path: self.path.clone(), why });
        }
        orchestrate_files::own_folder(&self.path).map_err(of)?;
        ours(&self.path, |_name| true)
    }

    /// Returns the run's plan.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn plan(&self) -> Result<Plan, JournalError> {
        self.checked()?;
        let path = self.path.join("plan.json");
        let bytes = read_own(&path, Limit::LARGE).map_err(of_plan(&path))?;
        serde_json::from_slice(&bytes).map_err(|error| JournalError::Unreadable { path, why: error.to_string() })
    }

    /// Returns the plan file as it was read when the run began.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn plan_file(&self) -> Result<Vec<u8>, JournalError> {
        let path = self.path.join("plan.yaml");
        read_own(&path, Limit::TEXT).map_err(JournalError::io("read", &path))
    }

    /// Keeps the plan file that a start took the access from, which is how servers are reached and not what is done.
    ///
    /// # Errors
    /// The system's answer, with the file.
    pub fn keep_access(&self, at: Timestamp, plan_file: &[u8]) -> Result<PathBuf, JournalError> {
        let path = self.path.join(format!("access-{}.yaml", at.strftime("%Y%m%dT%H%M%SZ")));
        write_synced(&path, plan_file)?;
        sync_folder(&self.path)?;
        Ok(path)
    }

    /// Keeps how the plan was started, for commands that others are told. Losing it loses no more than that.
    ///
    /// # Errors
    /// The system's answer, with the file.
    pub fn keep_start(&self, started: &Started) -> Result<(), JournalError> {
        let body = serde_json::to_vec(started).expect("texts serialise");
        write_synced(&self.path.join(STARTED), &body)
    }

    /// Returns how the plan was started, where that is known.
    #[must_use]
    pub fn started(&self) -> Option<Started> {
        let bytes = read_own(&self.path.join(STARTED), Limit::TEXT).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Returns where the copy of the plan file is.
    #[must_use]
    pub fn plan_file_path(&self) -> PathBuf {
        self.path.join("plan.yaml")
    }

    /// Reads the journal. A run whose first record was not written has none.
    ///
    /// # Errors
    /// When it is damaged: names the record.
    pub fn entries(&self) -> Result<Entries, JournalError> {
        let path = self.journal_path();
        let bytes = match read_own(&path, Limit::JOURNAL) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(JournalError::of("read", path, source)),
        };
        line::read(&path, &bytes)
    }

    /// Opens the journal for appending after `entries`, which must have just been read under the run's claim.
    ///
    /// # Errors
    /// The system's answer.
    pub fn writer(&self, entries: &Entries) -> Result<Journal, JournalError> {
        let path = self.journal_path();
        let storage = FileStorage::open(&path, entries.length).map_err(JournalError::io("open", &path))?;
        sync_folder(&self.path)?;
        Ok(Journal::after(entries, Box::new(storage)))
    }

    /// Sends a command to whoever works on the run. Commands are taken in the order of `at`.
    ///
    /// # Errors
    /// The system's answer.
    pub fn send(&self, at: Timestamp, command: &Command) -> Result<(), JournalError> {
        let name = format!("{:020}-{}", at.as_nanosecond(), std::process::id());
        inbox::send(&self.path.join("inbox"), &name, command)
    }

    /// Sees to it that the run can take orders, and only from its own account.
    ///
    /// # Errors
    /// The system's answer.
    pub fn open_inbox(&self) -> Result<(), JournalError> {
        inbox::prepare(&self.path.join("inbox"))
    }

    /// Takes the commands that were sent.
    ///
    /// # Errors
    /// The system's answer.
    pub fn take_commands(&self) -> Result<Taken, JournalError> {
        inbox::take(&self.path.join("inbox"))
    }

    /// Leaves the latest view for other processes. Not synced: losing it loses nothing.
    ///
    /// # Errors
    /// The system's answer.
    pub fn write_view(&self, view: &View) -> Result<(), JournalError> {
        let path = self.path.join("progress.json");
        let body = serde_json::to_vec(view).expect("a view serialises");
        orchestrate_files::replace_unsynced(&path, &body).map_err(JournalError::io("write", &path))
    }

    /// Returns the latest view that was left, if any can be read.
    #[must_use]
    pub fn view(&self) -> Option<View> {
        let bytes = read_own(&self.path.join("progress.json"), Limit::LARGE).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

/// Whether a folder is one of a run, or what is left of one: reading it says what is missing. A plan file alone is of a run that
/// never began.
fn was_run(folder: &Path) -> bool {
    // A link that leads nowhere, or a pipe, is there as well.
    let there = |file: &&str| folder.join(file).symlink_metadata().is_ok();
    ["plan.json", "journal.jsonl", "progress.json"].iter().any(there)
}

/// The file with the name of a state folder.
const IDENTITY: &str = "identity";

fn identity(folder: &Path) -> Option<String> {
    let (name, place) = named(folder)?;
    place.is_none_or(|place| place == here(folder)).then_some(name)
}

/// Reads the name of a folder, and where it was when it got it.
fn named(folder: &Path) -> Option<(String, Option<PathBuf>)> {
    let bytes = read_own(&folder.join(IDENTITY), Limit::SMALL).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, place) = text.split_once('\n').unwrap_or((&text, ""));
    let name = uuid::Uuid::parse_str(name.trim()).ok()?.to_string();
    let place = place.trim_end_matches(['\r', '\n']);
    Some((name, (!place.is_empty()).then(|| PathBuf::from(place))))
}

/// Writes the name of a folder with its place: a copy of it is another folder.
fn write_identity(folder: &Path, name: &str) -> Result<(), JournalError> {
    let body = format!("{name}\n{}\n", here(folder).display());
    write_synced(&folder.join(IDENTITY), body.as_bytes())
}

/// Returns the one spelling of where a folder is, as it can be written down.
fn here(folder: &Path) -> PathBuf {
    let place = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    PathBuf::from(place.display().to_string())
}

/// Returns a name that no other state folder has.
#[must_use]
pub fn new_identity() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Refuses a state folder that others can put another in the place of, or whose name is not ours alone.
fn all_ours(path: &Path) -> Result<(), JournalError> {
    orchestrate_files::own_place(path).map_err(|source| JournalError::of_folder(path.to_owned(), source))?;
    ours(&path.join("claims"), |_name| true)?;
    ours(path, |name| name == IDENTITY)
}

/// Refuses a folder with a file of ours that others can change. One that is no file, or a link, is for whoever reads it.
fn ours(folder: &Path, counts: impl Fn(&str) -> bool) -> Result<(), JournalError> {
    let listing = std::fs::read_dir(folder).map_err(JournalError::io("read", folder))?;
    for entry in listing.filter_map(Result::ok) {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !entry.file_name().to_str().is_some_and(&counts) {
            continue;
        }
        let path = entry.path();
        match orchestrate_files::own_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(JournalError::of("use", path, error));
            }
            // It is replaced while a run goes on; what cannot be opened is for whoever reads it.
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn read_own(path: &Path, limit: Limit) -> std::io::Result<Vec<u8>> {
    orchestrate_files::read(path, limit, Whose::Ours)
}

/// A run that has a journal and no plan is not what was written.
fn of_plan(path: &Path) -> impl FnOnce(std::io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| match source.kind() {
        std::io::ErrorKind::NotFound => JournalError::Unreadable { path, why: "it is not there".to_owned() },
        _ => JournalError::of("read", path, source),
    }
}

/// Writes a file that is there in full or not at all.
pub(crate) fn write_synced(path: &Path, body: &[u8]) -> Result<(), JournalError> {
    orchestrate_files::replace(path, body).map_err(JournalError::io("write", path))
}

fn sync_folder(path: &Path) -> Result<(), JournalError> {
    orchestrate_files::sync_folder(path).map_err(JournalError::io("sync", path))
}
