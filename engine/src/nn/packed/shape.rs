//! How large a packed matrix is.

use super::BlockType;

/// A matrix whose rows are whole blocks of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PackedShape {
    /// How its rows are kept.
    pub block: BlockType,
    /// Rows: what a linear layer puts out, or a vocabulary.
    pub rows: usize,
    /// Numbers of each row.
    pub columns: usize,
}

impl PackedShape {
    /// Bytes of its blocks.
    pub fn bytes(self) -> usize {
        self.rows * (self.columns / self.block.numbers()) * self.block.bytes()
    }
}
