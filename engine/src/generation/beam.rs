//! Beam search: of all ways to go on with one text, the few that are most probable so far.
//!
//! This is `_beam_search` of huggingface/transformers, `src/transformers/generation/utils.py`: penalties act on
//! log-probabilities, a beam's score is their sum, and a beam that ended is worth its score divided by its number of new
//! tokens to the power of the length penalty. Here a search begins with one beam and has as many as there are texts,
//! where the reference fills up with copies that are worth -1e9; among equal scores the earlier beam wins, then the lower
//! token.
//!
//! This file sees logits on the host, and no model: the decoder brings them, one row for each beam.

use super::decoder::{DecoderOptions, EndReason};
use super::rules::Rules;
use super::stop::StopStrings;
use crate::error::{EngineError, Result};
use crate::generation::{Beams, EarlyStopping};
use crate::sentence;

/// New tokens of one beam, and what they are worth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// The tokens, with the end token if one was chosen.
    pub tokens: Vec<u32>,
    /// The sum of their log-probabilities in nats, after penalties, divided by their number to the power of the length
    /// penalty.
    pub score: f32,
}

/// The beams of one stream.
#[derive(Clone, Debug)]
pub(super) struct BeamSearch {
    settings: Beams,
    /// Each once; empty if none ends a beam.
    end_tokens: Vec<u32>,
    /// Most new tokens.
    limit: usize,
    /// Best first; their scores are not yet divided by a length.
    live: Vec<Hypothesis>,
    /// The row of the last logits that each live beam goes on with.
    parents: Vec<usize>,
    /// Best first, as many as there are beams.
    finished: Vec<Hypothesis>,
    over: bool,
}

/// One more token for one beam.
struct Candidate {
    score: f32,
    row: usize,
    token: u32,
}

impl BeamSearch {
    /// `limit` is how many new tokens are wanted, or the model has positions for.
    pub(super) fn new(options: &DecoderOptions, limit: usize) -> Self {
        Self {
            settings: options.sampling.beams.clone(),
            end_tokens: options.ends(),
            limit,
            live: vec![Hypothesis::default()],
            parents: vec![0],
            finished: Vec::new(),
            over: false,
        }
    }

    /// Every beam's next token, from one row of logits for each: `[n_beams * vocab_size]`, and for the first token of all
    /// `[vocab_size]`. `begins` is what the penalties count besides a beam's own tokens.
    ///
    /// # Errors
    /// [`EngineError::Computation`] when the logits are not numbers or every token is forbidden.
    pub(super) fn advance(
        &mut self,
        mut logits: Vec<f32>,
        begins: &[u32],
        (rules, stops): (&Rules, Option<&StopStrings>),
        forced: Option<u32>,
    ) -> Result<()> {
        let rows = if self.length() == 0 { 1 } else { self.settings.n_beams };
        let vocab_size = logits.len() / rows;
        for (row, beam) in logits.chunks_exact_mut(vocab_size).zip(&self.live) {
            to_log_probabilities(row)?;
            let seen = [begins, &beam.tokens].concat();
            rules.apply(row, &seen, beam.tokens.len());
            if let Some(token) = forced {
                row.fill(f32::NEG_INFINITY);
                row[token as usize] = 0.0;
            }
        }
        let stops = |tokens: &[u32]| stops.is_some_and(|stops| stops.complete(&[begins, tokens].concat()));
        self.take(&logits, vocab_size, stops)
    }

    /// Chooses among all continuations of all beams.
    fn take(&mut self, log_probabilities: &[f32], vocab_size: usize, stops: impl Fn(&[u32]) -> bool) -> Result<()> {
        let n_beams = self.settings.n_beams;
        let length = self.length() + 1;
        // Even if every beam has all its ends among the best, enough others are left to go on with.
        let candidates = self.candidates(log_probabilities, vocab_size, (self.end_tokens.len() + 1).max(2) * n_beams);
        let (mut live, mut parents) = (Vec::new(), Vec::new());
        for (rank, Candidate { score, row, token }) in candidates.into_iter().enumerate() {
            let tokens = [&self.live[row].tokens[..], &[token]].concat();
            if length >= self.limit || self.end_tokens.contains(&token) || stops(&tokens) {
                // An end further behind would never have been looked at without the room for ends.
                if rank < n_beams {
                    self.finished.push(Hypothesis { tokens, score: self.worth(score, length) });
                }
            } else if live.len() < n_beams {
                live.push(Hypothesis { tokens, score });
                parents.push(row);
            }
        }
        self.finished.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.finished.truncate(n_beams);
        (self.live, self.parents) = (live, parents);
        self.over = self.live.is_empty() || (self.finished.len() == n_beams && !self.can_improve(length));
        if self.over && self.finished.is_empty() {
            return Err(EngineError::Computation(sentence!("no token is allowed to follow")));
        }
        Ok(())
    }

