//! What the journal and the claims promise, tried on real files.

use crate::claim::OnDisk;
use crate::{Claim, ClaimError, Holder, JournalError, MemoryStorage, Storage, read};
use crate::{FileStorage, Journal, StateDir};
use jiff::Timestamp;
use orchestrate_engine::record::{Actor, Attended};
use orchestrate_engine::{Intent, IntentId, Record, RunHeader};
use orchestrate_model::{Act, PoolName, RunId, ServerName, ServiceName, Target};
use orchestrate_planner::{StepId, plan::WorkId};
use std::path::{Path, PathBuf};

fn records() -> Vec<Record> {
    let by = Actor { user: "anna".into(), host: "admin1".into(), process: 7 };
    let run = RunId::new("20261123-1").unwrap();
    let target = Target {
        pool: PoolName::new("pool01.contoso.example").unwrap(),
        server: ServerName::new("fe1.contoso.example").unwrap(),
    };
    let act = Act::Pause { service: ServiceName::new("RTCSRV").unwrap() };
    vec![
        Record::RunStarted(RunHeader { run, plan: "00ff".into(), by, attended: Attended::Yes, approvals: Vec::new() }),
        Record::StepStarted { step: StepId(0) },
        Record::Intent(Intent { id: IntentId(1), step: StepId(3), work: WorkId(0), target, act }),
        Record::Note { work: None, text: "a text with \"hash\":\" in it, a line\nbreak and an ü".into() },
    ]
}

fn journal_of(records: &[Record]) -> Vec<u8> {
    let storage = MemoryStorage::default();
    let mut journal = Journal::new(Box::new(storage.clone()));
    for record in records {
        journal.append(Timestamp::UNIX_EPOCH, record).unwrap();
    }
    storage.bytes()
}

fn path() -> PathBuf {
    PathBuf::from("runs/7/journal.jsonl")
}

#[test]
fn what_was_appended_is_read_back_in_order() {
    let entries = read(&path(), &journal_of(&records())).unwrap();
    assert_eq!(entries.entries.iter().map(|entry| entry.record.clone()).collect::<Vec<_>>(), records());
    assert_eq!(entries.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(entries.torn, 0);
}

#[test]
fn p6_a_journal_torn_at_any_byte_keeps_every_whole_record_and_can_be_continued() {
    let bytes = journal_of(&records());
    for cut in 0..bytes.len() {
        let entries = read(&path(), &bytes[..cut]).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let whole = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(entries.entries.len(), whole, "cut at {cut}");
        assert_eq!(entries.length + entries.torn, cut as u64);
        let kept = usize::try_from(entries.length).unwrap();
        let storage = MemoryStorage::with(bytes[..kept].to_vec());
        let mut journal = Journal::after(&entries, Box::new(storage.clone()));
        for record in &records()[whole..] {
            journal.append(Timestamp::UNIX_EPOCH, record).unwrap();
        }
        assert_eq!(storage.bytes(), bytes, "cut at {cut}");
    }
}

#[test]
fn a_byte_changed_anywhere_is_an_error_that_names_file_and_record() {
    let bytes = journal_of(&records());
    for place in 0..bytes.len() {
        for changed in [bytes[place] ^ 1, b'\n', b'x', 0xff] {
            if changed == bytes[place] {
                continue;
            }
            let mut damaged = bytes.clone();
            damaged[place] = changed;
            let record = 1 + bytes[..place].iter().filter(|byte| **byte == b'\n').count() as u64;
            match read(&path(), &damaged) {
                Err(JournalError::Damaged { path: named, number, .. }) => {
                    assert_eq!((named, number), (path(), record), "byte {place} became {changed}");
                }
                other => panic!("byte {place} became {changed} and was read as {other:?}"),
            }
        }
    }
}

#[test]
fn a_record_left_out_moved_or_of_another_version_is_an_error() {
    let bytes = journal_of(&records());
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let left_out = [lines[0], lines[2], lines[3]].concat();
    let moved = [lines[0], lines[2], lines[1], lines[3]].concat();
    let without_first = [lines[1], lines[2]].concat();
    for damaged in [left_out, moved, without_first] {
        assert!(matches!(read(&path(), &damaged), Err(JournalError::Damaged { .. })));
    }
    let (line, _) = crate::line::write(1, Timestamp::UNIX_EPOCH, "none", &records()[0]);
    let error = read(&path(), line.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("does not follow"), "{error}");
}

fn storage(folder: &Path) -> (PathBuf, FileStorage) {
    let path = folder.join("journal.jsonl");
    let storage = FileStorage::open(&path, 0).unwrap();
    (path, storage)
}

#[test]
fn opening_cuts_a_torn_tail_off_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    std::fs::write(&path, b"whole\ntor").unwrap();
    let mut storage = FileStorage::open(&path, 6).unwrap();
    storage.append(b"next\n").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"whole\nnext\n");
}

