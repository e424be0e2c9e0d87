//! In what two plans differ, in words, for the people who approve them and for a start that has to run exactly one of them.
//!
//! What was seen is compared only where both sides have looked: what one of them does not know is no difference.

mod planned;
mod rules;
mod seen;
mod text;

pub use rules::rules;
pub use text::{brief, text};

use jiff::Timestamp;
use orchestrate_model::{PoolName, PoolObservation};
use orchestrate_planner::{Plan, Report};
use serde::Serialize;
use std::collections::BTreeMap;

/// One of two plans that are compared.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What is said about it.
    pub report: &'a Report,
    /// What was seen of the pools. Empty where no server was asked.
    pub seen: &'a BTreeMap<PoolName, PoolObservation>,
    /// When it was made.
    pub made: Timestamp,
}

/// What a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// What the plan file says of the work.
    Rules,
    /// Which pools and servers there are, as the plan file says.
    Servers,
    /// What the servers, the name servers and the balancers said.
    Seen,
    /// What is done to a server.
    Steps,
    /// Which server is taken when.
    Order,
    /// How long it takes, and when that is.
    Times,
    /// What the planner found.
    Findings,
}

/// How much a difference weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// The one is not the other: a start that has to run exactly the first refuses.
    Another,
    /// It is the same work, and whoever approves it wants to know.
    Matters,
    /// It follows from the time at which each was made, or is of no weight.
    Aside,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is about.
    pub subject: Subject,
    /// How much it weighs.
    pub weight: Weight,
    /// The pool or the server, where it is about one.
    pub about: Option<String>,
    /// What it is.
    pub text: String,
}

impl Difference {
    fn new(subject: Subject, weight: Weight, text: String) -> Self {
        Self { subject, weight, about: None, text: crate::clean(&text) }
    }

    fn about(self, what: impl ToString) -> Self {
        Self { about: Some(what.to_string()), ..self }
    }
}

/// Returns in what the second plan differs from the first, by subject. Nothing: they are the same plan, as far as anybody has
/// looked.
#[must_use]
pub fn compare(before: &Side<'_>, now: &Side<'_>) -> Vec<Difference> {
    let mut found = rules(before.plan.change(), now.plan.change());
    found.extend(seen::differences(before, now));
    found.extend(planned::differences(before, now));
    if before.plan.fingerprint() != now.plan.fingerprint() && !found.iter().any(|each| each.weight == Weight::Another) {
        // Nothing of a plan may differ without a word.
        let (one, other) = (before.plan.fingerprint().short(), now.plan.fingerprint().short());
        let text =
            format!("the plan was {one}, is {other}: they differ in something that has no words of its own here");
        found.push(Difference::new(Subject::Steps, Weight::Another, text));
    }
    found.sort_by_key(|difference| difference.subject);
    found
}

/// Returns whether any of it makes the one another plan than the other.
#[must_use]
pub fn is_another(differences: &[Difference]) -> bool {
    differences.iter().any(|difference| difference.weight == Weight::Another)
}

/// Returns whether any of it matters to whoever approves.
#[must_use]
pub fn matters(differences: &[Difference]) -> bool {
    differences.iter().any(|difference| difference.weight != Weight::Aside)
}

#[cfg(test)]
mod tests;
