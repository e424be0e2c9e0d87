//! The schemas of the documents that programs meet, against what the program prints. Every other test that asks for `-o json`
//! holds what it gets against them too.
#![cfg(test)]

use orchestrate_tests::cli::{Said, Sandbox, repository};
use orchestrate_tests::schemas::{assert_valid, errors};
use serde_json::Value;
use std::collections::BTreeSet;

const SPEED: &str = "40";

fn lines(said: &Said) -> Vec<Value> {
    said.out.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

fn kinds(events: &[Value]) -> BTreeSet<&str> {
    let kind = |event: &Value, key: &str| event.pointer(key).and_then(Value::as_str).map(str::len).is_some();
    let of =
        events.iter().map(|event| if kind(event, "/record/kind") { &event["record"]["kind"] } else { &event["event"] });
    of.filter_map(Value::as_str).collect()
}

#[test]
fn schemas_are_listed_and_an_unknown_one_is_a_mistake_that_names_them() {
    let sandbox = Sandbox::default();
    let list = sandbox.run(&["schema", "--list"]);
    assert_eq!(list.code, Some(0), "{}", list.err);
    let names: Vec<&str> = list.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 10, "{}", list.out);
    let completions = sandbox.run(&["completions", "bash"]).out;
    for name in &names {
        let schema: Value = serde_json::from_str(&sandbox.run(&["schema", name]).out).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert!(completions.contains(&format!(" {name} ")) || completions.contains(&format!(" {name}\"")), "{name}");
    }
    assert_eq!(sandbox.run(&["schema"]).out, sandbox.run(&["schema", "plan"]).out);
    let slip = sandbox.run(&["schema", "evnts"]);
    assert_eq!((slip.code, slip.out.as_str()), (Some(64), ""));
    assert!(slip.err.contains("a similar value exists: 'events'") && slip.err.contains("saved-plan"), "{}", slip.err);
}

