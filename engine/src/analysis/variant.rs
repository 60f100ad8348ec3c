//! The subject with something changed: other conditioning, other weights, rows without some of their soft tokens; and its
//! loss.

use burn::tensor::Tensor;

use super::subject::Subject;
use crate::data::{Example, TokenBatch};
use crate::error::Result;
use crate::models::{Conditioning, Hooks, Model};
use crate::training::loss;

/// Rows in one forward pass.
const BATCH: usize = 4;

/// Weights of a model.
pub(super) enum Weights {
    /// Those of the subject, the adapter's change among them.
    Same,
    /// Those of the base model.
    Base,
    /// Others.
    Other(Box<Model>),
}

/// A change to a subject.
pub(super) struct Variant {
    pub(super) conditioning: Conditioning,
    pub(super) weights: Weights,
    /// Other rows; `None`: the subject's.
    pub(super) rows: Option<Vec<Example>>,
}

impl Variant {
    /// The subject as it is.
    pub(super) fn same(subject: &Subject) -> Self {
        Self { conditioning: subject.conditioning.clone(), weights: Weights::Same, rows: None }
    }

    /// The base model and the rows as it reads them.
    pub(super) fn base(subject: &Subject) -> Self {
        Self { conditioning: Conditioning::default(), weights: Weights::Base, rows: Some(subject.bare.clone()) }
    }

    /// The subject with some of its slots alone, as if it had been trained with so few: the text begins that much earlier.
    /// `kept` is in ascending order.
    ///
    /// # Errors
    /// There is no such slot.
    pub(super) fn with_slots(subject: &Subject, kept: &[usize]) -> Result<Self> {
        let is_prefix = subject.adapter.prefixes().next().is_some();
        let n_slots = subject.adapter.n_slots();
        let conditioning = match (kept.is_empty(), is_prefix) {
            (false, _) => subject.model.conditioning(&subject.adapter.with_slots(kept)?)?,
            (true, true) => {
                Conditioning { encoder: None, decoder: None, cross: None, layers: None, ..subject.conditioning.clone() }
            }
            (true, false) => Conditioning { soft_prompt: None, ..subject.conditioning.clone() },
        };
        let without = |row: &Example| {
            let mut row = row.clone();
            row.keep_soft(kept, n_slots);
            row
        };
        let rows = (!is_prefix).then(|| subject.rows.iter().map(without).collect());
        Ok(Self { conditioning, weights: Weights::Same, rows })
    }

    pub(super) fn rows<'a>(&'a self, subject: &'a Subject) -> &'a [Example] {
        self.rows.as_deref().unwrap_or(&subject.rows)
    }

    pub(super) fn model<'a>(&'a self, subject: &'a Subject) -> &'a Model {
        match &self.weights {
            Weights::Same => subject.tuned_model(),
            Weights::Base => &subject.model.model,
            Weights::Other(model) => model,
        }
    }

    /// Some of the rows, padded to one length.
    pub(super) fn batch(&self, subject: &Subject, rows: &[usize]) -> TokenBatch {
        TokenBatch::new(self.rows(subject), rows, subject.model.tokenizer.pad(), subject.task)
    }

    /// The summed loss of a batch and its labels, `[1]`.
    ///
    /// # Errors
    /// The model cannot do the task, or the device failed.
    pub(super) fn nll(
        &self,
        subject: &Subject,
        batch: &TokenBatch,
        hooks: Option<&mut dyn Hooks>,
    ) -> Result<(Tensor<1>, usize)> {
        let hidden = self.hidden(subject, batch, hooks)?;
        loss::nll_of_hidden(self.model(subject), &self.conditioning, batch, hidden, &subject.model.device)
    }

    /// Hidden states of a batch.
    ///
    /// # Errors
    /// The model cannot read such rows.
    pub(super) fn hidden(
        &self,
        subject: &Subject,
        batch: &TokenBatch,
        hooks: Option<&mut dyn Hooks>,
    ) -> Result<Tensor<3>> {
        let rows = loss::rows_of(batch, &self.conditioning);
        self.model(subject).hidden(&rows, &self.conditioning, hooks, &subject.model.device)
    }
}

/// A mean loss in the making.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    nll: f64,
    labels: usize,
    next: usize,
}

impl Losses {
    /// The rows of the next pass; none at the end.
    pub(super) fn next(&self, n_rows: usize) -> Vec<usize> {
        (self.next..(self.next + BATCH).min(n_rows)).collect()
    }

    /// Rows that are in it.
    pub(super) fn rows(&self) -> usize {
        self.next
    }

    /// Takes in the next rows, which this batch is of.
    ///
    /// # Errors
    /// The model cannot do the task, or the device failed.
    pub(super) fn step(
        &mut self,
        subject: &Subject,
        variant: &Variant,
        batch: &TokenBatch,
        hooks: Option<&mut dyn Hooks>,
    ) -> Result<()> {
        let (nll, labels) = variant.nll(subject, batch, hooks)?;
        self.add(nll, labels, batch.batch);
        Ok(())
    }

    /// Takes in the loss of so many rows more.
    pub(super) fn add(&mut self, nll: Tensor<1>, labels: usize, rows: usize) {
        self.nll += f64::from(nll.into_scalar::<f32>());
        self.labels += labels;
        self.next += rows;
    }

    /// Nats per label.
    pub(super) fn mean(&self) -> f64 {
        self.nll / self.labels.max(1) as f64
    }

    /// Labels so far.
    pub(super) fn labels(&self) -> usize {
        self.labels
    }
}
