//! The loss at the labels, with the logits of some rows at a time.

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

/// The matrix of a vocabulary, however it is kept: what the loss needs of it.
pub(in crate::nn) trait Head<B: Backend> {
    /// Its rows.
    fn vocab_size(&self) -> usize;

    /// `hidden [n, d_model] · headᵀ`, `[n, vocab_size]`.
    fn logits(&self, hidden: FloatTensor<B>) -> FloatTensor<B>;

    /// `weights [n, vocab_size] · head`, `[n, d_model]`.
    fn mixed(&self, weights: FloatTensor<B>) -> FloatTensor<B>;

    /// Its rows for `ids [n]`, in the type of the hidden states, `[n, d_model]`.
    fn rows_at(&self, ids: IntTensor<B>) -> FloatTensor<B>;
}

/// What is added to the logits, `[vocab_size]`, and their bound.
pub(in crate::nn) type Bounds<B> = (Option<FloatTensor<B>>, Option<f32>);

/// Every number of it.
struct DenseHead<B: Backend> {
    head: FloatTensor<B>,
    precision: Precision,
}

impl<B: FrozenOps> Head<B> for DenseHead<B> {
    fn vocab_size(&self) -> usize {
        let [vocab_size, _] = self.head.shape().dims();
        vocab_size
    }

    fn logits(&self, hidden: FloatTensor<B>) -> FloatTensor<B> {
        product::<B>(hidden, B::float_transpose(self.head.clone()), self.precision)
    }

    fn mixed(&self, weights: FloatTensor<B>) -> FloatTensor<B> {
        product::<B>(weights, self.head.clone(), self.precision)
    }

    fn rows_at(&self, ids: IntTensor<B>) -> FloatTensor<B> {
        B::float_select(self.head.clone(), 0, ids)
    }
}

pub(in crate::nn) fn cross_entropy_at_labels<B: FrozenOps>(
    hidden: FloatTensor<B>,
    (head, bias): (FloatTensor<B>, Option<FloatTensor<B>>),
    targets: IntTensor<B>,
    HeadSettings { precision, softcap }: HeadSettings,
    with_grad: bool,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    // Widened once for all blocks, or left as it is.
    let head = if precision == Precision::F32 { like::<B>(head, &hidden) } else { head };
    cross_entropy_of_head::<B>(hidden, &DenseHead::<B> { head, precision }, (bias, softcap), targets, with_grad)
}

/// The loss of each row of `hidden`, `[n]`, and with `with_grad` its gradient by `hidden`, `[n, d_model]`.
pub(in crate::nn) fn cross_entropy_of_head<B: Backend>(
    hidden: FloatTensor<B>,
    head: &impl Head<B>,
    bounds: Bounds<B>,
    targets: IntTensor<B>,
    with_grad: bool,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let [n, _] = hidden.shape().dims();
    let rows = (MAX_LOGITS / head.vocab_size().max(1)).clamp(1, n.max(1));
    let (mut losses, mut grads) = (Vec::new(), Vec::new());
    for start in (0..n.max(1)).step_by(rows) {
        let block = Slice::from(start..(start + rows).min(n));
        let hidden = B::float_slice(hidden.clone(), &[block, Slice::full()]);
        let targets = B::int_slice(targets.clone(), &[block]);
        let (loss, grad) = label_nll_rows::<B>(hidden, head, bounds.clone(), targets, with_grad);
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

fn label_nll_rows<B: Backend>(
    hidden: FloatTensor<B>,
    head: &impl Head<B>,
    (bias, softcap): Bounds<B>,
    targets: IntTensor<B>,
    with_grad: bool,
) -> (FloatTensor<B>, Option<FloatTensor<B>>) {
    let [n, _] = hidden.shape().dims();
    let mut logits = head.logits(hidden); // [n, vocab_size]
    if let Some(bias) = bias {
        let bias = like::<B>(B::float_reshape(bias, Shape::new([1, head.vocab_size()])), &logits);
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
        let expected = head.mixed(weights); // [n, d_model]
        let mut of_target = like::<B>(head.rows_at(targets), &expected);
        if let Some(cap) = softcap {
            of_target = B::float_mul(of_target, cap_slope::<B>(at_target, cap));
        }
        B::float_sub(expected, of_target)
    });
    (loss, grad)
}
