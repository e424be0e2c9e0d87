//! Tells the nights of the given seeds: `cargo run -p orchestrate-simulation --example night -- SEED...`. One that breaks no
//! promise is told by its last line alone.

use orchestrate_simulation::again;
use std::io::{Write, stdout};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = stdout().lock();
    for seed in std::env::args().skip(1) {
        let story = again(seed.parse()?, None).story();
        if story.contains(" BROKEN ") {
            writeln!(out, "{story}")?;
        } else if let Some(last) = story.lines().last() {
            writeln!(out, "{last}")?;
        }
    }
    Ok(())
}
