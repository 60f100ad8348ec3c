//! Scores by distance, as T5 learns them (Raffel et al. 2020): near distances have a bias each, farther ones share one
//! with those of about the same length.
//! huggingface/transformers: src/transformers/models/t5/modeling_t5.py, `_relative_position_bucket`.

use burn::tensor::{Int, Tensor, TensorData};

/// A bias for each bucket of distances, and how distances become its rows.
#[derive(Clone, Debug)]
pub struct RelativeBias {
    /// `[n_buckets, n_heads]`
    pub table: Tensor<2>,
    /// Rows of the table.
    pub n_buckets: usize,
    /// From which on the last bucket serves.
    pub max_distance: usize,
    /// Whether a key after the query has buckets of its own.
    pub both_directions: bool,
}

impl RelativeBias {
    /// Of the distance from a query to a key. In the reference's precision and order, on which the edges depend.
    fn bucket(&self, key: usize, query: usize) -> usize {
        let n_buckets = if self.both_directions { self.n_buckets / 2 } else { self.n_buckets };
        let (first, distance) = match key > query {
            true if self.both_directions => (n_buckets, key - query),
            true => (0, 0),
            false => (0, query - key),
        };
        let exact = n_buckets / 2;
        if distance < exact {
            return first + distance;
        }
        let octaves = (self.max_distance as f64 / exact as f64).ln() as f32;
        let wide = (distance as f32 / exact as f32).ln() / octaves * (n_buckets - exact) as f32;
        first + (exact + wide as usize).min(n_buckets - 1)
    }

    /// For `seq` queries after `n_past` keys, `[1, n_heads, seq, n_past + seq]`.
    pub fn bias(&self, n_past: usize, seq: usize) -> Tensor<4> {
        let kv = n_past + seq;
        let of_query = |query: usize| (0..kv).map(move |key| self.bucket(key, n_past + query) as i32);
        let indices: Vec<i32> = (0..seq).flat_map(of_query).collect();
        let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [seq * kv]), &self.table.device());
        let [_, n_heads] = self.table.dims();
        let by_pair = self.table.clone().select(0, indices); // [seq * kv, n_heads]
        by_pair.transpose().reshape([1, n_heads, seq, kv])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(both_directions: bool, n_buckets: usize, max_distance: usize) -> RelativeBias {
        RelativeBias {
            table: Tensor::zeros([n_buckets, 1], &crate::device::cpu()),
            n_buckets,
            max_distance,
            both_directions,
        }
    }

    /// Where the bucket changes as the key moves from 140 before the query to 140 after it.
    fn edges(buckets: &RelativeBias) -> Vec<(i32, usize)> {
        let mut edges: Vec<(i32, usize)> = (0..=280).map(|key| (key as i32 - 140, buckets.bucket(key, 140))).collect();
        edges.dedup_by_key(|(_, bucket)| *bucket);
        edges
    }

    #[test]
    fn distances_fall_into_the_buckets_of_the_reference() {
        let before: [(i32, usize); 15] = [
            (-140, 15),
            (-90, 14),
            (-63, 13),
            (-45, 12),
            (-31, 11),
            (-22, 10),
            (-15, 9),
            (-11, 8),
            (-7, 7),
            (-6, 6),
            (-5, 5),
            (-4, 4),
            (-3, 3),
            (-2, 2),
            (-1, 1),
        ];
        assert_eq!(edges(&buckets(true, 32, 128))[..15], before);
        let after = [(8, 24), (12, 25), (16, 26), (23, 27), (32, 28), (46, 29), (64, 30), (91, 31)];
        assert_eq!(edges(&buckets(true, 32, 128))[23..], after);
        let one_way = [(-140, 31), (-112, 30), (-98, 29), (-86, 28), (-76, 27), (-66, 26), (-58, 25), (-51, 24)];
        let causal = edges(&buckets(false, 32, 128));
        assert_eq!(
            (&causal[..8], causal.last()),
            (&one_way[..], Some(&(0, 0))),
            "no key after the query has a distance"
        );
        let odd = [(-140, 9), (-15, 8), (-11, 7), (-8, 6), (-6, 5), (-4, 4), (-3, 3), (-2, 2), (-1, 1), (0, 0)];
        assert_eq!(edges(&buckets(false, 10, 21)), odd);
    }

    #[test]
    fn t5_relative_bias_covers_the_prefix_slots() {
        let device = crate::device::cpu();
        let table: Vec<f32> = (0..32).map(|bucket| bucket as f32).collect();
        let buckets = RelativeBias {
            table: Tensor::from_data(TensorData::new(table, [32, 1]), &device),
            ..buckets(false, 32, 128)
        };
        let bias = buckets.bias(3, 2);
        assert_eq!(bias.dims(), [1, 1, 2, 5]);
        // Slots are 0, 1, 2; the two tokens stand at 3 and 4 and are as far from them as text would be.
        let found: Vec<f32> = bias.try_into_vec_as().unwrap();
        assert_eq!(found, [3.0, 2.0, 1.0, 0.0, 0.0, 4.0, 3.0, 2.0, 1.0, 0.0]);
    }
}
