//! Servers on which a process takes seconds to start, as on real ones, and what a run asks of a server.
#![cfg(test)]

use orchestrate_lab::{LabDirectory, LabReport, TrafficReport};
use orchestrate_tests::cli::{Background, Said, Sandbox};

/// A lab at which a process takes six seconds, and the product's module is in memory afterwards.
const SLOW: (&str, &str) = ("timing: {", "timing: {command_s: 6, ");

/// A lab that outlives the runs on it.
struct Lab {
    holder: Sandbox,
    process: Background,
}

impl Lab {
    fn start(plan: &str, speed: &str) -> Self {
        let holder = Sandbox::default();
        let mut process = holder.start(&["lab", plan, "--lab-speed", speed]);
        process.wait_for_output("Ctrl-C ends it");
        Self { holder, process }
    }

    fn at(&self) -> String {
        self.holder.lab_file().display().to_string()
    }

    fn report(&self) -> LabReport {
        let directory = LabDirectory::read(&self.holder.lab_file()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(directory.report()).unwrap()
    }

    fn end(self) {
        self.process.signal("INT");
        drop(self.process.ended());
    }
}

fn assert_done(said: &Said) {
    assert_eq!(said.code, Some(0), "{}\n{}", said.out, said.err);
}

#[test]
fn p2_servers_on_which_a_process_takes_seconds_show_fresh_evidence() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[SLOW]);
    // One process for each question would take more than half a minute for each server.
    let said = sandbox.run(&[&plan, "--dry-run", "--lab", "--lab-speed", "2"]);
    assert_done(&said);
    let answers: Vec<&str> = said.out.lines().filter(|line| line.trim_start().starts_with("fresh evidence ")).collect();
    assert!(!answers.is_empty(), "{}", said.out);
    assert!(answers.iter().all(|line| line.split_whitespace().nth(2) == Some("yes")), "{answers:#?}");
}

#[test]
fn a_pool_of_servers_on_which_a_process_takes_seconds_goes_through_its_maintenance() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[SLOW]);
    let lab = Lab::start(&plan, "20");
    assert_done(&sandbox.run(&[&plan, "--lab-at", &lab.at(), "--unattended", "--yes"]));
    let report = lab.report();
    for (name, server) in &report.servers {
        let TrafficReport { requests, bytes, processes } = server.traffic;
        println!("{name}: {requests} requests, {bytes} bytes, {processes} processes in a whole maintenance");
        // One that stays until the restart, one after it, and each act has its own.
        assert!(processes <= 20, "{name}: {processes} processes");
    }
    lab.end();
}

#[test]
fn a_drain_starts_no_process_for_its_samples() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[("deadline: 30m, ", "deadline: 10h, ")], &[("  length: 0.05", "  length: 20")]);
    let lab = Lab::start(&plan, "40");
    let run = sandbox.start(&[&plan, "--lab-at", &lab.at(), "--yes"]);
    let _id = sandbox.wait_for_record(r#""kind":"step_started","step":4"#);
    let total = |report: &LabReport| {
        report.servers.values().fold(TrafficReport::default(), |sum, server| TrafficReport {
            requests: sum.requests + server.traffic.requests,
            bytes: sum.bytes + server.traffic.bytes,
            processes: sum.processes + server.traffic.processes,
        })
    };
    let (first, mut last) = (lab.report(), lab.report());
    while last.at.duration_since(first.at).as_secs() < 600 {
        std::thread::park_timeout(std::time::Duration::from_millis(100));
        last = lab.report();
    }
    let (before, after) = (total(&first), total(&last));
    let minutes = last.at.duration_since(first.at).as_secs_f64() / 60.0;
    let each = |from: u64, to: u64| f64::from(u32::try_from(to - from).unwrap()) / minutes;
    let processes = each(before.processes, after.processes);
    println!(
        "in a minute of a drain, on three servers: {:.1} requests, {:.0} bytes, {processes:.2} processes",
        each(before.requests, after.requests),
        each(before.bytes, after.bytes),
    );
    assert!(processes < 1.0, "{processes} processes in a minute");
    run.signal("INT");
    drop(run.ended());
    lab.end();
}
