//! The composed kernels, which other devices use, against the hand-written ones on the CPU.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, TensorData};

use super::{Numbers, assert_close};
use crate::nn::cross_entropy::HeadSettings;
use crate::nn::kernels::{AttentionInputs, Kernels};
use crate::nn::rotary::RotaryShape;
use crate::nn::{Activation, AttentionShape, Precision, composed};

fn flex<const D: usize>(numbers: &mut Numbers, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(numbers.data(shape))
}

fn floats(tensor: &FlexTensor) -> Vec<f32> {
    tensor.to_contiguous().into_data().try_to_vec().unwrap()
}

#[track_caller]
fn same(what: &str, ours: &FlexTensor, composed: &FlexTensor) {
    assert_eq!(ours.layout().shape(), composed.layout().shape(), "{what}: shapes");
    assert_close(what, &floats(ours), &floats(composed), 2e-5);
}

#[test]
fn row_kernels_agree() {
    let mut numbers = Numbers::new(31);
    let (x, grad) = (flex(&mut numbers, [2, 9, 37]), flex(&mut numbers, [2, 9, 37]));
    let (gamma, beta) = (flex(&mut numbers, [37]), flex(&mut numbers, [37]));
    same(
        "layer norm",
        &Flex::layer_norm_forward(x.clone(), gamma.clone(), beta.clone(), 1e-5),
        &composed::layer_norm::<Flex>(x.clone(), gamma.clone(), beta, 1e-5),
    );
    same(
        "layer norm backward",
        &Flex::layer_norm_backward(grad.clone(), x.clone(), gamma.clone(), 1e-5),
        &composed::layer_norm_backward::<Flex>(grad.clone(), x.clone(), gamma.clone(), 1e-5),
    );
    same(
        "rms norm",
        &Flex::rms_norm_forward(x.clone(), gamma.clone(), 1e-5),
        &composed::rms_norm::<Flex>(x.clone(), gamma.clone(), 1e-5),
    );
    same(
        "rms norm backward",
        &Flex::rms_norm_backward(grad.clone(), x.clone(), gamma.clone(), 1e-5),
        &composed::rms_norm_backward::<Flex>(grad.clone(), x.clone(), gamma, 1e-5),
    );
    let (cos, sin) = (flex(&mut numbers, [2, 9, 4]), flex(&mut numbers, [2, 9, 4]));
    let heads = [(3, 12, false), (4, 9, false), (4, 8, false), (3, 12, true), (4, 9, true)];
    for ((n_heads, d_head, neighbors), first) in heads.into_iter().flat_map(|heads| [(heads, 0), (heads, heads.1 - 8)])
    {
        let shape = RotaryShape { n_heads, d_head, neighbors, first };
        same(
            "rotation",
            &Flex::rotate(x.clone(), cos.clone(), sin.clone(), shape.clone()),
            &composed::rotate::<Flex>(x.clone(), cos.clone(), sin.clone(), shape),
        );
    }
    for kind in [Activation::GeluTanh, Activation::Gelu, Activation::Relu, Activation::Silu, Activation::Tanh] {
        same("activation", &Flex::activation_forward(x.clone(), kind), &composed::activation::<Flex>(x.clone(), kind));
        same(
            "activation backward",
            &Flex::activation_backward(grad.clone(), x.clone(), kind),
            &composed::activation_backward::<Flex>(grad.clone(), x.clone(), kind),
        );
    }
    let (weight, bias) = (flex(&mut numbers, [37, 21]), flex(&mut numbers, [21]));
    same(
        "linear",
        &Flex::linear_forward(x.clone(), weight.clone(), Some(bias.clone()), Precision::F32),
        &composed::linear::<Flex>(x, weight.clone(), Some(bias), Precision::F32),
    );
    let grad = flex(&mut numbers, [2, 9, 21]);
    same(
        "linear backward",
        &Flex::linear_backward(grad.clone(), weight.clone(), Precision::F32),
        &composed::linear_backward::<Flex>(grad, weight, Precision::F32),
    );
}

