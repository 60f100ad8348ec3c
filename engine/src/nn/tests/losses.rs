//! The loss at the labels and the optimizer's step.

use burn::tensor::{Int, Tensor, TensorData, activation::log_softmax};

use super::{Numbers, assert_close, assert_same, assert_slope, device, values};
use crate::nn::{AdamW, Head, adamw_step, cross_entropy_at_labels, head_logits};

fn targets(n: usize, vocab_size: usize) -> Tensor<1, Int> {
    let tokens: Vec<i64> = (0..n).map(|i| (i * 7919 % vocab_size) as i64).collect();
    Tensor::from_data(TensorData::new(tokens, [n]), &device())
}

fn theirs(hidden: Tensor<2>, head: &Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    nll(hidden.matmul(Tensor::from_inner(head.clone()).transpose()), targets)
}

fn nll(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    let log_probs = log_softmax(logits, 1);
    -log_probs.gather(1, targets.unsqueeze_dim(1)).squeeze_dim(1)
}

#[test]
fn label_nll_equals_log_softmax() {
    for (n, vocab_size, d_model) in [(1, 5, 3), (13, 301, 24), (1100, 70, 8), (40, 20_000, 16)] {
        let mut numbers = Numbers::new(n as u64);
        let hidden = numbers.tracked([n, d_model]);
        let head = numbers.plain([vocab_size, d_model]) * 3.0;
        let view = numbers.plain([d_model, vocab_size]).transpose();
        for head in [head, view] {
            let targets = targets(n, vocab_size);
            assert_same(
                &hidden,
                2e-5,
                |hidden| cross_entropy_at_labels(hidden, &head, targets.clone()),
                |hidden| theirs(hidden, &head, targets.clone()),
            );
        }
    }
}

#[test]
fn label_nll_slope() {
    let mut numbers = Numbers::new(21);
    let head = numbers.plain([17, 6]);
    let hidden = numbers.tracked([4, 6]);
    assert_slope(&hidden, |hidden| cross_entropy_at_labels(hidden, &head, targets(4, 17)).sum());
}

/// A head with a bias and a bound, as its definition has it.
fn bounded(hidden: Tensor<2>, head: &Head) -> Tensor<2> {
    let constant = |tensor: Tensor<2>| if hidden.device().is_autodiff() { Tensor::from_inner(tensor) } else { tensor };
    let mut logits = hidden.clone().matmul(constant(head.matrix.dense()).transpose());
    if let Some(bias) = &head.bias {
        logits = logits + constant(bias.clone().unsqueeze());
    }
    if let Some(cap) = head.softcap {
        logits = (logits / cap).tanh() * cap;
    }
    logits
}

#[test]
fn a_bias_and_a_bound_of_the_logits_count_in_loss_gradient_and_decoding() {
    for (n, vocab_size, d_model) in [(1, 5, 3), (13, 301, 24), (1100, 700, 8), (40, 20_000, 16)] {
        let mut numbers = Numbers::new(n as u64);
        let hidden = numbers.tracked([n, d_model]);
        let matrix = numbers.plain([vocab_size, d_model]) * 3.0;
        let bias = numbers.plain([vocab_size]) * 2.0;
        for (bias, softcap) in [(Some(bias.clone()), None), (None, Some(0.8)), (Some(bias), Some(30.0))] {
            let head = Head { bias, softcap, ..Head::from(&matrix) };
            let targets = targets(n, vocab_size);
            assert_same(
                &hidden,
                2e-5,
                |hidden| cross_entropy_at_labels(hidden, &head, targets.clone()),
                |hidden| nll(bounded(hidden, &head), targets.clone()),
            );
            let plain = hidden.clone().inner();
            let logits = head_logits(plain.clone(), &head);
            assert_close("logits", &values(logits), &values(bounded(plain, &head)), 1e-5);
        }
    }
}

