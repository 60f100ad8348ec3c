//! Attention against softmax(q kᵀ) v written out.

use burn::tensor::{Tensor, TensorData, activation::softmax};

use super::{Numbers, assert_close, assert_slope, device, probe, values};
use crate::nn::{AttentionShape, LayerKv, MASK_VALUE, attention, attention_pattern, mixed_by};

/// One case: sizes, and what hides keys.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    seq: usize,
    n_past: usize,
    past_batch: usize,
    n_heads: usize,
    n_kv_heads: usize,
    d_head: usize,
    causal: bool,
    is_cross: bool,
    /// Hidden text keys at the left of each text.
    left_padding: Option<Vec<usize>>,
    /// Whether batch, heads and queries each have a bias of their own.
    bias: Option<[bool; 3]>,
    softcap: Option<f32>,
}

impl Case {
    fn plain() -> Self {
        Self {
            batch: 2,
            seq: 7,
            n_past: 3,
            past_batch: 1,
            n_heads: 4,
            n_kv_heads: 4,
            d_head: 5,
            causal: true,
            is_cross: false,
            left_padding: None,
            bias: None,
            softcap: None,
        }
    }

    fn shape(&self) -> AttentionShape {
        AttentionShape {
            n_heads: self.n_heads,
            n_kv_heads: self.n_kv_heads,
            d_head: self.d_head,
            scale: (self.d_head as f32).sqrt().recip(),
            causal: self.causal,
            is_cross: self.is_cross,
            softcap: self.softcap,
        }
    }

    fn kv(&self) -> usize {
        self.n_past + if self.is_cross { 0 } else { self.seq }
    }

    /// Some numbers, and a key in five that is hidden.
    fn bias(&self) -> Option<Tensor<4>> {
        let [batch, heads, queries] = self.bias?;
        let size = |of_its_own: bool, n: usize| if of_its_own { n } else { 1 };
        let shape = [size(batch, self.batch), size(heads, self.n_heads), size(queries, self.seq), self.kv()];
        let mut numbers = values(Numbers::new(21).plain(shape));
        numbers.iter_mut().step_by(5).for_each(|bias| *bias = MASK_VALUE);
        Some(Tensor::from_data(TensorData::new(numbers, shape), &device()))
    }

    fn mask(&self) -> Option<Tensor<2>> {
        let kv = self.kv();
        let mut mask = vec![1.0_f32; self.batch * kv];
        for (text, &padding) in self.left_padding.as_ref()?.iter().enumerate() {
            mask[text * kv + self.n_past..][..padding].fill(0.0);
        }
        Some(Tensor::from_data(TensorData::new(mask, [self.batch, kv]), &device()))
    }

    fn qkv_shape(&self) -> [usize; 3] {
        [self.batch, self.seq, self.shape().width()]
    }

    fn past_shape(&self) -> [usize; 4] {
        [self.past_batch, self.n_kv_heads, self.n_past, self.d_head]
    }

    fn leaves(&self) -> (Tensor<3>, Option<LayerKv>) {
        let mut numbers = Numbers::new(11);
        let qkv = numbers.tracked(self.qkv_shape()) * 2.0;
        let qkv = Tensor::from_inner(qkv.inner()).require_grad();
        let past = (self.n_past > 0)
            .then(|| LayerKv { key: numbers.tracked(self.past_shape()), value: numbers.tracked(self.past_shape()) });
        (qkv, past)
    }

