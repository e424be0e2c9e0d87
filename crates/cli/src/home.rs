//! Where runs are kept, and how they are found again.
//!
//! Runs on a lab are kept apart from runs on real servers, with claims of their own: a run that was begun on imitated
//! servers must never be taken up on real ones, or the other way round.

use crate::args::{Common, LabArgs, RunArgs};
use crate::failure::Failure;
use crate::host;
use crate::terminal::output;
use jiff::Timestamp;
use orchestrate_display::live::Ground;
use orchestrate_engine::record::Actor;
use orchestrate_journal::{JournalError, RunFolder, Started, StateDir};
use orchestrate_model::{Keeper, RunId};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where a run happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the servers of the plan.
    Real,
    /// On imitated servers on this machine.
    Lab,
}

impl Place {
    /// Returns the same in the words of what is shown.
    pub(crate) fn ground(self) -> Ground {
        match self {
            Self::Real => Ground::Real,
            Self::Lab => Ground::Lab,
        }
    }
}

/// The state folder.
pub(crate) struct Home {
    path: PathBuf,
    /// Whether somebody has named it.
    named: bool,
    /// How to call this program again for the same runs.
    pub(crate) program: String,
    /// The copies of state folders that were told: once is enough.
    copies: Mutex<BTreeSet<PathBuf>>,
}

impl Home {
    /// The folder for what belongs to labs.
    pub(crate) const LABS: &str = "labs";

    /// Returns the state folder that was asked for, or the platform's. Nothing is created.
    pub(crate) fn find(common: &Common) -> Result<Self, Failure> {
        let path = match &common.state_dir {
            Some(path) => {
                let path = std::path::absolute(path).map_err(Failure::Output)?;
                not_for_labs(&path)?;
                path
            }
            None => host::state_folder().ok_or(Failure::NoHome)?,
        };
        Ok(Self { path, named: common.state_dir.is_some(), program: program(common), copies: Mutex::default() })
    }

    /// Returns the same for another thread.
    pub(crate) fn again(&self) -> Self {
        let (path, program) = (self.path.clone(), self.program.clone());
        Self { path, named: self.named, program, copies: Mutex::default() }
    }

