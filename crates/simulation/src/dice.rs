//! Chance, by seed: the same seed throws the same dice on every machine.

use crate::world::Ms;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// Dice that are thrown the same way for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(SmallRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// Whether something of this probability happens.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.random::<f64>() < probability
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        if low >= high { low } else { self.0.random_range(low..=high) }
    }

    /// A position in something of this length.
    pub(crate) fn place(&mut self, length: usize) -> usize {
        if length <= 1 { 0 } else { self.0.random_range(0..length) }
    }

    /// One of several.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.place(of.len())]
    }

    /// A number from 0 to 1.
    pub(crate) fn real(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// A duration around a mean, as independent ends of calls are distributed.
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "milliseconds of a few days")]
    pub(crate) fn lasting(&mut self, mean: Ms) -> Ms {
        let share = -(1.0 - self.real()).max(1e-9).ln();
        (share * mean as f64) as Ms
    }

    /// Dice of their own for another purpose, so that throws there do not change throws here.
    pub(crate) fn fork(&mut self) -> Self {
        Self(SmallRng::seed_from_u64(self.0.random()))
    }
}
