//! Positions: what every model and every use of a model must agree on.
//!
//! Real tokens start at `n_virtual` (the convention of the paper's code and of PEFT), or at 0 behind a prefix that was
//! trained so ([`PositionConvention`]); prefix keys carry no position of their own. huggingface/peft: src/peft/peft_model.py.

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Where the text's positions begin behind a prefix. One that was trained under one convention computes something else
/// under the other, unless the model has only distances (T5, ALiBi).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionConvention {
    /// At the number of the prefix's slots: the paper's code for GPT-2, PEFT, P-tuning v2, and every run of ours.
    #[default]
    Shifted,
    /// At 0, as if there were no prefix: the adapters library, ChatGLM, the paper's code for BART.
    Unshifted,
    /// At 0, and the slots are an infix: the last token of a prompt and what follows stand behind them and see them, what
    /// comes before does not. Li & Liang's ablation.
    Infix,
}

/// Counting of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionIds {
    /// Every column counts, padding too: transformers' `forward` without position ids.
    Columns,
    /// Only real tokens count; padding gets the position of the first: transformers' `generate`, and OPT's `forward`.
    RealTokens,
    /// Real tokens count from `padding + 1` on, and padding stays at `padding`: RoBERTa.
    Numbered {
        /// The padding token's id.
        padding: usize,
    },
}

/// The positions that slots take from a text.
#[derive(Clone, Copy, Debug)]
pub enum PositionOffset<'a> {
    /// Number of positions before the text.
    Before(usize),
    /// Number of positions before a column of each row.
    From(usize, &'a [usize]),
    /// Number of positions before each row of a line, where the row of a position begins at this column.
    Rows(usize, &'a [usize]),
}

/// The place of one token of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its position.
    pub position: usize,
    /// The position in what is written behind a context; none in a context, and where a model has no such thing.
    pub block: Option<usize>,
}

impl Place {
    /// The place of the token that stands `n` tokens behind.
    #[must_use]
    pub fn after(self, n: usize) -> Self {
        match self.block {
            None => Self { position: self.position + n, ..self },
            Some(block) => Self { block: Some(block + n), ..self },
        }
    }
}

impl PositionOffset<'_> {
    /// Positions before what begins at a column, and that column.
    fn at(self, line: usize, column: usize, seq: usize) -> (usize, usize) {
        match self {
            Self::Before(n) => (n, 0),
            Self::From(n, columns) if column >= columns[line] => (n, 0),
            Self::From(..) => (0, 0),
            Self::Rows(n, starts) => (n, starts[line * seq + column]),
        }
    }
}

/// Positions of a batch, `[batch, seq]`, of which some are taken.
///
/// `mask` is 1 for real tokens and 0 for padding, row by row. No position exceeds `n_positions - 1`: padding at the far
/// end of a row is not looked at.
pub fn positions(
    mask: &[f32],
    [batch, seq]: [usize; 2],
    taken: PositionOffset<'_>,
    n_positions: usize,
    counting: PositionIds,
    device: &Device,
) -> Tensor<2, Int> {
    let mut positions = Vec::with_capacity(batch * seq);
    for (index, row) in mask.chunks_exact(seq).enumerate() {
        let mut real = 0;
        for (column, &visible) in row.iter().enumerate() {
            let (n_virtual, start) = taken.at(index, column, seq);
            let (last, column, real_here) = (n_positions - 1, column - start, real - start.min(real));
            let position = match counting {
                PositionIds::Columns => (n_virtual + column).min(last),
                PositionIds::RealTokens if visible > 0.0 => (n_virtual + real_here).min(last),
                PositionIds::RealTokens => n_virtual.min(last),
                PositionIds::Numbered { padding } if visible > 0.0 => padding + 1 + (n_virtual + real_here).min(last),
                PositionIds::Numbered { padding } => padding,
            };
            real += usize::from(visible > 0.0);
            positions.push(position as i32);
        }
    }
    Tensor::from_data(TensorData::new(positions, [batch, seq]), device)
}

/// Mask of the tokens of a text that may be seen, `[batch, seq]`; `None` if all may.
pub fn real_tokens(mask: &[f32], shape: [usize; 2], device: &Device) -> Option<Tensor<2>> {
    let all = mask.iter().all(|&visible| visible > 0.0);
    (!all).then(|| Tensor::from_data(TensorData::new(mask.to_vec(), shape), device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_counted_in_the_positions() {
        let device = crate::device::cpu();
        let mask = [0.0, 0.0, 1.0, 1.0];
        let of = |counting| {
            positions(&mask, [1, 4], PositionOffset::Before(5), 64, counting, &device).try_into_vec_as::<i32>().unwrap()
        };
        assert_eq!(of(PositionIds::Columns), [5, 6, 7, 8]);
        assert_eq!(of(PositionIds::RealTokens), [5, 5, 5, 6]);
    }

    #[test]
    fn roberta_positions_are_offset_and_shifted() {
        let device = crate::device::cpu();
        let counting = PositionIds::Numbered { padding: 1 };
        let of = |mask: &[f32], n_virtual| {
            let taken = PositionOffset::Before(n_virtual);
            positions(mask, [1, 4], taken, 512, counting, &device).try_into_vec_as::<i32>().unwrap()
        };
        assert_eq!(of(&[1.0, 1.0, 1.0, 0.0], 0), [2, 3, 4, 1]);
        assert_eq!(of(&[0.0, 1.0, 1.0, 1.0], 5), [1, 7, 8, 9]);
    }

    #[test]
    fn an_infix_takes_the_positions_before_its_column_of_each_row() {
        let device = crate::device::cpu();
        let taken = PositionOffset::From(5, &[2, 0]);
        let found = positions(&[1.0; 6], [2, 3], taken, 64, PositionIds::Columns, &device);
        assert_eq!(found.try_into_vec_as::<i32>().unwrap(), [0, 1, 7, 5, 6, 7]);
    }

    #[test]
    fn a_mask_is_made_only_when_something_is_hidden() {
        let device = crate::device::cpu();
        assert!(real_tokens(&[1.0, 1.0], [1, 2], &device).is_none());
        let mask = real_tokens(&[1.0, 0.0], [1, 2], &device).unwrap();
        assert_eq!(mask.try_into_vec_as::<f32>().unwrap(), [1.0, 0.0]);
    }
}
