//! Slots that rows do not see in a step of training: those that were read from the row itself, and those that are dropped.
//!
//! Lu et al. 2025, "Context Tuning for In-Context Optimization"; agentic-learning-ai-lab/context-tuning: `train.py` (leave one
//! out, token dropout). Positions count hidden slots, as there.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};

use crate::data::{Contest, TokenBatch};

/// What is hidden from whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HiddenSlots {
    /// Slots of the prefix.
    pub n_slots: usize,
    /// The slots that were read from each of the first training rows.
    pub own: Vec<Range<usize>>,
    /// Share of the slots that is dropped, row by row.
    pub dropout: f64,
}

impl HiddenSlots {
    /// For the rows of a batch 1 for each slot that is seen, `[batch, n_slots]`; `None`: all are. `random` is drawn from only
    /// where slots are dropped.
    pub fn seen(&self, batch: &TokenBatch, random: &mut impl Rng, device: &Device) -> Option<Tensor<2>> {
        let own = |row: usize| self.own.get(row).filter(|span| span.start < self.n_slots);
        let rows = rows_of(batch);
        if self.dropout <= 0.0 && !rows.iter().any(|&row| own(row).is_some()) {
            return None;
        }
        let mut seen = vec![1.0_f32; rows.len() * self.n_slots];
        for (seen, row) in seen.chunks_exact_mut(self.n_slots).zip(&rows) {
            if self.dropout > 0.0 {
                seen.iter_mut().filter(|_| random.random_bool(self.dropout)).for_each(|seen| *seen = 0.0);
            }
            if let Some(span) = own(*row) {
                seen[span.start..span.end.min(self.n_slots)].fill(0.0);
            }
        }
        Some(Tensor::from_data(TensorData::new(seen, [rows.len(), self.n_slots]), device))
    }
}

/// The index among the examples of each row of a batch, in which one with candidates stands once for each.
fn rows_of(batch: &TokenBatch) -> Vec<usize> {
    match &batch.contest {
        Some(Contest::Rows { sizes, .. }) => {
            batch.rows.iter().zip(sizes).flat_map(|(&row, &n)| std::iter::repeat_n(row, n)).collect()
        }
        _ => batch.rows.clone(),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::config::Task;
    use crate::data::Example;
    use crate::nn::floats;

    fn batch(rows: &[usize]) -> TokenBatch {
        let example = Example { tokens: vec![1, 2], n_prompt: 1, ..Example::default() };
        TokenBatch::new(&vec![example; 9], rows, 0, Task::Causal)
    }

    fn seen(hidden: &HiddenSlots, batch: &TokenBatch) -> Option<Vec<f32>> {
        let device = crate::device::cpu();
        let mut random = ChaCha8Rng::seed_from_u64(3);
        hidden.seen(batch, &mut random, &device).map(|seen| floats(seen).unwrap())
    }

    #[test]
    fn a_demonstration_does_not_see_its_own_slots_and_others_see_all() {
        let hidden = HiddenSlots { n_slots: 4, own: vec![0..2, 2..6, 6..8], dropout: 0.0 };
        let wanted = [[0.0, 0.0, 1.0, 1.0], [1.0; 4], [1.0, 1.0, 0.0, 0.0]].concat();
        assert_eq!(seen(&hidden, &batch(&[0, 5, 1])), Some(wanted));
        assert_eq!(seen(&hidden, &batch(&[7, 2])), None, "what the prefix has no slots of hides nothing");
        let with_candidates = TokenBatch {
            contest: Some(Contest::Rows { sizes: vec![2, 1], right: vec![0, 0], factors: Vec::new() }),
            ..batch(&[1, 8])
        };
        let wanted = [[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0; 4]].concat();
        assert_eq!(seen(&hidden, &with_candidates), Some(wanted));
    }

    #[test]
    fn slots_are_dropped_row_by_row_at_their_share() {
        let hidden = HiddenSlots { n_slots: 500, own: Vec::new(), dropout: 0.2 };
        let seen = seen(&hidden, &batch(&[0, 1])).unwrap();
        let (first, second) = seen.split_at(500);
        assert_ne!(first, second);
        let dropped = seen.iter().filter(|&&seen| seen == 0.0).count();
        assert!((150..=250).contains(&dropped), "{dropped} of 1000");
    }
}
