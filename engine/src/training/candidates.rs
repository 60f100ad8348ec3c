//! Candidates scored: the log-likelihood of each answer behind its prompt or at its mask, or what a head gives a choice, under
//! whatever an adapter gives the model.
//!
//! Candidates of one token share a pass for each row, and so do those of as many masks; every other is a row of its own, for
//! which the prompt is read again. Where the rank of the right one is asked for alone, candidates whose first token is less
//! probable than all of the right one are not read: no sum of log-probabilities exceeds its first term.

use std::collections::BTreeSet;

use burn::tensor::{Device, Tensor};

use super::loss::{self, label_nll, row_scores, vocabulary_logits};
use crate::config::{CandidateLoss, Task};
use crate::data::{Answer, CandidateReading, Candidates, Example, TokenBatch};
use crate::error::{EngineError, Result};
use crate::metrics::ranking::best_rank_of;
use crate::models::{Conditioning, Model};
use crate::nn::floats;
use crate::sentence;

/// Rows of one forward pass.
const ROWS: usize = 32;
/// So many candidates of several tokens are scored at once; of more, those that their first token cannot save are spared.
const FEW: usize = 16;
/// Most rows of a forward pass that is learned from.
const MAX_ROWS: usize = 4096;

/// The batch of some rows as they are learned: with their candidates where those are what is learned, or a head scores them.
pub(crate) fn learned(
    examples: &[Example],
    rows: &[usize],
    (reading, loss): (&CandidateReading, CandidateLoss),
) -> TokenBatch {
    match loss == CandidateLoss::Among || reading.task == Task::MultipleChoice {
        true => TokenBatch::with_candidates(examples, rows, reading),
        false => TokenBatch::new(examples, rows, reading.pad, reading.task),
    }
}

/// Refuses candidates that would be too many rows of one step's forward pass.
///
/// # Errors
/// [`EngineError::Setting`] with the numbers.
pub(crate) fn check(
    examples: &[Example],
    batch_size: usize,
    (reading, loss): (&CandidateReading, CandidateLoss),
) -> Result<()> {
    if loss != CandidateLoss::Among && reading.task != Task::MultipleChoice {
        return Ok(());
    }
    let count = |example: &Example| example.candidates.as_deref().map_or(0, Candidates::count);
    let Some(row) = (0..examples.len()).max_by_key(|&row| count(&examples[row])) else { return Ok(()) };
    if count(&examples[row]) == 0 {
        let reason = sentence!("among needs candidates: data.candidates says where they come from");
        return Err(EngineError::Setting { field: "training.candidate_loss", reason });
    }
    let one = TokenBatch::with_candidates(examples, &[row], reading);
    let rows = one.batch.saturating_mul(batch_size);
    if rows > MAX_ROWS {
        let reason = sentence!(
            "{n} candidates of a row are {rows} texts in a forward pass, more than {max_rows}; learn the right one alone, or take \
             fewer rows at once",
            n = one.batch,
            rows,
            max_rows = MAX_ROWS
        );
        return Err(EngineError::Setting { field: "training.candidate_loss", reason });
    }
    Ok(())
}

/// Rows whose candidates were scored.
pub struct Ranked {
    /// Sum of the losses, in nats: of the right candidates' tokens, or of the right one among the candidates.
    pub nll: f64,
    /// Number of what was summed.
    pub labels: usize,
    /// The rows, in the order they were given.
    pub rows: Vec<RankedRow>,
}

/// A row whose candidates were scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankedRow {
    /// Index among the examples.
    pub row: usize,
    /// Number of the right candidate; of several the one that scores highest.
    pub right: usize,
    /// Number of the candidate that scores highest.
    pub best: usize,
    /// Rank of the right one, from 1; the others that are right too do not stand before it.
    pub rank: usize,
    /// Number of candidates.
    pub n: usize,
    /// Log-probability of the best one among the candidates that were scored, in nats.
    pub log_probability: f64,
}

