use super::write::of;
use super::{MARK, PROGRAM, Saved, SavedError, Servers, bytes_of, keep, may_be_written, parse, read, sum_of};
use crate::exit::Exit;
use crate::plan_file::{self, PlanFile};
use crate::stage::Planned;
use std::path::{Path, PathBuf};

fn plan() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/contoso-front-end.yaml")
}

fn made() -> (PlanFile, Planned) {
    let file = plan_file::read(&plan()).unwrap();
    let planned = Planned::offline(&file.change).unwrap();
    (file, planned)
}

fn saved() -> Saved {
    let (file, planned) = made();
    of(&plan(), &file, &planned, Servers::Real)
}

fn refused(bytes: &[u8]) -> SavedError {
    parse(Path::new("plan.orch"), bytes).unwrap_err()
}

/// Returns a file with a right sum, whatever is in it.
fn summed(version: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{MARK}{version} {PROGRAM} {}\n", sum_of(version, PROGRAM, body)).into_bytes();
    bytes.extend(body);
    bytes
}

#[test]
fn a_saved_plan_is_read_as_it_was_written_and_makes_the_same_plan() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("plan.orch");
    let (file, planned) = made();
    keep(&path, (&plan(), &file), &planned, Servers::Real).unwrap();
    let found = read(&path).unwrap();
    assert_eq!((&found.fingerprint, &found.plan), (&planned.plan.fingerprint().to_string(), &planned.plan));
    assert_eq!(found.plan_file.text.as_bytes(), file.bytes);
    assert_eq!(found.plan_file.name, "contoso-front-end.yaml");
    let again = Planned::of(&file.change, found.evidence.seen.clone(), found.evidence.at).unwrap();
    assert_eq!((again.plan, again.report), (planned.plan, planned.report));
    // As a plan file it is the plan file that is in it.
    let as_plan = plan_file::read(&path).unwrap();
    assert_eq!((as_plan.change, as_plan.bytes), (file.change, file.bytes));
    assert!(as_plan.saved.is_some());
}

#[test]
fn every_changed_byte_is_refused() {
    let bytes = bytes_of(&saved()).unwrap();
    parse(Path::new("plan.orch"), &bytes).unwrap();
    // All of the first line, and the rest here and there: each costs a sum over the whole.
    let places = (0..200).chain((200..bytes.len()).step_by(bytes.len() / 50)).chain([bytes.len() - 1]);
    for at in places {
        for flip in [1, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert!(parse(Path::new("plan.orch"), &changed).is_err(), "byte {at}");
        }
    }
    for cut in [0, 10, 60, bytes.len() / 2, bytes.len() - 1] {
        assert!(parse(Path::new("plan.orch"), &bytes[..cut]).is_err(), "cut at {cut}");
    }
    let longer = [bytes.as_slice(), b" "].concat();
    assert!(matches!(refused(&longer), SavedError::Changed { .. }));
}

#[test]
fn another_version_is_refused_by_name_with_what_to_do() {
    let error = refused(b"orchestrate-saved-plan 7 orchestrate/9.1.0 blake3:00 further words\n{}");
    assert!(error.to_string().contains("version 7, made by orchestrate/9.1.0; this is orchestrate/"), "{error}");
    let (exit, help) = error.edge();
    assert_eq!(exit, Exit::BadPlan);
    assert!(help.unwrap().contains("--dry-run --out"));
    assert!(matches!(refused(b"version: 1\n"), SavedError::NotOne { .. }));
}

