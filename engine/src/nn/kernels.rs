//! Forward and backward of each operation on plain tensors. The default bodies compose burn's own operations, which
//! fuse on GPUs; a backend with something faster overrides them.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{BackendTypes, Cube};

use super::activation::Activation;
use super::adamw::AdamWStep;
use super::attention::AttentionShape;
use super::composed;
use super::cross_entropy::HeadSettings;
use super::half_matmul::HalfMatmul;
use super::ops::FrozenOps;
use super::precision::Precision;
use super::rotary::RotaryShape;

/// Inputs of attention; the backward reads them again.
#[derive(Clone, Debug)]
pub(super) struct AttentionInputs<B: BackendTypes> {
    /// `[batch, seq, (n_heads + 2 * n_kv_heads) * d_head]`, or the queries alone
    pub(super) qkv: FloatTensor<B>,
    /// Key and value, `[1 or batch, n_kv_heads, n_past, d_head]`
    pub(super) past: Option<(FloatTensor<B>, FloatTensor<B>)>,
    /// `[batch, kv]`
    pub(super) key_mask: Option<FloatTensor<B>>,
    /// `[1 or batch, 1 or n_heads, 1 or seq, kv]`
    pub(super) bias: Option<FloatTensor<B>>,
    pub(super) shape: AttentionShape,
}

/// The kernels of one backend.
pub(super) trait Kernels: FrozenOps {
    /// `[m, k] · [k, n]` of one type of 16 bits, in f32: sums and result are not rounded to 16 bits again.
    fn product_of_narrow(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `[m, k] · [k, n]` of any types, in f32, both rounded to a precision of 16 bits.
    fn product_in_16bit(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        composed::matmul_16bit::<Self>(lhs, rhs, precision)
    }

    /// `x [batch, seq, d_in]`, `weight [d_in, d_out]`, `bias [d_out]` to `[batch, seq, d_out]`.
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        precision: Precision,
    ) -> FloatTensor<Self> {
        composed::linear::<Self>(x, weight, bias, precision)
    }

    /// `grad [batch, seq, d_out]` to the gradient of `x`.
    fn linear_backward(grad: FloatTensor<Self>, weight: FloatTensor<Self>, precision: Precision) -> FloatTensor<Self> {
        composed::linear_backward::<Self>(grad, weight, precision)
    }

    /// Over the last axis of `x [batch, seq, d_model]`.
    fn layer_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        composed::layer_norm::<Self>(x, gamma, beta, epsilon)
    }

    /// The gradient of `x`.
    fn layer_norm_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        composed::layer_norm_backward::<Self>(grad, x, gamma, epsilon)
    }

    /// Over the last axis of `x [batch, seq, d]`, which `gamma [d]` scales.
    fn rms_norm_forward(x: FloatTensor<Self>, gamma: FloatTensor<Self>, epsilon: f64) -> FloatTensor<Self> {
        composed::rms_norm::<Self>(x, gamma, epsilon)
    }

    /// The gradient of `x`.
    fn rms_norm_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        composed::rms_norm_backward::<Self>(grad, x, gamma, epsilon)
    }

    /// The first heads of `x [batch, seq, heads * d_head]` turned by the angles whose `cos` and `sin` are
    /// `[batch, seq, d_rotary / 2]`.
    fn rotate(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        shape: RotaryShape,
    ) -> FloatTensor<Self> {
        composed::rotate::<Self>(x, cos, sin, shape)
    }

    /// Elementwise.
    fn activation_forward(x: FloatTensor<Self>, kind: Activation) -> FloatTensor<Self> {
        composed::activation::<Self>(x, kind)
    }

    /// The gradient of `x`.
    fn activation_backward(grad: FloatTensor<Self>, x: FloatTensor<Self>, kind: Activation) -> FloatTensor<Self> {
        composed::activation_backward::<Self>(grad, x, kind)
    }

    /// The output `[batch, seq, n_heads * d_head]` and the log-sum-exp of each query, `[batch, n_heads, seq]`.
    fn attention_forward(inputs: &AttentionInputs<Self>) -> (FloatTensor<Self>, FloatTensor<Self>) {
        composed::attention::<Self>(inputs)
    }

    /// The gradients of qkv, past key and past value that are `wanted`, in the shapes of the inputs.
    fn attention_backward(
        grad: FloatTensor<Self>,
        inputs: &AttentionInputs<Self>,
        output: FloatTensor<Self>,
        log_sum_exp: FloatTensor<Self>,
        wanted: [bool; 3],
    ) -> [Option<FloatTensor<Self>>; 3] {
        composed::attention_backward::<Self>(grad, inputs, output, log_sum_exp, wanted)
    }

    /// The loss of each row, `[n]`, and with `with_grad` its gradient by `hidden`, `[n, d_model]`. The head is
    /// `[vocab_size, d_model]` with its bias `[vocab_size]`.
    fn cross_entropy_at_labels(
        hidden: FloatTensor<Self>,
        head: (FloatTensor<Self>, Option<FloatTensor<Self>>),
        targets: IntTensor<Self>,
        settings: HeadSettings,
        with_grad: bool,
    ) -> (FloatTensor<Self>, Option<FloatTensor<Self>>) {
        composed::cross_entropy_at_labels::<Self>(hidden, head, targets, settings, with_grad)
    }

    /// Parameter, first and second moment after the step.
    fn adamw_step(
        param: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        composed::adamw_step::<Self>(param, grad, first, second, step)
    }
}

impl Kernels for Cube {
    fn product_of_narrow(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        <Self as HalfMatmul>::half_matmul(lhs, rhs)
    }
}
