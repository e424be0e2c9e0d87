//! Hunts for seeds that break a promise, on all processors.
//!
//! `cargo run --release -p orchestrate-simulation --example seeds -- 0 1000000` lives through a million nights;
//! a third number says of how many seeds the broken promises are printed; `… --example seeds -- -s 7` prints the timeline
//! of one.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use orchestrate_simulation::{again, hunt_on_all};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, seed] = arguments.as_slice()
        && flag == "-s"
    {
        println!("{}", again(seed.parse().unwrap(), None).story());
        return;
    }
    let from: u64 = arguments.first().map_or(0, |text| text.parse().unwrap());
    let count: u64 = arguments.get(1).map_or(1000, |text| text.parse().unwrap());
    let began = std::time::Instant::now();
    let (lived, broken) = hunt_on_all(from..from + count, None);
    let took = began.elapsed();
    let shown: usize = arguments.get(2).map_or(20, |text| text.parse().unwrap());
    for seed in broken.iter().take(shown) {
        for violation in again(*seed, None).violations {
            println!("seed {seed}: {} at {} s: {}", violation.promise, violation.at_ms / 1000, violation.text);
        }
    }
    println!("{lived} seeds in {took:.0?}, {} broke a promise", broken.len());
}
