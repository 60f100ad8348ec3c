//! Keys and values of the tokens seen so far, for a batch of streams of different lengths.
//!
//! Rows end together: what a shorter row lacks is padding on its left, before its prefix, and masked. So all rows
//! append at the same column.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::nn::{AttentionMask, LayerKv};

/// Columns that a full cache grows by, at least.
const BLOCK: usize = 64;

/// The keys and values of one row, piece by piece: a prefix, then a text. A piece has one pair per layer,
/// `[1, n_kv_heads, n, d_head]`.
pub type Segments = Vec<Vec<LayerKv>>;

/// The cache of a batch.
#[derive(Debug)]
pub struct KvCache {
    /// `[batch, n_kv_heads, capacity, d_head]`, written in place as long as nobody else holds them.
    layers: Vec<LayerKv>,
    /// Real keys of each row.
    lengths: Vec<usize>,
    /// Columns in use, the same for every row.
    filled: usize,
    /// Of each row, so many columns at its beginning that only some layers see, and which layers these are.
    hidden: Vec<Option<(usize, Vec<usize>)>>,
    /// Columns that were there from the beginning.
    begun: usize,
    capacity: usize,
}

impl KvCache {
    /// Puts rows side by side and leaves room for `spare` more tokens.
    ///
    /// # Panics
    /// Without a row, or when rows differ in layers or head sizes.
    pub fn new(rows: &[Segments], spare: usize) -> Self {
        let length = |row: &Segments| row.iter().map(|piece| piece[0].key.dims()[2]).sum::<usize>();
        let lengths: Vec<usize> = rows.iter().map(length).collect();
        let filled = *lengths.iter().max().expect("a cache has a row");
        let capacity = filled + spare.max(1);
        let n_layers = rows[0][0].len();
        let layers = (0..n_layers)
            .map(|layer| {
                let [_, n_kv_heads, _, d_head] = rows[0][0][layer].key.dims();
                let shape = [rows.len(), n_kv_heads, capacity, d_head];
                let device = rows[0][0][layer].key.device();
                let mut slots = LayerKv { key: Tensor::zeros(shape, &device), value: Tensor::zeros(shape, &device) };
                for (row, pieces) in rows.iter().enumerate() {
                    let mut column = filled - lengths[row];
                    for piece in pieces {
                        slots = write(slots, row, column, &piece[layer]);
                        column += piece[layer].key.dims()[2];
                    }
                }
                slots
            })
            .collect();
        let hidden = vec![None; lengths.len()];
        Self { layers, lengths, filled, hidden, begun: filled, capacity }
    }

    /// The same, where only some layers see the first columns of a row: how many columns, and which layers.
    #[must_use]
    pub fn hiding(self, hidden: Vec<Option<(usize, Vec<usize>)>>) -> Self {
        assert_eq!(hidden.len(), self.lengths.len(), "for each row, whether something is hidden");
        Self { hidden, ..self }
    }

    /// Real keys of each row.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Tokens that each row took in since the cache was made.
    pub fn added(&self) -> usize {
        self.filled - self.begun
    }

    /// Keys and values so far, views of the filled part, `[batch, n_kv_heads, filled, d_head]`. They must be dropped
    /// before the next [`append`](Self::append), or that has to copy.
    pub fn past(&self) -> Vec<LayerKv> {
        let [batch, n_kv_heads, _, d_head] = self.layers[0].key.dims();
        let part = [0..batch, 0..n_kv_heads, 0..self.filled, 0..d_head];
        self.layers
            .iter()
            .map(|slots| LayerKv {
                key: slots.key.clone().slice(part.clone()),
                value: slots.value.clone().slice(part.clone()),
            })
            .collect()
    }

    /// Mask of the keys that each row sees when `new` tokens are added.
    pub fn attention_mask(&self, new: usize, device: &Device) -> AttentionMask {
        let all = self.mask(new, |_| true, device);
        if self.hidden.iter().all(Option::is_none) {
            return AttentionMask::from_columns(all, Vec::new());
        }
        let mut masks: Vec<(Vec<bool>, Option<Tensor<2>>)> = Vec::new();
        let mut at = |layer: usize| {
            let sees = |row: &Option<(usize, Vec<usize>)>| row.as_ref().is_none_or(|(_, of)| of.contains(&layer));
            let seen: Vec<bool> = self.hidden.iter().map(sees).collect();
            if let Some((_, mask)) = masks.iter().find(|(other, _)| *other == seen) {
                return mask.clone();
            }
            let mask = self.mask(new, |row| seen[row], device);
            masks.push((seen, mask.clone()));
            mask
        };
        let by_layer = (0..self.layers.len()).map(&mut at).collect();
        AttentionMask::from_columns(all, by_layer)
    }

