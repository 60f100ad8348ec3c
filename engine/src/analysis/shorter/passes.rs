//! Keys and values fitted layer by layer: each block runs behind all slots and behind fewer, whose layers below are fitted
//! already, so that a layer makes up for what those below it lack.

use burn::tensor::{Tensor, TensorData};

use super::solve::{Fitted, Head};
use crate::adapters::{AdapterState, PartState, PrefixShape, PrefixState};
use crate::analysis::subject::Subject;
use crate::analysis::to_host;
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, HookName, HookPoint, Hooks, LayerRange, Model};
use crate::nn::LayerKv;
use crate::sentence;
use crate::training::loss::rows_of;

/// Rows in one forward pass.
const BATCH: usize = 4;
/// Most queries of a head that are fitted to.
const MOST_QUERIES: usize = 2048;
/// A query whose shares of the slots differ more from plain products is left out: a window hides some from it.
const TOLERANCE: f64 = 1e-3;

/// Queries, keys and scale of a layer.
#[derive(Default)]
struct Compared {
    layer: usize,
    /// `[batch, n_heads, seq, d_head]`.
    queries: Option<Tensor<4>>,
    /// `[batch, n_heads, seq, kv]`.
    pattern: Option<Tensor<4>>,
}

impl Hooks for Compared {
    fn wants(&self, at: HookPoint) -> bool {
        at.layer == self.layer && matches!(at.name, HookName::Q | HookName::Pattern)
    }

    fn stream(&mut self, _: HookPoint, _: &Tensor<3>) -> Option<Tensor<3>> {
        None
    }

    fn by_head(&mut self, at: HookPoint, activation: &Tensor<4>) -> Option<Tensor<4>> {
        let kept = if at.name == HookName::Q { &mut self.queries } else { &mut self.pattern };
        *kept = Some(activation.clone());
        None
    }
}

/// A prefix being made shorter.
pub(super) struct Matching {
    slots: usize,
    /// What the adapter gives, with so many slots in its place: zeros in layers that are not fitted yet.
    fewer: Conditioning,
    batches: Vec<TokenBatch>,
    /// What leaves the last block that ran, of each batch: behind all slots, behind fewer.
    streams: Vec<[Option<Tensor<3>>; 2]>,
    /// The layer that is next.
    layer: usize,
    n_layers: usize,
    /// Errors of the heads that were fitted: before, after.
    errors: Vec<[f64; 2]>,
}

/// The queries of a group of heads that share their keys.
#[derive(Default)]
struct Group {
    /// `[queries, d_head]`.
    before: Vec<f32>,
    after: Vec<f32>,
    /// Queries that do not see all slots by products alone.
    left_out: usize,
}

impl Matching {
    /// # Errors
    /// The adapter has no prefix of one stack, or not more slots than these.
    pub(super) fn new(subject: &Subject, slots: usize) -> Result<Self> {
        let mismatch = |reason| Err(EngineError::AdapterMismatch { reason });
        let model = subject.tuned_model();
        let prefix = match subject.adapter.prefixes().collect::<Vec<_>>().as_slice() {
            [prefix] if !matches!(model, Model::Seq2Seq(_)) => *prefix,
            _ => return mismatch(sentence!("only the prefix of a model with one stack is fitted to fewer slots")),
        };
        if slots == 0 || slots >= prefix.shape.n_virtual {
            let n_slots = prefix.shape.n_virtual;
            let reason = sentence!("there must be fewer slots than its {n_slots}, and at least one", n_slots);
            return Err(EngineError::Setting { field: "slots", reason });
        }
        let PrefixShape { n_layers, n_kv_heads, d_head, .. } = prefix.shape;
        let zeros = || Tensor::zeros([1, n_kv_heads, slots, d_head], &subject.model.device);
        let layers = (0..n_layers).map(|_| LayerKv { key: zeros(), value: zeros() }).collect();
        let mut fewer = subject.conditioning.clone();
        *fewer.place(prefix.site) = Some(layers);
        let rows: Vec<usize> = (0..subject.rows.len()).collect();
        let batches: Vec<TokenBatch> = rows.chunks(BATCH).map(|rows| subject.batch(rows)).collect();
        let streams = batches.iter().map(|_| [None, None]).collect();
        Ok(Self { slots, fewer, batches, streams, layer: 0, n_layers, errors: Vec::new() })
    }

