//! Linear layers, layer norm and activations.

use burn::tensor::{Tensor, activation as burn_activation};

use super::{Numbers, assert_close, assert_same, assert_slope, device, probe, values};
use crate::nn::{Activation, Angles, Frequencies, FrozenLinear, LayerNorm, RmsNorm, Rotary, activation, head_logits};

const KINDS: [Activation; 5] =
    [Activation::GeluTanh, Activation::Gelu, Activation::Relu, Activation::Silu, Activation::Tanh];

/// Sizes around the edges: one row, few rows, many; widths that no vector divides.
const SIZES: [[usize; 4]; 5] = [[1, 1, 7, 5], [1, 3, 64, 48], [2, 9, 33, 65], [3, 5, 1, 1], [2, 40, 96, 130]];

#[test]
fn frozen_linear_equals_burns() {
    for (seed, [batch, seq, d_in, d_out]) in SIZES.into_iter().enumerate() {
        let mut numbers = Numbers::new(seed as u64);
        let x = numbers.tracked([batch, seq, d_in]);
        let dense = numbers.plain([d_in, d_out]);
        let view = numbers.plain([d_out, d_in]).transpose();
        for (weight, bias) in [(dense, Some(numbers.plain([d_out]))), (view, None)] {
            let layer = FrozenLinear::new(weight, bias);
            let theirs = |x: Tensor<3>| {
                let out = x.matmul(Tensor::from_inner(layer.weight.dense()).unsqueeze_dim(0));
                match layer.bias.clone() {
                    Some(bias) => out + Tensor::from_inner(bias).unsqueeze::<3>(),
                    None => out,
                }
            };
            assert_same(&x, 1e-5, |x| layer.forward(x), theirs);
        }
    }
}

#[test]
fn frozen_linear_reads_parts_of_larger_weights() {
    let mut numbers = Numbers::new(3);
    let large = numbers.plain([40, 50]);
    let weight = large.slice([3..36, 5..45]); // [33, 40], rows 50 apart
    for seq in [1, 2, 20] {
        let x = numbers.tracked([1, seq, 33]);
        let layer = FrozenLinear::new(weight.clone(), None);
        assert_same(&x, 1e-5, |x| layer.forward(x), |x| x.matmul(Tensor::from_inner(weight.clone()).unsqueeze_dim(0)));
    }
}

#[test]
fn linear_slope() {
    let mut numbers = Numbers::new(4);
    let layer = FrozenLinear::new(numbers.plain([6, 9]), Some(numbers.plain([9])));
    assert_slope(&numbers.tracked([2, 3, 6]), |x| probe_any(layer.forward(x)));
}

#[test]
fn head_logits_equal_a_product() {
    let mut numbers = Numbers::new(5);
    let head = numbers.plain([301, 48]);
    for n in [1, 3, 17] {
        let hidden = numbers.plain([n, 48]);
        let ours = head_logits(hidden.clone(), &head);
        assert_close("logits", &values(ours), &values(hidden.matmul(head.clone().transpose())), 1e-5);
    }
}

#[test]
fn layer_norm_equals_its_definition() {
    for (seed, [batch, seq, d_model, _]) in SIZES.into_iter().enumerate() {
        if d_model == 1 {
            continue; // the output is beta, and nothing has a gradient
        }
        let mut numbers = Numbers::new(seed as u64);
        let x = numbers.tracked([batch, seq, d_model]);
        let norm = norm(&mut numbers, d_model);
        assert_same(
            &x,
            2e-5,
            |x| norm.forward(x),
            |x| {
                let mean = x.clone().mean_dim(2);
                let centered = x - mean;
                let variance = centered.clone().powi_scalar(2).mean_dim(2);
                let normed = centered / (variance + norm.epsilon).sqrt();
                normed * Tensor::from_inner(norm.gamma.clone()).unsqueeze::<3>()
                    + Tensor::from_inner(norm.beta.clone()).unsqueeze::<3>()
            },
        );
    }
}

#[test]
fn layer_norm_slope() {
    let mut numbers = Numbers::new(6);
    let norm = norm(&mut numbers, 12);
    assert_slope(&numbers.tracked([1, 2, 12]), |x| probe_any(norm.forward(x)));
}

fn norm(numbers: &mut Numbers, d_model: usize) -> LayerNorm {
    LayerNorm { gamma: numbers.plain([d_model]), beta: numbers.plain([d_model]), epsilon: 1e-5 }
}

