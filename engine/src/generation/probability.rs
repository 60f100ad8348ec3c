//! The probability of a token among all others, from one row of logits on the host.

use serde::{Deserialize, Serialize};

/// A token, the probability that the model gives it, and what else it finds probable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenProbability {
    /// The token.
    pub token: u32,
    /// Logarithm of its probability, in nats.
    pub log_probability: f64,
    /// 1 for the most probable token; tokens as probable as this one do not count.
    pub rank: usize,
    /// The most probable tokens, best first, each with the logarithm of its probability.
    pub top: Vec<(u32, f64)>,
}

/// The probability of a token by its logits, and the `top` most probable tokens. Of equal ones the lower id comes first.
pub fn token_probability(logits: &[f32], token: u32, top: usize) -> TokenProbability {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - highest).exp()).sum();
    let of = |logit: f32| f64::from(logit - highest) - sum.ln();
    let own = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    TokenProbability {
        token,
        log_probability: of(own),
        rank: 1 + logits.iter().filter(|&&logit| logit > own).count(),
        top: largest(logits, top).into_iter().map(|(token, logit)| (token, of(logit))).collect(),
    }
}

/// The largest logits, with their places.
fn largest(logits: &[f32], n: usize) -> Vec<(u32, f32)> {
    if n == 0 {
        return Vec::new();
    }
    let by_size = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let mut all: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    if n < all.len() {
        all.select_nth_unstable_by(n, by_size);
        all.truncate(n);
    }
    all.sort_unstable_by(by_size);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_its_share_its_rank_and_its_betters() {
        // Probabilities 0.1, 0.4, 0.1, 0.4.
        let logits = [0.1_f32, 0.4, 0.1, 0.4].map(f32::ln);
        let of = |token| token_probability(&logits, token, 3);
        assert!((of(1).log_probability - 0.4_f64.ln()).abs() < 1e-6 && of(1).rank == 1 && of(3).rank == 1);
        assert!((of(2).log_probability - 0.1_f64.ln()).abs() < 1e-6 && of(2).rank == 3);
        assert_eq!(of(2).top.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [1, 3, 0]);
        assert!((of(2).top[2].1 - 0.1_f64.ln()).abs() < 1e-6);
        assert_eq!(token_probability(&logits, 0, 0).top, []);
        assert_eq!(token_probability(&logits, 0, 99).top.len(), 4);
        let sum: f64 = token_probability(&logits, 0, 4).top.iter().map(|(_, log)| log.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
    }

    #[test]
    fn a_forbidden_or_unknown_token_has_no_probability() {
        let logits = [0.0, f32::NEG_INFINITY];
        assert_eq!(token_probability(&logits, 1, 1).log_probability, f64::NEG_INFINITY);
        assert_eq!(token_probability(&logits, 7, 1).log_probability, f64::NEG_INFINITY);
        assert_eq!(token_probability(&logits, 0, 1).log_probability, 0.0);
    }
}
