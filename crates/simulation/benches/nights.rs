//! Simulated nights: a window of eight hours with a pool of eight servers is to take less than 10 ms. And how long a run
//! that is taken up again needs from its journal to its first decision.
//!
//! A night takes several times as long as that. It is some 3,000 looks and 1,100 records, and each look makes an answer
//! with the state and start type of fourteen services and the sessions of twelve, shows it to the oracle and judges it.
//! About a quarter of the time goes into the answers and the oracle, a quarter into judging drains, a tenth into putting
//! the questions together, a twentieth into the journal; the rest is spread over maps, allocations and timers.
#![expect(clippy::unwrap_used, reason = "a bench fails like a test")]

use orchestrate_simulation::{Options, Resumption, SessionAssumption, example_change, simulate};

fn main() {
    divan::main();
}

/// One run each, on one thread, without planning.
#[divan::bench(args = [3, 8], sample_count = 20)]
fn window_of_eight_hours(bencher: divan::Bencher<'_, '_>, servers: u32) {
    let mut change = example_change(servers);
    change.windows = vec![orchestrate_model::window::Window {
        every: orchestrate_model::window::Recurrence::Daily,
        start: "22:00".parse().unwrap(),
        duration: jiff::SignedDuration::from_hours(8),
        timezone: "Europe/Paris".to_owned(),
    }];
    let night = orchestrate_simulation::Rehearsal::of(&change, "2026-11-28T21:00:00Z".parse().unwrap()).unwrap();
    let mut seed = 0;
    bencher.bench_local(|| {
        seed += 1;
        night.once(seed).unwrap()
    });
}

/// A forecast of a hundred runs, on all processors, planning included.
#[divan::bench(sample_count = 3)]
fn forecast_of_a_hundred_runs(bencher: divan::Bencher<'_, '_>) {
    let change = example_change(8);
    let options = Options {
        runs: 100,
        seed: 0,
        faults: Vec::new(),
        now: "2026-11-28T21:00:00Z".parse().unwrap(),
        sessions: SessionAssumption::default(),
    };
    bencher.bench_local(|| simulate(&change, &options).unwrap());
}

/// From the bytes of the journal of a run that was killed in the middle of its eighth server to the first effects.
#[divan::bench(sample_count = 50)]
fn resume_to_first_decision(bencher: divan::Bencher<'_, '_>) {
    let resumption = Resumption::of(&example_change(8), "2026-11-28T21:00:00Z".parse().unwrap()).unwrap();
    bencher.bench_local(|| resumption.first_effects());
}

/// One run of so many pools of three servers on one budget: what the engine does at each input has to grow with the
/// servers, so the run with their square, since each of them has its inputs.
#[divan::bench(args = [10, 30, 100], sample_count = 3)]
fn run_of_pools_on_one_budget(bencher: divan::Bencher<'_, '_>, pools: usize) {
    let mut change = example_change(3);
    let one = change.pools.remove(0);
    let label = orchestrate_model::Label::new("fleet=all").unwrap();
    for number in 0..pools {
        let mut pool = one.clone();
        let name = |text: &str| format!("{text}.pool{number}.contoso.example");
        pool.name = orchestrate_model::PoolName::new(&format!("pool{number}.contoso.example")).unwrap();
        pool.labels.insert(label.clone());
        for server in &mut pool.servers {
            server.name = orchestrate_model::ServerName::new(&name(server.name.short())).unwrap();
            server.addresses.clear();
        }
        change.pools.push(pool);
    }
    change.budgets = vec![orchestrate_model::change::SharedBudget { label, at_once: 3 }];
    let night = orchestrate_simulation::Rehearsal::of(&change, "2026-11-28T21:00:00Z".parse().unwrap()).unwrap();
    bencher.bench_local(|| night.once(1).unwrap());
}
