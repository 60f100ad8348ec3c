//! Frequencies of rotary positions: the same for every text, or other ones for long texts.
//!
//! huggingface/transformers: src/transformers/modeling_rope_utils.py.

use burn::tensor::{Device, Tensor, TensorData};

/// The angles per position by which pairs of numbers turn, and the factor on what is turned.
#[derive(Clone, Debug, PartialEq)]
pub struct Frequencies {
    /// The way they follow from a text.
    pub kind: FrequencyKind,
    /// On cosines and sines, so that scores of a stretched context keep their size (YaRN, LongRoPE).
    pub attention_factor: f32,
}

/// The way frequencies follow from a text. Its length is the last of its positions and one more, those of a prefix counted.
#[derive(Clone, Debug, PartialEq)]
pub enum FrequencyKind {
    /// They are the same for every text.
    Fixed(Vec<f32>),
    /// Beyond a length every position turns by others (LongRoPE).
    ByLength {
        /// For texts up to that length.
        short: Vec<f32>,
        /// For longer ones.
        long: Vec<f32>,
        /// That length.
        original: usize,
    },
    /// Beyond a length their base grows with it (dynamic NTK).
    Growing {
        /// The base of shorter texts.
        theta: f32,
        /// How fast it grows.
        factor: f32,
        /// That length.
        original: usize,
        /// Numbers of a head that are turned, two for each frequency.
        d_rotary: usize,
    },
}

impl From<Vec<f32>> for Frequencies {
    fn from(fixed: Vec<f32>) -> Self {
        Self { kind: FrequencyKind::Fixed(fixed), attention_factor: 1.0 }
    }
}

/// Frequencies on a device.
#[derive(Clone, Debug)]
pub(super) enum OnDevice {
    Fixed(Tensor<1>),
    /// Those of short texts and those of long ones, `[2, n_pairs]`.
    ByLength {
        both: Tensor<2>,
        original: usize,
    },
    Growing {
        theta: f32,
        factor: f32,
        original: usize,
        d_rotary: usize,
    },
}

impl FrequencyKind {
    /// Pairs that are turned.
    pub(super) fn n_pairs(&self) -> usize {
        match self {
            Self::Fixed(frequencies) | Self::ByLength { short: frequencies, .. } => frequencies.len(),
            Self::Growing { d_rotary, .. } => d_rotary / 2,
        }
    }

    pub(super) fn on_device(self, device: &Device) -> OnDevice {
        match self {
            Self::Fixed(frequencies) => {
                let n = frequencies.len();
                OnDevice::Fixed(Tensor::from_data(TensorData::new(frequencies, [n]), device))
            }
            Self::ByLength { short, long, original } => {
                assert_eq!(short.len(), long.len(), "long texts turn as many pairs as short ones");
                let n = short.len();
                let both = TensorData::new([short, long].concat(), [2, n]);
                OnDevice::ByLength { both: Tensor::from_data(both, device), original }
            }
            Self::Growing { theta, factor, original, d_rotary } => {
                assert!(d_rotary > 2, "the base of one pair cannot grow");
                OnDevice::Growing { theta, factor, original, d_rotary }
            }
        }
    }
}

impl OnDevice {
    /// Pairs that are turned.
    pub(super) fn n_pairs(&self) -> usize {
        match self {
            Self::Fixed(frequencies) => frequencies.dims()[0],
            Self::ByLength { both, .. } => both.dims()[1],
            Self::Growing { d_rotary, .. } => d_rotary / 2,
        }
    }

    /// Whether they are the same for every text.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }

    /// The length beyond which there are others.
    pub(super) fn original_length(&self) -> Option<usize> {
        match self {
            Self::ByLength { original, .. } => Some(*original),
            Self::Fixed(_) | Self::Growing { .. } => None,
        }
    }

    /// The angles of `positions`, `[batch, seq, n_pairs]`. Each text of a batch has the frequencies of its own length, which
    /// stays on the device.
    pub(super) fn angles(&self, positions: Tensor<2>) -> Tensor<3> {
        let length = || (positions.clone().max_dim(1) + 1.0).unsqueeze_dim::<3>(2); // [batch, 1, 1]
        let frequencies = match self {
            Self::Fixed(frequencies) => frequencies.clone().unsqueeze::<3>(),
            Self::ByLength { both, original } => {
                let [_, n] = both.dims();
                let of = |row: usize| both.clone().slice([row..row + 1, 0..n]).unsqueeze::<3>(); // [1, 1, n_pairs]
                // Lengths are whole numbers, so this is 0 or 1.
                let is_long = (length() - *original as f32).clamp(0.0, 1.0);
                let is_short = is_long.clone() * -1.0 + 1.0;
                of(0) * is_short + of(1) * is_long
            }
            Self::Growing { theta, factor, original, d_rotary } => {
                let (original, d) = (*original as f32, *d_rotary as f32);
                let stretched = length().clamp_min(original) * (factor / original) - (factor - 1.0);
                let base = stretched.powf_scalar(d / (d - 2.0)) * *theta;
                let exponents: Vec<f32> = (0..d_rotary / 2).map(|pair| -((2 * pair) as f32 / d)).collect();
                let exponents = TensorData::new(exponents, [1, 1, d_rotary / 2]);
                let exponents = Tensor::<3>::from_data(exponents, &positions.device());
                let [batch, _, _] = base.dims();
                let shape = [batch, 1, d_rotary / 2];
                base.expand(shape).powf(exponents.expand(shape))
            }
        };
        positions.unsqueeze_dim::<3>(2) * frequencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn angles(kind: FrequencyKind, positions: [[f32; 3]; 2]) -> Vec<f32> {
        let device = crate::device::cpu();
        let positions = Tensor::<2>::from_data(positions, &device);
        kind.on_device(&device).angles(positions).try_into_vec_as().unwrap()
    }

    #[test]
    fn each_text_of_a_batch_turns_by_its_own_length() {
        let kind = FrequencyKind::ByLength { short: vec![1.0, 0.5], long: vec![0.25, 0.125], original: 4 };
        let found = angles(kind, [[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]);
        assert_eq!(found[..6], [1.0, 0.5, 2.0, 1.0, 3.0, 1.5], "four positions are not more than four");
        assert_eq!(found[6..], [0.5, 0.25, 0.75, 0.375, 1.0, 0.5]);
    }

    #[test]
    fn a_growing_base_is_the_plain_one_within_the_models_length_and_grows_beyond() {
        let growing = FrequencyKind::Growing { theta: 100.0, factor: 2.5, original: 8, d_rotary: 6 };
        let found = angles(growing, [[5.0, 6.0, 7.0], [9.0, 10.0, 11.0]]);
        let base = |length: f64| 100.0 * (2.5 * length / 8.0 - 1.5).powf(6.0 / 4.0);
        let expected = |position: f64, length: f64, pair: f64| position / base(length).powf(2.0 * pair / 6.0);
        for (at, position) in [5.0, 6.0, 7.0, 9.0, 10.0, 11.0].into_iter().enumerate() {
            for pair in 0..3 {
                let expected = expected(position, if at < 3 { 8.0 } else { 12.0 }, f64::from(pair));
                let found = f64::from(found[at * 3 + pair as usize]);
                assert!((found - expected).abs() < 2e-6 * expected, "{found} is not {expected}");
            }
        }
    }
}
