//! How large a packed matrix is.

use super::BlockType;

/// A matrix whose rows are whole blocks of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedShape {
    /// The kind of its blocks.
    pub block: BlockType,
    /// Rows: what a linear layer puts out, or a vocabulary.
    pub rows: usize,
    /// Numbers of each row.
    pub columns: usize,
}

impl PackedShape {
    /// Bytes of a part at most, and of what is made of its blocks at a time: what the weakest device binds.
    pub const MOST_BYTES: u64 = 128 << 20;

    /// Bytes of its blocks.
    pub fn bytes(self) -> usize {
        self.rows * (self.columns / self.block.numbers()) * self.block.bytes()
    }

    /// Rows that so many bytes hold, at least one: where a device binds no more at once, a matrix lies there in parts.
    ///
    /// # Panics
    /// If a row is no whole number of blocks.
    pub fn rows_within(self, bytes: u64) -> usize {
        let row = self.block.row_bytes(self.columns).expect("rows are whole blocks");
        // A part ends with a whole word.
        let rows = bytes.saturating_sub(3) / row.max(1) as u64;
        usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, self.rows.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_fits_where_it_is_bound() {
        let head = PackedShape { block: BlockType::Q4_0, rows: 65_024, columns: 4096 };
        assert_eq!(head.rows_within(128 << 20), 58_254);
        assert_eq!(head.rows_within(1 << 30), head.rows, "one part");
        assert_eq!(head.rows_within(1), 1);
    }
}
