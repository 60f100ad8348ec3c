//! The columns that the queries of a layer see: no padding, and of a prefix only what is meant for them.

use burn::tensor::{Device, Tensor, TensorData};

use super::attention::MASK_VALUE;

/// The columns that each layer of a call may see.
#[derive(Clone, Debug, Default)]
pub struct AttentionMask {
    all: Option<Tensor<2>>,
    /// Layer by layer, where layers differ.
    by_layer: Vec<Option<Tensor<2>>>,
    /// Hides an infix from the tokens before it, what is written behind a context from what comes before, or rows from each
    /// other.
    bias: Option<Tensor<4>>,
    /// Where lines have several rows, the column of the text at which the row of each position begins, `[batch, seq]`.
    starts: Option<Vec<usize>>,
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
    /// 1 for each column that a row sees, 0 for one that it does not, `[batch, n]`; `None`: every row sees all.
    pub rows: Option<&'a Tensor<2>>,
}

impl AttentionMask {
    /// The columns of a text behind slots. `text` is 1 for its real tokens, `[batch, seq]`; `None`: all are.
    pub fn with_prefix(
        slots: PrefixColumns<'_>,
        text: Option<Tensor<2>>,
        [batch, seq]: [usize; 2],
        device: &Device,
    ) -> Self {
        let PrefixColumns { n, layers, n_layers, rows } = slots;
        if n == 0 {
            return Self { all: text, ..Self::default() };
        }
        let behind = |first: Tensor<2>, text: Tensor<2>| Tensor::cat(vec![first, text], 1);
        let is_whole = text.is_none() && rows.is_none();
        let text = text.unwrap_or_else(|| Tensor::ones([batch, seq], device));
        let seen = || rows.cloned().unwrap_or_else(|| Tensor::ones([batch, n], device));
        let all = (!is_whole).then(|| behind(seen(), text.clone()));
        let Some(layers) = layers else { return Self { all, ..Self::default() } };
        let without = Some(behind(Tensor::zeros([batch, n], device), text));
        let at = |layer| if layers.contains(&layer) { all.clone() } else { without.clone() };
        Self { by_layer: (0..n_layers).map(at).collect(), all, ..Self::default() }
    }

