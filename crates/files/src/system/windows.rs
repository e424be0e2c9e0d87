//! Files as Windows has them: access lists, files that others hold, links that are reparse points.
//!
//! The calls of the system are unsafe; each is in a function of its own that takes and gives owned values.
#![expect(unsafe_code, reason = "access lists and replacing files have no safe calls")]

use super::access::{self, Access, Allowed, Asked, Thing};
use super::{Links, Make, Survives, Wrong};
use std::ffi::c_void;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_DELETE_PENDING, ERROR_INVALID_FUNCTION, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER,
    ERROR_LOCK_VIOLATION, ERROR_NOT_SUPPORTED, ERROR_SHARING_VIOLATION, GENERIC_READ, GENERIC_WRITE, HANDLE,
    HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE, LocalFree, SetHandleInformation,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, ConvertStringSidToSidW,
    GetSecurityInfo, SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, CheckTokenMembership, DACL_SECURITY_INFORMATION, GetAce, GetTokenInformation,
    LookupAccountSidW, OWNER_SECURITY_INFORMATION, PSID, SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_APPEND_DATA, FILE_ATTRIBUTE_NORMAL, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_GENERIC_WRITE, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    FILE_TYPE_CHAR, FILE_TYPE_DISK, FILE_TYPE_PIPE, FILE_WRITE_DATA, GetFileType, MOVEFILE_REPLACE_EXISTING,
    MOVEFILE_WRITE_THROUGH, MoveFileExW, OPEN_ALWAYS, OPEN_EXISTING, ReOpenFile,
};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

/// How long a file may be held by something else, such as a virus scanner, before that is a failure.
const HELD: Duration = Duration::from_secs(2);

/// How often a file that is held is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// Everyone may do everything with a file while it is open here, as on Unix: what may not be at once is kept apart by
/// locks.
const SHARED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

/// The kinds of entries of an access list that allow something, and those that forbid or only report something.
const ALLOWS: u8 = 0;
const SAYS_NOTHING: [u8; 9] = [1, 2, 3, 6, 7, 8, 10, 12, 13];

pub(super) fn open_to_read(path: &Path, links: Links) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    // With it folders open too, so that they are told from files.
    let folders = FILE_FLAG_BACKUP_SEMANTICS;
    match links {
        Links::Follow => options.custom_flags(folders),
        Links::Refuse => options.custom_flags(folders | FILE_FLAG_OPEN_REPARSE_POINT),
    };
    let file = held(Held::Open, || options.open(path))?;
    if links == Links::Refuse { no_link(file) } else { Ok(file) }
}

pub(super) fn open_to_write(path: &Path, make: Make) -> io::Result<File> {
    let how = match make {
        Make::Nothing => OPEN_EXISTING,
        Make::IfMissing => OPEN_ALWAYS,
        Make::New => CREATE_NEW,
    };
    no_link(held(Held::Open, || create(path, GENERIC_READ | GENERIC_WRITE, how))?)
}

/// Without the right to write anywhere else every write goes to the end, wherever that is then.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    let at_the_end = (FILE_GENERIC_WRITE & !FILE_WRITE_DATA) | FILE_APPEND_DATA | GENERIC_READ;
    no_link(held(Held::Open, || create(path, at_the_end, OPEN_ALWAYS))?)
}

/// Refuses what was opened in the place of what it leads to.
fn no_link(file: File) -> io::Result<File> {
    // A device has no such answer, and is refused by its kind.
    if file.metadata().is_ok_and(|found| found.file_type().is_symlink()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link, which is not followed here"));
    }
    Ok(file)
}

/// What is done with a file that something else may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Open,
    /// Renaming or removing it. The answer for a file that is held may be that this is not allowed.
    Name,
}

/// Does something again for a while when another program holds the file.
fn held<T>(what: Held, mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let began = Instant::now();
    loop {
        match act() {
            Err(error) if is_held(what, &error) && began.elapsed() < HELD => std::thread::sleep(AGAIN),
            other => return other,
        }
    }
}

fn is_held(what: Held, error: &io::Error) -> bool {
    let Some(code) = error.raw_os_error().map(i32::cast_unsigned) else { return false };
    [ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION, ERROR_DELETE_PENDING].contains(&code)
        || (what == Held::Name && code == ERROR_ACCESS_DENIED)
}

