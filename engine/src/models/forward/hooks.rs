//! Hooks of a forward pass: what sees an activation of a block, and may put another in its place.
//!
//! Names are those of TransformerLensOrg/TransformerLens: transformer_lens/components/{transformer_block,t5_block}.py.
//! The residual stream of a block that norms last is hooked behind its norm, as `hidden_states` of transformers has it
//! (`hook_normalized_resid_post` there).

use std::fmt;

use burn::tensor::Tensor;

/// An activation of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookName {
    /// The residual stream that enters the block, `[batch, seq, d_model]`.
    ResidPre,
    /// Queries as attention compares them, rotated where the architecture does and times the factor on the scores (`hook_rot_q`
    /// there is without the factor), `[batch, n_heads, seq, d_head]`.
    Q,
    /// Keys of the text as attention compares them, rotated where the architecture does (`hook_rot_k` there),
    /// `[batch, n_kv_heads, seq, d_head]`.
    K,
    /// Values of the text, `[batch, n_kv_heads, seq, d_head]`.
    V,
    /// Probabilities behind the softmax, `[batch, n_heads, seq, kv]`: columns of a prefix or a cache, then the text's.
    Pattern,
    /// Attention's contribution to the stream, `[batch, seq, d_model]`.
    AttnOut,
    /// Keys of cross-attention, `[batch, n_heads, n_virtual + source, d_head]`.
    CrossK,
    /// Values of cross-attention, `[batch, n_heads, n_virtual + source, d_head]`.
    CrossV,
    /// Probabilities of cross-attention, `[batch, n_heads, seq, n_virtual + source]`.
    CrossPattern,
    /// Cross-attention's contribution to the stream, `[batch, seq, d_model]`.
    CrossAttnOut,
    /// The feed-forward layer's contribution to the stream, `[batch, seq, d_model]`.
    MlpOut,
    /// The residual stream that leaves the block, `[batch, seq, d_model]`.
    ResidPost,
}

impl HookName {
    /// Every activation, in the order in which a block makes them.
    pub const ALL: [Self; 12] = [
        Self::ResidPre,
        Self::Q,
        Self::K,
        Self::V,
        Self::Pattern,
        Self::AttnOut,
        Self::CrossK,
        Self::CrossV,
        Self::CrossPattern,
        Self::CrossAttnOut,
        Self::MlpOut,
        Self::ResidPost,
    ];

    fn within_block(self) -> &'static str {
        match self {
            Self::ResidPre => "hook_resid_pre",
            Self::Q => "attn.hook_q",
            Self::K => "attn.hook_k",
            Self::V => "attn.hook_v",
            Self::Pattern => "attn.hook_pattern",
            Self::AttnOut => "hook_attn_out",
            Self::CrossK => "cross_attn.hook_k",
            Self::CrossV => "cross_attn.hook_v",
            Self::CrossPattern => "cross_attn.hook_pattern",
            Self::CrossAttnOut => "hook_cross_attn_out",
            Self::MlpOut => "hook_mlp_out",
            Self::ResidPost => "hook_resid_post",
        }
    }
}

/// A stack of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StackName {
    /// The only one of a model.
    Blocks,
    /// The one that reads a source.
    Encoder,
    /// The one that writes a target behind a source.
    Decoder,
}

/// An activation of a pass; shown as TransformerLens names it, `blocks.3.attn.hook_pattern`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HookPoint {
    /// The stack.
    pub stack: StackName,
    /// Index of the block, counted from 0.
    pub layer: usize,
    /// The activation.
    pub name: HookName,
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stack = match self.stack {
            StackName::Blocks => "blocks",
            StackName::Encoder => "encoder",
            StackName::Decoder => "decoder",
        };
        write!(f, "{stack}.{}.{}", self.layer, self.name.within_block())
    }
}

/// Hears activations while a pass makes them. `None` leaves an activation as it is; what is given instead has its shape.
pub trait Hooks {
    /// Whether the activation is asked for. A pattern is made for those alone who ask.
    fn wants(&self, at: HookPoint) -> bool;

    /// An activation as wide as the stream, `[batch, seq, d_model]`.
    fn stream(&mut self, at: HookPoint, activation: &Tensor<3>) -> Option<Tensor<3>>;

    /// An activation by head: keys, values, a pattern.
    fn by_head(&mut self, at: HookPoint, activation: &Tensor<4>) -> Option<Tensor<4>>;
}