#[test]
fn attention_kernels_agree() {
    let cases = [
        (1, true, false, true, None),
        (2, true, false, false, None),
        (1, false, false, true, None),
        (2, false, true, true, None),
        (1, true, false, true, Some(0.9)),
    ];
    for (past_batch, causal, is_cross, masked, softcap) in cases {
        let mut numbers = Numbers::new(32);
        let shape = AttentionShape { n_heads: 4, n_kv_heads: 2, d_head: 8, scale: 0.7, causal, is_cross, softcap };
        let kv = 6 + shape.n_text(70);
        let mut mask = vec![1.0_f32; 2 * kv];
        mask[2..5].fill(0.0);
        let inputs = AttentionInputs::<Flex> {
            qkv: flex(&mut numbers, [2, 70, shape.width()]),
            past: Some((flex(&mut numbers, [past_batch, 2, 6, 8]), flex(&mut numbers, [past_batch, 2, 6, 8]))),
            key_mask: masked.then(|| FlexTensor::from_data(TensorData::new(mask, [2, kv]))),
            bias: masked.then(|| flex(&mut numbers, [1, 4, 70, kv])),
            shape,
        };
        let grad = flex(&mut numbers, [2, 70, 32]);
        let (out, lse) = Flex::attention_forward(&inputs);
        let (composed_out, composed_lse) = composed::attention::<Flex>(&inputs);
        same("output", &out, &composed_out);
        same("log-sum-exp", &lse, &composed_lse);
        for wanted in [[true; 3], [false, true, true], [true, false, false], [false, false, true]] {
            let ours = Flex::attention_backward(grad.clone(), &inputs, out.clone(), lse.clone(), wanted);
            let theirs = composed::attention_backward::<Flex>(
                grad.clone(),
                &inputs,
                composed_out.clone(),
                composed_lse.clone(),
                wanted,
            );
            for ((ours, theirs), wanted) in ours.iter().zip(&theirs).zip(wanted) {
                assert_eq!((ours.is_some(), theirs.is_some()), (wanted, wanted));
                if let (Some(ours), Some(theirs)) = (ours, theirs) {
                    same("gradient", ours, theirs);
                }
            }
        }
    }
}

#[test]
fn losses_agree() {
    let mut numbers = Numbers::new(33);
    // Several blocks of the vocabulary.
    let (n, d_model, vocab_size) = (600, 12, 2100);
    let (hidden, matrix) = (flex(&mut numbers, [n, d_model]), flex(&mut numbers, [vocab_size, d_model]));
    let bias = flex(&mut numbers, [vocab_size]);
    let targets: Vec<i64> = (0..n).map(|i| (i * 7919 % vocab_size) as i64).collect();
    let targets = FlexTensor::from_data(TensorData::new(targets, [n]));
    for (bias, softcap) in [(None, None), (Some(bias.clone()), None), (None, Some(1.5)), (Some(bias), Some(30.0))] {
        let settings = HeadSettings { precision: Precision::F32, softcap };
        let head = (matrix.clone(), bias);
        let (loss, grad) = Flex::cross_entropy_at_labels(hidden.clone(), head.clone(), targets.clone(), settings, true);
        let (their_loss, their_grad) =
            composed::cross_entropy_at_labels::<Flex>(hidden.clone(), head, targets.clone(), settings, true);
        same("loss", &loss, &their_loss);
        same("gradient", &grad.unwrap(), &their_grad.unwrap());
    }
}

#[test]
fn other_types_take_the_composed_way() {
    let x = Tensor::<3>::from_data([[[1.0, -2.0]]], &burn::tensor::Device::flex()).cast(burn::tensor::DType::F64);
    let out = crate::nn::activation(x, Activation::Silu).into_data();
    assert_eq!(out.dtype(), burn::tensor::DType::F64);
}
