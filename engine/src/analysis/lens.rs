//! The logit lens with and without the adapter: what each layer would say next if it were the last, how far that is from what
//! it says without, and which tokens the adapter makes more and less probable.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::question::Analysis;
use super::subject::{Investigation, Subject};
use super::{through_head, to_host};
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{ActivationCache, Conditioning, HookName, Model};
use crate::sentence;
use crate::training::loss;

/// Rows in one forward pass.
const BATCH: usize = 2;
/// Positions whose logits are held at once.
const AT_ONCE: usize = 32;
/// Positions of the first row that are shown.
const SHOWN: usize = 64;
/// Tokens that moved most, up and down.
const MOVED: usize = 20;

/// What each layer would say, with and without the adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LensReport {
    /// From the first block to the last.
    pub layers: Vec<LensLayer>,
    /// The tokens of the first row behind which a next one is told, at most some sixty.
    pub texts: Vec<String>,
    /// Tokens that the adapter makes more probable, over all positions, the most first.
    pub up: Vec<MovedToken>,
    /// Tokens that it makes less probable.
    pub down: Vec<MovedToken>,
    /// Positions that were looked at.
    pub positions: usize,
}

/// A layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LensLayer {
    /// As TransformerLens names its output.
    pub name: String,
    /// Mean of KL(with ‖ without) over positions, in nats.
    pub kl: f64,
    /// Mean log-probability of the token that comes, in nats.
    pub with: f64,
    /// The same without the adapter.
    pub without: f64,
    /// For each token of [`LensReport::texts`]: KL, the first token with the adapter and without.
    pub cells: Vec<LensCell>,
}

/// A layer at a position.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LensCell {
    /// KL(with ‖ without) in nats.
    pub kl: f64,
    /// The most probable token with the adapter, and its probability.
    pub with: (String, f64),
    /// The most probable token without it.
    pub without: (String, f64),
}

/// A token whose probability the adapter moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MovedToken {
    /// Its text.
    pub text: String,
    /// Its id.
    pub id: u32,
    /// Mean probability without the adapter.
    pub before: f64,
    /// Mean probability with it.
    pub after: f64,
}

/// Sums over the positions of a layer.
#[derive(Clone, Debug, Default)]
struct Sums {
    kl: f64,
    with: f64,
    without: f64,
    cells: Vec<LensCell>,
}

/// The work: some rows a step.
#[derive(Debug, Default)]
pub(super) struct Lens {
    next: usize,
    n_rows: usize,
    positions: usize,
    texts: Vec<String>,
    layers: Vec<Sums>,
    /// Probabilities behind the last block, summed over positions: with the adapter and without.
    after: Vec<f64>,
    before: Vec<f64>,
}

impl Investigation for Lens {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        if !subject.task.writes() {
            let reason = sentence!("it says no tokens: a lens needs a model that writes");
            return Err(EngineError::AdapterMismatch { reason });
        }
        self.n_rows = subject.rows.len().min(subject.bare.len());
        let rows: Vec<usize> = (self.next..(self.next + BATCH).min(self.n_rows)).collect();
        if rows.is_empty() {
            return Ok(Some(Analysis::Lens(self.report(subject))));
        }
        let (with, without) = (subject.batch(&rows), subject.bare_batch(&rows));
        let of_adapter = Read::of(subject.tuned_model(), &subject.conditioning, &with, subject)?;
        let of_base = Read::of(&subject.model.model, &Conditioning::default(), &without, subject)?;
        if of_adapter.targets != of_base.targets {
            let reason = sentence!("rows have other labels with it than without, so that they cannot be compared");
            return Err(EngineError::AdapterMismatch { reason });
        }
        if self.next == 0 {
            self.texts = of_base.texts(&without, subject);
        }
        self.next += rows.len();
        self.layers.resize(of_base.streams.len(), Sums::default());
        for (layer, (with, without)) in of_adapter.streams.iter().zip(&of_base.streams).enumerate() {
            self.add(layer, (with, without), &of_base.targets, subject)?;
        }
        self.positions += of_base.targets.len();
        Ok(None)
    }

    fn share(&self) -> f32 {
        self.next as f32 / self.n_rows.max(1) as f32
    }
}

/// The stream behind each block at the places of the labels, and the labels.
struct Read {
    streams: Vec<Tensor<2>>, // [n, d_model] each
    targets: Vec<i32>,
    places: Vec<usize>,
}