/// Opens a file, itself where it is a link. What is created is our account's alone.
fn create(path: &Path, access: u32, how: u32) -> io::Result<File> {
    let ours = Ours::of(Thing::File)?;
    let attributes = ours.attributes();
    let name = wide(path)?;
    let flags = FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT;
    // SAFETY: the path ends with a zero, and the attributes and what they point to live until the call returns.
    let handle = unsafe { CreateFileW(name.as_ptr(), access, SHARED, &raw const attributes, how, flags, null_mut()) };
    owned(handle).map_err(|error| match error.kind() {
        // The system's own words for a folder are about rights.
        io::ErrorKind::PermissionDenied if path.is_dir() => io::ErrorKind::IsADirectory.into(),
        _ => error,
    })
}

fn owned(handle: HANDLE) -> io::Result<File> {
    if handle == INVALID_HANDLE_VALUE || handle.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was opened just now and is nobody else's.
    Ok(File::from(unsafe { OwnedHandle::from_raw_handle(handle) }))
}

pub(super) fn rename(from: &Path, to: &Path, survives: Survives) -> io::Result<()> {
    let through = match survives {
        Survives::Process => 0,
        Survives::Power => MOVEFILE_WRITE_THROUGH,
    };
    let names = (wide(from)?, wide(to)?);
    held(Held::Name, || {
        // SAFETY: both paths end with a zero.
        let moved = unsafe { MoveFileExW(names.0.as_ptr(), names.1.as_ptr(), MOVEFILE_REPLACE_EXISTING | through) };
        if moved != 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if !is_held(Held::Name, &error) {
            return Err(error);
        }
        // What is open elsewhere can be replaced as on Unix, by the other call.
        std::fs::rename(from, to)?;
        match (survives, to.parent()) {
            (Survives::Power, Some(folder)) => sync_folder(folder),
            (Survives::Power, None) | (Survives::Process, _) => Ok(()),
        }
    })
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    held(Held::Name, || std::fs::remove_file(path))
}

/// A file that is open for appending cannot be cut, but opened again for that, by itself and not by its name.
pub(super) fn cut(file: &File, length: u64) -> io::Result<()> {
    // SAFETY: the handle is open as long as the file lives.
    let handle = unsafe { ReOpenFile(file.as_raw_handle(), GENERIC_WRITE, SHARED, 0) };
    owned(handle)?.set_len(length)
}

pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    let ours = Ours::of(Thing::Folder)?;
    let attributes = ours.attributes();
    let path = wide(path)?;
    // SAFETY: the path ends with a zero, and the attributes and what they point to live until the call returns.
    let made = unsafe { CreateDirectoryW(path.as_ptr(), &raw const attributes) };
    if made == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The file system keeps a log of its names. It is written out for a folder that can be flushed; where folders cannot,
/// that is no failure: the calls that replace files promise it by themselves.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let not_offered = [
        ERROR_ACCESS_DENIED,
        ERROR_INVALID_FUNCTION,
        ERROR_INVALID_HANDLE,
        ERROR_INVALID_PARAMETER,
        ERROR_NOT_SUPPORTED,
    ];
    let opened = OpenOptions::new().write(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path);
    match opened.and_then(|folder| folder.sync_all()) {
        Err(error) if error.raw_os_error().is_some_and(|code| not_offered.contains(&code.cast_unsigned())) => Ok(()),
        other => other,
    }
}

pub(super) fn special(file: &File) -> io::Result<Option<&'static str>> {
    // SAFETY: the handle is open as long as the file lives.
    match unsafe { GetFileType(file.as_raw_handle()) } {
        FILE_TYPE_CHAR => Ok(Some("a device")),
        FILE_TYPE_PIPE => Ok(Some("a named pipe")),
        FILE_TYPE_DISK => {
            let kind = file.metadata()?.file_type();
            Ok((!kind.is_file() && !kind.is_dir()).then_some("something else"))
        }
        _ => Ok(Some("something else")),
    }
}

/// Pipes have a place of their own, apart from files.
pub(super) fn is_pipe(_path: &Path) -> bool {
    false
}

pub(super) fn readable(path: &Path, file: &File) -> io::Result<Option<Wrong>> {
    wrong(file, Asked::Reads, (path, Thing::File))
}

pub(super) fn exposed(path: &Path, file: &File) -> io::Result<Option<Wrong>> {
    wrong(file, Asked::Writes, (path, Thing::File))
}

