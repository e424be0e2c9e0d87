//! The command line after an earlier start: runs that go on elsewhere, were broken off, or whose files were damaged.

use orchestrate_tests::cli::{Background, Said, Sandbox};
use std::path::{Path, PathBuf};

const SPEED: &str = "40";

/// Starts a run whose first server stays in its drain for hours, and returns its plan, it, and its id once it is there.
fn draining(sandbox: &Sandbox) -> (String, Background, String) {
    let plan = sandbox.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
    let id = sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    (plan, run, id)
}

/// Starts such a run, kills it, and returns its plan, its id, and its folder.
fn killed(sandbox: &Sandbox) -> (String, String, PathBuf) {
    let (plan, run, id) = draining(sandbox);
    sandbox.wait_for_view(r#""out":true"#);
    assert!(run.killed().was_killed());
    let folder = sandbox.runs().remove(0);
    (plan, id, folder)
}

fn dry(sandbox: &Sandbox, plan: &str, more: &[&str]) -> Said {
    sandbox.run(&[&[plan, "--lab", "--dry-run"], more].concat())
}

/// Asserts an exit code and words on stdout or stderr.
fn assert_says(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{}\n{}", said.out, said.err);
    let all = format!("{}\n{}", said.out, said.err);
    for word in words {
        assert!(all.contains(word), "{word} is missing:\n{all}");
    }
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("the file can be read");
    assert!(text.contains(from), "{} has no {from}", path.display());
    std::fs::write(path, text.replace(from, to)).expect("the file can be written");
}

#[test]
fn p7_a_dry_run_says_what_a_start_would_do_about_an_earlier_run() {
    let sandbox = Sandbox::default();
    let (plan, run, id) = draining(&sandbox);
    let held = dry(&sandbox, &plan, &[]);
    assert_says(&held, 7, &["ann", "since", &id]);
    assert!(held.out.starts_with("a start would be refused now, with exit code 7: "), "{}", held.out);
    let json: serde_json::Value = serde_json::from_str(&dry(&sandbox, &plan, &["-o", "json"]).out).unwrap();
    assert_eq!((&json["instead"]["would"], &json["instead"]["exit_code"]), (&"be-refused".into(), &7.into()));
    assert!(run.killed().was_killed());
    let goes_on = dry(&sandbox, &plan, &[]);
    assert!(goes_on.out.starts_with(&format!("run {id}, begun ")), "{}", goes_on.out);
    assert_ne!(goes_on.code, Some(8));
    let first = goes_on.out.split("\n\n").next().unwrap().replace('\n', " ");
    assert!(first.contains("in hand: fe1 is unfinished: a start would go on with it"), "{first}");
    let json: serde_json::Value = serde_json::from_str(&dry(&sandbox, &plan, &["-o", "json"]).out).unwrap();
    assert_eq!((&json["instead"]["would"], &json["instead"]["run"]), (&"go-on".into(), &id.as_str().into()));
    assert!(dry(&sandbox, &plan, &["--offline", "-o", "dot"]).err.contains("a start would go on with it"));
    edit(Path::new(&plan), "trying orchestrate", "something else");
    let changed = dry(&sandbox, &plan, &[]);
    assert_says(&changed, 8, &["a start would be refused now, with exit code 8", &format!("resume {id}")]);
}

#[test]
fn p12_another_plan_on_the_pool_of_a_run_in_work_is_told_who_holds_it() {
    let sandbox = Sandbox::default();
    let (plan, _run, id) = draining(&sandbox);
    edit(Path::new(&plan), "trying orchestrate", "something else");
    let said = sandbox.run(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
    assert_says(&said, 7, &["ann", "process", "since", "trying orchestrate", &id]);
    assert!(!said.err.contains("recover"), "a run in work is not to be recovered: {}", said.err);
}

#[test]
fn p8_a_damaged_journal_is_never_taken_for_a_run_that_left_nothing_out() {
    let sandbox = Sandbox::default();
    let (plan, id, folder) = killed(&sandbox);
    let journal = folder.join("journal.jsonl");
    let whole = std::fs::read(&journal).unwrap();
    let mut damaged = whole.clone();
    let line = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(9).unwrap().0;
    damaged[line - 80] ^= 1;
    std::fs::write(&journal, damaged).unwrap();
    let record = ["journal.jsonl is damaged at record 10", "docs/runbook.md"];
    assert_says(&sandbox.run(&["resume", &id]), 70, &record);
    assert_says(&sandbox.run(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]), 70, &record);
    let status = sandbox.run(&["status"]);
    assert_says(&status, 70, &record);
    assert!(status.out.starts_with(&format!("{id}  UNREADABLE: servers may be out; ")), "{}", status.out);
    for gone in [true, false] {
        if gone {
            std::fs::remove_file(&journal).unwrap();
        } else {
            std::fs::write(&journal, "").unwrap();
        }
        for command in ["resume", "recover", "status"] {
            let said = sandbox.run(&[command, &id]);
            assert_says(&said, 70, &["nothing is known of what was done", "journal.jsonl", "fe1.first.example"]);
            assert!(!said.err.contains("has ended"), "{}", said.err);
        }
    }
    std::fs::write(&journal, whole).unwrap();
    edit(&folder.join("plan.json"), r#""at_once":1"#, r#""at_once":2"#);
    assert_says(&sandbox.run(&["resume", &id]), 70, &["it was begun with the plan", "plan.json is the plan"]);
    edit(&folder.join("plan.json"), r#""at_once":2"#, r#""at_once":1"#);
    assert_says(&sandbox.run(&["status", &id]), 0, &["INTERRUPTED, 1 may be out"]);
}

#[test]
fn a_damaged_run_stops_new_runs_of_its_own_pools_only() {
    let sandbox = Sandbox::default();
    let (plan, id, folder) = killed(&sandbox);
    std::fs::write(folder.join("plan.json"), "{").unwrap();
    let own = dry(&sandbox, &plan, &["--offline"]);
    assert_says(&own, 70, &["a start would be refused now, with exit code 70", "plan.json"]);
    edit(Path::new(&plan), "pool.first.example", "pool.second.example");
    let other = dry(&sandbox, &plan, &["--offline"]);
    assert_says(&other, 0, &[]);
    assert!(!other.out.contains("a start would"), "{}", other.out);
    std::fs::remove_file(folder.join("plan.yaml")).unwrap();
    std::fs::remove_file(folder.join("progress.json")).unwrap();
    let unknown = dry(&sandbox, &plan, &["--offline"]);
    assert_says(&unknown, 70, &["which pools run", &id, &format!("move {}", folder.display())]);
}
