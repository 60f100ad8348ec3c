//! Attention composed from burn's operations. The query heads that share a key head are stacked along the rows, so
//! that grouped heads need no copies of keys and values.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{DType, IntDType, Shape, Slice};

use super::softcap::{cap_slope, capped};
use crate::nn::kernels::AttentionInputs;

/// The sizes that the reshapes below speak of.
struct Sizes {
    batch: usize,
    seq: usize,
    n_past: usize,
    /// Keys of the text.
    n_text: usize,
    n_heads: usize,
    n_kv_heads: usize,
    d_head: usize,
}

impl Sizes {
    fn of<B: Backend>(inputs: &AttentionInputs<B>) -> Self {
        let [batch, seq, _] = inputs.qkv.shape().dims();
        let n_past = inputs.past.as_ref().map_or(0, |(key, _)| {
            let [_, _, n_past, _] = key.shape().dims();
            n_past
        });
        Self {
            batch,
            seq,
            n_past,
            n_text: inputs.shape.n_text(seq),
            n_heads: inputs.shape.n_heads,
            n_kv_heads: inputs.shape.n_kv_heads,
            d_head: inputs.shape.d_head,
        }
    }

    fn kv(&self) -> usize {
        self.n_past + self.n_text
    }

    /// Query rows that share one key head.
    fn rows(&self) -> usize {
        self.n_heads / self.n_kv_heads * self.seq
    }
}

/// Query in groups `[batch, n_kv_heads, rows, d_head]`; key and value `[batch, n_kv_heads, kv, d_head]`.
struct Split<B: Backend> {
    query: FloatTensor<B>,
    key: FloatTensor<B>,
    value: FloatTensor<B>,
}

pub(in crate::nn) fn attention<B: Backend>(inputs: &AttentionInputs<B>) -> (FloatTensor<B>, FloatTensor<B>) {
    let sizes = Sizes::of(inputs);
    let Split { query, key, value } = split(inputs, &sizes);
    let visible = visibility(inputs, &sizes);
    let scores = capped_scores(inputs, &sizes, query, key);
    let scores = hidden_scores(inputs, scores, visible.as_ref());
    let max = B::float_max_dim(scores.clone(), 3); // [batch, n_heads, seq, 1]
    let pattern = only::<B>(B::float_exp(B::float_sub(scores, max.clone())), visible);
    // Where anything is seen the sum is at least 1, the term of the maximum.
    let sum = B::float_clamp_min(B::float_sum_dim(pattern.clone(), 3), 0.5.into());
    let log_sum_exp = B::float_add(B::float_log(sum.clone()), max);
    let pattern = B::float_div(pattern, sum);
    let output = B::float_matmul(grouped::<B>(pattern, &sizes), value);
    (
        merge_heads::<B>(output, sizes.n_heads, &sizes),
        B::float_reshape(log_sum_exp, Shape::new([sizes.batch, sizes.n_heads, sizes.seq])),
    )
}

