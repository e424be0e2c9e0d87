//! The command line against the lab: whole runs, interruptions, refusals, exit codes.

use orchestrate_tests::cli::{Background, Said, Sandbox, lab_speed};

/// A speed at which evidence of half a real second is fresh, also where many tests share two processors.
const SPEED: &str = "40";

/// The record that the drain of the first server has begun.
const DRAINING: &str = r#""kind":"step_started","step":4"#;

/// Writes the example's plan and its lab scenario into a sandbox, changed as asked.
fn plan(sandbox: &Sandbox, changes: &[(&str, &str)], scenario: &[(&str, &str)]) -> String {
    sandbox.first_pool(changes, scenario)
}

fn lab<'a>(plan: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[plan, "--lab", "--lab-speed", SPEED], more].concat()
}

fn assert_clean(said: &Said) {
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    for line in
        ["  cut                         0", "  refused                     0", "start types                 as before"]
    {
        assert!(said.out.contains(line), "{line} is missing:\n{}", said.out);
    }
    assert!(said.out.contains("most servers out at once    1 of 3"), "{}", said.out);
    assert!(said.out.contains("installers started          3"), "{}", said.out);
    assert!(said.out.contains("servers patched             3 of 3"), "{}", said.out);
    assert!(said.out.contains("journal verified"), "{}", said.out);
}

#[test]
fn p6_a_killed_run_goes_on_with_the_same_command() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[], &[]);
    let first = sandbox.start(&lab(&plan, &["--yes"]));
    let run = sandbox.wait_for_record("start_installer");
    let second = sandbox.run(&lab(&plan, &["--yes"]));
    assert_eq!(second.code, Some(7), "P12: someone else holds the pool: {}", second.err);
    for word in ["ann", "process", "since", "trying orchestrate", &run] {
        assert!(second.err.contains(word), "{word} is missing: {}", second.err);
    }
    assert!(first.killed().was_killed());
    let status = sandbox.run(&["status"]);
    assert!(status.out.contains("INTERRUPTED, 1 may be out"), "{}", status.out);
    let nobody = sandbox.run(&["stop", &run]);
    assert_eq!(nobody.code, Some(75), "nobody is there to hear it: {}", nobody.err);
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace("trying orchestrate", "something else")).unwrap();
    let lab_file = sandbox.lab_file();
    let changed = sandbox.run(&lab(&plan, &["--yes"]));
    assert_eq!(changed.code, Some(8), "the plan file has changed: {}", changed.err);
    assert!(changed.err.contains(&format!("resume {run}")), "{}", changed.err);
    assert!(lab_file.exists(), "the lab of the run goes on");
    std::fs::write(&plan, text).unwrap();
    let third = sandbox.run(&lab(&plan, &["--yes"]));
    assert!(third.err.contains(&format!("found run {run}")), "{}", third.err);
    assert_clean(&third);
    let again = sandbox.run(&["resume", &run]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(again.err.contains("nothing to do"), "{}", again.err);
}