#[test]
fn rms_norm_equals_its_definition() {
    for (seed, [batch, seq, d_model, _]) in SIZES.into_iter().enumerate() {
        let mut numbers = Numbers::new(seed as u64);
        let x = numbers.tracked([batch, seq, d_model]);
        let norm = RmsNorm { gamma: numbers.plain([d_model]), epsilon: 1e-2 };
        let theirs = |x: Tensor<3>| {
            let root = (x.clone().powi_scalar(2).mean_dim(2) + norm.epsilon).sqrt();
            x / root * Tensor::from_inner(norm.gamma.clone()).unsqueeze::<3>()
        };
        assert_same(&x, 2e-5, |x| norm.forward(x), theirs);
    }
}

#[test]
fn rms_norm_slope() {
    let mut numbers = Numbers::new(10);
    let norm = RmsNorm { gamma: numbers.plain([12]), epsilon: 1e-5 };
    assert_slope(&numbers.tracked([1, 2, 12]), |x| probe_any(norm.forward(x)));
}

/// Two heads of three are turned, each in its first six numbers of eight.
fn rotary() -> (Rotary, Angles) {
    let rotary = Rotary::new(vec![1.0, 0.3, 0.02], 2, 8, &device());
    let positions = Tensor::<2, burn::tensor::Int>::from_data([[0, 1, 2, 40], [7, 8, 9, 3]], &device());
    let angles = rotary.angles(positions);
    (rotary, angles)
}

#[test]
fn rotation_equals_its_definition() {
    let (rotary, angles) = rotary();
    check_rotation(&rotary, &angles, |pair| (pair, pair + 3));
    check_rotation(&rotary.clone().from_number(2), &angles, |pair| (2 + pair, 2 + pair + 3));
    check_rotation(&rotary.of_neighbors(), &angles, |pair| (2 * pair, 2 * pair + 1));
}

/// `places` says where the numbers of a pair are in their head.
fn check_rotation(rotary: &Rotary, angles: &Angles, places: impl Fn(usize) -> (usize, usize)) {
    let x = Numbers::new(11).tracked([2, 4, 24]);
    let position = [[0.0, 1.0, 2.0, 40.0], [7.0, 8.0, 9.0, 3.0_f32]];
    let theirs = |x: Tensor<3>| {
        let mut rows = Vec::new();
        for (batch, row) in position.iter().enumerate() {
            for (at, position) in row.iter().enumerate() {
                let number = |i: usize| x.clone().slice([batch..batch + 1, at..at + 1, i..i + 1]);
                let mut turned: Vec<Tensor<3>> = (0..24).map(number).collect();
                for head in 0..2 {
                    for (pair, frequency) in [1.0, 0.3, 0.02_f32].into_iter().enumerate() {
                        let (sin, cos) = (position * frequency).sin_cos();
                        let (i, j) = places(pair);
                        let (i, j) = (head * 8 + i, head * 8 + j);
                        let (a, b) = (number(i), number(j));
                        turned[i] = a.clone() * cos - b.clone() * sin;
                        turned[j] = b * cos + a * sin;
                    }
                }
                rows.push(Tensor::cat(turned, 2));
            }
        }
        Tensor::cat(rows, 1).reshape([2, 4, 24])
    };
    assert_same(&x, 1e-5, |x| rotary.forward(x, angles), theirs);
}

#[test]
fn an_attention_factor_scales_what_is_turned_alone() {
    let (plain, plain_angles) = rotary();
    let frequencies = Frequencies { attention_factor: 1.25, ..vec![1.0, 0.3, 0.02].into() };
    let scaled = Rotary::new(frequencies, 2, 8, &device());
    let angles = scaled.angles(Tensor::from_data([[0, 1, 2, 40], [7, 8, 9, 3]], &device()));
    let factors: Vec<f32> = (0..24).map(|i| if i < 16 && i % 8 < 6 { 1.25 } else { 1.0 }).collect();
    let factors = Tensor::<1>::from_data(&factors[..], &device()).unsqueeze::<3>();
    let x = Numbers::new(14).tracked([2, 4, 24]);
    let theirs = |x: Tensor<3>| plain.forward(x, &plain_angles) * Tensor::from_inner(factors.clone());
    assert_same(&x, 1e-5, |x| scaled.forward(x, &angles), theirs);
}

