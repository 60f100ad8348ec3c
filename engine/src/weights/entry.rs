//! A tensor as it lies in its file: the form of its numbers, and the order in which they are read.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use safetensors::Dtype;

use super::numbers::{gathered, is_float, to_f32};
use crate::error::Result;
use crate::nn::BlockType;

/// Where a tensor lies, checked to be inside of its file.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Index of the file.
    pub(super) file: usize,
    pub(super) form: Form,
    pub(super) shape: Vec<usize>,
    /// From its first number to its last.
    pub(super) bytes: Range<usize>,
    /// In numbers, for a view whose numbers do not lie as they are read. Of blocks only the columns of a matrix may lie so.
    pub(super) strides: Option<Vec<usize>>,
    /// The rows that are read, where they are not all of them as they follow each other.
    pub(super) rows: Option<RowOrder>,
    /// Whether every number is kept with one more than it is.
    pub(super) less_one: bool,
}

/// Rows of a tensor in an order of their own.
#[derive(Clone, Debug)]
pub(super) struct RowOrder {
    /// Which row of the file stands there.
    pub(super) order: Arc<[u32]>,
    /// Bytes of a row.
    pub(super) width: usize,
}

/// How the numbers of a tensor are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One by one.
    Plain(Dtype),
    /// In blocks of a row, or of a column where the matrix lies on its side.
    Blocks(BlockType),
}

impl Form {
    /// Such as `F16`, or `Q4_0`.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Plain(dtype) => format!("{dtype:?}"),
            Self::Blocks(block) => block.name().to_owned(),
        }
    }

    /// Whether it becomes weights; others are buffers, such as masks and positions.
    pub(super) fn is_float(self) -> bool {
        match self {
            Self::Plain(dtype) => is_float(dtype),
            Self::Blocks(_) => true,
        }
    }
}

impl Entry {
    /// A tensor of the first file, whose numbers lie as they are read.
    pub(super) fn new(form: Form, shape: Vec<usize>, bytes: Range<usize>) -> Self {
        Self { file: 0, form, shape, bytes, strides: None, rows: None, less_one: false }
    }

    /// Its numbers as they are written, in the order in which they are read.
    pub(super) fn bytes_of<'a>(&self, file: &'a [u8]) -> Cow<'a, [u8]> {
        let bytes = &file[self.bytes.clone()];
        if let Some(RowOrder { order, width }) = &self.rows {
            let row = |row: u32| &bytes[row as usize * width..][..*width];
            return Cow::Owned(order.iter().flat_map(|&from| row(from)).copied().collect());
        }
        match self.form {
            Form::Plain(dtype) => gathered(bytes, dtype.bitsize() / 8, &self.shape, self.strides.as_deref()),
            Form::Blocks(_) => Cow::Borrowed(bytes),
        }
    }

    /// Bytes of a row of a matrix whose numbers are written one by one, as they are read; `None` for others.
    pub(super) fn row_bytes(&self) -> Option<usize> {
        match (self.form, self.shape.as_slice(), &self.strides, &self.rows) {
            (Form::Plain(dtype), &[_, columns], None, None) => {
                Some(columns * dtype.bitsize() / 8).filter(|row| *row > 0)
            }
            _ => None,
        }
    }

    /// Its numbers, whatever they are.
    ///
    /// # Errors
    /// They are no fractions.
    pub(super) fn numbers_of(&self, name: &str, file: &[u8]) -> Result<Vec<f32>> {
        let mut values = match self.form {
            Form::Plain(dtype) => to_f32(name, dtype, &self.bytes_of(file))?,
            Form::Blocks(block) => self.out_of_blocks(block, file),
        };
        if self.less_one {
            values.iter_mut().for_each(|value| *value -= 1.0);
        }
        Ok(values)
    }

    fn out_of_blocks(&self, block: BlockType, file: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; self.shape.iter().product()];
        block.unpack(&self.bytes_of(file), &mut values);
        match (&self.strides, self.shape.as_slice()) {
            (Some(_), &[rows, columns]) => {
                (0..rows * columns).map(|at| values[at % columns * rows + at / columns]).collect()
            }
            _ => values,
        }
    }
}
