//! Tokens of a batch on the device, and the soft ones among them, whose embeddings an adapter gives.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::error::{EngineError, Result};
use crate::nn::FrozenMatrix;
use crate::sentence;
use crate::tokens::SOFT;

/// Ids of tokens, `[batch, seq]`, and what stands in place of the embeddings of the soft ones.
#[derive(Clone, Debug)]
pub struct Tokens {
    ids: Tensor<2, Int>,
    soft: Option<SoftTokens>,
}

/// Options of an architecture's lookup of token embeddings.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmbeddingOptions {
    /// On the embeddings; a soft prompt is not scaled, as in the reference.
    pub scale: Option<f64>,
    /// Whether the text behind a soft prompt is not scaled either: in Pegasus the scale is no part of the table, and PEFT puts
    /// its prompt before what the table alone says.
    pub unscaled_behind_soft: bool,
    /// A token whose row the lookup does not train, torch's `padding_idx`. A head that is tied to the table trains it.
    pub padding: Option<i64>,
}

#[derive(Clone, Debug)]
struct SoftTokens {
    /// `[slots, width of an embedding]`, tracked or not.
    prompt: Tensor<2>,
    /// For each position of the batch its row among the batch's own embeddings followed by the prompt's.
    rows: Tensor<1, Int>,
}

impl Tokens {
    /// Brings ids onto the device. `prompt` are the embeddings of the soft ones, `[slots, width of an embedding]`.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] for a soft token that the prompt does not have.
    pub fn new(
        ids: impl IntoIterator<Item = i64>,
        shape: [usize; 2],
        prompt: Option<&Tensor<2>>,
        device: &Device,
    ) -> Result<Self> {
        let mut ids: Vec<i64> = ids.into_iter().collect();
        let (first, n) = (i64::from(SOFT), ids.len());
        if ids.iter().all(|&id| id < first) {
            return Ok(Self { ids: on_device(ids, device).reshape(shape), soft: None });
        }
        let slots = prompt.map_or(0, |prompt| prompt.dims()[0]);
        let mut rows: Vec<i64> = (0..n as i64).collect();
        for (row, id) in rows.iter_mut().zip(&mut ids).filter(|(_, id)| **id >= first) {
            let slot = (*id - first) as usize;
            if slot >= slots {
                let reason = sentence!("the text asks for soft token {slot}, it has {slots}", slot = slot + 1, slots);
                return Err(EngineError::AdapterMismatch { reason });
            }
            (*row, *id) = ((n + slot) as i64, 0);
        }
        let soft = prompt.map(|prompt| SoftTokens { prompt: prompt.clone(), rows: on_device(rows, device) });
        Ok(Self { ids: on_device(ids, device).reshape(shape), soft })
    }

    /// Ids that are on the device already; none of them is soft.
    pub fn plain(ids: Tensor<2, Int>) -> Self {
        Self { ids, soft: None }
    }

    /// `[batch, seq]`
    pub fn dims(&self) -> [usize; 2] {
        self.ids.dims()
    }

    /// Where they are.
    pub fn device(&self) -> Device {
        self.ids.device()
    }

    /// Embedding of each token at the beginning of a model.
    ///
    /// # Shapes
    /// - `table`: `[vocab_size, width]`
    /// - returns `[batch, seq, width]`
    pub fn embed(&self, table: &FrozenMatrix) -> Tensor<3> {
        self.embed_as(table, EmbeddingOptions::default())
    }

    /// The same as the architecture does it.
    pub fn embed_as(&self, table: &FrozenMatrix, lookup: EmbeddingOptions) -> Tensor<3> {
        let mut hard = untrained_row(table.embed(self.ids.clone()), &self.ids, lookup.padding);
        let is_bare = lookup.unscaled_behind_soft && self.soft.is_some();
        if let Some(scale) = lookup.scale.filter(|_| !is_bare) {
            hard = hard * scale;
        }
        let Some(SoftTokens { prompt, rows }) = &self.soft else { return hard };
        let [batch, seq, width] = hard.dims();
        let both = Tensor::cat(vec![hard.reshape([batch * seq, width]), prompt.clone()], 0);
        both.select(0, rows.clone()).reshape([batch, seq, width])
    }
}

/// Rows of a table, `[batch, seq, width]`, of which that of `padding` is not trained, torch's `padding_idx`.
pub(crate) fn untrained_row(rows: Tensor<3>, ids: &Tensor<2, Int>, padding: Option<i64>) -> Tensor<3> {
    let Some(padding) = padding.filter(|_| rows.is_tracked()) else { return rows };
    let trained: Tensor<3> = ids.clone().not_equal_elem(padding).float().unsqueeze_dim(2); // [batch, seq, 1]
    let left = Tensor::from_inner(rows.clone().inner());
    left.clone() + (rows - left) * trained
}

fn on_device(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}
