//! Sliding windows: layers whose queries see the last columns only.

use burn::tensor::{Device, Int, Tensor};

use super::attention::MASK_VALUE;

/// The layers that see only the last columns, and the number of those columns.
///
/// Columns are counted as they lie in the keys: the slots of a prefix, what a cache holds, and padding too. So a token
/// that is far enough behind a prefix does not see it, as in transformers with PEFT.
/// huggingface/transformers: src/transformers/masking_utils.py.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    /// Columns that a query sees, its own among them.
    pub columns: usize,
    /// Layer by layer, whether it has the window; the others see everything.
    pub layers: Vec<bool>,
}

impl SlidingWindow {
    /// The window, unless no layer has it, or nothing in a text of so many positions is ever that far back.
    pub fn hiding(columns: usize, layers: Vec<bool>, n_positions: usize) -> Option<Self> {
        let window = Self { columns, layers };
        (columns < n_positions && window.n_layers() > 0).then_some(window)
    }

    /// Bias for the scores that hides columns too far back, `[1, 1, seq, n_past + seq]`: made once and used by every
    /// layer with the window. `None` if nothing is that far back.
    pub fn bias(&self, seq: usize, n_past: usize, device: &Device) -> Option<Tensor<4>> {
        let kv = n_past + seq;
        if kv <= self.columns {
            return None;
        }
        let counted = |from: usize, to: usize| Tensor::<1, Int>::arange(from as i64..to as i64, device).float();
        // The query at column c sees the keys from c + 1 - columns on; the difference is 1 or more before that.
        let query = counted(n_past, kv).reshape([1, 1, seq, 1]) + 1.0 - self.columns as f32;
        let key = counted(0, kv).reshape([1, 1, 1, kv]);
        Some((query - key).clamp(0.0, 1.0) * MASK_VALUE)
    }

    /// Number of layers that have the window.
    pub fn n_layers(&self) -> usize {
        self.layers.iter().filter(|&&windowed| windowed).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(columns: usize, seq: usize, n_past: usize) -> Option<Vec<bool>> {
        let bias = SlidingWindow { columns, layers: vec![true] }.bias(seq, n_past, &crate::device::cpu())?;
        assert_eq!(bias.dims(), [1, 1, seq, n_past + seq]);
        Some(bias.try_into_vec_as::<f32>().unwrap().into_iter().map(|x| x < -1e29).collect())
    }

    #[test]
    fn a_window_counts_the_prefix_slots() {
        // Two slots and three tokens: the third column from the right is the last that is seen.
        let expected = [
            [false, false, false, false, false],
            [true, false, false, false, false],
            [true, true, false, false, false],
        ];
        assert_eq!(hidden(3, 3, 2).unwrap(), expected.concat());
    }

    #[test]
    fn a_new_token_sees_as_far_back_as_in_the_full_pass() {
        let full = hidden(4, 9, 0).unwrap();
        assert_eq!(hidden(4, 1, 8).unwrap(), full[8 * 9..]);
    }

    #[test]
    fn nothing_is_made_where_nothing_is_far_enough_back() {
        assert_eq!(hidden(5, 3, 2), None);
        assert!(hidden(4, 3, 2).is_some());
    }
}
