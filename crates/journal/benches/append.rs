//! Appending a record with its sync, beside a bare write and sync of as many bytes to the same disk in the same run.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench fails like a test, and prints")]

use jiff::Timestamp;
use orchestrate_engine::Record;
use orchestrate_journal::{FileStorage, Journal};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 400;

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let record = Record::Note { work: None, text: "x".repeat(400) };
    let path = folder.path().join("journal.jsonl");
    let mut journal = Journal::new(Box::new(FileStorage::open(&path, 0).unwrap()));
    journal.append(Timestamp::UNIX_EPOCH, &record).unwrap();
    let line = std::fs::read(&path).unwrap();
    let mut bare = OpenOptions::new().create(true).append(true).open(folder.path().join("bare")).unwrap();
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    // By turns, so that what else the disk does meets both alike.
    for _ in 0..ROUNDS {
        let began = Instant::now();
        bare.write_all(&line).unwrap();
        bare.sync_data().unwrap();
        raw.push(began.elapsed());
        let began = Instant::now();
        journal.append(Timestamp::UNIX_EPOCH, &record).unwrap();
        ours.push(began.elapsed());
    }
    let (raw, ours) = (median(raw), median(ours));
    let ratio = ours.as_secs_f64() / raw.as_secs_f64();
    println!("append with sync: {ours:?}; write and fdatasync of {} bytes: {raw:?}; ratio {ratio:.2}", line.len());
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
