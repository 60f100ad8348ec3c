//! Candidates scored: the log-likelihood of each answer behind its prompt or at its mask, or what a head gives a choice, under
//! whatever an adapter gives the model.
//!
//! Candidates of one token share a pass for each row; every other is a row of its own. The prompt is read again for each.

use burn::tensor::{Device, Tensor};

use super::loss::{self, label_nll, row_scores, vocabulary_logits};
use crate::config::{CandidateLoss, Task};
use crate::data::{CandidateReading, Candidates, Example, TokenBatch};
use crate::error::{EngineError, Result};
use crate::metrics::ranking::best_rank_of;
use crate::models::{Conditioning, Model};
use crate::nn::floats;
use crate::sentence;

/// Rows of one forward pass.
const ROWS: usize = 32;
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
    /// Log-probability of the best one among the candidates, in nats.
    pub log_probability: f64,
}

/// The candidates of a row with their scores: log-likelihoods as they are summed.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Of each candidate.
    pub sums: Vec<f64>,
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
        let scores = self.scores(examples, rows, reading)?;
        let mut ranked = Ranked { nll: 0.0, labels: 0, rows: Vec::with_capacity(rows.len()) };
        for (&row, Scores { sums }) in rows.iter().zip(&scores) {
            let example = &examples[row];
            let answers = example.candidates.as_deref().map_or(&[][..], Candidates::answers);
            let factor = |at: usize| answers.get(at).map_or(1.0, |answer| answer.factor(reading.score));
            let compared: Vec<f64> = sums.iter().enumerate().map(|(at, sum)| sum * factor(at)).collect();
            let Some(judged) = judge(row, &compared, &example.right) else { continue };
            let learned = example.right[0];
            let is_among = loss == CandidateLoss::Among || reading.task == Task::MultipleChoice;
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
        let mut scores = Vec::with_capacity(rows.len());
        // Rows whose candidates are tokens of one place, and texts that are rows of their own.
        let (mut places, mut texts) = (Vec::new(), Vec::new());
        for (at, &row) in rows.iter().enumerate() {
            let candidates = examples[row].candidates.as_deref();
            let n = candidates.map_or(0, Candidates::count);
            scores.push(Scores { sums: vec![f64::NEG_INFINITY; n] });
            let is_single = |index: usize| {
                candidates.and_then(|all| all.answers().get(index)).is_some_and(|answer| answer.tokens.len() == 1)
            };
            if candidates == Some(&Candidates::Vocabulary) || (0..n).any(is_single) {
                places.push((at, row));
            }
            texts.extend((0..n).filter(|&index| !is_single(index)).map(|index| (at, row, index)));
        }
        for some in places.chunks(ROWS) {
            self.at_one_place(examples, some, reading, &mut scores)?;
        }
        for some in texts.chunks(ROWS) {
            let pieces: Vec<Example> =
                some.iter().map(|&(_, row, index)| examples[row].with_candidate(index, reading)).collect();
            for (&(at, _, index), score) in some.iter().zip(self.of_rows(&pieces, reading)?) {
                scores[at].sums[index] = score;
            }
        }
        Ok(scores)
    }

    /// Scores of the candidates of one token, by the distribution at the place of each row.
    fn at_one_place(
        &self,
        examples: &[Example],
        some: &[(usize, usize)],
        reading: &CandidateReading,
        scores: &mut [Scores],
    ) -> Result<()> {
        // Any token holds the place.
        let pieces: Vec<Example> =
            some.iter().map(|&(_, row)| examples[row].with_answer(&[reading.pad], reading)).collect();
        let batch = plain(&pieces, reading);
        let hidden = loss::hidden(self.model, self.conditioning, &batch, self.device)?;
        let logits = vocabulary_logits(self.model, &batch, hidden, self.device)?;
        let [_, width] = logits.dims();
        let logits = floats(logits)?;
        for (&(at, row), logits) in some.iter().zip(logits.chunks_exact(width.max(1))) {
            let logits: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
            let all = log_sum_exp(&logits);
            let Some(candidates) = examples[row].candidates.as_deref() else { continue };
            if *candidates == Candidates::Vocabulary {
                scores[at].sums = logits.iter().map(|logit| logit - all).collect();
            }
            for (sum, answer) in scores[at].sums.iter_mut().zip(candidates.answers()) {
                if let [token] = *answer.tokens.as_slice() {
                    *sum = logits.get(token as usize).map_or(f64::NEG_INFINITY, |logit| logit - all);
                }
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
        assert_eq!(verdict(&[-1.0, -1.0, -3.0], &[1]), (1, 0, 1), "of equals the right one has the best rank");
        assert_eq!(verdict(&[-2.0, -1.0, -3.0], &[2]), (2, 1, 3));
        assert_eq!(verdict(&[-2.0, -1.0, -3.0], &[2, 0]), (0, 1, 2), "right ones do not stand before each other");
        assert_eq!(verdict(&[-2.0, -1.0, -1.0], &[0, 2]), (2, 1, 1));
        assert_eq!(judge(0, &[-1.0], &[4]), None);
        assert!((judge(0, &[0.0, 0.0], &[0]).unwrap().log_probability + 2.0_f64.ln()).abs() < 1e-12);
    }
}
