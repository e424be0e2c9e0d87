//! The binary on the lab, killed at random instants and started again with the same command (promise P6).
//!
//! Some kills come in the middle of a write, which leaves a line without its end in the journal.
//!
//! The lab outlives every kill, as real servers would, and its own record says what was done to them: no session cut, no
//! installer run twice, never two servers out, every start type as before.

#![cfg(test)]

use orchestrate_lab::LabDirectory;
use orchestrate_tests::cli::{binary, lab_speed, repository};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Kills in all, unless `ORCHESTRATE_KILLS` says otherwise.
const KILLS: u32 = 200;
/// Pools that are worked on side by side, so that the test takes a minute, unless `ORCHESTRATE_KILLS_POOLS` says otherwise.
const POOLS: u32 = 4;
/// How fast the lab's time passes. Evidence must be younger than 30 s, which a debug build has to manage on a busy
/// machine.
const SPEED: &str = "80";
/// Starts after the last kill in which the run has to end.
const FINISHES: u32 = 5;

/// A small generator (xorshift), so that a failure can be repeated by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }

    /// Mostly soon after the start, where a resume decides; sometimes late, so that the run gets on. Where labs are slower
    /// so are programs, and the same instants come later.
    fn patience(&mut self) -> Duration {
        let millis = if self.below(10) < 7 { 20 + self.below(700) } else { 1000 + self.below(3000) };
        let speed = |text: &str| text.parse::<f64>().unwrap();
        Duration::from_millis(millis).mul_f64((speed(SPEED) / speed(&lab_speed(SPEED))).max(1.0))
    }
}

fn start(state: &Path, output: &Path) -> Child {
    let file = std::fs::File::create(output).unwrap();
    Command::new(binary())
        .current_dir(repository())
        .args(["tests/data/kills.yaml", "--lab", "--yes", "--unattended", "--lab-speed", &lab_speed(SPEED)])
        .env("ORCHESTRATE_STATE_DIR", state)
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .spawn()
        .unwrap()
}

/// Waits until the process ends by itself or its time is up, and says whether it ended.
fn ended_within(child: &mut Child, patience: Duration) -> Option<Option<i32>> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status.code());
        }
        if begun.elapsed() >= patience {
            return None;
        }
        // The operating system has no wait with a limit; yielding keeps the instant of the kill exact enough.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Leaves the beginning of a line at the end of the journal of the run in hand, as a write that was cut short does.
fn tear(state: &Path, dice: &mut Dice) {
    let runs =
        std::fs::read_dir(state.join("labs").join("runs")).into_iter().flatten().map(|entry| entry.unwrap().path());
    let Some(path) = runs.max().map(|run| run.join("journal.jsonl")) else { return };
    let Ok(text) = std::fs::read_to_string(&path) else { return };
    // What was being written when the kill came is torn already.
    let Some(whole) = text.strip_suffix('\n') else { return };
    let last = whole.rsplit('\n').next().unwrap();
    let length = 1 + dice.below(last.len() as u64 - 1);
    let mut journal = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    journal.write_all(&last.as_bytes()[..usize::try_from(length).unwrap()]).unwrap();
}

/// What the end of a run must say, in the words of the lab's own record.
fn check_report(text: &str, seed: u64) {
    let line = |name: &str| {
        // A sentence of the preview may begin a line with the same word.
        let is_of_the_lab =
            |line: &&str| line.trim_start().strip_prefix(name).is_some_and(|rest| rest.starts_with("  "));
        let found = text.lines().find(is_of_the_lab);
        let found = found.unwrap_or_else(|| panic!("seed {seed}: no line {name:?} in:\n{text}"));
        found.trim_start()[name.len()..].trim().to_owned()
    };
    assert_eq!(line("cut"), "0", "seed {seed}:\n{text}");
    assert_eq!(line("refused"), "0", "seed {seed}:\n{text}");
    assert_eq!(line("start types"), "as before", "seed {seed}:\n{text}");
    assert_eq!(line("servers patched"), "3 of 3", "seed {seed}:\n{text}");
    assert_eq!(line("installers started"), "3", "seed {seed}:\n{text}");
    assert_eq!(line("restarts"), "3", "seed {seed}:\n{text}");
    assert!(line("most servers out at once").starts_with("1 of 3"), "seed {seed}:\n{text}");
}

/// Stops the lab of a state folder and returns its last report.
fn last_report(state: &Path) -> String {
    let files = std::fs::read_dir(state.join("labs")).unwrap().map(|entry| entry.unwrap().path());
    let file = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let directory = LabDirectory::read(&file).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(directory.stop()).unwrap().to_string()
}

/// Kills and starts again until `kills` were made and the run in hand has ended. Returns the runs that ended.
fn torment(seed: u64, kills: u32) -> u32 {
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(seed);
    let (mut killed, mut runs, mut starts_after) = (0, 0, 0);
    let mut fresh = true;
    while killed < kills || !fresh {
        let state = folder.path().join(format!("state-{runs}"));
        let output = folder.path().join("output.txt");
        let mut child = start(&state, &output);
        let patience = if killed < kills { dice.patience() } else { Duration::from_secs(300) };
        let end = ended_within(&mut child, patience);
        if end.is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            fresh = false;
            if dice.below(3) == 0 {
                tear(&state, &mut dice);
            }
            starts_after = 0;
            continue;
        }
        let text = std::fs::read_to_string(&output).unwrap();
        if end == Some(Some(0)) {
            // A kill may come after the end of the run and before its summary: then there is nothing left to do.
            if text.contains("\nnothing to do\n") {
                check_report(&last_report(&state), seed);
            } else {
                check_report(&text, seed);
                assert!(text.contains("journal verified"), "seed {seed}:\n{text}");
            }
            runs += 1;
            fresh = true;
            continue;
        }
        // A guard may say no while the lab overtakes a busy machine; nothing was harmed, and the next start goes on.
        starts_after += 1;
        fresh = false;
        assert!(starts_after <= FINISHES, "seed {seed}: the run does not end ({end:?}):\n{text}");
    }
    runs
}

#[test]
fn p6_killed_at_any_instant_the_next_start_goes_on_and_repeats_nothing() {
    let said = |name: &str, usual| std::env::var(name).map_or(usual, |text| text.parse().unwrap());
    let (kills, pools) = (said("ORCHESTRATE_KILLS", KILLS), said("ORCHESTRATE_KILLS_POOLS", POOLS));
    let threads: Vec<_> = (0..pools)
        .map(|pool| {
            let seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(u64::from(pool) + 1);
            std::thread::spawn(move || torment(seed, kills.div_ceil(pools)))
        })
        .collect();
    let runs: u32 = threads.into_iter().map(|thread| thread.join().expect("the output above says what failed")).sum();
    println!("{kills} kills, {runs} runs, each ended with nothing cut, nothing repeated, everything as before");
}
