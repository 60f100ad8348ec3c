//! LoRA: trained matrices of low rank beside linear layers, embeddings and heads of the frozen model, and rows for single
//! tokens.
//! Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
//! Names and scales as in huggingface/peft: src/peft/tuners/lora/layer.py.

pub(crate) mod patterns;

mod init;
mod names;
mod on_base;
mod residual;
mod spec;
mod state;
mod trained;

pub use self::names::{ALL_LINEAR, is_of_a_head, last_names};
pub use self::residual::Residual;
pub use self::spec::{LoraLayer, LoraSpec, TokenTable};
pub use self::state::{LoraMatrices, LoraState, TokenRows};
pub use self::trained::Lora;

/// The rows of a matrix as columns.
pub(crate) fn transposed(matrix: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}
