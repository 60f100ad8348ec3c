//! The kernels composed from burn's own operations: the default on every backend, and what the hand-written ones are
//! tested against.

mod attention;
pub(super) mod cross_entropy;
mod matmul_16bit;
mod softcap;

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::{Shape, Slice};

use super::activation::Activation;
use super::adamw::AdamWStep;
use super::ops::FrozenOps;
use super::precision::Precision;
use super::rotary::RotaryShape;

pub(super) use attention::{attention, attention_backward};
pub(super) use cross_entropy::cross_entropy_at_labels;
pub(super) use matmul_16bit::matmul_16bit;

pub(super) fn linear<B: FrozenOps>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
    precision: Precision,
) -> FloatTensor<B> {
    let out = rows_times::<B>(x, weight, precision);
    match bias {
        Some(bias) => {
            let [d_out] = bias.shape().dims();
            B::float_add(out, B::float_reshape(bias, Shape::new([1, 1, d_out])))
        }
        None => out,
    }
}

pub(super) fn linear_backward<B: FrozenOps>(
    grad: FloatTensor<B>,
    weight: FloatTensor<B>,
    precision: Precision,
) -> FloatTensor<B> {
    rows_times::<B>(grad, B::float_transpose(weight), precision)
}

/// `x [batch, seq, d_in] · matrix [d_in, d_out]` as one product over all rows.
fn rows_times<B: FrozenOps>(x: FloatTensor<B>, matrix: FloatTensor<B>, precision: Precision) -> FloatTensor<B> {
    let [batch, seq, d_in] = x.shape().dims();
    let [_, d_out] = matrix.shape().dims();
    let rows = B::float_reshape(x, Shape::new([batch * seq, d_in]));
    B::float_reshape(product::<B>(rows, matrix, precision), Shape::new([batch, seq, d_out]))
}

/// Of two matrices, in a precision.
pub(super) fn product<B: FrozenOps>(lhs: FloatTensor<B>, rhs: FloatTensor<B>, precision: Precision) -> FloatTensor<B> {
    match precision {
        Precision::F32 => {
            let rhs = like::<B>(rhs, &lhs);
            B::float_matmul(lhs, rhs)
        }
        Precision::F16 | Precision::Bf16 => B::matmul_16bit(lhs, rhs, precision),
    }
}

/// A weight in the type of what it is multiplied with: it may be stored in fewer bits.
fn like<B: Backend>(weight: FloatTensor<B>, x: &FloatTensor<B>) -> FloatTensor<B> {
    if weight.dtype() == x.dtype() { weight } else { B::float_cast(weight, x.dtype().into()) }
}

pub(super) fn layer_norm<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let (normed, _) = normalize::<B>(x, epsilon);
    B::float_add(B::float_mul(normed, along_last::<B>(gamma)), along_last::<B>(beta))
}

pub(super) fn layer_norm_backward<B: Backend>(
    grad: FloatTensor<B>,
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let (normed, deviation) = normalize::<B>(x, epsilon);
    let grad = B::float_mul(grad, along_last::<B>(gamma));
    let mean = B::float_mean_dim(grad.clone(), 2); // [batch, seq, 1]
    let projection = B::float_mean_dim(B::float_mul(grad.clone(), normed.clone()), 2);
    let grad = B::float_sub(grad, mean);
    let grad = B::float_sub(grad, B::float_mul(normed, projection));
    B::float_div(grad, deviation)
}

/// `(x - mean) / deviation`, and the deviation `[batch, seq, 1]`.
fn normalize<B: Backend>(x: FloatTensor<B>, epsilon: f64) -> (FloatTensor<B>, FloatTensor<B>) {
    let mean = B::float_mean_dim(x.clone(), 2);
    let centered = B::float_sub(x, mean);
    let variance = B::float_mean_dim(B::float_mul(centered.clone(), centered.clone()), 2);
    let deviation = B::float_sqrt(B::float_add_scalar(variance, epsilon.into()));
    (B::float_div(centered, deviation.clone()), deviation)
}

pub(super) fn rms_norm<B: Backend>(x: FloatTensor<B>, gamma: FloatTensor<B>, epsilon: f64) -> FloatTensor<B> {
    let root = root_mean_square::<B>(x.clone(), epsilon);
    B::float_mul(B::float_div(x, root), along_last::<B>(gamma))
}

