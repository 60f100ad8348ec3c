//! What a prefix does, exactly: in each head and at each token it scales what attention would have read by `1 − A` and adds
//! `A · b`, where `A` is the mass on its slots and `b` the mean of their values by that mass.
//! Petrov, Torr & Bibi 2024, "When Do Prompting and Prefix-Tuning Work?".

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::decomposition_passes::{Layer, Masked, Watched};
use super::question::Analysis;
use super::spread::{constancy, effective_rank};
use super::subject::{Investigation, Subject};
use super::through_head::{self, LensToken};
use super::to_host;
use crate::error::{EngineError, Result};
use crate::models::HookPoint;
use crate::random::normal;
use crate::sentence;

/// Rows in one forward pass.
const BATCH: usize = 2;
/// Tokens of a head whose bias is kept, to say how constant it is.
const MOST_TOKENS: usize = 256;
/// Tokens shown for a bias.
const TOP: usize = 8;
/// Random vectors that say what chance makes of a lens.
const DRAWS: usize = 32;
/// A slot with more than this share of the mass and a short value takes attention and gives nothing.
const SINK: f64 = 0.5;

/// The decomposition of every layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decomposition {
    /// Layers that see the prefix.
    pub layers: Vec<LayerDecomposition>,
    /// Slots of the prefix.
    pub n_virtual: usize,
    /// Tokens that were looked at.
    pub tokens: usize,
    /// Texts of the first row's tokens, for [`LayerDecomposition::mass_of_tokens`].
    pub texts: Vec<String>,
}

/// The decomposition of a layer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerDecomposition {
    /// As TransformerLens names its pattern.
    pub name: String,
    /// Its heads.
    pub heads: Vec<HeadDecomposition>,
    /// Mean mass over the heads, for each token of the first row.
    pub mass_of_tokens: Vec<f64>,
    /// Mean length of what the prefix adds to the residual stream, all heads together.
    pub bias_norm: f64,
    /// Mean length of what attention adds to it in all.
    pub out_norm: f64,
    /// The tokens that the mean bias points to, through the final norm and the vocabulary; empty for a model that writes none.
    pub lens: Vec<LensToken>,
    /// Of random vectors of the same length, the mean of the largest logit: what chance makes of the first token.
    pub lens_by_chance: f64,
    /// Its standard deviation.
    pub lens_by_chance_sd: f64,
}

/// The decomposition of a head.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HeadDecomposition {
    /// Mean of `A` over tokens, 0 to 1.
    pub mass: f64,
    /// Mean of `|A · b|`.
    pub bias: f64,
    /// Mean of `|(1 − A) · o|`.
    pub content: f64,
    /// Mean cosine of the biases of two tokens; 1 is a bias that is the same for all.
    pub constancy: f64,
    /// Exponential of the entropy of the spectrum of the biases' covariance; 1 is a line.
    pub effective_rank: f64,
    /// Mean share of the mass that each slot has.
    pub slots: Vec<f64>,
    /// Slots that take attention and give nothing, counted from 0.
    pub sinks: Vec<usize>,
}

/// Sums over the rows that were looked at.
#[derive(Debug, Default)]
struct Sums {
    /// `n_heads` each.
    mass: Vec<f64>,
    bias: Vec<f64>,
    content: Vec<f64>,
    /// `n_heads` × `n_virtual`.
    slots: Vec<f64>,
    /// Biases of some tokens, head by head.
    biases: Vec<Vec<Vec<f32>>>,
    /// Lengths of each slot's value, head by head.
    lengths: Vec<Vec<f64>>,
    first: Vec<f64>,
    stream: Vec<f64>,
    bias_norm: f64,
    out_norm: f64,
}

/// The work: some rows a step, then a lens a step.
#[derive(Debug, Default)]
pub(super) struct Decomposing {
    next: usize,
    n_rows: usize,
    tokens: usize,
    texts: Vec<String>,
    layers: BTreeMap<HookPoint, Sums>,
    found: Vec<LayerDecomposition>,
}

