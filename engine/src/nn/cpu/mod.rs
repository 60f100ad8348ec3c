//! The kernels written by hand for burn's CPU backend, in f32; weights may be stored in 16 bits ([`stored`]) or in blocks
//! of fewer ([`packed`]). Other types take the composed ones.
//!
//! Outputs come from a pool of buffers ([`buffer`]), products from the `gemm` crate over strided views ([`matrix`]), and
//! everything else from plain loops compiled for the processor's vectors ([`lanes`], [`simd`]).

mod attention;
mod attention_backward;
mod buffer;
mod cross_entropy;
mod lanes;
mod linear;
mod matrix;
mod narrow;
#[cfg(test)]
mod narrow_tests;
mod packed;
mod packed_backend;
mod packed_kernels;
mod packed_operand;
#[cfg(test)]
mod packed_tests;
mod row_source;
mod rows;
mod simd;
mod softcap;
mod stored;
#[cfg(target_arch = "x86_64")]
mod x86;

use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, Element, FloatDType};
use half::{bf16, f16};
use rayon::prelude::*;

use self::attention::{Attention, Bias, PastView};
use self::attention_backward::{Gradients, Saved};
use self::buffer::Buffer;
use self::cross_entropy::Labels;
use self::matrix::{Matrix, MatrixMut};
use self::narrow::Rounded;
use self::row_source::InBf16;
use self::stored::Stored;
use super::activation::Activation;
use super::adamw::AdamWStep;
use super::composed;
use super::cross_entropy::HeadSettings;
use super::kernels::{AttentionInputs, Kernels};
use super::precision::Precision;
use super::rotary::RotaryShape;

pub use buffer::release_buffers;
pub(crate) use narrow::has_instructions as multiplies_bf16;

/// Numbers that a thread takes at a time from an elementwise loop.
const SHARE: usize = 16 * 1024;

impl Kernels for Flex {
    /// Of f16 the processor has no faster products: these are here to compare a GPU's numbers with.
    fn product_of_narrow(lhs: FlexTensor, rhs: FlexTensor) -> FlexTensor {
        let wide = |narrow| Self::float_cast(narrow, FloatDType::F32);
        Self::float_matmul(wide(lhs), wide(rhs))
    }

    fn product_in_16bit(lhs: FlexTensor, rhs: FlexTensor, precision: Precision) -> FlexTensor {
        let is_ours = precision == Precision::Bf16 && is_rounded(&lhs) && is_rounded(&rhs);
        if !is_ours {
            return composed::matmul_16bit::<Self>(lhs, rhs, precision);
        }
        let ([m, _], [_, n]) = (lhs.shape().dims(), rhs.shape().dims());
        let (lhs, rhs) = (forwards(lhs), in_lines(rhs));
        let mut out = Buffer::any(m * n);
        let to = MatrixMut::dense(&mut out, m, n);
        match (lhs.dtype(), rhs.dtype()) {
            (DType::BF16, DType::BF16) => product_of(to, matrix_of::<bf16>(&lhs), matrix_of::<bf16>(&rhs)),
            (DType::BF16, _) => product_of(to, matrix_of::<bf16>(&lhs), matrix_of::<f32>(&rhs)),
            (_, DType::BF16) => product_of(to, matrix_of::<f32>(&lhs), matrix_of::<bf16>(&rhs)),
            _ => product_of(to, matrix_of::<f32>(&lhs), matrix_of::<f32>(&rhs)),
        }
        out.into_tensor([m, n])
    }

    fn linear_forward(x: FlexTensor, weight: FlexTensor, bias: Option<FlexTensor>, precision: Precision) -> FlexTensor {
        if !all_f32([&x].into_iter().chain(&bias)) || !is_read_in(precision, &weight) {
            return composed::linear::<Self>(x, weight, bias, precision);
        }
        let [batch, seq, _] = x.shape().dims();
        let [_, d_out] = weight.shape().dims();
        let (x, weight, bias) = (dense(x), in_lines(weight), bias.map(dense));
        let (rows, bias) = (rows_of(&x), bias.as_ref().map(numbers));
        let mut out = Buffer::any(batch * seq * d_out);
        match weight.dtype() {
            DType::BF16 if precision == Precision::Bf16 => {
                linear::linear_in_bf16(&mut out, rows, matrix_of::<bf16>(&weight), bias);
            }
            DType::F32 if precision == Precision::Bf16 => {
                let to = MatrixMut::dense(&mut out, batch * seq, d_out);
                let onto = bias.map_or(narrow::Onto::Fresh, narrow::Onto::Bias);
                narrow::product(to, onto, rows, matrix_of::<f32>(&weight));
            }
            DType::BF16 => linear::linear(&mut out, rows, matrix_of::<bf16>(&weight), bias),
            DType::F16 => linear::linear(&mut out, rows, matrix_of::<f16>(&weight), bias),
            _ => linear::linear(&mut out, rows, matrix_of::<f32>(&weight), bias),
        }
        out.into_tensor([batch, seq, d_out])
    }

