//! Linear layers of the base model, with what an adapter adds to them.

use burn::tensor::module::embedding;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::matrix::{FrozenMatrix, product};
use super::precision::Precision;

/// The weights of a linear layer of the base model.
///
/// Its backward is one product, `grad · weightᵀ`, and saves no activation, unless the weights are tracked.
#[derive(Clone, Debug)]
pub struct FrozenLinear {
    /// `[d_in, d_out]`; may be the transposed view of a `[d_out, d_in]` tensor, which is never copied.
    pub weight: FrozenMatrix,
    /// `[d_out]`
    pub bias: Option<Tensor<1>>,
    /// Matrix of low rank that an adapter adds.
    pub low_rank: Option<LowRank>,
}

/// A matrix of low rank beside a linear layer: `x · aᵀ · bᵀ`, added to what the layer makes.
/// Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
#[derive(Clone, Debug)]
pub struct LowRank {
    /// `[r, d_in]`
    pub a: Tensor<2>,
    /// `[d_out, r]`, with the scale in it.
    pub b: Tensor<2>,
    /// On what `a` reads, in training.
    pub dropout: Option<Dropout>,
}

impl FrozenLinear {
    /// The layer as the checkpoint has it.
    pub fn new(weight: impl Into<FrozenMatrix>, bias: Option<Tensor<1>>) -> Self {
        Self { weight: weight.into(), bias, low_rank: None }
    }

    /// `x · weight + bias`, and what is added.
    ///
    /// # Shapes
    /// - `x`: `[batch, seq, d_in]`
    /// - returns `[batch, seq, d_out]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let Some(low_rank) = &self.low_rank else { return self.weight.matmul(x, self.bias.as_ref()) };
        self.weight.matmul(x.clone(), self.bias.as_ref()) + low_rank.forward(x, self.weight.precision())
    }
}

impl LowRank {
    fn forward(&self, x: Tensor<3>, precision: Precision) -> Tensor<3> {
        let [batch, seq, d_in] = x.dims();
        let [d_out, _] = self.b.dims();
        let mut rows = x.reshape([batch * seq, d_in]);
        if let Some(dropout) = &self.dropout {
            rows = rows.clone() * dropout.mask([batch * seq, d_in], &rows.device());
        }
        let narrow = product(rows, self.a.clone().transpose(), precision); // [batch * seq, r]
        product(narrow, self.b.clone().transpose(), precision).reshape([batch, seq, d_out])
    }
}

/// Numbers left out at random, the same for the same draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Share of the numbers that are left out, 0 to 1.
    pub rate: f64,
    /// Decides which.
    pub draw: u64,
}

impl Dropout {
    /// 0 for a number that is left out; for the others what makes up for them.
    pub fn mask<const D: usize>(self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let mut random = ChaCha8Rng::seed_from_u64(self.draw);
        let keep = 1.0 - self.rate;
        let value = |_| if random.random_bool(keep) { (1.0 / keep) as f32 } else { 0.0 };
        let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// Rows of a table of embeddings, in f32 however it is stored.
///
/// # Shapes
/// - `table`: `[vocab_size, d_model]`
/// - `ids`: `[batch, seq]`
/// - returns `[batch, seq, d_model]`
pub fn embed(table: &Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    embedding(table.clone(), ids).cast(DType::F32)
}
