//! State folders and labs: mistyped names, two starts at once, and a lab that is found again.
#![cfg(test)]

use orchestrate_lab::LabDirectory;
use orchestrate_tests::cli::{Said, Sandbox};
use std::path::Path;
use std::process::Stdio;

const SPEED: &str = "40";

/// The record that the drain of the first server has begun.
const DRAINING: &str = r#""kind":"step_started","step":4"#;

#[test]
fn a_mistyped_state_folder_is_told_and_nothing_is_created() {
    let sandbox = Sandbox::default();
    let none = sandbox.path().join("no-such-folder");
    let name = none.display().to_string();
    let orders: [&[&str]; 7] = [
        &["status"],
        &["status", "last"],
        &["report", "last"],
        &["watch", "last"],
        &["stop", "last"],
        &["resume", "last"],
        &["recover", "last"],
    ];
    for order in orders {
        let said = sandbox.run(&[&["--state-dir", &name], order].concat());
        assert_eq!(said.code, Some(64), "{order:?}: {}", said.err);
        assert!(said.err.contains("there is no state folder") && said.err.contains(&name), "{order:?}: {}", said.err);
    }
    assert!(!none.exists());
}

#[test]
fn an_empty_name_of_a_run_is_a_usage_error_everywhere() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let run = sandbox.run(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
    assert_eq!(run.code, Some(0), "{}", run.err);
    for order in ["resume", "recover", "stop", "hold", "watch", "report", "status", "decide"] {
        for name in ["", " "] {
            let more: &[&str] = if order == "decide" { &["fe1", "retry"] } else { &[] };
            let said = sandbox.run(&[&[order, name], more].concat());
            assert_eq!(said.code, Some(64), "{order} {name:?}: {}\n{}", said.out, said.err);
        }
    }
}

#[test]
fn two_starts_of_one_lab_at_once_share_it_and_its_environment_is_bare() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let start = || {
        let mut command = sandbox.command(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
        command.env("MAINTENANCE_PASSWORD", "open sesame");
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [start(), start()];
    let id = sandbox.wait_for_record(DRAINING);
    let lab = LabDirectory::read(&sandbox.lab_file()).unwrap();
    if let Ok(environment) = std::fs::read(format!("/proc/{}/environ", lab.pid)) {
        assert!(!String::from_utf8_lossy(&environment).contains("open sesame"), "the lab was told the password");
    }
    let mut running = Vec::new();
    for mut child in both {
        match child.try_wait().unwrap() {
            None => running.push(child),
            Some(_) => assert_eq!(Said::from(child.wait_with_output().unwrap()).code, Some(7), "the loser is told"),
        }
    }
    let again = LabDirectory::read(&sandbox.lab_file()).unwrap();
    assert_eq!(again.pid, lab.pid, "nobody's lab was ended");
    let stop = sandbox.run(&["stop", &id]);
    assert_eq!(stop.code, Some(0), "{}", stop.err);
    for child in running {
        let said = Said::from(child.wait_with_output().unwrap());
        assert!(matches!(said.code, Some(130 | 7 | 8)), "{:?}: {}", said.code, said.err);
    }
}

#[test]
fn a_lab_is_found_from_another_state_folder_and_ends_when_nobody_asks_it_anything() {
    let (sandbox, other) = (Sandbox::default(), Sandbox::default());
    let plan = sandbox.first_pool(&[], &[]);
    let home = sandbox.path().join("home");
    let with_home = |sandbox: &Sandbox, arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("HOME", &home).env("LOCALAPPDATA", &home).env_remove("XDG_STATE_HOME");
        command
    };
    let mut lab = with_home(&sandbox, &["lab", &plan, "--lab-speed", SPEED]).stdout(Stdio::piped()).spawn().unwrap();
    let listed = || Said::from(with_home(&other, &["lab", "--list"]).output().unwrap());
    let began = std::time::Instant::now();
    while !listed().out.contains(&format!("process {}", lab.id())) {
        assert!(began.elapsed().as_secs() < 120, "the lab is not listed");
    }
    let list = listed().out;
    assert!(list.contains(&plan) && list.contains(&sandbox.state().display().to_string()), "{list}");
    let stopped = Said::from(with_home(&other, &["lab", &plan, "--stop"]).output().unwrap());
    assert_eq!(stopped.code, Some(0), "{}", stopped.err);
    assert!(lab.wait().unwrap().success());
    assert!(listed().err.contains("no lab runs"));
    let directory = sandbox.path().join("idle.json").display().to_string();
    let origin = "2026-11-28T22:00:00Z";
    let more = ["--directory", &directory, "--speed", "1", "--origin", origin, "--idle-end", "1"];
    let idle = with_home(&sandbox, &[&["lab-process", &plan], &more[..]].concat()).output().unwrap();
    assert!(idle.status.success(), "it ended by itself: {}", String::from_utf8_lossy(&idle.stderr));
}

/// Copies a folder with everything in it, owned and readable as the one it is copied from.
fn copy(from: &Path, to: &Path) {
    orchestrate_files::create_folder(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let copied = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &copied);
        } else {
            orchestrate_files::replace(&copied, &std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

#[test]
fn p12_what_another_control_host_has_in_hand_is_not_taken_up_by_a_copy_of_its_state_folder() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[]);
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", "40", "--yes"]);
    let id = sandbox.wait_for_record(r#""kind":"step_started","step":5"#);
    assert!(run.killed().was_killed());
    let elsewhere = sandbox.path().join("elsewhere");
    copy(&sandbox.state(), &elsewhere);
    let (lab, elsewhere) = (sandbox.lab_file().display().to_string(), elsewhere.display().to_string());
    let journal = |state: &str| {
        std::fs::read(Path::new(state).join("labs").join("runs").join(&id).join("journal.jsonl")).unwrap()
    };
    let before = journal(&elsewhere);
    for command in ["resume", "recover"] {
        let refused = sandbox.run(&[command, &id, "--lab-at", &lab, "--state-dir", &elsewhere]);
        assert_eq!(refused.code, Some(7), "{command}: {}\n{}", refused.out, refused.err);
        for said in
            ["another control host works on these servers; nothing was changed: fe1.first.example", &id, "O2080"]
        {
            assert!(refused.err.contains(said), "{command}: {said} is missing: {}", refused.err);
        }
        assert_eq!(journal(&elsewhere), before, "{command}: nothing was begun");
    }
    let back = sandbox.run(&["recover", &id]);
    assert_eq!(back.code, Some(0), "whose it is brings it back: {}\n{}", back.out, back.err);
}