    fn linear_backward(grad: FlexTensor, weight: FlexTensor, precision: Precision) -> FlexTensor {
        Self::linear_forward(grad, weight.transpose(0, 1), None, precision)
    }

    fn layer_norm_forward(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, epsilon: f64) -> FlexTensor {
        if !all_f32([&x, &gamma, &beta]) {
            return composed::layer_norm::<Self>(x, gamma, beta, epsilon);
        }
        let [batch, seq, d_model] = x.shape().dims();
        let (x, gamma, beta) = (dense(x), dense(gamma), dense(beta));
        let mut out = Buffer::any(batch * seq * d_model);
        each_share(&mut out, [numbers(&x)], row_share(d_model), |out, [x]| {
            rows::layer_norm(out, x, numbers(&gamma), numbers(&beta), epsilon as f32);
        });
        out.into_tensor([batch, seq, d_model])
    }

    fn layer_norm_backward(grad: FlexTensor, x: FlexTensor, gamma: FlexTensor, epsilon: f64) -> FlexTensor {
        if !all_f32([&grad, &x, &gamma]) {
            return composed::layer_norm_backward::<Self>(grad, x, gamma, epsilon);
        }
        let [batch, seq, d_model] = x.shape().dims();
        let (grad, x, gamma) = (dense(grad), dense(x), dense(gamma));
        let mut out = Buffer::any(batch * seq * d_model);
        each_share(&mut out, [numbers(&grad), numbers(&x)], row_share(d_model), |out, [grad, x]| {
            rows::layer_norm_backward(out, grad, x, numbers(&gamma), epsilon as f32);
        });
        out.into_tensor([batch, seq, d_model])
    }

    fn rms_norm_forward(x: FlexTensor, gamma: FlexTensor, epsilon: f64) -> FlexTensor {
        if !all_f32([&x, &gamma]) {
            return composed::rms_norm::<Self>(x, gamma, epsilon);
        }
        let [batch, seq, d] = x.shape().dims();
        let (x, gamma) = (dense(x), dense(gamma));
        let mut out = Buffer::any(batch * seq * d);
        each_share(&mut out, [numbers(&x)], row_share(d), |out, [x]| {
            rows::rms_norm(out, x, numbers(&gamma), epsilon as f32);
        });
        out.into_tensor([batch, seq, d])
    }

    fn rms_norm_backward(grad: FlexTensor, x: FlexTensor, gamma: FlexTensor, epsilon: f64) -> FlexTensor {
        if !all_f32([&grad, &x, &gamma]) {
            return composed::rms_norm_backward::<Self>(grad, x, gamma, epsilon);
        }
        let [batch, seq, d] = x.shape().dims();
        let (grad, x, gamma) = (dense(grad), dense(x), dense(gamma));
        let mut out = Buffer::any(batch * seq * d);
        each_share(&mut out, [numbers(&grad), numbers(&x)], row_share(d), |out, [grad, x]| {
            rows::rms_norm_backward(out, grad, x, numbers(&gamma), epsilon as f32);
        });
        out.into_tensor([batch, seq, d])
    }

    fn rotate(x: FlexTensor, cos: FlexTensor, sin: FlexTensor, shape: RotaryShape) -> FlexTensor {
        if !all_f32([&x, &cos, &sin]) {
            return composed::rotate::<Self>(x, cos, sin, shape);
        }
        let [batch, seq, width] = x.shape().dims();
        let [_, _, half] = cos.shape().dims();
        let (x, cos, sin) = (dense(x), dense(cos), dense(sin));
        let mut out = Buffer::any(batch * seq * width);
        out.par_chunks_mut(row_share(width)).enumerate().for_each(|(index, out)| {
            let first = index * row_share(width) / width;
            for (at, row) in (first..).zip(out.chunks_exact_mut(width)) {
                row.copy_from_slice(&numbers(&x)[at * width..(at + 1) * width]);
                let angles = at * half..(at + 1) * half;
                rows::rotate(row, &numbers(&cos)[angles.clone()], &numbers(&sin)[angles], &shape);
            }
        });
        out.into_tensor([batch, seq, width])
    }

