//! Products in 16 bits against those in f32: they differ by the rounding of the operands, and by nothing else.

use burn::tensor::{DType, Int, Tensor, TensorData};
use half::{bf16, f16};

use super::{Numbers, device, probe, values};
use crate::nn::matrix::product;
use crate::nn::{FrozenLinear, FrozenMatrix, Head, LowRank, Precision, cross_entropy_at_labels};

/// The distance of two neighboring numbers around 1: more than twice what rounding to the nearest can do.
fn unit(precision: Precision) -> f32 {
    match precision {
        Precision::F32 => f32::EPSILON,
        Precision::F16 => f16::EPSILON.to_f32(),
        Precision::Bf16 => bf16::EPSILON.to_f32(),
    }
}

/// The precisions that the device under test has. On a processor what was rounded is multiplied in f32.
fn precisions() -> impl Iterator<Item = Precision> {
    Precision::NARROW.into_iter().filter(|narrow| device().supports_dtype(narrow.dtype()))
}

/// Rows of numbers, each row of a magnitude of its own.
fn rows_of(magnitudes: &[f32], width: usize, seed: u64) -> TensorData {
    let plain = values(Numbers::new(seed).plain::<2>([magnitudes.len(), width]));
    let numbers: Vec<f32> = plain.iter().enumerate().map(|(at, x)| x * magnitudes[at / width]).collect();
    TensorData::new(numbers, [magnitudes.len(), width])
}

/// `found` is within two roundings of operands, where `size` is the product of the operands' magnitudes.
#[track_caller]
fn assert_rounded(what: &str, precision: Precision, found: &[f32], expected: &[f32], size: &[f32]) {
    assert_eq!((found.len(), size.len()), (expected.len(), expected.len()), "{what}: lengths");
    for (i, ((found, expected), size)) in found.iter().zip(expected).zip(size).enumerate() {
        let bound = 2.0 * unit(precision) * size;
        assert!((found - expected).abs() <= bound, "{what}[{i}] in {precision}: {found} is not {expected} ± {bound}");
    }
}

#[test]
fn a_layer_in_sixteen_bits_rounds_its_operands_and_nothing_else() {
    // Beyond f16 on both sides, as activations are above and gradients below.
    let magnitudes = [1e6, 1.0, 3e-3, 1e-9, 0.0];
    for precision in precisions() {
        for (d_in, d_out) in [(40, 70), (33, 5), (1, 1), (130, 1030)] {
            let x = rows_of(&magnitudes, d_in, 61);
            let grad = rows_of(&[1e-7, 1e-12, 1.0, 1e5, 1e-7], d_out, 62);
            let stored = Numbers::new(63).plain::<2>([d_out, d_in]).transpose();
            let of = |x: TensorData, weight: Tensor<2>, grad: TensorData, precision| {
                let x = Tensor::<2>::from_data(x, &device().autodiff()).require_grad();
                let layer = FrozenLinear::new(FrozenMatrix::new(weight, precision), None);
                let out = layer.forward(x.clone().unsqueeze_dim(0)).squeeze_dim::<2>(0);
                let plain = layer.forward(x.clone().inner().unsqueeze_dim(0));
                assert_eq!(values(out.clone()), values(plain), "tracked or not");
                let grads = (out.clone() * Tensor::from_data(grad, &device().autodiff())).sum().backward();
                (values(out), values(x.grad(&grads).unwrap()))
            };
            let expected = of(x.clone(), stored.clone(), grad.clone(), Precision::F32);
            let magnitude = |data: &TensorData| {
                let numbers: Vec<f32> = data.iter::<f32>().map(f32::abs).collect();
                TensorData::new(numbers, data.shape().clone())
            };
            let size = of(magnitude(&x), stored.clone().abs(), magnitude(&grad), Precision::F32);
            for weight in [stored.clone(), stored.clone().cast(precision.dtype())] {
                let found = of(x.clone(), weight, grad.clone(), precision);
                assert_rounded("output", precision, &found.0, &expected.0, &size.0);
                assert_rounded("gradient", precision, &found.1, &expected.1, &size.1);
            }
        }
    }
}

#[test]
fn a_scale_rounds_nothing() {
    // 11 bits at any magnitude go through f16 as they are.
    if precisions().all(|precision| precision != Precision::F16) {
        return;
    }
    for exponent in [-90, -40, -3, 0, 17, 60] {
        let numbers: Vec<f32> = (0..64).map(|i| (1024 + 16 * i + 1) as f32 * 2_f32.powi(exponent)).collect();
        let x = Tensor::<2>::from_data(TensorData::new(numbers.clone(), [2, 32]), &device());
        let found = product(x, Tensor::eye(32, &device()), Precision::F16);
        assert_eq!(values(found), numbers, "2^{exponent}");
    }
}

