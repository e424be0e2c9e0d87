//! Planning, timed, with the memory it takes: 10, 1,000 and 10,000 servers in pools of ten, with and without
//! observations. Ten thousand servers must be planned in less than 200 ms and 100 MB.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench fails like a test")]

#[path = "../tests/all/support.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod support;

use divan::AllocProfiler;
use orchestrate_model::change::SharedBudget;
use orchestrate_model::window::{Freeze, Recurrence, Window};
use orchestrate_model::{Change, Label, Role};
use orchestrate_planner::windows::Calendar;
use orchestrate_planner::{Observations, make};
use support::{change, healthy_world, now, pool};

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const SERVERS: [usize; 3] = [10, 1_000, 10_000];

fn main() {
    divan::main();
}

/// Pools of ten: seven front end pools in ten, two of Mediation servers, one of Directors.
fn large(servers: usize) -> Change {
    let pools = (0..servers / 10).map(|number| {
        let net = format!("10.{}.{}", number / 256, number % 256);
        let mut pool = pool(&format!("pool{number}"), &format!("p{number}s"), &net, 10);
        pool.role = match number % 10 {
            7 | 8 => Role::Mediation,
            9 => Role::Director,
            _ => Role::FrontEnd,
        };
        pool
    });
    change(pools.collect())
}

#[divan::bench(args = SERVERS, sample_count = 10)]
fn without_the_network(bencher: divan::Bencher<'_, '_>, servers: usize) {
    let change = large(servers);
    let seen = Observations::default();
    bencher.bench_local(|| make(&change, &seen, now()).unwrap());
}

#[divan::bench(args = SERVERS, sample_count = 10)]
fn with_every_server_seen(bencher: divan::Bencher<'_, '_>, servers: usize) {
    let change = large(servers);
    let seen = healthy_world(&change);
    bencher.bench_local(|| make(&change, &seen, now()).unwrap());
}

#[divan::bench(args = SERVERS, sample_count = 10)]
fn fingerprint(bencher: divan::Bencher<'_, '_>, servers: usize) {
    let (plan, _report) = make(&large(servers), &Observations::default(), now()).unwrap();
    bencher.bench_local(|| plan.fingerprint());
}

/// Pools of five servers that share one budget of three: the curve has to be a line.
#[divan::bench(args = [30, 100, 300], sample_count = 5)]
fn pools_on_one_budget(bencher: divan::Bencher<'_, '_>, pools: usize) {
    let label = Label::new("fleet=all").unwrap();
    let mut all: Vec<_> = large(pools * 10).pools;
    for pool in &mut all {
        pool.servers.truncate(5);
        pool.labels.insert(label.clone());
    }
    let mut change = change(all);
    change.budgets = vec![SharedBudget { label, at_once: 3 }];
    let seen = healthy_world(&change);
    bencher.bench_local(|| make(&change, &seen, now()).unwrap());
}

/// A window on every night and a freeze on every second day of so many: asked about the next opening.
#[divan::bench(args = [150, 1_500, 15_000], sample_count = 5)]
fn freezes(bencher: divan::Bencher<'_, '_>, freezes: i64) {
    let first: jiff::civil::Date = "2026-01-01".parse().unwrap();
    let day = |number: i64| first.checked_add(jiff::Span::new().days(2 * (number % 700))).unwrap();
    let freezes: Vec<Freeze> = (0..freezes).map(|number| Freeze::days(day(number), day(number), "bench")).collect();
    let window = Window {
        every: Recurrence::Daily,
        start: "22:00".parse().unwrap(),
        duration: jiff::SignedDuration::from_hours(6),
        timezone: "Europe/Paris".to_owned(),
    };
    let windows = [window];
    bencher.bench_local(|| Calendar::new(&windows, &freezes).unwrap().openings(now(), 3));
}
