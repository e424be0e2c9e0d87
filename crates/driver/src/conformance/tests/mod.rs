//! The suite against drivers in memory: a good one breaks nothing, and each flaw is found under its own rule.

mod machine;
mod switchboard;

use super::{Rule, Violation, Waiting, report};
use crate::Clock;
use jiff::{SignedDuration, Timestamp};

fn waiting() -> Waiting {
    let origin: Timestamp = "2026-11-21T22:00:00Z".parse().unwrap();
    Waiting::new(Clock::derived(origin, 1.0), SignedDuration::from_secs(60))
}

fn assert_none(violations: &[Violation]) {
    assert!(violations.is_empty(), "{}", report(violations));
}

#[track_caller]
fn assert_found(flaw: &impl std::fmt::Debug, rule: Rule, violations: &[Violation]) {
    let found = violations.iter().any(|violation| violation.rule == rule);
    assert!(found, "{flaw:?} is not found as {rule:?}; found:\n{}", report(violations));
}
