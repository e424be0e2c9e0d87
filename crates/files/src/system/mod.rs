//! What differs between operating systems. Each system has one module with the same functions; what is decided about
//! rights is in `access`, which is the same everywhere.

#[cfg(any(windows, test))]
mod access;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as here;
#[cfg(windows)]
use windows as here;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What is created when a file is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Make {
    /// Nothing: it has to be there.
    Nothing,
    /// It, if it is missing.
    IfMissing,
    /// It, and it must not be there.
    New,
}

/// Whether a link at the last name is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Follow,
    Refuse,
}

/// What is wrong with the rights of something, and the command that mends it.
pub(crate) type Wrong = (String, String);

/// Opens a file for reading, over links.
pub(crate) fn open_any(path: &Path) -> io::Result<File> {
    here::open_to_read(path, Links::Follow)
}

/// Opens a file for reading that is no link.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    here::open_to_read(path, Links::Refuse).map_err(|error| of_link(path, error))
}

/// Opens a file for writing that is no link. What it creates only its owner can open.
pub(crate) fn open_to_write(path: &Path, make: Make) -> io::Result<File> {
    here::open_to_write(path, make).map_err(|error| of_link(path, error))
}

/// Opens a file that is no link for reading, and for writing at its end wherever that is then.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    here::open_to_append(path).map_err(|error| of_link(path, error))
}

/// The system's own words for a link where none may be are about loops.
fn of_link(path: &Path, error: io::Error) -> io::Error {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink());
    if is_link && error.kind() != io::ErrorKind::AlreadyExists {
        return io::Error::new(io::ErrorKind::InvalidInput, "it is a link, which is not followed here");
    }
    error
}

/// Gives a file the name `to`, in the place of what is there. With [`Survives::Power`] the new name survives a loss of
/// power.
pub(crate) fn rename(from: &Path, to: &Path, survives: Survives) -> io::Result<()> {
    here::rename(from, to, survives)
}

/// What a new name of a file has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Survives {
    /// The end of this process.
    Process,
    /// A loss of power.
    Power,
}

/// Removes a file.
///
/// # Errors
/// The system's answer.
pub fn remove(path: &Path) -> io::Result<()> {
    here::remove(path)
}

/// Cuts off what follows the first `length` bytes of a file that is open for appending.
///
/// # Errors
/// The system's answer.
pub fn cut(file: &File, length: u64) -> io::Result<()> {
    here::cut(file, length)
}

/// Creates a folder that only its owner can enter.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    here::make_folder(path)
}

/// Makes the entries of a folder survive a loss of power, as far as the system offers that for folders.
///
/// # Errors
/// The system's answer.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    here::sync_folder(path)
}

/// Says what something that was opened is, if it is neither a file nor a folder.
pub(crate) fn special(file: &File) -> io::Result<Option<&'static str>> {
    here::special(file)
}

/// Says who else can write into an open file.
pub(crate) fn exposed(path: &Path, file: &File) -> io::Result<Option<Wrong>> {
    here::exposed(path, file)
}

/// Says which folder above one of ours others can rename things in, and who.
pub(crate) fn exposed_place(path: &Path) -> io::Result<Option<(PathBuf, Wrong)>> {
    here::exposed_place(path)
}

/// Says who else can write into a folder.
pub(crate) fn exposed_folder(path: &Path) -> io::Result<Option<Wrong>> {
    here::exposed_folder(path)
}

/// Says who else can read an open file.
pub(crate) fn readable(path: &Path, file: &File) -> io::Result<Option<Wrong>> {
    here::readable(path, file)
}

/// Returns whether a path leads to a named pipe.
#[must_use]
pub fn is_pipe(path: &Path) -> bool {
    here::is_pipe(path)
}

/// Returns whether this process was started by the system as a service, so that its account is not that of a person.
/// Only Windows makes a difference of it.
///
/// # Errors
/// The system's answer.
pub fn is_service() -> io::Result<bool> {
    here::is_service()
}

/// Keeps the streams that this process was given from processes that it starts. Whoever waits for the end of our output
/// would wait for theirs too.
///
/// # Errors
/// The system's answer.
pub fn keep_streams() -> io::Result<()> {
    here::keep_streams()
}

/// How tests let others in and lead elsewhere.
#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::here::tests::{link, odd_things, open_to_all, readable_by_all};
}