impl Read {
    fn of(model: &Model, conditioning: &Conditioning, batch: &TokenBatch, subject: &Subject) -> Result<Self> {
        let device = &subject.model.device;
        let mut cache = ActivationCache::new(&[HookName::ResidPost]);
        let rows = loss::rows_of(batch, conditioning);
        model.hidden(&rows, conditioning, Some(&mut cache), device)?;
        let (places, targets): (Vec<usize>, Vec<i32>) = batch.labeled().into_iter().unzip();
        let last = model.stack(model.last_site()).name;
        let at: Tensor<1, Int> = Tensor::from_data(
            TensorData::new(places.iter().map(|&place| place as i32).collect(), [places.len()]),
            device,
        );
        let mut streams = Vec::new();
        for point in cache.points().into_iter().filter(|point| point.stack == last) {
            if let Some(stream) = cache.stream(&point.to_string()) {
                let [batch, seq, d_model] = stream.dims();
                streams.push(stream.clone().reshape([batch * seq, d_model]).select(0, at.clone()));
            }
        }
        Ok(Self { streams, targets, places })
    }

    /// The tokens of the first row at the places of its labels.
    fn texts(&self, batch: &TokenBatch, subject: &Subject) -> Vec<String> {
        let text = |&place: &usize| u32::try_from(batch.tokens[place]).map(|id| subject.model.tokenizer.token_text(id));
        let first = self.places.iter().filter(|place| **place < batch.seq).take(SHOWN);
        first.map(|place| text(place).unwrap_or_default()).collect()
    }
}

impl Lens {
    fn add(
        &mut self,
        layer: usize,
        (with, without): (&Tensor<2>, &Tensor<2>),
        targets: &[i32],
        subject: &Subject,
    ) -> Result<()> {
        let ([n, d_model], is_first) = (with.dims(), self.layers[layer].cells.is_empty());
        let is_last = layer + 1 == self.layers.len();
        for begin in (0..n).step_by(AT_ONCE) {
            let end = (begin + AT_ONCE).min(n);
            let part = |stream: &Tensor<2>| stream.clone().slice([begin..end, 0..d_model]);
            let with = log_softmax(through_head::logits(subject.tuned_model(), part(with))?, 1);
            let without = log_softmax(through_head::logits(&subject.model.model, part(without))?, 1);
            let [_, vocab_size] = with.dims();
            let (with, without) = (to_host(with)?, to_host(without)?);
            for (row, (with, without)) in with.chunks(vocab_size).zip(without.chunks(vocab_size)).enumerate() {
                let kl: f64 = with.iter().zip(without).map(|(&p, &q)| f64::from(p).exp() * f64::from(p - q)).sum();
                let target = usize::try_from(targets[begin + row]).unwrap_or(0).min(vocab_size.saturating_sub(1));
                let sums = &mut self.layers[layer];
                sums.kl += kl;
                sums.with += f64::from(with[target]);
                sums.without += f64::from(without[target]);
                if is_first && begin + row < self.texts.len() {
                    sums.cells.push(LensCell { kl, with: first(with, subject), without: first(without, subject) });
                }
                if is_last {
                    add_probabilities(&mut self.after, with);
                    add_probabilities(&mut self.before, without);
                }
            }
        }
        Ok(())
    }

    fn report(&self, subject: &Subject) -> LensReport {
        let n = self.positions.max(1) as f64;
        let model = &subject.model.model;
        let stack = model.stack(model.last_site()).name;
        let layer = |(layer, sums): (usize, &Sums)| LensLayer {
            name: crate::models::HookPoint { stack, layer, name: HookName::ResidPost }.to_string(),
            kl: sums.kl / n,
            with: sums.with / n,
            without: sums.without / n,
            cells: sums.cells.clone(),
        };
        let mut order: Vec<usize> = (0..self.after.len()).collect();
        order.sort_by(|&a, &b| (self.after[b] - self.before[b]).total_cmp(&(self.after[a] - self.before[a])));
        let token = |&id: &usize| MovedToken {
            text: subject.model.tokenizer.token_text(id as u32),
            id: id as u32,
            before: self.before[id] / n,
            after: self.after[id] / n,
        };
        LensReport {
            layers: self.layers.iter().enumerate().map(layer).collect(),
            texts: self.texts.clone(),
            up: order.iter().take(MOVED).map(token).filter(|token| token.after > token.before).collect(),
            down: order.iter().rev().take(MOVED).map(token).filter(|token| token.after < token.before).collect(),
            positions: self.positions,
        }
    }
}

/// The most probable token of a row of log-probabilities.
fn first(row: &[f32], subject: &Subject) -> (String, f64) {
    let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
    (subject.model.tokenizer.token_text(best as u32), f64::from(row[best]).exp())
}

fn add_probabilities(sums: &mut Vec<f64>, row: &[f32]) {
    sums.resize(row.len(), 0.0);
    sums.iter_mut().zip(row).for_each(|(sum, &p)| *sum += f64::from(p).exp());
}
