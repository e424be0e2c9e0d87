//! Saved plans on the lab: what was shown is run exactly or refused in words, and two plans are compared without servers.

use orchestrate_tests::cli::{Said, Sandbox};
use serde_json::Value;

const SPEED: &str = "40";

/// Two servers that are not as they were when the plan was saved.
const OTHERS: &str =
    "servers:\n  fe1.first.example: {states: {RTCRGS: stopped}}\n  fe2.first.example: {level: patched}\n";

/// Saves the plan of the example and returns the paths of the plan file and of the saved plan.
fn saved(sandbox: &Sandbox, changes: &[(&str, &str)]) -> (String, String) {
    let plan = sandbox.first_pool(changes, &[]);
    let file = sandbox.path().join("plan.orch").display().to_string();
    let mut command = sandbox.command(&[&plan, "--lab", "--dry-run", "--brief", "--out", &file]);
    let said: Said = command.env("MAINTENANCE_PASSWORD", "correct horse").output().expect("the binary starts").into();
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.err.contains("to run exactly this plan:") && said.err.contains(" apply "), "{}", said.err);
    (plan, file)
}

fn apply(file: &str, more: &[&str]) -> Vec<String> {
    let all = [&["apply", file, "--lab", "--lab-speed", SPEED], more].concat();
    all.into_iter().map(str::to_owned).collect()
}

fn run(sandbox: &Sandbox, arguments: &[String]) -> Said {
    sandbox.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_saved_plan_is_run_exactly_or_refused_with_what_has_become_different() {
    let sandbox = Sandbox::default();
    let (plan, file) = saved(&sandbox, &[]);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept.starts_with("orchestrate-saved-plan 1 orchestrate/") && !kept.contains("correct horse"));
    // Nothing but the saved plan is needed.
    std::fs::remove_file(&plan).unwrap();
    let real = sandbox.run(&["apply", &file, "--yes"]);
    assert_eq!(real.code, Some(64), "{}", real.err);
    assert!(real.err.contains("was made on a lab"), "{}", real.err);
    let unasked = run(&sandbox, &apply(&file, &[]));
    assert_eq!(unasked.code, Some(6), "{}\n{}", unasked.out, unasked.err);
    assert!(
        unasked.err.contains("the servers still need exactly it") && unasked.err.contains(" apply "),
        "{}",
        unasked.err
    );
    let scenario = sandbox.path().join("plan.lab.yaml");
    let as_it_was = std::fs::read_to_string(&scenario).unwrap();
    std::fs::write(&scenario, format!("{as_it_was}{OTHERS}")).unwrap();
    let moved = run(&sandbox, &apply(&file, &["--yes"]));
    assert_eq!(moved.code, Some(8), "{}\n{}", moved.out, moved.err);
    for words in
        ["fe1.first.example: RTCRGS: was running, is stopped", "fe2.first.example: nothing is done to it by now"]
    {
        assert!(moved.out.replace("\n            ", " ").contains(words), "{words} is missing: {}", moved.out);
    }
    assert!(moved.err.contains("nothing was changed"), "{}", moved.err);
    let moved = run(&sandbox, &apply(&file, &["--yes", "-o", "json"]));
    assert_eq!(moved.code, Some(8), "{}", moved.err);
    let event: Value = serde_json::from_str(&moved.out).unwrap();
    assert_eq!((&event["event"], &event["version"]), (&"plan_differs".into(), &1.into()));
    assert!(sandbox.runs().is_empty(), "a refused start begins no run");
    std::fs::write(&scenario, as_it_was).unwrap();
    let same = run(&sandbox, &["apply".to_owned(), file.clone(), "--lab".to_owned(), "--dry-run".to_owned()]);
    assert_eq!(same.code, Some(0), "{}\n{}", same.out, same.err);
    let first: Vec<String> = apply(&file, &["--yes"]);
    let first = sandbox.start(&first.iter().map(String::as_str).collect::<Vec<_>>());
    let id = sandbox.wait_for_record("start_installer");
    assert!(first.killed().was_killed());
    let status = sandbox.run(&["status", &id]);
    assert!(status.out.contains("INTERRUPTED"), "{}", status.out);
    let second = run(&sandbox, &apply(&file, &["--yes"]));
    assert_eq!(second.code, Some(0), "{}\n{}", second.out, second.err);
    assert!(second.err.contains(&format!("found run {id}")), "{}", second.err);
    assert!(second.out.contains("servers patched             3 of 3"), "{}", second.out);
}

#[test]
fn a_saved_plan_that_is_damaged_mistaken_or_not_approved_changes_nothing() {
    let sandbox = Sandbox::default();
    let (plan, file) = saved(&sandbox, &[]);
    let text = std::fs::read_to_string(&plan).unwrap();
    let over = sandbox.run(&[&plan, "--lab", "--dry-run", "--out", &plan]);
    assert_eq!(over.code, Some(64), "{}", over.err);
    assert_eq!(std::fs::read_to_string(&plan).unwrap(), text, "the plan file was written over");
    let started = sandbox.run(&[&file, "--lab", "--yes"]);
    assert_eq!(started.code, Some(64), "{}", started.err);
    assert!(started.err.contains("to run it: orchestrate apply "), "{}", started.err);
    let other = run(&sandbox, &apply(&file, &["--approve", &"0".repeat(64)]));
    assert_eq!(other.code, Some(8), "{}", other.err);
    assert_eq!(sandbox.run(&["apply", &plan, "--lab"]).code, Some(65));
    let shown = sandbox.run(&["apply", &file, "--lab", "--dry-run", "--offline", "--brief"]);
    assert_eq!(shown.code, Some(0), "{}", shown.err);
    assert!(shown.err.contains("as it was saved") && shown.out.contains("fe3"), "{}\n{}", shown.out, shown.err);
    let kept = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, kept.replacen("soak: 2m", "soak: 1m", 1)).unwrap();
    let changed = run(&sandbox, &apply(&file, &["--yes"]));
    assert_eq!(changed.code, Some(65), "{}", changed.err);
    assert!(changed.err.contains("is not as it was written"), "{}", changed.err);
    let later = kept.replacen("saved-plan 1 orchestrate/", "saved-plan 2 orchestrate/9", 1);
    std::fs::write(&file, later).unwrap();
    let later = run(&sandbox, &apply(&file, &["--yes"]));
    assert_eq!(later.code, Some(65), "{}", later.err);
    assert!(later.err.contains("version 2") && later.err.contains("--dry-run --out FILE"), "{}", later.err);
    assert!(sandbox.runs().is_empty());
}