    /// The keys of a layer, `[batch, filled + new]`, in which some rows see their first columns; `None` if it sees all.
    fn mask(&self, new: usize, sees: impl Fn(usize) -> bool, device: &Device) -> Option<Tensor<2>> {
        let unseen = |row: usize| {
            let slots = self.hidden[row].as_ref().filter(|_| !sees(row)).map_or(0, |(n, _)| *n);
            self.filled - self.lengths[row] + slots
        };
        let rows = self.lengths.len();
        if (0..rows).all(|row| unseen(row) == 0) {
            return None;
        }
        let columns = self.filled + new;
        let mut mask = vec![1.0_f32; rows * columns];
        for (row, keys) in mask.chunks_exact_mut(columns).enumerate() {
            keys[..unseen(row)].fill(0.0);
        }
        Some(Tensor::from_data(TensorData::new(mask, [rows, columns]), device))
    }

    /// Adds the keys and values of new tokens, one pair per layer, `[batch, n_kv_heads, new, d_head]`.
    pub fn append(&mut self, kv: &[LayerKv]) {
        let new = kv[0].key.dims()[2];
        if self.filled + new > self.capacity {
            let capacity = self.filled + new + BLOCK.max(self.capacity / 2);
            self.rebuild(None, 0, capacity);
        }
        let layers = std::mem::take(&mut self.layers); // moved, so that each is written in place
        self.layers = layers.into_iter().zip(kv).map(|(slots, kv)| write(slots, 0, self.filled, kv)).collect();
        self.filled += new;
        self.lengths.iter_mut().for_each(|length| *length += new);
    }

    /// Puts other keys and values in place of a row's last ones, one pair per layer, `[1, n_kv_heads, n, d_head]`.
    pub fn rewrite(&mut self, row: usize, kv: &[LayerKv]) {
        let [_, _, n, _] = kv[0].key.dims();
        let layers = std::mem::take(&mut self.layers);
        self.layers = layers.into_iter().zip(kv).map(|(slots, kv)| write(slots, row, self.filled - n, kv)).collect();
    }

    /// Keeps only these rows, in this order, and drops the columns that are padding in all of them.
    pub fn keep(&mut self, rows: &[usize]) {
        self.lengths = rows.iter().map(|&row| self.lengths[row]).collect();
        self.hidden = rows.iter().map(|&row| self.hidden[row].clone()).collect();
        let longest = *self.lengths.iter().max().expect("a cache has a row");
        let capacity = longest + (self.capacity - self.filled).max(1);
        self.rebuild(Some(rows), self.filled - longest, capacity);
    }

    /// Row `i` goes on as row `rows[i]`: the columns that were added since the cache was made are copied. Those it was made
    /// with stay where they are, and must be the same in both rows.
    pub fn reorder(&mut self, rows: &[usize]) {
        if self.filled == self.begun || rows.iter().copied().eq(0..self.lengths.len()) {
            return;
        }
        let index = row_index(rows, &self.layers[0].key.device());
        let added = self.begun..self.filled;
        let reordered = |slots: Tensor<4>| {
            let [batch, n_kv_heads, _, d_head] = slots.dims();
            let part = [0..batch, 0..n_kv_heads, added.clone(), 0..d_head];
            let tail = slots.clone().slice(part.clone()).select(0, index.clone());
            slots.slice_assign(part, tail)
        };
        let layers = std::mem::take(&mut self.layers);
        self.layers = layers
            .into_iter()
            .map(|slots| LayerKv { key: reordered(slots.key), value: reordered(slots.value) })
            .collect();
    }

    /// Copies everything from column `first` on into a new allocation.
    fn rebuild(&mut self, rows: Option<&[usize]>, first: usize, capacity: usize) {
        let device = self.layers[0].key.device();
        let index = rows.map(|rows| row_index(rows, &device));
        let filled = self.filled;
        let copy = |old: Tensor<4>| {
            let [batch, n_kv_heads, _, d_head] = old.dims();
            let part = old.slice([0..batch, 0..n_kv_heads, first..filled, 0..d_head]);
            let part = match &index {
                Some(index) => part.select(0, index.clone()),
                None => part,
            };
            let [batch, ..] = part.dims();
            Tensor::zeros([batch, n_kv_heads, capacity, d_head], &device)
                .slice_assign([0..batch, 0..n_kv_heads, 0..filled - first, 0..d_head], part)
        };
        let layers = std::mem::take(&mut self.layers);
        self.layers =
            layers.into_iter().map(|slots| LayerKv { key: copy(slots.key), value: copy(slots.value) }).collect();
        self.filled -= first;
        self.begun -= first;
        self.capacity = capacity;
    }
}

fn row_index(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

/// Writes a piece at a row and a column.
fn write(slots: LayerKv, row: usize, column: usize, piece: &LayerKv) -> LayerKv {
    let [rows, n_kv_heads, columns, d_head] = piece.key.dims();
    let part = [row..row + rows, 0..n_kv_heads, column..column + columns, 0..d_head];
    LayerKv {
        key: slots.key.slice_assign(part.clone(), piece.key.clone()),
        value: slots.value.slice_assign(part, piece.value.clone()),
    }
}