    /// The definition, through burn's own operations.
    fn written_out(&self, qkv: Tensor<3>, past: Option<&LayerKv>) -> Tensor<3> {
        let (batch, seq, d_head) = (self.batch, self.seq, self.d_head);
        let kv = self.kv();
        let part = |start: usize, heads: usize| {
            qkv.clone()
                .slice([0..batch, 0..seq, start * d_head..(start + heads) * d_head])
                .reshape([batch, seq, heads, d_head])
                .swap_dims(1, 2) // [batch, heads, seq, d_head]
        };
        let query = part(0, self.n_heads);
        let whole = |first: usize, past: Option<Tensor<4>>| {
            let past = past.map(|past| past.expand([batch, self.n_kv_heads, self.n_past, d_head]));
            let text = (!self.is_cross).then(|| part(first, self.n_kv_heads));
            let all = Tensor::cat(past.into_iter().chain(text).collect(), 2);
            let group = self.n_heads / self.n_kv_heads;
            all.reshape([batch, self.n_kv_heads, 1, kv, d_head])
                .expand([batch, self.n_kv_heads, group, kv, d_head])
                .reshape([batch, self.n_heads, kv, d_head])
        };
        let key = whole(self.n_heads, past.map(|past| past.key.clone()));
        let value = whole(self.n_heads + self.n_kv_heads, past.map(|past| past.value.clone()));
        let scores = query.matmul(key.swap_dims(2, 3)) * self.shape().scale; // [batch, n_heads, seq, kv]
        let scores = match self.softcap {
            Some(cap) => (scores / cap).tanh() * cap,
            None => scores,
        };
        let scores = match self.bias() {
            Some(bias) => scores + Tensor::from_inner(bias),
            None => scores,
        };
        let hidden = self.hidden();
        let penalty = hidden.clone() * -1e9;
        let pattern = softmax(scores + Tensor::from_inner(penalty), 3);
        let pattern = pattern * Tensor::from_inner(hidden * -1.0 + 1.0);
        pattern.matmul(value).swap_dims(1, 2).reshape([batch, seq, self.n_heads * d_head])
    }

    /// 1 at hidden keys, `[batch, 1, seq, kv]`.
    fn hidden(&self) -> Tensor<4> {
        let (seq, kv) = (self.seq, self.kv());
        let mask = self.mask().map(values);
        let mut hidden = Vec::new();
        for text in 0..self.batch {
            for query in 0..seq {
                for key in 0..kv {
                    let later = self.causal && key > self.n_past + query;
                    let masked = mask.as_ref().is_some_and(|mask| mask[text * kv + key] == 0.0);
                    hidden.push(if later || masked { 1.0_f32 } else { 0.0 });
                }
            }
        }
        Tensor::from_data(TensorData::new(hidden, [self.batch, 1, seq, kv]), &device())
    }

    #[track_caller]
    fn check(&self) {
        let (qkv, past) = self.leaves();
        let mask = self.mask();
        let ours = attention(qkv.clone(), past.as_ref(), mask.as_ref(), self.bias().as_ref(), &self.shape());
        let theirs = self.written_out(qkv.clone(), past.as_ref());
        assert_close("output", &values(ours.clone()), &values(theirs.clone()), 1e-5);
        let pattern = attention_pattern(&qkv, past.as_ref(), mask.as_ref(), self.bias().as_ref(), &self.shape());
        let by_pattern = mixed_by(pattern, &qkv, past.as_ref(), &self.shape());
        assert_close("output by the pattern", &values(by_pattern), &values(theirs.clone()), 1e-5);
        let (ours, theirs) = (probe(ours, 5).backward(), probe(theirs, 5).backward());
        let grads = |grads| {
            let mut found = vec![values(qkv.grad(grads).expect("qkv is tracked"))];
            if let Some(past) = &past {
                found.push(values(past.key.grad(grads).expect("the past key is tracked")));
                found.push(values(past.value.grad(grads).expect("the past value is tracked")));
            }
            found
        };
        for (what, (ours, theirs)) in
            ["qkv", "past key", "past value"].iter().zip(grads(&ours).iter().zip(&grads(&theirs)))
        {
            assert_close(what, ours, theirs, 2e-5);
        }
    }
}

#[test]
fn a_shared_past_before_a_causal_text() {
    Case::plain().check();
}

