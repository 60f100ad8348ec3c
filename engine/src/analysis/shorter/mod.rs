//! A prefix with fewer slots without training: the most important ones alone, and fewer that are fitted to do what all did.

mod passes;
mod solve;

use serde::{Deserialize, Serialize};

use self::passes::Matching;
use super::gates::Gradients;
use super::importance::best;
use super::question::Analysis;
use super::subject::{Investigation, Subject};
use super::variant::{Losses, Variant, Weights};
use crate::adapters::AdapterState;
use crate::error::{EngineError, Result};
use crate::sentence;

/// What fewer slots cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShorterReport {
    /// Loss with all slots, in nats per label.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
    /// Slots of the prefix.
    pub n_slots: usize,
    /// The numbers of slots that were tried, in descending order.
    pub sizes: Vec<Shortened>,
    /// Rows whose queries were fitted to, and on which the losses are.
    pub rows: usize,
    /// Labels of these rows.
    pub labels: usize,
}

/// A prefix of so many slots.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shortened {
    /// So many.
    pub slots: usize,
    /// The most important ones, from 0, in order.
    pub kept: Vec<usize>,
    /// Loss with these alone.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub pruned: f64,
    /// Loss with as many that were fitted.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub matched: f64,
    /// How far the outputs of attention over slots are from those of all, as a share of their length, mean over heads: with
    /// the keys that most attention goes to, as they were.
    pub error_unfitted: f64,
    /// The same of what was fitted.
    pub error: f64,
}

/// Work on a number of slots.
enum Trial {
    /// The loss of a change to the subject; `true` where it was fitted.
    Loss(Variant, Losses, bool),
    Fit(Matching),
}

/// The work: importance of some rows a step, then for each number of slots the loss of the most important, a layer a step
/// fitted, the loss of what came of it.
pub(crate) struct Shortening {
    sizes: Vec<usize>,
    gradients: Gradients,
    order: Option<Vec<usize>>,
    trial: Option<Trial>,
    report: ShorterReport,
    adapter: Option<AdapterState>,
}

impl Shortening {
    /// The work for these numbers of slots; for none a half, a quarter and so on.
    pub(crate) fn new(sizes: &[usize]) -> Self {
        let mut sizes = sizes.to_vec();
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        sizes.dedup();
        let (gradients, report) = (Gradients::default(), ShorterReport::default());
        Self { sizes, gradients, order: None, trial: None, report, adapter: None }
    }

    /// The adapter with the last number of slots that was fitted.
    pub(crate) fn adapter(&self) -> Option<&AdapterState> {
        self.adapter.as_ref()
    }

    fn plan(&mut self, subject: &Subject) -> Result<()> {
        let n_slots = subject.adapter.n_slots();
        let (importance, _) = self.gradients.of_slots(n_slots);
        let mut order: Vec<usize> = (0..n_slots).collect();
        order.sort_by(|&a, &b| importance[b].total_cmp(&importance[a]));
        self.order = Some(order);
        if self.sizes.is_empty() {
            self.sizes.extend(std::iter::successors(Some(n_slots / 2), |n| Some(n / 2)).take_while(|&n| n > 0));
        }
        if self.sizes.is_empty() || self.sizes.iter().any(|&size| size == 0 || size >= n_slots) {
            let reason = sentence!("there must be fewer slots than its {n_slots}, and at least one", n_slots);
            return Err(EngineError::Setting { field: "slots", reason });
        }
        self.report.n_slots = n_slots;
        self.trial = Some(Trial::Loss(Variant::same(subject), Losses::default(), false));
        Ok(())
    }

    /// What follows a loss: that of the whole prefix is the first.
    fn after_loss(&mut self, subject: &Subject, losses: &Losses, is_fitted: bool) -> Result<()> {
        let report = &mut self.report;
        let at = report.sizes.len();
        self.trial = match (report.sizes.last_mut(), is_fitted) {
            (None, _) => {
                (report.loss, report.rows, report.labels) = (losses.mean(), losses.rows(), losses.labels());
                None
            }
            (Some(size), false) => {
                size.pruned = losses.mean();
                Some(Trial::Fit(Matching::new(subject, size.slots)?))
            }
            (Some(size), true) => {
                size.matched = losses.mean();
                None
            }
        };
        if let (None, Some(&slots), Some(order)) = (&self.trial, self.sizes.get(at), &self.order) {
            let kept = best(order, slots);
            self.trial = Some(Trial::Loss(Variant::with_slots(subject, &kept)?, Losses::default(), false));
            self.report.sizes.push(Shortened { slots, kept, ..Shortened::default() });
        }
        Ok(())
    }

