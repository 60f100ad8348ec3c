//! Ranks of right answers among candidates: precision at k and the mean reciprocal rank, over rows or as the mean over
//! groups (LAMA: facebookresearch/LAMA, lama/evaluation_metrics.py, P@k a relation, then the mean of the relations).

use std::collections::BTreeMap;

/// Rank of the right candidate from 1, by score. Of equal scores it stands last: a model that gives every candidate the
/// same score has found nothing. A score that is no number is the worst.
pub fn rank_of(scores: &[f64], right: usize) -> Option<usize> {
    let key = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
    let own = key(*scores.get(right)?);
    let before = scores.iter().enumerate().filter(|&(at, &score)| at != right && key(score) >= own).count();
    Some(before + 1)
}

/// Rank of the best of several right candidates, of which any is an answer; the others do not stand in its way.
pub fn best_rank_of(scores: &[f64], right: &[usize]) -> Option<usize> {
    let among = |of: usize| {
        let others = right.iter().filter(|&&at| at != of && scores.get(at).is_some_and(|score| *score >= scores[of]));
        Some(rank_of(scores, of)? - others.count())
    };
    right.iter().filter_map(|&of| among(of)).min()
}

/// Ranks of the right answers of some rows, from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranks(pub Vec<usize>);

impl Ranks {
    /// Share of the rows whose answer is among the first `k` (P@k with one answer a row, also called hits@k).
    pub fn precision_at(&self, k: usize) -> f64 {
        self.0.iter().filter(|&&rank| rank <= k).count() as f64 / self.0.len().max(1) as f64
    }

    /// Mean reciprocal rank.
    pub fn mrr(&self) -> f64 {
        self.0.iter().map(|&rank| 1.0 / rank.max(1) as f64).sum::<f64>() / self.0.len().max(1) as f64
    }
}

/// Ranks by group, in LAMA by relation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupedRanks {
    /// Of each group.
    pub groups: BTreeMap<String, Ranks>,
}

impl GroupedRanks {
    /// Takes in a row.
    pub fn add(&mut self, group: &str, rank: usize) {
        self.groups.entry(group.to_owned()).or_default().0.push(rank);
    }

    /// All rows, whatever their group.
    pub fn micro(&self) -> Ranks {
        Ranks(self.groups.values().flat_map(|ranks| ranks.0.iter().copied()).collect())
    }

    /// Mean over the groups of a figure of each.
    pub fn macro_mean(&self, figure: impl Fn(&Ranks) -> f64) -> f64 {
        self.groups.values().map(figure).sum::<f64>() / self.groups.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::golden::{close, other};

    #[test]
    fn ties_stand_before_the_right_one() {
        assert_eq!(rank_of(&[0.5, 0.9, 0.5, 0.1], 0), Some(3));
        assert_eq!(rank_of(&[0.0; 4], 2), Some(4));
        assert_eq!(rank_of(&[f64::NAN, 1.0], 0), Some(2));
        assert_eq!(rank_of(&[1.0], 1), None);
        assert_eq!(best_rank_of(&[0.1, 0.9, 0.8, 0.95], &[1, 2]), Some(2));
        assert_eq!(best_rank_of(&[0.1, 0.8, 0.8, 0.7], &[1, 2]), Some(1), "right ones do not tie with each other");
    }

    #[test]
    fn precision_and_reciprocal_rank_are_those_of_the_ranks_of_numpy() {
        let golden = other()["ranking"].clone();
        let mut grouped = GroupedRanks::default();
        for row in golden["rows"].as_array().unwrap() {
            let scores: Vec<f64> = serde_json::from_value(row["scores"].clone()).unwrap();
            let right = row["right"].as_u64().unwrap() as usize;
            grouped.add(row["group"].as_str().unwrap(), rank_of(&scores, right).unwrap());
        }
        for k in [1, 3, 10] {
            close(grouped.micro().precision_at(k), &golden["micro"][format!("p@{k}")], "micro");
            close(grouped.macro_mean(|of| of.precision_at(k)), &golden["macro"][format!("p@{k}")], "macro");
        }
        close(grouped.micro().mrr(), &golden["micro"]["mrr"], "micro");
        close(grouped.macro_mean(Ranks::mrr), &golden["macro"]["mrr"], "macro");
    }
}
