//! Starting a lab that outlives this process, as real servers would, and finding it again.

use super::{digest, directory_path, key, origin};
use crate::failure::Failure;
use crate::home::{Home, Place, quoted};
use crate::host;
use crate::terminal::{output, signals};
use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_journal::JournalError;
use orchestrate_lab::LabDirectory;
use orchestrate_model::Change;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a lab may take to listen. Real time; it makes a certificate for every server.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How often the directory file is looked for while a lab starts.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a lab is to be.
pub(crate) struct Wanted<'a> {
    pub(crate) home: &'a Home,
    pub(crate) plan: &'a Path,
    pub(crate) change: &'a Change,
    pub(crate) speed: f64,
    pub(crate) scenario: Option<&'a Path>,
    /// What of this somebody asked for in words.
    pub(crate) given: Given<'a>,
}

/// What somebody asked for: a lab that runs already has to be like that.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Given<'a> {
    pub(crate) speed: Option<f64>,
    pub(crate) scenario: Option<&'a Path>,
}

/// A lab that answers.
pub(crate) struct Running {
    pub(crate) directory: LabDirectory,
    /// Whether it was there before us.
    pub(crate) found: bool,
    /// Keeps others from ending it.
    pub(crate) in_use: InUse,
}

/// Keeps others from ending a lab, as long as this lives: a lock that all its users share, which the system gives back when a
/// user ends, however that comes about.
pub(crate) struct InUse {
    lab: PathBuf,
    users: File,
}

impl InUse {
    /// Takes a lab into use. Its directory file is at `lab`.
    fn of(lab: &Path) -> Result<Self, Failure> {
        let path = lab.with_extension("users");
        let users = orchestrate_files::open_lock(&path).map_err(|source| unusable("open", &path, source))?;
        match users.try_lock_shared() {
            Ok(()) => Ok(Self { lab: lab.to_owned(), users }),
            Err(TryLockError::WouldBlock) => Err(unusable("lock", &path, std::io::ErrorKind::WouldBlock.into())),
            Err(TryLockError::Error(source)) => Err(unusable("lock", &path, source)),
        }
    }

    /// Gives the lab up. Returns what keeps new users away while it is ended, when there are no others.
    pub(crate) async fn last(self) -> Result<Option<File>, Failure> {
        let Self { lab, users } = self;
        let alone = alone(&lab).await?;
        // Closed and not only unlocked: a system may count the locks of one open file, and want each given back.
        drop(users);
        let path = lab.with_extension("users");
        let users = orchestrate_files::open_lock(&path).map_err(|source| unusable("open", &path, source))?;
        match users.try_lock() {
            Ok(()) => Ok(Some(alone)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(unusable("lock", &path, source)),
        }
    }
}

/// Returns the lab of a change that runs already, in use from now on.
pub(crate) async fn rejoin(home: &Home, change: &Change) -> Result<Option<(LabDirectory, InUse)>, Failure> {
    let path = directory_path(home, change);
    home.open(Place::Lab)?;
    let _alone = alone(&path).await?;
    match find(home, change).await {
        Some(directory) => Ok(Some((directory, InUse::of(&path)?))),
        None => Ok(None),
    }
}

/// Returns the lab of a plan: the one that runs already, or a new one.
///
/// Found or started under a lock: of two starts at once the second joins the lab of the first.
pub(crate) async fn ensure(wanted: &Wanted<'_>) -> Result<Running, Failure> {
    wanted.home.open(Place::Lab)?;
    let path = directory_path(wanted.home, wanted.change);
    let _alone = alone(&path).await?;
    if let Some(directory) = find(wanted.home, wanted.change).await {
        join(wanted, &directory)?;
        return Ok(Running { directory, found: true, in_use: InUse::of(&path)? });
    }
    // First: a lab that nothing says is in use would go on for ever where that cannot be said.
    let in_use = InUse::of(&path)?;
    let directory = start(wanted).await?;
    Ok(Running { directory, found: false, in_use })
}

/// Waits until no other start looks for the lab of this plan, or starts it. The system gives the lock back when the file is
/// closed, however that comes about.
pub(super) async fn alone(lab: &Path) -> Result<File, Failure> {
    let path = lab.with_extension("lock");
    let lock = orchestrate_files::open_lock(&path).map_err(|source| unusable("open", &path, source))?;
    let began = tokio::time::Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if began.elapsed() < START_LIMIT * 2 => tokio::time::sleep(LOOK_EVERY).await,
            Err(TryLockError::WouldBlock) => {
                return Err(unusable("lock", &path, std::io::ErrorKind::TimedOut.into()));
            }
            Err(TryLockError::Error(source)) => return Err(unusable("lock", &path, source)),
        }
    }
}

