//! Where runs are kept, and how they are found again.
//!
//! Runs on a lab are kept apart from runs on real servers, with claims of their own: a run that was begun on imitated
//! servers must never be taken up on real ones, or the other way round.

use crate::args::Common;
use crate::failure::Failure;
use etcetera::BaseStrategy;
use jiff::Timestamp;
use orchestrate_engine::record::Actor;
use orchestrate_journal::{RunFolder, StateDir};
use orchestrate_model::{Keeper, RunId};
use std::path::{Path, PathBuf};

/// Where a run happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the servers of the plan.
    Real,
    /// On imitated servers on this machine.
    Lab,
}

/// The state folder.
pub(crate) struct Home {
    path: PathBuf,
    /// Whether somebody has named it.
    named: bool,
    /// How to call this program again for the same runs.
    pub(crate) program: String,
}

impl Home {
    /// The folder for what belongs to labs.
    pub(crate) const LABS: &str = "labs";

    /// Returns the state folder that was asked for, or the platform's. Nothing is created.
    pub(crate) fn find(common: &Common) -> Result<Self, Failure> {
        let path = match &common.state_dir {
            Some(path) => std::path::absolute(path).map_err(Failure::Output)?,
            None => {
                let strategy = etcetera::choose_base_strategy().map_err(|_no_home| Failure::NoHome)?;
                strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("orchestrate")
            }
        };
        let from_environment = std::env::var_os("ORCHESTRATE_STATE_DIR").map(PathBuf::from);
        let program = match &common.state_dir {
            Some(given) if from_environment.as_ref() != Some(given) => {
                format!("orchestrate --state-dir {}", quoted(given))
            }
            Some(_) | None => "orchestrate".to_owned(),
        };
        Ok(Self { path, named: common.state_dir.is_some(), program })
    }

    /// Returns the folder for what belongs to labs.
    pub(crate) fn labs(&self) -> PathBuf {
        self.path.join(Self::LABS)
    }

    /// Opens the runs of a place.
    pub(crate) fn open(&self, place: Place) -> Result<StateDir, Failure> {
        Ok(StateDir::open(&self.of(place))?)
    }

    /// Opens the runs of a place if there ever were any. Nothing is created.
    pub(crate) fn open_if_there(&self, place: Place) -> Result<Option<StateDir>, Failure> {
        Ok(StateDir::open_existing(&self.of(place))?)
    }

    fn of(&self, place: Place) -> PathBuf {
        match place {
            Place::Real => self.path.clone(),
            Place::Lab => self.labs(),
        }
    }

    /// Returns who takes leases on the servers for what is run from here: the state folder of a place on this host. A
    /// folder that is not there yet has no leases either, and any name will do. Nothing is created.
    pub(crate) fn keeper(&self, place: Place) -> Result<Keeper, Failure> {
        let identity = self.open_if_there(place)?.and_then(|state| state.identity());
        let actor = actor();
        let id = format!("{}@{}", identity.unwrap_or_else(orchestrate_journal::new_identity), actor.host);
        Ok(Keeper { id, user: actor.user, host: actor.host })
    }

    /// Returns every run with its place, newest first.
    pub(crate) fn runs(&self) -> Result<Vec<(Place, RunFolder)>, Failure> {
        let mut runs = Vec::new();
        if self.named && !self.path.exists() {
            return Err(Failure::NoStateFolder { path: self.path.clone() });
        }
        for place in [Place::Real, Place::Lab] {
            let Some(state) = self.open_if_there(place)? else { continue };
            runs.extend(state.runs()?.into_iter().map(|folder| (place, folder)));
        }
        runs.sort_by(|(_, one), (_, other)| other.id().cmp(one.id()));
        Ok(runs)
    }

    /// Returns the failure of a run that is not there.
    pub(crate) fn no_run(&self, text: &str) -> Failure {
        Failure::NoSuchRun { run: text.to_owned(), path: self.path.clone() }
    }

    /// Returns the run that `text` names: its id, a beginning that only one run has, or `last`.
    pub(crate) fn run(&self, text: &str) -> Result<(Place, RunFolder), Failure> {
        if text.trim().is_empty() {
            return Err(Failure::Usage("the name of the run is empty; `last` means the newest one".to_owned()));
        }
        let runs = self.runs()?;
        let unknown = || self.no_run(text);
        if text == "last" {
            return runs.into_iter().next().ok_or_else(unknown);
        }
        let mut found: Vec<_> = runs.into_iter().filter(|(_, run)| run.id().as_str().starts_with(text)).collect();
        if let Some(exact) = found.iter().position(|(_, run)| run.id().as_str() == text) {
            return Ok(found.swap_remove(exact));
        }
        match found.len() {
            1 => Ok(found.swap_remove(0)),
            0 => Err(unknown()),
            several => Err(Failure::Usage(format!("{several} runs begin with {text}; give more of the id"))),
        }
    }
}

/// Returns a new run id: sortable by its time, unlike any other.
pub(crate) fn new_run_id(now: Timestamp) -> RunId {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let text = format!("{}-{}", now.strftime("%Y%m%d-%H%M%S"), &random[..4]);
    RunId::new(&text).expect("digits, letters and hyphens make a run id")
}

/// Returns who we are, for the journal and for claims.
pub(crate) fn actor() -> Actor {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let named = ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(variable);
    Actor {
        user: named.or_else(|| whoami::username().ok()).unwrap_or_else(|| "unknown".to_owned()),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        process: std::process::id(),
    }
}

/// Returns a path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:\\".contains(c)) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