    /// Fits a layer; whether there is another.
    ///
    /// # Errors
    /// Scores of the slots are no plain products, or the device failed.
    pub(super) fn step(&mut self, subject: &Subject) -> Result<bool> {
        if self.layer >= self.n_layers {
            return Ok(false);
        }
        let sees = subject.conditioning.layers.as_ref().is_none_or(|layers| layers.contains(&self.layer));
        let mut groups: Vec<Group> = Vec::new();
        for at in 0..self.batches.len() {
            let mut all = Compared { layer: self.layer, ..Compared::default() };
            let stream = self.run(subject, (at, 0), Some(&mut all))?;
            if sees {
                let mut fewer = Compared { layer: self.layer, ..Compared::default() };
                self.run(subject, (at, 1), Some(&mut fewer))?;
                self.gather(subject, &self.batches[at], (&all, &fewer), &mut groups)?;
            }
            self.streams[at][0] = Some(stream);
        }
        if sees {
            let (kv, errors) = self.fit(subject, &groups)?;
            let site = subject.model.model.last_site();
            if let Some(layers) = self.fewer.place(site) {
                layers[self.layer] = kv;
            }
            self.errors.extend(errors);
        }
        for at in 0..self.batches.len() {
            self.streams[at][1] = Some(self.run(subject, (at, 1), None)?);
        }
        self.layer += 1;
        Ok(self.layer < self.n_layers)
    }

    /// The share that is done.
    pub(super) fn share(&self) -> f32 {
        self.layer as f32 / self.n_layers.max(1) as f32
    }

    /// Mean error of the heads: of the chosen keys and values as they were, and fitted.
    pub(super) fn errors(&self) -> [f64; 2] {
        [0, 1].map(|at| self.errors.iter().map(|error| error[at]).sum::<f64>() / self.errors.len().max(1) as f64)
    }

