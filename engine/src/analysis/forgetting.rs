//! What an adapter costs on texts that have nothing to do with its task: loss, and KL from the base model, by strength. A
//! prefix, a soft prompt, matrices of low rank and trained weights are measured on the same texts in the same way.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::at_labels::AtLabels;
use super::question::Analysis;
use super::subject::{Investigation, Subject};
use super::to_host;
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Model, WeightOverrides};
use crate::sentence;

/// Texts in one forward pass.
const BATCH: usize = 4;
/// Strengths of a curve when nobody says which.
pub(super) const STRENGTHS: [f64; 7] = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5];

/// The cost of an adapter on neutral text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forgetting {
    /// From the weakest to the strongest.
    pub points: Vec<AtStrength>,
    /// Strengths that were asked for and that such an adapter does not have.
    pub left_out: Vec<f64>,
    /// Loss of the base model in nats per token.
    pub base_loss: f64,
    /// Texts.
    pub texts: usize,
    /// Their tokens that something predicts.
    pub tokens: usize,
}

/// An adapter at a strength.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AtStrength {
    /// 0 is the base model, 1 the adapter as it was trained.
    pub strength: f64,
    /// Loss in nats per token.
    pub loss: f64,
    /// Loss beside the base model's, on the same tokens.
    pub rise: f64,
    /// Standard error of the rise over texts; 0 for a single one.
    pub rise_se: f64,
    /// Mean of KL(base ‖ with the adapter) over tokens, in nats.
    pub kl: f64,
}

/// The work: some texts a step, strength after strength.
pub(super) struct MeasuringForgetting {
    strengths: Vec<f64>,
    /// The strength that is measured, and how far it has come.
    running: Option<Running>,
    points: Vec<AtStrength>,
    left_out: Vec<f64>,
    base_loss: f64,
    tokens: usize,
    done: usize,
    n_rows: usize,
}

struct Running {
    conditioning: Conditioning,
    /// The model with its weights at the strength, where the adapter has some.
    model: Option<Model>,
    next: usize,
    texts: Vec<TextSums>,
}

/// Sums over the tokens of a text.
#[derive(Clone, Copy, Debug, Default)]
struct TextSums {
    base: f64,
    with: f64,
    kl: f64,
    tokens: usize,
}

impl MeasuringForgetting {
    pub(super) fn new(strengths: &[f64]) -> Self {
        let mut strengths = if strengths.is_empty() { STRENGTHS.to_vec() } else { strengths.to_vec() };
        strengths.sort_by(f64::total_cmp);
        strengths.dedup();
        Self {
            strengths,
            running: None,
            points: Vec::new(),
            left_out: Vec::new(),
            base_loss: 0.0,
            tokens: 0,
            done: 0,
            n_rows: 0,
        }
    }
}

impl Investigation for MeasuringForgetting {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        if !subject.task.writes() {
            let reason = sentence!("it writes nothing: what it costs elsewhere is measured on text that goes on");
            return Err(EngineError::AdapterMismatch { reason });
        }
        if self.strengths.iter().any(|strength| !(0.0..=2.0).contains(strength)) {
            let reason = sentence!("must be between 0 and 2");
            return Err(EngineError::Setting { field: "strength", reason });
        }
        self.n_rows = subject.rows.len();
        let Some(&strength) = self.strengths.get(self.done) else {
            return Ok(Some(Analysis::Forgetting(Forgetting {
                points: std::mem::take(&mut self.points),
                left_out: std::mem::take(&mut self.left_out),
                base_loss: self.base_loss,
                texts: self.n_rows,
                tokens: self.tokens,
            })));
        };
        let Some(running) = &mut self.running else {
            match Running::at(strength, subject)? {
                Some(running) => self.running = Some(running),
                None => {
                    self.left_out.push(strength);
                    self.done += 1;
                }
            }
            return Ok(None);
        };
        if running.next < self.n_rows {
            running.read(strength, subject)?;
            return Ok(None);
        }
        let n: usize = running.texts.iter().map(|text| text.tokens).sum();
        let base: f64 = running.texts.iter().map(|text| text.base).sum();
        self.points.push(point(strength, &running.texts));
        (self.base_loss, self.tokens) = (base / n.max(1) as f64, n);
        self.done += 1;
        self.running = None;
        Ok(None)
    }

    fn share(&self) -> f32 {
        let rows = self.n_rows.max(1);
        let next = self.running.as_ref().map_or(0, |running| running.next);
        (self.done * rows + next) as f32 / (self.strengths.len() * rows).max(1) as f32
    }
}

