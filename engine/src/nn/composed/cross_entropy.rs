//! The loss at the labels composed from burn's operations, in blocks of rows.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

use super::softcap::{cap_slope, capped};
use super::{like, product};
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::ops::FrozenOps;
use crate::nn::precision::Precision;

/// Logits that may exist at once: 64 MiB of them.
const MAX_LOGITS: usize = 1 << 24;

/// The matrix `[vocab_size, d_model]` of a head and its bias `[vocab_size]`.
type Parts<B> = (FloatTensor<B>, Option<FloatTensor<B>>);

pub(in crate::nn) fn cross_entropy_at_labels<B: FrozenOps>(
    hidden: FloatTensor<B>,
    (matrix, bias): Parts<B>,
    targets: IntTensor<B>,
    settings: HeadSettings,
    with_grad: bool,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let [n, _] = hidden.shape().dims();
    let [vocab_size, _] = matrix.shape().dims();
    // Widened once for all blocks, or left as it is.
    let matrix = if settings.precision == Precision::F32 { like::<B>(matrix, &hidden) } else { matrix };
    let rows = (MAX_LOGITS / vocab_size.max(1)).clamp(1, n.max(1));
    let (mut losses, mut grads) = (Vec::new(), Vec::new());
    for start in (0..n.max(1)).step_by(rows) {
        let block = Slice::from(start..(start + rows).min(n));
        let hidden = B::float_slice(hidden.clone(), &[block, Slice::full()]);
        let targets = B::int_slice(targets.clone(), &[block]);
        let (loss, grad) = label_nll_rows::<B>(hidden, (matrix.clone(), bias.clone()), targets, settings, with_grad);
        losses.push(loss);
        grads.extend(grad);
    }
    let grad = with_grad.then(|| joined::<B>(grads));
    (joined::<B>(losses), grad)
}

/// One block of rows, along the first axis.
fn joined<B: Backend>(mut blocks: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    if blocks.len() == 1 { blocks.remove(0) } else { B::float_cat(blocks, 0) }
}

fn label_nll_rows<B: FrozenOps>(
    hidden: FloatTensor<B>,
    (matrix, bias): Parts<B>,
    targets: IntTensor<B>,
    HeadSettings { precision, softcap }: HeadSettings,
    with_grad: bool,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let [n, _] = hidden.shape().dims();
    let [vocab_size, _] = matrix.shape().dims();
    let mut logits = product::<B>(hidden, B::float_transpose(matrix.clone()), precision); // [n, vocab_size]
    if let Some(bias) = bias {
        let bias = like::<B>(B::float_reshape(bias, Shape::new([1, vocab_size])), &logits);
        logits = B::float_add(logits, bias);
    }
    if let Some(cap) = softcap {
        logits = capped::<B>(logits, cap);
    }
    let column = B::int_reshape(targets.clone(), Shape::new([n, 1]));
    let at_target = B::float_gather(1, logits.clone(), column); // [n, 1]
    let max = B::float_max_dim(logits.clone(), 1);
    let exp = B::float_exp(B::float_sub(logits.clone(), max.clone()));
    let sum = B::float_sum_dim(exp.clone(), 1);
    let log_sum_exp = B::float_add(B::float_log(sum.clone()), max);
    let loss = B::float_reshape(B::float_sub(log_sum_exp, at_target.clone()), Shape::new([n]));
    let grad = with_grad.then(|| {
        let mut weights = B::float_div(exp, sum); // [n, vocab_size]
        if let Some(cap) = softcap {
            weights = B::float_mul(weights, cap_slope::<B>(logits, cap));
        }
        let expected = product::<B>(weights, matrix.clone(), precision); // [n, d_model]
        let mut of_target = like::<B>(B::float_select(matrix, 0, targets), &expected);
        if let Some(cap) = softcap {
            of_target = B::float_mul(of_target, cap_slope::<B>(at_target, cap));
        }
        B::float_sub(expected, of_target)
    });
    (loss, grad)
}
