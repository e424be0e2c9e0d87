//! What differs between operating systems.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io;
use std::path::Path;

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

/// Opens a file for reading, over links.
pub(crate) fn open_any(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    at_once(&mut options, Links::Follow);
    options.open(path)
}

/// Opens a file for reading that is no link.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    at_once(&mut options, Links::Refuse);
    options.open(path).map_err(|error| of_link(path, error))
}

pub(crate) fn open_to_write(path: &Path, make: Make) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(make == Make::IfMissing).create_new(make == Make::New);
    at_once(&mut options, Links::Refuse);
    options.open(path).map_err(|error| of_link(path, error))
}

pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    at_once(&mut options, Links::Refuse);
    options.open(path).map_err(|error| of_link(path, error))
}

/// Whether a link at the last name is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Follow,
    Refuse,
}

/// The system's own words for a link where none may be are about loops.
fn of_link(path: &Path, error: io::Error) -> io::Error {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_symlink());
    if is_link && error.kind() != io::ErrorKind::AlreadyExists {
        return io::Error::new(io::ErrorKind::InvalidInput, "it is a link, which is not followed here");
    }
    error
}

#[cfg(unix)]
mod unix {
    use super::Links;
    use rustix::fs::OFlags;
    use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
    use std::path::Path;

    /// Keeps an open from waiting for the other end of a pipe, and what it creates from others.
    pub(super) fn at_once(options: &mut OpenOptions, links: Links) {
        let follow = match links {
            Links::Follow => OFlags::empty(),
            Links::Refuse => OFlags::NOFOLLOW,
        };
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | follow;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }

    pub(super) fn make_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
        File::open(path).and_then(|folder| folder.sync_all())
    }

    pub(super) fn special(kind: FileType) -> &'static str {
        if kind.is_fifo() {
            "a named pipe"
        } else if kind.is_char_device() || kind.is_block_device() {
            "a device"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "something else"
        }
    }

    pub(super) fn is_pipe(kind: FileType) -> bool {
        kind.is_fifo()
    }

    /// Who else can read it, with the command that mends that.
    pub(super) fn readable(path: &Path, found: &Metadata) -> Option<(String, String)> {
        (found.mode() & 0o077 != 0).then(|| {
            let why = format!("can be read by others (mode {:o})", found.mode() & 0o7777);
            (why, format!("chmod 600 '{}'", path.display()))
        })
    }

    /// Who else can write into it, with the command that mends that. The superuser can in any case.
    pub(super) fn exposed(path: &Path, found: &Metadata) -> Option<(String, String)> {
        let us = rustix::process::geteuid().as_raw();
        let shown = path.display();
        if found.uid() != us && found.uid() != 0 {
            let why = format!("belongs to the account {}, not to ours ({us})", found.uid());
            return Some((why, format!("chown -R {us} '{shown}'")));
        }
        let others = found.mode() & 0o022;
        (others != 0).then(|| {
            let why = format!("can be written by others (mode {:o})", found.mode() & 0o7777);
            (why, format!("chmod -R go-rwx '{shown}'"))
        })
    }
}

/// Elsewhere the folder of the account's profile keeps others out, and there are no pipes among files.
#[cfg(not(unix))]
mod elsewhere {
    use super::Links;
    use std::fs::{FileType, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    pub(super) fn at_once(_options: &mut OpenOptions, _links: Links) {}

    pub(super) fn make_folder(path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    pub(super) fn sync_folder(_path: &Path) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn is_pipe(_kind: FileType) -> bool {
        false
    }

    pub(super) fn special(_kind: FileType) -> &'static str {
        "something else"
    }

    pub(super) fn readable(_path: &Path, _found: &Metadata) -> Option<(String, String)> {
        None
    }

    pub(super) fn exposed(_path: &Path, _found: &Metadata) -> Option<(String, String)> {
        None
    }
}

#[cfg(not(unix))]
use elsewhere as here;
#[cfg(unix)]
use unix as here;

fn at_once(options: &mut OpenOptions, links: Links) {
    here::at_once(options, links);
}

pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    here::make_folder(path)
}

/// Makes the entries of a folder survive a loss of power. Only Unix needs and offers it.
///
/// # Errors
/// The system's answer.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    here::sync_folder(path)
}

pub(crate) fn special(kind: FileType) -> &'static str {
    here::special(kind)
}

pub(crate) fn exposed(path: &Path, found: &Metadata) -> Option<(String, String)> {
    here::exposed(path, found)
}

pub(crate) fn readable(path: &Path, found: &Metadata) -> Option<(String, String)> {
    here::readable(path, found)
}

/// Returns whether a path leads to a named pipe.
#[must_use]
pub fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| here::is_pipe(file.file_type()))
}
