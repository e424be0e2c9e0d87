//! What a run says at its end, held against what the lab's servers are like.
#![expect(clippy::unwrap_used, reason = "a test stops at the first thing it did not expect")]

use orchestrate_tests::cli::{Said, Sandbox, kill};
use std::path::Path;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

/// At this speed the half minute that evidence is good for is half a second of a busy machine.
const SPEED: &str = "60";

/// Writes a plan of `tests/data` and its lab scenario into a sandbox, with changes to the plan.
fn plan(sandbox: &Sandbox, name: &str, changes: &[(&str, &str)]) -> String {
    let read = |name: &str| std::fs::read_to_string(Path::new(DATA).join(name)).unwrap();
    let mut text = read(&format!("{name}.yaml"));
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    let _scenario = sandbox.file(&format!("{name}.lab.yaml"), &read(&format!("{name}.lab.yaml")));
    sandbox.file(&format!("{name}.yaml"), &text).display().to_string()
}

fn run(sandbox: &Sandbox, plan: &str) -> Said {
    sandbox.run(&[plan, "--lab", "--lab-speed", SPEED, "--unattended", "--yes"])
}

/// The output without its line breaks.
fn flat(said: &Said) -> String {
    said.out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn p8_a_component_that_stays_old_on_every_server_is_named_until_the_plan_says_what_the_update_touches() {
    let sandbox = Sandbox::default();
    let said = run(&sandbox, &plan(&sandbox, "component-left-out", &[]));
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let text = flat(&said);
    assert!(
        text.contains("verify: at 5.0.8308.1149, 5.0.8308.1149 is wanted; BELOW it, all the same: Microsoft Lync Server 2013, Front End Server 5.0.8308.866"),
        "{text}"
    );
    assert!(text.contains("Front End Server is at 5.0.8308.866 on fe1, fe2 and fe3"), "{text}");
    assert!(text.contains("servers patched 3 of 3"), "{text}");

    let sandbox = Sandbox::default();
    let touched = [("level: 5.0.8308.1149", "level: {Core Components: 5.0.8308.1149}")];
    let said = run(&sandbox, &plan(&sandbox, "component-left-out", &touched));
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
}

#[test]
fn p8_a_pool_of_one_server_with_a_component_below_the_level_is_no_success() {
    let sandbox = Sandbox::default();
    let said = run(&sandbox, &plan(&sandbox, "half-updated-alone", &[]));
    assert_eq!(said.code, Some(3), "{}\n{}", said.out, said.err);
    let text = flat(&said);
    assert!(text.contains("O2066") && text.contains("O2067"), "the preview asks: {text}");
    assert!(
        text.contains("below the level: Microsoft Lync Server 2013, Front End Server is at 5.0.8308.866 on se1"),
        "{text}"
    );
}

#[test]
fn a_level_that_names_no_component_of_any_server_is_refused_with_the_names_there_are() {
    let sandbox = Sandbox::default();
    let level = "level: {Core Components: 5.0.8308.1149, Font End Server: 5.0.8308.1149}";
    let said = run(&sandbox, &plan(&sandbox, "component-left-out", &[("level: 5.0.8308.1149", level)]));
    assert_eq!(said.code, Some(9), "{}\n{}", said.out, said.err);
    let text = flat(&said);
    assert!(text.contains("no server has a component called \"Font End Server\""), "{text}");
    assert!(text.contains("Did you mean \"Microsoft Lync Server 2013, Front End Server\"?"), "{text}");
}

#[test]
fn the_base_build_of_the_product_is_no_level() {
    let sandbox = Sandbox::default();
    for level in ["5.0.8308", "5.0.8308.0", "5.0.8309"] {
        let plan = plan(&sandbox, "component-left-out", &[("level: 5.0.8308.1149", &format!("level: {level}"))]);
        let said = sandbox.run(&["check", &plan]);
        assert_eq!(said.code, Some(65), "{level}: {}{}", said.out, said.err);
    }
}

#[test]
fn p8_a_lab_that_is_gone_at_the_end_hides_no_server_that_is_out() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let run = sandbox.start(&[&plan, "--lab", "--lab-speed", "40", "--yes", "--unattended"]);
    let _id = sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    let text = std::fs::read_to_string(sandbox.lab_file()).unwrap();
    let directory: serde_json::Value = serde_json::from_str(&text).unwrap();
    kill(&directory["pid"].to_string());
    let said = run.ended();
    assert_eq!(said.code, Some(4), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("1 server may be out of service"), "{}", said.out);
    assert!(said.err.contains("the lab's own account of the sessions is lost"), "{}", said.err);
}

#[test]
fn p3_p4_a_draining_state_that_no_server_has_is_refused_before_the_block_until_the_plan_names_it() {
    let without = ("seed: 7\n", "seed: 7\nservices: {without_counters: [\"LS:AVMCU - MCU Health And Performance\"]}\n");
    let sandbox = Sandbox::default();
    let refused = run(&sandbox, &sandbox.first_pool(&[], &[without]));
    assert_eq!(refused.code, Some(9), "{}\n{}", refused.out, refused.err);
    for part in ["O2098", "RTCAVMCU on fe1, fe2 and fe3", "no counter set", "by_sessions_alone: [RTCAVMCU]"] {
        assert!(flat(&refused).contains(part), "{part} is missing: {}", refused.out);
    }
    let named = ("deadline: 30m, ", "deadline: 30m, by_sessions_alone: [RTCAVMCU], ");
    let done = run(&sandbox, &sandbox.first_pool(&[named], &[without]));
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
    assert!(flat(&done).contains("RTCAVMCU: drained by their sessions alone"), "{}", done.out);
    let journal = std::fs::read_to_string(sandbox.runs().last().unwrap().join("journal.jsonl")).unwrap();
    let proof = "since the server has no draining state: RTCAVMCU";
    assert_eq!(journal.matches(proof).count(), 3, "once for each server, as its proof");
}
