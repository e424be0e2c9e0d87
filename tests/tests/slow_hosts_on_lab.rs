//! Servers on which a process takes seconds to start, as on real ones, and what a run asks of a server.
#![cfg(test)]

use orchestrate_lab::{LabDirectory, LabReport, TrafficReport};
use orchestrate_tests::cli::{Background, Said, Sandbox};
use regex::Regex;
use std::collections::BTreeMap;

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

/// What a whole maintenance may ask of one server. It is below 200 on a machine that is not busy; one that is makes the lab's hours
/// longer, with a look at the other servers in every twenty seconds of them.
const MOST_REQUESTS: u64 = 230;

/// What a minute of a drain may ask of three servers: a sample every twenty seconds, with as many sessions as are left there, is
/// two or three requests, and a look at each of the others is one, and two when all is read.
const MOST_IN_A_MINUTE: f64 = 20.0;

/// The steps of one server, in order.
const STEPS: [&str; 13] = [
    "guard",
    "record",
    "balancer-out",
    "block",
    "drain",
    "stop",
    "patch",
    "restart",
    "verify",
    "return",
    "balancer-in",
    "gate",
    "soak",
];

/// What servers were asked, by step and by what it was for.
#[derive(Default)]
struct Tally {
    asked: BTreeMap<(usize, String), u64>,
    last: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds what was asked since the last report to a step.
    fn add(&mut self, step: usize, report: &LabReport) {
        let mut sum: BTreeMap<String, u64> = BTreeMap::new();
        for (purpose, count) in report.servers.values().flat_map(|server| &server.asked) {
            *sum.entry(purpose.clone()).or_default() += count;
        }
        for (purpose, count) in &sum {
            let more = count - self.last.get(purpose).copied().unwrap_or_default();
            if more > 0 {
                *self.asked.entry((step, purpose.clone())).or_default() += more;
            }
        }
        self.last = sum;
    }

    /// Prints how many requests each step and each purpose have cost on all servers together.
    fn print(&self) {
        for (step, name) in ["survey"].iter().chain(&STEPS).enumerate() {
            let of_step = || self.asked.iter().filter(|((at, _), _)| *at == step);
            let each: Vec<String> = of_step().map(|((_, purpose), count)| format!("{purpose} {count}")).collect();
            println!("{name}: {} ({})", of_step().map(|(_, count)| count).sum::<u64>(), each.join(", "));
        }
        for (purpose, count) in &self.last {
            println!("{purpose}: {count}");
        }
    }
}

/// Runs a plan on a lab to its end, and returns what each step has asked of the servers.
fn tally(sandbox: &Sandbox, plan: &str, lab: &Lab) -> Tally {
    let run = sandbox.start(&[plan, "--lab-at", &lab.at(), "--unattended", "--yes"]);
    let started = Regex::new(r#""kind":"step_started","step":(\d+)"#).unwrap();
    let mut tally = Tally::default();
    let mut step = 0;
    loop {
        let newest = sandbox.runs().pop().map(|run| run.join("journal.jsonl"));
        let journal = newest.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        tally.add(step, &lab.report());
        if journal.contains(r#""kind":"run_ended""#) {
            break;
        }
        let last = started.captures_iter(&journal).last().and_then(|found| found[1].parse::<usize>().ok());
        step = last.map_or(0, |last| last % STEPS.len() + 1);
        std::thread::park_timeout(std::time::Duration::from_millis(50));
    }
    assert_done(&run.ended());
    tally.add(step, &lab.report());
    tally
}

#[test]
fn a_pool_of_servers_on_which_a_process_takes_seconds_goes_through_its_maintenance() {
    let sandbox = Sandbox::default();
    let plan = sandbox.first_pool(&[], &[SLOW]);
    let lab = Lab::start(&plan, "20");
    tally(&sandbox, &plan, &lab).print();
    let report = lab.report();
    for (name, server) in &report.servers {
        let TrafficReport { requests, bytes, processes } = server.traffic;
        println!("{name}: {requests} requests, {bytes} bytes, {processes} processes in a whole maintenance");
        // One that stays until the restart, one after it, the installer and the restart.
        assert!(processes < 10, "{name}: {processes} processes");
        assert!(requests < MOST_REQUESTS, "{name}: {requests} requests");
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
    let requests = each(before.requests, after.requests);
    assert!(requests < MOST_IN_A_MINUTE, "{requests} requests in a minute");
    run.signal("INT");
    drop(run.ended());
    lab.end();
}
