//! Texts in two parts, as GLM reads them: a context whose tokens all see each other, and behind it what is written into a
//! blank of the context, token by token.
//!
//! A token has two positions. Those of the context count up and have 0 as the second; what is written has the position of
//! its blank, and the second counts from 1. Du et al. 2022, "GLM: General Language Model Pretraining with Autoregressive
//! Blank Infilling"; counted as in THUDM/chatglm-6b: modeling_chatglm.py (`get_masks`, `get_position_ids`).

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::positions::Place;

/// The tokens that part a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextTokens {
    /// Stand for a blank, the one that counts before the others first: `[gMASK]`, `[MASK]`.
    pub blanks: [u32; 2],
    /// The first token behind the context: `<sop>`.
    pub start: u32,
}

/// The parts of one text, in tokens. A text without a start is all context, and so is what may follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextParts {
    /// Tokens of the context.
    context: usize,
    /// Tokens before the blank.
    blank: usize,
}

/// Where the tokens of padded rows stand.
#[derive(Clone, Debug)]
pub struct ContextRows {
    /// Position of each token, `[batch, seq]`; 0 for padding.
    pub positions: Tensor<2, Int>,
    /// The second position, `[batch, seq]`.
    pub blocks: Tensor<2, Int>,
    /// The column of each row behind its context.
    pub columns: Vec<usize>,
}

impl ContextTokens {
    /// The parts of a text.
    pub fn parts(self, tokens: &[u32]) -> TextParts {
        let start = tokens.iter().position(|&token| token == self.start);
        let context = start.unwrap_or(usize::MAX);
        // A blank that is written behind the context is none of it.
        let find = |wanted: u32| tokens.iter().take(context).position(|&token| token == wanted);
        let blank = self.blanks.into_iter().find_map(find).or(start.map(|start| start.saturating_sub(1))).unwrap_or(0);
        TextParts { context, blank }
    }

    /// The same of rows; `mask` is 1 for real tokens and 0 for padding, row by row. Padding takes no position.
    pub fn rows(self, tokens: &[i32], mask: &[f32], [batch, seq]: [usize; 2], device: &Device) -> ContextRows {
        let (mut positions, mut blocks, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for (tokens, mask) in tokens.chunks_exact(seq).zip(mask.chunks_exact(seq)) {
            let real: Vec<usize> = (0..seq).filter(|&column| mask[column] > 0.0).collect();
            let text: Vec<u32> = real.iter().map(|&column| tokens[column].cast_unsigned()).collect();
            let parts = self.parts(&text);
            let mut places = vec![Place::default(); seq];
            for (at, &column) in real.iter().enumerate() {
                places[column] = parts.place(at);
            }
            positions.extend(places.iter().map(|place| place.position as i64));
            blocks.extend(places.iter().map(|place| place.block.unwrap_or(0) as i64));
            columns.push(real.get(parts.context).copied().unwrap_or(seq));
        }
        let on_device = |ids: Vec<i64>| Tensor::from_data(TensorData::new(ids, [batch, seq]), device);
        ContextRows { positions: on_device(positions), blocks: on_device(blocks), columns }
    }
}

impl TextParts {
    /// The place of a token by its number in the text, from 0.
    pub fn place(self, at: usize) -> Place {
        match at.checked_sub(self.context) {
            None => Place { position: at, block: None },
            Some(written) => Place { position: self.blank, block: Some(written + 1) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: ContextTokens = ContextTokens { blanks: [91, 90], start: 94 };

    #[test]
    fn what_is_written_has_the_place_of_its_blank_and_counts_in_the_second() {
        let places = |tokens: &[u32]| {
            let parts = TOKENS.parts(tokens);
            (0..tokens.len()).map(|at| (parts.place(at).position, parts.place(at).block)).collect::<Vec<_>>()
        };
        assert_eq!(places(&[7, 8, 91, 94, 5]), [(0, None), (1, None), (2, None), (2, Some(1)), (2, Some(2))]);
        assert_eq!(places(&[7, 90, 8, 94, 5])[3..], [(1, Some(1)), (1, Some(2))], "a blank amid the context");
        assert_eq!(places(&[90, 91, 94])[2], (1, Some(1)), "of two kinds the first one counts");
        assert_eq!(places(&[7, 8, 94])[2], (1, Some(1)), "without a blank the end of the context is one");
        assert_eq!(places(&[7, 8]), [(0, None), (1, None)]);
        assert_eq!(places(&[7, 8, 94, 91])[2..], [(1, Some(1)), (1, Some(2))], "a blank that is written fills none");
        let after = TOKENS.parts(&[7, 91, 94]).place(3);
        assert_eq!(
            (after, after.after(2)),
            (TOKENS.parts(&[7, 91, 94]).place(3), Place { position: 1, block: Some(4) })
        );
        assert_eq!(TOKENS.parts(&[7, 8]).place(2).after(1), Place { position: 3, block: None });
    }

    #[test]
    fn padding_on_either_side_moves_no_token() {
        let device = crate::device::cpu();
        let (tokens, mask) =
            ([0, 0, 7, 91, 94, 5, 7, 91, 94, 5, 0, 0], [0., 0., 1., 1., 1., 1., 1., 1., 1., 1., 0., 0.]);
        let rows = TOKENS.rows(&tokens, &mask, [2, 6], &device);
        let of = |tensor: Tensor<2, Int>| tensor.try_into_vec_as::<i32>().unwrap();
        assert_eq!(of(rows.positions), [0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0]);
        assert_eq!(of(rows.blocks), [0, 0, 0, 0, 1, 2, 0, 0, 1, 2, 0, 0]);
        assert_eq!(rows.columns, [4, 2]);
        assert_eq!(TOKENS.rows(&[7, 8], &[1., 1.], [1, 2], &device).columns, [2], "all of it is context");
    }
}