#[test]
fn a_past_for_each_text() {
    Case { past_batch: 2, ..Case::plain() }.check();
}

#[test]
fn no_past() {
    Case { n_past: 0, ..Case::plain() }.check();
}

#[test]
fn every_query_sees_every_key() {
    Case { causal: false, seq: 70, ..Case::plain() }.check();
}

#[test]
fn query_heads_share_key_heads() {
    Case { n_heads: 6, n_kv_heads: 2, ..Case::plain() }.check();
    Case { n_heads: 6, n_kv_heads: 1, seq: 131, d_head: 16, ..Case::plain() }.check();
}

#[test]
fn texts_longer_than_a_tile() {
    Case { seq: 150, d_head: 32, n_past: 10, ..Case::plain() }.check();
    Case { seq: 64, n_past: 1, ..Case::plain() }.check();
}

#[test]
fn left_padding_is_never_seen() {
    Case { left_padding: Some(vec![0, 4]), ..Case::plain() }.check();
    Case { left_padding: Some(vec![70, 1]), seq: 100, n_heads: 2, n_kv_heads: 1, ..Case::plain() }.check();
}

#[test]
fn a_bias_is_added_to_the_scores() {
    for bias in [[true, true, true], [false, true, true], [true, true, false], [false, false, true]] {
        Case { bias: Some(bias), ..Case::plain() }.check();
        let left_padding = Some(vec![2, 0]);
        Case { bias: Some(bias), left_padding, n_heads: 6, n_kv_heads: 2, seq: 70, ..Case::plain() }.check();
    }
    Case { bias: Some([false, true, true]), causal: false, n_past: 0, ..Case::plain() }.check();
}

#[test]
fn scores_stay_within_their_bound() {
    // Far below the scores and far above them, over tiles, shared heads, padding and a bias.
    for cap in [0.3, 2.0, 50.0] {
        let capped = Case { softcap: Some(cap), ..Case::plain() };
        capped.check();
        Case { past_batch: 2, causal: false, ..capped.clone() }.check();
        let left_padding = Some(vec![2, 0]);
        let bias = Some([false, true, true]);
        Case { bias, left_padding, n_heads: 6, n_kv_heads: 2, seq: 150, d_head: 16, ..capped.clone() }.check();
        Case { n_past: 0, ..capped }.check();
    }
}

#[test]
fn a_text_without_keys_of_its_own_sees_the_past_alone() {
    let cross = Case { is_cross: true, causal: false, past_batch: 2, ..Case::plain() };
    cross.check();
    Case { n_past: 90, seq: 70, n_heads: 6, n_kv_heads: 2, d_head: 16, ..cross.clone() }.check();
    Case { past_batch: 1, bias: Some([true, true, true]), ..cross }.check();
}

#[test]
fn a_query_that_sees_no_key_returns_zeros() {
    let case = Case { n_past: 0, left_padding: Some(vec![3, 0]), ..Case::plain() };
    case.check();
    let (qkv, _) = case.leaves();
    let out = values(attention(qkv, None, case.mask().as_ref(), None, &case.shape()));
    assert!(out[..3 * case.n_heads * case.d_head].iter().all(|&x| x == 0.0));
}

#[test]
fn a_past_of_length_zero_is_no_past() {
    let case = Case { n_past: 0, ..Case::plain() };
    let (qkv, _) = case.leaves();
    let empty = Tensor::<4>::zeros(case.past_shape(), &device());
    let past = LayerKv { key: empty.clone(), value: empty };
    let with = attention(qkv.clone(), Some(&past), None, None, &case.shape());
    assert_eq!(values(with), values(attention(qkv, None, None, None, &case.shape())));
}