    /// What follows the last layer that is fitted.
    fn after_fit(&mut self, subject: &Subject, matching: &Matching) -> Result<()> {
        let adapter = matching.adapter(subject)?;
        if let Some(size) = self.report.sizes.last_mut() {
            [size.error_unfitted, size.error] = matching.errors();
        }
        let conditioning = subject.model.conditioning(&adapter)?;
        self.trial =
            Some(Trial::Loss(Variant { conditioning, weights: Weights::Same, rows: None }, Losses::default(), true));
        self.adapter = Some(adapter);
        Ok(())
    }
}

impl Investigation for Shortening {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        if subject.adapter.prefixes().next().is_none() {
            let reason = sentence!("it has no prefix that could be shorter");
            return Err(EngineError::AdapterMismatch { reason });
        }
        if self.order.is_none() {
            if !self.gradients.step(subject)? {
                self.plan(subject)?;
            }
            return Ok(None);
        }
        match self.trial.take() {
            None => return Ok(Some(Analysis::Shorter(self.report.clone()))),
            Some(Trial::Fit(mut matching)) => match matching.step(subject)? {
                true => self.trial = Some(Trial::Fit(matching)),
                false => self.after_fit(subject, &matching)?,
            },
            Some(Trial::Loss(variant, mut losses, is_fitted)) => {
                let rows = losses.next(variant.rows(subject).len());
                if rows.is_empty() {
                    self.after_loss(subject, &losses, is_fitted)?;
                } else {
                    let batch = variant.batch(subject, &rows);
                    losses.step(subject, &variant, &batch, None)?;
                    self.trial = Some(Trial::Loss(variant, losses, is_fitted));
                }
            }
        }
        Ok(None)
    }

    fn share(&self) -> f32 {
        // A fit takes most of the time.
        if self.order.is_none() {
            return 0.2 * self.gradients.share();
        }
        let of_fit = if let Some(Trial::Fit(matching)) = &self.trial { matching.share() } else { 0.0 };
        let done = self.report.sizes.len().saturating_sub(1) as f32 + of_fit;
        0.2 + 0.8 * done / self.sizes.len().max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tiny_subject::subject;
    use crate::nn::floats;

    fn answer(subject: &Subject, work: &mut Shortening) -> Result<ShorterReport> {
        loop {
            if let Some(Analysis::Shorter(report)) = work.step(subject)? {
                return Ok(report);
            }
        }
    }

    #[test]
    fn fitted_slots_come_nearer_to_all_than_the_most_important_ones() {
        for case in ["gpt2-prefix-2x44", "llama-prefix-2x48"] {
            let subject = subject(case);
            let half = subject.adapter.n_slots() / 2;
            let report = answer(&subject, &mut Shortening::new(&[half])).unwrap();
            let size = &report.sizes[0];
            assert!(size.error < 0.5 * size.error_unfitted, "{case}: {size:?}");
            // Of random weights a loss may come near by chance, so that one model has to do.
            let [pruned, matched] = [size.pruned, size.matched].map(|loss| (loss - report.loss).abs());
            assert!(matched < pruned || case != "gpt2-prefix-2x44", "{case}: {size:?}, all {}", report.loss);
        }
    }

    #[test]
    fn what_was_fitted_is_an_adapter_with_so_many_slots() {
        let subject = subject("llama-prefix-2x48");
        let mut work = Shortening::new(&[1, 2]);
        let report = answer(&subject, &mut work).unwrap();
        assert_eq!(report.sizes.iter().map(|size| size.slots).collect::<Vec<_>>(), [2, 1]);
        assert!(report.sizes.iter().all(|size| size.error <= size.error_unfitted + 1e-9), "{report:?}");
        let adapter = work.adapter().unwrap();
        assert_eq!((adapter.n_slots(), report.rows), (1, 3));
        let conditioning = subject.model.conditioning(adapter).unwrap();
        let layers = conditioning.of(subject.model.model.last_site()).unwrap();
        assert!(layers.iter().all(|kv| floats(kv.key.clone()).unwrap().iter().all(|x| x.is_finite())));
    }

    #[test]
    fn attention_with_distances_and_as_many_slots_as_there_are_are_refused() {
        let refused =
            |case, sizes: &[usize]| answer(&subject(case), &mut Shortening::new(sizes)).unwrap_err().to_string();
        assert!(refused("bloom-prefix-2x40", &[1]).contains("products"));
        assert!(refused("llama-prefix-2x48", &[99]).contains("fewer slots"));
        assert!(refused("t5-prefix-2x40", &[1]).contains("one stack"));
    }
}