impl Running {
    /// `None` where the adapter is not there at such a strength.
    fn at(strength: f64, subject: &Subject) -> Result<Option<Self>> {
        let whole = &subject.conditioning;
        let is_between = strength != 0.0 && strength != 1.0;
        let own = !(whole.tuned.replaced.is_empty() && whole.tuned.rows.is_empty());
        let conditioning = if is_between && own && !whole.has_prompt() {
            let Some(tuned) = on_the_line(subject, strength)? else { return Ok(None) };
            Conditioning { tuned, ..whole.clone() }
        } else {
            whole.clone().at_strength(&strength.into())?
        };
        let model = subject.model.model.with_overrides(&conditioning.tuned)?;
        Ok(Some(Self { conditioning, model, next: 0, texts: Vec::new() }))
    }

    /// The next texts, with the base model and with the adapter.
    fn read(&mut self, strength: f64, subject: &Subject) -> Result<()> {
        let texts: Vec<usize> = (self.next..(self.next + BATCH).min(subject.rows.len())).collect();
        self.next += texts.len();
        let (base, device) = (&subject.model.model, &subject.model.device);
        let bare = subject.bare_batch(&texts);
        // At 0 nothing of the adapter is there, its soft tokens and words neither.
        let placed: TokenBatch = if strength == 0.0 { bare.clone() } else { subject.batch(&texts) };
        let without = AtLabels::read(base, &Conditioning::default(), &bare, device)?;
        let with = AtLabels::read(self.model.as_ref().unwrap_or(base), &self.conditioning, &placed, device)?;
        let mut sums = vec![TextSums::default(); texts.len()];
        for (score, &row) in without.beside(&with)?.iter().zip(&without.rows) {
            let text = &mut sums[row];
            text.base += score.first;
            text.with += score.second;
            text.kl += score.kl;
            text.tokens += 1;
        }
        self.texts.extend(sums);
        Ok(())
    }
}

/// Trained weights at a strength: a point on the line through the model's own and them (Wortsman et al. 2022, "Robust
/// fine-tuning of zero-shot models"). `None` where a weight is none of the model's own.
fn on_the_line(subject: &Subject, strength: f64) -> Result<Option<WeightOverrides>> {
    let (tuned, model) = (&subject.conditioning.tuned, &subject.model.model);
    if !tuned.rows.is_empty() {
        return Ok(None);
    }
    let own = model.weights();
    let low_rank =
        WeightOverrides { replaced: Default::default(), ..tuned.clone() }.at_strength(&strength.into(), false)?;
    let mut at = WeightOverrides { head_apart: tuned.head_apart, ..low_rank };
    for (name, (shape, values)) in &tuned.replaced {
        let Some(weight) = own.iter().find(|weight| weight.name == *name) else { return Ok(None) };
        let (before, after) = (model.values(weight)?, to_host(values.clone())?);
        if before.len() != after.len() {
            return Ok(None);
        }
        let point: Vec<f32> = before.iter().zip(&after).map(|(a, b)| a + (b - a) * strength as f32).collect();
        let n = point.len();
        let point = Tensor::from_data(TensorData::new(point, [n]), &subject.model.device);
        at.replaced.insert(name.clone(), (shape.clone(), point));
    }
    Ok(Some(at))
}

/// Means over tokens; the error of the rise counts each text as one draw, of its own length.
fn point(strength: f64, texts: &[TextSums]) -> AtStrength {
    let sum = |of: fn(&TextSums) -> f64| texts.iter().map(of).sum::<f64>();
    let n = sum(|text| text.tokens as f64).max(1.0);
    let rise = sum(|text| text.with - text.base) / n;
    let squares: f64 = texts.iter().map(|text| (text.with - text.base - rise * text.tokens as f64).powi(2)).sum();
    let k = texts.len() as f64;
    let rise_se = if k > 1.0 { (squares * k / (k - 1.0)).sqrt() / n } else { 0.0 };
    AtStrength { strength, loss: sum(|text| text.with) / n, rise, rise_se, kl: sum(|text| text.kl) / n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_is_a_mean_over_tokens_and_its_error_one_over_texts() {
        let text = |base, with, tokens| TextSums { base, with, kl: 0.5 * tokens as f64, tokens };
        let found = point(1.0, &[text(10.0, 12.0, 2), text(6.0, 6.0, 2)]);
        assert_eq!((found.loss, found.rise, found.kl), (4.5, 0.5, 0.5));
        // Deviations of the sums are 1 and -1: variance 2, two texts, four tokens.
        assert!((found.rise_se - (2.0_f64 * 2.0).sqrt() / 4.0).abs() < 1e-12, "{}", found.rise_se);
        assert_eq!(point(1.0, &[text(1.0, 2.0, 4)]).rise_se, 0.0, "a single text has no spread");
    }

    #[test]
    fn strengths_are_measured_once_each_from_the_weakest_on() {
        assert_eq!(MeasuringForgetting::new(&[1.0, 0.5, 1.0]).strengths, [0.5, 1.0]);
        assert_eq!(MeasuringForgetting::new(&[]).strengths, STRENGTHS);
    }
}