#[test]
fn p9_a_run_in_an_emergency_works_in_a_freeze_and_says_so() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[("deadline: 30m, ", "deadline: 10h, ")], &[]);
    let text = std::fs::read_to_string(&plan).unwrap();
    let freeze = "freezes: [{from: 2020-01-01, to: 2098-12-31, reason: no changes, timezone: UTC}]\n";
    std::fs::write(&plan, format!("{text}\n{freeze}")).unwrap();
    assert_eq!(sandbox.run(&lab(&plan, &["--yes"])).code, Some(11));
    let run = sandbox.start(&lab(&plan, &["--yes", "--emergency", "exploited in the wild"]));
    let id = sandbox.wait_for_record(DRAINING);
    let status = sandbox.run(&["status", &id]);
    assert!(status.out.contains("EMERGENCY, at any time, in freezes too: exploited in the wild"), "{}", status.out);
    assert!(run.killed().was_killed());
    let recovered = sandbox.run(&["recover", &id]);
    assert_eq!(recovered.code, Some(0), "{}\n{}", recovered.out, recovered.err);
    assert!(recovered.out.contains("EMERGENCY, at any time"), "{}", recovered.out);
    let report: serde_json::Value = serde_json::from_str(&sandbox.run(&["report", &id]).out).unwrap();
    assert_eq!(report["plan"]["emergency"], "exploited in the wild");
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn ctrl_c_brings_the_server_back_and_exits_with_130() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let run = sandbox.start(&lab(&plan, &["--yes", "-o", "json"]));
    // The drain of the first server, which lasts for hours.
    let id = sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    run.signal("INT");
    let said = run.ended();
    assert_eq!(said.code, Some(130), "{}\n{}", said.out, said.err);
    let events: Vec<serde_json::Value> = said
        .out
        .lines()
        .skip_while(|line| !line.starts_with("{\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(events.iter().all(|event| event["version"] == 1));
    let summary = events.iter().find(|event| event["event"] == "summary").unwrap();
    assert_eq!(summary["run"], id.as_str());
    assert_eq!(summary["servers"][0]["out"], false, "{summary}");
    assert_eq!(summary["servers"][0]["differences"], serde_json::json!([]), "{summary}");
    let report: serde_json::Value = serde_json::from_str(&sandbox.run(&["report", &id]).out).unwrap();
    assert_eq!(report["outcome"], "interrupted");
}

/// Starts a run whose first server stays in its drain for hours, and returns it with its id once it is there.
fn draining(sandbox: &Sandbox) -> (Background, String) {
    let plan = plan(sandbox, &[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let run = sandbox.start(&lab(&plan, &["--yes"]));
    let id = sandbox.wait_for_record(DRAINING);
    (run, id)
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn p9_sigterm_and_a_closed_terminal_bring_the_server_back_as_one_ctrl_c_does() {
    for signal in ["TERM", "HUP"] {
        let sandbox = Sandbox::default();
        let (run, _) = draining(&sandbox);
        run.signal(signal);
        let said = run.ended();
        assert_eq!(said.code, Some(130), "{signal}: {}\n{}", said.out, said.err);
        assert!(said.out.contains("returned early") && !said.out.contains("may be out"), "{signal}: {}", said.out);
        assert!(said.out.contains("start types                 as before"), "{signal}: {}", said.out);
    }
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn p8_whoever_asks_for_a_run_that_has_ended_is_told_a_command_that_can_be_typed() {
    let sandbox = Sandbox::default();
    let (run, id) = draining(&sandbox);
    run.signal("INT");
    assert_eq!(run.ended().code, Some(130));
    let start = format!("{}/plan.yaml --lab --lab-speed {SPEED}", sandbox.path().display());
    let status = sandbox.run(&["status", &id]);
    assert!(status.out.contains(&start), "{start} is missing: {}", status.out);
    // Its lab has ended with it.
    let resumed = sandbox.run(&["resume", &id]);
    assert_eq!(resumed.code, Some(69), "{}", resumed.err);
    assert!(resumed.err.contains("it has left nothing out") && resumed.err.contains(&start), "{}", resumed.err);
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn p8_the_second_ctrl_c_stops_at_once_and_says_what_is_out_and_how_to_bring_it_back() {
    let sandbox = Sandbox::default();
    let (run, id) = draining(&sandbox);
    run.signal("INT");
    assert_eq!(sandbox.wait_for_record("stop_requested"), id);
    let status = sandbox.run(&["status", &id]);
    assert!(status.out.contains("stopping ("), "P11: {}", status.out);
    run.signal("INT");
    let said = run.ended();
    assert_eq!(said.code, Some(130), "{}\n{}", said.out, said.err);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in ["finished or undone first: fe1", "a second Ctrl-C ends it at once and leaves fe1 OUT of service"] {
        assert!(told.contains(words), "P11: {words} is missing: {}", said.out);
    }
    for words in ["may be out of service", "fe1.first.example", &format!("recover {id}")] {
        assert!(said.out.contains(words), "{words} is missing: {}", said.out);
    }
    let recovered = sandbox.run(&["recover", &id]);
    assert_eq!(recovered.code, Some(0), "{}\n{}", recovered.out, recovered.err);
    assert!(recovered.out.contains("start types                 as before"), "{}", recovered.out);
    let told = recovered.err.split_whitespace().collect::<Vec<_>>().join(" ");
    // Whether it had begun to go back is a matter of the moment.
    assert!(told.contains("fe1.first.example: ") && told.contains("brought back as it was"), "{}", recovered.err);
}

#[test]
fn p6_a_recovery_begins_nothing_on_the_servers_that_the_run_had_only_looked_at() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[], &[]);
    let run = sandbox.start(&lab(&plan, &["--yes"]));
    let id = sandbox.wait_for_record(r#""kind":"step_started","step":0"#);
    assert!(run.killed().was_killed());
    std::fs::remove_file(&plan).unwrap();
    let said = sandbox.run(&["recover", &id]);
    assert_eq!(said.code, Some(0), "the plan file is not needed: {}\n{}", said.out, said.err);
    assert!(said.out.contains("not touched") && said.out.contains("installers started          0"), "{}", said.out);
}

#[test]
#[cfg_attr(not(unix), ignore = "Wine keeps the name of a file that is removed while it is open, unlike Windows 10")]
fn p8_a_state_folder_deleted_in_mid_run_is_written_again_for_the_recovery() {
    let sandbox = Sandbox::default();
    let (run, id) = draining(&sandbox);
    std::fs::remove_dir_all(sandbox.state()).unwrap();
    let said = run.ended();
    // Real servers do not go with the folder, and neither does the lab: it can be found again.
    assert!(sandbox.lab_file().exists());
    assert_eq!(said.code, Some(75), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("may be out of service") && said.out.contains(&format!("recover {id}")), "{}", said.out);
    assert!(said.err.contains("written again from memory"), "{}", said.err);
    let recovered = sandbox.run(&["recover", &id]);
    assert_eq!(recovered.code, Some(0), "{}\n{}", recovered.out, recovered.err);
    assert!(recovered.out.contains("start types                 as before"), "{}", recovered.out);
}

#[test]
fn a_second_terminal_holds_a_server_and_decides_about_it() {
    let sandbox = Sandbox::default();
    let (run, id) = draining(&sandbox);
    let idle = sandbox.run(&["hold", &id, "fe2"]);
    assert_eq!(idle.code, Some(64), "{}", idle.err);
    assert!(idle.err.contains("only servers in work can be held; now: fe1.first.example"), "{}", idle.err);
    assert_eq!(sandbox.run(&["hold", &id, "fe1"]).code, Some(0));
    assert_eq!(sandbox.wait_for_record(r#""kind":"held""#), id);
    for refused in [
        ["decide", &id, "fe2", "retry"],
        ["decide", &id, "fe1", "skip"],
        ["decide", &id, "fe1", "confirm"],
        ["decide", &id, "fe9", "retry"],
    ] {
        let said = sandbox.run(&refused);
        assert_eq!(said.code, Some(64), "{refused:?}: {}", said.err);
    }
    let status = sandbox.run(&["status", &id]);
    assert!(status.out.contains("HELD") && status.out.contains("1 out"), "{}", status.out);
    assert_eq!(sandbox.run(&["decide", &id, "fe1", "return"]).code, Some(0));
    let said = run.ended();
    assert_eq!(said.code, Some(4), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("chose return") && !said.out.contains("may be out"), "{}", said.out);
}

#[test]
fn p8_a_failed_installer_ends_the_run_with_4_and_recover_brings_the_server_back() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[], &[("exit_code: 3010", "exit_code: 1603")]);
    let said = sandbox.run(&lab(&plan, &["--unattended"]));
    assert_eq!(said.code, Some(4), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("may be out of service") && said.out.contains("1603"), "{}", said.out);
    let command =
        said.out.lines().find(|line| line.starts_with("bring everything back")).expect("the command is named");
    let run = command.split_whitespace().last().unwrap();
    let recovered = sandbox.run(&["recover", run]);
    assert_eq!(recovered.code, Some(0), "{}\n{}", recovered.out, recovered.err);
    assert!(recovered.out.contains("start types                 as before"), "{}", recovered.out);
}

#[test]
fn exit_3_when_servers_go_back_unpatched_and_the_pool_is_healthy() {
    let sandbox = Sandbox::default();
    let changes = [
        ("deadline: 30m, at_deadline: hold", "deadline: 5m, at_deadline: return"),
        ("  soak: 2m", "  soak: 1m\nstop_when: {failed: 3}"),
    ];
    let endless = "servers: {fe1.first.example: {endless: {RTCSRV: 2}}}\nseed: 7";
    let plan = plan(&sandbox, &changes, &[("seed: 7", endless)]);
    let said = sandbox.run(&lab(&plan, &["--unattended"]));
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("returned early"), "{}", said.out);
}

#[test]
fn p8_exit_3_when_the_servers_of_a_pool_end_at_different_levels() {
    let sandbox = Sandbox::default();
    // The first server shows nothing by itself: all that the level looks at is there.
    let half = "exit_code: 3010, leaves_out: {fe1.first.example: [Administrative Tools]}";
    let plan = plan(&sandbox, &[], &[("exit_code: 3010", half), ("seed: 7", "seed: 7\nfabric: stays")]);
    let said = sandbox.run(&lab(&plan, &["--unattended"]));
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("is not at one level") && told.contains("Administrative Tools is fe1 at"), "{}", said.out);
    assert!(said.out.contains("servers patched             3 of 3"), "{}", said.out);
    assert!(told.contains("left to look at: the fabric state is not as it was before"), "{}", said.out);
}

#[test]
fn p8_an_update_of_one_service_says_which_restarts_were_not_made_and_which_the_installer_made() {
    let sandbox = Sandbox::default();
    let changes = [("scope: all-services", "scope: {services: [RTCRGS]}")];
    let plan = plan(&sandbox, &changes, &[("seed: 7", "seed: 7\nservers: {fe2.first.example: {exit_codes: [1641]}}")]);
    let said = sandbox.run(&lab(&plan, &["--unattended"]));
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in [
        "it needs a restart: the installer ended with 3010, and the plan makes none",
        "the installer restarted the server (1641): the sessions of the services that were not blocked were cut",
        "fe2.first.example done",
        "1 restart,",
    ] {
        assert!(told.contains(text), "{text} is missing:\n{}", said.out);
    }
    assert!(said.out.contains("restarts                    1"), "{}", said.out);
    assert!(said.out.contains("start types                 as before"), "{}", said.out);
    assert!(!told.contains("HELD"), "the server is waited for: {}", said.out);
    let again = sandbox.run(&["recover", "last"]);
    assert_eq!(again.code, Some(3), "restarts are owed still: {}", again.err);
    assert!(again.err.contains("it needs a restart") && !again.err.contains("left nothing out"), "{}", again.err);
}

#[test]
fn p2_exit_9_when_a_record_is_missing_names_the_record_and_the_features() {
    let sandbox = Sandbox::default();
    let said = sandbox.run(&["plans/t3-partial-dns.yaml", "--lab", "--yes", "--lab-speed", SPEED]);
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    for word in ["192.0.2.24", "Response Group", "pool03.contoso.example"] {
        assert!(said.err.contains(word), "{word} is missing: {}", said.err);
    }
    assert!(sandbox.runs().is_empty(), "refused before any change");
}

#[test]
fn exit_6_without_consent_and_exit_8_for_another_plan_than_the_approved_one() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[], &[]);
    let asked = sandbox.run(&lab(&plan, &[]));
    assert_eq!(asked.code, Some(6), "{}", asked.err);
    let approved = sandbox.run(&["approve", &plan, "--lab", "--lab-speed", SPEED]);
    assert_eq!(approved.code, Some(0), "{}", approved.err);
    let hash = approved.out.trim();
    assert!(asked.err.contains(hash), "{} is to name {hash}", asked.err);
    let command = format!("orchestrate {plan} --lab --lab-speed {} --approve {hash}", lab_speed(SPEED));
    assert!(asked.err.contains(&command), "{} is to be copied: {command}", asked.err);
    let text = std::fs::read_to_string(&plan).unwrap();
    std::fs::write(&plan, text.replace("soak: 2m", "soak: 3m")).unwrap();
    let other = sandbox.run(&lab(&plan, &["--approve", hash]));
    assert_eq!(other.code, Some(8), "{}", other.err);
    assert!(sandbox.runs().is_empty(), "nothing was begun");
}

#[test]
fn p7_a_dry_run_on_the_lab_changes_nothing() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[], &[]);
    let said = sandbox.run(&lab(&plan, &["--dry-run", "--detailed-exitcode", "-o", "json"]));
    assert_eq!(said.code, Some(2), "{}", said.err);
    let preview: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(preview["servers"].as_array().unwrap().len(), 3);
    assert!(sandbox.runs().is_empty());
    let left = std::fs::read_dir(sandbox.state().join("labs")).unwrap().filter_map(Result::ok);
    let told: Vec<String> = left
        .filter(|file| file.path().extension().is_some_and(|end| end == "jsonl"))
        .map(|file| std::fs::read_to_string(file.path()).unwrap())
        .collect();
    assert!(told.iter().all(|told| !told.contains("PauseService") && !told.contains("ChangeStartMode")), "{told:?}");
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn a_lab_in_the_foreground_is_joined_as_it_is_and_left_running() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[], &[]);
    let mut foreground = sandbox.start(&["lab", &plan, "--lab-speed", SPEED]);
    foreground.wait_for_output("speed 40");
    let faster = sandbox.run(&[&plan, "--lab", "--lab-speed", "41", "--yes"]);
    assert_eq!(faster.code, Some(64), "{}", faster.err);
    assert!(faster.err.contains("at speed 40, not 41") && faster.err.contains("--stop"), "{}", faster.err);
    let scenario = sandbox.file("other.lab.yaml", "seed: 8\n").display().to_string();
    let other = sandbox.run(&lab(&plan, &["--lab-scenario", &scenario, "--yes"]));
    assert_eq!(other.code, Some(64), "{}", other.err);
    assert!(other.err.contains("with another scenario than") && other.err.contains(&scenario), "{}", other.err);
    let same = sandbox.path().join("plan.lab.yaml").display().to_string();
    let said = sandbox.run(&lab(&plan, &["--lab-scenario", &same, "--yes"]));
    assert!(said.err.contains("joins the lab that runs already (speed 40)"), "{}", said.err);
    assert_clean(&said);
    assert!(sandbox.lab_file().exists(), "whoever runs the lab ends it");
    foreground.signal("INT");
    assert_eq!(foreground.ended().code, Some(0));
}

#[test]
fn a_bad_scenario_is_told_with_its_place() {
    let sandbox = Sandbox::default();
    let plan = plan(&sandbox, &[], &[("seed: 7", "sead: 7")]);
    let said = sandbox.run(&lab(&plan, &["--yes"]));
    assert_eq!(said.code, Some(65), "{}", said.err);
    assert!(said.err.contains("plan.lab.yaml") && said.err.contains("sead"), "{}", said.err);
}
