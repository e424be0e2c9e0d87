//! Says within how many seeds the oracle sees each mutation; with a name, that one alone.
#![expect(clippy::print_stdout, reason = "a tool for developers")]

use orchestrate_simulation::{Mutation, control, hunt};

fn main() {
    let only = std::env::args().nth(1);
    for mutation in Mutation::ALL {
        if only.as_ref().is_some_and(|only| format!("{mutation:?}") != *only) {
            continue;
        }
        let mut found = None;
        let mut seeds = 0;
        hunt(0..1000, Some(mutation), |night| {
            seeds += 1;
            // Seen is what is broken with the mutation and not without it.
            found = night.violations.first().cloned().filter(|_| control(night.seed, mutation).violations.is_empty());
            found.is_none()
        });
        match found {
            Some(broken) => println!("{mutation:?}: {} after {seeds}: {}", broken.promise, broken.text),
            None => println!("{mutation:?}: not seen in {seeds}"),
        }
    }
}
