//! Reading a plan file: never more of it than a plan can be.

use crate::failure::Failure;
use crate::only;
use crate::saved::{self, Saved};
use crate::terminal::output;
use orchestrate_config::{Diagnostics, Parsed, Style};
use orchestrate_display::Style as Colours;
use orchestrate_files::{Limit, Whose, read_start};
use orchestrate_model::Change;
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
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
    /// The calendars that it names, by the path that it gives.
    pub(crate) calendars: BTreeMap<String, String>,
    /// The saved plan that it was taken from, where that is so.
    pub(crate) saved: Option<Box<Saved>>,
}

/// A plan file as it was read: alone, or out of a saved plan.
struct Source {
    bytes: Vec<u8>,
    saved: Option<Box<Saved>>,
    calendars: RefCell<BTreeMap<String, String>>,
}

impl PlanFile {
    /// Returns the same, at any time where an emergency was declared for a reason.
    pub(crate) fn in_emergency(self, reason: Option<&str>) -> Self {
        match reason {
            Some(reason) => Self { change: self.change.in_emergency(reason.to_owned()), ..self },
            None => self,
        }
    }
}

impl PlanFile {
    /// Returns the same for these servers alone, or for those that a saved plan was made for.
    ///
    /// # Errors
    /// As those of [`only::chosen`].
    pub(crate) fn with_only(self, names: &[String]) -> Result<Self, Failure> {
        let saved = self.saved.as_ref().map(|saved| saved.only.clone()).unwrap_or_default();
        if !saved.is_empty() && !names.is_empty() {
            let text = format!("the saved plan is for {} alone; --only does not go with it", saved.join(", "));
            return Err(Failure::Usage(text));
        }
        let names = if names.is_empty() { &saved } else { names };
        Ok(Self { change: only::chosen(self.change, names)?, ..self })
    }
}

/// Reads and checks a plan file, or the one in a saved plan. Warnings go to stderr.
///
/// # Errors
/// The file cannot be read, or has mistakes; the failure carries them rendered.
pub(crate) fn read(path: &Path) -> Result<PlanFile, Failure> {
    let source = source(path)?;
    let parsed = parsed(path, &source);
    let Source { bytes, saved, calendars } = source;
    let name = path.display().to_string();
    let Parsed { change, warnings } = parsed.map_err(|found| bad_plan(path, &bytes, &found, style()))?;
    if !warnings.is_empty() {
        let source = String::from_utf8_lossy(&bytes);
        output::talk(&orchestrate_config::render_list(&warnings, &source, &name, style()));
        output::talk("");
    }
    Ok(PlanFile { change, bytes, calendars: calendars.into_inner(), saved })
}

/// Reads and checks a plan file, and says nothing.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn parse(path: &Path) -> Result<(Result<Parsed, Diagnostics>, Vec<u8>), Failure> {
    let source = source(path)?;
    Ok((parsed(path, &source), source.bytes))
}

fn source(path: &Path) -> Result<Source, Failure> {
    let bytes = bytes(path)?;
    if !saved::is_one(&bytes) {
        return Ok(Source::alone(bytes));
    }
    let saved = saved::read(path)?;
    let (bytes, calendars) = (saved.plan_file.text.clone().into_bytes(), saved.calendars.clone());
    Ok(Source { bytes, saved: Some(Box::new(saved)), calendars: RefCell::new(calendars) })
}

impl Source {
    fn alone(bytes: Vec<u8>) -> Self {
        Self { bytes, saved: None, calendars: RefCell::default() }
    }
}

/// Reads and checks a plan file for a folder of them: warnings are told by `check` and when it is approved. What is no file is
/// not waited for.
///
/// # Errors
/// As those of [`read`].
pub(crate) fn read_in_silence(path: &Path) -> Result<Change, Failure> {
    let unreadable = |source| Failure::PlanUnreadable { path: path.to_owned(), source };
    let bytes = read_start(path, orchestrate_config::MOST_BYTES as u64 + 1).map_err(unreadable)?;
    let source = Source::alone(bytes);
    Ok(parsed(path, &source).map_err(|found| bad_plan(path, &source.bytes, &found, Style::Plain))?.change)
}

fn parsed(path: &Path, source: &Source) -> Result<Parsed, Diagnostics> {
    let files = |named: &str| match &source.saved {
        Some(saved) => {
            let kept = saved.calendars.get(named).ok_or_else(|| "the saved plan does not hold it".to_owned())?;
            Ok(kept.clone().into_bytes())
        }
        None => {
            let bytes = beside(path, named)?;
            // One that is no text is a mistake of the plan.
            let text = String::from_utf8_lossy(&bytes).into_owned();
            source.calendars.borrow_mut().insert(named.to_owned(), text);
            Ok(bytes)
        }
    };
    orchestrate_config::parse_with(&path.display().to_string(), &source.bytes, &files)
}

fn bad_plan(path: &Path, bytes: &[u8], found: &Diagnostics, style: Style) -> Failure {
    let mistakes = found.items().len() + found.omitted();
    let empty = found.is_empty_selection();
    let name = path.display().to_string();
    let rendered = orchestrate_config::render(found, &String::from_utf8_lossy(bytes), &name, style);
    let code = found.items().first().map(|item| item.code.to_string()).unwrap_or_default();
    Failure::BadPlan { path: path.to_owned(), mistakes, empty, code, rendered }
}

/// Returns what a change says, as a digest.
pub(crate) fn digest(change: &Change) -> String {
    let body = serde_json::to_vec(change).unwrap_or_default();
    Sha256::digest(body).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

/// Reads a file that a plan names by a path of its own, or by one that begins at the plan.
fn beside(plan: &Path, named: &str) -> Result<Vec<u8>, String> {
    let path = plan.parent().unwrap_or(Path::new("")).join(named);
    orchestrate_files::read(&path, Limit::TEXT, Whose::Anybodys).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a plan file: a file, or the pipe of a shell that substitutes a process.
fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = orchestrate_config::MOST_BYTES as u64 + 1;
    let read = if orchestrate_files::is_pipe(path) { piped(path, most) } else { read_start(path, most) };
    read.map_err(|source| Failure::PlanUnreadable { path: path.to_owned(), source })
}

/// How long a pipe may take to be opened at its other end. A shell that substitutes a process has opened it before we
/// start.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long whoever writes into a pipe may take over a plan.
const WRITING: Duration = Duration::from_secs(60);

/// Reads a pipe. The system waits for ever for somebody who opens a named pipe, and for somebody who has opened it and
/// writes nothing; we do not.
fn piped(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let (opened, opening) = mpsc::channel();
    let (done, reading) = mpsc::channel();
    let path = path.to_owned();
    let read = move || {
        let file = File::open(path)?;
        // Whoever waits may have gone.
        opened.send(()).unwrap_or_default();
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map(|_count| bytes)
    };
    // It ends with the process when nobody ever writes.
    drop(std::thread::spawn(move || done.send(read())));
    let late = |what: &'static str| Err(io::Error::new(io::ErrorKind::TimedOut, what));
    if opening.recv_timeout(PATIENCE).is_err() {
        // It may also have failed at once.
        return reading.try_recv().unwrap_or_else(|_none| late("it is a pipe without a writer"));
    }
    let endless = "it is a pipe whose writer does not come to an end";
    reading.recv_timeout(WRITING).unwrap_or_else(|_elapsed| late(endless))
}

fn style() -> Style {
    match output::talk_style() {
        Colours::Plain => Style::Plain,
        Colours::Ansi => Style::Colour,
    }
}
