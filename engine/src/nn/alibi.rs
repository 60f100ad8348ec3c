//! ALiBi: scores that grow with the key's position, for each head at its own rate (Press et al. 2022, "Train Short,
//! Test Long").
//!
//! The paper lowers the score by the distance from query to key. A constant per query does not change a softmax, so
//! the position of the key alone is enough. huggingface/transformers: src/transformers/models/bloom/modeling_bloom.py.

use burn::tensor::{Device, Int, Tensor, TensorData};
use half::bf16;

/// The rates of the heads.
#[derive(Clone, Debug)]
pub struct Alibi {
    slopes: Tensor<4>, // [1, n_heads, 1, 1]
    /// The factor on scores that were rounded to bf16 on their way; `None`: nothing is rounded, nor scaled.
    rounded: Option<f32>,
}

impl Alibi {
    /// For any number of heads.
    pub fn new(n_heads: usize, device: &Device) -> Self {
        let slopes = TensorData::new(slopes(n_heads), [1, n_heads, 1, 1]);
        Self { slopes: Tensor::from_data(slopes, device), rounded: None }
    }

    /// As Falcon has it: rates, positions and their products in bf16, then scaled as the scores are.
    /// huggingface/transformers: src/transformers/models/falcon/modeling_falcon.py, `build_alibi_tensor`.
    pub fn in_bf16(n_heads: usize, scale: f32, device: &Device) -> Self {
        Self { rounded: Some(scale), ..Self::new(n_heads, device) }
    }

    /// The bias for the scores, `[1 or batch, n_heads, 1, kv]`: made once and used by every layer.
    ///
    /// Keys are counted from 0, slots of a prefix and a cache among them; those that `key_mask` (`[batch, kv]`) hides
    /// are not counted. Without a mask all are.
    pub fn bias(&self, key_mask: Option<&Tensor<2>>, kv: usize) -> Tensor<4> {
        self.at(match key_mask {
            Some(mask) => (mask.clone().cumsum(1) - 1.0) * mask.clone(),
            None => Tensor::<1, Int>::arange(0..kv as i64, &self.slopes.device()).float().reshape([1, kv]),
        })
    }

    /// The same of keys whose places are known, `[1 or batch, kv]`.
    pub fn at(&self, places: Tensor<2>) -> Tensor<4> {
        let [batch, kv] = places.dims();
        let positions: Tensor<4> = places.reshape([batch, 1, 1, kv]);
        match self.rounded {
            Some(scale) => self.rounded_bias(positions, kv) * scale,
            None => self.slopes.clone() * positions,
        }
    }

    /// Products of rates and positions, each number in bf16: looked up, since not every device has the type.
    fn rounded_bias(&self, positions: Tensor<4>, kv: usize) -> Tensor<4> {
        let ([_, n_heads, ..], [batch, ..]) = (self.slopes.dims(), positions.dims());
        let rounded = |x: f32| bf16::from_f32(x).to_f32();
        let of_head = |slope: f32| (0..kv).map(move |at| rounded(rounded(slope) * rounded(at as f32)));
        let table: Vec<f32> = slopes(n_heads).into_iter().flat_map(of_head).collect();
        let table = Tensor::<2>::from_data(TensorData::new(table, [n_heads, kv]), &positions.device());
        let of_each = table.select(1, positions.reshape([batch * kv]).int()); // [n_heads, batch * kv]
        of_each.reshape([n_heads, batch, 1, kv]).swap_dims(0, 1)
    }
}

/// A geometric sequence that ends at 2⁻⁸; between two powers of two, every other rate of the next one fills up.
fn slopes(n_heads: usize) -> Vec<f32> {
    let power = 1 << n_heads.ilog2();
    let rate = |of: usize, i: usize| (-8.0 * i as f64 / of as f64).exp2() as f32;
    let own = (1..=power).map(|i| rate(power, i));
    let between = (1..).step_by(2).map(|i| rate(2 * power, i));
    own.chain(between.take(n_heads - power)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_heads_has_its_rates() {
        assert_eq!(slopes(4), [0.25, 0.0625, 0.015_625, 0.003_906_25]);
        assert_eq!(slopes(1), [0.003_906_25]);
        let six = slopes(6);
        assert_eq!(six[..4], slopes(4));
        assert_eq!(six[4..], [0.5, 0.125]);
    }

    #[test]
    fn rounded_rates_are_those_of_the_reference() {
        let device = crate::device::cpu();
        // Two slots of padding, then tokens 0, 1, 2 … of the first head of 16, whose rate 2^-0.5 bf16 does not have.
        let mask = Tensor::cat(vec![Tensor::zeros([1, 2], &device), Tensor::ones([1, 5], &device)], 1);
        let bias = Alibi::in_bf16(16, 0.5, &device).bias(Some(&mask), 7);
        assert_eq!(bias.dims(), [1, 16, 1, 7]);
        let first: Vec<f32> = bias.narrow(1, 0, 1).try_into_vec_as().unwrap();
        let twice: Vec<f32> = first.iter().map(|x| 2.0 * x).collect();
        assert_eq!(twice, [0.0, 0.0, 0.0, 0.707_031_25, 1.414_062_5, 2.125, 2.828_125]);
    }

    #[test]
    fn bloom_alibi_counts_the_prefix_slots() {
        let device = crate::device::cpu();
        let alibi = Alibi::new(1, &device);
        let counted = |mask: Option<&Tensor<2>>| -> Vec<f32> {
            let positions = alibi.bias(mask, 6) / alibi.slopes.clone();
            positions.try_into_vec_as().unwrap()
        };
        // Two slots, two columns of padding, two tokens.
        let mask = Tensor::from_data([[1.0, 1.0, 0.0, 0.0, 1.0, 1.0]], &device);
        assert_eq!(counted(Some(&mask)), [0.0, 1.0, 0.0, 0.0, 2.0, 3.0]);
        assert_eq!(counted(None), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    }
}