pub(super) fn rms_norm_backward<B: Backend>(
    grad: FloatTensor<B>,
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let root = root_mean_square::<B>(x.clone(), epsilon);
    let normed = B::float_div(x, root.clone());
    let grad = B::float_mul(grad, along_last::<B>(gamma));
    let projection = B::float_mean_dim(B::float_mul(grad.clone(), normed.clone()), 2);
    B::float_div(B::float_sub(grad, B::float_mul(normed, projection)), root)
}

/// `[batch, seq, 1]`
fn root_mean_square<B: Backend>(x: FloatTensor<B>, epsilon: f64) -> FloatTensor<B> {
    let mean = B::float_mean_dim(B::float_mul(x.clone(), x), 2);
    B::float_sqrt(B::float_add_scalar(mean, epsilon.into()))
}

pub(super) fn rotate<B: Backend>(
    x: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    shape: RotaryShape,
) -> FloatTensor<B> {
    let [batch, seq, width] = x.shape().dims();
    let [_, _, half] = cos.shape().dims();
    let RotaryShape { n_heads, d_head, neighbors, first } = shape;
    let last = |x: &FloatTensor<B>, from: usize, to: usize| {
        B::float_slice(x.clone(), &[Slice::full(), Slice::full(), Slice::full(), Slice::from(from..to)])
    };
    let turned = B::float_slice(x.clone(), &[Slice::full(), Slice::full(), Slice::from(0..n_heads * d_head)]);
    let heads = B::float_reshape(turned, Shape::new([batch, seq, n_heads, d_head]));
    let (cos, sin) = (
        B::float_reshape(cos, Shape::new([batch, seq, 1, half])),
        B::float_reshape(sin, Shape::new([batch, seq, 1, half])),
    );
    let turning = last(&heads, first, first + 2 * half);
    let turning = if neighbors { swapped::<B>(turning, [half, 2]) } else { turning };
    let (a, b) = (last(&turning, 0, half), last(&turning, half, 2 * half));
    let turned = vec![
        B::float_sub(B::float_mul(a.clone(), cos.clone()), B::float_mul(b.clone(), sin.clone())),
        B::float_add(B::float_mul(b, cos), B::float_mul(a, sin)),
    ];
    let turned = if neighbors { vec![swapped::<B>(B::float_cat(turned, 3), [2, half])] } else { turned };
    let stay = |from: usize, to: usize| (from < to).then(|| last(&heads, from, to));
    let parts = stay(0, first).into_iter().chain(turned).chain(stay(first + 2 * half, d_head)).collect();
    let turned = B::float_reshape(B::float_cat(parts, 3), Shape::new([batch, seq, n_heads * d_head]));
    if n_heads * d_head == width {
        return turned;
    }
    let rest = B::float_slice(x, &[Slice::full(), Slice::full(), Slice::from(n_heads * d_head..width)]);
    B::float_cat(vec![turned, rest], 2)
}

/// The last axis read as `[rows, columns]` and written as `[columns, rows]`: brings the first numbers of all pairs
/// together, or pairs together again.
fn swapped<B: Backend>(x: FloatTensor<B>, [rows, columns]: [usize; 2]) -> FloatTensor<B> {
    let [batch, seq, n_heads, last] = x.shape().dims();
    let table = B::float_reshape(x, Shape::new([batch, seq, n_heads, rows, columns]));
    B::float_reshape(B::float_swap_dims(table, 3, 4), Shape::new([batch, seq, n_heads, last]))
}

/// `[d]` as `[1, 1, d]`.
fn along_last<B: Backend>(vector: FloatTensor<B>) -> FloatTensor<B> {
    let [d] = vector.shape().dims();
    B::float_reshape(vector, Shape::new([1, 1, d]))
}

pub(super) fn activation<B: Backend>(x: FloatTensor<B>, kind: Activation) -> FloatTensor<B> {
    match kind {
        Activation::GeluTanh => B::float_mul(x.clone(), gelu_tanh_gate::<B>(x)),
        Activation::Gelu => B::float_mul(x.clone(), normal_cdf::<B>(x)),
        Activation::Relu => B::relu(x),
        Activation::Silu => B::float_mul(x.clone(), sigmoid::<B>(x)),
        Activation::Tanh => B::float_tanh(x),
    }
}

