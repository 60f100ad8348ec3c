//! Something of an adapter left out: the loss on the rows and the text that the model writes, with it and without.

use serde::{Deserialize, Serialize};

use super::continuation::Continuation;
use super::left_out::{LeftOut, Without};
use super::question::Analysis;
use super::subject::{Investigation, Subject};
use super::variant::{Losses, Variant};
use crate::error::Result;
use crate::models::Hooks;

/// An adapter with something left out of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AblationReport {
    /// What was left out.
    pub left_out: Vec<LeftOut>,
    /// Loss of the whole adapter, in nats per label.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub loss: f64,
    /// Loss without what was left out.
    #[serde(deserialize_with = "crate::number::or_nan")]
    pub without: f64,
    /// Loss of the base model, where it can do the task by itself.
    pub base: Option<f64>,
    /// The first prompt.
    pub prompt: String,
    /// The whole adapter's greedy continuation of it; empty for a task that writes nothing.
    pub text: String,
    /// The continuation without what was left out.
    pub text_without: String,
    /// Rows that were looked at.
    pub rows: usize,
    /// Labels of these rows.
    pub labels: usize,
}

/// One of the compared: its loss, then its text.
struct Compared {
    without: Without,
    losses: Losses,
    text: Continuation,
    writes: bool,
}

/// The work: some rows a step, then a token a step.
pub(super) struct Ablating {
    left_out: Vec<LeftOut>,
    /// The whole adapter, the adapter without something, the base model.
    sides: Vec<Compared>,
    done: usize,
    n_rows: usize,
}

impl Ablating {
    pub(super) fn new(left_out: Vec<LeftOut>) -> Self {
        Self { left_out, sides: Vec::new(), done: 0, n_rows: 0 }
    }

    fn begin(&mut self, subject: &Subject) -> Result<()> {
        let side = |without, writes| Compared {
            without,
            losses: Losses::default(),
            text: Continuation::default(),
            writes: writes && subject.task.writes(),
        };
        self.sides = vec![side(Without::new(subject, &[])?, true), side(Without::new(subject, &self.left_out)?, true)];
        if subject.task.writes() {
            self.sides.push(side(Without::of(Variant::base(subject)), false));
        }
        self.n_rows = subject.rows.len();
        Ok(())
    }

    fn report(&self, subject: &Subject) -> Result<AblationReport> {
        let [whole, without, base @ ..] = self.sides.as_slice() else { return Ok(AblationReport::default()) };
        Ok(AblationReport {
            left_out: self.left_out.clone(),
            loss: whole.losses.mean(),
            without: without.losses.mean(),
            base: base.first().map(|base| base.losses.mean()),
            prompt: subject.rows.first().map(|row| row.prompt.clone()).unwrap_or_default(),
            text: whole.text.text(subject)?,
            text_without: without.text.text(subject)?,
            rows: whole.losses.rows(),
            labels: whole.losses.labels(),
        })
    }
}

impl Compared {
    /// A bounded piece of its work; whether there is more.
    fn step(&mut self, subject: &Subject) -> Result<bool> {
        let Self { without, losses, text, writes } = self;
        let rows = losses.next(without.variant.rows(subject).len());
        if !rows.is_empty() {
            let batch = without.variant.batch(subject, &rows);
            let mut cut = without.hooks(subject, &batch);
            losses.step(subject, &without.variant, &batch, Some(&mut cut as &mut dyn Hooks))?;
            return Ok(true);
        }
        if *writes && !text.is_over() {
            text.step(subject, without)?;
            return Ok(true);
        }
        Ok(false)
    }
}

impl Investigation for Ablating {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        if self.sides.is_empty() {
            self.begin(subject)?;
            return Ok(None);
        }
        match self.sides.get_mut(self.done) {
            Some(side) => {
                if !side.step(subject)? {
                    self.done += 1;
                }
                Ok(None)
            }
            None => Ok(Some(Analysis::Ablation(self.report(subject)?))),
        }
    }

    fn share(&self) -> f32 {
        let rows = self.sides.get(self.done).map_or(0, |side| side.losses.rows());
        let of_side = rows as f32 / self.n_rows.max(1) as f32;
        (self.done as f32 + of_side.min(1.0)) / self.sides.len().max(1) as f32
    }
}

#[cfg(test)]
#[path = "ablation_tests.rs"]
mod tests;
