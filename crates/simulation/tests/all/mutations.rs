//! The oracle can see: each rule that is taken away is missed within a thousand seeds.

use orchestrate_simulation::{Mutation, control, hunt};

#[test]
fn every_missing_rule_is_seen_within_a_thousand_seeds() {
    assert!(Mutation::ALL.len() >= 25);
    let unseen: Vec<Mutation> = Mutation::ALL
        .into_iter()
        .filter(|mutation| {
            let mut seen = false;
            hunt(0..1000, Some(*mutation), |night| {
                // Seen is what is broken with the mutation and not without it.
                seen = !night.violations.is_empty() && control(night.seed, *mutation).violations.is_empty();
                !seen
            });
            !seen
        })
        .collect();
    assert_eq!(unseen, []);
}

#[test]
fn what_is_seen_is_the_mutation_and_not_the_seed() {
    // The first seeds, in which nearly every mutation is seen, are clean without one.
    hunt(0..200, None, |night| {
        assert_eq!(night.violations, [], "seed {}", night.seed);
        true
    });
}
