//! Rotary positions: queries and keys turned by angles that grow with the position.
//!
//! The convention is that of transformers (`rotate_half`): of each head the first `d_rotary` numbers are turned, number
//! `i` with number `i + d_rotary / 2`, unless it is said that neighbors turn together. Keys of a prefix are used as
//! stored and never pass through here.
//! huggingface/transformers: src/transformers/models/llama/modeling_llama.py.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::ops::FrozenOps;

/// The part of a fused projection that is turned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RotaryShape {
    /// Heads from the left: those of queries and keys.
    pub(super) n_heads: usize,
    /// Width of a head.
    pub(super) d_head: usize,
    /// Whether a pair is two neighbors instead of two numbers half a rotary width apart.
    pub(super) neighbors: bool,
    /// Numbers at the beginning of each head that stay.
    pub(super) first: usize,
}

/// Frequencies by which pairs of numbers turn, and the heads that do.
#[derive(Clone, Debug)]
pub struct Rotary {
    frequencies: Tensor<1>,
    shape: RotaryShape,
}

/// The angles of a batch; every layer uses the same.
#[derive(Clone, Debug)]
pub struct Angles {
    cos: Tensor<3>,
    sin: Tensor<3>,
}

impl Rotary {
    /// Turns the first `n_heads` heads of width `d_head` by `position * frequencies[i]`; there are `d_rotary / 2`
    /// frequencies.
    pub fn new(frequencies: Vec<f32>, n_heads: usize, d_head: usize, device: &Device) -> Self {
        assert!(2 * frequencies.len() <= d_head, "no more than a whole head is turned");
        let n = frequencies.len();
        let frequencies = Tensor::from_data(TensorData::new(frequencies, [n]), device);
        Self { frequencies, shape: RotaryShape { n_heads, d_head, neighbors: false, first: 0 } }
    }

    /// Turns number `2i` with number `2i + 1`, as GLM does.
    pub fn of_neighbors(mut self) -> Self {
        self.shape.neighbors = true;
        self
    }

    /// Turns the numbers of each head from `first` on instead of its first ones.
    pub fn from_number(mut self, first: usize) -> Self {
        let [half] = self.frequencies.dims();
        assert!(first + 2 * half <= self.shape.d_head, "no more than a whole head is turned");
        self.shape.first = first;
        self
    }

    /// The angles of `positions`, `[batch, seq]`.
    pub fn angles(&self, positions: Tensor<2, Int>) -> Angles {
        let angles = positions.float().unsqueeze_dim::<3>(2) * self.frequencies.clone().unsqueeze::<3>();
        Angles { cos: angles.clone().cos(), sin: angles.sin() }
    }

    /// # Shapes
    /// - `x`: `[batch, seq, heads * d_head]` with at least as many heads as are turned; the others stay
    /// - returns `[batch, seq, heads * d_head]`
    pub fn forward(&self, x: Tensor<3>, angles: &Angles) -> Tensor<3> {
        let (cos, sin) = (angles.cos.clone().into_dispatch(), angles.sin.clone().into_dispatch());
        Tensor::from_dispatch(Dispatch::rotary(x.into_dispatch(), cos, sin, self.shape.clone()))
    }
}
