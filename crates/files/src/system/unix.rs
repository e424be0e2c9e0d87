//! Files as Unix has them: owners and modes.

use super::{Links, Make, Survives, Wrong};
use rustix::fs::OFlags;
use std::fs::{DirBuilder, File, FileType, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

pub(super) fn open_to_read(path: &Path, links: Links) -> io::Result<File> {
    at_once(OpenOptions::new().read(true), links).open(path)
}

pub(super) fn open_to_write(path: &Path, make: Make) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(make == Make::IfMissing).create_new(make == Make::New);
    at_once(&mut options, Links::Refuse).open(path)
}

pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    at_once(OpenOptions::new().create(true).append(true).read(true), Links::Refuse).open(path)
}

/// Keeps an open from waiting for the other end of a pipe, and what it creates from others.
fn at_once(options: &mut OpenOptions, links: Links) -> &mut OpenOptions {
    let follow = match links {
        Links::Follow => OFlags::empty(),
        Links::Refuse => OFlags::NOFOLLOW,
    };
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | follow;
    options.mode(0o600).custom_flags(flags.bits().cast_signed())
}

/// The name is in the folder, which has to be synced too.
pub(super) fn rename(from: &Path, to: &Path, survives: Survives) -> io::Result<()> {
    std::fs::rename(from, to)?;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    match (survives, folder) {
        (Survives::Power, Some(folder)) => sync_folder(folder),
        (Survives::Power, None) => sync_folder(Path::new(".")),
        (Survives::Process, _) => Ok(()),
    }
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

pub(super) fn cut(file: &File, length: u64) -> io::Result<()> {
    file.set_len(length)
}

pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|folder| folder.sync_all())
}

pub(super) fn special(file: &File) -> io::Result<Option<&'static str>> {
    let kind = file.metadata()?.file_type();
    Ok((!kind.is_file() && !kind.is_dir()).then(|| named(kind)))
}

fn named(kind: FileType) -> &'static str {
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

pub(super) fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

pub(super) fn readable(path: &Path, file: &File) -> io::Result<Option<Wrong>> {
    let found = file.metadata()?;
    Ok((found.mode() & 0o077 != 0).then(|| {
        let why = format!("can be read by others (mode {:o})", found.mode() & 0o7777);
        (why, format!("chmod 600 '{}'", path.display()))
    }))
}

pub(super) fn exposed(path: &Path, file: &File) -> io::Result<Option<Wrong>> {
    Ok(wrong(path, &file.metadata()?))
}

/// A folder that can be entered need not be readable.
pub(super) fn exposed_folder(path: &Path) -> io::Result<Option<Wrong>> {
    Ok(wrong(path, &std::fs::metadata(path)?))
}

/// Looks at the folders above as it is named, where a link may lead elsewhere, and where it is.
pub(super) fn exposed_place(path: &Path) -> io::Result<Option<(PathBuf, Wrong)>> {
    for place in [std::path::absolute(path)?, path.canonicalize()?] {
        for above in place.ancestors().skip(1) {
            if let Some(wrong) = exposed_above(above)? {
                return Ok(Some((above.to_owned(), wrong)));
            }
        }
    }
    Ok(None)
}

/// Who else can rename what is in it. With the sticky bit no one can who owns neither; and a group that is an account's own,
/// by its number, is that account.
fn exposed_above(path: &Path) -> io::Result<Option<Wrong>> {
    let found = std::fs::metadata(path)?;
    let us = rustix::process::geteuid().as_raw();
    let shown = path.display();
    if found.uid() != us && found.uid() != 0 {
        let why = format!("belongs to the account {}, which can put another folder in the place of ours", found.uid());
        return Ok(Some((why, format!("chown {us} '{shown}'"))));
    }
    let own_group = if found.gid() == us { 0o020 } else { 0 };
    let others = found.mode() & 0o022 & !own_group;
    Ok((others != 0 && found.mode() & 0o1000 == 0).then(|| {
        let mode = found.mode() & 0o7777;
        let why = format!("can be written by others (mode {mode:o}), who can put another folder in the place of ours");
        (why, format!("chmod go-w '{shown}'"))
    }))
}

/// Who else can write into it. The superuser can in any case.
fn wrong(path: &Path, found: &Metadata) -> Option<Wrong> {
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

/// A service is given the place of its state, or is a user with a home like any other.
pub(super) fn is_service() -> io::Result<bool> {
    Ok(false)
}

/// What a process is not given by name it does not have.
pub(super) fn keep_streams() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn open_to_all(path: &Path) {
        set_mode(path, 0o777);
    }

    pub(crate) fn readable_by_all(path: &Path) {
        set_mode(path, 0o644);
    }

    /// Returns whether links can be made.
    pub(crate) fn link(target: &Path, path: &Path) -> bool {
        std::os::unix::fs::symlink(target, path).unwrap();
        true
    }

    /// What is neither a file nor a folder, with the word for it.
    pub(crate) fn odd_things(folder: &Path) -> Vec<(PathBuf, &'static str)> {
        let fifo = folder.join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        vec![(fifo, "a named pipe"), ("/dev/zero".into(), "a device")]
    }

    #[test]
    fn what_is_created_has_the_modes_of_its_owner_whatever_the_umask_and_the_command_is_named() {
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::TempDir::new().unwrap();
        let ours = folder.path().join("a").join("b");
        crate::create_folder(&ours).unwrap();
        crate::replace(&ours.join("file"), b"x").unwrap();
        drop(crate::append_to(&ours.join("journal")).unwrap());
        assert_eq!((mode(&ours), mode(ours.parent().unwrap())), (0o700, 0o700));
        assert_eq!((mode(&ours.join("file")), mode(&ours.join("journal"))), (0o600, 0o600));
        crate::own_place(&ours).unwrap();
        set_mode(&folder.path().join("a"), 0o777);
        let error = crate::own_place(&ours).unwrap_err().to_string();
        assert!(error.contains("/a can be written by others (mode 777)") && error.contains("chmod go-w"), "{error}");
        set_mode(&folder.path().join("a"), 0o1777);
        crate::own_place(&ours).unwrap();
        // A link is as safe as the folder that it is in.
        let open = folder.path().join("open");
        crate::create_folder(&open).unwrap();
        std::os::unix::fs::symlink(&ours, open.join("link")).unwrap();
        crate::own_place(&open.join("link")).unwrap();
        set_mode(&open, 0o777);
        assert!(crate::own_place(&open.join("link")).is_err());
        set_mode(&ours, 0o777);
        let error = crate::own_folder(&ours).unwrap_err().to_string();
        assert!(error.contains("mode 777") && error.contains("chmod -R go-rwx"), "{error}");
    }
}
