//! Combinations drawn without replacement: which of them follows from the seed alone, on every machine.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// As many numbers as these are put into an order; of more they are drawn one by one, and drawn again if they were there.
const WHOLE: u64 = 1 << 16;

/// Draws of the numbers below `n`, each once, as long as there are some.
pub(super) struct Draws {
    random: ChaCha8Rng,
    n: u64,
    /// The numbers not yet drawn, where all of them are held.
    left: Vec<u64>,
    drawn: BTreeSet<u64>,
}

impl Draws {
    pub(super) fn new(n: u64, seed: u64) -> Self {
        let left = if n <= WHOLE { (0..n).collect() } else { Vec::new() };
        Self { random: ChaCha8Rng::seed_from_u64(seed), n, left, drawn: BTreeSet::new() }
    }

    /// A number below `n`; its bias is below `n / 2^64`.
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.random.next_u64()) * u128::from(n)) >> 64) as u64
    }
}

impl Iterator for Draws {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.n <= WHOLE {
            let left = self.left.len() as u64;
            let at = if left == 0 { return None } else { self.below(left) };
            return Some(self.left.swap_remove(at as usize));
        }
        // Whoever asks takes a small part of so many.
        while (self.drawn.len() as u64) < self.n {
            let next = self.below(self.n);
            if self.drawn.insert(next) {
                return Some(next);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_drawn_once_and_the_seed_decides_the_order() {
        let all: Vec<u64> = Draws::new(50, 7).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 50);
        assert_ne!(all, (0..50).collect::<Vec<u64>>());
        assert_eq!(all, Draws::new(50, 7).collect::<Vec<u64>>());
        assert_ne!(all, Draws::new(50, 8).collect::<Vec<u64>>());
        let few: Vec<u64> = Draws::new(u64::MAX, 7).take(1000).collect();
        assert_eq!(few.iter().collect::<BTreeSet<_>>().len(), 1000);
        assert_eq!(Draws::new(0, 7).next(), None);
    }
}