#[test]
fn hostile_files_are_refused_whatever_they_hold() {
    let long = [MARK.as_bytes(), &[b'1'; 4096]].concat();
    assert!(matches!(refused(&long), SavedError::Changed { .. }));
    let deep = "[".repeat(200_000);
    for body in ["", "{}", "[]", "null", &deep, "\u{0}"] {
        assert!(matches!(refused(&summed("1", body.as_bytes())), SavedError::Changed { .. }), "{}", body.len());
    }
    let mut value = serde_json::to_value(saved()).unwrap();
    // Steps that are not there, under a fingerprint that is right for them.
    value["plan"]["edges"][0]["before"] = 4_000_000_000_u32.into();
    let plan: orchestrate_planner::Plan = serde_json::from_value(value["plan"].clone()).unwrap();
    value["fingerprint"] = plan.fingerprint().to_string().into();
    let error = refused(&summed("1", value.to_string().as_bytes()));
    assert!(error.to_string().contains("its plan is not sound"), "{error}");
    value["fingerprint"] = "00".repeat(32).into();
    assert!(refused(&summed("1", value.to_string().as_bytes())).to_string().contains("another fingerprint"));
    value["more"] = true.into();
    assert!(matches!(refused(&summed("1", value.to_string().as_bytes())), SavedError::Changed { .. }));
    let folder = tempfile::TempDir::new().unwrap();
    let huge = folder.path().join("huge.orch");
    std::fs::write(&huge, MARK).unwrap();
    // Nothing but a length: no system keeps the zeroes.
    std::fs::OpenOptions::new().write(true).open(&huge).unwrap().set_len(300 << 20).unwrap();
    let error = read(&huge).unwrap_err();
    assert!(matches!(&error, SavedError::Unreadable { source, .. } if source.to_string().contains("larger than")));
}

#[test]
fn what_is_no_saved_plan_is_never_written_over() {
    let folder = tempfile::TempDir::new().unwrap();
    let plan = folder.path().join("plan.yaml");
    std::fs::write(&plan, "version: 1\n").unwrap();
    for bad in [plan.as_path(), folder.path(), &folder.path().join("..")] {
        assert!(matches!(may_be_written(bad), Err(SavedError::InTheWay { .. })), "{}", bad.display());
    }
    let nowhere = folder.path().join("none").join("plan.orch");
    assert!(matches!(may_be_written(&nowhere), Err(SavedError::Unwritten { .. })));
    let fresh = folder.path().join("plan.orch");
    may_be_written(&fresh).unwrap();
    std::fs::write(&fresh, bytes_of(&saved()).unwrap()).unwrap();
    may_be_written(&fresh).unwrap();
}

#[test]
fn a_plan_with_what_may_be_a_secret_is_not_saved() {
    let folder = tempfile::TempDir::new().unwrap();
    let text = std::fs::read_to_string(plan()).unwrap();
    let with_secret = text.replace("arguments: [/silentmode]", "arguments: [/silentmode, \"PASSWORD=hush\"]");
    assert_ne!(text, with_secret);
    let (yaml, out) = (folder.path().join("plan.yaml"), folder.path().join("plan.orch"));
    std::fs::write(&yaml, with_secret).unwrap();
    let file = plan_file::read(&yaml).unwrap();
    let planned = Planned::offline(&file.change).unwrap();
    let failure = keep(&out, (&yaml, &file), &planned, Servers::Real).unwrap_err();
    assert!(failure.to_string().contains("O2083") && !failure.to_string().contains("hush"), "{failure}");
    assert!(!out.exists());
}

#[test]
fn the_calendars_of_a_plan_go_with_it() {
    let folder = tempfile::TempDir::new().unwrap();
    let calendar = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20261101T000000Z\r\n\
                    DTSTART;VALUE=DATE:20261220\r\nDTEND;VALUE=DATE:20270103\r\nSUMMARY:End of the year\r\nEND:VEVENT\r\n\
                    END:VCALENDAR\r\n";
    let ics = folder.path().join("freezes.ics");
    std::fs::write(&ics, calendar).unwrap();
    let text = std::fs::read_to_string(plan()).unwrap();
    let (before, _) = text.split_once("\nwindows:").unwrap();
    let yaml = folder.path().join("plan.yaml");
    std::fs::write(&yaml, format!("{before}\nfreezes: [{{calendar: freezes.ics, timezone: UTC}}]\n")).unwrap();
    let file = plan_file::read(&yaml).unwrap();
    let planned = Planned::offline(&file.change).unwrap();
    let out = folder.path().join("plan.orch");
    keep(&out, (&yaml, &file), &planned, Servers::Real).unwrap();
    std::fs::remove_file(&ics).unwrap();
    std::fs::remove_file(&yaml).unwrap();
    let found = plan_file::read(&out).unwrap();
    assert_eq!(found.change, file.change);
    assert!(!found.change.freezes.is_empty() && found.calendars["freezes.ics"] == calendar);
}