#[test]
fn two_plans_are_compared_in_words_without_servers() {
    let sandbox = Sandbox::default();
    let (plan, file) = saved(&sandbox, &[]);
    let text = std::fs::read_to_string(&plan).unwrap();
    let other = text.replace("soak: 2m", "soak: 12m").replace(
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "sha256: 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    );
    let other = other.replace(
        "      fe3.first.example: {address: 192.0.2.13, upgrade_domain: UD3}\n",
        "      fe3.first.example: {address: 192.0.2.13, upgrade_domain: UD3}\n      \
         fe4.first.example: {address: 192.0.2.14, upgrade_domain: UD4}\n",
    );
    let other = sandbox.file("other.yaml", &other).display().to_string();
    for (before, after) in [(&plan, &other), (&file, &other)] {
        let said = sandbox.run(&["diff", before, after]);
        assert_eq!(said.code, Some(1), "{}\n{}", said.out, said.err);
        for words in
            ["the SHA-256 of the installer", "was 2m, is 12m", "fe4.first.example of pool.first.example is added"]
        {
            assert!(said.out.contains(words), "{words} is missing: {}", said.out);
        }
        assert!(said.out.contains("no server was asked") && said.out.ends_with("the plans differ\n"), "{}", said.out);
    }
    for (before, after) in [(&plan, &plan), (&file, &plan), (&file, &file)] {
        let said = sandbox.run(&["diff", before, after]);
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
        assert!(said.out.ends_with("nothing differs\n"), "{}", said.out);
    }
    let said = sandbox.run(&["diff", &file, &other, "-o", "json"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&document["version"], &document["differ"]), (&1.into(), &true.into()));
    assert_eq!((&document["a"]["kind"], &document["b"]["kind"]), (&"saved_plan".into(), &"plan_file".into()));
    let subjects: Vec<&str> =
        document["differences"].as_array().unwrap().iter().filter_map(|each| each["subject"].as_str()).collect();
    for subject in ["rules", "servers", "order", "times"] {
        assert!(subjects.contains(&subject), "{subject}: {subjects:?}");
    }
}

#[test]
fn p12_an_unfinished_run_of_another_plan_is_not_gone_on_with() {
    let sandbox = Sandbox::default();
    let (plan, file) = saved(&sandbox, &[("deadline: 30m, ", "deadline: 10h, ")]);
    let scenario = sandbox.path().join("plan.lab.yaml");
    let text = std::fs::read_to_string(&scenario).unwrap();
    let others = "servers:\n  fe2.first.example: {level: patched, endless: {}}\n";
    std::fs::write(&scenario, format!("{}{others}", text.replace("length: 0.05", "length: 20"))).unwrap();
    let other = sandbox.start(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
    let id = sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    assert!(other.killed().was_killed());
    let said = run(&sandbox, &apply(&file, &["--yes"]));
    assert_eq!(said.code, Some(8), "{}\n{}", said.out, said.err);
    assert!(said.err.contains(&format!("resume {id}")), "{}", said.err);
    let out = sandbox.path().join("rest.orch").display().to_string();
    let rest = sandbox.run(&[&plan, "--lab", "--dry-run", "--brief", "--out", &out]);
    assert!(rest.err.contains("was not written: a start goes on with an earlier run"), "{}", rest.err);
    assert!(!std::path::Path::new(&out).exists());
}

#[test]
fn a_plan_that_was_saved_for_an_emergency_is_one_when_it_is_applied() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let text = std::fs::read_to_string(&plan).unwrap();
    let freeze = "freezes: [{from: 2020-01-01, to: 2098-12-31, reason: no changes, timezone: UTC}]\n";
    std::fs::write(&plan, format!("{text}\n{freeze}")).unwrap();
    let file = sandbox.path().join("plan.orch").display().to_string();
    let why = "exploited in the wild";
    let saved = sandbox.run(&[&plan, "--lab", "--dry-run", "--brief", "--emergency", why, "--out", &file]);
    assert_eq!(saved.code, Some(0), "{}\n{}", saved.out, saved.err);
    let applied = sandbox.run(&["apply", &file, "--lab", "--dry-run", "--brief"]);
    assert_eq!(applied.code, Some(0), "{}\n{}", applied.out, applied.err);
    assert!(applied.out.contains("EMERGENCY, at any time, in freezes too: exploited in the wild"), "{}", applied.out);
    let differs = sandbox.run(&["diff", &plan, &file]);
    assert_eq!(differs.code, Some(1), "{}", differs.err);
    assert!(differs.out.contains("a freeze is gone: from 2020-01-01 to 2098-12-31"), "{}", differs.out);
}