#[test]
fn rows_of_other_magnitudes_leave_a_row_as_it_is() {
    for precision in precisions() {
        let weight = Numbers::new(64).plain::<2>([50, 20]);
        let [alone, beside] = [&[1e-6][..], &[1e-6, 1e9]].map(|magnitudes| {
            let x = Tensor::<2>::from_data(rows_of(magnitudes, 50, 65), &device());
            values(product(x, weight.clone(), precision))
        });
        for (alone, beside) in alone.iter().zip(&beside) {
            assert!((alone - beside).abs() <= 1e-11, "{alone} beside a larger row is {beside}");
        }
    }
}

#[test]
fn trained_matrices_get_their_gradients_through_rounded_copies() {
    for precision in precisions() {
        let data = [(61, [30, 24]), (62, [4, 24]), (63, [17, 4]), (64, [24, 17])];
        let of = |precision: Precision, magnitude: bool| {
            let leaves = data.map(|(seed, shape)| {
                let values = Numbers::new(seed).plain::<2>(shape);
                let values = if magnitude { values.abs() } else { values };
                Tensor::<2>::from_data(values.into_data(), &device().autodiff()).require_grad()
            });
            let [x, a, b, weight] = leaves.clone();
            let mut layer = FrozenLinear::new(FrozenMatrix::new(weight, precision), None);
            layer.low_rank = Some(LowRank { a, b, dropout: None });
            let out = layer.forward(x.unsqueeze_dim(0));
            let weights = Numbers::new(65).plain(out.dims());
            let weights = Tensor::from_inner(if magnitude { weights.abs() } else { weights });
            let grads = (out.clone() * weights * 1e-7).sum().backward();
            let found = leaves.map(|leaf| values(leaf.grad(&grads).unwrap()));
            (values(out), found)
        };
        let (expected, size, found) = (of(Precision::F32, false), of(Precision::F32, true), of(precision, false));
        // The low ranks are two products one after the other.
        let doubled = |size: &[f32]| size.iter().map(|x| 2.0 * x).collect::<Vec<_>>();
        assert_rounded("output", precision, &found.0, &expected.0, &doubled(&size.0));
        for (which, ((found, expected), size)) in found.1.iter().zip(&expected.1).zip(&size.1).enumerate() {
            assert_rounded(&format!("gradient {which}"), precision, found, expected, &doubled(size));
        }
    }
}

#[test]
fn a_head_in_sixteen_bits_has_nearly_the_loss() {
    for precision in precisions() {
        let mut numbers = Numbers::new(66);
        let hidden = numbers.plain::<2>([30, 24]);
        let head = numbers.plain::<2>([3000, 24]);
        let targets: Vec<i32> = (0..30).map(|i| i * 97 % 3000).collect();
        let targets = Tensor::<1, Int>::from_data(TensorData::new(targets, [30]), &device());
        let of = |values_of_head: Tensor<2>, precision| {
            let hidden = Tensor::<2>::from_inner(hidden.clone()).require_grad();
            let head = Head::new(FrozenMatrix::new(values_of_head, precision));
            let nll = cross_entropy_at_labels(hidden.clone(), &head, targets.clone());
            let grads = probe(nll.clone(), 5).backward();
            (values(nll), values(hidden.grad(&grads).unwrap()))
        };
        let expected = of(head.clone(), Precision::F32);
        // The terms of a logit: it is off by at most a unit of them.
        let terms = values(product(hidden.clone().abs(), head.clone().abs().transpose(), Precision::F32));
        let terms = terms.into_iter().fold(0.0, f32::max);
        let tracked = Tensor::<2>::from_inner(head.clone()).require_grad();
        for head in [head.clone(), head.clone().cast(precision.dtype()), tracked] {
            let found = of(head, precision);
            assert_rounded("loss", precision, &found.0, &expected.0, &[terms; 30]);
            // The softmax moves by as much, and what it weighs is below 1 and rounded too, as is the target's row.
            assert_rounded("gradient", precision, &found.1, &expected.1, &vec![terms + 1.0; 720]);
        }
    }
}

#[test]
fn what_is_stored_in_sixteen_bits_is_not_widened() {
    let stored = Numbers::new(67).plain::<2>([6, 5]).cast(DType::BF16);
    let matrix = FrozenMatrix::new(stored, Precision::Bf16);
    assert_eq!(matrix.transpose().dtype(), Some(DType::BF16));
    let x = Numbers::new(68).plain::<2>([3, 6]);
    let out = FrozenLinear::new(&matrix, None).forward(x.unsqueeze_dim(0));
    assert_eq!(out.dtype(), DType::F32, "what comes out has not been rounded again");
}
