//! A bound on what a file unpacks to. Packed files of a few kB can stand for terabytes, by a compressor's long runs or by a
//! text that each row points to: what real data of texts does not need is refused with its numbers.

use std::cell::Cell;

use crate::{Sentence, sentence};

/// The most that bytes of a file may stand for: texts shrink five- to twentyfold, and templated ones up to a hundredfold.
const RATIO: u64 = 1000;
/// Bytes that any file may unpack to, however small it is.
const FLOOR: u64 = 1 << 30;

/// Bytes that a file may still unpack to.
#[derive(Debug)]
pub(super) struct Meter {
    packed: u64,
    allowed: u64,
    left: Cell<u64>,
    spent: Cell<bool>,
}

impl Meter {
    /// For a file of this many bytes.
    pub(super) fn of(packed: u64) -> Self {
        Self::with_floor(packed, FLOOR)
    }

    /// For a part of a file that is unpacked at once.
    pub(super) fn with_floor(packed: u64, floor: u64) -> Self {
        let allowed = packed.saturating_mul(RATIO).max(floor);
        Self { packed, allowed, left: Cell::new(allowed), spent: Cell::new(false) }
    }

    /// Counts bytes; false when they are more than there may be.
    pub(super) fn spend(&self, bytes: u64) -> bool {
        match self.left.get().checked_sub(bytes) {
            Some(left) if !self.spent.get() => {
                self.left.set(left);
                true
            }
            _ => {
                self.spent.set(true);
                false
            }
        }
    }

    /// Whether more was asked for than there may be.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.get()
    }

    /// The refusal of a file that unpacks to more.
    pub(super) fn refusal(&self) -> Sentence {
        sentence!(
            "its {packed} bytes unpack to more than {allowed}, which is no dataset of texts but damage or a trap",
            packed = self.packed,
            allowed = self.allowed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spent_stays_spent_and_is_told_in_numbers() {
        let meter = Meter::with_floor(2, 100);
        assert!(meter.spend(2000) && !meter.spend(1) && meter.is_spent() && !meter.spend(0));
        assert!(meter.refusal().to_string().contains("its 2 bytes unpack to more than 2000"));
        assert!(Meter::of(1).spend(FLOOR));
    }
}