#[test]
fn only_tracked_parents_get_gradients() {
    let case = Case { seq: 70, ..Case::plain() };
    let (qkv, past) = case.leaves();
    let past = past.unwrap();
    let expected = probe(attention(qkv.clone(), Some(&past), None, None, &case.shape()), 5).backward();
    let expected = values(past.key.grad(&expected).unwrap());
    let frozen = LayerKv { key: past.key.clone(), value: past.value.clone().inner() };
    let grads = probe(attention(qkv.clone().inner(), Some(&frozen), None, None, &case.shape()), 5).backward();
    assert!(qkv.grad(&grads).is_none());
    assert_close("past key", &values(past.key.grad(&grads).unwrap()), &expected, 1e-5);
}

#[test]
fn one_query_after_a_cache_equals_the_last_of_many() {
    let case = Case { seq: 9, ..Case::plain() };
    let (qkv, past) = case.leaves();
    let (qkv, past) = (qkv.inner(), past.unwrap());
    let past = LayerKv { key: past.key.inner().repeat_dim(0, 2), value: past.value.inner().repeat_dim(0, 2) };
    let full = attention(qkv.clone(), Some(&past), None, None, &case.shape());
    let width = case.n_heads * case.d_head;
    let cached = |first: usize, past: &Tensor<4>| {
        let columns = first * width..(first + 1) * width;
        let text = qkv.clone().slice([0..2, 0..8, columns]).reshape([2, 8, 4, 5]).swap_dims(1, 2);
        Tensor::cat(vec![past.clone(), text], 2)
    };
    let cache = LayerKv { key: cached(1, &past.key), value: cached(2, &past.value) };
    // A cache with room to grow: the attended part is a view with gaps.
    let room = Tensor::<4>::zeros([2, 4, 6, 5], &device());
    let part = |kv: &Tensor<4>| Tensor::cat(vec![kv.clone(), room.clone()], 2).slice([0..2, 0..4, 0..11, 0..5]);
    let roomy = LayerKv { key: part(&cache.key), value: part(&cache.value) };
    for cache in [cache, roomy] {
        let last = attention(qkv.clone().slice([0..2, 8..9]), Some(&cache), None, None, &case.shape());
        assert_close("last", &values(last), &values(full.clone().slice([0..2, 8..9])), 1e-5);
    }
}

#[test]
fn attention_slope() {
    let case = Case { left_padding: Some(vec![2, 0]), n_heads: 2, n_kv_heads: 1, ..Case::plain() };
    check_slopes(&case);
    check_slopes(&Case { softcap: Some(0.7), ..case });
}

fn check_slopes(case: &Case) {
    let (qkv, past) = case.leaves();
    let past = past.unwrap();
    let mask = case.mask();
    let weights = Numbers::new(12).plain([2, 7, 10]);
    assert_slope(&qkv, |qkv| {
        let plain = LayerKv { key: past.key.clone().inner(), value: past.value.clone().inner() };
        weigh(attention(qkv, Some(&plain), mask.as_ref(), None, &case.shape()), &weights)
    });
    assert_slope(&past.key, |key| {
        let past = LayerKv { key, value: past.value.clone().inner() };
        weigh(attention(qkv.clone().inner(), Some(&past), mask.as_ref(), None, &case.shape()), &weights)
    });
}

fn weigh(output: Tensor<3>, weights: &Tensor<3>) -> Tensor<1> {
    let weights = if output.device().is_autodiff() { Tensor::from_inner(weights.clone()) } else { weights.clone() };
    (output * weights).sum()
}

#[test]
fn not_a_number_stays_visible() {
    let case = Case::plain();
    let (qkv, past) = case.leaves();
    let spoilt = qkv.inner().slice_fill([1..2, 6..7], f32::NAN);
    let past = past.map(|past| LayerKv { key: past.key.inner(), value: past.value.inner() });
    let out = values(attention(spoilt, past.as_ref(), None, None, &case.shape()));
    let width = case.n_heads * case.d_head;
    assert!(out[13 * width..].iter().all(|x| x.is_nan()), "the last query of the second text");
    assert!(out[..7 * width].iter().all(|x| x.is_finite()), "the first text");
}
