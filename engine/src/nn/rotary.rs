//! Rotary positions: queries and keys turned by angles that grow with the position.
//!
//! The convention is that of transformers (`rotate_half`): of each head the first `d_rotary` numbers are turned, number
//! `i` with number `i + d_rotary / 2`, unless it is said that neighbors turn together. Keys of a prefix are used as
//! stored and never pass through here.
//! huggingface/transformers: src/transformers/models/llama/modeling_llama.py.

use burn::backend::Dispatch;
use burn::tensor::{Device, Int, Tensor};

use super::frequencies::{Frequencies, OnDevice};
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
    frequencies: OnDevice,
    attention_factor: f32,
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
    pub fn new(frequencies: impl Into<Frequencies>, n_heads: usize, d_head: usize, device: &Device) -> Self {
        let Frequencies { kind, attention_factor } = frequencies.into();
        assert!(2 * kind.n_pairs() <= d_head, "no more than a whole head is turned");
        let frequencies = kind.on_device(device);
        Self { frequencies, attention_factor, shape: RotaryShape { n_heads, d_head, neighbors: false, first: 0 } }
    }

    /// Turns number `2i` with number `2i + 1`, as GLM does.
    pub fn of_neighbors(mut self) -> Self {
        self.shape.neighbors = true;
        self
    }

    /// Turns the numbers of each head from `first` on instead of its first ones.
    pub fn from_number(mut self, first: usize) -> Self {
        let half = self.frequencies.n_pairs();
        assert!(first + 2 * half <= self.shape.d_head, "no more than a whole head is turned");
        self.shape.first = first;
        self
    }

    /// The length beyond which a text turns by other frequencies, where there are two sets of them.
    pub fn original_length(&self) -> Option<usize> {
        self.frequencies.original_length()
    }

    /// Whether a text turns by other frequencies than a longer one.
    pub fn depends_on_length(&self) -> bool {
        !self.frequencies.is_fixed()
    }

    /// The angles of `positions`, `[batch, seq]`.
    pub fn angles(&self, positions: Tensor<2, Int>) -> Angles {
        let angles = self.frequencies.angles(positions.float()); // [batch, seq, n_pairs]
        let scaled = |x: Tensor<3>| if self.attention_factor == 1.0 { x } else { x * self.attention_factor };
        Angles { cos: scaled(angles.clone().cos()), sin: scaled(angles.sin()) }
    }

    /// # Shapes
    /// - `x`: `[batch, seq, heads * d_head]` with at least as many heads as are turned; the others stay
    /// - returns `[batch, seq, heads * d_head]`
    pub fn forward(&self, x: Tensor<3>, angles: &Angles) -> Tensor<3> {
        let (cos, sin) = (angles.cos.clone().into_dispatch(), angles.sin.clone().into_dispatch());
        Tensor::from_dispatch(Dispatch::rotary(x.into_dispatch(), cos, sin, self.shape.clone()))
    }
}
