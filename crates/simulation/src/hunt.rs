//! The hunt: many seeds, one after the other, on one thread or several.

use crate::mutation::Mutation;
use crate::runner::{Night, Timeline, night, without};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// Lives through the nights of one seed after the other on this thread and hands each to `seen`, which says whether to
/// go on.
///
/// # Panics
/// When the runtime cannot be built, which the system decides.
pub fn hunt(seeds: Range<u64>, mutation: Option<Mutation>, mut seen: impl FnMut(Night) -> bool) {
    let runtime = runtime();
    for seed in seeds {
        let night = runtime.block_on(night(seed, mutation, Timeline::Leave));
        if !seen(night) {
            return;
        }
    }
}

/// Lives through many nights on all processors. Returns how many were lived through and the seeds, in order, in which a
/// promise was broken.
///
/// # Panics
/// When a night panics.
#[must_use]
pub fn hunt_on_all(seeds: Range<u64>, mutation: Option<Mutation>) -> (u64, Vec<u64>) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(seeds.start);
    let one = || {
        let runtime = runtime();
        let mut broken = Vec::new();
        let mut lived = 0;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (lived, broken);
            }
            let night = runtime.block_on(night(seed, mutation, Timeline::Leave));
            lived += 1;
            if !night.violations.is_empty() {
                broken.push(seed);
            }
        }
    };
    let results = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        let joined =
            all.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<Vec<(u64, Vec<u64>)>>()
    });
    let lived = results.iter().map(|(lived, _)| lived).sum();
    let mut broken: Vec<u64> = results.into_iter().flat_map(|(_, broken)| broken).collect();
    broken.sort_unstable();
    (lived, broken)
}

/// Lives through the night of one seed again and keeps its timeline.
///
/// # Panics
/// When the runtime cannot be built, which the system decides.
#[must_use]
pub fn again(seed: u64, mutation: Option<Mutation>) -> Night {
    runtime().block_on(night(seed, mutation, Timeline::Keep))
}

/// Lives through the night of one seed with the faults that a mutation needs, and without the mutation. What is broken
/// in it is not the mutation's doing.
///
/// # Panics
/// When the runtime cannot be built, which the system decides.
#[must_use]
pub fn control(seed: u64, mutation: Mutation) -> Night {
    runtime().block_on(without(seed, mutation))
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without threads and sockets can be built")
}

impl Night {
    /// Returns the timeline and what was broken, to be read by people.
    #[must_use]
    pub fn story(&self) -> String {
        let mut lines: Vec<String> = self.timeline.iter().map(|(at, text)| format!("{} {text}", time(*at))).collect();
        lines.extend(
            self.violations
                .iter()
                .map(|broken| format!("{} BROKEN {}: {}", time(broken.at_ms), broken.promise, broken.text)),
        );
        lines.push(format!("seed {}: {} starts, ended as {:?}", self.seed, self.starts, self.outcome));
        lines.join("\n")
    }
}

fn time(ms: i64) -> String {
    let (sign, ms) = if ms < 0 { ("-", -ms) } else { ("", ms) };
    let seconds = ms / 1000;
    format!("{sign}{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, ms % 1000)
}
