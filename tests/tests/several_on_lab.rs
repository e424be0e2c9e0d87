//! Several installers on the lab: the binary from the plan file to the last look, killed between them, and with a second one
//! that fails.
#![cfg(test)]

use orchestrate_lab::LabReport;
use orchestrate_tests::cli::{Said, Sandbox, repository};
use serde_json::Value;
use std::collections::BTreeMap;

/// Evidence is fresh for 30 s of the lab's time, half a second at this speed.
const SPEED: &str = "60";

/// Writes the example with two installers into a sandbox, changed as asked, and returns the plan's path.
fn two(sandbox: &Sandbox, plan: &[(&str, &str)], lab: &[(&str, &str)]) -> String {
    let changed = |name: &str, changes: &[(&str, &str)]| {
        let text = std::fs::read_to_string(repository().join("examples").join(name)).unwrap();
        changes.iter().fold(text, |text, (from, to)| {
            assert!(text.contains(from), "the example has no {from}");
            text.replace(from, to)
        })
    };
    assert!(sandbox.file("plan.lab.yaml", &changed("two-installers.lab.yaml", lab)).exists());
    sandbox.file("plan.yaml", &changed("two-installers.yaml", plan)).display().to_string()
}

fn records(sandbox: &Sandbox) -> Vec<Value> {
    let run = sandbox.runs().pop().expect("there is a run");
    let text = std::fs::read_to_string(run.join("journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].clone()).collect()
}

/// How often each installer was started on each server, in the words of the lab.
fn starts(report: &LabReport) -> BTreeMap<(String, String), usize> {
    let mut starts = BTreeMap::new();
    for (server, own) in &report.servers {
        for installer in own.installers.values() {
            *starts.entry((server.short().to_owned(), installer.path.clone())).or_default() += 1;
        }
    }
    starts
}

fn report(said: &Said) -> LabReport {
    let events = said.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut reports = events.filter(|event| event["event"] == "lab_report");
    let last = reports.next_back().unwrap_or_else(|| panic!("no lab report:\n{}\n{}", said.out, said.err));
    serde_json::from_value(last["report"].clone()).unwrap()
}

#[test]
fn p6_two_installers_run_once_each_in_their_order_with_one_restart_also_after_a_kill_between_them() {
    let sandbox = Sandbox::default();
    let plan = two(&sandbox, &[], &[]);
    let arguments = [plan.as_str(), "--lab", "--lab-speed", SPEED, "--unattended", "-o", "json"];
    let first = sandbox.start(&arguments);
    drop(sandbox.wait_for_record("\"kind\":\"installer_ended\""));
    drop(first.killed());
    let said = sandbox.run(&arguments);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let report = report(&said);
    let starts = starts(&report);
    assert_eq!(starts.len(), 6, "{starts:?}");
    assert!(starts.values().all(|count| *count == 1), "{starts:?}");
    assert!(report.servers.values().all(|server| server.restarts == 1), "{report}");
    assert_eq!((report.sessions.cut_total(), report.patched().count()), (0, 3), "{report}");
    for server in report.servers.values() {
        let mut order: Vec<_> = server.installers.values().collect();
        order.sort_by_key(|installer| installer.started);
        assert!(order[0].path.ends_with("SkypeServerUpdateInstaller.exe"), "{order:?}");
    }
    let shown = sandbox.run(&["report", "last", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    let codes = |server: &Value| -> Vec<Value> {
        server["installers"].as_array().unwrap().iter().map(|one| one["exit_code"].clone()).collect()
    };
    assert!(shown["servers"].as_array().unwrap().iter().all(|server| codes(server) == [3010, 0]), "{shown}");
}

#[test]
fn p6_p8_a_second_installer_that_fails_is_told_with_the_restart_that_the_first_asked_for() {
    let sandbox = Sandbox::default();
    let plan = two(&sandbox, &[], &[("exit_code: 0, duration_s", "exit_code: 1603, duration_s")]);
    let said = sandbox.run(&[plan.as_str(), "--lab", "--lab-speed", SPEED, "--unattended"]);
    assert_eq!(said.code, Some(4), "{}\n{}", said.out, said.err);
    let text = format!("{}{}", said.out, said.err);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("installer 1 of 2 (SkypeServerUpdateInstaller.exe) ended with 3010"), "{text}");
    assert!(words.contains("installer 2 of 2 (SQLServer2016-KB1-x64.exe) ended with 1603"), "{text}");
    let started = records(&sandbox).iter().filter(|record| record["act"]["start_installer"].is_object()).count();
    assert_eq!(started, 2, "{text}");
    let run = sandbox.runs().pop().unwrap().file_name().unwrap().to_string_lossy().into_owned();
    let back = sandbox.run(&["recover", &run]);
    let text = format!("{}{}", back.out, back.err);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(back.code, Some(3), "a restart is owed: {text}");
    assert!(words.contains("it needs a restart: the installer ended with 3010"), "{text}");
}

#[test]
fn p6_a_first_installer_that_fails_is_followed_by_none() {
    let sandbox = Sandbox::default();
    let skips = ("  soak: 2m", "  soak: 2m\n  on_hold: skip");
    let plan = two(&sandbox, &[skips], &[("exit_code: 3010", "exit_code: 1603")]);
    let said = sandbox.run(&[plan.as_str(), "--lab", "--lab-speed", SPEED, "--unattended", "-o", "json"]);
    assert_ne!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let starts = starts(&report(&said));
    assert!(!starts.is_empty(), "{}", said.out);
    assert!(starts.keys().all(|(_, path)| path.ends_with("SkypeServerUpdateInstaller.exe")), "{starts:?}");
}