#[test]
fn what_is_said_of_every_plan_without_servers_is_as_its_schemas_say() {
    let sandbox = Sandbox::default();
    let files = |folder: &str| {
        let all = std::fs::read_dir(repository().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let all = all.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        let all = all.map(|path| path.display().to_string()).filter(|path| !path.ends_with(".lab.yaml"));
        all.collect::<Vec<String>>()
    };
    // Each is held against its schema by the sandbox.
    let good = files("plans");
    assert!(good.len() > 5);
    for plan in &good {
        for arguments in [
            &["check", plan, "-o", "json"][..],
            &["windows", plan, "-o", "json"],
            &[plan, "--dry-run", "--offline", "-o", "json"],
            &["diff", &good[0], plan, "-o", "json"],
        ] {
            let said = sandbox.run(arguments);
            assert!(!said.out.is_empty(), "{arguments:?}: {}", said.err);
        }
    }
    for plan in files("tests/bad-plans").iter().step_by(5) {
        assert!(!sandbox.run(&["check", plan, "-o", "json"]).out.is_empty(), "{plan}");
    }
    let plan = sandbox.first_pool(&[], &[]);
    let simulated = sandbox.run(&["simulate", &plan, "--runs", "2", "--faults", "installer-fails", "-o", "json"]);
    assert_eq!(simulated.code, Some(0), "{}", simulated.err);
    for arguments in [&["explain", "-o", "json"][..], &["explain", "o3001", "-o", "json"]] {
        let pages: Value = serde_json::from_str(&sandbox.run(arguments).out).unwrap();
        let found = pages["pages"].as_array().unwrap().iter().find(|page| page["code"] == "O3001").unwrap();
        assert!(found["text"].as_str().unwrap().starts_with("# O3001: "), "{found}");
    }
}

#[test]
fn a_run_with_a_failure_a_hold_and_a_recovery_is_as_its_schemas_say_to_all_who_look() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[("exit_code: 3010", "exit_code: 1603")]);
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", SPEED, "--yes", "-o", "json"]);
    let id = sandbox.wait_for_record(r#""kind":"held""#);
    sandbox.wait_for_view(r#""held""#);
    let watch = sandbox.start(&["watch", &id, "-o", "json"]);
    let status: Value = serde_json::from_str(&sandbox.run(&["status", &id, "-o", "json"]).out).unwrap();
    let held = &status["view"]["servers"][0]["phase"]["held"];
    assert_eq!(held["cause"], "installer_failed", "{status:#}");
    assert!(!sandbox.run(&["report", &id, "-o", "json"]).out.is_empty());
    assert_eq!(sandbox.run(&["decide", &id, "fe1", "abandon"]).code, Some(0));
    let (run, watched) = (run.ended(), watch.ended());
    assert_eq!((run.code, watched.code), (Some(4), Some(0)), "{}\n{}", run.err, watched.err);
    let (events, watched) = (lines(&run), lines(&watched));
    events.iter().chain(&watched).for_each(|event| assert_valid("events", event));
    for kind in [
        "preview",
        "progress",
        "summary",
        "lab_report",
        "run_started",
        "evidence",
        "snapshot",
        "intent",
        "outcome",
        "installer_ended",
        "held",
        "decided",
        "server_ended",
        "run_ended",
    ] {
        assert!(kinds(&events).contains(kind), "{kind} is missing: {:?}", kinds(&events));
    }
    // Whoever watches gets the same records, and the same end.
    let records =
        |events: &[Value]| events.iter().filter(|event| event["event"] == "record").cloned().collect::<Vec<_>>();
    assert_eq!(records(&events), records(&watched));
    let summary = |events: &[Value]| events.iter().find(|event| event["event"] == "summary").cloned();
    assert_eq!(summary(&events), summary(&watched));
    let recovered = sandbox.run(&["recover", &id, "-o", "json"]);
    assert_eq!(recovered.code, Some(0), "{}", recovered.err);
    assert!(kinds(&lines(&recovered)).contains("resumed"));
    for arguments in [&["report", &id, "-o", "json"][..], &["status", "-o", "json"], &["watch", &id, "-o", "json"]] {
        assert!(!sandbox.run(arguments).out.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_preview_a_probe_and_a_saved_plan_of_a_pool_are_as_their_schemas_say_ready_or_not() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let file = sandbox.path().join("plan.orch").display().to_string();
    let ready = sandbox.run(&[&plan, "--lab", "--dry-run", "--out", &file, "-o", "json"]);
    assert_eq!(ready.code, Some(0), "{}\n{}", ready.out, ready.err);
    let saved = std::fs::read_to_string(&file).unwrap();
    let saved: Value = serde_json::from_str(saved.split_once('\n').unwrap().1).unwrap();
    assert_valid("saved-plan", &saved);
    let mut more = saved;
    more["more"] = true.into();
    assert!(!errors("saved-plan", &more).is_empty(), "no other key is read");
    let probe = sandbox.run(&["probe", &plan, "--lab", "--counters", "-o", "json"]);
    assert_eq!(probe.code, Some(0), "{}", probe.err);
    let scenario = sandbox.path().join("plan.lab.yaml");
    let as_it_was = std::fs::read_to_string(&scenario).unwrap();
    let down = "servers: {fe2.first.example: {power: down}}\n";
    std::fs::write(&scenario, as_it_was + down).unwrap();
    let refused = sandbox.run(&[&plan, "--lab", "--dry-run", "-o", "json"]);
    assert_eq!(refused.code, Some(9), "{}\n{}", refused.out, refused.err);
    let probe = sandbox.run(&["probe", &plan, "--lab", "-o", "json"]);
    assert_eq!(probe.code, Some(9), "{}", probe.err);
    let moved = sandbox.run(&["apply", &file, "--lab", "--yes", "-o", "json"]);
    assert!(moved.code == Some(8) || moved.code == Some(9), "{}\n{}", moved.out, moved.err);
}

#[test]
fn a_document_that_is_not_as_it_was_promised_is_seen() {
    let sandbox = Sandbox::default();
    let said = sandbox.run(&["check", "plans/contoso-front-end.yaml", "-o", "json"]);
    let good: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(errors("check", &good), Vec::<String>::new());
    let changed = |key: &str, value: Option<Value>| {
        let mut document = good.clone();
        let keys = document.as_object_mut().unwrap();
        match value {
            Some(value) => keys.insert(key.to_owned(), value),
            None => keys.remove(key),
        };
        errors("check", &document)
    };
    for (key, value) in [
        ("version", Some(2.into())),
        ("exit_code", Some("0".into())),
        ("findings", None),
        ("more", Some(true.into())),
        ("diagnostics", Some(serde_json::json!([{"code": "1011"}]))),
    ] {
        assert!(!changed(key, value).is_empty(), "{key}");
    }
    let event = serde_json::json!({"version": 1, "event": "record", "seq": 1, "at": "2026-11-28T21:00:00Z", "server": null,
        "step": null, "record": {"kind": "run_ended", "outcome": "done"}});
    assert_eq!(errors("events", &event), Vec::<String>::new());
    for (place, value) in
        [("/record/outcome", "exploded"), ("/record/kind", "exploded"), ("/at", "yesterday"), ("/event", "x")]
    {
        let mut other = event.clone();
        *other.pointer_mut(place).unwrap() = value.into();
        assert!(!errors("events", &other).is_empty(), "{place}");
    }
}