    fn activation_forward(x: FlexTensor, kind: Activation) -> FlexTensor {
        if !all_f32([&x]) {
            return composed::activation::<Self>(x, kind);
        }
        let dims: [usize; 3] = x.shape().dims();
        let x = dense(x);
        let mut out = Buffer::any(numbers(&x).len());
        each_share(&mut out, [numbers(&x)], SHARE, |out, [x]| rows::activation(out, x, kind));
        out.into_tensor(dims)
    }

    fn activation_backward(grad: FlexTensor, x: FlexTensor, kind: Activation) -> FlexTensor {
        if !all_f32([&grad, &x]) {
            return composed::activation_backward::<Self>(grad, x, kind);
        }
        let dims: [usize; 3] = x.shape().dims();
        let (grad, x) = (dense(grad), dense(x));
        let mut out = Buffer::any(numbers(&x).len());
        each_share(&mut out, [numbers(&grad), numbers(&x)], SHARE, |out, [grad, x]| {
            rows::activation_backward(out, grad, x, kind);
        });
        out.into_tensor(dims)
    }

    fn attention_forward(inputs: &AttentionInputs<Self>) -> (FlexTensor, FlexTensor) {
        if !inputs_are_f32(inputs) {
            return composed::attention::<Self>(inputs);
        }
        let held = Held::of(inputs);
        let call = held.call(inputs);
        let (n_heads, d_head) = (call.shape.n_heads, call.shape.d_head);
        let mut output = Buffer::any(call.batch * call.seq * n_heads * d_head);
        let mut log_sum_exp = Buffer::any(call.batch * n_heads * call.seq);
        call.forward(&mut output, &mut log_sum_exp);
        (
            output.into_tensor([call.batch, call.seq, n_heads * d_head]),
            log_sum_exp.into_tensor([call.batch, n_heads, call.seq]),
        )
    }

    fn attention_backward(
        grad: FlexTensor,
        inputs: &AttentionInputs<Self>,
        output: FlexTensor,
        log_sum_exp: FlexTensor,
        wanted: [bool; 3],
    ) -> [Option<FlexTensor>; 3] {
        if !inputs_are_f32(inputs) {
            return composed::attention_backward::<Self>(grad, inputs, output, log_sum_exp, wanted);
        }
        let held = Held::of(inputs);
        let call = held.call(inputs);
        let (grad, output, log_sum_exp) = (dense(grad), dense(output), dense(log_sum_exp));
        let past_dims = [call.batch, call.shape.n_kv_heads, call.n_past, call.shape.d_head];
        let [want_qkv, want_key, want_value] = wanted;
        let mut qkv = want_qkv.then(|| Buffer::any(numbers(&held.qkv).len()));
        let mut past_key = want_key.then(|| Buffer::any(past_dims.iter().product()));
        let mut past_value = want_value.then(|| Buffer::any(past_dims.iter().product()));
        attention_backward::backward(
            &call,
            Saved { grad: numbers(&grad), output: numbers(&output), log_sum_exp: numbers(&log_sum_exp) },
            Gradients {
                qkv: qkv.as_deref_mut(),
                past_key: past_key.as_deref_mut(),
                past_value: past_value.as_deref_mut(),
            },
        );
        let shared = inputs.past.as_ref().is_some_and(|(key, _)| key.shape()[0] == 1);
        let finish = |grads: Buffer| if shared { batch_sum(&grads, past_dims) } else { grads.into_tensor(past_dims) };
        [
            qkv.map(|qkv| qkv.into_tensor([call.batch, call.seq, call.width()])),
            past_key.map(finish),
            past_value.map(finish),
        ]
    }

