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

pub(crate) fn take(inbox: &Path) -> Result<Vec<Command>, JournalError> {
    match orchestrate_files::own_folder(inbox) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(JournalError::of("read", inbox.to_owned(), source)),
    }
    let listing = std::fs::read_dir(inbox).map_err(JournalError::io("read", inbox))?;
    let mut paths: Vec<_> = listing
        .filter_map(Result::ok)
        // A folder cannot be taken away like a file, so it is never looked at.
        .filter(|entry| entry.file_type().is_ok_and(|kind| !kind.is_dir()))
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .take(MOST)
        .collect();
    paths.sort();
    let mut commands = Vec::new();
    for path in paths {
        // Taken once, whatever it says. One that cannot be read or removed must not keep back or lose the others.
        let read = orchestrate_files::read(&path, Limit::SMALL, Whose::Ours);
        let removed = orchestrate_files::remove(&path);
        let bytes = match removed.and(read) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a command cannot be taken; it is ignored");
                continue;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(command) => commands.push(command),
            Err(error) => tracing::warn!(file = %path.display(), %error, "a command could not be read; it is ignored"),
        }
    }
    Ok(commands)
}
