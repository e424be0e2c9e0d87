//! `orchestrate PLAN --detach`: looks, shows and asks here; then the run goes on in a process of its own, which does not end
//! with the terminal.
//!
//! That process starts like any other, with the fingerprint that was agreed to: it asks the servers anew, and refuses
//! another plan than that.

use super::resume::{Way, tell_of};
use super::run::{Agreed, Left, agreed, as_approved, consent, in_its_window, nothing_to_do};
use super::waiting::WAITS;
use crate::args::RunArgs;
use crate::before::{Ground, told};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, Typed, new_run_id, quoted};
use crate::host;
use crate::only;
use crate::plan_file::PlanFile;
use crate::saved;
use crate::serve::failed;
use crate::stage::{Stage, abandoned};
use crate::terminal::{output, signals};
use jiff::Timestamp;
use orchestrate_files::{Limit, Whose};
use orchestrate_journal::StateDir;
use orchestrate_model::RunId;
use orchestrate_planner::windows::{Calendar, WindowState};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often the start that goes on is looked at, until its run has begun. Real time.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Most characters of a log that are told.
const SAID: usize = 600;

pub(super) async fn run(home: &Home, (path, file): (&Path, &PlanFile), args: &RunArgs) -> Result<Exit, Failure> {
    let state = home.open(if args.lab.is_wanted() { Place::Lab } else { Place::Real })?;
    if args.approval.unattended {
        // It asks nobody, and may have to wait for its window first.
        return apart(home, &state, (path, file), args, args.approval.approve.as_deref()).await;
    }
    let stage = Stage::open(home, path, file, &args.lab).await?;
    let agreed = match agreed_to(home, &state, (path, file, args), &stage).await {
        Ok(Ok(fingerprint)) => fingerprint,
        Ok(Err(left)) => {
            stage.leave().await;
            return Ok(nothing_to_do(&left));
        }
        Err(failure) => return Err(stage.abandon(failure).await),
    };
    let Stage { readers, lab, in_use, .. } = stage;
    readers.close().await;
    match apart(home, &state, (path, file), args, Some(&agreed)).await {
        // A lab that we have started ends with the run.
        Ok(exit) => Ok(exit),
        Err(failure) => Err(abandoned(lab, in_use, failure).await),
    }
}

/// Returns the fingerprint that somebody has said yes to, of a new run, or of one that a start goes on with; or, where there is
/// nothing to do, what is left all the same.
async fn agreed_to(
    home: &Home,
    state: &StateDir,
    (path, file, args): (&Path, &PlanFile, &RunArgs),
    stage: &Stage,
) -> Result<Result<String, Vec<Left>>, Failure> {
    let typed = Typed::of(path, args);
    let ground = Ground { home, state, place: stage.place, lab: stage.lab.as_ref(), file };
    ground.free()?;
    let Some(found) = ground.unfinished().await? else {
        return Ok(match agreed(home, (path, file, args, &typed), stage).await? {
            Agreed::Run(agree) => Ok(agree.plan.fingerprint().to_string()),
            Agreed::Nothing(left) => Err(left),
        });
    };
    saved::as_begun(home, file, found.folder.id(), &found.plan)?;
    only::as_begun(found.folder.id().as_str(), found.plan.change(), &args.only, &file.change)?;
    output::talk(&format!("found {}; continuing", told(&found)));
    tell_of(&found, Way::Resume);
    in_its_window(&found, stage, &typed)?;
    let fingerprint = found.plan.fingerprint().to_string();
    as_approved(&args.approval, &found.plan)?;
    consent(&args.approval, (&found.plan, stage.place), &typed.start(&home.program), "continue?").await?;
    Ok(Ok(fingerprint))
}