pub(super) fn exposed_folder(path: &Path) -> io::Result<Option<Wrong>> {
    let folder = OpenOptions::new().read(true).custom_flags(FILE_FLAG_BACKUP_SEMANTICS).open(path)?;
    wrong(&folder, Asked::Writes, (path, Thing::Folder))
}

/// A folder of ours does not take part in what its parents hand down, and no one else has the right to delete it; the right to
/// delete what is in a folder is not handed out by the usual lists of the folders above.
pub(super) fn exposed_place(_path: &Path) -> io::Result<Option<(PathBuf, Wrong)>> {
    Ok(None)
}

fn wrong(file: &File, asked: Asked, thing: (&Path, Thing)) -> io::Result<Option<Wrong>> {
    Ok(access_of(file)?.wrong(asked, thing, &us()?, name_of))
}

pub(super) fn keep_streams() -> io::Result<()> {
    for stream in [STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE] {
        // SAFETY: the call takes no pointer; the handle is the process's own for as long as it lives.
        let handle = unsafe { GetStdHandle(stream) };
        if handle.is_null() || handle == INVALID_HANDLE_VALUE {
            continue;
        }
        // SAFETY: the handle is open. A stream that is given to a process by name is copied for it.
        let kept = unsafe { SetHandleInformation(handle, HANDLE_FLAG_INHERIT, 0) };
        if kept == 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// A path as the system takes it. A long one is written in the form that has no limit.
fn wide(path: &Path) -> io::Result<Vec<u16>> {
    /// Up to here every call takes every form; a folder must leave room for a short name in it.
    const SHORT: usize = 240;
    let mut units: Vec<u16> = path.as_os_str().encode_wide().collect();
    if units.len() >= SHORT {
        let path: PathBuf = std::path::absolute(path)?;
        let absolute: Vec<u16> = path.as_os_str().encode_wide().collect();
        let backslash = u16::from(b'\\');
        units = match absolute.as_slice() {
            [first, second, third, ..]
                if [first, second] == [&backslash; 2] && ![b'?', b'.'].map(u16::from).contains(third) =>
            {
                r"\\?\UNC".encode_utf16().chain(absolute[1..].iter().copied()).collect()
            }
            [first, second, ..] if [first, second] == [&backslash; 2] => absolute,
            _ => r"\\?\".encode_utf16().chain(absolute).collect(),
        };
    }
    if units.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name holds a zero character"));
    }
    units.push(0);
    Ok(units)
}

/// Memory that the system has reserved for an answer.
struct Given(*mut c_void);

impl Drop for Given {
    fn drop(&mut self) {
        // SAFETY: the memory was given to us by a call whose answers are freed with this one, and is freed once.
        let _left = unsafe { LocalFree(self.0) };
    }
}

/// What is created with this is our account's, and the administrators and the system may use it too.
struct Ours(Given);

impl Ours {
    fn of(thing: Thing) -> io::Result<Self> {
        let us = us()?;
        let down = match thing {
            Thing::File => "",
            Thing::Folder => "OICI",
        };
        let text = format!("O:{us}D:P(A;{down};FA;;;{us})(A;{down};FA;;;SY)(A;{down};FA;;;BA)");
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut given = null_mut();
        // SAFETY: the text ends with a zero, and the answer goes to a place of ours.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut given,
                null_mut(),
            )
        };
        if made == 0 { Err(io::Error::last_os_error()) } else { Ok(Self(Given(given))) }
    }

    /// Valid as long as this lives.
    fn attributes(&self) -> SECURITY_ATTRIBUTES {
        let length = u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or_default();
        SECURITY_ATTRIBUTES { nLength: length, lpSecurityDescriptor: self.0.0, bInheritHandle: 0 }
    }
}