impl RankedRow {
    /// The right candidate and the one that scores highest, as classes.
    pub(crate) fn pair(&self) -> (i32, i32) {
        let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        (number(self.right), number(self.best))
    }
}

/// The candidates of a row with their scores: log-likelihoods as they are summed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Of each candidate.
    pub sums: Vec<f64>,
}

/// The log-probabilities of tokens at a place.
struct Distribution<'a> {
    logits: &'a [f32],
    /// Logarithm of the sum of what they are the logarithms of.
    all: f64,
}

impl<'a> Distribution<'a> {
    fn new(logits: &'a [f32]) -> Self {
        let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - most).exp()).sum();
        Self { logits, all: most + sum.ln() }
    }

    fn of(&self, token: u32) -> f64 {
        self.logits.get(token as usize).map_or(f64::NEG_INFINITY, |&logit| f64::from(logit) - self.all)
    }
}

/// A model under an adapter's conditioning, on its device.
#[derive(Clone, Copy, Debug)]
pub struct Scorer<'a> {
    /// With the weights that the adapter changes.
    pub model: &'a Model,
    /// The adapter's part.
    pub conditioning: &'a Conditioning,
    /// Where it is.
    pub device: &'a Device,
}

impl Scorer<'_> {
    /// Ranks the candidates of some rows, each of which has some.
    ///
    /// # Errors
    /// The model cannot do the task, or the device failed.
    pub fn rank(
        &self,
        examples: &[Example],
        rows: &[usize],
        (reading, loss): (&CandidateReading, CandidateLoss),
    ) -> Result<Ranked> {
        let is_among = loss == CandidateLoss::Among || reading.task == Task::MultipleChoice;
        let scores = self.scores_that_matter(examples, rows, reading, !is_among)?;
        let mut ranked = Ranked { nll: 0.0, labels: 0, rows: Vec::with_capacity(rows.len()) };
        for (&row, Scores { sums }) in rows.iter().zip(&scores) {
            let example = &examples[row];
            let answers = example.candidates.as_deref().map_or(&[][..], Candidates::answers);
            let factor = |at: usize| answers.get(at).map_or(1.0, |answer| answer.factor(reading.score));
            let compared: Vec<f64> = sums.iter().enumerate().map(|(at, sum)| sum * factor(at)).collect();
            let Some(judged) = judge(row, &compared, &example.right) else { continue };
            let learned = example.right[0];
            if is_among {
                ranked.nll -= compared[learned] - log_sum_exp(&compared);
                ranked.labels += 1;
            } else {
                ranked.nll -= sums[learned];
                ranked.labels += answers.get(learned).map_or(1, |answer| answer.tokens.len());
            }
            ranked.rows.push(judged);
        }
        Ok(ranked)
    }

    /// The scores of all candidates of some rows: of a whole vocabulary those of its tokens.
    ///
    /// # Errors
    /// As [`Scorer::rank`].
    pub fn scores(&self, examples: &[Example], rows: &[usize], reading: &CandidateReading) -> Result<Vec<Scores>> {
        self.scores_that_matter(examples, rows, reading, false)
    }

    /// The same; with `by_rank` candidates that cannot stand before the right one may have minus infinity.
    fn scores_that_matter(
        &self,
        examples: &[Example],
        rows: &[usize],
        reading: &CandidateReading,
        by_rank: bool,
    ) -> Result<Vec<Scores>> {
        let of_row = |row: usize| examples[row].candidates.as_deref();
        let count = |row: usize| of_row(row).map_or(0, Candidates::count);
        let mut scores: Vec<Scores> =
            rows.iter().map(|&row| Scores { sums: vec![f64::NEG_INFINITY; count(row)] }).collect();
        // The first tokens of all candidates, where they may spare the rest; as many masks as a candidate has tokens.
        let mut first: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
        let mut places = Vec::new();
        for (at, &row) in rows.iter().enumerate() {
            let Some(candidates) = of_row(row) else { continue };
            let answers = candidates.answers();
            let lengths: BTreeSet<usize> = answers.iter().map(|answer| answer.tokens.len()).collect();
            let n_long = answers.iter().filter(|answer| answer.tokens.len() > 1).count();
            match reading.task {
                _ if *candidates == Candidates::Vocabulary => places.push((at, row, 1)),
                Task::MaskedFill => places.extend(lengths.into_iter().map(|length| (at, row, length))),
                _ if lengths.contains(&1) || (by_rank && n_long > FEW) => places.push((at, row, 1)),
                _ => {}
            }
        }
        for some in places.chunks(ROWS) {
            self.at_places(examples, some, reading, (&mut scores, &mut first))?;
        }
        if reading.task == Task::MaskedFill {
            return Ok(scores);
        }
        let is_open = |row: usize, index: usize| {
            of_row(row).is_some_and(|all| all.answers().get(index).is_none_or(|answer| answer.tokens.len() != 1))
        };
        let is_spared = |at: usize| by_rank && !first[at].is_empty();
        let mut texts = Vec::new();
        for (at, &row) in rows.iter().enumerate() {
            let right = &examples[row].right;
            let some = (0..count(row)).filter(|index| !is_spared(at) || right.contains(index));
            texts.extend(some.filter(|&index| is_open(row, index)).map(|index| (at, row, index)));
        }
        self.of_texts(examples, &texts, reading, &mut scores)?;
        texts.clear();
        for (at, &row) in rows.iter().enumerate().filter(|(at, _)| is_spared(*at)) {
            let answers = of_row(row).map_or(&[][..], Candidates::answers);
            let compared = |index: usize, sum: f64| sum * answers[index].factor(reading.score);
            let right = &examples[row].right;
            let reached =
                right.iter().map(|&index| compared(index, scores[at].sums[index])).fold(f64::NEG_INFINITY, f64::max);
            // A sum is at most what its first token has.
            let may_win = |index: &usize| !right.contains(index) && compared(*index, first[at][*index]) > reached;
            texts.extend(
                (0..answers.len()).filter(may_win).filter(|&index| is_open(row, index)).map(|index| (at, row, index)),
            );
        }
        self.of_texts(examples, &texts, reading, &mut scores)?;
        Ok(scores)
    }

    /// Scores by the distributions at the places of answers: in place of masks of all answers of that many tokens, behind a
    /// prompt of those of one token, and the first tokens of all.
    fn at_places(
        &self,
        examples: &[Example],
        some: &[(usize, usize, usize)],
        reading: &CandidateReading,
        (scores, first): (&mut [Scores], &mut [Vec<f64>]),
    ) -> Result<()> {
        // Any token holds a place.
        let held = |&(_, row, n): &(usize, usize, usize)| examples[row].with_answer(&vec![reading.pad; n], reading);
        let batch = plain(&some.iter().map(held).collect::<Vec<_>>(), reading);
        let hidden = loss::hidden(self.model, self.conditioning, &batch, self.device)?;
        let logits = vocabulary_logits(self.model, &batch, hidden, self.device)?;
        let [_, width] = logits.dims();
        let logits = floats(logits)?;
        let mut places = logits.chunks_exact(width.max(1)).map(Distribution::new);
        for &(at, row, length) in some {
            let here: Vec<Distribution<'_>> = places.by_ref().take(length).collect();
            let [begin, ..] = here.as_slice() else { continue };
            let Some(candidates) = examples[row].candidates.as_deref() else { continue };
            if *candidates == Candidates::Vocabulary {
                scores[at].sums = (0..width).map(|token| begin.of(token as u32)).collect();
            }
            for (sum, answer) in scores[at].sums.iter_mut().zip(candidates.answers()) {
                if answer.tokens.len() == length {
                    *sum = here.iter().zip(&answer.tokens).map(|(place, &token)| place.of(token)).sum();
                }
            }
            if reading.task != Task::MaskedFill {
                let token = |answer: &Answer| answer.tokens.first().copied().unwrap_or(u32::MAX);
                first[at] = candidates.answers().iter().map(|answer| begin.of(token(answer))).collect();
            }
        }
        Ok(())
    }

    /// The scores of candidates that are rows of their own.
    fn of_texts(
        &self,
        examples: &[Example],
        texts: &[(usize, usize, usize)],
        reading: &CandidateReading,
        scores: &mut [Scores],
    ) -> Result<()> {
        for some in texts.chunks(ROWS) {
            let pieces: Vec<Example> =
                some.iter().map(|&(_, row, index)| examples[row].with_candidate(index, reading)).collect();
            for (&(at, _, index), score) in some.iter().zip(self.of_rows(&pieces, reading)?) {
                scores[at].sums[index] = score;
            }
        }
        Ok(())
    }

    /// The score of each of some rows, as they are.
    fn of_rows(&self, pieces: &[Example], reading: &CandidateReading) -> Result<Vec<f64>> {
        let batch = plain(pieces, reading);
        let hidden = loss::hidden(self.model, self.conditioning, &batch, self.device)?;
        if reading.task == Task::MultipleChoice {
            let scores: Tensor<1> = row_scores(self.model, self.conditioning, (&batch, &[]), hidden, self.device)?;
            return Ok(floats(scores)?.into_iter().map(f64::from).collect());
        }
        let mut sums = vec![0.0; pieces.len()];
        let nll = floats(label_nll(self.model, &batch, hidden, self.device)?)?;
        for ((at, _), nll) in batch.labeled().into_iter().zip(nll) {
            sums[batch.row_of(at)] -= f64::from(nll);
        }
        Ok(sums)
    }
}

