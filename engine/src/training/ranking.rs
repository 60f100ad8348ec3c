//! Figures of ranks: how often the right answer is among the first k, and the mean of its inverse rank. Petroni et al. 2019
//! (P@k of LAMA), Voorhees 1999 (MRR).

/// The rank of the right answer, from 1: one more than the candidates that score higher. Of equals it has the best place, as
/// `(scores > score).sum() + 1`.
pub(crate) fn rank_of(scores: impl IntoIterator<Item = f64>, right: f64) -> usize {
    1 + scores.into_iter().filter(|&score| score > right).count()
}

/// Share of the ranks that are at most `k`.
pub(crate) fn precision_at(ranks: &[usize], k: usize) -> f64 {
    ranks.iter().filter(|&&rank| rank <= k).count() as f64 / ranks.len().max(1) as f64
}

/// Mean of the inverse ranks.
pub(crate) fn mean_reciprocal_rank(ranks: &[usize]) -> f64 {
    ranks.iter().map(|&rank| 1.0 / rank.max(1) as f64).sum::<f64>() / ranks.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_count_what_scores_higher() {
        assert_eq!(rank_of([0.1, 0.5, 0.5, 0.9], 0.5), 2);
        assert_eq!(rank_of([0.1], 0.5), 1);
    }

    #[test]
    fn figures_of_ranks() {
        let ranks = [1, 2, 4, 11];
        assert_eq!((precision_at(&ranks, 1), precision_at(&ranks, 10)), (0.25, 0.75));
        let mrr = (1.0 + 0.5 + 0.25 + 1.0 / 11.0) / 4.0;
        assert!((mean_reciprocal_rank(&ranks) - mrr).abs() < 1e-12);
        assert_eq!((precision_at(&[], 1), mean_reciprocal_rank(&[])), (0.0, 0.0));
    }
}