    /// The best continuations, best first.
    fn candidates(&self, log_probabilities: &[f32], vocab_size: usize, keep: usize) -> Vec<Candidate> {
        let mut best: Vec<Candidate> = Vec::new();
        for (row, (beam, next)) in self.live.iter().zip(log_probabilities.chunks_exact(vocab_size)).enumerate() {
            for (token, log_probability) in (0..).zip(next) {
                let score = beam.score + log_probability;
                let least = best.get(keep - 1).map_or(f32::NEG_INFINITY, |candidate| candidate.score);
                if score > least {
                    let place = best.partition_point(|candidate| candidate.score >= score);
                    best.insert(place, Candidate { score, row, token });
                    best.truncate(keep);
                }
            }
        }
        best
    }

    /// Whether going on may find something better than the worst of as many finished beams as are kept.
    fn can_improve(&self, length: usize) -> bool {
        let Beams { length_penalty, early_stopping, .. } = self.settings;
        let length = match early_stopping {
            EarlyStopping::True => return false,
            EarlyStopping::Never if length_penalty > 0.0 => self.limit,
            EarlyStopping::Never | EarlyStopping::False => length,
        };
        let worst = self.finished.last().map_or(f32::NEG_INFINITY, |finished| finished.score);
        self.live.first().is_some_and(|best| self.worth(best.score, length) > worst)
    }

    fn worth(&self, score: f32, length: usize) -> f32 {
        score / (length as f64).powf(self.settings.length_penalty) as f32
    }

    /// New tokens of each live beam.
    pub(super) fn length(&self) -> usize {
        self.live.first().map_or(0, |beam| beam.tokens.len())
    }

    /// The tokens that are worth most: of all beams while the search goes on, of the finished ones at its end.
    pub(super) fn best(&self) -> &[u32] {
        let live = self.live.first().filter(|_| !self.over);
        match (live, self.finished.first()) {
            (Some(live), Some(done)) if self.worth(live.score, live.tokens.len()) <= done.score => &done.tokens,
            (Some(best), _) | (None, Some(best)) => &best.tokens,
            (None, None) => &[],
        }
    }

    /// As many finished beams as were asked for, best first; nothing before the end.
    pub(super) fn returned(&self) -> &[Hypothesis] {
        let n = if self.over { self.finished.len().min(self.settings.n_returned) } else { 0 };
        &self.finished[..n]
    }

    /// New tokens of each row that has a beam.
    pub(super) fn texts(&self) -> impl Iterator<Item = &[u32]> {
        self.live.iter().map(|beam| beam.tokens.as_slice())
    }

    /// The token that each row takes in next; a row without a beam takes anything.
    pub(super) fn last_tokens(&self) -> impl Iterator<Item = u32> {
        let last = self.live.iter().filter_map(|beam| beam.tokens.last().copied());
        last.chain(std::iter::repeat(0)).take(self.settings.n_beams)
    }

    /// For each row the one it goes on with; a row without a beam with itself.
    pub(super) fn parents(&self) -> impl Iterator<Item = usize> {
        (0..self.settings.n_beams).map(|row| self.parents.get(row).copied().unwrap_or(row))
    }

    /// Why the search is over, if it is: what ended the best beam.
    pub(super) fn end(&self, max_new_tokens: usize) -> Option<EndReason> {
        let best = self.finished.first().filter(|_| self.over)?;
        let last = best.tokens.last()?;
        Some(if self.end_tokens.contains(last) {
            EndReason::EndToken
        } else if best.tokens.len() < self.limit {
            EndReason::StopString
        } else if self.limit == max_new_tokens {
            EndReason::MaxTokens
        } else {
            EndReason::Context
        })
    }
}

