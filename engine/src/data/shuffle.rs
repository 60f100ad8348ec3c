//! Random orders that a seed decides, the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Purpose of an order, so that one seed gives each purpose its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// The choice of validation rows.
    Split,
    /// The choice of training rows where not all are used.
    Fewer,
    /// The rows of an epoch, counted from 0.
    Rows { epoch: u64 },
    /// The batches of an epoch.
    Batches { epoch: u64 },
    /// The reference of a source in an epoch, both counted from 0.
    Reference { epoch: u64, source: u64 },
}

/// The numbers below `n`, of which there are fewer than 2^32, in random order.
///
/// The shuffle is written out here and draws 64 bits each time, so that it depends on no library version and no
/// platform.
pub(super) fn shuffled(n: usize, seed: u64, purpose: Purpose) -> Vec<u32> {
    let mut random = generator(seed, purpose);
    let mut order: Vec<u32> = (0..u32::try_from(n).unwrap_or(u32::MAX)).collect();
    for last in (1..n).rev() {
        order.swap(last, below(last + 1, &mut random));
    }
    order
}

/// A number below `n`, which is at least 1.
pub(super) fn index_below(n: usize, seed: u64, purpose: Purpose) -> usize {
    below(n, &mut generator(seed, purpose))
}

fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let (purpose, epoch, of) = match purpose {
        Purpose::Split => (1_u64, 0, 0),
        Purpose::Rows { epoch } => (2, epoch, 0),
        Purpose::Batches { epoch } => (3, epoch, 0),
        Purpose::Reference { epoch, source } => (4, epoch, source),
        Purpose::Fewer => (5, 0, 0),
    };
    let mut bytes = [0; 32];
    for (slot, value) in bytes.chunks_exact_mut(8).zip([seed, purpose, epoch, of]) {
        slot.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// A number below `n`; its bias is below `n / 2^64`.
fn below(n: usize, random: &mut ChaCha8Rng) -> usize {
    ((u128::from(random.next_u64()) * n as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_a_seed_never_changes() {
        assert_eq!(shuffled(8, 42, Purpose::Split), [6, 0, 5, 3, 7, 2, 1, 4]);
        assert_eq!(shuffled(8, 42, Purpose::Rows { epoch: 1 }), [3, 1, 0, 7, 5, 2, 6, 4]);
        assert_ne!(shuffled(8, 42, Purpose::Rows { epoch: 0 }), shuffled(8, 42, Purpose::Rows { epoch: 1 }));
        assert_ne!(shuffled(8, 42, Purpose::Split), shuffled(8, 43, Purpose::Split));
        assert_eq!(shuffled(0, 1, Purpose::Split), [0_u32; 0]);
    }
}
