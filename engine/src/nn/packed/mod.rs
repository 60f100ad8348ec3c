//! Matrices in blocks of few bits: what a block holds, how its numbers are read, how numbers are put into blocks.
//!
//! A block is a run of numbers of one row with scales of their own. Layouts are those of ggml
//! (ggml-org/ggml: src/ggml-common.h) and of bitsandbytes' NF4.

mod backend;
mod block_type;
mod blocks_of_256;
mod blocks_of_32;
mod layout;
mod matrix;
pub(in crate::nn) mod nf4;
mod ops;
mod pack;
mod parts;
mod quantization;
mod scale;
mod shape;
mod simd;
#[cfg(test)]
mod tests;
mod weight;

pub(super) use backend::{PackedBackend, Side};
pub use block_type::BlockType;
pub(super) use layout::{Layout, unpack, with_layout};
pub(super) use matrix::PackedMatrix;
pub(super) use parts::{PackedPart, PackedParts};
pub use quantization::{MatrixNumbers, Place, Quantization};
pub(super) use scale::f16_to_f32;
pub use shape::PackedShape;
pub(super) use simd::{LANES, Portable, Simd};
pub use weight::PackedWeight;

/// The kinds as types, for [`layout::with_layout`].
pub(in crate::nn) mod layouts {
    pub(in crate::nn) use super::blocks_of_32::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
    pub(in crate::nn) use super::blocks_of_256::{Q4K, Q5K, Q6K};
    pub(in crate::nn) use super::nf4::Nf4;
}
