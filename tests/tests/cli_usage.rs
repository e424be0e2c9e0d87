//! The command line without any server: usage, files, pages, exit codes.

use orchestrate_tests::cli::{Said, Sandbox, repository};
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;

const PLAN: &str = "plans/contoso-front-end.yaml";

fn run(arguments: &[&str]) -> Said {
    Sandbox::default().run(arguments)
}

#[test]
fn the_help_says_every_command_and_exit_code() {
    let said = run(&["--help"]);
    assert_eq!(said.code, Some(0));
    insta::assert_snapshot!(said.out);
}

#[test]
fn exit_64_for_what_cannot_be_understood() {
    for arguments in [
        &[][..],
        &["--no-such-option", PLAN],
        &[PLAN, "\u{2013}\u{2013}dry-run"],
        &["check", "\u{201c}plans/contoso-front-end.yaml\u{201d}"],
        &[PLAN, "--offline"],
        &[PLAN, "-o", "dot"],
        &[PLAN, "-o", "html"],
        &["--yes", "status"],
        &["explain", "O9999"],
        &["status", "no-such-run"],
        &["resume", "no-such-run"],
        &["decide", "no-such-run", "fe1", "retry"],
        &["--log", "[", "check", PLAN],
        &[PLAN, "--lab-speed", "60", "--yes"],
        &[PLAN, "--lab-speed", "60", "--lab-at", "lab.json"],
        &[PLAN, "--lab", "--lab-speed", "0"],
        &[PLAN, "--lab", "--lab-speed", "1e9"],
        &["approve", PLAN, "--lab-speed", "60"],
        &["lab", PLAN, "--lab-speed", "nan"],
        &["windows", PLAN, "--next", "0"],
        &["simulate", PLAN, "--runs", "0"],
        &[PLAN, "--dry-run", "--offline", "--approve", "3e40708f7473"],
        &["--state-dir", "/etc", "status"],
        &["--state-dir", "no-such-folder/labs", "recover", "last"],
    ] {
        let said = run(arguments);
        assert_eq!(said.code, Some(64), "{arguments:?}: {}", said.err);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{arguments:?}: mistakes are talk, not data");
    }
}

#[test]
fn exit_64_for_the_end_of_a_lab_that_does_not_run() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let mut command = sandbox.command(&["lab", &plan, "--stop"]);
    // Labs are known by account: one that the tester runs is not to be found, and ended.
    let home = sandbox.path().join("home");
    command.env("HOME", &home).env("LOCALAPPDATA", &home).env_remove("XDG_STATE_HOME");
    let said = Said::from(command.output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (Some(64), ""), "{}", said.err);
    assert!(said.err.contains("no lab of this plan runs"), "{}", said.err);
}

#[test]
fn exit_0_for_a_good_plan_with_data_on_stdout_only() {
    let said = run(&["check", PLAN]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.lines().all(|line| line.starts_with("note: ")), "{}", said.err);
    assert!(said.err.contains("WinRM over http, port 5985: each message is sealed"), "{}", said.err);
    insta::assert_snapshot!(said.out, @"plans/contoso-front-end.yaml: good: 1 pool, 3 servers");
}

#[test]
fn exit_65_for_a_bad_plan_with_every_mistake_on_stderr() {
    let said = run(&["check", "tests/bad-plans/O1011-unknown-key.yaml"]);
    assert_eq!((said.code, said.out.as_str()), (Some(65), ""));
    assert!(said.err.contains("O1011") && said.err.contains("-->"), "{}", said.err);
    assert!(!said.err.contains('\u{1b}'), "no colours without a terminal");
    let traced = run(&["--log", "debug", PLAN, "--dry-run", "--offline"]);
    assert!(traced.err.contains("DEBUG") && !traced.err.contains('\u{1b}'), "{}", traced.err);
    let missing = run(&["check", "no-such-file.yaml"]);
    assert_eq!(missing.code, Some(65));
    // The words between are the system's.
    let told = missing.err.split_once("\n  caused by: ");
    let (what, cause) = told.unwrap_or_else(|| panic!("{}", missing.err));
    assert_eq!(what, "error: cannot read the plan file no-such-file.yaml");
    assert!(cause.trim_end().ends_with("(os error 2)") && cause.lines().count() == 1, "{cause}");
}

