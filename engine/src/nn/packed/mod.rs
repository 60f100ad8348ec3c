//! Matrices in blocks of few bits: what a block holds, how its numbers are read, how numbers are put into blocks.
//!
//! A block is a run of numbers of one row with scales of their own. Layouts are those of ggml
//! (ggml-org/ggml: src/ggml-common.h) and of bitsandbytes' NF4.

mod block_type;
mod shape;

pub use block_type::BlockType;
pub use shape::PackedShape;
