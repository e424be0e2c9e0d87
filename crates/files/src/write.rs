//! Writing files of our own. None of these follows a link at its last name, and what they create only its owner can read.

use crate::{own, read, system};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// The beginning of the names of files that are being written.
pub const NEW: &str = ".new-";

/// Opens a new file in the folder of another one.
fn beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // A new file under a name that nobody knows beforehand, never one that is there.
    tempfile::Builder::new().prefix(NEW).make_in(folder, |path| system::open_to_write(path, system::Make::New))
}

/// Gives a new file its name, in the place of what is there.
fn named(file: tempfile::NamedTempFile, path: &Path, survives: system::Survives) -> io::Result<()> {
    // Where a file that is open cannot be renamed it has to be closed.
    let (open, mut temporary) = file.into_parts();
    drop(open);
    system::rename(&temporary, path, survives)?;
    // It has another name now.
    temporary.disable_cleanup(true);
    Ok(())
}

/// Writes a file that is there in full or not at all, synced. What was there, a link too, is replaced.
///
/// # Errors
/// The system's answer.
pub fn replace(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(body)?;
    file.as_file().sync_all()?;
    named(file, path, system::Survives::Power)
}

/// The same for what may be lost with the power.
///
/// # Errors
/// The system's answer.
pub fn replace_unsynced(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(body)?;
    named(file, path, system::Survives::Process)
}

/// Writes over a file that is there, which takes no more room than it has.
///
/// # Errors
/// The system's answer.
pub fn overwrite(path: &Path, body: &[u8]) -> io::Result<()> {
    let mut file = system::open_to_write(path, system::Make::Nothing)?;
    read::regular(&file)?;
    file.write_all(body)?;
    file.set_len(body.len() as u64)?;
    file.sync_all()
}

/// Creates an empty file in the place of whatever was there.
///
/// # Errors
/// The system's answer.
pub fn create(path: &Path) -> io::Result<File> {
    match system::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    system::open_to_write(path, system::Make::New)
}

/// Opens a file for appending, creating it when it is not there.
///
/// # Errors
/// The system's answer, or [`io::ErrorKind::PermissionDenied`] with an [`own::Exposed`].
pub fn append_to(path: &Path) -> io::Result<File> {
    let file = system::open_to_append(path)?;
    read::regular(&file)?;
    own::check(path, &file)?;
    Ok(file)
}

/// Opens a file to lock it, creating it when it is not there.
///
/// # Errors
/// The system's answer, or [`io::ErrorKind::PermissionDenied`] with an [`own::Exposed`].
pub fn open_lock(path: &Path) -> io::Result<File> {
    let file = system::open_to_write(path, system::Make::IfMissing)?;
    read::regular(&file)?;
    own::check(path, &file)?;
    Ok(file)
}
