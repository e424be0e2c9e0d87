//! The doctor on the lab: each thing that a maintenance would lack is told, with what to do, and nothing is changed.
#![cfg(test)]

use orchestrate_tests::cli::{Said, Sandbox};
use serde_json::Value;

/// Returns the end of a scenario in which the first server has this about its machine.
fn first(machine: &str) -> String {
    format!("servers: {{fe1.first.example: {{machine: {{{machine}}}}}}}\ntiming:")
}

fn probe(scenario: &[(&str, &str)], more: &[&str]) -> Said {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], scenario);
    sandbox.run(&[&["probe", &plan, "--lab"], more].concat())
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", said.out, said.err))
}

fn row<'a>(servers: &'a Value, server: usize, topic: &str) -> &'a Value {
    let rows = servers["servers"][server]["rows"].as_array().expect("rows are a list");
    rows.iter().find(|row| row["topic"] == topic).unwrap_or_else(|| panic!("no row {topic}: {rows:#?}"))
}

#[test]
fn a_pool_as_it_should_be_is_good_throughout() {
    let said = probe(&[], &["-o", "json"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    let found = json(&said);
    assert_eq!((&found["version"], &found["light"]), (&Value::from(1), &Value::from("green")), "{found:#}");
    assert_eq!(found["servers"].as_array().map(Vec::len), Some(3));
    for topic in ["tls", "logon", "account", "start-types", "tasks", "restart", "cmdlets", "counters", "installer"] {
        assert_eq!(row(&found, 2, topic)["light"], "green", "{topic}");
    }
    let text = probe(&[], &[]);
    assert!(text.out.contains("ok on every server: name") && text.out.contains("all good: 3 servers"), "{}", text.out);
}

#[test]
fn what_one_server_lacks_is_told_with_what_to_do() {
    let lacks = [
        ("free_gib: 1", "disk", "red", "1.0 GiB free of 100.0 GiB"),
        ("free_gib: 6", "disk", "yellow", "6.0 GiB free"),
        ("pending_restart: [windows-update]", "pending-restart", "red", "Windows Update: installed updates"),
        ("pending_restart: [file-renames]", "pending-restart", "yellow", "since 1h ago"),
        ("powershell: constrained", "powershell", "red", "AppLocker"),
        ("clock_ahead_s: -432", "clock", "yellow", "7m 1"),
        ("account: filtered", "account", "red", "token is filtered"),
        ("account: other", "start-types", "red", "may not change"),
        ("installer_for: its-owner", "installer", "red", "SYSTEM"),
        ("shells_per_user: 2", "quotas", "yellow", "2 shells for a user"),
    ];
    for (machine, topic, light, words) in lacks {
        let said = probe(&[("timing:", &first(machine))], &["-o", "json"]);
        let found = json(&said);
        let found = row(&found, 0, topic);
        assert_eq!(found["light"], light, "{machine}: {found}");
        let text = format!("{}", found["found"]);
        assert!(text.contains(words), "{machine}: {text}");
        assert!(found["todo"].as_str().is_some_and(|todo| !todo.is_empty()), "{machine}: {found}");
        assert_eq!(said.code, Some(if light == "red" { 9 } else { 0 }), "{machine}: {}", said.err);
    }
}

#[test]
fn a_server_that_is_off_is_red_and_a_pool_that_is_off_is_unreachable() {
    let off = |servers: &[&str]| {
        let each: Vec<String> = servers.iter().map(|name| format!("{name}.first.example: {{power: down}}")).collect();
        format!("servers: {{{}}}\ntiming:", each.join(", "))
    };
    let one = probe(&[("timing:", &off(&["fe2"]))], &[]);
    assert_eq!(one.code, Some(9), "{}\n{}", one.out, one.err);
    assert!(one.out.contains("FAIL  listeners") && one.out.contains("fe2: "), "{}", one.out);
    let all = probe(&[("timing:", &off(&["fe1", "fe2", "fe3"]))], &[]);
    assert_eq!(all.code, Some(69), "{}\n{}", all.out, all.err);
    assert_eq!(all.out.matches("-> ").count(), 1, "the cause is told once: {}", all.out);
}

#[test]
fn one_server_of_a_plan_has_a_screen_of_its_own_and_its_counters_are_listed() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let said = sandbox.run(&["probe", &plan, "--lab", "--server", "fe2", "--counters"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.out.starts_with("fe2.first.example\n") && !said.out.contains("fe1"), "{}", said.out);
    assert!(said.out.contains("\\LS:AVMCU - Operations\\AVMCU - Number of Users"), "{}", said.out);
    let unknown = sandbox.run(&["probe", &plan, "--lab", "--server", "fe9"]);
    assert_eq!(unknown.code, Some(64), "{}", unknown.err);
    assert!(unknown.err.contains("it has fe1.first.example"), "{}", unknown.err);
}

#[test]
fn p3_what_a_dry_run_refuses_a_probe_calls_red_with_the_same_code_and_remedy_until_the_plan_answers_it() {
    let without = ("seed: 7\n", "seed: 7\nservices: {without_counters: [\"LS:AVMCU - MCU Health And Performance\"]}\n");
    let named = ("deadline: 30m, ", "deadline: 30m, by_sessions_alone: [RTCAVMCU], ");
    for (changes, code) in [(vec![], 9), (vec![named], 0)] {
        let sandbox = Sandbox::default();
        let plan = sandbox.first_pool(&changes, &[without]);
        let dry = sandbox.run(&[&plan, "--lab", "--dry-run"]);
        let said = sandbox.run(&["probe", &plan, "--lab", "-o", "json"]);
        assert_eq!((dry.code, said.code), (Some(code), Some(code)), "{}\n{}", dry.out, said.out);
        let found = json(&said);
        for server in 0..3 {
            let rows = found["servers"][server]["rows"].as_array().expect("rows are a list");
            let told: Vec<&Value> = rows.iter().filter(|row| row["code"] == "O2098").collect();
            assert_eq!(told.len(), usize::from(code != 0), "{rows:#?}");
            for row in told {
                assert_eq!((&row["topic"], &row["light"]), (&Value::from("counters"), &Value::from("red")));
                assert!(format!("{}", row["todo"]).contains("by_sessions_alone: [RTCAVMCU]"), "{row}");
            }
        }
    }
}

#[test]
fn a_plan_has_rows_for_its_names_and_the_keys_that_its_measures_can_take() {
    let found = json(&probe(&[], &["--counters", "-o", "json"]));
    let pool = &found["pools"][0];
    assert_eq!(pool["light"], "green", "{pool:#}");
    let rows = pool["rows"].as_array().expect("rows are a list");
    let said: Vec<String> =
        rows.iter().filter(|row| row["topic"] == "records").map(|row| row["found"].to_string()).collect();
    for name in ["fe1.first.example: ", "fe2.first.example: ", "fe3.first.example: "] {
        assert!(said.iter().any(|said| said.contains(name) && said.contains(" says ")), "{name}: {said:?}");
    }
    let keys = found["servers"][0]["activity_keys"].as_array().expect("keys are a list");
    let some = keys.iter().any(|one| one["keys"].as_object().is_some_and(|keys| !keys.is_empty()));
    assert!(some, "{keys:#?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    for (arguments, words) in [
        (vec!["probe", plan.as_str(), "--user", "x"], "stands in the plan"),
        (vec!["probe", "fe1.contoso.example", "--lab"], "need a plan file"),
        (vec!["probe", "a b"], "neither a plan file nor"),
    ] {
        let said = sandbox.run(&arguments);
        assert_eq!(said.code, Some(64), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(words), "{arguments:?}: {}", said.err);
    }
    assert_eq!(sandbox.run(&["probe", "none.yaml"]).code, Some(65));
}

#[test]
fn a_host_without_an_account_is_looked_at_from_outside() {
    let sandbox = Sandbox::default();
    // Nothing listens there: the address is one of this machine that nobody uses.
    let said = sandbox.run(&["probe", "fe1.contoso.example", "--address", "127.0.93.1"]);
    assert_eq!(said.code, Some(69), "{}\n{}", said.out, said.err);
    let flat = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["5986 (https): does not answer", "winrm quickconfig", "no account was given"] {
        assert!(flat.contains(words), "{words}: {}", said.out);
    }
    assert!(!sandbox.state().exists(), "nothing is written");
}

#[test]
fn a_server_that_is_not_fit_for_the_installer_is_not_drained() {
    let preview = |changes: &[(&str, &str)], machine: &str| {
        let sandbox = Sandbox::default();
        let plan = sandbox.first_pool(changes, &[("timing:", &first(machine))]);
        sandbox.run(&[&plan, "--lab", "--dry-run"])
    };
    let due = preview(&[], "pending_restart: [servicing]");
    assert_eq!(due.code, Some(9), "{}\n{}", due.out, due.err);
    assert!(due.out.contains("O2093") && due.out.contains("a restart of fe1 is due"), "{}", due.out);
    let ignored = preview(
        &[("    deadline: 15m\n", "    deadline: 15m\n    pending_restart: ignore\n")],
        "pending_restart: [servicing]",
    );
    assert_eq!(ignored.code, Some(0), "{}\n{}", ignored.out, ignored.err);
    let restarted = preview(
        &[("    deadline: 15m\n", "    deadline: 15m\n    pending_restart: restart-first\n")],
        "pending_restart: [servicing]",
    );
    assert_eq!(restarted.code, Some(0), "{}\n{}", restarted.out, restarted.err);
    assert!(restarted.out.contains("restarts the server first, if a restart of it is due"), "{}", restarted.out);
    let needs = [("    deadline: 15m\n", "    deadline: 15m\n    needs_free: 10GiB\n")];
    let full = preview(&needs, "free_gib: 6");
    assert_eq!(full.code, Some(9), "{}\n{}", full.out, full.err);
    assert!(full.out.contains("6.0 GiB free on C:"), "{}", full.out);
    let room = preview(&needs, "free_gib: 11");
    assert_eq!(room.code, Some(0), "{}\n{}", room.out, room.err);
    let two = preview(&[("[/silentmode]", "[\"/silentmode /forcerestart\"]")], "free_gib: 11");
    assert!(two.code == Some(9) && two.out.contains("O2092"), "{}\n{}", two.out, two.err);
}

#[test]
fn p3_a_refused_account_is_red_and_nothing_is_asked_after_it() {
    let refused = "faults: [{operation: any, effect: unauthorised, count: 1000}]\ntiming:";
    let said = probe(&[("timing:", refused)], &["-o", "json"]);
    assert_eq!(said.code, Some(69), "{}\n{}", said.out, said.err);
    let found = json(&said);
    assert_eq!(row(&found, 0, "logon")["light"], "red");
    let not_asked = found["servers"][0]["not_asked"].as_array().expect("a list");
    assert!(not_asked.iter().any(|topic| topic == "services"), "{found:#}");
}

#[test]
fn a_restart_that_is_due_is_made_on_the_drained_server_before_its_installer() {
    let sandbox = Sandbox::default();
    let first = ("    deadline: 15m\n", "    deadline: 15m\n    pending_restart: restart-first\n");
    let plan = sandbox.first_pool(&[first], &[("timing:", &self::first("pending_restart: [windows-update]"))]);
    let said = sandbox.run(&[&plan, "--lab", "--unattended", "--yes", "--lab-speed", "20"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("restarts                    4"), "one each, and one before: {}", said.out);
    let place = |text: &str| said.out.find(text).unwrap_or_else(|| panic!("{text}: {}", said.out));
    assert!(place("fe1  restart the server") < place("fe1  the installer ended"), "{}", said.out);
}