    /// Returns the state folder where somebody has named it.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.named.then_some(self.path.as_path())
    }

    /// Returns the folder for what belongs to labs.
    pub(crate) fn labs(&self) -> PathBuf {
        self.path.join(Self::LABS)
    }

    /// Opens the runs of a place, creating the folder for them.
    pub(crate) fn open(&self, place: Place) -> Result<StateDir, Failure> {
        self.may_be_begun()?;
        // That of labs lies in it: whoever can write here can put another one in its place.
        orchestrate_files::create_folder(&self.path)
            .and_then(|()| orchestrate_files::own_place(&self.path))
            .map_err(|source| JournalError::of_folder(self.path.clone(), source))?;
        if let Some(state) = self.open_if_there(place)? {
            self.tell_copied(&state);
        }
        Ok(StateDir::open(&self.of(place))?)
    }

    /// Opens the runs of a place if there ever were any. Nothing is created.
    pub(crate) fn open_if_there(&self, place: Place) -> Result<Option<StateDir>, Failure> {
        Ok(StateDir::open_existing(&self.of(place))?)
    }

    /// Says where a state folder was copied or moved from.
    fn tell_copied(&self, state: &StateDir) {
        let Some(from) = state.came_from() else { return };
        let mut told = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(state.path().to_owned()) {
            output::talk(&copied(state.path(), &from));
        }
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
        self.was_begun()?;
        for place in [Place::Real, Place::Lab] {
            let Some(state) = self.open_if_there(place)? else { continue };
            self.tell_copied(&state);
            runs.extend(state.runs()?.into_iter().map(|folder| (place, folder)));
        }
        runs.sort_by(|(_, one), (_, other)| other.id().cmp(one.id()));
        Ok(runs)
    }

    /// Refuses a named folder that is not there, or that is full of something else: a mistyped name must not look like a folder
    /// without runs. One that was made for a first run is empty.
    pub(crate) fn was_begun(&self) -> Result<(), Failure> {
        let there = self.path.exists();
        if std::fs::read_dir(&self.path).is_ok_and(|mut listing| listing.next().is_none()) {
            return Ok(());
        }
        // What cannot be looked into, and what is no folder, is told by whoever opens it.
        let holds = |name: &&str| self.path.join(name).try_exists().unwrap_or(true);
        if !self.named || (there && !self.path.is_dir()) || ["runs", Self::LABS].iter().any(holds) {
            return Ok(());
        }
        Err(Failure::NoStateFolder { path: self.path.clone(), there })
    }

    /// Refuses to keep runs in a named folder that is full of something else.
    fn may_be_begun(&self) -> Result<(), Failure> {
        // One that is not there is created, and what is no folder is told by whoever opens it.
        let Ok(listing) = std::fs::read_dir(&self.path) else { return Ok(()) };
        let mut names = listing.filter_map(Result::ok).map(|entry| entry.file_name()).peekable();
        let expected = |name: OsString| name.to_str().is_some_and(|name| EXPECTED.contains(&name));
        if !self.named || names.peek().is_none() || names.any(expected) {
            return Ok(());
        }
        Err(Failure::NoStateFolder { path: self.path.clone(), there: true })
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

/// What may be in a state folder before the first run, or is enough to know one by. A new file system has `lost+found`.
const EXPECTED: [&str; 6] = ["runs", Home::LABS, "claims", "identity", "known-labs", "lost+found"];

/// Refuses a folder for labs as state folder: a run that was begun on imitated servers would be taken for one on real
/// servers there. The name alone is enough, whatever is in the folder; a link to one is one.
fn not_for_labs(path: &Path) -> Result<(), Failure> {
    let real = real(path).ok();
    let is_for_labs = |each: &&Path| each.file_name().is_some_and(|name| name.eq_ignore_ascii_case(Home::LABS));
    let Some(labs) = [path].into_iter().chain(real.as_deref()).find(is_for_labs) else { return Ok(()) };
    let right = labs.parent().unwrap_or(labs);
    Err(Failure::Usage(format!(
        "{} cannot be the state folder: a folder of this name is where a state folder keeps its runs on labs, apart from \
         those on real servers; name the one that it is in: --state-dir {}",
        labs.display(),
        quoted(right)
    )))
}

/// Returns how to call this program again for the same runs.
pub(crate) fn program(common: &Common) -> String {
    let from_environment = std::env::var_os(Common::STATE_DIR).map(PathBuf::from);
    match &common.state_dir {
        Some(given) if from_environment.as_ref() != Some(given) => {
            format!("orchestrate --state-dir {}", quoted(given))
        }
        Some(_) | None => "orchestrate".to_owned(),
    }
}

/// How a plan is started, as it is typed after the program. Whoever copies it after a run on a lab must never come to real
/// servers by it.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    /// The plan file.
    pub(crate) plan: String,
    options: String,
    /// The command, with a blank after it, where a plan is not started by its name alone.
    command: &'static str,
}

/// The command that starts a saved plan.
const APPLY: &str = "apply ";

impl Typed {
    /// Returns how the plan of this start is started.
    pub(crate) fn of(plan: &Path, args: &RunArgs) -> Self {
        let command = if args.saved { APPLY } else { "" };
        let usual = Self::of_lab(plan, &args.lab);
        let only = args.only.iter().map(|server| format!(" --only {}", quoted(Path::new(server))));
        let options = only.chain([usual.options]).collect();
        Self { plan: usual.plan, options, command }
    }

    /// The same for a command that takes nothing but a plan and a lab.
    pub(crate) fn of_lab(plan: &Path, lab: &LabArgs) -> Self {
        Self { plan: quoted(plan), options: lab.typed(), command: "" }
    }