pub(in crate::nn) fn attention_backward<B: Backend>(
    grad: FloatTensor<B>,
    inputs: &AttentionInputs<B>,
    output: FloatTensor<B>,
    log_sum_exp: FloatTensor<B>,
    wanted: [bool; 3],
) -> [Option<FloatTensor<B>>; 3] {
    let sizes = Sizes::of(inputs);
    let Split { query, key, value } = split(inputs, &sizes);
    let visible = visibility(inputs, &sizes);
    let per_query = Shape::new([sizes.batch, sizes.n_heads, sizes.seq, 1]);
    let log_sum_exp = B::float_reshape(log_sum_exp, per_query.clone());
    let scores = capped_scores(inputs, &sizes, query.clone(), key.clone());
    let slope = inputs.shape.softcap.map(|cap| cap_slope::<B>(scores.clone(), cap));
    let scores = hidden_scores(inputs, scores, visible.as_ref());
    let pattern = only::<B>(B::float_exp(B::float_sub(scores, log_sum_exp)), visible);

    let grad = split_heads::<B>(grad, sizes.n_heads, &sizes); // [batch, n_heads, seq, d_head]
    let output = split_heads::<B>(output, sizes.n_heads, &sizes);
    let mean = B::float_sum_dim(B::float_mul(grad.clone(), output), 3); // [batch, n_heads, seq, 1]
    let grad = grouped::<B>(grad, &sizes);
    let d_pattern = ungrouped::<B>(B::float_matmul(grad.clone(), B::float_transpose(value)), &sizes);
    let d_scores = B::float_mul(pattern.clone(), B::float_sub(d_pattern, mean));
    let d_scores = match slope {
        Some(slope) => B::float_mul(d_scores, slope),
        None => d_scores,
    };
    let d_scores = B::float_mul_scalar(d_scores, inputs.shape.scale.into());
    let d_scores = grouped::<B>(d_scores, &sizes);

    let d_key = || B::float_matmul(B::float_transpose(d_scores.clone()), query.clone());
    let d_value = || {
        let pattern = grouped::<B>(pattern.clone(), &sizes);
        B::float_matmul(B::float_transpose(pattern), grad.clone())
    };
    let [want_qkv, want_key, want_value] = wanted;
    let d_key = (want_qkv || want_key).then(d_key);
    let d_value = (want_qkv || want_value).then(d_value);
    let past = |full: &Option<FloatTensor<B>>, wanted: bool| {
        let full = full.clone().filter(|_| wanted)?;
        Some(past_part::<B>(full, inputs, &sizes))
    };
    let past_key = past(&d_key, want_key);
    let past_value = past(&d_value, want_value);
    let d_qkv = match (want_qkv, d_key, d_value) {
        (true, Some(d_key), Some(d_value)) => {
            let d_query = ungrouped::<B>(B::float_matmul(d_scores, key), &sizes);
            let d_query = merge_heads::<B>(d_query, sizes.n_heads, &sizes);
            Some(if sizes.n_text == 0 {
                d_query
            } else {
                let text = |d: FloatTensor<B>| merge_heads::<B>(text_part::<B>(d, &sizes), sizes.n_kv_heads, &sizes);
                B::float_cat(vec![d_query, text(d_key), text(d_value)], 2)
            })
        }
        _ => None,
    };
    [d_qkv, past_key, past_value]
}

fn split<B: Backend>(inputs: &AttentionInputs<B>, sizes: &Sizes) -> Split<B> {
    let width = |heads: usize| heads * sizes.d_head;
    let part = |start: usize, heads: usize| {
        let columns = Slice::from(start..start + width(heads));
        let part = B::float_slice(inputs.qkv.clone(), &[Slice::full(), Slice::full(), columns]);
        split_heads::<B>(part, heads, sizes)
    };
    let query = grouped::<B>(part(0, sizes.n_heads), sizes);
    let whole = |past: &FloatTensor<B>| {
        let shape = [sizes.batch, sizes.n_kv_heads, sizes.n_past, sizes.d_head];
        B::float_expand(past.clone(), Shape::new(shape))
    };
    if sizes.n_text == 0 {
        let (key, value) = inputs.past.as_ref().expect("without keys of its own a text has a past");
        return Split { query, key: whole(key), value: whole(value) };
    }
    let key = part(width(sizes.n_heads), sizes.n_kv_heads);
    let value = part(width(sizes.n_heads + sizes.n_kv_heads), sizes.n_kv_heads);
    let after = |past: &FloatTensor<B>, text: FloatTensor<B>| B::float_cat(vec![whole(past), text], 2);
    let (key, value) = match &inputs.past {
        Some((past_key, past_value)) => (after(past_key, key), after(past_value, value)),
        None => (key, value),
    };
    Split { query, key, value }
}

/// 1 where a query may see a key and 0 elsewhere, `[1 or batch, 1, 1 or seq, kv]`; `None`: everywhere.
fn visibility<B: Backend>(inputs: &AttentionInputs<B>, sizes: &Sizes) -> Option<FloatTensor<B>> {
    let kv = sizes.kv();
    let masked =
        inputs.key_mask.as_ref().map(|mask| B::float_reshape(mask.clone(), Shape::new([sizes.batch, 1, 1, kv])));
    if !inputs.shape.causal || sizes.seq == 1 {
        return masked;
    }
    let (device, dtype) = (inputs.qkv.device(), inputs.qkv.dtype());
    let counted = |from: usize, to: usize| {
        let numbers = B::int_arange(from as i64..to as i64, &device, IntDType::I32);
        B::int_into_float(numbers, dtype.into())
    };
    // Query i sees the keys before n_past + i + 1; the difference is 1 or more exactly there.
    let first_hidden = B::float_reshape(counted(sizes.n_past + 1, kv + 1), Shape::new([1, 1, sizes.seq, 1]));
    let key = B::float_reshape(counted(0, kv), Shape::new([1, 1, 1, kv]));
    let causal = B::float_clamp(B::float_sub(first_hidden, key), 0.0.into(), 1.0.into());
    Some(match masked {
        Some(masked) => B::float_mul(causal, masked),
        None => causal,
    })
}

