//! Everything that can end the program early, and in one table the exit code and the advice for each.

use crate::args::Cli;
use crate::before::Barred;
use crate::credentials::CredentialError;
use crate::exit::Exit;
use crate::home::quoted;
use crate::saved::SavedError;
use crate::terminal::output;
use orchestrate_approvals::Short;
use orchestrate_display::Unwritten;
use orchestrate_display::clean;
use orchestrate_driver_dns::MachineSettingsError;
use orchestrate_driver_haproxy::HaproxySettingsError;
use orchestrate_driver_winrm::SetupError;
use orchestrate_executor::RunError;
use orchestrate_journal::{ClaimError, JournalError};
use orchestrate_lab::LabError;
use orchestrate_model::{PoolName, ServerName};
use orchestrate_planner::PlanError;
use orchestrate_planner::windows::UnknownZone;
use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use thiserror::Error;

/// Why the program ends early.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("{0}")]
    Usage(String),
    #[error("cannot read the plan file {}", path.display())]
    PlanUnreadable { path: PathBuf, source: io::Error },
    #[error("{} has {}", path.display(), counted(*mistakes, "mistake"))]
    BadPlan { path: PathBuf, mistakes: usize, empty: bool, code: String, rendered: String },
    #[error("there is no page about {code}")]
    NoSuchCode { code: String },
    #[error("interrupted: {0}; nothing was changed")]
    Interrupted(&'static str),
    #[error("interrupted while the window was waited for; nothing was done in the meantime")]
    WaitEnded,
    #[error("the output was closed")]
    ClosedPipe,
    #[error("cannot write the output")]
    Output(#[source] io::Error),
    #[error("cannot start the machinery for waiting")]
    Runtime(#[source] io::Error),
    #[error("there is no home folder to keep runs in")]
    NoHome,
    #[error("{why}")]
    NothingToDecide { run: String, why: String },
    #[error("{}", no_such_run(run, path))]
    NoSuchRun { run: String, path: PathBuf },
    #[error("{}", no_state_folder(path, *there))]
    NoStateFolder { path: PathBuf, there: bool },
    #[error("the journal {} does not replay: {why}", path.display())]
    Corrupt { path: PathBuf, why: String },
    #[error(transparent)]
    Barred(#[from] Barred),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Claim(#[from] ClaimError),
    #[error(transparent)]
    Zone(#[from] UnknownZone),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("{0}")]
    Simulation(String),
    #[error("no process works on run {run}")]
    NobodyThere { run: String, program: String, over: bool },
    #[error("the plan does not say how the servers of {pool} are reached")]
    NoAccess { pool: PoolName },
    #[error("there are no credentials for {pool}")]
    Credentials { pool: PoolName, source: Box<CredentialError> },
    #[error("people cannot be told: {name}: {why}")]
    NoChannel { name: String, why: String },
    #[error("alerts cannot be silenced by {name}, which the plan names in `silences`: {why}")]
    NoSilencer { name: String, why: String },
    #[error("cannot read {}, which the plan names for {pool}", path.display())]
    AccessFile { pool: PoolName, path: PathBuf, source: io::Error },
    #[error("the access of {pool} cannot be used")]
    Access { pool: PoolName, source: Box<SetupError> },
    #[error("{server} cannot be reached in the way that the plan says")]
    Setup { server: ServerName, source: SetupError },
    #[error("the balancer of {pool} cannot be reached in the way that the plan says")]
    Balancer { pool: PoolName, source: HaproxySettingsError },
    #[error(transparent)]
    NameServers(#[from] MachineSettingsError),
    #[error("the lab has no {server}")]
    NotInLab { server: String },
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("the lab cannot be started")]
    LabStart { source: io::Error },
    #[error("the lab ended before it listened ({status}): {said}")]
    LabEnded { status: ExitStatus, said: String },
    #[error("the lab did not listen in time; {} may say why", log.display())]
    LabSlow { log: PathBuf },
    #[error("the lab of this plan runs already; its directory file is {}", path.display())]
    LabThere { path: PathBuf, plan: PathBuf },
    #[error("the lab of this plan runs already, {what}")]
    LabDiffers { what: String, stop: String },
    #[error("no lab of this plan runs")]
    NoLab,
    #[error("not every lab was ended: {}", labs.join("; "))]
    LabsGoOn { labs: Vec<String> },
    #[error("the lab of {} was made for another plan", path.display())]
    OtherLab { path: PathBuf },
    #[error("run {run} cannot be gone on with: its lab has ended, and its servers with it")]
    LabGone { run: String, out: usize, start: String },
    #[error("cannot read the lab scenario {}", path.display())]
    ScenarioUnreadable { path: PathBuf, source: io::Error },
    #[error("the lab scenario {} cannot be used: {why}", path.display())]
    BadScenario { path: PathBuf, why: String },
    #[error("no server could be asked; nothing was changed. {why}")]
    Unreachable { why: String, offline: String },
    #[error("refused before any change: {}", first_of(reasons))]
    Refused { reasons: Vec<String> },
    #[error("another control host works on these servers; nothing was changed: {}", first_of(reasons))]
    Leased { reasons: Vec<String> },
    #[error("refused before any change, because no person is there to decide: {}", first_of(reasons))]
    NobodyToAsk { reasons: Vec<String> },
    #[error("{} is not the plan any more that the window was waited for with; nothing was done", path.display())]
    PlanFileChanged { path: PathBuf },
    #[error(transparent)]
    Report(#[from] Unwritten),
    #[error("{why}; nothing was done")]
    OutsideWindow { why: String, plan: String },
    #[error("{0}")]
    NeverOpen(String),
    #[error("the plan {fingerprint} has no approval")]
    NotApproved { fingerprint: String, start: String },
    #[error("{short}")]
    NotSigned { short: Box<Short>, plan: String },
    #[error("O3029: who may sign approvals is not known: {}: {why}", path.display())]
    NoSigners { path: PathBuf, why: String },
    #[error("nothing was changed: you did not say yes")]
    Declined,
    #[error("the plan that was approved is {approved}; the plan now is {found}")]
    OtherPlan { approved: String, found: String },
    #[error(transparent)]
    Saved(#[from] SavedError),
    #[error("the plan was not saved: {why}")]
    NotSaved { why: String },
    #[error("{} is not run, and nothing was changed: {brief}", path.display())]
    NotAsSaved { path: PathBuf, brief: String },
    #[error("another start of the plan is at work; it holds {}", path.display())]
    Served { path: PathBuf },
    #[error("another process serves {}, and one is enough; it holds {}", what.display(), lock.display())]
    Serving { what: PathBuf, lock: PathBuf },
    #[error("{} cannot be served: {why}", path.display())]
    NotServed { path: PathBuf, why: String },
    #[error("cannot listen at {at}")]
    Listen { at: String, source: io::Error },
    #[error("the token file {} cannot be used: {why}", path.display())]
    TokenFile { path: PathBuf, why: String },
    #[error("the run did not begin; what it said is in {}: {said}", log.display())]
    NotDetached { log: PathBuf, said: String, exit: Exit },
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What to do about a run whose files are not what was written.
pub(crate) const KEEP: &str = "keep the file; look at the servers before anything else is done: the chapter \"The journal \
                               does not replay\" of docs/runbook.md says how";

/// A file that is not what was written does not mend by itself; one that the system did not give may.
fn of_journal(error: &JournalError) -> (Exit, Option<String>) {
    match error {
        JournalError::Damaged { .. } | JournalError::Unreadable { .. } => (Exit::Bug, Some(KEEP.to_owned())),
        JournalError::Io { doing: "use", source, .. } if is_no_folder(source) => (
            Exit::Usage,
            Some(
                "something else than a folder is there: name a folder with \
                 --state-dir or ORCHESTRATE_STATE_DIR, or move what is there elsewhere"
                    .to_owned(),
            ),
        ),
        JournalError::Io { .. }
        | JournalError::Append { .. }
        | JournalError::Exposed(_)
        | JournalError::NoSuchRun { .. } => (Exit::Temporary, None),
    }
}

/// Returns whether the state folder cannot be used because what is there is no folder. That does not pass by itself.
fn is_no_folder(source: &io::Error) -> bool {
    matches!(source.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists)
}

/// Returns which command was meant by a word that is no plan file.
fn meant(path: &Path) -> Option<String> {
    let word = path.to_str()?;
    if let Some(command) = Cli::nearest(word) {
        return Some(format!("did you mean the command `orchestrate {command}`?"));
    }
    // One word without an ending was hardly meant for a file.
    let is_word = word.chars().all(|c| c.is_ascii_alphabetic() || c == '-');
    is_word.then(|| "there is no command of this name either; `orchestrate help` lists them".to_owned())
}

/// Most reasons that an error repeats, and the most characters of each: all of them stand in the preview.
const REASONS: (usize, usize) = (3, 360);

/// Returns the first reasons in short, and how many more there are.
pub(crate) fn first_of(reasons: &[String]) -> String {
    let (most, long) = REASONS;
    let short = |reason: &String| match reason.char_indices().nth(long) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.clone(),
    };
    let mut said: Vec<String> = reasons.iter().take(most).map(short).collect();
    if let Some(more) = reasons.len().checked_sub(most).filter(|more| *more > 0) {
        said.push(format!("and {more} more"));
    }
    said.join("; ")
}

/// Says where mistakes are explained.
fn page(mistakes: usize, code: &str) -> String {
    if mistakes == 1 {
        format!("`orchestrate explain {code}` says more")
    } else {
        format!("each code has a page, such as `orchestrate explain {code}`")
    }
}

fn no_such_run(run: &str, path: &Path) -> String {
    let name = if run == "last" { "run yet".to_owned() } else { format!("run {run}") };
    format!("there is no {name} in {}", path.display())
}

#[expect(clippy::fn_params_excessive_bools, reason = "one fact, named where it is passed")]
fn no_state_folder(path: &Path, there: bool) -> String {
    let path = path.display();
    if there {
        format!("{path} is no state folder: it holds neither `runs` nor `labs`; nothing was created")
    } else {
        format!("there is no state folder {path}; nothing was created")
    }
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

impl Failure {
    /// Returns the failure for an error of writing output.
    pub(crate) fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ClosedPipe } else { Self::Output(error) }
    }

    /// The table: the exit code of each failure, and what the operator can do. Commands in it are called by `program`, so
    /// that they are about the same runs when they are copied.
    #[expect(clippy::too_many_lines, reason = "one table, an arm per case")]
    fn edge(&self, program: &str) -> (Exit, Option<String>) {
        let help = |text: &str| Some(text.to_owned());
        match self {
            Self::Usage(_) => (Exit::Usage, help("see `orchestrate --help`, or `orchestrate COMMAND --help`")),
            Self::NoSuchCode { .. } => (Exit::Usage, help("`orchestrate explain` lists all codes")),
            Self::NothingToDecide { run, .. } => {
                (Exit::Usage, Some(format!("`{program} status {run}` says what waits for what")))
            }
            Self::NoStateFolder { there: false, .. } => {
                (Exit::Usage, help("correct --state-dir or ORCHESTRATE_STATE_DIR; the first run creates the folder"))
            }
            Self::NoStateFolder { there: true, .. } => (
                Exit::Usage,
                help("correct --state-dir or ORCHESTRATE_STATE_DIR; a first run takes a folder that is new or empty"),
            ),
            Self::NoSuchRun { .. } => (Exit::Usage, Some(format!("`{program} status` lists all runs"))),
            Self::LabThere { path, plan } => (
                Exit::Usage,
                Some(format!(
                    "`--lab-at {}` attaches to it, `{program} lab {} --stop` ends it",
                    quoted(path),
                    quoted(plan)
                )),
            ),
            Self::LabDiffers { stop, .. } => (Exit::Usage, Some(format!("go on with it as it is, or end it: {stop}"))),
            Self::NoLab => (Exit::Usage, None),
            Self::NoHome => (Exit::Usage, help("name a folder with --state-dir")),
            Self::PlanUnreadable { path, .. } => (Exit::BadPlan, meant(path)),
            Self::Zone(_) => (Exit::BadPlan, None),
            Self::BadPlan { empty: true, .. } => (Exit::EmptySelection, None),
            Self::BadPlan { mistakes, code, .. } => (Exit::BadPlan, Some(page(*mistakes, code))),
            Self::ScenarioUnreadable { .. } | Self::BadScenario { .. } => (Exit::BadPlan, None),
            Self::Plan(PlanError::Cycle(_) | PlanError::Zone(_)) => (Exit::BadPlan, None),
            Self::Simulation(_)
            | Self::Report(_)
            | Self::Plan(PlanError::Broken(_))
            | Self::Run(RunError::Broken(_)) => {
                (Exit::Bug, help("please report this with the plan file and the run's journal"))
            }
            Self::Interrupted(_) | Self::WaitEnded => (Exit::Interrupted, None),
            Self::ClosedPipe => (Exit::Done, None),
            Self::NoAccess { .. } => (Exit::BadPlan, help("state access in the plan, or try the plan with --lab")),
            Self::Credentials { source, .. } => (Exit::Unreachable, source.advice()),
            Self::NoSilencer { .. } => (
                Exit::Unreachable,
                help("set the variable, or write the file, with the address; or take the entry out of `silences`"),
            ),
            Self::NoChannel { .. } => (
                Exit::Unreachable,
                Some("mend it, or take it out of the plan; `orchestrate notify PLAN` tries every way".to_owned()),
            ),
            Self::AccessFile { .. }
            | Self::Access { .. }
            | Self::Setup { .. }
            | Self::Balancer { .. }
            | Self::NameServers(_) => (Exit::Unreachable, None),
            Self::Unreachable { offline, .. } => {
                (Exit::Unreachable, Some(format!("mend that first; `{offline}` shows the plan without the servers")))
            }
            Self::NotInLab { .. } | Self::OtherLab { .. } => (Exit::Unreachable, help("start a lab of this plan")),
            Self::LabGone { out: 0, start, .. } => (
                Exit::Unreachable,
                Some(format!("it has left nothing out; a new run does the rest on a lab of its own: {start}")),
            ),
            Self::LabGone { start, .. } => (
                Exit::Unreachable,
                Some(format!(
                    "the servers that it has left out went with it: nothing to bring back; a new run: {start}"
                )),
            ),
            Self::Lab(_)
            | Self::LabStart { .. }
            | Self::LabEnded { .. }
            | Self::LabSlow { .. }
            | Self::LabsGoOn { .. } => (Exit::Unreachable, None),
            Self::Output(_) | Self::Runtime(_) => (Exit::Temporary, None),
            Self::Journal(error) | Self::Run(RunError::Journal(error)) => of_journal(error),
            Self::Corrupt { .. } => (Exit::Bug, help(KEEP)),
            Self::Barred(why) => why.edge(),
            Self::Claim(ClaimError::Held { holder: None, .. }) => {
                (Exit::PoolHeld, Some(format!("`{program} status` lists all runs with who works on them")))
            }
            Self::Claim(ClaimError::Held { holder: Some(holder), .. }) => {
                let run = &holder.run;
                let text = format!("`{program} status {run}` says what it does; `{program} watch {run}` shows it");
                (Exit::PoolHeld, Some(text))
            }
            Self::Claim(ClaimError::Lost { .. }) | Self::Run(RunError::ClaimLost(_)) => (Exit::PoolHeld, None),
            Self::Claim(ClaimError::Journal(error)) => of_journal(error),
            Self::NobodyThere { over: true, .. } => (Exit::Usage, help("it has ended")),
            Self::NobodyThere { run, program, .. } => (
                Exit::Temporary,
                Some(format!(
                    "go on with it: {program} resume {run}; or only bring its servers back: {program} recover {run}"
                )),
            ),
            Self::Leased { .. } => (
                Exit::PoolHeld,
                help(
                    "wait until it is done, or until its lease has run out where it is gone; `orchestrate explain O2080` \
                     says what else can be done",
                ),
            ),
            Self::Refused { .. } => (Exit::Unsafe, help("the findings above say what to do about each")),
            Self::NobodyToAsk { .. } => {
                (Exit::Unsafe, help("run it in a terminal without --unattended, or mend what the findings above say"))
            }
            Self::OutsideWindow { plan, .. } => {
                (Exit::NoWindow, Some(format!("`orchestrate windows {plan}` lists the openings")))
            }
            Self::NeverOpen(_) => (Exit::NoWindow, help("correct the windows and freezes of the plan")),
            Self::NotApproved { fingerprint, start } => (
                Exit::WaitingForApproval,
                Some(format!(
                    "look at the preview, then: {start} --approve {fingerprint}; or --yes, or run it in a terminal"
                )),
            ),
            Self::NotSigned { short, plan } => (
                if short.is_other { Exit::WorldMoved } else { Exit::WaitingForApproval },
                Some(format!(
                    "`orchestrate approve {plan} --out --as NAME` writes what NAME has to sign, and says how; `orchestrate explain` \
                     has a page about each code"
                )),
            ),
            Self::NoSigners { .. } => {
                (Exit::WaitingForApproval, help("`orchestrate explain O3029` says what the file needs"))
            }
            Self::Declined => (Exit::WaitingForApproval, None),
            Self::Served { .. } => (Exit::PoolHeld, None),
            Self::Serving { .. } => {
                (Exit::PoolHeld, help("end it first (SIGTERM, Ctrl-C): the runs that it has begun go on without it"))
            }
            Self::NotServed { .. } => (Exit::Usage, help("name the folder that the plans are in")),
            Self::Listen { .. } => (Exit::Temporary, None),
            Self::TokenFile { path, .. } => {
                let file = quoted(path);
                let text = format!("make one, such as: (umask 077; openssl rand -hex 32 > {file})");
                (Exit::Usage, Some(text))
            }
            Self::NotDetached { exit, .. } => (*exit, None),
            Self::PlanFileChanged { .. } => (Exit::WorldMoved, help("look at its preview, and start it again")),
            Self::Saved(error) => error.edge(),
            Self::NotSaved { .. } => (Exit::Unsafe, None),
            Self::NotAsSaved { .. } => (
                Exit::WorldMoved,
                help("look at the differences; make the preview again with --out, and have that approved"),
            ),
            Self::OtherPlan { .. } => (Exit::WorldMoved, help("look at the preview again and approve what it shows")),
        }
    }

    /// Returns the exit code.
    pub(crate) fn exit(&self) -> Exit {
        // The code is the same however the program is called.
        self.edge("orchestrate").0
    }

    /// Says what went wrong, why, and what to do, with commands as `program` calls them; returns the exit code.
    pub(crate) fn tell(&self, program: &str) -> Exit {
        let (exit, help) = self.edge(program);
        if matches!(self, Self::ClosedPipe) {
            return exit;
        }
        if let Self::BadPlan { rendered, .. } = self {
            output::talk(rendered);
            output::talk("");
        }
        output::talk(&chain(self, help.as_deref()));
        exit
    }
}

impl Failure {
    /// Returns what went wrong with all its causes, in one line.
    pub(crate) fn in_one_line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(text, ": {error}").unwrap_or_default();
            cause = error.source();
        }
        text
    }
}

/// Returns an error with all its causes, one per line, and the advice.
fn chain(error: &dyn Error, help: Option<&str>) -> String {
    let mut text = format!("error: {}", clean(&error.to_string()));
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(text, "\n  caused by: {}", clean(&error.to_string())).unwrap_or_default();
        cause = error.source();
    }
    if let Some(help) = help {
        write!(text, "\n  help: {help}").unwrap_or_default();
    }
    text
}