    /// Returns how the plan of a run is started whose plan file nobody has named: as it was when the run began, or by the
    /// copy in the run's folder where the plan file has gone since.
    pub(crate) fn of_run(place: Place, folder: &RunFolder) -> Self {
        let known = folder.started().filter(|started| {
            let seen = |text: &str| orchestrate_display::clean(text) == text;
            seen(&started.plan) && seen(&started.options) && Path::new(&started.plan).is_file()
        });
        let (plan, options, command) = match known {
            Some(started) => {
                let command = if started.saved { APPLY } else { "" };
                (quoted(Path::new(&started.plan)), started.options, command)
            }
            None => (quoted(&folder.plan_file_path()), String::new(), ""),
        };
        let options = match place {
            Place::Real => String::new(),
            Place::Lab if options.starts_with(" --lab") => options,
            Place::Lab => " --lab".to_owned(),
        };
        Self { plan, options, command }
    }

    /// Returns the lab that the run was begun on by the name of its directory file, where that was so.
    pub(crate) fn lab_of(folder: &RunFolder) -> Option<PathBuf> {
        let path = folder.started().and_then(|started| started.lab_at).map(PathBuf::from);
        path.filter(|path| path.is_file())
    }

    /// Keeps with a run how its plan was started. Paths that are no text are not kept.
    pub(crate) fn keep(folder: &RunFolder, args: &RunArgs) -> Result<(), Failure> {
        let plan = args.plan.as_ref().and_then(|plan| std::path::absolute(plan).ok());
        let Some(plan) = plan.and_then(|plan| plan.to_str().map(str::to_owned)) else { return Ok(()) };
        let lab = args.lab.absolute();
        let lab_at = lab.lab_at.as_ref().and_then(|path| path.to_str()).map(str::to_owned);
        Ok(folder.keep_start(&Started { plan, options: lab.typed(), lab_at, saved: args.saved })?)
    }

    /// Returns the preview that asks no server.
    pub(crate) fn offline(&self, program: &str) -> String {
        format!("{} --dry-run --offline", self.start(program))
    }

    /// Returns the command.
    pub(crate) fn start(&self, program: &str) -> String {
        format!("{program} {}{}{}", self.command, self.plan, self.options)
    }
}

