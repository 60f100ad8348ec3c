//! Operations strung together, as a model does.

use burn::tensor::Tensor;

use super::{Numbers, device, values};
use crate::nn::{Activation, AttentionShape, FrozenLinear, LayerKv, LayerNorm, activation, attention};

/// Two layers with a prefix each, its gradient against central differences of the whole.
#[test]
fn gradients_reach_the_prefix_of_every_layer() {
    let (layers, d_model, n_heads, d_head, n_virtual) = (2, 8, 2, 4, 3);
    let mut numbers = Numbers::new(41);
    let shape = AttentionShape {
        n_heads,
        n_kv_heads: n_heads,
        d_head,
        scale: 0.5,
        causal: true,
        is_cross: false,
        softcap: None,
    };
    let mut linear = |d_in, d_out| FrozenLinear::new(numbers.plain([d_in, d_out]), Some(numbers.plain([d_out])));
    let weights: Vec<_> = (0..layers)
        .map(|_| [linear(d_model, 3 * d_model), linear(d_model, d_model), linear(d_model, 20), linear(20, d_model)])
        .collect();
    let mut numbers = Numbers::new(42);
    let norm = LayerNorm { gamma: numbers.plain([d_model]) + 1.0, beta: numbers.plain([d_model]), epsilon: 1e-5 };
    let x = numbers.plain([2, 5, d_model]);
    let probe = numbers.plain([2, 5, d_model]);
    let forward = |prefix: Tensor<5>| {
        let mut x = if prefix.device().is_autodiff() { Tensor::from_inner(x.clone()) } else { x.clone() };
        for (layer, [qkv, project, up, down]) in weights.iter().enumerate() {
            let part = |which: usize| {
                let kv = prefix.clone().narrow(0, 2 * layer + which, 1);
                kv.squeeze_dim::<4>(0).unsqueeze_dim::<5>(0).reshape([1, n_heads, n_virtual, d_head])
            };
            let past = LayerKv { key: part(0), value: part(1) };
            let attended = attention(qkv.forward(norm.forward(x.clone())), Some(&past), None, None, &shape);
            x = x + project.forward(attended);
            x = x.clone() + down.forward(activation(up.forward(norm.forward(x)), Activation::GeluTanh));
        }
        let probe = if x.device().is_autodiff() { Tensor::from_inner(probe.clone()) } else { probe.clone() };
        (x * probe).sum()
    };
    let prefix = numbers.tracked([2 * layers, 1, n_heads, n_virtual, d_head]);
    super::assert_slope(&prefix, forward);
}

#[test]
#[should_panic(expected = "a frozen weight is tracked")]
fn a_tracked_mask_is_refused() {
    let mut numbers = Numbers::new(43);
    let mask = numbers.tracked([1, 4]);
    let qkv = Tensor::from_inner(numbers.plain([1, 4, 3 * 32]));
    let shape = AttentionShape {
        n_heads: 2,
        n_kv_heads: 2,
        d_head: 16,
        scale: 0.25,
        causal: true,
        is_cross: false,
        softcap: None,
    };
    let _ = values(attention(qkv, None, Some(&mask), None, &shape));
}

#[test]
fn the_same_step_twice_is_bit_equal() {
    let mut numbers = Numbers::new(44);
    let qkv = numbers.plain([2, 140, 3 * 32]);
    let shape = AttentionShape {
        n_heads: 2,
        n_kv_heads: 2,
        d_head: 16,
        scale: 0.25,
        causal: true,
        is_cross: false,
        softcap: None,
    };
    let once = || values(attention(qkv.clone(), None, None, None, &shape));
    assert_eq!(once(), once());
    assert_eq!(qkv.device(), device());
}