    /// The adapter with its shorter prefix.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn adapter(&self, subject: &Subject) -> Result<AdapterState> {
        let part = |part: &PartState| -> Result<PartState> {
            let PartState::Prefix(prefix) = part else { return Ok(part.clone()) };
            let shape = PrefixShape { n_virtual: self.slots, ..prefix.shape };
            let flat = shape.flatten(self.fewer.of(prefix.site).unwrap_or_default())?;
            Ok(PrefixState { shape, n_frozen: 0, flat, ..*prefix }.into())
        };
        let parts = subject.adapter.parts.iter().map(part).collect::<Result<_>>()?;
        Ok(AdapterState { parts, ..subject.adapter.clone() })
    }

    /// The present block for a batch, behind all slots (0) or behind fewer (1).
    fn run(&self, subject: &Subject, (batch, side): (usize, usize), hooks: Option<&mut Compared>) -> Result<Tensor<3>> {
        let conditioning = if side == 0 { &subject.conditioning } else { &self.fewer };
        let (model, resid) = (subject.tuned_model(), self.streams[batch][side].clone());
        let block = LayerRange::Block { layer: self.layer, n_layers: self.n_layers, resid };
        let rows = rows_of(&self.batches[batch], conditioning);
        let hooks = hooks.map(|hooks| hooks as &mut dyn Hooks);
        model.run((model.last_site(), block), &rows, None, conditioning, hooks, &subject.model.device)
    }

    /// Adds the queries of a batch to those of each group of heads.
    fn gather(
        &self,
        subject: &Subject,
        batch: &TokenBatch,
        (all, fewer): (&Compared, &Compared),
        groups: &mut Vec<Group>,
    ) -> Result<()> {
        let missing = || EngineError::Computation(sentence!("an empty result"));
        let (Some(before), Some(pattern), Some(after)) = (&all.queries, &all.pattern, &fewer.queries) else {
            return Err(missing());
        };
        let slots = self.slots_of(subject).ok_or_else(missing)?;
        let [rows, n_heads, seq, d_head] = before.dims();
        let [_, n_kv_heads, n_slots, _] = slots.key.dims();
        let in_group = n_heads / n_kv_heads;
        let on_slots = to_host(pattern.clone().slice([0..rows, 0..n_heads, 0..seq, 0..n_slots]))?;
        let (before, after, keys) = (to_host(before.clone())?, to_host(after.clone())?, to_host(slots.key)?);
        groups.resize_with(n_kv_heads, Group::default);
        let tokens: usize =
            self.batches.iter().map(|batch| batch.mask.iter().filter(|&&real| real > 0.0).count()).sum();
        let every = (tokens * in_group).div_ceil(MOST_QUERIES).max(1);
        for (query, shares) in on_slots.chunks_exact(n_slots).enumerate() {
            let (row, head, at) = (query / (n_heads * seq), query / seq % n_heads, query % seq);
            // Of long texts some queries, the same of each head.
            if batch.mask[row * seq + at] == 0.0 || (row * seq + at + head) % every != 0 {
                continue;
            }
            let kv_head = head / in_group;
            let (keys, group) = (&keys[kv_head * n_slots * d_head..][..n_slots * d_head], &mut groups[kv_head]);
            let [before, after] = [&before, &after].map(|queries| &queries[query * d_head..][..d_head]);
            let mass: f64 = shares.iter().map(|&share| f64::from(share)).sum();
            if !are_products(before, keys, (shares, mass)) {
                group.left_out += 1;
                continue;
            }
            group.before.extend_from_slice(before);
            group.after.extend_from_slice(after);
        }
        Ok(())
    }

    /// Keys and values of the present layer, with the errors of its heads.
    fn fit(&self, subject: &Subject, groups: &[Group]) -> Result<(LayerKv, Vec<[f64; 2]>)> {
        let slots = self.slots_of(subject).ok_or(EngineError::Computation(sentence!("an empty result")))?;
        let [_, n_kv_heads, n_slots, d_head] = slots.key.dims();
        let (keys, values) = (to_host(slots.key)?, to_host(slots.value)?);
        let (mut fitted_keys, mut fitted_values, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (kv_head, group) in groups.iter().enumerate() {
            let n_queries = group.before.len() / d_head;
            if n_queries < group.left_out.max(1) {
                let reason = sentence!(
                    "its attention is more than products of queries and keys (a bias of distances or a bound), which fewer keys \
                     are not fitted to"
                );
                return Err(EngineError::AdapterMismatch { reason });
            }
            let of_head = kv_head * n_slots * d_head..(kv_head + 1) * n_slots * d_head;
            let head = Head {
                d_head,
                keys: &keys[of_head.clone()],
                values: &values[of_head],
                before: &group.before,
                after: &group.after,
            };
            let Fitted { keys, values, error, .. } = head.fitted(self.slots);
            fitted_keys.extend(keys.into_iter().map(|x| x as f32));
            fitted_values.extend(values.into_iter().map(|x| x as f32));
            errors.push(error);
        }
        let of = |values: Vec<f32>| {
            Tensor::from_data(TensorData::new(values, [1, n_kv_heads, self.slots, d_head]), &subject.model.device)
        };
        Ok((LayerKv { key: of(fitted_keys), value: of(fitted_values) }, errors))
    }

    /// All slots of the present layer.
    fn slots_of(&self, subject: &Subject) -> Option<LayerKv> {
        let site = subject.model.model.last_site();
        subject.conditioning.of(site).and_then(|layers| layers.get(self.layer)).cloned()
    }
}

/// Whether what a query pays to the slots is what its products with their keys say.
fn are_products(query: &[f32], keys: &[f32], (shares, mass): (&[f32], f64)) -> bool {
    if mass <= 0.0 {
        return false;
    }
    let dot = |key: &[f32]| query.iter().zip(key).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    let scores: Vec<f64> = keys.chunks_exact(query.len()).map(dot).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let all: f64 = scores.iter().map(|score| (score - most).exp()).sum();
    let near = |(score, &share): (&f64, &f32)| ((score - most).exp() / all - f64::from(share) / mass).abs() < TOLERANCE;
    scores.iter().zip(shares).all(near)
}