/// Returns a new run id: sortable by its time, unlike any other. That of a run on a lab says so.
pub(crate) fn new_run_id(now: Timestamp, place: Place) -> RunId {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let tag = match place {
        Place::Real => "",
        Place::Lab => "-lab",
    };
    let text = format!("{}-{}{tag}", now.strftime("%Y%m%d-%H%M%S"), &random[..4]);
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

/// Returns a path as the shell at hand takes it.
pub(crate) fn quoted(path: &Path) -> String {
    host::shell().quoted(&path.display().to_string())
}

/// Says that a state folder is a copy, or was moved: what goes on in the other one is not seen in this one.
fn copied(here: &Path, from: &Path) -> String {
    format!(
        "{} was copied or moved from {}: whether a process works on these runs from there cannot be seen here, only on the servers",
        here.display(),
        as_written(&from.display().to_string())
    )
}

/// Returns where a path really leads to, as people write it.
pub(crate) fn real(path: &Path) -> std::io::Result<PathBuf> {
    let real = std::fs::canonicalize(path)?;
    Ok(real.to_str().map(as_written).map_or_else(|| real.clone(), PathBuf::from))
}

/// Returns a path as people write it: that of a folder of Windows has a mark in its one spelling, which only paths of more
/// than 260 characters need.
fn as_written(path: &str) -> String {
    match path.strip_prefix(r"\\?\") {
        Some(rest) if path.len() < 260 => match rest.strip_prefix(r"UNC\") {
            Some(share) => format!(r"\\{share}"),
            None => rest.to_owned(),
        },
        Some(_) | None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn home(path: &Path) -> Result<Home, Failure> {
        Home::find(&Common { state_dir: Some(path.to_owned()), log: None })
    }

    #[test]
    fn a_path_is_told_as_people_write_it() {
        let long = format!(r"\\?\C:\{}", "a\\".repeat(150));
        let paths = [
            (r"\\?\C:\ops\state", r"C:\ops\state"),
            (r"\\?\UNC\server\share\state", r"\\server\share\state"),
            (r"\\server\share", r"\\server\share"),
            ("/var/lib/state", "/var/lib/state"),
            (&long, &long),
        ];
        for (path, told) in paths {
            assert_eq!(as_written(path), told);
        }
        let folder = tempfile::TempDir::new().unwrap();
        let real = real(&folder.path().join(".")).unwrap();
        assert!(
            real.is_absolute() && real.is_dir() && !real.display().to_string().starts_with(r"\\?\"),
            "{}",
            real.display()
        );
    }

    #[test]
    fn the_folder_for_labs_is_no_state_folder_by_whatever_name_it_is_reached() {
        let folder = tempfile::TempDir::new().unwrap();
        home(folder.path()).unwrap().open(Place::Lab).unwrap();
        let labs = folder.path().join(Home::LABS);
        for named in [labs.clone(), labs.join("."), labs.join("runs").join("..")] {
            let failure = home(&named).err().unwrap();
            assert_eq!(failure.exit(), Exit::Usage, "{}", named.display());
            assert!(failure.to_string().contains("--state-dir"), "{failure}");
        }
        assert!(home(&folder.path().join("no-such-folder").join("labs")).is_err());
        assert!(home(folder.path()).unwrap().runs().unwrap().is_empty());
    }

    #[test]
    fn a_folder_of_something_else_is_no_state_folder_and_an_empty_one_may_become_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let home = home(folder.path()).unwrap();
        let refused = |failure: Failure| matches!(failure, Failure::NoStateFolder { there: true, .. });
        assert!(home.runs().unwrap().is_empty(), "it was made for a first run");
        std::fs::write(folder.path().join("hosts"), "").unwrap();
        assert!(home.runs().err().is_some_and(refused) && home.open(Place::Real).err().is_some_and(refused));
        std::fs::remove_file(folder.path().join("hosts")).unwrap();
        home.open(Place::Real).unwrap();
        assert!(home.runs().unwrap().is_empty());
    }

    #[test]
    fn a_command_that_is_copied_after_a_run_on_a_lab_stays_on_labs() {
        let state = tempfile::TempDir::new().unwrap();
        let (home, program) = (home(state.path()).unwrap(), "orchestrate --state-dir x");
        let folder = |place, name: &str| {
            let source = include_bytes!("../../../plans/contoso-front-end.yaml");
            let change = orchestrate_config::parse("plan.yaml", source).unwrap().change;
            let seen = orchestrate_planner::Observations::default();
            let (plan, _report) = orchestrate_planner::make(&change, &seen, Timestamp::now()).unwrap();
            home.open(place).unwrap().create_run(&RunId::new(name).unwrap(), &plan, source).unwrap()
        };
        // A plan file that nobody has named, or that has gone, is told by its copy.
        let real = folder(Place::Real, "20261128-210000-aaaa");
        let copy = quoted(&real.plan_file_path());
        assert_eq!(Typed::of_run(Place::Real, &real).start(program), format!("{program} {copy}"));
        let lab = folder(Place::Lab, "20261128-210000-bbbb");
        let copy = quoted(&lab.plan_file_path());
        assert_eq!(Typed::of_run(Place::Lab, &lab).start(program), format!("{program} {copy} --lab"));
        let plan = state.path().join("my plan.yaml");
        let keep = |options: &str| {
            let plan = plan.to_str().unwrap().to_owned();
            lab.keep_start(&Started { plan, options: options.to_owned(), lab_at: None, saved: false }).unwrap();
        };
        keep(" --lab --lab-speed 60");
        assert_eq!(Typed::of_run(Place::Lab, &lab).start(program), format!("{program} {copy} --lab"), "it has gone");
        std::fs::write(&plan, "").unwrap();
        let command = format!("{program} '{}' --lab --lab-speed 60", plan.display());
        assert_eq!(Typed::of_run(Place::Lab, &lab).start(program), command);
        for damaged in ["", " --yes", " --lab\u{1b}[2J"] {
            keep(damaged);
            let start = Typed::of_run(Place::Lab, &lab).start(program);
            assert!(start.ends_with(" --lab"), "{start:?}");
        }
    }
}
