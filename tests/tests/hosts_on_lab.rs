//! Control hosts with state folders of their own on one lab: they see each other's leases on the servers, and nothing of
//! each other's claims (promise P12).

#![cfg(test)]

use orchestrate_lab::LabDirectory;
use orchestrate_tests::cli::{Said, Sandbox};

/// A speed at which evidence of half a real second is fresh, also where many tests share two processors.
const SPEED: &str = "40";

/// The record that the drain of the first server has begun.
const DRAINING: &str = r#""kind":"step_started","step":4"#;

/// Starts a run of the first control host whose first drain lasts for hours. Returns the plan.
fn long_drain(first: &Sandbox) -> String {
    first.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")])
}

fn assert_held(said: &Said, run: &str) {
    assert_eq!(said.code, Some(7), "{}\n{}", said.out, said.err);
    for word in ["O2080", "ann on ", run, "until 20", "by its clock"] {
        assert!(said.out.contains(word) || said.err.contains(word), "{word} is missing:\n{}\n{}", said.out, said.err);
    }
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn p12_a_second_control_host_is_told_who_works_on_the_servers_and_until_when() {
    let (first, second) = (Sandbox::default(), Sandbox::default());
    let plan = long_drain(&first);
    let run = first.start(&[&plan, "--lab", "--lab-speed", SPEED, "--yes"]);
    let id = first.wait_for_record(DRAINING);
    let lab = first.lab_file().display().to_string();
    assert_held(&second.run(&[&plan, "--lab-at", &lab, "--dry-run"]), &id);
    assert_held(&second.run(&[&plan, "--lab-at", &lab, "--yes"]), &id);
    assert!(second.runs().is_empty(), "no run was begun");
    run.signal("INT");
    let said = run.ended();
    assert_eq!(said.code, Some(130), "{}\n{}", said.out, said.err);
    assert!(said.out.contains("cut                         0"), "{}", said.out);
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn p12_leases_are_given_back_and_a_second_control_host_may_go_on() {
    let (first, second) = (Sandbox::default(), Sandbox::default());
    let plan = long_drain(&first);
    let holder = Sandbox::default();
    // The lab belongs to a terminal of its own, so that it outlives the runs.
    let mut lab = holder.start(&["lab", &plan, "--lab-speed", SPEED]);
    lab.wait_for_output("Ctrl-C ends it");
    let at = holder.lab_file().display().to_string();
    let run = first.start(&[&plan, "--lab-at", &at, "--yes"]);
    let id = first.wait_for_record(DRAINING);
    assert_held(&second.run(&[&plan, "--lab-at", &at, "--dry-run"]), &id);
    run.signal("INT");
    assert_eq!(run.ended().code, Some(130));
    let free = second.run(&[&plan, "--lab-at", &at, "--dry-run"]);
    assert_eq!(free.code, Some(0), "{}\n{}", free.out, free.err);
    assert!(free.out.contains("no other control host works on the pool"), "{}", free.out);
    lab.signal("INT");
    drop(lab.ended());
}

/// Counts of remote shells, from the report of a lab: created, deleted and open.
fn shells(lab: &Sandbox) -> (u32, u32, u32) {
    let directory = LabDirectory::read(&lab.lab_file()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(directory.report()).unwrap();
    let all = report.servers.values().map(|server| server.shells);
    all.fold((0, 0, 0), |(created, deleted, open), one| (created + one.created, deleted + one.deleted, open + one.open))
}

#[test]
#[cfg_attr(not(unix), ignore = "the keys of a console cannot be sent to another program from a test")]
fn every_way_out_closes_its_remote_shells() {
    let holder = Sandbox::default();
    let plan = long_drain(&holder);
    let mut lab = holder.start(&["lab", &plan, "--lab-speed", "1"]);
    lab.wait_for_output("Ctrl-C ends it");
    let at = holder.lab_file().display().to_string();
    let sandbox = Sandbox::default();
    let closed = |what: &str| {
        let (created, deleted, open) = shells(&holder);
        assert!(created > 0, "{what}: the servers were looked at");
        assert_eq!(
            (created - deleted, open),
            (0, 0),
            "{what} left shells behind: {created} created, {deleted} deleted"
        );
    };
    let dry = sandbox.run(&[&plan, "--lab-at", &at, "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{}\n{}", dry.out, dry.err);
    closed("a dry run");
    let unapproved = sandbox.run(&[&plan, "--lab-at", &at]);
    assert_eq!(unapproved.code, Some(6), "{}", unapproved.err);
    closed("a start that nobody approved");
    assert_eq!(sandbox.run(&["approve", &plan, "--lab-at", &at]).code, Some(0));
    closed("an approval");
    assert_eq!(sandbox.run(&["probe", &plan, "--lab-at", &at]).code, Some(0));
    closed("a probe");
    // It ends while scripts run, wherever that is.
    let mut probe = sandbox.start(&["probe", &plan, "--lab-at", &at, "--log", "orchestrate_driver_winrm=debug"]);
    probe.wait_for_error("running");
    probe.signal("INT");
    assert_eq!(probe.ended().code, Some(130));
    closed("a probe that was interrupted");
    let run = sandbox.start(&[&plan, "--lab-at", &at, "--yes"]);
    let _id = sandbox.wait_for_record(DRAINING);
    run.signal("INT");
    assert_eq!(run.ended().code, Some(130));
    closed("a run that was interrupted");
    lab.signal("INT");
    drop(lab.ended());
}
