//! Attention step by step, for hooks that look at its pattern or put another in its place. Without one
//! [`attention`](super::attention()) does it in one operation, which keeps no pattern.

use burn::tensor::{Int, Tensor};

use super::attention::{AttentionShape, LayerKv, MASK_VALUE};

/// The keys and values in the output of a fused projection.
///
/// # Shapes
/// - `qkv`: `[batch, seq, (n_heads + 2 * n_kv_heads) * d_head]`
/// - each result: `[batch, n_kv_heads, seq, d_head]`
pub fn keys_and_values(qkv: &Tensor<3>, shape: &AttentionShape) -> LayerKv {
    let AttentionShape { n_heads, n_kv_heads, d_head, .. } = *shape;
    LayerKv {
        key: heads(qkv, n_heads, n_kv_heads, d_head),
        value: heads(qkv, n_heads + n_kv_heads, n_kv_heads, d_head),
    }
}

/// The queries in the output of a fused projection, times the factor on the scores, `[batch, n_heads, seq, d_head]`.
pub fn queries(qkv: &Tensor<3>, shape: &AttentionShape) -> Tensor<4> {
    heads(qkv, 0, shape.n_heads, shape.d_head) * shape.scale
}

/// The output of a fused projection with other queries in it, which have the factor on the scores.
pub fn with_queries(qkv: &Tensor<3>, queries: Tensor<4>, shape: &AttentionShape) -> Tensor<3> {
    let [batch, seq, width] = qkv.dims();
    let n = shape.n_heads * shape.d_head;
    let queries = (queries / shape.scale).swap_dims(1, 2).reshape([batch, seq, n]);
    if n == width { queries } else { Tensor::cat(vec![queries, qkv.clone().slice([0..batch, 0..seq, n..width])], 2) }
}

/// The output of a fused projection with other keys and values in it.
pub fn with_keys_and_values(qkv: &Tensor<3>, kv: LayerKv, shape: &AttentionShape) -> Tensor<3> {
    let [batch, seq, _] = qkv.dims();
    let flat = |x: Tensor<4>| x.swap_dims(1, 2).reshape([batch, seq, shape.n_kv_heads * shape.d_head]);
    let queries = qkv.clone().slice([0..batch, 0..seq, 0..shape.n_heads * shape.d_head]);
    Tensor::cat(vec![queries, flat(kv.key), flat(kv.value)], 2)
}

/// The probabilities with which each query looks at each key, those of the past first. Arguments as for
/// [`attention`](super::attention()); the row of a query that sees no key is all zeros.
///
/// # Shapes
/// - returns `[batch, n_heads, seq, kv]`
pub fn attention_pattern(
    qkv: &Tensor<3>,
    past: Option<&LayerKv>,
    key_mask: Option<&Tensor<2>>,
    bias: Option<&Tensor<4>>,
    shape: &AttentionShape,
) -> Tensor<4> {
    let mut scores = queries(qkv, shape).matmul(seen(qkv, past, shape).key.swap_dims(2, 3)); // [batch, n_heads, seq, kv]
    if let Some(cap) = shape.softcap {
        scores = (scores / cap).tanh() * cap;
    }
    if let Some(bias) = bias {
        scores = scores + bias.clone();
    }
    match visible(scores.dims(), key_mask, shape.causal, scores.device()) {
        Some(visible) => softmax(scores + (visible.clone() - 1.0) * -MASK_VALUE) * visible,
        None => softmax(scores),
    }
}

/// Shares of the last axis. Burn's own function has a kernel apart where nothing is recorded, with other last bits: blocks that
/// are run again for their gradients would begin with other numbers.
fn softmax(scores: Tensor<4>) -> Tensor<4> {
    let largest = scores.clone().detach().max_dim(3);
    let shares = (scores - largest).exp();
    let sum = shares.clone().sum_dim(3);
    shares / sum
}

/// Values mixed by a pattern, `[batch, seq, n_heads * d_head]`.
pub fn mixed_by(pattern: Tensor<4>, qkv: &Tensor<3>, past: Option<&LayerKv>, shape: &AttentionShape) -> Tensor<3> {
    let [batch, seq, _] = qkv.dims();
    let mixed = pattern.matmul(seen(qkv, past, shape).value); // [batch, n_heads, seq, d_head]
    mixed.swap_dims(1, 2).reshape([batch, seq, shape.n_heads * shape.d_head])
}

/// Some of the heads that stand side by side in a projection, `[batch, n, seq, d_head]`.
fn heads(qkv: &Tensor<3>, first: usize, n: usize, d_head: usize) -> Tensor<4> {
    let [batch, seq, _] = qkv.dims();
    let part = qkv.clone().slice([0..batch, 0..seq, first * d_head..(first + n) * d_head]);
    part.reshape([batch, seq, n, d_head]).swap_dims(1, 2)
}

/// Keys and values of the past, then of the text, one for each head of the query, `[batch, n_heads, kv, d_head]`.
fn seen(qkv: &Tensor<3>, past: Option<&LayerKv>, shape: &AttentionShape) -> LayerKv {
    let [batch, ..] = qkv.dims();
    let text = (!shape.is_cross).then(|| keys_and_values(qkv, shape));
    let all = |part: fn(&LayerKv) -> &Tensor<4>| {
        let past = past.map(part).filter(|past| past.dims()[2] > 0).map(|past| {
            let [_, n_kv_heads, n_past, d_head] = past.dims();
            past.clone().expand([batch, n_kv_heads, n_past, d_head])
        });
        let text = text.as_ref().map(|text| part(text).clone());
        let both = Tensor::cat(past.into_iter().chain(text).collect(), 2);
        let [_, n_kv_heads, kv, d_head] = both.dims();
        let shared = both.unsqueeze_dim::<5>(2).expand([batch, n_kv_heads, shape.n_heads / n_kv_heads, kv, d_head]);
        shared.reshape([batch, shape.n_heads, kv, d_head])
    };
    LayerKv { key: all(|kv| &kv.key), value: all(|kv| &kv.value) }
}

/// 1 where a query may see a key and 0 elsewhere, `[1 or batch, 1, 1 or seq, kv]`; `None`: everywhere.
fn visible(
    [batch, _, seq, kv]: [usize; 4],
    key_mask: Option<&Tensor<2>>,
    causal: bool,
    device: burn::tensor::Device,
) -> Option<Tensor<4>> {
    let masked = key_mask.map(|mask| mask.clone().reshape([batch, 1, 1, kv]));
    if !causal || seq == 1 {
        return masked;
    }
    let counted = |from: usize, to: usize| Tensor::<1, Int>::arange(from as i64..to as i64, &device).float();
    // The query at column c sees the keys before c + 1; the difference is 1 or more exactly there.
    let first_hidden = counted(kv - seq + 1, kv + 1).reshape([1, 1, seq, 1]);
    let causal = (first_hidden - counted(0, kv).reshape([1, 1, 1, kv])).clamp(0.0, 1.0);
    Some(match masked {
        Some(masked) => causal * masked,
        None => causal,
    })
}
