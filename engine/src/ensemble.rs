//! A majority among the answers of several adapters: Lester et al. 2021, "The Power of Scale for Parameter-Efficient Prompt
//! Tuning", section 6, where a vote of five prompts beats the best of them on most tasks.

/// The result of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Majority {
    /// The first of the answers that won.
    pub winner: usize,
    /// Number of votes for it.
    pub votes: usize,
    /// As many gave another, and the scores decided.
    pub by_score: bool,
}

/// The answer that most give; `None` where there is none. Each comes with the log-probability that whoever gives it gives
/// it. Of answers that as many give, the one with the higher sum wins, and of those the one that was given first.
pub fn majority<T: PartialEq>(answers: &[(T, f64)]) -> Option<Majority> {
    let mut candidates: Vec<(usize, usize, f64)> = Vec::new();
    for (at, (answer, score)) in answers.iter().enumerate() {
        match candidates.iter_mut().find(|(first, ..)| answers[*first].0 == *answer) {
            Some((_, votes, sum)) => (*votes, *sum) = (*votes + 1, *sum + score),
            None => candidates.push((at, 1, *score)),
        }
    }
    let better = |best: (usize, usize, f64), next: (usize, usize, f64)| {
        if (next.1, next.2) > (best.1, best.2) { next } else { best }
    };
    let (winner, votes, _) = candidates.iter().copied().reduce(better)?;
    let by_score = candidates.iter().filter(|(_, others, _)| *others == votes).count() > 1;
    Some(Majority { winner, votes, by_score })
}

/// The worth of an answer: the log-probability of the chosen of these scores, in nats.
pub(crate) fn log_probability(logits: &[f32], chosen: usize) -> f64 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - highest).exp()).sum();
    logits.get(chosen).map_or(f64::NEG_INFINITY, |&logit| f64::from(logit - highest) - sum.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_voices_win_whatever_their_scores() {
        let answers = [("a", -9.0), ("b", -0.1), ("a", -9.0)];
        assert_eq!(majority(&answers), Some(Majority { winner: 0, votes: 2, by_score: false }));
        assert_eq!(majority::<&str>(&[]), None);
    }

    #[test]
    fn a_score_is_the_logarithm_of_its_share() {
        let logits = [0.0_f32, 3.0_f32.ln(), f32::NEG_INFINITY];
        assert!((log_probability(&logits, 1) - 0.75_f64.ln()).abs() < 1e-6);
        assert_eq!(log_probability(&logits, 2), f64::NEG_INFINITY);
    }

    #[test]
    fn a_tie_goes_to_the_higher_sum_and_then_to_the_first() {
        let answers = [("a", -2.0), ("b", -1.0), ("a", -1.0), ("b", -1.5), ("c", 0.0)];
        assert_eq!(majority(&answers), Some(Majority { winner: 1, votes: 2, by_score: true }));
        let even = [("a", -1.0), ("b", -1.0)];
        assert_eq!(majority(&even), Some(Majority { winner: 0, votes: 1, by_score: true }));
    }
}