#[test]
#[cfg_attr(not(unix), ignore = "Wine keeps the name of a file that is removed while it is open, unlike Windows 10")]
fn a_journal_deleted_or_changed_in_mid_run_takes_no_more_records() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mut storage) = storage(folder.path());
    storage.append(b"one\n").unwrap();
    std::fs::write(&path, b"one\nby another\n").unwrap();
    assert!(storage.append(b"two\n").unwrap_err().to_string().contains("changed by something else"));
    std::fs::remove_file(&path).unwrap();
    assert!(storage.append(b"two\n").is_err());
    assert!(!path.exists());
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(storage.append(b"two\n").is_err());
}

#[test]
fn room_is_reserved_for_the_way_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, _storage) = storage(folder.path());
    let reserve = path.with_extension("reserve");
    assert!(std::fs::metadata(&reserve).unwrap().len() >= 1024 * 1024);
}

fn holder(process: u32, run: &str) -> Holder {
    Holder {
        user: "anna".into(),
        host: "admin1".into(),
        process,
        since: Timestamp::UNIX_EPOCH,
        reason: "November update".into(),
        run: RunId::new(run).unwrap(),
    }
}

fn pools(names: &[&str]) -> Vec<PoolName> {
    names.iter().map(|name| PoolName::new(&format!("{name}.contoso.example")).unwrap()).collect()
}

#[test]
fn p12_a_second_claim_is_refused_with_holder_host_since_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let first = state.claim(&pools(&["a", "b"]), &holder(1, "run-1")).unwrap();
    let error = state.claim(&pools(&["c", "b"]), &holder(2, "run-2")).unwrap_err();
    let ClaimError::Held { pool, holder: Some(found) } = &error else { panic!("{error}") };
    assert_eq!((pool, &**found), (&pools(&["b"])[0], &holder(1, "run-1")));
    for part in ["anna", "admin1", "1970-01-01", "November update", "run-1"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // All or none: c was not kept by the attempt that failed.
    state.claim(&pools(&["c"]), &holder(3, "run-3")).unwrap();
    first.check().unwrap();
}

#[test]
fn p12_the_claim_of_a_dead_holder_is_taken_over_with_a_higher_number() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let first: Claim = state.claim(&pools(&["a"]), &holder(1, "run-1")).unwrap();
    // The system gives the lock of a dead process back, as dropping it does.
    drop(first);
    let second = state.claim(&pools(&["a"]), &holder(2, "run-1")).unwrap();
    second.check().unwrap();
    let bytes = std::fs::read(folder.path().join("claims/a.contoso.example.json")).unwrap();
    let there: OnDisk = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(there.number, 2);
}

#[test]
#[cfg_attr(not(unix), ignore = "Wine keeps the name of a file that is removed while it is open, unlike Windows 10")]
fn p12_a_claim_that_was_lost_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let claim = state.claim(&pools(&["a"]), &holder(1, "run-1")).unwrap();
    claim.check().unwrap();
    // Somebody removes the whole folder and another run claims the pool from number 1 on.
    std::fs::remove_dir_all(folder.path()).unwrap();
    let gone = claim.check().unwrap_err();
    assert!(matches!(gone, ClaimError::Lost { .. }), "{gone}");
    let state = StateDir::open(folder.path()).unwrap();
    let other = state.claim(&pools(&["a"]), &holder(2, "run-2")).unwrap();
    let lost = claim.check().unwrap_err().to_string();
    assert!(lost.contains("run-2"), "{lost}");
    other.check().unwrap();
    std::fs::write(folder.path().join("claims/a.contoso.example.json"), b"{").unwrap();
    assert!(other.check().is_err());
}

#[test]
fn p12_what_is_asked_about_some_pools_is_answered_for_these_and_about_none_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let all = pools(&["a", "b", "c"]);
    let claim = state.claim(&all, &holder(1, "run-1")).unwrap();
    let [a, b, c] = &all[..] else { unreachable!("three pools") };
    std::fs::remove_file(folder.path().join("claims/b.contoso.example.json")).unwrap();
    claim.check_of(&[a, c]).unwrap();
    assert!(claim.check_of(&[a, b]).is_err());
    claim.check_of(&[]).unwrap();
    std::fs::remove_file(folder.path().join("claims/a.contoso.example.json")).unwrap();
    assert!(claim.check_of(&[]).is_err());
}

