//! Files that others have laid in the way. How others are let in or led elsewhere differs between systems.

use crate::system::tests::{link, open_to_all, readable_by_all};
use crate::{
    Exposed, Limit, Whose, append_to, create, create_folder, cut, keep_streams, open_lock, overwrite, own_folder, read,
    remove, replace, replace_unsynced,
};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Returns why a file or folder is refused, when it is because others are let in.
fn exposed(error: &std::io::Error) -> Exposed {
    error.get_ref().and_then(|inner| inner.downcast_ref::<Exposed>()).expect("it is refused for its rights").clone()
}

#[test]
fn what_is_no_file_is_refused_at_once_and_what_is_too_large_is_not_read() {
    let folder = TempDir::new().unwrap();
    for (path, words) in crate::system::tests::odd_things(folder.path()) {
        let error = read(&path, Limit::SMALL, Whose::Anybodys).unwrap_err();
        assert!(error.to_string().contains(words), "{}: {error}", path.display());
    }
    let error = read(folder.path(), Limit::SMALL, Whose::Anybodys).unwrap_err();
    assert!(error.to_string().contains("a folder"), "{error}");
    let inside = folder.path().join("inside");
    create_folder(&inside).unwrap();
    for error in
        [append_to(&inside).unwrap_err(), open_lock(&inside).unwrap_err(), overwrite(&inside, b"").unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::IsADirectory, "{error}");
    }
    let large = folder.path().join("large");
    std::fs::File::create(&large).unwrap().set_len(3_000_000_000).unwrap();
    assert_eq!(read(&large, Limit::TEXT, Whose::Anybodys).unwrap_err().kind(), ErrorKind::FileTooLarge);
}

#[test]
fn a_link_is_followed_where_somebody_names_it_and_never_where_a_file_is_ours() {
    let folder = TempDir::new().unwrap();
    let (target, led) = (folder.path().join("target"), folder.path().join("link"));
    replace(&target, b"theirs").unwrap();
    if !link(&target, &led) {
        return;
    }
    assert_eq!(read(&led, Limit::SMALL, Whose::Anybodys).unwrap(), b"theirs");
    assert!(read(&led, Limit::SMALL, Whose::Ours).unwrap_err().to_string().contains("a link"));
    assert!(append_to(&led).is_err() && open_lock(&led).is_err() && overwrite(&led, b"x").is_err());
    replace(&led, b"ours").unwrap();
    assert!(link(&target, &folder.path().join("other")));
    drop(create(&folder.path().join("other")).unwrap());
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "theirs", "nothing was written through a link");
    assert_eq!(std::fs::read_to_string(&led).unwrap(), "ours");
}

#[test]
fn what_is_created_is_its_owners_alone_and_what_others_can_write_into_is_refused_with_the_command() {
    let folder = TempDir::new().unwrap();
    let ours = folder.path().join("a").join("b");
    create_folder(&ours).unwrap();
    own_folder(&ours).unwrap();
    own_folder(ours.parent().unwrap()).unwrap();
    let file = ours.join("file");
    replace(&file, b"x").unwrap();
    replace_unsynced(&ours.join("view"), b"x").unwrap();
    drop(append_to(&ours.join("journal")).unwrap());
    drop(create(&ours.join("log")).unwrap());
    drop(open_lock(&ours.join("lock")).unwrap());
    for name in ["file", "view", "journal", "log", "lock"] {
        let read = read(&ours.join(name), Limit::SMALL, Whose::Secret);
        assert!(read.is_ok(), "others can read {name}: {read:?}");
    }
    open_to_all(&ours);
    let open = exposed(&own_folder(&ours).unwrap_err());
    assert!(open.why.contains("can be written by"), "{open}");
    assert!(open.mend.contains(&ours.display().to_string()), "{open}");
    open_to_all(&file);
    assert!(append_to(&file).is_err() && open_lock(&file).is_err());
    assert!(exposed(&read(&file, Limit::SMALL, Whose::Ours).unwrap_err()).why.contains("can be written by"));
    assert_eq!(read(&file, Limit::SMALL, Whose::Anybodys).unwrap(), b"x");
}

