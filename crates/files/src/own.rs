//! What is ours: folders and files that no one else may write into.

use crate::system;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A folder or file of ours that others can write into, or that is another account's: whoever can write into it can give
/// us orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposed {
    /// The folder or file.
    pub path: PathBuf,
    /// What was found.
    pub why: String,
    /// The command that mends it.
    pub mend: String,
}

impl fmt::Display for Exposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, why, mend } = self;
        write!(f, "{} {why}; if what is in it is as it should be: {mend}", path.display())
    }
}

impl std::error::Error for Exposed {}

/// Refuses an open file that is another account's, or can be written by others.
pub(crate) fn check(path: &Path, file: &File) -> io::Result<()> {
    refused(path, system::exposed(path, file)?)
}

/// Refuses an open file that others can read.
pub(crate) fn check_secret(path: &Path, file: &File) -> io::Result<()> {
    check(path, file)?;
    refused(path, system::readable(path, file)?)
}

fn refused(path: &Path, wrong: Option<system::Wrong>) -> io::Result<()> {
    match wrong {
        None => Ok(()),
        Some((why, mend)) => {
            let exposed = Exposed { path: path.to_owned(), why, mend };
            Err(io::Error::new(io::ErrorKind::PermissionDenied, exposed))
        }
    }
}

/// Checks that a folder is one, and that no one else can write into it. A link to a folder counts as that folder.
///
/// # Errors
/// The system's answer, or [`io::ErrorKind::PermissionDenied`] with an [`Exposed`].
pub fn own_folder(path: &Path) -> io::Result<()> {
    let found = std::fs::metadata(path)?;
    if !found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is no folder"));
    }
    refused(path, system::exposed_folder(path)?)
}

/// Checks a file of ours that is not read now: whose it is, and that no one else can write into it. It is no link.
///
/// # Errors
/// The system's answer, or [`io::ErrorKind::PermissionDenied`] with an [`Exposed`].
pub fn own_file(path: &Path) -> io::Result<()> {
    check(path, &system::open_own(path)?)
}

/// Checks a folder as [`own_folder`] does, and every folder above it: whoever can rename one of them can put another in the
/// place of ours, whatever its own mode is.
///
/// # Errors
/// The system's answer, or [`io::ErrorKind::PermissionDenied`] with an [`Exposed`].
pub fn own_place(path: &Path) -> io::Result<()> {
    own_folder(path)?;
    match system::exposed_place(path)? {
        Some((above, wrong)) => refused(&above, Some(wrong)),
        None => Ok(()),
    }
}

/// Creates a folder that only its owner can enter, with those above it, so that their names survive a loss of power. One
/// that is there is checked.
///
/// # Errors
/// The system's answer, or [`io::ErrorKind::PermissionDenied`] with an [`Exposed`].
pub fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return own_folder(path);
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    if let Some(above) = above.filter(|above| !above.is_dir()) {
        create_folder(above)?;
    }
    match system::make_folder(path) {
        // Another start may be as early.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => own_folder(path),
        made => made.and_then(|()| above.map_or(Ok(()), system::sync_folder)),
    }
}
