//! How many front end servers must run: the product's two tables, as tables and not as formulas.
//!
//! The order that "the first seven" counts in is the order in which the servers came up when the pool first started,
//! which is the order of the plan file.

use orchestrate_model::Product;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many servers must run, of which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// At least so many must run. Below it the remaining servers stop their services.
    pub need: u32,
    /// Only the first so many servers of the topology count. `None`: all of them do.
    pub of_first: Option<u32>,
}

impl Rule {
    /// Returns how many servers the rule counts in a pool of `servers`.
    #[must_use]
    pub fn counted(self, servers: u32) -> u32 {
        self.of_first.map_or(servers, |first| first.min(servers))
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of_first {
            Some(first) => write!(f, "{} of the first {first}", self.need),
            None => write!(f, "any {}", self.need),
        }
    }
}

/// Returns what must run for the pool to go on serving, or `None` where the product's table has no row for so many
/// servers. With 12 servers of 2019 or later two rows match; the stricter one is taken.
#[must_use]
pub fn functional(product: Product, servers: u32) -> Option<Rule> {
    let (need, of_first) = match (product, servers) {
        (Product::Generic, _) => return None,
        // Two-server pools do not exist from 2019 on.
        (Product::Lync2013 | Product::Sfb2015, 2) => (1, None),
        (_, 3 | 4) => (2, None),
        (_, 5 | 6) => (3, None),
        (_, 7) => (4, None),
        (_, 8 | 9) => (4, Some(7)),
        (Product::Sfb2019 | Product::Sfbse, 12..=16) => (7, Some(12)),
        (_, 10 | 11) | (Product::Lync2013 | Product::Sfb2015, 12) => (5, Some(9)),
        _ => return None,
    };
    Some(Rule { need, of_first })
}

/// Returns how many servers must run before a pool that is down as a whole comes up, or `None` where the product's
/// table has no row for so many servers.
#[must_use]
pub fn start(product: Product, servers: u32) -> Option<u32> {
    match (product, servers) {
        (Product::Generic, _) => None,
        (Product::Lync2013 | Product::Sfb2015, 2) => Some(1),
        (_, 3 | 4) => Some(3),
        (_, 5) => Some(4),
        (_, 6 | 7) => Some(5),
        (_, 8) => Some(6),
        (_, 9) => Some(7),
        (_, 10) => Some(8),
        (_, 11) => Some(9),
        (_, 12) => Some(10),
        (Product::Sfb2019 | Product::Sfbse, 16) => Some(12),
        _ => None,
    }
}