/// Starts the process that goes on, and waits until it is on its way.
async fn apart(
    home: &Home,
    state: &StateDir,
    (path, file): (&Path, &PlanFile),
    args: &RunArgs,
    agreed: Option<&str>,
) -> Result<Exit, Failure> {
    let log = log_of(state)?;
    let mut child = spawn(home, (path, args), agreed, &log)?;
    let process = child.id();
    let calendar = Calendar::new(&file.change.windows, &file.change.freezes)?;
    let is_closed = matches!(calendar.state(Timestamp::now()), WindowState::Outside { .. });
    let waiting =
        || on_its_way(&format!("waits for its window by itself: process {process}, log {}", log.display()), &[]);
    if args.approval.waits() && is_closed && !args.lab.is_wanted() {
        return waiting();
    }
    let told = signals::any();
    tokio::pin!(told);
    loop {
        if let Some(status) = child.try_wait().map_err(failed("wait for", &log))? {
            return ended(&log, Exit::of_code(status.code()));
        }
        // Only the start itself knows the time of its lab.
        if args.approval.waits() && args.lab.is_wanted() && has_said(&log, WAITS) {
            return waiting();
        }
        if let Some(run) = begun(state, file, process)? {
            let text = format!("run {run} goes on by itself: process {process}, log {}", log.display());
            let program = &home.program;
            let commands = [
                format!("  {program} watch {run}  shows it; leaving does not stop it"),
                format!("  {program} decide {run} SERVER CHOICE  decides where it holds a server"),
                format!("  {program} stop {run}  ends it: finishes or undoes what is in hand"),
            ];
            return on_its_way(&text, &commands);
        }
        tokio::select! {
            _ = &mut told => {
                let text = format!("not waited for any longer; process {process} goes on, log {}", log.display());
                return on_its_way(&text, &[]);
            }
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn has_said(log: &Path, words: &str) -> bool {
    let bytes = orchestrate_files::read(log, Limit::TEXT, Whose::Ours).unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().any(|line| line.starts_with(words))
}

fn on_its_way(text: &str, commands: &[String]) -> Result<Exit, Failure> {
    let commands: String = commands.iter().map(|line| format!("{line}\n")).collect();
    output::data(&format!("{text}\n{commands}"))?;
    Ok(Exit::Done)
}

/// Says how a start ended before its run could be seen.
fn ended(log: &Path, exit: Exit) -> Result<Exit, Failure> {
    let bytes = orchestrate_files::read(log, Limit::TEXT, Whose::Ours).unwrap_or_default();
    let said = String::from_utf8_lossy(&bytes);
    let said = said.trim();
    let from = said.char_indices().rev().nth(SAID).map_or(0, |(at, _)| at);
    if exit == Exit::Done {
        output::talk(&format!("it has ended already; its log is {}", log.display()));
        return Ok(exit);
    }
    Err(Failure::NotDetached { log: log.to_owned(), said: said[from..].to_owned(), exit })
}

/// Returns the run of a process, once it holds a pool of the plan for it.
fn begun(state: &StateDir, file: &PlanFile, process: u32) -> Result<Option<RunId>, Failure> {
    let Some(pool) = file.change.pools.iter().map(|pool| &pool.name).min() else { return Ok(None) };
    let holder = state.holder(pool)?;
    Ok(holder.filter(|holder| holder.process == process).map(|holder| holder.run))
}

/// Returns where such a start says what it does.
fn log_of(state: &StateDir) -> Result<PathBuf, Failure> {
    let folder = state.path().join("detached");
    orchestrate_files::create_folder(&folder).map_err(failed("create", &folder))?;
    Ok(folder.join(format!("{}.log", new_run_id(Timestamp::now(), Place::Real))))
}

fn spawn(home: &Home, (path, args): (&Path, &RunArgs), agreed: Option<&str>, log: &Path) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(failed("find", Path::new("this program")))?;
    let out = orchestrate_files::create(log).map_err(failed("create", log))?;
    let mut command = Command::new(&program);
    if args.saved {
        command.arg("apply");
    }
    command.arg(path).arg("--apart");
    if let Some(agreed) = agreed {
        command.args(["--approve", agreed]);
    } else if args.approval.yes {
        command.arg("--yes");
    }
    for (given, option) in [(args.approval.unattended, "--unattended"), (args.approval.now, "--now")] {
        if given {
            command.arg(option);
        }
    }
    for server in &args.only {
        command.args(["--only", server]);
    }
    if let Some(reason) = &args.approval.emergency {
        command.args(["--emergency", reason]);
    }
    let lab = &args.lab;
    for (given, option) in [(lab.lab, "--lab"), (lab.lab_notify, "--lab-notify")] {
        if given {
            command.arg(option);
        }
    }
    if let Some(speed) = lab.lab_speed {
        command.arg("--lab-speed").arg(speed.to_string());
    }
    for (file, option) in [(&lab.lab_scenario, "--lab-scenario"), (&lab.lab_at, "--lab-at")] {
        if let Some(file) = file {
            command.arg(option).arg(file);
        }
    }
    if let Some(state) = home.named() {
        command.arg("--state-dir").arg(state);
    }
    let copy = out.try_clone().map_err(failed("open", log))?;
    command.stdin(Stdio::null()).stdout(copy).stderr(out);
    host::begin_session(&mut command);
    orchestrate_files::keep_streams().map_err(failed("keep the streams of", &program))?;
    tracing::debug!(program = %quoted(&program), "starts the process that goes on");
    command.spawn().map_err(failed("start", &program))
}