    fn cross_entropy_at_labels(
        hidden: FlexTensor,
        (head, bias): (FlexTensor, Option<FlexTensor>),
        targets: FlexTensor,
        settings: HeadSettings,
        with_grad: bool,
    ) -> (FlexTensor, Option<FlexTensor>) {
        let ours = all_f32([&hidden].into_iter().chain(&bias)) && is_read_in(settings.precision, &head);
        let Some(targets) = tokens(&targets).filter(|_| ours) else {
            return composed::cross_entropy_at_labels::<Self>(hidden, (head, bias), targets, settings, with_grad);
        };
        let [n, d_model] = hidden.shape().dims();
        let (hidden, head, bias) = (dense(hidden), in_lines(head), bias.map(dense));
        let rows = matrix_of(&hidden);
        let labels = Labels { targets: &targets, bias: bias.as_ref().map(numbers), softcap: settings.softcap };
        let (loss, grad) = match head.dtype() {
            DType::BF16 if settings.precision == Precision::Bf16 => {
                let head = InBf16(matrix_of::<bf16>(&head));
                cross_entropy::cross_entropy_at_labels(rows, head, labels, with_grad)
            }
            DType::F32 if settings.precision == Precision::Bf16 => {
                let head = InBf16(matrix_of::<f32>(&head));
                cross_entropy::cross_entropy_at_labels(rows, head, labels, with_grad)
            }
            DType::BF16 => cross_entropy::cross_entropy_at_labels(rows, matrix_of::<bf16>(&head), labels, with_grad),
            DType::F16 => cross_entropy::cross_entropy_at_labels(rows, matrix_of::<f16>(&head), labels, with_grad),
            _ => cross_entropy::cross_entropy_at_labels(rows, matrix_of::<f32>(&head), labels, with_grad),
        };
        (loss.into_tensor([n]), grad.map(|grad| grad.into_tensor([n, d_model])))
    }

    fn adamw_step(
        param: FlexTensor,
        grad: FlexTensor,
        first: FlexTensor,
        second: FlexTensor,
        step: AdamWStep,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        if !all_f32([&param, &grad, &first, &second]) {
            return composed::adamw_step::<Self>(param, grad, first, second, step);
        }
        let grad = dense(grad);
        let (mut param, mut first, mut second) = (dense(param), dense(first), dense(second));
        let len = numbers(&grad).len();
        // `storage_mut` copies what someone else still holds.
        let state = param.storage_mut::<f32>()[..len]
            .par_chunks_mut(SHARE)
            .zip(first.storage_mut::<f32>()[..len].par_chunks_mut(SHARE))
            .zip(second.storage_mut::<f32>()[..len].par_chunks_mut(SHARE));
        state
            .zip(numbers(&grad).par_chunks(SHARE))
            .for_each(|(((param, first), second), grad)| rows::adamw(param, grad, first, second, &step));
        (param, first, second)
    }
}

/// Runs `work` on shares of `out` and the same shares of the inputs: on all threads, or, when there is a single share,
/// right here, because waking a thread costs more than a row of decoding.
fn each_share<const N: usize>(
    out: &mut [f32],
    inputs: [&[f32]; N],
    share: usize,
    work: impl Fn(&mut [f32], [&[f32]; N]) + Sync,
) {
    if out.len() <= share {
        return work(out, inputs);
    }
    out.par_chunks_mut(share).enumerate().for_each(|(index, out)| {
        let start = index * share;
        work(out, inputs.map(|input| &input[start..start + out.len()]));
    });
}

fn all_f32<'a>(tensors: impl IntoIterator<Item = &'a FlexTensor>) -> bool {
    tensors.into_iter().all(|tensor| tensor.dtype() == DType::F32)
}

/// Whether a weight is stored in one of the forms that the kernels of a precision read.
fn is_read_in(precision: Precision, weight: &FlexTensor) -> bool {
    match precision {
        Precision::F32 => matches!(weight.dtype(), DType::F32 | DType::F16 | DType::BF16),
        Precision::Bf16 => is_rounded(weight),
        Precision::F16 => false,
    }
}

/// Whether the kernels that multiply in bf16 round these numbers, or take them as they are.
fn is_rounded(tensor: &FlexTensor) -> bool {
    matches!(tensor.dtype(), DType::F32 | DType::BF16)
}

fn product_of<L: Rounded, R: Rounded>(out: MatrixMut<'_>, lhs: Matrix<'_, L>, rhs: Matrix<'_, R>) {
    narrow::product(out, narrow::Onto::Fresh, lhs, rhs);
}

fn inputs_are_f32(inputs: &AttentionInputs<Flex>) -> bool {
    let past = inputs.past.iter().flat_map(|(key, value)| [key, value]);
    all_f32([&inputs.qkv].into_iter().chain(past).chain(&inputs.key_mask).chain(&inputs.bias))
}

/// The tensor with its numbers in order from the start of its storage.
fn dense(tensor: FlexTensor) -> FlexTensor {
    if tensor.is_contiguous() && tensor.layout().start_offset() == 0 { tensor } else { tensor.to_contiguous() }
}

/// The tensor in any order of its axes, but none backwards.
fn forwards(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().strides().iter().all(|&stride| stride > 0) { tensor } else { tensor.to_contiguous() }
}

