//! Operations that all models must agree on, and where the time goes: the frozen linear layer, attention over past and
//! text, norms, rotary positions, activations, the loss at the labels and the optimizer's step.
//!
//! The base model is frozen, so each operation has a backward of its own that saves and computes only what the
//! gradient of an activation or of a prefix needs. Three layers, from the outside in:
//!
//! 1. the public functions of this module, over `Tensor`s of any device, tracked or not;
//! 2. `ops`: where a call enters burn's backends, and where autodiff learns the backward of each operation;
//! 3. `kernels`: forward and backward on plain tensors: `composed` from burn's own operations (GPUs, with fusion),
//!    or written by hand (`cpu`; `gpu` for matrices that are kept packed).
//!
//! Weights are constants unless they are tracked, as in full fine-tuning: then the composed operation runs under burn's
//! own autodiff, which gives the gradients of the weights too. What is never trained (angles, masks) must not be tracked.

mod activation;
mod adamw;
mod alibi;
mod attention;
mod composed;
mod context;
mod cpu;
mod cross_entropy;
mod distances;
mod frequencies;
mod gpu;
mod half_matmul;
mod head;
mod host;
mod kernels;
mod layer_norm;
mod linear;
mod mask;
mod matrix;
mod ops;
mod packed;
mod pattern;
pub mod positions;
mod precision;
mod qk_norm;
mod relative_bias;
mod rms_norm;
mod rotary;
mod sinusoids;
#[cfg(test)]
mod tests;
mod window;

pub use activation::{Activation, activation, gated};
pub use adamw::{AdamW, adamw_step};
pub use alibi::Alibi;
pub use attention::{AttentionShape, LayerKv, MASK_VALUE, attention, past_length};
pub use context::{ContextRows, ContextTokens, TextParts};
pub(crate) use cpu::multiplies_bf16;
pub use cpu::release_buffers;
pub use cross_entropy::cross_entropy_at_labels;
pub use distances::{Distances, by_pair};
pub use frequencies::{Frequencies, FrequencyKind};
pub use head::{Head, head_logits};
pub use host::floats;
pub use layer_norm::LayerNorm;
pub use linear::{Dropout, FrozenLinear, LowRank, embed};
pub use mask::{AttentionMask, PrefixColumns};
pub use matrix::FrozenMatrix;
pub(crate) use packed::nf4::QUANTILES as NF4_QUANTILES;
pub use packed::{BlockType, MatrixNumbers, PackedShape, PackedWeight, Place, Quantization};
pub use pattern::{attention_pattern, keys_and_values, mixed_by, queries, with_keys_and_values, with_queries};
pub use precision::Precision;
pub use qk_norm::QkNorm;
pub use relative_bias::RelativeBias;
pub use rms_norm::RmsNorm;
pub use rotary::{Angles, Rotary};
pub use sinusoids::sinusoids;
pub use window::SlidingWindow;