#[test]
fn rotation_keeps_lengths_and_depends_on_differences_only() {
    let rotary = Rotary::new(vec![1.0, 0.1], 1, 4, &device());
    let (q, k) = (Numbers::new(12).plain::<3>([1, 1, 4]), Numbers::new(13).plain::<3>([1, 1, 4]));
    let at = |x: &Tensor<3>, position: i32| {
        rotary.forward(x.clone(), &rotary.angles(Tensor::from_data([[position]], &device())))
    };
    let score = |i: i32, j: i32| values((at(&q, i) * at(&k, j)).sum())[0];
    assert!((score(3, 1) - score(103, 101)).abs() < 1e-4);
    assert!((score(3, 1) - score(3, 2)).abs() > 1e-3);
    assert_close("length", &values((at(&q, 9) * at(&q, 9)).sum()), &values((q.clone() * q).sum()), 1e-5);
}

#[test]
fn activations_equal_burns() {
    for kind in KINDS {
        let x = Numbers::new(7).tracked([2, 5, 37]);
        assert_same(&x, 1e-5, |x| activation(x * 6.0, kind), |x| theirs(x * 6.0, kind));
    }
}

#[test]
fn activation_slopes() {
    for kind in KINDS {
        // Relu has a corner at 0; these numbers are not near it.
        let x = Numbers::new(8).plain([1, 2, 9]);
        let x = Tensor::from_inner(x.clone() + x.sign() * 0.1).require_grad();
        assert_slope(&x, |x| probe_any(activation(x, kind)));
    }
}

fn theirs(x: Tensor<3>, kind: Activation) -> Tensor<3> {
    match kind {
        Activation::GeluTanh => {
            let inner = (x.clone() + x.clone().powi_scalar(3) * 0.044715) * (2.0 / std::f64::consts::PI).sqrt();
            x * (inner.tanh() + 1.0) * 0.5
        }
        Activation::Gelu => burn_activation::gelu(x),
        Activation::Relu => burn_activation::relu(x),
        Activation::Silu => burn_activation::silu(x),
        Activation::Tanh => x.tanh(),
    }
}

/// `probe` for tracked and plain outputs alike.
fn probe_any(output: Tensor<3>) -> Tensor<1> {
    if output.device().is_autodiff() {
        probe(output, 99)
    } else {
        let weights = Numbers::new(99).plain(output.dims());
        (output * weights).sum()
    }
}

#[test]
fn activations_survive_large_numbers() {
    for kind in KINDS {
        let x = Tensor::<3>::from_data([[[-1e4, -100.0, 100.0, 1e4]]], &device());
        let out = values(activation(x, kind));
        assert!(out.iter().all(|y| y.is_finite()), "{kind:?}: {out:?}");
        let expected = match kind {
            Activation::Tanh => [-1.0, -1.0, 1.0, 1.0],
            _ => [0.0, 0.0, 100.0, 1e4],
        };
        assert_close("large", &out, &expected, 1e-6);
    }
}

#[test]
fn not_a_number_stays_visible() {
    let data = [[[f32::NAN, 1.0, 2.0, 3.0], [1.0, 2.0, 3.0, 5.0]]];
    let x = Tensor::<3>::from_data(data, &device().autodiff()).require_grad();
    let mut numbers = Numbers::new(9);
    let layer = FrozenLinear::new(numbers.plain([4, 3]), None);
    let norm = norm(&mut numbers, 4);
    let outputs = [
        layer.forward(x.clone()),
        norm.forward(x.clone()),
        activation(x.clone(), Activation::GeluTanh),
        activation(x.clone(), Activation::Gelu),
    ];
    for output in outputs {
        let [_, _, width] = output.dims();
        let out = values(output.clone());
        assert!(out[0].is_nan(), "the first number of the spoilt row");
        assert!(out[width..].iter().all(|y| y.is_finite()), "the other row");
        let grads = output.sum().backward();
        assert!(x.grad(&grads).is_some());
    }
}

#[test]
fn names_are_hugging_faces() {
    for (name, kind) in [
        ("gelu_new", Activation::GeluTanh),
        ("gelu_pytorch_tanh", Activation::GeluTanh),
        ("gelu", Activation::Gelu),
        ("relu", Activation::Relu),
        ("silu", Activation::Silu),
        ("swish", Activation::Silu),
        ("tanh", Activation::Tanh),
    ] {
        assert_eq!(Activation::from_name(name), Some(kind));
        let parsed: Activation = serde_json::from_str(&format!("{name:?}")).unwrap();
        assert_eq!(parsed, kind);
    }
    assert_eq!(Activation::from_name("quick_gelu"), None);
}
