//! Reading a whole file.

use crate::own;
use crate::system;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The most that is read of a file. More than this is a mistake, or an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u64);

impl Limit {
    /// Files with a few lines, such as an account or a claim.
    pub const SMALL: Self = Self(64 * 1024);
    /// Files that people write or that hold certificates.
    pub const TEXT: Self = Self(8 * 1024 * 1024);
    /// Files that hold everything about a run but its journal.
    pub const LARGE: Self = Self(256 * 1024 * 1024);
    /// Journals. A night of 1,000 servers is a few hundred megabytes.
    pub const JOURNAL: Self = Self(2 * 1024 * 1024 * 1024);
}

/// Whose a file has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// It may be anybody's, and may be reached over links: somebody has named it to us.
    Anybodys,
    /// It has to be ours, and no one else may read it: it holds a secret. It may be reached over links.
    Secret,
    /// It has to be ours, no one else may write into it, and it is no link: we have written it.
    Ours,
}

/// Reads a regular file. A pipe, a device or a folder is refused, and nothing is waited for.
///
/// # Errors
/// The system's answer; [`io::ErrorKind::InvalidInput`] for what is no file, [`io::ErrorKind::FileTooLarge`] beyond the
/// limit, [`io::ErrorKind::PermissionDenied`] with an [`own::Exposed`] for what is not ours alone.
pub fn read(path: &Path, limit: Limit, whose: Whose) -> io::Result<Vec<u8>> {
    let file = match whose {
        Whose::Anybodys | Whose::Secret => system::open_any(path)?,
        Whose::Ours => system::open_own(path)?,
    };
    regular(&file)?;
    match whose {
        Whose::Anybodys => {}
        Whose::Secret => own::check_secret(path, &file)?,
        Whose::Ours => own::check(path, &file)?,
    }
    whole(file, limit)
}

/// Reads the beginning of a regular file: at most so many bytes.
///
/// # Errors
/// As those of [`read`], without the one for a large file.
pub fn read_start(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = system::open_any(path)?;
    regular(&file)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Refuses what is no regular file.
pub(crate) fn regular(file: &File) -> io::Result<()> {
    let what = match system::special(file)? {
        Some(what) => what,
        None if file.metadata()?.is_dir() => "a folder",
        None => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what} and no file")))
}

fn whole(file: File, limit: Limit) -> io::Result<Vec<u8>> {
    let too_large = || {
        let text = format!("it is larger than the {} bytes that are read of such a file", limit.0);
        io::Error::new(io::ErrorKind::FileTooLarge, text)
    };
    if file.metadata()?.len() > limit.0 {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(limit.0 + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit.0 { Err(too_large()) } else { Ok(bytes) }
}
