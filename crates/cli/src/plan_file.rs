//! Reading a plan file: never more of it than a plan can be.

use crate::failure::Failure;
use crate::terminal::output;
use orchestrate_config::{Parsed, Style};
use orchestrate_display::Style as Colours;
use orchestrate_model::Change;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

/// A plan file that can be used.
pub(crate) struct PlanFile {
    /// What it asks for.
    pub(crate) change: Change,
    /// Its bytes, which are kept with the run.
    pub(crate) bytes: Vec<u8>,
}

/// Reads and checks a plan file. Warnings go to stderr.
///
/// # Errors
/// The file cannot be read, or has mistakes; the failure carries them rendered.
pub(crate) fn read(path: &Path) -> Result<PlanFile, Failure> {
    let bytes = bytes(path)?;
    let name = path.display().to_string();
    let Parsed { change, warnings } = orchestrate_config::parse(&name, &bytes).map_err(|found| {
        let mistakes = found.items().len() + found.omitted();
        let empty = found.is_empty_selection();
        let rendered = orchestrate_config::render(&found, &String::from_utf8_lossy(&bytes), &name, style());
        let code = found.items().first().map(|item| item.code.to_string()).unwrap_or_default();
        Failure::BadPlan { path: path.to_owned(), mistakes, empty, code, rendered }
    })?;
    if !warnings.is_empty() {
        let source = String::from_utf8_lossy(&bytes);
        output::talk(&orchestrate_config::render_list(&warnings, &source, &name, style()));
        output::talk("");
    }
    Ok(PlanFile { change, bytes })
}

fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::PlanUnreadable { path: path.to_owned(), source };
    let file = open(path).map_err(unreadable)?;
    let most = orchestrate_config::MOST_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// How long a pipe may take to be opened at its other end. A shell that substitutes a process has opened it before we
/// start.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens a file. The system waits for ever for somebody who writes to a named pipe; we do not.
fn open(path: &Path) -> io::Result<File> {
    if !is_pipe(path) {
        return File::open(path);
    }
    let (opened, waiting) = mpsc::channel();
    let path = path.to_owned();
    // It ends with the process when nobody ever writes.
    drop(std::thread::spawn(move || opened.send(File::open(path))));
    let nobody = |_elapsed| Err(io::Error::new(io::ErrorKind::TimedOut, "it is a pipe that nobody writes to"));
    waiting.recv_timeout(PATIENCE).unwrap_or_else(nobody)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_path: &Path) -> bool {
    false
}

fn style() -> Style {
    match output::talk_style() {
        Colours::Plain => Style::Plain,
        Colours::Ansi => Style::Colour,
    }
}
