//! Whose turn it is, on the lab: servers that are away, a part of a plan, a first server and an order.

use orchestrate_tests::cli::Sandbox;
use serde_json::Value;

const SPEED: &str = "40";

const LAST: &str = "      fe3.first.example: {address: 192.0.2.13, upgrade_domain: UD3}\n";
const ACCESS: &str = "    access:\n";

/// A fourth server that is known to be dead.
const DEAD: &str = "      fe3.first.example: {address: 192.0.2.13, upgrade_domain: UD3}
      fe4.first.example: {address: 192.0.2.14, upgrade_domain: UD4, away: {reason: \"hardware, CHG123\", in_budget: false}}
";

fn lab<'a>(plan: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[plan, "--lab", "--lab-speed", SPEED], more].concat()
}

/// The servers of a run with how each ended, in the order in which they ended.
fn ends(sandbox: &Sandbox) -> Vec<(String, String)> {
    let runs = sandbox.runs();
    let journal = std::fs::read_to_string(runs.last().expect("a run").join("journal.jsonl")).expect("a journal");
    let plan: Value =
        serde_json::from_str(&std::fs::read_to_string(runs.last().expect("a run").join("plan.json")).expect("a plan"))
            .expect("JSON");
    let plan = plan.get("plan").unwrap_or(&plan);
    let records = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record"));
    records
        .filter_map(|line| {
            let record = line.get("record")?.clone();
            let end = record.get("end")?["as"].as_str()?.to_owned();
            let work = usize::try_from(record["work"].as_u64()?).ok()?;
            Some((plan["work"][work]["server"].as_str()?.to_owned(), end))
        })
        .collect()
}

fn of<'a>(ends: &'a [(String, String)], as_what: &str) -> Vec<&'a str> {
    ends.iter().filter(|(_, end)| end == as_what).map(|(server, _)| server.as_str()).collect()
}

#[test]
fn a_server_that_is_away_is_left_alone_and_the_others_are_done() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[(LAST, DEAD)], &[]);
    let shown = sandbox.run(&[&plan, "--lab", "--dry-run"]);
    assert_eq!(shown.code, Some(0), "{}\n{}", shown.out, shown.err);
    assert!(shown.out.contains("away, hardware, CHG123; counted as down"), "{}", shown.out);
    let ran = sandbox.run(&lab(&plan, &["--yes"]));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    let ends = ends(&sandbox);
    assert_eq!(of(&ends, "left_out"), ["fe4.first.example"], "{ends:?}");
    assert_eq!(of(&ends, "finished").len(), 3, "{ends:?}");
    let journal = std::fs::read_to_string(sandbox.runs()[0].join("journal.jsonl")).expect("a journal");
    let asked = journal.lines().filter(|line| line.contains("\"intent\"") && line.contains("fe4.first.example"));
    assert_eq!(asked.count(), 0);
    // Without its place beside the budget it is the whole budget.
    let strict = sandbox.first_pool(&[(LAST, &DEAD.replace(", in_budget: false", ""))], &[]);
    let refused = sandbox.run(&[&strict, "--lab", "--dry-run"]);
    assert_eq!(refused.code, Some(9), "{}\n{}", refused.out, refused.err);
    assert!(refused.out.contains("O2012") && refused.out.contains("in_budget: false"), "{}", refused.out);
}

#[test]
fn a_part_of_a_plan_is_run_by_an_approval_of_the_whole() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[]);
    let wrong = sandbox.run(&[&plan, "--lab", "--dry-run", "--only", "fe33"]);
    assert_eq!(wrong.code, Some(64), "{}", wrong.err);
    assert!(wrong.err.contains("did you mean") && wrong.err.contains("fe3.first.example"), "{}", wrong.err);
    let approved = sandbox.run(&["approve", &plan, "--lab"]);
    assert_eq!(approved.code, Some(0), "{}\n{}", approved.out, approved.err);
    let whole = approved.out.lines().last().unwrap().trim().to_owned();
    let ran = sandbox.run(&lab(&plan, &["--only", "fe3", "--approve", &whole]));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("left out by choice: only fe3 is worked on"), "{}", ran.out);
    let found = ends(&sandbox);
    assert_eq!(of(&found, "finished"), ["fe3.first.example"]);
    assert_eq!(of(&found, "left_out"), ["fe1.first.example", "fe2.first.example"]);
    let run = sandbox.runs()[0].file_name().unwrap().to_str().unwrap().to_owned();
    let status = sandbox.run(&["status", &run]);
    assert!(status.out.contains("left out"), "{}", status.out);
    // What was approved was the whole: another fingerprint is none of it.
    let part = sandbox.run(&lab(&plan, &["--only", "fe2", "--approve", "000000000000"]));
    assert_eq!(part.code, Some(8), "{}\n{}", part.out, part.err);
}

#[test]
fn an_unattended_run_stops_behind_the_first_server() {
    let sandbox = Sandbox::default();
    let first = format!("    first: {{server: fe3, then: ask}}\n{ACCESS}");
    let plan = sandbox.first_pool(&[(ACCESS, &first)], &[]);
    let ran = sandbox.run(&lab(&plan, &["--unattended", "--now"]));
    assert_eq!(ran.code, Some(4), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("O3030"), "{}", ran.out);
    assert_eq!(of(&ends(&sandbox), "finished"), ["fe3.first.example"]);
    assert!(ran.out.contains("whether the others follow is for a person to say"), "{}", ran.out);
}

#[test]
fn a_person_decides_behind_the_first_server() {
    let sandbox = Sandbox::default();
    let first = format!("    first: {{server: fe2.first.example, then: ask}}\n{ACCESS}");
    let plan = sandbox.first_pool(&[(ACCESS, &first)], &[]);
    let mut run = sandbox.start(&lab(&plan, &["--yes"]));
    let id = sandbox.wait_for_record("\"first_done\"");
    let unfit = sandbox.run(&["decide", &id, "fe2", "return"]);
    assert!(unfit.err.contains("confirm, stop"), "{}", unfit.err);
    let said = sandbox.run(&["decide", &id, "fe2", "confirm"]);
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
    run.wait_for_output("servers patched             3 of 3");
    assert_eq!(of(&ends(&sandbox), "finished")[0], "fe2.first.example");
}

#[test]
fn servers_are_taken_in_the_order_of_the_plan() {
    let sandbox = Sandbox::default();
    let order = format!("    first: {{server: fe2, then: 5m}}\n    order: [fe2, fe3]\n{ACCESS}");
    let plan = sandbox.first_pool(&[(ACCESS, &order)], &[]);
    let ran = sandbox.run(&lab(&plan, &["--yes"]));
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.out, ran.err);
    assert!(ran.out.contains("good for 5m") || ran.out.contains("as it was for 5m"), "{}", ran.out);
    let ends = ends(&sandbox);
    assert_eq!(of(&ends, "finished"), ["fe2.first.example", "fe3.first.example", "fe1.first.example"]);
}
