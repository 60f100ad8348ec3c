//! The columns that the queries of a layer see: no padding, and of a prefix only what is meant for them.

use burn::tensor::{Device, Tensor, TensorData};

use super::attention::MASK_VALUE;

/// The columns that each layer of a call may see.
#[derive(Clone, Debug, Default)]
pub struct AttentionMask {
    all: Option<Tensor<2>>,
    /// Layer by layer, where layers differ.
    by_layer: Vec<Option<Tensor<2>>>,
    /// Hides an infix from the tokens before it, or what is written behind a context from what comes before.
    bias: Option<Tensor<4>>,
}

/// Columns of a prefix before a text.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrefixColumns<'a> {
    /// Number of columns.
    pub n: usize,
    /// The layers that see them; `None`: all.
    pub layers: Option<&'a [usize]>,
    /// Number of layers.
    pub n_layers: usize,
}

impl AttentionMask {
    /// The columns of a text behind slots. `text` is 1 for its real tokens, `[batch, seq]`; `None`: all are.
    pub fn with_prefix(
        slots: PrefixColumns<'_>,
        text: Option<Tensor<2>>,
        [batch, seq]: [usize; 2],
        device: &Device,
    ) -> Self {
        let PrefixColumns { n, layers, n_layers } = slots;
        if n == 0 {
            return Self { all: text, ..Self::default() };
        }
        let behind = |first: Tensor<2>, text: Tensor<2>| Tensor::cat(vec![first, text], 1);
        let all = text.clone().map(|text| behind(Tensor::ones([batch, n], device), text));
        let Some(layers) = layers else { return Self { all, ..Self::default() } };
        let text = text.unwrap_or_else(|| Tensor::ones([batch, seq], device));
        let without = Some(behind(Tensor::zeros([batch, n], device), text));
        let at = |layer| if layers.contains(&layer) { all.clone() } else { without.clone() };
        Self { by_layer: (0..n_layers).map(at).collect(), all, bias: None }
    }

    /// Masks of the columns, `[batch, kv]`, of every layer or one by one.
    pub fn from_columns(all: Option<Tensor<2>>, by_layer: Vec<Option<Tensor<2>>>) -> Self {
        Self { all, by_layer, bias: None }
    }

    /// The same, where slots are an infix: in each row the tokens before the column `from` do not see them.
    pub fn with_infix(self, n_slots: usize, from: &[usize], seq: usize, device: &Device) -> Self {
        if n_slots == 0 || from.iter().all(|&from| from == 0) {
            return self;
        }
        let kv = n_slots + seq;
        let mut bias = vec![0.0_f32; from.len() * seq * kv];
        for (row, &from) in bias.chunks_exact_mut(seq * kv).zip(from) {
            row.chunks_exact_mut(kv).take(from).for_each(|query| query[..n_slots].fill(MASK_VALUE));
        }
        let bias = Tensor::from_data(TensorData::new(bias, [from.len(), 1, seq, kv]), device);
        Self { bias: Some(bias), ..self }
    }

    /// The same of texts in two parts behind slots: in each row the columns before `context` are seen by every token, each
    /// column from there on by itself and those behind it.
    pub fn with_context(self, n_slots: usize, context: &[usize], seq: usize, device: &Device) -> Self {
        if context.iter().all(|&context| context >= seq) {
            return self;
        }
        let kv = n_slots + seq;
        let mut bias = vec![0.0_f32; context.len() * seq * kv];
        for (row, &context) in bias.chunks_exact_mut(seq * kv).zip(context) {
            for (at, query) in row.chunks_exact_mut(kv).enumerate() {
                query[n_slots + context.max(at + 1).min(seq)..].fill(MASK_VALUE);
            }
        }
        let bias = Tensor::from_data(TensorData::new(bias, [context.len(), 1, seq, kv]), device);
        Self { bias: Some(bias), ..self }
    }

    /// The mask of a layer: 1 for a key that may be seen, 0 for one that may not, `[batch, kv]`; `None` if all may be.
    pub fn of_layer(&self, layer: usize) -> Option<&Tensor<2>> {
        self.by_layer.get(layer).unwrap_or(&self.all).as_ref()
    }

    /// The mask of the layers that see every slot.
    pub fn widest(&self) -> Option<&Tensor<2>> {
        self.all.as_ref()
    }

    /// Bias that hides an infix from the tokens before it, or what is written from what comes before, `[batch, 1, seq, kv]`,
    /// for the scores of every layer.
    pub fn bias(&self) -> Option<&Tensor<4>> {
        self.bias.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<const D: usize>(tensor: Option<&Tensor<D>>) -> Option<Vec<f32>> {
        tensor.map(|tensor| tensor.clone().try_into_vec_as().unwrap())
    }

    #[test]
    fn a_layer_without_a_prefix_sees_the_text_alone() {
        let device = crate::device::cpu();
        let slots = PrefixColumns { n: 2, layers: Some(&[1]), n_layers: 3 };
        let text = Tensor::from_data(TensorData::new(vec![0.0_f32, 1.0], [1, 2]), &device);
        for (text, seen, hidden) in [
            (None, None, vec![0.0, 0.0, 1.0, 1.0]),
            (Some(text), Some(vec![1.0, 1.0, 0.0, 1.0]), vec![0.0, 0.0, 0.0, 1.0]),
        ] {
            let mask = AttentionMask::with_prefix(slots, text, [1, 2], &device);
            assert_eq!(numbers(mask.of_layer(1)), seen);
            assert_eq!(numbers(mask.of_layer(0)), Some(hidden.clone()));
            assert_eq!(numbers(mask.of_layer(2)), Some(hidden));
        }
    }

    #[test]
    fn an_infix_is_seen_from_a_column_of_each_row_on() {
        let device = crate::device::cpu();
        let mask = AttentionMask::default().with_infix(1, &[2, 0], 3, &device);
        let hidden: Vec<bool> = numbers(mask.bias()).unwrap().into_iter().map(|x| x < -1e29).collect();
        let (first, second) = hidden.split_at(12);
        assert_eq!(first, [[true, false, false, false], [true, false, false, false], [false; 4]].concat());
        assert_eq!(second, [false; 12]);
    }

    #[test]
    fn a_context_is_seen_whole_and_what_is_written_behind_it_only_from_behind() {
        let device = crate::device::cpu();
        let mask = AttentionMask::default().with_context(1, &[2, 4], 4, &device);
        let seen: Vec<u8> = numbers(mask.bias()).unwrap().into_iter().map(|x| u8::from(x > -1e29)).collect();
        let (first, second) = seen.split_at(20);
        assert_eq!(first, [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 1, 1, 1]].concat());
        assert_eq!(second, [1; 20]);
        assert!(AttentionMask::default().with_context(1, &[4, 4], 4, &device).bias().is_none());
    }

    #[test]
    fn nothing_is_made_where_nothing_is_hidden() {
        let device = crate::device::cpu();
        let mask = AttentionMask::with_prefix(PrefixColumns { n: 2, layers: None, n_layers: 3 }, None, [1, 2], &device);
        assert!(mask.of_layer(0).is_none() && mask.bias().is_none());
    }
}