#[test]
#[cfg_attr(not(unix), ignore = "named pipes have a place of their own on Windows, apart from files")]
fn a_plan_may_come_from_a_pipe_that_somebody_writes_to() {
    let sandbox = Sandbox::default();
    let pipe = sandbox.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pipe = pipe.to_str().unwrap();
    let text = std::fs::read_to_string(orchestrate_tests::cli::repository().join(PLAN)).unwrap();
    let check = sandbox.start(&["check", pipe]);
    std::fs::write(pipe, text).unwrap();
    assert_eq!(check.ended().code, Some(0));
    let nobody = sandbox.run(&["check", pipe]);
    assert_eq!(nobody.code, Some(65), "{}", nobody.err);
    assert!(nobody.err.contains("it is a pipe without a writer"), "{}", nobody.err);
}

#[test]
fn a_mistyped_command_is_recognised() {
    let said = run(&["statu"]);
    assert_eq!(said.code, Some(65), "{}", said.err);
    assert!(said.err.contains("did you mean the command `orchestrate status`?"), "{}", said.err);
    let path = run(&["some-plan.yaml"]);
    assert!(!path.err.contains("did you mean"), "{}", path.err);
}

#[test]
fn exit_10_for_a_plan_that_selects_nothing() {
    let text = std::fs::read_to_string(orchestrate_tests::cli::repository().join(PLAN)).unwrap();
    let sandbox = Sandbox::default();
    let plan = sandbox.file("empty.yaml", &text.replace("scope: all-services", "scope: {services: []}"));
    let said = sandbox.run(&["check", plan.to_str().unwrap()]);
    assert_eq!(said.code, Some(10), "{}", said.err);
}

#[test]
fn a_plan_may_be_called_like_a_command() {
    let sandbox = Sandbox::default();
    let text = std::fs::read_to_string(orchestrate_tests::cli::repository().join(PLAN)).unwrap();
    let plan = sandbox.file("check", &text);
    let run = |argument: &str| {
        let mut command = sandbox.command(&[argument, "--dry-run", "--offline"]);
        Said::from(command.current_dir(plan.parent().unwrap()).output().unwrap())
    };
    assert_eq!(run("./check").code, Some(0));
    assert_eq!(run("check").code, Some(64), "the command wins");
}

#[test]
fn every_code_has_a_page() {
    let list = run(&["explain"]);
    assert!(list.out.lines().count() > 50, "{}", list.out);
    let page = run(&["explain", "o1011"]);
    assert_eq!(page.code, Some(0));
    assert!(page.out.starts_with("# O1011: "), "{}", page.out);
}

#[test]
fn the_schema_is_json_and_completions_name_the_commands() {
    let schema: serde_json::Value = serde_json::from_str(&run(&["schema"]).out).unwrap();
    assert_eq!(schema["title"], "orchestrate plan");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(run(&["completions", shell]).out.contains("recover"), "{shell}");
    }
}

#[test]
fn windows_are_told_in_their_own_time_and_utc() {
    let sandbox = Sandbox::default();
    let window = "every: {date: 2099-01-03}, start: '22:00', duration: 6h, timezone: Europe/Paris";
    let plan = unreachable(&sandbox, &format!("windows: [{{{window}}}]\n"));
    // The machine's own zone is a third one.
    let mut command = sandbox.command(&["windows", &plan, "--next", "2"]);
    let said = Said::from(command.env("TZ", "America/New_York").output().unwrap());
    assert_eq!(said.code, Some(0), "{}", said.err);
    insta::assert_snapshot!(said.out, @"Sat 2099-01-03 22:00 CET to Sun 2099-01-04 04:00 CET  (Sat 2099-01-03 21:00 UTC to Sun 2099-01-04 03:00 UTC)  6h  room for 1 at worst");
}

