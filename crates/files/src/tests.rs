//! Files that others have laid in the way.
#![cfg(unix)]

use crate::{Exposed, Limit, Whose, append_to, create, create_folder, own_folder, read, replace};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use tempfile::TempDir;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn pipe(path: &Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(std::fs::metadata(path).unwrap().file_type().is_fifo());
}

#[test]
fn what_is_no_file_is_refused_at_once_and_what_is_too_large_is_not_read() {
    let folder = TempDir::new().unwrap();
    let fifo = folder.path().join("pipe");
    pipe(&fifo);
    for (path, words) in
        [(fifo.as_path(), "a named pipe"), (Path::new("/dev/zero"), "a device"), (folder.path(), "a folder")]
    {
        let error = read(path, Limit::SMALL, Whose::Anybodys).unwrap_err();
        assert!(error.to_string().contains(words), "{}: {error}", path.display());
    }
    let large = folder.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(3_000_000_000).unwrap();
    assert_eq!(read(&large, Limit::TEXT, Whose::Anybodys).unwrap_err().kind(), ErrorKind::FileTooLarge);
}

#[test]
fn a_link_is_followed_where_somebody_names_it_and_never_where_a_file_is_ours() {
    let folder = TempDir::new().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("link"));
    std::fs::write(&target, "theirs").unwrap();
    set_mode(&target, 0o600);
    symlink(&target, &link).unwrap();
    assert_eq!(read(&link, Limit::SMALL, Whose::Anybodys).unwrap(), b"theirs");
    assert!(read(&link, Limit::SMALL, Whose::Ours).unwrap_err().to_string().contains("a link"));
    assert!(append_to(&link).is_err());
    replace(&link, b"ours").unwrap();
    symlink(&target, folder.path().join("other")).unwrap();
    drop(create(&folder.path().join("other")).unwrap());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "theirs", "nothing was written through a link");
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "ours");
}

#[test]
fn what_is_created_is_its_owners_alone_and_what_others_can_write_into_is_refused_with_the_command() {
    let folder = TempDir::new().unwrap();
    let ours = folder.path().join("a").join("b");
    create_folder(&ours).unwrap();
    assert_eq!((mode(&ours), mode(ours.parent().unwrap())), (0o700, 0o700));
    let file = ours.join("file");
    replace(&file, b"x").unwrap();
    assert_eq!(mode(&file), 0o600);
    drop(append_to(&ours.join("journal")).unwrap());
    assert_eq!(mode(&ours.join("journal")), 0o600);
    set_mode(&ours, 0o777);
    let error = own_folder(&ours).unwrap_err();
    let exposed = error.get_ref().and_then(|inner| inner.downcast_ref::<Exposed>()).unwrap();
    assert!(exposed.to_string().contains("mode 777") && exposed.mend.contains("chmod -R go-rwx"), "{exposed}");
    set_mode(&file, 0o620);
    assert!(read(&file, Limit::SMALL, Whose::Ours).is_err() && append_to(&file).is_err());
    assert_eq!(read(&file, Limit::SMALL, Whose::Anybodys).unwrap(), b"x");
}
