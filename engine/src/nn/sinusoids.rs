//! Positions that are computed (Vaswani et al. 2017), in the layout of Pegasus: all sines, then all cosines.

use burn::tensor::{Device, Tensor, TensorData};

/// The sines of each position, then its cosines, `[n_positions, d]`.
pub fn sinusoids(n_positions: usize, d: usize, device: &Device) -> Tensor<2> {
    let half = d.div_ceil(2);
    let of = |position: usize, column: usize| {
        let (pair, cosine) = if column < half { (column, false) } else { (column - half, true) };
        let angle = position as f64 / 10_000_f64.powf(2.0 * pair as f64 / d as f64);
        (if cosine { angle.cos() } else { angle.sin() }) as f32
    };
    let values: Vec<f32> = (0..n_positions * d).map(|i| of(i / d, i % d)).collect();
    Tensor::from_data(TensorData::new(values, [n_positions, d]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computed_positions_are_sines_then_cosines() {
        let table: Vec<f32> = sinusoids(3, 5, &crate::device::cpu()).try_into_vec_as().unwrap();
        assert_eq!(table[..5], [0.0, 0.0, 0.0, 1.0, 1.0]);
        let slow = 10_000_f64.powf(-0.4);
        let expected = [1.0, slow, slow * slow].map(f64::sin).into_iter().chain([1.0, slow].map(f64::cos));
        for (found, expected) in table[5..10].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
    }
}