pub(super) fn activation_backward<B: Backend>(
    grad: FloatTensor<B>,
    x: FloatTensor<B>,
    kind: Activation,
) -> FloatTensor<B> {
    let slope = match kind {
        Activation::GeluTanh => {
            // gate + x · gate · (1 - gate) · 2u'
            let gate = gelu_tanh_gate::<B>(x.clone());
            let square = B::float_mul(x.clone(), x.clone());
            let inner = B::float_mul_scalar(square, (2.0 * 3.0 * GELU_CUBIC * GELU_SCALE).into());
            let inner = B::float_add_scalar(inner, (2.0 * GELU_SCALE).into());
            B::float_add(gate.clone(), B::float_mul(B::float_mul(x, inner), sigmoid_slope::<B>(gate)))
        }
        Activation::Gelu => {
            let square = B::float_mul(x.clone(), x.clone());
            let density = B::float_exp(B::float_mul_scalar(square, (-0.5).into()));
            let density = B::float_mul_scalar(density, (FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * 0.5).into());
            B::float_add(normal_cdf::<B>(x.clone()), B::float_mul(x, density))
        }
        Activation::Relu => return B::relu_backward(B::relu(x), grad),
        Activation::Silu => {
            let gate = sigmoid::<B>(x.clone());
            B::float_add(gate.clone(), B::float_mul(x, sigmoid_slope::<B>(gate)))
        }
        Activation::Tanh => {
            let y = B::float_tanh(x);
            let square = B::float_mul(y.clone(), y);
            B::float_add_scalar(B::float_neg(square), 1.0.into())
        }
    };
    B::float_mul(grad, slope)
}

/// `sqrt(2 / π)`
const GELU_SCALE: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
const GELU_CUBIC: f64 = 0.044715;

/// `(1 + tanh(u)) / 2 = sigmoid(2u)` with `u = sqrt(2/π) (x + 0.044715 x³)`.
fn gelu_tanh_gate<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let square = B::float_mul(x.clone(), x.clone());
    let inner = B::float_mul_scalar(square, (2.0 * GELU_CUBIC * GELU_SCALE).into());
    let inner = B::float_add_scalar(inner, (2.0 * GELU_SCALE).into());
    sigmoid::<B>(B::float_mul(x, inner))
}

/// `Φ(x)`
fn normal_cdf<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let erf = B::float_erf(B::float_mul_scalar(x, FRAC_1_SQRT_2.into()));
    B::float_mul_scalar(B::float_add_scalar(erf, 1.0.into()), 0.5.into())
}

fn sigmoid<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let decay = B::float_exp(B::float_neg(x));
    B::float_recip(B::float_add_scalar(decay, 1.0.into()))
}

/// `gate · (1 - gate)`
fn sigmoid_slope<B: Backend>(gate: FloatTensor<B>) -> FloatTensor<B> {
    let rest = B::float_add_scalar(B::float_neg(gate.clone()), 1.0.into());
    B::float_mul(gate, rest)
}

pub(super) fn adamw_step<B: Backend>(
    param: FloatTensor<B>,
    grad: FloatTensor<B>,
    first: FloatTensor<B>,
    second: FloatTensor<B>,
    step: AdamWStep,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let first = B::float_add(
        B::float_mul_scalar(first, step.beta1.into()),
        B::float_mul_scalar(grad.clone(), (1.0 - step.beta1).into()),
    );
    let second = B::float_add(
        B::float_mul_scalar(second, step.beta2.into()),
        B::float_mul_scalar(B::float_mul(grad.clone(), grad), (1.0 - step.beta2).into()),
    );
    let root = B::float_mul_scalar(B::float_sqrt(second.clone()), step.root_correction.into());
    let update = B::float_div(
        B::float_mul_scalar(first.clone(), step.step_size.into()),
        B::float_add_scalar(root, step.epsilon.into()),
    );
    let param = B::float_sub(B::float_mul_scalar(param, step.keep.into()), update);
    (param, first, second)
}