fn to_log_probabilities(logits: &mut [f32]) -> Result<()> {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !highest.is_finite() || logits.iter().any(|logit| logit.is_nan()) {
        return Err(EngineError::Computation(sentence!("the model's logits are not numbers")));
    }
    let sum: f64 = logits.iter().map(|logit| f64::from((logit - highest).exp())).sum();
    let log_sum = sum.ln() as f32;
    logits.iter_mut().for_each(|logit| *logit = (*logit - highest) - log_sum);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(beams: Beams, limit: usize) -> DecoderOptions {
        let mut options = DecoderOptions::default();
        options.sampling.max_new_tokens = limit;
        options.sampling.beams = beams;
        options
    }

    fn all_of(n_beams: usize) -> Beams {
        Beams { n_beams, n_returned: n_beams, ..Beams::default() }
    }

    fn texts(search: &BeamSearch) -> Vec<Vec<u32>> {
        search.live.iter().map(|beam| beam.tokens.clone()).collect()
    }

    /// Searches a made-up text: `next` has the probabilities after the tokens so far, of a vocabulary of four with 3 as its end.
    fn search(beams: Beams, limit: usize, next: impl Fn(&[u32]) -> [f32; 4]) -> (Vec<Hypothesis>, usize) {
        let options = DecoderOptions { end_tokens: vec![3, 3], ..options(beams, limit) };
        let mut search = BeamSearch::new(&options, options.sampling.max_new_tokens.min(100));
        let mut steps = 0;
        while search.end(limit).is_none() {
            let mut rows = texts(&search);
            rows.resize(if steps == 0 { 1 } else { options.sampling.beams.n_beams }, Vec::new());
            let logits = rows.iter().flat_map(|text| next(text).map(f32::ln)).collect();
            search.advance(logits, &[], (&Rules::new(&options), None), None).unwrap();
            steps += 1;
        }
        (search.returned().to_vec(), steps)
    }

    #[test]
    fn a_beam_that_ends_later_and_is_worth_more_wins() {
        // The end comes second at once; the text behind the first token is almost certain.
        let next = |text: &[u32]| match text.len() {
            0 => [0.598, 0.001, 0.001, 0.4],
            1..=3 => [0.97, 0.01, 0.01, 0.01],
            _ => [0.01, 0.01, 0.01, 0.97],
        };
        let beams = all_of(2);
        let (found, _) = search(beams.clone(), 20, next);
        assert_eq!(found[0].tokens, [0, 0, 0, 0, 3]);
        assert_eq!(found[1].tokens, [3]);
        let worth = (0.598_f32.ln() + 4.0 * 0.97_f32.ln()) / 5.0;
        assert!((found[0].score - worth).abs() < 1e-6 && (found[1].score - 0.4_f32.ln()).abs() < 1e-6);
        // Where short texts are wanted, the first end stays ahead.
        let (found, _) = search(Beams { length_penalty: -1.0, ..beams }, 20, next);
        assert_eq!(found[0].tokens, [3]);
    }

    #[test]
    fn early_stopping_decides_when_enough_is_enough() {
        // An end is always second, and what follows becomes ever more certain.
        let next = |text: &[u32]| {
            let certain = 1.0 - 0.3 / (text.len() + 1) as f32;
            [certain, 0.0, 0.0, 1.0 - certain]
        };
        let with = |early_stopping| {
            let (found, steps) = search(Beams { early_stopping, ..all_of(2) }, 30, next);
            (found[0].score, steps)
        };
        let (at_once, when_hopeless, never) =
            (with(EarlyStopping::True), with(EarlyStopping::False), with(EarlyStopping::Never));
        assert_eq!(at_once.1, 2, "two beams have ended");
        assert!(when_hopeless.1 >= at_once.1 && never.1 >= when_hopeless.1);
        assert_eq!(never.1, 30, "a longer text can always be worth more");
        assert!(at_once.0 <= never.0);
    }

    #[test]
    fn a_forced_token_is_in_every_beam_and_costs_nothing() {
        let options = options(all_of(3), 2);
        let mut search = BeamSearch::new(&options, options.sampling.max_new_tokens.min(40));
        search.advance(vec![0.3, 0.1, 0.9, 0.2], &[], (&Rules::new(&options), None), Some(1)).unwrap();
        assert_eq!(texts(&search), [vec![1]], "copies of a beam are no beams");
        let logits = [vec![0.0, 0.0, 1.0, 0.5], vec![0.0; 8]].concat();
        search.advance(logits, &[], (&Rules::new(&options), None), None).unwrap();
        let found = search.returned();
        assert_eq!(found.iter().map(|beam| beam.tokens.clone()).collect::<Vec<_>>(), [[1, 2], [1, 3], [1, 0]]);
        let total: f32 = [0.0_f32, 0.0, 1.0, 0.5].iter().map(|logit| logit.exp()).sum();
        assert!((found[0].score - (1.0 - total.ln()) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn broken_or_forbidden_logits_are_errors() {
        let options = options(all_of(2), 3);
        let mut search = BeamSearch::new(&options, options.sampling.max_new_tokens.min(40));
        assert!(search.advance(vec![f32::NAN, 1.0], &[], (&Rules::new(&options), None), None).is_err());
        let nothing = DecoderOptions { suppress_tokens: vec![0, 1], ..options };
        assert!(search.advance(vec![0.5, 1.0], &[], (&Rules::new(&nothing), None), None).is_err());
    }
}