fn plain(pieces: &[Example], reading: &CandidateReading) -> TokenBatch {
    let every: Vec<usize> = (0..pieces.len()).collect();
    TokenBatch::new(pieces, &every, reading.pad, reading.task)
}

/// The verdict on a row; `None` where nothing is right.
fn judge(row: usize, scores: &[f64], right: &[usize]) -> Option<RankedRow> {
    let highest = |among: &mut dyn Iterator<Item = usize>| {
        among.fold(None, |best: Option<usize>, at| match best {
            Some(best) if scores[at] <= scores[best] => Some(best),
            _ => Some(at),
        })
    };
    let is_right = |at: &usize| right.contains(at);
    let best = highest(&mut (0..scores.len()))?;
    let right_one = highest(&mut right.iter().copied().filter(|&at| at < scores.len()))?;
    let rank = best_rank_of(scores, right)?;
    Some(RankedRow {
        row,
        right: right_one,
        best: if is_right(&best) { right_one } else { best },
        rank,
        n: scores.len(),
        log_probability: scores[best] - log_sum_exp(scores),
    })
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most.is_finite() { most + values.iter().map(|value| (value - most).exp()).sum::<f64>().ln() } else { most }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_named_and_the_best_of_several_right_ones_counts() {
        let verdict = |scores: &[f64], right: &[usize]| {
            let row = judge(3, scores, right).unwrap();
            (row.right, row.best, row.rank)
        };
        assert_eq!(verdict(&[-1.0, -1.0, -3.0], &[1]), (1, 0, 2), "of equals the right one stands last");
        assert_eq!(verdict(&[-2.0, -1.0, -3.0], &[2]), (2, 1, 3));
        assert_eq!(verdict(&[-2.0, -1.0, -3.0], &[2, 0]), (0, 1, 2), "right ones do not stand before each other");
        assert_eq!(verdict(&[-2.0, -1.0, -1.0], &[0, 2]), (2, 1, 2));
        assert_eq!(judge(0, &[-1.0], &[4]), None);
        assert!((judge(0, &[0.0, 0.0], &[0]).unwrap().log_probability + 2.0_f64.ln()).abs() < 1e-12);
    }
}
