//! Choosing one token from one row of logits, on the host.
//!
//! The order and the meaning of the settings are those of huggingface/transformers,
//! `src/transformers/generation/logits_process.py`: repetition penalty, forbidden n-grams, then (unless greedy)
//! temperature, top-k, top-p.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::error::{EngineError, Result};
use crate::generation::{Beams, Sampling};
use crate::sentence;

/// Chooses the tokens of one stream. Each stream has a random state of its own, and takes one number per token: the
/// same seed gives the same text, whatever else is in the batch.
#[derive(Clone, Debug)]
pub struct TokenSampler {
    sampling: Sampling,
    no_repeat_ngram: usize,
    random: ChaCha8Rng,
}

impl TokenSampler {
    /// `no_repeat_ngram` forbids that any n tokens in a row come twice; 0 allows everything.
    pub fn new(sampling: &Sampling, no_repeat_ngram: usize) -> Self {
        Self { sampling: sampling.clone(), no_repeat_ngram, random: ChaCha8Rng::seed_from_u64(sampling.seed) }
    }

    /// The next token after `seen`, the prompt and what was generated.
    ///
    /// # Errors
    /// [`EngineError::Computation`] when the logits are not numbers or every token is forbidden.
    pub fn choose(&mut self, logits: &mut [f32], seen: &[u32]) -> Result<u32> {
        if logits.iter().any(|logit| logit.is_nan()) {
            return Err(EngineError::Computation(sentence!("the model's logits are not numbers")));
        }
        penalize(logits, seen, self.sampling.repetition_penalty as f32);
        forbid_ngrams(logits, seen, self.no_repeat_ngram);
        let (best, &highest) = first_maximum(logits).expect("a vocabulary has tokens");
        if highest == f32::NEG_INFINITY {
            return Err(EngineError::Computation(sentence!("no token is allowed to follow")));
        }
        if is_greedy(&self.sampling) {
            return Ok(best as u32);
        }
        let scale = self.sampling.temperature.recip();
        let candidates = candidates(logits, scale, self.sampling.top_k, self.sampling.top_p);
        Ok(draw(&candidates, self.random.random()))
    }
}

/// Refuses settings outside of what makes sense, by name.
///
/// # Errors
/// [`EngineError::Setting`] for the first one that is wrong.
pub fn check_sampling(sampling: &Sampling) -> Result<()> {
    let beams = &sampling.beams;
    let rules = [
        (
            sampling.temperature.is_finite() && sampling.temperature >= 0.0,
            "temperature",
            sentence!("must be 0 or more"),
        ),
        ((0.0..=1.0).contains(&sampling.top_p), "top_p", sentence!("must be between 0 and 1")),
        (
            sampling.repetition_penalty.is_finite() && sampling.repetition_penalty > 0.0,
            "repetition_penalty",
            sentence!("must be a positive number"),
        ),
        ((1..=Beams::MOST).contains(&beams.n_beams), "n_beams", sentence!("must be between 1 and 256")),
        (
            (1..=beams.n_beams).contains(&beams.n_returned),
            "n_returned",
            sentence!("must be at least 1 and at most the number of beams"),
        ),
        (beams.length_penalty.is_finite(), "length_penalty", sentence!("must be a finite number")),
        (
            beams.n_beams == 1 || is_greedy(sampling),
            "n_beams",
            sentence!("must be 1 with sampling: beams are searched, not drawn"),
        ),
    ];
    match rules.into_iter().find(|(holds, ..)| !holds) {
        None => Ok(()),
        Some((_, field, reason)) => Err(EngineError::Setting { field, reason }),
    }
}

fn is_greedy(sampling: &Sampling) -> bool {
    sampling.greedy || sampling.temperature == 0.0
}

fn first_maximum(logits: &[f32]) -> Option<(usize, &f32)> {
    logits.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best })
}

/// Keskar et al. 2019, "CTRL", section 4.1, in the form that also works for negative logits: each token that is
/// already there counts once.
pub(super) fn penalize(logits: &mut [f32], seen: &[u32], penalty: f32) {
    if penalty == 1.0 {
        return;
    }
    let mut tokens = seen.to_vec();
    tokens.sort_unstable();
    tokens.dedup();
    for token in tokens {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = if *logit < 0.0 { *logit * penalty } else { *logit / penalty };
        }
    }
}

/// Forbids every token that already followed the last `n - 1` tokens.
pub(super) fn forbid_ngrams(logits: &mut [f32], seen: &[u32], n: usize) {
    if n == 0 || seen.len() + 1 < n {
        return;
    }
    let last = &seen[seen.len() + 1 - n..];
    for ngram in seen.windows(n).filter(|ngram| ngram[..n - 1] == *last) {
        if let Some(logit) = logits.get_mut(ngram[n - 1] as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// Forbids these tokens.
pub(super) fn suppress(logits: &mut [f32], tokens: &[u32]) {
    for &token in tokens {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }
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
        let mut sampler = TokenSampler::new(&Sampling::default(), 0);
        assert_eq!(sampler.choose(&mut [0.0, 3.0, 3.0, 1.0], &[]).unwrap(), 1);
    }

    #[test]
    fn penalty_divides_positive_and_multiplies_negative_logits_once() {
        let mut logits = [2.0, -2.0, 2.0, -2.0];
        penalize(&mut logits, &[0, 1, 0, 1, 0], 2.0);
        assert_eq!(logits, [1.0, -4.0, 2.0, -2.0]);
    }

    #[test]
    fn a_bigram_never_comes_twice() {
        let mut logits = [0.0; 4];
        forbid_ngrams(&mut logits, &[1, 2, 1, 3, 1], 2);
        assert_eq!(logits, [0.0, 0.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
        let mut logits = [0.0; 4];
        forbid_ngrams(&mut logits, &[1, 2], 1);
        assert_eq!(logits, [0.0, f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0]);
        let mut logits = [0.0; 4];
        forbid_ngrams(&mut logits, &[1], 3);
        assert_eq!(logits, [0.0; 4]);
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
        let mut sampler = TokenSampler::new(&sampling(), 0);
        let mut counts = [0_usize; 3];
        for _ in 0..10_000 {
            counts[sampler.choose(&mut logits.clone(), &[]).unwrap() as usize] += 1;
        }
        for (count, expected) in counts.iter().zip([1000.0, 2000.0, 7000.0]) {
            assert!((*count as f64 - expected).abs() < 200.0, "{counts:?}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_tokens() {
        let run = |seed| {
            let mut sampler = TokenSampler::new(&Sampling { seed, ..sampling() }, 0);
            (0..50).map(|_| sampler.choose(&mut [0.0; 100], &[]).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn broken_logits_and_settings_are_errors() {
        let mut sampler = TokenSampler::new(&sampling(), 0);
        assert!(sampler.choose(&mut [0.0, f32::NAN], &[]).is_err());
        assert!(sampler.choose(&mut [f32::NEG_INFINITY; 2], &[]).is_err());
        assert_eq!(sampler.choose(&mut [0.0, f32::INFINITY], &[]).unwrap(), 1);
        assert!(check_sampling(&Sampling { top_p: 1.5, ..sampling() }).is_err());
        assert!(check_sampling(&Sampling { temperature: f64::NAN, ..sampling() }).is_err());
        assert!(check_sampling(&Sampling { repetition_penalty: 0.0, ..sampling() }).is_err());
        assert!(check_sampling(&sampling()).is_ok());
    }
}