#[test]
fn a_trained_head_gets_its_gradients_through_bias_and_bound() {
    let mut numbers = Numbers::new(24);
    let (hidden, targets) = (numbers.plain([6, 4]), targets(6, 11));
    let (matrix, bias) = (numbers.tracked([11, 4]), numbers.tracked([11]));
    let of = |matrix: Tensor<2>, bias: Tensor<1>| {
        let hidden = if matrix.device().is_autodiff() || bias.device().is_autodiff() {
            Tensor::from_inner(hidden.clone())
        } else {
            hidden.clone()
        };
        let head = Head { bias: Some(bias), softcap: Some(1.3), ..Head::from(matrix) };
        cross_entropy_at_labels(hidden, &head, targets.clone()).sum()
    };
    assert_slope(&matrix, |matrix| {
        let bias = bias.clone().inner();
        let bias = if matrix.device().is_autodiff() { Tensor::from_inner(bias) } else { bias };
        of(matrix, bias)
    });
    assert_slope(&bias, |bias| {
        let matrix = matrix.clone().inner();
        let matrix = if bias.device().is_autodiff() { Tensor::from_inner(matrix) } else { matrix };
        of(matrix, bias)
    });
}

#[test]
fn far_apart_logits_do_not_overflow() {
    let head = Tensor::<2>::from_data([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], &device());
    let hidden = Tensor::<2>::from_data([[1e4, 0.0], [-1e4, 3.0]], &device());
    let nll = values(cross_entropy_at_labels(hidden, &head, Tensor::from_data([1, 1], &device())));
    assert_close("nll", &nll, &[2e4, 0.0], 1e-6);
}

#[test]
fn not_a_number_stays_visible() {
    let head = Numbers::new(22).plain([9, 2]);
    let hidden = Tensor::<2>::from_data([[f32::NAN, 1.0], [1.0, 1.0]], &device().autodiff()).require_grad();
    let nll = cross_entropy_at_labels(hidden.clone(), &head, Tensor::from_data([1, 2], &device()));
    let out = values(nll.clone());
    assert!(out[0].is_nan() && out[1].is_finite(), "{out:?}");
    assert!(hidden.grad(&nll.sum().backward()).is_some());
}

/// Ten steps as `torch.optim.AdamW` writes them, in f64.
#[test]
fn adamw_equals_torch() {
    let cfg = AdamW { beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weight_decay: 0.1 };
    let mut numbers = Numbers::new(23);
    let shape = [3, 41];
    let learning_rate = 0.03;
    let mut param = numbers.plain(shape);
    let mut moments = (Tensor::<2>::zeros(shape, &device()), Tensor::<2>::zeros(shape, &device()));
    let mut expected: Vec<[f64; 3]> = values(param.clone()).iter().map(|&p| [f64::from(p), 0.0, 0.0]).collect();
    for step in 1..=10_u16 {
        let grad = numbers.plain(shape);
        for ([p, m, v], g) in expected.iter_mut().zip(values(grad.clone())) {
            let g = f64::from(g);
            *p *= 1.0 - learning_rate * cfg.weight_decay;
            *m = cfg.beta1 * *m + (1.0 - cfg.beta1) * g;
            *v = cfg.beta2 * *v + (1.0 - cfg.beta2) * g * g;
            let m_hat = *m / (1.0 - cfg.beta1.powi(i32::from(step)));
            let v_hat = *v / (1.0 - cfg.beta2.powi(i32::from(step)));
            *p -= learning_rate * m_hat / (v_hat.sqrt() + cfg.epsilon);
        }
        let before = param.clone();
        let kept = values(before.clone());
        let (next, first, second) =
            adamw_step(&cfg, usize::from(step), learning_rate, param, grad, moments.0, moments.1);
        assert_eq!(values(before), kept, "what the caller still holds does not change");
        (param, moments) = (next, (first, second));
    }
    let expected: Vec<f32> = expected.iter().map(|&[p, _, _]| p as f32).collect();
    assert_close("parameter", &values(param), &expected, 1e-5);
}