/// Says that a lab runs already, or refuses it when it is not as somebody asked for.
fn join(wanted: &Wanted<'_>, directory: &LabDirectory) -> Result<(), Failure> {
    let differs = |what: String| {
        let stop = format!("{} lab {} --stop", wanted.home.program, quoted(wanted.plan));
        Err(Failure::LabDiffers { what, stop })
    };
    if let Some(speed) = wanted.given.speed.filter(|speed| (speed - directory.speed).abs() > f64::EPSILON) {
        return differs(format!("at speed {}, not {speed}", directory.speed));
    }
    if let Some(path) = wanted.given.scenario
        && digest(Some(path))? != directory.scenario
    {
        return differs(format!("with another scenario than {}", path.display()));
    }
    // A scenario beside the plan was not asked for by name: the lab may have been started with another one on purpose.
    let beside = wanted.scenario.filter(|_| wanted.given.scenario.is_none());
    let other = match beside {
        Some(path) if digest(Some(path))? != directory.scenario => {
            format!(", with another scenario than {}", path.display())
        }
        Some(_) | None => String::new(),
    };
    output::talk(&format!("joins the lab that runs already (speed {}{other})", directory.speed));
    Ok(())
}

/// Returns the lab of a change if it is there and answers.
pub(crate) async fn find(home: &Home, change: &Change) -> Option<LabDirectory> {
    attach(&directory_path(home, change), change).await.ok()
}

/// Returns the lab with this directory file after asking it.
pub(crate) async fn attach(path: &Path, change: &Change) -> Result<LabDirectory, Failure> {
    let directory = LabDirectory::read(path)?;
    directory.report().await?;
    if directory.plan != key(change) {
        return Err(Failure::OtherLab { path: path.to_owned() });
    }
    Ok(directory)
}

/// Returns the scenario file that was named, or the one beside the plan if it is there.
pub(crate) fn scenario_path(plan: &Path, named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(named) => Some(named.to_owned()),
        None => Some(plan.with_extension("lab.yaml")).filter(|beside| beside.exists()),
    }
}

async fn start(wanted: &Wanted<'_>) -> Result<LabDirectory, Failure> {
    let path = directory_path(wanted.home, wanted.change);
    for left in [path.clone(), path.with_extension("record.jsonl")] {
        // What is there belongs to a lab that is gone.
        if left.exists() {
            orchestrate_files::remove(&left).map_err(|source| unusable("remove", &left, source))?;
        }
    }
    let log = path.with_extension("log");
    let mut child = spawn(wanted, &path, &log)?;
    // Somebody who wants to end now leaves no lab behind.
    let started = tokio::select! {
        started = listens(wanted, &mut child, &path, &log) => started,
        _ = signals::any() => Err(Failure::Interrupted("the lab was being started")),
    };
    if started.is_err()
        && let Err(error) = child.kill()
    {
        tracing::debug!(%error, "the lab that did not start has ended already");
    }
    started
}

/// Waits until the lab that was started listens.
async fn listens(wanted: &Wanted<'_>, child: &mut Child, path: &Path, log: &Path) -> Result<LabDirectory, Failure> {
    let failed = |source| Failure::LabStart { source };
    let began = tokio::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            let said = orchestrate_files::read(log, Limit::TEXT, Whose::Ours).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            return Err(Failure::LabEnded { status, said: said.trim().to_owned() });
        }
        // The file appears whole: the lab renames it into place.
        if path.exists() {
            return attach(path, wanted.change).await;
        }
        if began.elapsed() > START_LIMIT {
            return Err(Failure::LabSlow { log: log.to_owned() });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Returns the failure of a state folder that cannot be used. It may be mended, so the failure is temporary.
fn unusable(doing: &'static str, path: &Path, source: std::io::Error) -> Failure {
    JournalError::Io { doing, path: path.to_owned(), source }.into()
}

fn spawn(wanted: &Wanted<'_>, directory: &Path, log: &Path) -> Result<Child, Failure> {
    let failed = |source| Failure::LabStart { source };
    let out = orchestrate_files::create(log).map_err(|source| unusable("create", log, source))?;
    let origin = origin(wanted.change, wanted.scenario, Timestamp::now())?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("lab-process").arg(wanted.plan).arg("--directory").arg(directory);
    command.arg("--speed").arg(wanted.speed.to_string()).arg("--origin").arg(origin.to_string());
    if let Some(scenario) = wanted.scenario {
        command.arg("--scenario").arg(scenario);
    }
    // The lab needs nothing of our environment, which may hold the password of real servers, and outlives us.
    command.env_clear();
    if let Some(root) = std::env::var_os("SystemRoot") {
        command.env("SystemRoot", root);
    }
    for kept in ["HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "ProgramData", "XDG_STATE_HOME", "TZ"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.stdin(Stdio::null()).stdout(out.try_clone().map_err(failed)?).stderr(out);
    // A Ctrl-C in our terminal must not reach it: real servers do not stop with the orchestrator either.
    host::set_apart(&mut command);
    orchestrate_files::keep_streams().map_err(failed)?;
    command.spawn().map_err(failed)
}
