//! Scores of distances between tokens where each distance has a vector, as in DeBERTa (He et al. 2021): far ones share a
//! vector with those of about the same length.
//!
//! A token and a vector make one score whatever token is so far away, so that a text of `seq` tokens needs `2 · seq - 1`
//! scores of each token, of which each pair of tokens takes its own.
//! huggingface/transformers: src/transformers/models/deberta_v2/modeling_deberta_v2.py, `make_log_bucket_position`.

use burn::tensor::Tensor;

/// How distances become rows of a table of vectors.
#[derive(Clone, Copy, Debug)]
pub struct Distances {
    /// Distances in either direction that have a row, where far ones share theirs; `None`: all up to `longest` have one.
    pub n_buckets: Option<usize>,
    /// From which on all share a row.
    pub longest: usize,
}

impl Distances {
    /// Rows of the table.
    pub fn n_rows(&self) -> usize {
        2 * self.span()
    }

    /// The rows of a text's distances from a query back to a key, the most negative first: `2 · seq - 1` of them that rise.
    pub fn rows(&self, seq: usize) -> Vec<usize> {
        let far = seq as i64 - 1;
        (-far..=far).map(|distance| self.row(distance)).collect()
    }

    fn span(&self) -> usize {
        self.n_buckets.unwrap_or(self.longest)
    }

    fn row(&self, distance: i64) -> usize {
        let row = self.bucket(distance) + self.span() as i64;
        row.clamp(0, self.n_rows() as i64 - 1) as usize
    }

    /// In the reference's precision and order, on which the edges depend.
    fn bucket(&self, distance: i64) -> i64 {
        let Some(n_buckets) = self.n_buckets else { return distance };
        let (exact, far) = (n_buckets / 2, distance.unsigned_abs() as usize);
        if far <= exact {
            return distance;
        }
        let octaves = (((self.longest - 1) as f64 / exact as f64) as f32).ln();
        let wide = (far as f32 / exact as f32).ln() / octaves * (exact as f32 - 1.0);
        distance.signum() * (wide.ceil() + exact as f32) as i64
    }
}

/// Of the scores of each token with each distance, those of each pair of tokens.
///
/// # Shapes
/// - `scores`: `[batch, n_heads, seq, 2 · seq - 1]`, of token `i` and the token at `j` in column `j - i + seq - 1`
/// - returns `[batch, n_heads, seq, seq]`
pub fn by_pair(scores: Tensor<4>) -> Tensor<4> {
    let [batch, n_heads, seq, width] = scores.dims();
    if seq == 1 {
        return scores;
    }
    // Read with lines one shorter, each line begins one column further left than the one before it.
    let flat = scores.reshape([batch, n_heads, seq * width]).narrow(2, seq - 1, seq * (width - 1));
    flat.reshape([batch, n_heads, seq, width - 1]).narrow(3, 0, seq)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn distances_fall_into_the_buckets_of_the_reference() {
        // What torch makes of them with the sizes of DeBERTa-v3.
        let published = Distances { n_buckets: Some(256), longest: 512 };
        let far = [1, 127, 128, 129, 130, 150, 200, 256, 300, 400, 500, 505, 510, 511];
        let buckets = [1, 127, 128, 129, 130, 143, 169, 192, 207, 233, 254, 254, 255, 255];
        assert_eq!(far.map(|distance| published.bucket(distance)), buckets);
        assert_eq!(far.map(|distance| -published.bucket(-distance)), buckets, "either direction is alike");
        let sum: i64 = (0..2000).map(|distance| published.bucket(distance)).sum();
        assert_eq!(sum, 581_186, "of every distance");
        assert_eq!((published.n_rows(), published.row(-600), published.row(600)), (512, 0, 511));
        let every = Distances { n_buckets: None, longest: 3 };
        assert_eq!(every.rows(6), [0, 0, 0, 1, 2, 3, 4, 5, 5, 5, 5]);
    }

    #[test]
    fn each_pair_takes_the_score_of_its_distance() {
        let device = crate::device::cpu();
        for seq in [1, 2, 5] {
            let width = 2 * seq - 1;
            let numbers: Vec<f32> = (0..2 * seq * width).map(|at| at as f32).collect();
            let scores = Tensor::<4>::from_data(TensorData::new(numbers.clone(), [1, 2, seq, width]), &device);
            let found: Vec<f32> = by_pair(scores).try_into_vec_as().unwrap();
            let of_pair = |head: usize, i: usize, j: usize| numbers[(head * seq + i) * width + j + seq - 1 - i];
            let pairs = (0..2 * seq * seq).map(|at| of_pair(at / (seq * seq), at / seq % seq, at % seq));
            assert_eq!(found, pairs.collect::<Vec<f32>>());
        }
    }
}