#[test]
fn openings_are_told_to_programs_and_to_calendars_with_the_freezes_of_a_calendar_file() {
    let sandbox = Sandbox::default();
    let windows = "windows: [{every: {after: {weeks: second, days: tuesday}, days: 4}, start: '22:00', duration: 6h, \
                   timezone: W. Europe Standard Time}]\nfreezes: [{calendar: freezes.ics}]\n";
    let plan = unreachable(&sandbox, windows);
    let missing = sandbox.run(&["check", &plan]);
    assert_eq!(missing.code, Some(65), "{}", missing.err);
    assert!(missing.err.contains("O1073") && missing.err.contains("freezes.ics"), "{}", missing.err);
    let events = "BEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20300101\r\nDTEND;VALUE=DATE:20301231\r\nSUMMARY:A year off\r\n\
                  END:VEVENT\r\n";
    let calendar = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{events}END:VCALENDAR\r\n");
    std::fs::write(Path::new(&plan).with_file_name("freezes.ics"), calendar).unwrap();
    let said = sandbox.run(&["windows", &plan, "--next", "60", "-o", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let starts: Vec<&str> =
        told["openings"].as_array().unwrap().iter().map(|opening| opening["starts"].as_str().unwrap()).collect();
    assert!(starts.len() > 40 && starts.iter().all(|start| !start.starts_with("2030")), "{starts:?}");
    assert_eq!(told["freezes"][0]["reason"], "A year off");
    let ics = sandbox.run(&["windows", &plan, "--next", "3", "-o", "ics"]).out;
    assert_eq!(ics.matches("BEGIN:VEVENT").count(), 4, "{ics}");
    assert!(ics.contains("DTSTART;VALUE=DATE:20300101") && ics.contains("SUMMARY:freeze: A year off"), "{ics}");
}

#[test]
fn p7_a_preview_offline_asks_nobody_and_leaves_nothing_behind() {
    let sandbox = Sandbox::default();
    let said = sandbox.run(&[PLAN, "--dry-run", "--offline", "-o", "json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let preview: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(preview["version"], 1);
    assert!(preview["servers"][0]["steps"].as_array().unwrap().iter().all(|step| step["certainty"] != "proven"));
    assert!(!sandbox.state().exists(), "a preview needs no state folder");
    let changes = sandbox.run(&[PLAN, "--dry-run", "--offline", "--detailed-exitcode"]);
    assert_eq!(changes.code, Some(2), "changes are planned");
}

#[test]
fn the_graph_has_every_step_and_the_reasons() {
    let dot = run(&[PLAN, "--dry-run", "--offline", "-o", "dot"]).out;
    assert!(dot.starts_with("digraph") && dot.contains("one at a time"), "{dot}");
    let mermaid = run(&[PLAN, "--dry-run", "--offline", "-o", "mermaid"]).out;
    assert!(mermaid.starts_with("flowchart") && mermaid.contains("central management"), "{mermaid}");
    let gantt = run(&[PLAN, "--dry-run", "--offline", "-o", "gantt"]).out;
    assert!(gantt.starts_with("gantt\n  title At worst") && gantt.contains("section fe1"), "{gantt}");
}

#[test]
fn the_page_and_the_picture_of_a_preview_are_whole_files() {
    let page = run(&[PLAN, "--dry-run", "--offline", "-o", "html"]);
    assert_eq!(page.code, Some(0), "{}", page.err);
    assert!(page.out.starts_with("<!doctype html>") && page.out.ends_with("</html>\n"), "{}", page.out);
    assert!(
        page.out.contains("Europe&#x2f;Paris") && page.out.contains("without looking at the servers"),
        "{}",
        page.out
    );
    let picture = run(&[PLAN, "--dry-run", "--offline", "-o", "svg"]);
    assert_eq!(picture.code, Some(0), "{}", picture.err);
    assert!(picture.out.starts_with("<svg ") && picture.out.ends_with("</svg>\n"), "{}", picture.out);
}

#[test]
fn a_closed_pipe_is_an_ordinary_end() {
    let sandbox = Sandbox::default();
    let mut child = sandbox.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The reader leaves before anything was written.
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}

/// A plan whose servers are reached at an address where nobody listens.
fn unreachable(sandbox: &Sandbox, windows: &str) -> String {
    let plan = format!(
        "version: 1\nname: nobody\nreason: test\ndns: {{resolvers: ['127.0.0.1:9']}}\npools:\n  pool.a.example:\n    \
         product: sfb2019\n    role: front-end\n    load_balancing: {{sip: dns, balancer: none}}\n    servers:\n      \
         fe1.a.example: {{address: 127.0.0.2, upgrade_domain: A}}\n      \
         fe2.a.example: {{address: 127.0.0.3, upgrade_domain: B}}\n      \
         fe3.a.example: {{address: 127.0.0.4, upgrade_domain: C}}\n    \
         access: {{winrm: {{transport: https, port: 9, auth: basic, credentials: {{env: NOBODY}}}}}}\n\
         maintenance: {{scope: all-services}}\n{windows}"
    );
    sandbox.file("nobody.yaml", &plan).display().to_string()
}

#[test]
fn exit_69_when_a_variable_with_credentials_is_missing_or_nobody_answers() {
    let sandbox = Sandbox::default();
    let plan = unreachable(&sandbox, "");
    let without = sandbox.run(&[&plan, "--yes"]);
    assert_eq!(without.code, Some(69), "{}", without.err);
    assert!(without.err.contains("NOBODY_USER"), "{}", without.err);
    let mut with = sandbox.command(&[&plan, "--yes"]);
    let with = Said::from(with.env("NOBODY_USER", "u").env("NOBODY_PASSWORD", "hunter2").output().unwrap());
    assert_eq!(with.code, Some(69), "{}", with.err);
    assert!(with.err.contains("no server could be asked"), "{}", with.err);
    assert!(!format!("{}{}", with.out, with.err).contains("hunter2"), "P10: secrets are never printed");
}

#[test]
fn p9_exit_11_outside_a_window_with_the_next_opening() {
    let sandbox = Sandbox::default();
    let plan = unreachable(
        &sandbox,
        "windows: [{every: {date: 2099-01-03}, start: '22:00', duration: 6h, timezone: Europe/Paris}]\n",
    );
    let mut command = sandbox.command(&[&plan, "--yes"]);
    let said = Said::from(command.env("NOBODY_USER", "u").env("NOBODY_PASSWORD", "p").output().unwrap());
    assert_eq!(said.code, Some(11), "{}", said.err);
    assert!(said.err.contains("2099-01-03"), "{}", said.err);
    assert!(said.err.contains(&format!("orchestrate windows {plan}")), "a command that can be typed: {}", said.err);
}

#[test]
fn p9_an_emergency_is_another_plan_and_beats_windows_and_freezes_for_a_reason() {
    let sandbox = Sandbox::default();
    let windows = "windows: [{every: {date: 2099-01-03}, start: '22:00', duration: 6h, timezone: Europe/Paris}]\n\
                   freezes: [{from: 2020-01-01, to: 2098-12-31, reason: no changes}]\n";
    let plan = unreachable(&sandbox, windows);
    let preview = |more: &[&str]| {
        let said = sandbox.run(&[&[plan.as_str(), "--dry-run", "--offline", "-o", "json"], more].concat());
        assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
        serde_json::from_str::<serde_json::Value>(&said.out).unwrap()["plan"].clone()
    };
    let (usual, emergency) = (preview(&[]), preview(&["--emergency", " exploited in the wild, CHG7 "]));
    assert_eq!(usual["emergency"], serde_json::Value::Null);
    assert_eq!(emergency["emergency"], "exploited in the wild, CHG7");
    assert_ne!(usual["fingerprint"], emergency["fingerprint"], "whoever approved one has not approved the other");
    let mut command = sandbox.command(&[&plan, "--yes", "--emergency", "exploited in the wild"]);
    let said = Said::from(command.env("NOBODY_USER", "u").env("NOBODY_PASSWORD", "p").output().unwrap());
    assert_eq!(said.code, Some(69), "the window was no reason any more: {}", said.err);
    for reason in ["", "  ", "two\nlines"] {
        let said = sandbox.run(&[&plan, "--emergency", reason]);
        assert_eq!(said.code, Some(64), "{reason:?}: {}", said.err);
    }
}

#[test]
fn a_check_for_programs_says_in_one_document_what_it_says_to_people() {
    let sandbox = Sandbox::default();
    let checked = |plan: &str| {
        let plan = repository().join(plan).display().to_string();
        let (text, json) = (sandbox.run(&["check", &plan]), sandbox.run(&["check", &plan, "-o", "json"]));
        assert_eq!(text.code, json.code, "{plan}");
        assert_eq!(json.err, "", "{plan}");
        let said: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        assert_eq!(said["exit_code"], json.code.unwrap(), "{said}");
        (said, text)
    };
    let (good, _) = checked("plans/contoso-front-end.yaml");
    assert_eq!((&good["good"], &good["pools"][0]["servers"]), (&true.into(), &3.into()));
    let (bad, text) = checked("tests/bad-plans/O1022-host-in-numbers.yaml");
    let places = bad["diagnostics"].as_array().unwrap().iter();
    let places: Vec<String> =
        places.map(|found| format!("O1022-host-in-numbers.yaml:{}:{}", found["line"], found["column"])).collect();
    assert!(!places.is_empty() && places.iter().all(|place| text.err.contains(place)), "{places:?}\n{}", text.err);
    let (refused, text) = checked("plans/t2-hardware-balancer.yaml");
    let code = refused["findings"][0]["code"].as_str().unwrap();
    assert!(refused["good"] == false && text.err.contains(code), "{refused}");
}

#[test]
fn what_check_calls_good_a_preview_and_a_start_do_not_refuse_unseen() {
    let sandbox = Sandbox::default();
    let window = |every: &str, duration: &str| {
        format!("windows: [{{every: {every}, start: '22:00', duration: {duration}, timezone: Europe/Paris}}]\n")
    };
    for (windows, installer, code, words) in [
        (window("{date: 2020-01-04}", "6h"), r"C:\CU\x.exe", 11, "no window of the plan opens from now on"),
        (window("saturday", "1h"), r"C:\CU\x.exe", 9, "O2037"),
        (
            "freezes: [{from: 2020-01-01, to: 2099-01-01, timezone: UTC, reason: audit}]\n".to_owned(),
            r"C:\CU\x.exe",
            11,
            "no window opens from now on",
        ),
        (String::new(), r"\\files\cu\x.exe", 9, "is on a share"),
        (String::new(), "setup.exe", 9, "does not begin with a drive"),
        (String::new(), r"C:\CU\x.msi", 9, "without a switch that keeps it from asking"),
    ] {
        let plan = unreachable(&sandbox, &windows);
        let patch = format!(", patch: {{installer: '{installer}', sha256: '{}'}}}}", "1f".repeat(32));
        let text = std::fs::read_to_string(&plan).unwrap().replace("all-services}", &format!("all-services{patch}"));
        std::fs::write(&plan, text).unwrap();
        for arguments in [&["check", &plan][..], &[&plan, "--dry-run", "--offline"]] {
            let said = sandbox.run(arguments);
            assert_eq!(said.code, Some(code), "{arguments:?}: {}\n{}", said.out, said.err);
            let said = format!("{}\n{}", said.out, said.err).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(words), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn a_usage_error_does_not_ask_for_what_the_environment_says() {
    let said = Sandbox::default().run(&["status", "--no-such-option"]);
    assert_eq!(said.code, Some(64), "{}", said.err);
    assert!(!said.err.contains("--state-dir"), "{}", said.err);
}

#[test]
fn exit_64_when_the_state_folder_is_none() {
    let sandbox = Sandbox::default();
    let file = sandbox.file("not-a-folder", "");
    let file = file.to_str().unwrap();
    for arguments in [&["status"][..], &[PLAN, "--lab", "--yes"], &["lab", PLAN]] {
        let said = sandbox.run(&[&["--state-dir", file], arguments].concat());
        assert_eq!(said.code, Some(64), "{arguments:?}: {}", said.err);
        assert!(said.err.contains(file), "{arguments:?}: {}", said.err);
        assert!(said.err.contains("something else than a folder is there"), "{arguments:?}: {}", said.err);
    }
}
