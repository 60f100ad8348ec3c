//! A head in training: it names the class of a text or a token, from what the frozen model makes of it.

mod state;

use std::ops::Range;

use burn::tensor::Device;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

pub use self::state::HeadState;
use crate::adapters::NamedTensor;
use crate::adapters::parameters::{Parameter, Trainables};
use crate::models::{ClassHead, HeadKind};
use crate::random::normal;

/// The sizes of a head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadShape {
    /// Its layers.
    pub kind: HeadKind,
    /// Width of what it reads.
    pub d_model: usize,
    /// Classes.
    pub n_classes: usize,
    /// Where those of each of several datasets begin and end: a linear classifier for each, as in P-tuning v2 (Liu et al.
    /// 2022), in one matrix. The layer below it, where the kind has one, is shared. Empty: all rows have all classes.
    pub blocks: Vec<Range<usize>>,
}

impl HeadShape {
    /// Names and shapes of what is trained.
    pub fn parameter_shapes(&self) -> Vec<(&'static str, Vec<usize>)> {
        self.kind.parameter_shapes(self.d_model, self.n_classes)
    }

    /// Numbers that are trained, and kept.
    pub fn count(&self) -> usize {
        self.parameter_shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }
}

/// A head with the parameters it has now.
pub struct Head {
    /// Its sizes.
    pub shape: HeadShape,
    /// In the order of [`HeadShape::parameter_shapes`].
    pub parameters: Vec<Parameter>,
}

/// The stream of the seed that heads are drawn from, apart from the prefix's.
const STREAM: u64 = 1 << 40;

impl Head {
    /// As transformers draws a fresh head: weights N(0, `deviation`²), biases 0.
    pub fn fresh(shape: HeadShape, deviation: f64, device: &Device, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        let drawn = |(name, dims): (&'static str, Vec<usize>)| {
            let n = dims.iter().product();
            let is_bias = dims.len() == 1;
            let value = |_| if is_bias { 0.0 } else { normal(&mut random) * deviation as f32 };
            let values = (0..n).map(value).collect();
            Parameter::new(name, dims, values, device)
        };
        let parameters = shape.parameter_shapes().into_iter().map(drawn).collect();
        Self { shape, parameters }
    }

    /// With the weights of a trained one, in the order of [`HeadShape::parameter_shapes`].
    pub fn given(shape: HeadShape, weights: Vec<NamedTensor>, device: &Device) -> Self {
        let known = |(name, dims, values): NamedTensor| Parameter::new(name, dims, values, device);
        Self { shape, parameters: weights.into_iter().map(known).collect() }
    }

    /// As it is used with these leaves.
    pub fn with(&self, leaves: &Trainables) -> ClassHead {
        let HeadShape { kind, n_classes, ref blocks, .. } = self.shape;
        let weights = self.parameters.iter().enumerate();
        let weights = weights.map(|(i, p)| leaves.shaped(i, [p.shape.iter().product()])).collect();
        ClassHead { kind, n_classes, weights, blocks: blocks.clone() }
    }
}