/// Returns the identifier of the account of this process.
fn us() -> io::Result<String> {
    let mut token = null_mut();
    // SAFETY: the answer goes to a place of ours.
    if unsafe { OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the token was opened just now and is nobody else's.
    let _token = unsafe { OwnedHandle::from_raw_handle(token) };
    // Larger than the longest identifier with what is before it, and aligned for it.
    let mut answer = [0_u64; 32];
    let room = u32::try_from(size_of_val(&answer)).unwrap_or_default();
    let mut length = 0;
    // SAFETY: the answer goes to a place of ours that has the size that is said.
    let got = unsafe { GetTokenInformation(token, TokenUser, answer.as_mut_ptr().cast(), room, &raw mut length) };
    if got == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled in what was asked for, whose identifier points into the same answer.
    let sid = unsafe { (*answer.as_ptr().cast::<TOKEN_USER>()).User.Sid };
    text_of(sid)
}

/// Returns an identifier as text.
fn text_of(sid: PSID) -> io::Result<String> {
    let mut text = null_mut();
    // SAFETY: the identifier comes from the system, and the answer goes to a place of ours.
    if unsafe { ConvertSidToStringSidW(sid, &raw mut text) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let _given = Given(text.cast());
    // SAFETY: the text ends with a zero, and lives until the end of this function.
    let length = (0..).take_while(|&at| unsafe { *text.add(at) } != 0).count();
    // SAFETY: so many units are there.
    let units = unsafe { std::slice::from_raw_parts(text, length) };
    Ok(std::ffi::OsString::from_wide(units).to_string_lossy().into_owned())
}

pub(super) fn is_service() -> io::Result<bool> {
    access::is_service(&us()?, is_member)
}

/// Returns whether this process acts as a member of a group.
fn is_member(group: &str) -> io::Result<bool> {
    let group = identifier(group)?;
    let mut is_member = 0;
    // SAFETY: the identifier lives until the call returns, and the answer goes to a place of ours.
    if unsafe { CheckTokenMembership(null_mut(), group.0, &raw mut is_member) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(is_member != 0)
}

/// Returns the identifier that a text stands for. It is memory that the system has reserved.
fn identifier(text: &str) -> io::Result<Given> {
    let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
    let mut sid = null_mut();
    // SAFETY: the text ends with a zero, and the answer goes to a place of ours.
    if unsafe { ConvertStringSidToSidW(text.as_ptr(), &raw mut sid) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Given(sid))
}

/// Returns the name of an account or group, if this machine knows it.
fn name_of(who: &str) -> Option<String> {
    let given = identifier(who).ok()?;
    let sid = given.0;
    let (mut name, mut domain, mut kind) = ([0_u16; 256], [0_u16; 256], 0);
    let (mut name_length, mut domain_length) = (256, 256);
    // SAFETY: the identifier is valid, and the answers go to places of ours that have the sizes that are said.
    let found = unsafe {
        LookupAccountSidW(
            null(),
            sid,
            name.as_mut_ptr(),
            &raw mut name_length,
            domain.as_mut_ptr(),
            &raw mut domain_length,
            &raw mut kind,
        )
    };
    let shown =
        |units: &[u16], length: u32| String::from_utf16_lossy(&units[..usize::try_from(length).unwrap_or(0).min(256)]);
    let (name, domain) = (shown(&name, name_length), shown(&domain, domain_length));
    match (found != 0 && !name.is_empty(), domain.is_empty()) {
        (false, _) => None,
        (true, true) => Some(name),
        (true, false) => Some(format!(r"{domain}\{name}")),
    }
}

/// Reads the owner and the access list of something that is open.
fn access_of(file: &File) -> io::Result<Access> {
    let (mut owner, mut list, mut descriptor) = (null_mut(), null_mut::<ACL>(), null_mut());
    let wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    // SAFETY: the handle is open as long as the file lives, and the answers go to places of ours.
    let answer = unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            wanted,
            &raw mut owner,
            null_mut(),
            &raw mut list,
            null_mut(),
            &raw mut descriptor,
        )
    };
    if answer != 0 {
        return Err(io::Error::from_raw_os_error(answer.cast_signed()));
    }
    // Owner and list point into it.
    let _given = Given(descriptor);
    let owner = text_of(owner)?;
    if list.is_null() {
        return Ok(Access { owner, allowed: None });
    }
    // SAFETY: the list comes from the system and lives until the end of this function.
    let count = unsafe { (*list).AceCount };
    let entries: io::Result<Vec<Option<Allowed>>> = (0..u32::from(count)).map(|at| entry(list, at)).collect();
    Ok(Access { owner, allowed: Some(entries?.into_iter().flatten().collect()) })
}

/// Returns an entry of a list, if it allows something.
fn entry(list: *const ACL, at: u32) -> io::Result<Option<Allowed>> {
    let mut entry = null_mut();
    // SAFETY: the list is valid, and the answer goes to a place of ours.
    if unsafe { GetAce(list, at, &raw mut entry) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every entry begins with such a header.
    let kind = unsafe { (*entry.cast::<ACE_HEADER>()).AceType };
    if SAYS_NOTHING.contains(&kind) {
        return Ok(None);
    }
    if kind != ALLOWS {
        return Ok(Some(Allowed { who: format!("an entry of kind {kind}"), rights: u32::MAX }));
    }
    let allows = entry.cast::<ACCESS_ALLOWED_ACE>();
    // SAFETY: an entry of this kind has these fields; the identifier begins in the last and ends with the entry.
    let (rights, sid) = unsafe { ((*allows).Mask, (&raw mut (*allows).SidStart).cast()) };
    Ok(Some(Allowed { who: text_of(sid)?, rights }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use windows_sys::Win32::Security::{PROTECTED_DACL_SECURITY_INFORMATION, SetFileSecurityW};

    /// Gives something an access list.
    fn set(path: &Path, list: &str) {
        let text: Vec<u16> = list.encode_utf16().chain([0]).collect();
        let mut given = null_mut();
        // SAFETY: the text ends with a zero, and the answer goes to a place of ours.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut given,
                null_mut(),
            )
        };
        assert_ne!(made, 0, "{}", io::Error::last_os_error());
        let given = Given(given);
        let what = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
        // SAFETY: the path ends with a zero, and the descriptor lives until the call returns.
        let set = unsafe { SetFileSecurityW(wide(path).unwrap().as_ptr(), what, given.0) };
        assert_ne!(set, 0, "{}", io::Error::last_os_error());
    }

    pub(crate) fn open_to_all(path: &Path) {
        set(path, &format!("D:P(A;;FA;;;{})(A;;FA;;;WD)", us().unwrap()));
    }

    pub(crate) fn readable_by_all(path: &Path) {
        set(path, &format!("D:P(A;;FA;;;{})(A;;FR;;;WD)", us().unwrap()));
    }

    /// Returns whether links can be made: Windows lets administrators and developers make them, and Wine only says that it
    /// has made one.
    pub(crate) fn link(target: &Path, path: &Path) -> bool {
        std::os::windows::fs::symlink_file(target, path).is_ok() && path.is_symlink()
    }

    /// What is neither a file nor a folder, with the word for it.
    pub(crate) fn odd_things(_folder: &Path) -> Vec<(PathBuf, &'static str)> {
        vec![("NUL".into(), "a device"), (r"\\.\NUL".into(), "a device")]
    }

    #[test]
    fn what_is_created_has_the_access_list_of_its_owner() {
        let folder = tempfile::TempDir::new().unwrap();
        let (inside, us) = (folder.path().join("a"), us().unwrap());
        crate::create_folder(&inside).unwrap();
        crate::replace(&inside.join("file"), b"x").unwrap();
        let access = access_of(&File::open(inside.join("file")).unwrap()).unwrap();
        assert_eq!(access.owner, us);
        let allowed = access.allowed.unwrap();
        assert!(allowed.iter().any(|each| each.who == us), "{allowed:?}");
        assert!(!allowed.iter().any(|each| each.who == "S-1-1-0"), "{allowed:?}");
    }

    #[test]
    fn a_file_that_is_held_for_a_moment_is_waited_for() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("held");
        crate::replace(&path, b"one").unwrap();
        let scanner = OpenOptions::new().read(true).share_mode(0).open(&path).unwrap();
        let began = Instant::now();
        let error = crate::read(&path, crate::Limit::SMALL, crate::Whose::Ours).unwrap_err();
        assert_eq!(error.raw_os_error().map(i32::cast_unsigned), Some(ERROR_SHARING_VIOLATION));
        assert!(began.elapsed() >= HELD && began.elapsed() < HELD * 10);
        let replaced = std::thread::scope(|scope| {
            let replaced = scope.spawn(|| crate::replace(&path, b"two"));
            // The other thread waits for this; it has no other way on.
            drop(scanner);
            replaced.join().unwrap()
        });
        replaced.unwrap();
        assert_eq!(crate::read(&path, crate::Limit::SMALL, crate::Whose::Ours).unwrap(), b"two");
    }

    #[test]
    fn accounts_have_names() {
        assert!(name_of("S-1-1-0").is_some_and(|name| !name.is_empty()));
        assert_eq!(name_of("nonsense"), None);
        assert!(us().unwrap().starts_with("S-1-"));
    }

    #[test]
    fn this_process_is_one_of_everyone_and_no_service() {
        assert!(is_member("S-1-1-0").unwrap());
        assert!(!is_member("S-1-5-21-1-2-3-1001").unwrap());
        assert!(is_member("nonsense").is_err());
        assert!(!is_service().unwrap());
    }
}
