//! The start of a plan as a process of its own: it outlives whoever serves, and is told nothing but what was approved.

use super::book::{Book, end_of, failed};
use super::plan::{Ground, Plan};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::home::Place;
use crate::host;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a plan in a session of its own. What it says goes to its log.
pub(crate) fn spawn(ground: &Ground<'_>, plan: &Plan, fingerprint: &str) -> Result<Child, Failure> {
    let program = std::env::current_exe().map_err(failed("find", Path::new("this program")))?;
    let log = plan.book.log();
    let mut out = plan.book.open_log()?;
    let at = jiff::Timestamp::now();
    writeln!(out, "--- {at} {}", plan.path.display()).map_err(failed("write", &log))?;
    let mut command = Command::new(&program);
    command.arg(&plan.path).args(["--unattended", "--now", "--approve", fingerprint]);
    command.arg("--served").arg(plan.book.path());
    if ground.place == Place::Lab {
        command.arg("--lab");
        if let Some(speed) = ground.lab.lab_speed {
            command.arg("--lab-speed").arg(speed.to_string());
        }
    }
    if let Some(state) = ground.home.named() {
        command.arg("--state-dir").arg(state);
    }
    let copy = out.try_clone().map_err(failed("open", &log))?;
    command.stdin(Stdio::null()).stdout(copy).stderr(out);
    host::begin_session(&mut command);
    orchestrate_files::keep_streams().map_err(failed("keep the streams of", &program))?;
    command.spawn().map_err(failed("start", &program))
}

/// Does what a start that is served has to do besides: it holds its plan as long as it lives, and says how it ended.
pub(crate) async fn served(folder: &Path, run: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    host::enter_session();
    let book = Book::at(folder);
    let lock = book.lock()?;
    let ended = run.await;
    book.end(end_of(&ended))?;
    drop(lock);
    ended
}