#[test]
fn a_secret_that_others_can_read_is_refused_and_anything_else_of_ours_is_not() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secret");
    replace(&file, b"x").unwrap();
    readable_by_all(&file);
    let open = exposed(&read(&file, Limit::SMALL, Whose::Secret).unwrap_err());
    assert!(open.why.contains("can be read by"), "{open}");
    assert_eq!(read(&file, Limit::SMALL, Whose::Ours).unwrap(), b"x");
}

#[test]
fn what_is_appended_goes_to_the_end_after_a_cut_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("journal");
    let mut file = append_to(&path).unwrap();
    file.write_all(b"one\ntwo\nto").unwrap();
    cut(&file, 8).unwrap();
    file.write_all(b"three\n").unwrap();
    let mut other = append_to(&path).unwrap();
    other.write_all(b"four\n").unwrap();
    file.write_all(b"five\n").unwrap();
    file.sync_all().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\nfour\nfive\n");
}

#[test]
fn a_file_that_others_read_is_replaced_and_removed_and_nothing_is_left_behind() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("progress.json");
    replace(&path, b"one").unwrap();
    let bodies: [&[u8]; 2] = [b"two", b"three"];
    for (body, replace) in bodies.into_iter().zip([replace, replace_unsynced]) {
        let reader = std::fs::File::open(&path).unwrap();
        let replaced = std::thread::scope(|scope| {
            let replaced = scope.spawn(|| replace(&path, body));
            // A system that cannot replace what is open waits for this.
            drop(reader);
            replaced.join().unwrap()
        });
        replaced.unwrap();
        assert_eq!(read(&path, Limit::SMALL, Whose::Ours).unwrap(), body);
    }
    let lock = open_lock(&path).unwrap();
    lock.try_lock().unwrap();
    assert!(open_lock(&path).unwrap().try_lock().is_err(), "a lock keeps others away");
    drop(lock);
    remove(&path).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert_eq!(remove(Path::new("no-such-file")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn names_may_be_long() {
    let folder = TempDir::new().unwrap();
    let mut deep = folder.path().to_owned();
    for number in 0..5 {
        deep.push(format!("{number}{}", "-a-name-of-some-length".repeat(3)));
    }
    create_folder(&deep).unwrap();
    assert!(deep.as_os_str().len() > 300);
    let path = deep.join("file");
    replace(&path, b"one").unwrap();
    replace(&path, b"two").unwrap();
    assert_eq!(read(&path, Limit::SMALL, Whose::Secret).unwrap(), b"two");
    own_folder(&deep).unwrap();
}

/// The part that this process plays in the next test, and where its test listens.
const PART: &str = "ORCHESTRATE_TEST_PART";

/// Starts this test once more, in a part.
fn part(name: &str, address: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "tests::a_process_that_lives_on_does_not_hold_the_streams_that_we_were_given",
        "--nocapture",
    ]);
    command.env(PART, format!("{name} {address}")).stdin(Stdio::null());
    command
}

#[test]
fn a_process_that_lives_on_does_not_hold_the_streams_that_we_were_given() {
    let played = std::env::var(PART).unwrap_or_default();
    match played.split_once(' ') {
        Some(("starts", address)) => {
            keep_streams().unwrap();
            drop(part("lives", address).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        }
        Some((_, address)) => {
            // It lives until the test lets it go.
            let mut test = std::net::TcpStream::connect(address).unwrap();
            test.read_to_end(&mut Vec::new()).unwrap();
        }
        None => {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let started = part("starts", &address).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let (tell, told) = std::sync::mpsc::channel();
            let reads = std::thread::spawn(move || tell.send(started.wait_with_output().unwrap().status.success()));
            let (lives, _) = listener.accept().unwrap();
            let ended = told.recv_timeout(std::time::Duration::from_secs(60));
            drop(lives);
            assert_eq!(ended, Ok(true), "what lives on has the streams of what started it");
            reads.join().unwrap().unwrap();
        }
    }
}
