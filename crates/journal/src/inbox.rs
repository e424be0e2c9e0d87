//! Commands from other processes to a run: one small file each, written beside and renamed in, taken in order.

use crate::error::JournalError;
use orchestrate_engine::Command;
use std::path::Path;

/// Most commands that are taken at once; a folder with more is being filled by mistake.
const MOST: usize = 1000;

pub(crate) fn send(inbox: &Path, name: &str, command: &Command) -> Result<(), JournalError> {
    std::fs::create_dir_all(inbox).map_err(JournalError::io("create", inbox))?;
    let body = serde_json::to_vec(command).expect("a command serialises");
    crate::folder::write_synced(&inbox.join(format!("{name}.json")), &body)
}

pub(crate) fn take(inbox: &Path) -> Result<Vec<Command>, JournalError> {
    let listing = match std::fs::read_dir(inbox) {
        Ok(listing) => listing,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(JournalError::Io { doing: "read", path: inbox.to_owned(), source }),
    };
    let mut paths: Vec<_> = listing
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .take(MOST)
        .collect();
    paths.sort();
    let mut commands = Vec::new();
    for path in paths {
        // Taken once, whatever it says. One that cannot be read or removed must not keep back or lose the others.
        let taken = std::fs::read(&path).and_then(|bytes| std::fs::remove_file(&path).map(|()| bytes));
        let bytes = match taken {
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
