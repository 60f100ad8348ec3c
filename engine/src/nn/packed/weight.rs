//! A matrix in blocks, on its way from a file to a device.

use super::block_type::BlockType;

/// Rows of whole blocks, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedWeight {
    block: BlockType,
    columns: usize,
    bytes: Vec<u8>,
}

impl PackedWeight {
    /// The matrix of these bytes; `None` if they are no whole rows of so many numbers.
    pub fn new(block: BlockType, columns: usize, bytes: Vec<u8>) -> Option<Self> {
        let row = block.row_bytes(columns).filter(|&row| row > 0)?;
        bytes.len().is_multiple_of(row).then_some(Self { block, columns, bytes })
    }

    /// Numbers `[rows, columns]` in blocks, each rounded to the nearest that its block has; `None` if rows are no whole blocks,
    /// or these blocks are only read here.
    pub fn pack(block: BlockType, values: &[f32], columns: usize) -> Option<Self> {
        block.row_bytes(columns).filter(|&row| row > 0)?;
        Self::new(block, columns, block.pack(values)?)
    }

    /// The blocks that it has.
    pub fn block(&self) -> BlockType {
        self.block
    }

    /// Rows and columns.
    pub fn dims(&self) -> [usize; 2] {
        [self.bytes.len() / self.row_bytes(), self.columns]
    }

    /// Its blocks, row by row.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether every number of it is finite: one too large for a scale of 16 bits is not.
    pub fn is_finite(&self) -> bool {
        self.block.is_finite(&self.bytes)
    }

    /// The rows in another order, of which each is a row of before.
    pub fn in_order(&self, order: &[usize]) -> Self {
        let row = self.row_bytes();
        let bytes = order.iter().flat_map(|&from| &self.bytes[from * row..][..row]).copied().collect();
        Self { bytes, ..*self }
    }

    /// Matrices of the same width one below the other: those that follow each other in blocks of one type as one.
    pub fn stacked(parts: Vec<Self>) -> Vec<Self> {
        let mut stacked: Vec<Self> = Vec::with_capacity(parts.len());
        for part in parts {
            match stacked.last_mut().filter(|last| (last.block, last.columns) == (part.block, part.columns)) {
                Some(last) => last.bytes.extend(part.bytes),
                None => stacked.push(part),
            }
        }
        stacked
    }

    /// Every number, `[rows, columns]`.
    pub fn unpacked(&self) -> Vec<f32> {
        let [rows, columns] = self.dims();
        let mut values = vec![0.0; rows * columns];
        self.block.unpack(&self.bytes, &mut values);
        values
    }

    fn row_bytes(&self) -> usize {
        self.block.row_bytes(self.columns).expect("rows are whole blocks")
    }
}
