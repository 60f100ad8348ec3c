//! Choosing one token from one row of logits, on the host.
//!
//! The order and the meaning of the settings are those of huggingface/transformers,
//! `src/transformers/generation/logits_process.py`: behind the rules, and unless greedy, temperature, top-k, top-p.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{EngineError, Result};
use crate::generation::Sampling;
use crate::sentence;

/// Chooses the tokens of one stream. Each stream has a random state of its own, and takes one number per token: the
/// same seed gives the same text, whatever else is in the batch.
#[derive(Clone, Debug)]
pub struct TokenSampler {
    sampling: Sampling,
    random: ChaCha8Rng,
}

impl TokenSampler {
    /// From its seed on.
    pub fn new(sampling: &Sampling) -> Self {
        Self { sampling: sampling.clone(), random: ChaCha8Rng::seed_from_u64(sampling.seed) }
    }

    /// The next token.
    ///
    /// # Errors
    /// [`EngineError::Computation`] when the logits are not numbers or every token is forbidden.
    pub fn choose(&mut self, logits: &[f32]) -> Result<u32> {
        if logits.iter().any(|logit| logit.is_nan()) {
            return Err(EngineError::Computation(sentence!("the model's logits are not numbers")));
        }
        let (best, &highest) = first_maximum(logits).expect("a vocabulary has tokens");
        if highest == f32::NEG_INFINITY {
            return Err(EngineError::Computation(sentence!("no token is allowed to follow")));
        }
        if self.sampling.is_greedy() {
            return Ok(best as u32);
        }
        let scale = self.sampling.temperature.recip();
        let candidates = candidates(logits, scale, self.sampling.top_k, self.sampling.top_p);
        Ok(draw(&candidates, self.random.random()))
    }
}

fn first_maximum(logits: &[f32]) -> Option<(usize, &f32)> {
    logits.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// Tokens left by top-k and top-p with their unnormalized probabilities, by token id.
///
/// Tokens as good as the k-th stay (so there may be more than k). For top-p the order of equals is by id. The best
/// token always stays.
fn candidates(logits: &[f32], scale: f64, top_k: usize, top_p: f64) -> Vec<(u32, f64)> {
    let mut left: Vec<(u32, f32)> = (0..).zip(logits.iter().copied()).collect();
    let by_score = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if top_k > 0 && top_k < left.len() {
        let (_, &mut (_, least), _) = left.select_nth_unstable_by(top_k - 1, by_score);
        left.retain(|&(_, logit)| logit >= least);
    }
    left.retain(|&(_, logit)| logit > f32::NEG_INFINITY);
    let highest = left.iter().fold(f32::NEG_INFINITY, |highest, &(_, logit)| highest.max(logit));
    if highest == f32::INFINITY {
        left.retain(|&(_, logit)| logit == highest);
        return left.into_iter().map(|(token, _)| (token, 1.0)).collect();
    }
    let weight = |logit: f32| ((f64::from(logit) - f64::from(highest)) * scale).exp();
    if top_p < 1.0 {
        left.sort_unstable_by(by_score);
        let total: f64 = left.iter().map(|&(_, logit)| weight(logit)).sum();
        let mut before = 0.0;
        let kept = left.iter().take_while(|&&(_, logit)| {
            let enough = before >= top_p * total;
            before += weight(logit);
            !enough
        });
        let kept = kept.count().max(1);
        left.truncate(kept);
    }
    left.sort_unstable_by_key(|&(token, _)| token);
    left.into_iter().map(|(token, logit)| (token, weight(logit))).collect()
}

/// The token at `share` (0 to 1) of the candidates' mass.
fn draw(candidates: &[(u32, f64)], share: f64) -> u32 {
    let total: f64 = candidates.iter().map(|(_, weight)| weight).sum();
    let mut left = share * total;
    for &(token, weight) in candidates {
        left -= weight;
        if left < 0.0 {
            return token;
        }
    }
    candidates.last().expect("at least one token is left").0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampling() -> Sampling {
        Sampling { greedy: false, ..Sampling::default() }
    }

    fn tokens(logits: &[f32], temperature: f64, top_k: usize, top_p: f64) -> Vec<u32> {
        candidates(logits, 1.0 / temperature, top_k, top_p).into_iter().map(|(token, _)| token).collect()
    }

    #[test]
    fn greedy_takes_the_first_maximum() {
        let mut sampler = TokenSampler::new(&Sampling::default());
        assert_eq!(sampler.choose(&[0.0, 3.0, 3.0, 1.0]).unwrap(), 1);
    }

    #[test]
    fn top_k_keeps_ties_and_top_p_at_least_one() {
        assert_eq!(tokens(&[1.0, 5.0, 3.0, 3.0, 0.0], 1.0, 2, 1.0), [1, 2, 3]);
        assert_eq!(tokens(&[1.0, 5.0, 3.0], 1.0, 0, 0.0), [1]);
        // Probabilities 0.5, 0.25, 0.125, 0.125: half is reached by the first alone, a little more needs the second.
        let logits = [0.125_f32.ln(), 0.5_f32.ln(), 0.25_f32.ln(), 0.125_f32.ln()];
        assert_eq!(tokens(&logits, 1.0, 0, 0.499), [1]);
        assert_eq!(tokens(&logits, 1.0, 0, 0.6), [1, 2]);
        assert_eq!(tokens(&logits, 1.0, 0, 0.8), [0, 1, 2]);
        assert_eq!(tokens(&logits, 1.0, 0, 1.0), [0, 1, 2, 3]);
    }

    #[test]
    fn temperature_comes_before_top_p() {
        let logits = [0.0_f32, 1.0, 2.0, 3.0];
        assert_eq!(tokens(&logits, 0.1, 0, 0.9), [3]);
        assert_eq!(tokens(&logits, 100.0, 0, 0.9), [0, 1, 2, 3]);
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [0.1_f32.ln(), 0.2_f32.ln(), 0.7_f32.ln()];
        let mut sampler = TokenSampler::new(&sampling());
        let mut counts = [0_usize; 3];
        for _ in 0..10_000 {
            counts[sampler.choose(&logits).unwrap() as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([1000.0, 2000.0, 7000.0]) {
            assert!((*count as f64 - expected).abs() < 200.0, "{counts:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_tokens() {
        let run = |seed| {
            let mut sampler = TokenSampler::new(&Sampling { seed, ..sampling() });
            (0..50).map(|_| sampler.choose(&[0.0; 100]).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn broken_logits_and_settings_are_errors() {
        let mut sampler = TokenSampler::new(&sampling());
        assert!(sampler.choose(&[0.0, f32::NAN]).is_err());
        assert!(sampler.choose(&[f32::NEG_INFINITY; 2]).is_err());
        assert_eq!(sampler.choose(&[0.0, f32::INFINITY]).unwrap(), 1);
        assert!((Sampling { top_p: 1.5, ..sampling() }).check().is_err());
        assert!((Sampling { temperature: f64::NAN, ..sampling() }).check().is_err());
        assert!((Sampling { repetition_penalty: 0.0, ..sampling() }).check().is_err());
        assert!(sampling().check().is_ok());
    }
}