impl Investigation for Decomposing {
    fn step(&mut self, subject: &Subject) -> Result<Option<Analysis>> {
        let n_virtual = subject.adapter.n_virtual();
        if subject.adapter.prefixes().next().is_none() || n_virtual == 0 {
            let reason = sentence!("it has no prefix that a layer attends to");
            return Err(EngineError::AdapterMismatch { reason });
        }
        self.n_rows = subject.rows.len();
        if self.next < self.n_rows {
            self.look(subject)?;
            return Ok(None);
        }
        if let Some((at, sums)) = self.layers.iter().nth(self.found.len()) {
            let layer = layer(subject, *at, sums, self.tokens)?;
            self.found.push(layer);
            return Ok(None);
        }
        let layers = std::mem::take(&mut self.found);
        let texts = std::mem::take(&mut self.texts);
        Ok(Some(Analysis::Decomposition(Decomposition { layers, n_virtual, tokens: self.tokens, texts })))
    }

    fn share(&self) -> f32 {
        let (done, all) = (self.next + self.found.len(), self.n_rows + self.layers.len());
        done as f32 / all.max(1) as f32
    }
}

impl Decomposing {
    /// The next rows: once as they are, once with the slots alone, once with nothing that attention reads.
    fn look(&mut self, subject: &Subject) -> Result<()> {
        let rows: Vec<usize> = (self.next..(self.next + BATCH).min(self.n_rows)).collect();
        let is_first = self.next == 0;
        self.next += rows.len();
        let batch = subject.batch(&rows);
        let n_virtual = subject.adapter.n_virtual();
        let mut watched = Watched::default();
        subject.run(&batch, Some(&mut watched))?;
        let mut slots_alone = Masked::new(n_virtual, &watched.out);
        subject.run(&batch, Some(&mut slots_alone))?;
        let mut nothing = Masked::new(0, &watched.out);
        subject.run(&batch, Some(&mut nothing))?;
        let real: Vec<bool> = batch.mask.iter().map(|&real| real > 0.0).collect();
        if is_first {
            let row = batch.tokens[..batch.seq].iter().zip(&real).filter(|(_, real)| **real);
            let text =
                |id: i32| u32::try_from(id).map_or_else(|_| String::new(), |id| subject.model.tokenizer.token_text(id));
            self.texts = row.map(|(&id, _)| text(id)).collect();
        }
        for layer in watched.layers(subject, n_virtual)? {
            let sums = self.layers.entry(layer.at).or_default();
            sums.add(&layer, &real, batch.seq, is_first)?;
            let (all, bare, out) =
                (slots_alone.found.get(&layer.at), nothing.found.get(&layer.at), watched.out.get(&layer.at));
            if let (Some(all), Some(bare), Some(out)) = (all, bare, out) {
                sums.add_stream(&to_host(all.clone() - bare.clone())?, &to_host(out.clone() - bare.clone())?, &real);
            }
        }
        self.tokens += real.iter().filter(|real| **real).count();
        Ok(())
    }
}

impl Sums {
    fn add(&mut self, layer: &Layer, real: &[bool], seq: usize, is_first: bool) -> Result<()> {
        let Layer { pattern, bias, content, values, .. } = layer; // [batch, heads, seq, n], [batch, heads, seq, d_head] twice
        let [batch, n_heads, _, n_virtual] = pattern.dims();
        let [_, _, _, d_head] = bias.dims();
        let (pattern, bias, content, values) =
            (to_host(pattern.clone())?, to_host(bias.clone())?, to_host(content.clone())?, to_host(values.clone())?);
        for sums in [&mut self.mass, &mut self.bias, &mut self.content] {
            sums.resize(n_heads, 0.0);
        }
        self.slots.resize(n_heads * n_virtual, 0.0);
        self.biases.resize(n_heads, Vec::new());
        self.lengths = values.chunks(n_virtual * d_head).map(|head| head.chunks(d_head).map(norm).collect()).collect();
        for row in 0..batch {
            for head in 0..n_heads {
                for at in (0..seq).filter(|at| real[row * seq + at]) {
                    let place = (row * n_heads + head) * seq + at;
                    let on_slots = &pattern[place * n_virtual..(place + 1) * n_virtual];
                    let mass: f64 = on_slots.iter().map(|&share| f64::from(share)).sum();
                    let (bias, content) =
                        (&bias[place * d_head..(place + 1) * d_head], &content[place * d_head..(place + 1) * d_head]);
                    self.mass[head] += mass;
                    self.bias[head] += norm(bias);
                    self.content[head] += norm(content);
                    let slots = &mut self.slots[head * n_virtual..(head + 1) * n_virtual];
                    slots.iter_mut().zip(on_slots).for_each(|(sum, share)| *sum += f64::from(*share));
                    if self.biases[head].len() < MOST_TOKENS && mass > 0.0 {
                        self.biases[head].push(bias.iter().map(|x| x / mass as f32).collect());
                    }
                    if is_first && row == 0 {
                        let places = real[..seq].iter().filter(|real| **real).count();
                        self.first.resize(places, 0.0);
                        let nth = real[..at].iter().filter(|real| **real).count();
                        self.first[nth] += mass / n_heads as f64;
                    }
                }
            }
        }
        Ok(())
    }