/// Scaled scores within their bounds, `[batch, n_heads, seq, kv]`.
fn capped_scores<B: Backend>(
    inputs: &AttentionInputs<B>,
    sizes: &Sizes,
    query: FloatTensor<B>,
    key: FloatTensor<B>,
) -> FloatTensor<B> {
    let query = B::float_mul_scalar(query, inputs.shape.scale.into());
    let scores = ungrouped::<B>(B::float_matmul(query, B::float_transpose(key)), sizes);
    match inputs.shape.softcap {
        Some(cap) => capped::<B>(scores, cap),
        None => scores,
    }
}

/// Scores with their bias, far below all others where a key is hidden.
fn hidden_scores<B: Backend>(
    inputs: &AttentionInputs<B>,
    scores: FloatTensor<B>,
    visible: Option<&FloatTensor<B>>,
) -> FloatTensor<B> {
    let scores = match &inputs.bias {
        Some(bias) => B::float_add(scores, bias.clone()),
        None => scores,
    };
    let Some(visible) = visible else {
        return scores;
    };
    let far: f64 = if scores.dtype() == DType::F16 { 3e4 } else { 1e30 };
    let penalty = B::float_mul_scalar(B::float_sub_scalar(visible.clone(), 1.0.into()), far.into());
    B::float_add(scores, penalty)
}

/// Zero at hidden keys, also for a query that sees none.
fn only<B: Backend>(pattern: FloatTensor<B>, visible: Option<FloatTensor<B>>) -> FloatTensor<B> {
    match visible {
        Some(visible) => B::float_mul(pattern, visible),
        None => pattern,
    }
}

/// `[batch, seq, heads * d_head]` to `[batch, heads, seq, d_head]`
fn split_heads<B: Backend>(x: FloatTensor<B>, heads: usize, sizes: &Sizes) -> FloatTensor<B> {
    let shape = Shape::new([sizes.batch, sizes.seq, heads, sizes.d_head]);
    B::float_swap_dims(B::float_reshape(x, shape), 1, 2)
}

/// `[batch, heads, seq, d_head]`, grouped or not, to `[batch, seq, heads * d_head]`
fn merge_heads<B: Backend>(x: FloatTensor<B>, heads: usize, sizes: &Sizes) -> FloatTensor<B> {
    let x = B::float_reshape(x, Shape::new([sizes.batch, heads, sizes.seq, sizes.d_head]));
    let x = B::float_swap_dims(x, 1, 2);
    B::float_reshape(x, Shape::new([sizes.batch, sizes.seq, heads * sizes.d_head]))
}

/// `[batch, n_heads, seq, last]` to `[batch, n_kv_heads, rows, last]`
fn grouped<B: Backend>(x: FloatTensor<B>, sizes: &Sizes) -> FloatTensor<B> {
    let [_, _, _, last] = x.shape().dims();
    B::float_reshape(x, Shape::new([sizes.batch, sizes.n_kv_heads, sizes.rows(), last]))
}

/// `[batch, n_kv_heads, rows, last]` to `[batch, n_heads, seq, last]`
fn ungrouped<B: Backend>(x: FloatTensor<B>, sizes: &Sizes) -> FloatTensor<B> {
    let [_, _, _, last] = x.shape().dims();
    B::float_reshape(x, Shape::new([sizes.batch, sizes.n_heads, sizes.seq, last]))
}

fn text_part<B: Backend>(full: FloatTensor<B>, sizes: &Sizes) -> FloatTensor<B> {
    let text = Slice::from(sizes.n_past..sizes.kv());
    B::float_slice(full, &[Slice::full(), Slice::full(), text, Slice::full()])
}

/// The past's share of a gradient, summed over the batch where the batch shares it.
fn past_part<B: Backend>(full: FloatTensor<B>, inputs: &AttentionInputs<B>, sizes: &Sizes) -> FloatTensor<B> {
    let past = Slice::from(0..sizes.n_past);
    let part = B::float_slice(full, &[Slice::full(), Slice::full(), past, Slice::full()]);
    let shared = inputs.past.as_ref().is_some_and(|(key, _)| {
        let [past_batch, ..]: [usize; 4] = key.shape().dims();
        past_batch == 1
    });
    if shared && sizes.batch > 1 { B::float_sum_dim(part, 0) } else { part }
}
