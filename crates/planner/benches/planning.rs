//! Planning, timed, with the memory it takes: 10, 1,000 and 10,000 servers in pools of ten, with and without
//! observations. Ten thousand servers must be planned in less than 200 ms and 100 MB.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench fails like a test")]

#[path = "../tests/all/support.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod support;

use divan::AllocProfiler;
use orchestrate_model::{Change, Role};
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