    /// What the slots add to the stream, and what attention adds in all, `[batch * seq, d_model]` each.
    fn add_stream(&mut self, bias: &[f32], out: &[f32], real: &[bool]) {
        let d_model = bias.len() / real.len().max(1);
        self.stream.resize(d_model, 0.0);
        let rows = bias.chunks(d_model.max(1)).zip(out.chunks(d_model.max(1))).zip(real);
        for ((bias, out), _) in rows.filter(|(_, real)| **real) {
            self.stream.iter_mut().zip(bias).for_each(|(sum, x)| *sum += f64::from(*x));
            self.bias_norm += norm(bias);
            self.out_norm += norm(out);
        }
    }
}

fn layer(subject: &Subject, at: HookPoint, sums: &Sums, tokens: usize) -> Result<LayerDecomposition> {
    let n = tokens.max(1) as f64;
    let n_heads = sums.mass.len();
    let n_virtual = sums.slots.len() / n_heads.max(1);
    let head = |head: usize| {
        let of_mass = |sum: &f64| if sums.mass[head] > 0.0 { sum / sums.mass[head] } else { 0.0 };
        let slots: Vec<f64> = sums.slots[head * n_virtual..(head + 1) * n_virtual].iter().map(of_mass).collect();
        // The values of a group of heads are the same.
        let lengths = sums.lengths.get(head * sums.lengths.len() / n_heads).cloned().unwrap_or_default();
        let median = median(&lengths);
        let is_sink = |slot: &usize| slots[*slot] > SINK && lengths.get(*slot).is_some_and(|length| *length < median);
        HeadDecomposition {
            mass: sums.mass[head] / n,
            bias: sums.bias[head] / n,
            content: sums.content[head] / n,
            constancy: constancy(&sums.biases[head]),
            effective_rank: effective_rank(&sums.biases[head]),
            sinks: (0..n_virtual).filter(is_sink).collect(),
            slots,
        }
    };
    let mean: Vec<f32> = sums.stream.iter().map(|sum| (sum / n) as f32).collect();
    let (lens, chance) =
        match subject.task.writes() && at.stack == subject.model.model.stack(subject.model.model.last_site()).name {
            true => lens(subject, &mean)?,
            false => (Vec::new(), (0.0, 0.0)),
        };
    Ok(LayerDecomposition {
        name: at.to_string(),
        heads: (0..n_heads).map(head).collect(),
        mass_of_tokens: sums.first.clone(),
        bias_norm: sums.bias_norm / n,
        out_norm: sums.out_norm / n,
        lens,
        lens_by_chance: chance.0,
        lens_by_chance_sd: chance.1,
    })
}

/// The tokens that a bias points to, and the largest logit that random vectors of its length get.
fn lens(subject: &Subject, bias: &[f32]) -> Result<(Vec<LensToken>, (f64, f64))> {
    let length = norm(bias);
    let mut vectors = bias.to_vec();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut draws: Vec<f32> = (0..DRAWS * bias.len()).map(|_| normal(&mut random)).collect();
    for draw in draws.chunks_mut(bias.len().max(1)) {
        let scale = (length / norm(draw).max(f64::MIN_POSITIVE)) as f32;
        draw.iter_mut().for_each(|x| *x *= scale);
    }
    vectors.extend(draws);
    let shape = [1 + DRAWS, bias.len()];
    let vectors = Tensor::<2>::from_data(TensorData::new(vectors, shape), &subject.model.device);
    let logits = through_head::logits(subject.tuned_model(), vectors)?;
    let text = |id| subject.model.tokenizer.token_text(id);
    let mut tokens = through_head::top_tokens(logits, TOP, &text)?.into_iter();
    let found = tokens.next().unwrap_or_default();
    let largest: Vec<f64> = tokens.filter_map(|tokens| tokens.first().map(|token| token.logit)).collect();
    let mean = largest.iter().sum::<f64>() / largest.len().max(1) as f64;
    let variance = largest.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (largest.len().max(2) - 1) as f64;
    Ok((found, (mean, variance.sqrt())))
}

fn norm(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}