    /// Masks of the columns, `[batch, kv]`, of every layer or one by one.
    pub fn from_columns(all: Option<Tensor<2>>, by_layer: Vec<Option<Tensor<2>>>) -> Self {
        Self { all, by_layer, ..Self::default() }
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

    /// The same of lines with several rows behind slots: each row sees the slots and itself alone. `starts` is the column at
    /// which the row of each position begins, `[batch, seq]`.
    pub fn with_rows(self, n_slots: usize, starts: &[usize], [_, seq]: [usize; 2], device: &Device) -> Self {
        let bias = bias_of_rows(starts, (n_slots, seq), None, device);
        Self { bias: Some(bias), starts: Some(starts.to_vec()), ..self }
    }

    /// The same bias of a layer that sees the last `columns` of each row and its slots only, `[batch, 1, seq, kv]`; `None`
    /// where a line is a row.
    pub fn windowed(&self, columns: usize, (n_slots, seq): (usize, usize), device: &Device) -> Option<Tensor<4>> {
        self.starts.as_deref().map(|starts| bias_of_rows(starts, (n_slots, seq), Some(columns), device))
    }

    /// The place of each key among those that its row sees, slots first, `[batch, kv]`; `None` where a line is a row.
    pub fn places_in_rows(&self, n_slots: usize, [batch, seq]: [usize; 2], device: &Device) -> Option<Tensor<2>> {
        let starts = self.starts.as_deref()?;
        let of_line = |line: &[usize]| {
            let text = line.iter().enumerate().map(|(column, start)| n_slots + column - start);
            (0..n_slots).chain(text).map(|place| place as f32).collect::<Vec<f32>>()
        };
        let places: Vec<f32> = starts.chunks_exact(seq).flat_map(of_line).collect();
        Some(Tensor::from_data(TensorData::new(places, [batch, n_slots + seq]), device))
    }

    /// The mask of a layer: 1 for a key that may be seen, 0 for one that may not, `[batch, kv]`; `None` if all may be.
    pub fn of_layer(&self, layer: usize) -> Option<&Tensor<2>> {
        self.by_layer.get(layer).unwrap_or(&self.all).as_ref()
    }

    /// The mask of the layers that see every slot.
    pub fn widest(&self) -> Option<&Tensor<2>> {
        self.all.as_ref()
    }

    /// Bias that hides an infix from the tokens before it, what is written from what comes before, or rows from each other,
    /// `[batch, 1, seq, kv]`, for the scores of every layer.
    pub fn bias(&self) -> Option<&Tensor<4>> {
        self.bias.as_ref()
    }
}

/// Hides the other rows of a line, and with a window what is too far back in the row and its slots.
fn bias_of_rows(starts: &[usize], (n_slots, seq): (usize, usize), window: Option<usize>, device: &Device) -> Tensor<4> {
    let (kv, batch) = (n_slots + seq, starts.len() / seq.max(1));
    let mut bias = vec![0.0_f32; batch * seq * kv];
    for (at, (query, &start)) in bias.chunks_exact_mut(kv).zip(starts).enumerate() {
        query[n_slots..n_slots + start].fill(MASK_VALUE);
        // Columns before this one are too far back, counted as if the row stood alone.
        let first = (n_slots + at % seq - start + 1).saturating_sub(window.unwrap_or(kv));
        query[..first.min(n_slots)].fill(MASK_VALUE);
        query[n_slots + start..n_slots + start + first.saturating_sub(n_slots)].fill(MASK_VALUE);
    }
    Tensor::from_data(TensorData::new(bias, [batch, 1, seq, kv]), device)
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
        let slots = PrefixColumns { n: 2, layers: Some(&[1]), n_layers: 3, rows: None };
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
    fn rows_of_a_line_see_the_slots_and_themselves() {
        let device = crate::device::cpu();
        // A line with rows of two and one, behind a slot.
        let mask = AttentionMask::default().with_rows(1, &[0, 0, 2], [1, 3], &device);
        let seen = |bias: Option<&Tensor<4>>| -> Vec<u8> {
            numbers(bias).unwrap().into_iter().map(|x| u8::from(x > -1e29)).collect()
        };
        assert_eq!(seen(mask.bias()), [[1, 1, 1, 1], [1, 1, 1, 1], [1, 0, 0, 1]].concat());
        let window = mask.windowed(2, (1, 3), &device);
        assert_eq!(seen(window.as_ref()), [[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 0, 1]].concat());
        let nearest = mask.windowed(1, (1, 3), &device);
        assert_eq!(seen(nearest.as_ref()), [[0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]].concat());
        assert_eq!(numbers(mask.places_in_rows(1, [1, 3], &device).as_ref()), Some(vec![0.0, 1.0, 2.0, 1.0]));
        assert!(AttentionMask::default().windowed(2, (1, 3), &device).is_none());
    }

    #[test]
    fn a_row_does_not_see_the_slots_that_are_hidden_from_it() {
        let device = crate::device::cpu();
        let rows = Tensor::from_data(TensorData::new(vec![0.0_f32, 1.0, 1.0, 1.0], [2, 2]), &device);
        let text = Tensor::from_data(TensorData::new(vec![1.0_f32, 0.0], [2, 1]), &device);
        for (layers, text, seen) in [
            (None, None, vec![0.0, 1.0, 1.0, 1.0, 1.0, 1.0]),
            (Some(&[1][..]), Some(text), vec![0.0, 1.0, 1.0, 1.0, 1.0, 0.0]),
        ] {
            let slots = PrefixColumns { n: 2, layers, n_layers: 3, rows: Some(&rows) };
            let mask = AttentionMask::with_prefix(slots, text, [2, 1], &device);
            assert_eq!(numbers(mask.of_layer(1)), Some(seen));
            let hidden = numbers(mask.of_layer(0)).unwrap();
            assert_eq!(layers.is_some(), [&hidden[..2], &hidden[3..5]].concat() == [0.0; 4], "{hidden:?}");
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
        let slots = PrefixColumns { n: 2, n_layers: 3, ..PrefixColumns::default() };
        let mask = AttentionMask::with_prefix(slots, None, [1, 2], &device);
        assert!(mask.of_layer(0).is_none() && mask.bias().is_none());
    }
}