/// [`forwards`], with the numbers of a row or of a column side by side.
fn in_lines(tensor: FlexTensor) -> FlexTensor {
    let tensor = forwards(tensor);
    if tensor.layout().strides().contains(&1) { tensor } else { tensor.to_contiguous() }
}

/// The numbers of a dense tensor.
fn numbers(tensor: &FlexTensor) -> &[f32] {
    &tensor.storage::<f32>()[..tensor.layout().num_elements()]
}

/// Whole rows that a thread takes at a time, in numbers.
fn row_share(d_model: usize) -> usize {
    (SHARE / d_model.max(1)).max(1) * d_model.max(1)
}

/// A dense `[batch, seq, d]` as `[batch * seq, d]`.
fn rows_of(tensor: &FlexTensor) -> Matrix<'_> {
    let [batch, seq, d]: [usize; 3] = tensor.shape().dims();
    Matrix::dense(numbers(tensor), batch * seq, d)
}

/// A matrix as it lies in memory, [`forwards`].
fn matrix_of<T: Stored + Element + bytemuck::Pod>(tensor: &FlexTensor) -> Matrix<'_, T> {
    let dims: [usize; 2] = tensor.shape().dims();
    let layout = tensor.layout();
    let strides = [layout.strides()[0], layout.strides()[1]]
        .map(|stride| usize::try_from(stride).expect("no axis runs backwards"));
    Matrix::new(&tensor.storage::<T>()[layout.start_offset()..], dims, strides)
}

/// Token ids of whichever integer type; `None` for one we do not read.
fn tokens(tensor: &FlexTensor) -> Option<Vec<usize>> {
    let tensor = tensor.to_contiguous();
    let token = |id: i64| usize::try_from(id).unwrap_or(usize::MAX);
    match tensor.dtype() {
        DType::I64 => Some(tensor.storage::<i64>().iter().map(|&id| token(id)).collect()),
        DType::I32 => Some(tensor.storage::<i32>().iter().map(|&id| token(i64::from(id))).collect()),
        _ => None,
    }
}

/// The inputs of attention, made dense where the kernels need it.
struct Held {
    qkv: FlexTensor,
    past: Option<[FlexTensor; 2]>,
    key_mask: Option<FlexTensor>,
    bias: Option<FlexTensor>,
}

impl Held {
    fn of(inputs: &AttentionInputs<Flex>) -> Self {
        // A past may be a part of a longer cache; only the numbers of a head must be neighbors.
        let usable = |tensor: &FlexTensor| {
            let strides = tensor.layout().strides();
            let plain = strides[3] == 1 && strides.iter().all(|&stride| stride >= 0);
            if plain { tensor.clone() } else { tensor.to_contiguous() }
        };
        Self {
            qkv: dense(inputs.qkv.clone()),
            past: inputs.past.as_ref().map(|(key, value)| [usable(key), usable(value)]),
            key_mask: inputs.key_mask.clone().map(dense),
            bias: inputs.bias.clone().map(dense),
        }
    }

    fn call<'a>(&'a self, inputs: &'a AttentionInputs<Flex>) -> Attention<'a> {
        let [batch, seq, _] = self.qkv.shape().dims();
        let past = self.past.as_ref().map(|past| past.each_ref().map(past_view));
        Attention {
            shape: &inputs.shape,
            batch,
            seq,
            n_past: self.past.as_ref().map_or(0, |[key, _]| key.shape()[2]),
            qkv: numbers(&self.qkv),
            past,
            key_mask: self.key_mask.as_ref().map(numbers),
            bias: self.bias.as_ref().map(|bias| Bias::new(numbers(bias), bias.shape().dims())),
        }
    }
}

fn past_view(tensor: &FlexTensor) -> PastView<'_> {
    let layout = tensor.layout();
    let stride = |axis: usize| usize::try_from(layout.strides()[axis]).unwrap_or(0);
    PastView {
        data: &tensor.storage::<f32>()[layout.start_offset()..],
        strides: [if layout.shape()[0] == 1 { 0 } else { stride(0) }, stride(1), stride(2)],
    }
}

/// `[batch, ..]` summed to `[1, ..]`.
fn batch_sum(grads: &[f32], [batch, n_kv_heads, n_past, d_head]: [usize; 4]) -> FlexTensor {
    let len = n_kv_heads * n_past * d_head;
    let mut total = Buffer::any(len);
    total.fill(0.0);
    for text in grads.chunks_exact(len).take(batch) {
        total.iter_mut().zip(text).for_each(|(total, grad)| *total += grad);
    }
    total.into_tensor([1, n_kv_heads, n_past, d_head])
}
