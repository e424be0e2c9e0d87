//! `orchestrate serve`: a folder of approved plans, each run in its windows as a process of its own.
//!
//! What is judged of a plan is in a crate that knows no disk; here are the files, the processes and the log. Nothing here
//! keeps a server safe: each start asks for itself whether it may, claims its pools, and refuses another plan than the one
//! that was approved.

mod api;
pub(crate) mod approval;
mod board;
mod book;
mod differs;
mod folder;
mod index;
mod pages;
mod plan;
mod shelf;
mod start;
mod supervisor;

pub(crate) use book::failed;
pub(crate) use index::began;
pub(crate) use start::served;

use crate::args::{ServeArgs, TextOrJson};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::{Home, Place, real};
use crate::terminal::{output, signals};
use board::Board;
use plan::Ground;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use supervisor::{LOOK_EVERY, Supervisor, lock_of, say};

/// Serves a folder until somebody ends it. The runs that it has begun go on.
pub(crate) async fn run(home: &Home, args: &ServeArgs) -> Result<Exit, Failure> {
    let place = if args.lab { Place::Lab } else { Place::Real };
    if args.status {
        return status(home, place, args.output);
    }
    let folder = ours(&args.dir)?;
    let state = home.open(place)?;
    let serve = book::folder(state.path());
    orchestrate_files::create_folder(&serve).map_err(failed("create", &serve))?;
    let _state_lock = alone(&lock_of(state.path()), state.path())?;
    let _folder_lock = alone(&folder.join(".serve.lock"), &folder)?;
    let board = Arc::new(Board::new(state.path(), &folder));
    let lab = args.lab_args();
    let ground = Ground { home, state: &state, place, folder: &folder, lab: &lab };
    let where_to = if args.lab { " on labs" } else { "" };
    say(
        "",
        &format!(
            "serves {}{where_to}, at most {} at once; process {}",
            folder.display(),
            args.at_once,
            std::process::id()
        ),
    );
    api::begin(home, args, board.clone()).await?;
    let mut supervisor = Supervisor::new(ground, args.at_once, board);
    let told = signals::any();
    tokio::pin!(told);
    loop {
        supervisor.round();
        tokio::select! {
            _ = &mut told => break,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    say("", &left(&supervisor.at_work(), &home.program));
    Ok(Exit::Done)
}

/// Says what goes on without us.
fn left(at_work: &[String], program: &str) -> String {
    if at_work.is_empty() {
        return "ends; no run is at work".to_owned();
    }
    format!(
        "ends; what was begun goes on without it: {}. `{program} status` says what each does, `{program} stop RUN` ends one",
        at_work.join(", ")
    )
}

/// Returns the folder of plans. One that others can write into is refused: whoever can write an approval can have it run.
fn ours(folder: &Path) -> Result<PathBuf, Failure> {
    let refused = |why: String| Failure::NotServed { path: folder.to_owned(), why };
    orchestrate_files::own_place(folder).map_err(|error| refused(error.to_string()))?;
    let absolute = real(folder).map_err(|error| refused(error.to_string()))?;
    let found = folder::look(&absolute).map_err(|error| refused(error.to_string()))?;
    if found.len() > folder::MOST_PLANS {
        return Err(refused(format!(
            "it has {} plans and approvals, and at most {} are served",
            found.len(),
            folder::MOST_PLANS
        )));
    }
    Ok(absolute)
}

/// Takes a lock that only one process has.
fn alone(path: &Path, what: &Path) -> Result<File, Failure> {
    let lock = orchestrate_files::open_lock(path).map_err(failed("open", path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::Serving { what: what.to_owned(), lock: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed("lock", path)(source)),
    }
}

/// Returns whether somebody holds a lock.
fn is_held(path: &Path) -> bool {
    path.exists()
        && orchestrate_files::open_lock(path)
            .is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Tells the list as the serving process has left it.
fn status(home: &Home, place: Place, format: TextOrJson) -> Result<Exit, Failure> {
    let state = home.open_if_there(place)?;
    let left = state.as_ref().and_then(|state| board::left(state.path()));
    let Some(listing) = left else {
        home.was_begun()?;
        output::talk("nothing was served from this state folder yet");
        return Ok(Exit::Done);
    };
    let lives = state.is_some_and(|state| is_held(&lock_of(state.path())));
    if format == TextOrJson::Json {
        let mut value = serde_json::to_value(&listing).unwrap_or_default();
        value["serving"] = lives.into();
        output::data(&format!("{value}\n"))?;
        return Ok(Exit::Done);
    }
    let look = output::look();
    let (at, since) = (look.date_time(listing.at), look.date_time(listing.since));
    let folder = listing.folder.display();
    let mut lines = vec![match lives {
        true => format!("{folder}: served by process {} since {since}", listing.process),
        false => format!("{folder}: NOT SERVED; this is how it was {at}"),
    }];
    for plan in &listing.plans {
        let run = plan.run.as_ref().filter(|_| !plan.text.contains("run ")).map(|run| format!(" (run {run})"));
        lines.push(format!("  {}  {}{}", plan.plan, plan.text, run.unwrap_or_default()));
    }
    if listing.plans.is_empty() {
        lines.push("  no plans".to_owned());
    }
    output::sentences(&(lines.join("\n") + "\n"))?;
    Ok(Exit::Done)
}