#[test]
fn a_pool_that_is_called_as_a_device_of_windows_has_files_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let odd = pools(&["con", "aux", "nul", "com1", "lpt9"]);
    let claim = state.claim(&odd, &holder(1, "run-1")).unwrap();
    claim.check().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(folder.path().join("claims"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .filter(|name| name.ends_with(".lock"))
        .collect();
    names.sort();
    let expected = ["aux", "com1", "con", "lpt9", "nul"].map(|name| format!("@{name}.contoso.example.lock"));
    assert_eq!(names, expected);
    assert!(matches!(state.claim(&odd[..1], &holder(2, "run-2")), Err(ClaimError::Held { .. })));
    let usual = state.claim(&pools(&["console", "com10", "lync"]), &holder(3, "run-3")).unwrap();
    usual.check().unwrap();
    assert!(folder.path().join("claims/console.contoso.example.lock").is_file());
}

#[test]
fn commands_are_taken_once_and_in_order() {
    use orchestrate_engine::Command;
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("inbox");
    let (stop, now) = (Command::Stop { by: "anna".into() }, Command::StopNow { by: "anna".into() });
    assert_eq!(crate::inbox::take(&inbox).unwrap().commands, []);
    crate::inbox::send(&inbox, "2", &now).unwrap();
    crate::inbox::send(&inbox, "1", &stop).unwrap();
    std::fs::write(inbox.join("0.json"), b"not a command").unwrap();
    let taken = crate::inbox::take(&inbox).unwrap();
    assert_eq!(taken.commands, [stop, now]);
    assert!(matches!(taken.passed_over.as_slice(), [(name, _)] if name == "0.json"), "{:?}", taken.passed_over);
    assert_eq!(crate::inbox::take(&inbox).unwrap().commands, []);
}

#[test]
fn a_command_that_cannot_be_read_does_not_keep_back_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let inbox = folder.path().join("inbox");
    let stop = orchestrate_engine::Command::Stop { by: "anna".into() };
    crate::inbox::send(&inbox, "1", &stop).unwrap();
    // A folder in the place of a file can be read by nobody, not even by the system's own account.
    std::fs::create_dir(inbox.join("2.json")).unwrap();
    crate::inbox::send(&inbox, "3", &stop).unwrap();
    assert_eq!(crate::inbox::take(&inbox).unwrap().commands, [stop.clone(), stop]);
    assert_eq!(crate::inbox::take(&inbox).unwrap().commands, []);
}

#[test]
fn p12_a_copied_state_folder_is_another_one_and_says_where_it_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let state = StateDir::open(&first).unwrap();
    let name = state.identity().expect("it has a name");
    assert_eq!(StateDir::open(&first).unwrap().identity(), Some(name.clone()), "it keeps its name");
    assert_eq!(state.came_from(), None);
    for inner in ["", "runs", "claims"] {
        orchestrate_files::create_folder(&second.join(inner)).unwrap();
    }
    orchestrate_files::replace(&second.join("identity"), &std::fs::read(first.join("identity")).unwrap()).unwrap();
    let copy = StateDir::open_existing(&second).unwrap().expect("it is there");
    assert_eq!(copy.identity(), None, "the leases of the first one are not its own");
    assert_eq!(copy.came_from(), Some(PathBuf::from(first.canonicalize().unwrap().display().to_string())));
    let copy = StateDir::open(&second).unwrap();
    assert!(copy.identity().is_some_and(|other| other != name));
    copy.not_begun().unwrap();
    let asked = StateDir::open_existing(&second).unwrap().expect("it is there");
    assert!(asked.came_from().is_some(), "a start that came to nothing has not made it another one");
    let copy = StateDir::open(&second).unwrap();
    assert!(copy.identity().is_some_and(|other| other != name));
    assert_eq!(copy.came_from(), None);
}

#[test]
fn p8_what_is_left_of_a_run_without_journal_and_plan_is_not_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path()).unwrap();
    let left = folder.path().join("runs/20261127-1");
    orchestrate_files::create_folder(&left).unwrap();
    orchestrate_files::replace(&left.join("plan.yaml"), b"version: 1").unwrap();
    assert_eq!(state.runs().unwrap().len(), 0, "it never began");
    orchestrate_files::replace(&left.join("progress.json"), b"{}").unwrap();
    let runs = state.runs().unwrap();
    assert_eq!(runs.len(), 1);
    assert!(runs[0].plan().is_err(), "reading it says what is missing");
}
