//! A small random decoder for tests of what works on any causal model.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::models::{CausalModel, ForwardPass, ModelShape};
use crate::nn::{AttentionShape, FrozenLinear, FrozenMatrix, LayerKv};

/// Learned positions, grouped heads, no norm.
pub(crate) struct TinyModel {
    shape: ModelShape,
    embeddings: FrozenMatrix,
    positions: Tensor<2>,
    layers: Vec<TinyLayer>,
}

struct TinyLayer {
    qkv: FrozenLinear,
    out: FrozenLinear,
    up: FrozenLinear,
    down: FrozenLinear,
}

/// Numbers between -`scale` and `scale`.
pub(crate) fn random<const D: usize>(random: &mut ChaCha8Rng, shape: [usize; D], scale: f32) -> Tensor<D> {
    let numbers = (0..shape.iter().product()).map(|_| random.random_range(-scale..scale)).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(numbers, shape), &Device::flex())
}

impl TinyModel {
    pub(crate) fn new(seed: u64) -> Self {
        let shape = ModelShape {
            architecture: "tiny",
            n_layers: 2,
            d_model: 16,
            n_heads: 4,
            n_kv_heads: 2,
            d_head: 4,
            d_ff: 32,
            vocab_size: 50,
            n_positions: 40,
        };
        Self::of(shape, seed)
    }

    pub(crate) fn of(shape: ModelShape, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let d_model = shape.d_model;
        let scale = 3.0 / (d_model as f32).sqrt();
        let mut linear = |d_in, d_out| FrozenLinear::new(random(&mut rng, [d_in, d_out], scale), None);
        let layers = (0..shape.n_layers)
            .map(|_| TinyLayer {
                qkv: linear(d_model, (shape.n_heads + 2 * shape.n_kv_heads) * shape.d_head),
                out: linear(shape.n_heads * shape.d_head, d_model),
                up: linear(d_model, shape.d_ff),
                down: linear(shape.d_ff, d_model),
            })
            .collect();
        let embeddings = random(&mut rng, [shape.vocab_size, d_model], 1.0).into();
        let positions = random(&mut rng, [shape.n_positions, d_model], 1.0);
        Self { shape, embeddings, positions, layers }
    }

    /// A prefix of random keys and values.
    pub(crate) fn prefix(&self, n_virtual: usize, seed: u64) -> Vec<LayerKv> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let shape = [1, self.shape.n_kv_heads, n_virtual, self.shape.d_head];
        (0..self.shape.n_layers)
            .map(|_| LayerKv { key: random(&mut rng, shape, 2.0), value: random(&mut rng, shape, 2.0) })
            .collect()
    }
}

impl CausalModel for TinyModel {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let ModelShape { d_model, n_heads, n_kv_heads, d_head, .. } = self.shape;
        let [batch, seq] = pass.tokens.dims();
        let rows = |table: &Tensor<2>, ids: &Tensor<2, Int>| {
            table.clone().select(0, ids.clone().reshape([batch * seq])).reshape([batch, seq, d_model])
        };
        let mut x = pass.tokens.embed(&self.embeddings) + rows(&self.positions, &pass.positions);
        let scale = (d_head as f32).sqrt().recip();
        let shape = AttentionShape { n_heads, n_kv_heads, d_head, scale, causal: true, is_cross: false, softcap: None };
        for (index, layer) in self.layers.iter().enumerate() {
            let qkv = layer.qkv.forward(x.clone().tanh());
            x = x + layer.out.forward(pass.attention(index, qkv, &shape, None));
            x = x.clone() + layer.down.forward(layer.up.forward(x).tanh());
        }
        x
    }

    fn head(&self) -> &FrozenMatrix {
        &self.embeddings
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.embeddings
    }
}
