//! Attention of a text over itself and over what comes before it: a trained prefix, a cache, or both; or over another
//! text alone.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use super::ops::{FrozenOps, Optional, Past};

/// Keys and values before the text in one layer.
///
/// # Shapes
/// - both: `[batch, n_kv_heads, n_past, d_head]`; a `batch` of 1 serves every text of the batch without a copy, and
///   its gradient is the sum over the batch.
#[derive(Clone, Debug)]
pub struct LayerKv {
    /// Keys, used as stored: never rotated.
    pub key: Tensor<4>,
    /// Values.
    pub value: Tensor<4>,
}

/// Columns before the text, the same in every layer.
pub fn past_length(past: Option<&[LayerKv]>) -> usize {
    past.and_then(<[LayerKv]>::first).map_or(0, |kv| kv.key.dims()[2])
}

/// Sizes of an attention layer, and how it scales and hides its scores.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionShape {
    /// Heads of the query.
    pub n_heads: usize,
    /// Heads of key and value; divides `n_heads`, and consecutive query heads share one.
    pub n_kv_heads: usize,
    /// Size of a head.
    pub d_head: usize,
    /// Factor on the scores, usually `1 / sqrt(d_head)`.
    pub scale: f32,
    /// Whether query `i` sees the text's keys `0..=i` only. It sees the past either way.
    pub causal: bool,
    /// Whether the queries see the past alone, and the text has no keys and values: cross-attention, whose past is what the
    /// encoder made.
    pub is_cross: bool,
    /// Bound of the scaled scores before a bias: `cap · tanh(score / cap)`.
    pub softcap: Option<f32>,
}

impl AttentionShape {
    /// Width of what the projections make of a text.
    pub fn width(&self) -> usize {
        let own = if self.is_cross { 0 } else { 2 * self.n_kv_heads };
        (self.n_heads + own) * self.d_head
    }

    /// Keys of a text with `seq` tokens.
    pub(crate) fn n_text(&self, seq: usize) -> usize {
        if self.is_cross { 0 } else { seq }
    }
}

/// In a bias: a key that is not to be seen. Finite, so that a query for which nothing is left makes no NaN.
pub const MASK_VALUE: f32 = -1e30;

/// Attention of every query over the past and the text.
///
/// The backward keeps `qkv`, the past, the output and one number per query (its log-sum-exp); the pattern is computed
/// again. Gradients reach `qkv`, `past.key` and `past.value`, each only when it is tracked. A query that sees no key
/// at all returns zeros.
///
/// # Shapes
/// - `qkv`: `[batch, seq, (n_heads + 2 * n_kv_heads) * d_head]`: queries, keys, values, each with heads outside; the
///   queries alone if the text has no keys of its own
/// - `key_mask`: `[batch, kv]`, 1.0 for a key that may be seen, 0.0 for one that may not; `None`: all may. `kv` is
///   `n_past + seq`, or `n_past` without own keys
/// - `bias`: `[1 or batch, 1 or n_heads, 1 or seq, kv]`, added to the scaled and capped scores: relative positions, ALiBi, a window
///   ([`MASK_VALUE`]). A constant
/// - returns `[batch, seq, n_heads * d_head]`
pub fn attention(
    qkv: Tensor<3>,
    past: Option<&LayerKv>,
    key_mask: Option<&Tensor<2>>,
    bias: Option<&Tensor<4>>,
    shape: &AttentionShape,
) -> Tensor<3> {
    let [batch, seq, width] = qkv.dims();
    assert_eq!(width, shape.width(), "the width of qkv is that of queries, keys and values");
    assert!(!(shape.is_cross && shape.causal), "only the keys of a text can be hidden from those before them");
    let past = past.filter(|past| past.key.dims()[2] > 0);
    let n_past = past.map_or(0, |past| {
        let [past_batch, n_kv_heads, n_past, d_head] = past.key.dims();
        assert_eq!(past.key.dims(), past.value.dims(), "a past key for every past value");
        assert!(
            (past_batch == 1 || past_batch == batch) && n_kv_heads == shape.n_kv_heads && d_head == shape.d_head,
            "the past is [1 or batch, n_kv_heads, n_past, d_head]"
        );
        n_past
    });
    let kv = n_past + shape.n_text(seq);
    if let Some(mask) = key_mask {
        assert_eq!(mask.dims(), [batch, kv], "the key mask is [batch, kv]");
    }
    if let Some(bias) = bias {
        let full = [batch, shape.n_heads, seq, kv];
        let fits = bias.dims().iter().zip(full).enumerate().all(|(axis, (&n, all))| n == all || (n == 1 && axis < 3));
        assert!(fits, "the bias is [1 or batch, 1 or n_heads, 1 or seq, kv]");
    }
    let optional = |tensor: Option<burn::backend::DispatchTensor>| match tensor {
        Some(tensor) => Optional::Some(tensor),
        None => Optional::None,
    };
    Tensor::from_dispatch(Dispatch::frozen_attention(
        qkv.into_dispatch(),
        match past {
            Some(past) => {
                Past::Some { key: past.key.clone().into_dispatch(), value: past.value.clone().into_dispatch() }
            }
            None => Past::None,
        },
        optional(key_mask.map(|mask| mask.clone().into_dispatch())),
        optional(bias.map(|bias| bias.clone().into_dispatch())),
        shape.clone(),
    ))
}
