//! The loops over rows: norms, rotation, activations, the optimizer's step. Each is one pass over memory.

use super::lanes::{erf, exp, sigmoid, sum, tanh, vectorized};
use crate::nn::activation::Activation;
use crate::nn::adamw::AdamWStep;
use crate::nn::rotary::RotaryShape;

vectorized! {
    /// Layer norm of the rows of `x`; mean and deviation are found in the first-level cache.
    pub(super) fn layer_norm(out: &mut [f32], x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32) {
        let d = gamma.len();
        for (out, x) in out.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            let (mean, scale) = moments(x, epsilon);
            for (((out, &x), &gamma), &beta) in out.iter_mut().zip(x).zip(gamma).zip(beta) {
                *out = (x - mean) * scale * gamma + beta;
            }
        }
    }

    /// The gradient of `x`, row by row.
    pub(super) fn layer_norm_backward(out: &mut [f32], grad: &[f32], x: &[f32], gamma: &[f32], epsilon: f32) {
        let d = gamma.len();
        for ((out, grad), x) in out.chunks_exact_mut(d).zip(grad.chunks_exact(d)).zip(x.chunks_exact(d)) {
            let (mean, scale) = moments(x, epsilon);
            let (grad, x) = (&grad[..d], &x[..d]);
            let mean_grad = sum(d, |i| grad[i] * gamma[i]) / d as f32;
            let projection = sum(d, |i| grad[i] * gamma[i] * ((x[i] - mean) * scale)) / d as f32;
            for (((out, &x), &grad), &gamma) in out.iter_mut().zip(x).zip(grad).zip(gamma) {
                *out = scale * (grad * gamma - mean_grad - (x - mean) * scale * projection);
            }
        }
    }

    /// RMS norm of the rows of `x`.
    pub(super) fn rms_norm(out: &mut [f32], x: &[f32], gamma: &[f32], epsilon: f32) {
        let d = gamma.len();
        for (out, x) in out.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            let scale = 1.0 / (sum(d, |i| x[i] * x[i]) / d as f32 + epsilon).sqrt();
            for ((out, &x), &gamma) in out.iter_mut().zip(x).zip(gamma) {
                *out = x * scale * gamma;
            }
        }
    }

    /// The gradient of `x`, row by row.
    pub(super) fn rms_norm_backward(out: &mut [f32], grad: &[f32], x: &[f32], gamma: &[f32], epsilon: f32) {
        let d = gamma.len();
        for ((out, grad), x) in out.chunks_exact_mut(d).zip(grad.chunks_exact(d)).zip(x.chunks_exact(d)) {
            let scale = 1.0 / (sum(d, |i| x[i] * x[i]) / d as f32 + epsilon).sqrt();
            let (grad, x) = (&grad[..d], &x[..d]);
            let projection = sum(d, |i| grad[i] * gamma[i] * x[i]) / d as f32 * scale * scale;
            for (((out, &x), &grad), &gamma) in out.iter_mut().zip(x).zip(grad).zip(gamma) {
                *out = scale * (grad * gamma - x * projection);
            }
        }
    }

    /// Turns one row: in each head, pairs of neighbors or of numbers half a rotary width apart.
    pub(super) fn rotate(row: &mut [f32], cos: &[f32], sin: &[f32], shape: &RotaryShape) {
        let half = cos.len();
        for head in row[..shape.n_heads * shape.d_head].chunks_exact_mut(shape.d_head) {
            let head = &mut head[shape.first..];
            if shape.neighbors {
                for ((pair, &cos), &sin) in head[..2 * half].chunks_exact_mut(2).zip(cos).zip(sin) {
                    (pair[0], pair[1]) = (pair[0] * cos - pair[1] * sin, pair[1] * cos + pair[0] * sin);
                }
                continue;
            }
            let (a, b) = head[..2 * half].split_at_mut(half);
            for (((a, b), &cos), &sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
            }
        }
    }

    /// `kind` of every number.
    pub(super) fn activation(out: &mut [f32], x: &[f32], kind: Activation) {
        match kind {
            Activation::GeluTanh => map(out, x, |x| x * sigmoid(2.0 * x * (SCALE + SCALE * CUBIC * x * x))),
            Activation::Gelu => map(out, x, |x| x * normal_cdf(x)),
            Activation::Relu => map(out, x, |x| if x <= 0.0 { 0.0 } else { x }),
            Activation::Silu => map(out, x, |x| x * sigmoid(x)),
            Activation::Tanh => map(out, x, tanh),
        }
    }

    /// `grad` times the slope of `kind` at `x`.
    pub(super) fn activation_backward(out: &mut [f32], grad: &[f32], x: &[f32], kind: Activation) {
        match kind {
            Activation::GeluTanh => map2(out, grad, x, |grad, x| {
                let gate = sigmoid(2.0 * x * (SCALE + SCALE * CUBIC * x * x));
                let inner = 2.0 * (SCALE + 3.0 * SCALE * CUBIC * x * x);
                grad * (gate + x * gate * (1.0 - gate) * inner)
            }),
            Activation::Gelu => map2(out, grad, x, |grad, x| {
                const DENSITY: f32 = 0.398_942_3; // 1 / sqrt(2π)
                grad * (normal_cdf(x) + x * DENSITY * exp(-0.5 * x * x))
            }),
            // A NaN input keeps the gradient, as it keeps the value.
            Activation::Relu => map2(out, grad, x, |grad, x| if x <= 0.0 { 0.0 } else { grad }),
            Activation::Silu => map2(out, grad, x, |grad, x| {
                let gate = sigmoid(x);
                grad * (gate + x * gate * (1.0 - gate))
            }),
            Activation::Tanh => map2(out, grad, x, |grad, x| {
                let y = tanh(x);
                grad * (1.0 - y * y)
            }),
        }
    }

    /// One optimizer step on as many numbers of parameter, gradient and moments.
    pub(super) fn adamw(param: &mut [f32], grad: &[f32], first: &mut [f32], second: &mut [f32], step: &AdamWStep) {
        let (beta1, beta2) = (step.beta1 as f32, step.beta2 as f32);
        let (rest1, rest2) = ((1.0 - step.beta1) as f32, (1.0 - step.beta2) as f32);
        let (keep, step_size) = (step.keep as f32, step.step_size as f32);
        let (root_correction, epsilon) = (step.root_correction as f32, step.epsilon as f32);
        for (((param, &grad), first), second) in param.iter_mut().zip(grad).zip(first).zip(second) {
            *first = beta1 * *first + rest1 * grad;
            *second = beta2 * *second + rest2 * grad * grad;
            *param = keep * *param - step_size * *first / (second.sqrt() * root_correction + epsilon);
        }
    }

    /// `out[i, ..] = row` for every row.
    pub(super) fn fill_rows(out: &mut [f32], row: &[f32]) {
        for out in out.chunks_exact_mut(row.len()) {
            out.copy_from_slice(row);
        }
    }
}

const SCALE: f32 = 0.797_884_6; // sqrt(2 / π)
const CUBIC: f32 = 0.044_715;

/// Mean and `1 / sqrt(variance + epsilon)` of a row.
#[inline(always)]
fn moments(x: &[f32], epsilon: f32) -> (f32, f32) {
    let d = x.len();
    let mean = sum(d, |i| x[i]) / d as f32;
    let variance = sum(d, |i| (x[i] - mean) * (x[i] - mean)) / d as f32;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

#[inline(always)]
fn map(out: &mut [f32], x: &[f32], f: impl Fn(f32) -> f32) {
    for (out, &x) in out.iter_mut().zip(x) {
        *out = f(x);
    }
}

#[inline(always)]
fn map2(out: &mut [f32], a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = f(a, b);
    }
}

#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    0.5 + 0.5 * erf(x * std::f32::consts::FRAC_1_SQRT_2)
}
