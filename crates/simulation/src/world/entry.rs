//! Entry names: those by which clients find a pool at first. Another hand may let one lead to a single server for a while.

use super::{HOUR, MINUTE, Ms, World};
use crate::dice::Dice;
use orchestrate_model::{Change, DnsName};

/// Makes dice of their own, so that the nights of older seeds stay as they were.
const ENTRY: u64 = 0x656e_7472_7900_0000;

/// That an entry name leads to one machine only, from when to when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Narrow {
    pub(crate) machine: usize,
    from: Ms,
    until: Ms,
}

/// Has the plan state an entry name for each pool, in some nights.
pub(crate) fn draw_entry(change: &mut Change, seed: u64) {
    if !Dice::new(seed ^ ENTRY).chance(0.25) {
        return;
    }
    for pool in &mut change.pools {
        pool.load_balancing.entry = DnsName::new(&format!("entry.{}", pool.name)).into_iter().collect();
    }
}

impl World {
    /// Draws from when to when an entry name leads to one machine only: from the start, or because another hand changes it.
    pub(crate) fn draw_narrow(&mut self, seed: u64) {
        let mut dice = Dice::new(seed ^ ENTRY ^ 1);
        for (pool, described) in self.pools.iter_mut().zip(&self.change.pools) {
            if described.load_balancing.entry.is_empty() || !dice.chance(0.5) {
                continue;
            }
            let machine = pool.machines[dice.place(pool.machines.len())];
            let from = if dice.chance(0.3) { 0 } else { dice.between(0, 4 * HOUR) };
            pool.narrow = Some(Narrow { machine, from, until: from + dice.between(2 * MINUTE, 3 * HOUR) });
        }
    }

    /// Returns the machine that the entry name of a pool leads to alone, with since when.
    pub(crate) fn narrow(&self, pool: usize) -> Option<(usize, Ms)> {
        let narrow = self.pools[pool].narrow.filter(|narrow| (narrow.from..narrow.until).contains(&self.now));
        narrow.filter(|_| self.faulty).map(|narrow| (narrow.machine, narrow.from))
    }
}
