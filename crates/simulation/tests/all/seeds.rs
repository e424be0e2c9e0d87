//! Thousands of nights in which everything goes wrong that can, and no promise may be broken.

use orchestrate_simulation::{again, hunt_on_all};

/// Four thousand, or as many as `ORCHESTRATE_SEEDS` says.
fn how_many() -> u64 {
    std::env::var("ORCHESTRATE_SEEDS").ok().map_or(4_000, |text| text.parse().expect("ORCHESTRATE_SEEDS is a number"))
}

#[test]
fn no_seed_breaks_a_promise() {
    let count = how_many();
    let (lived, broken) = hunt_on_all(0..count, None);
    assert_eq!(lived, count);
    if let Some(seed) = broken.first() {
        panic!("{} of {lived} seeds break a promise: {broken:?}\n{}", broken.len(), again(*seed, None).story());
    }
}

#[test]
fn the_same_seed_is_the_same_night() {
    for seed in 0..40 {
        let (first, second) = (again(seed, None), again(seed, None));
        assert_eq!(first.timeline, second.timeline, "seed {seed}");
    }
}

/// The story of the one seed that `ORCHESTRATE_SEED` names, for whoever looks into it.
#[test]
fn a_seed_that_is_named_breaks_no_promise() {
    let Ok(text) = std::env::var("ORCHESTRATE_SEED") else { return };
    let night = again(text.parse().expect("ORCHESTRATE_SEED is a number"), None);
    assert!(night.violations.is_empty(), "{}", night.story());
}
