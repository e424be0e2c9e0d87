//! Commands from other processes to a run: one small file each, written beside and renamed in, taken in order.
//!
//! The folder is ours alone, and yet nothing that lies in it may hold up a run: what is no small file of ours is removed
//! where it can be, passed over where it cannot, and never waited for.

use crate::error::JournalError;
use orchestrate_engine::Command;
use orchestrate_files::{Limit, Whose};
use std::path::Path;

/// Most commands that are taken at once; a folder with more is being filled by mistake.
const MOST: usize = 1000;

/// Returns whether a run may take orders from what is in its inbox. Said when a run is taken in hand.
pub(crate) fn prepare(inbox: &Path) -> Result<(), JournalError> {
    orchestrate_files::create_folder(inbox).map_err(JournalError::io("create", inbox))
}

pub(crate) fn send(inbox: &Path, name: &str, command: &Command) -> Result<(), JournalError> {
    prepare(inbox)?;
    let body = serde_json::to_vec(command).expect("a command serialises");
    crate::folder::write_synced(&inbox.join(format!("{name}.json")), &body)
}

/// What was found in an inbox.
#[derive(Debug, Default)]
pub struct Taken {
    /// The commands, in their order.
    pub commands: Vec<Command>,
    /// What is no command, by its name, and why. What cannot be taken away is found again the next time.
    pub passed_over: Vec<(String, String)>,
}

impl Taken {
    fn pass_over(&mut self, path: &Path, why: impl Into<String>) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.passed_over.push((orchestrate_model::text::name(&name), orchestrate_model::text::foreign(&why.into())));
    }
}

pub(crate) fn take(inbox: &Path) -> Result<Taken, JournalError> {
    match orchestrate_files::own_folder(inbox) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Taken::default()),
        Err(source) => return Err(JournalError::of("read", inbox.to_owned(), source)),
    }
    let listing = std::fs::read_dir(inbox).map_err(JournalError::io("read", inbox))?;
    let mut taken = Taken::default();
    let mut paths = Vec::new();
    for entry in listing.filter_map(Result::ok).take(MOST) {
        let path = entry.path();
        // One that is being written has another name until it is whole.
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(orchestrate_files::NEW)) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            // A folder cannot be taken away like a file, so it is never looked into.
            taken.pass_over(&path, "it is a folder");
        } else if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        } else {
            taken.pass_over(&path, "the name of a command ends with .json");
        }
    }
    paths.sort();
    for path in paths {
        // Taken once, whatever it says. One that cannot be read or removed must not keep back or lose the others.
        let read = orchestrate_files::read(&path, Limit::SMALL, Whose::Ours);
        let removed = orchestrate_files::remove(&path);
        let bytes = match removed.and(read) {
            Ok(bytes) => bytes,
            Err(error) => {
                taken.pass_over(&path, error.to_string());
                continue;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(command) => taken.commands.push(command),
            Err(_) => taken.pass_over(&path, "what stands in it is no command of this version"),
        }
    }
    taken.passed_over.sort();
    Ok(taken)
}
