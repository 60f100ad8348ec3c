//! Something of an adapter left out: slots, in some layers and heads, their keys or their values; or a change of weights.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::query::Side;
use super::slot_columns::{SlotColumns, check_has_slots};
use super::subject::Subject;
use super::variant::{Variant, Weights};
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, HookName, HookPoint, Hooks, LayerPosition, WeightOverrides};
use crate::nn::LayerKv;
use crate::sentence;

/// The slots that are left out, or layers whose change of weights is: what all of the lists have in common. An empty list
/// is everything. All numbers count from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeftOut {
    /// Slots of a prefix or a soft prompt.
    pub slots: Vec<usize>,
    /// Layers, of each stack where there are two.
    pub layers: Vec<usize>,
    /// Heads that ask. A key that several heads share is left out for all of them.
    pub heads: Vec<usize>,
    /// Keys, so that a slot still gives what its value is, at a score of 0; values, so that it takes attention and gives
    /// nothing; `None`: the slot, so that the attention on it goes to what is left.
    pub side: Option<Side>,
    /// The change of weights in place of slots; an adapter without slots has nothing else.
    pub weights: bool,
}

/// A subject with something left out.
pub(super) struct Without {
    pub(super) variant: Variant,
    /// Slots left out in a part of the layers or heads, or with one side; numbered as in the variant.
    cuts: Vec<LeftOut>,
    n_slots: usize,
}

impl LeftOut {
    fn is_in(&self, layer: usize) -> bool {
        self.layers.is_empty() || self.layers.contains(&layer)
    }

    fn is_of(&self, slot: usize) -> bool {
        self.slots.is_empty() || self.slots.contains(&slot)
    }

    fn is_at(&self, head: usize, slot: usize) -> bool {
        (self.heads.is_empty() || self.heads.contains(&head)) && self.is_of(slot)
    }

    /// Whether slots go everywhere, so that the adapter is one with fewer.
    fn is_whole(&self) -> bool {
        self.layers.is_empty() && self.heads.is_empty() && self.side.is_none()
    }

    fn check(&self, subject: &Subject) -> Result<()> {
        let setting = |reason| EngineError::Setting { field: "left_out", reason };
        let is_of_weights = self.weights || subject.adapter.n_slots() == 0;
        if is_of_weights && subject.conditioning.tuned.is_empty() {
            check_has_slots(subject)?;
            return Err(setting(sentence!("the adapter changes no weights")));
        }
        if is_of_weights && !(self.slots.is_empty() && self.heads.is_empty() && self.side.is_none()) {
            return Err(setting(sentence!("a change of weights has layers, and no slots, heads or sides")));
        }
        let shape = subject.model.model.shape();
        let beyond = |list: &[usize], n: usize| list.iter().copied().find(|&index| index >= n).map(|index| index + 1);
        if let Some(number) = beyond(&self.slots, subject.adapter.n_slots()) {
            let n_slots = subject.adapter.n_slots();
            return Err(setting(sentence!("there is no slot {number}, the adapter has {n_slots}", number, n_slots)));
        }
        if let Some(number) = beyond(&self.layers, shape.n_layers) {
            let n_layers = shape.n_layers;
            return Err(setting(sentence!("there is no layer {number}, the model has {n_layers}", number, n_layers)));
        }
        if let Some(number) = beyond(&self.heads, shape.n_heads) {
            let n_heads = shape.n_heads;
            return Err(setting(sentence!("there is no head {number}, a layer has {n_heads}", number, n_heads)));
        }
        Ok(())
    }
}

impl Without {
    /// A subject without what is named.
    ///
    /// # Errors
    /// There is no such thing.
    pub(super) fn new(subject: &Subject, left_out: &[LeftOut]) -> Result<Self> {
        left_out.iter().try_for_each(|item| item.check(subject))?;
        let n_slots = subject.adapter.n_slots();
        let (of_weights, of_slots): (Vec<&LeftOut>, Vec<&LeftOut>) =
            left_out.iter().partition(|item| item.weights || n_slots == 0);
        let is_gone = |slot: &usize| of_slots.iter().any(|item| item.is_whole() && item.is_of(*slot));
        let kept: Vec<usize> = (0..n_slots).filter(|slot| !is_gone(slot)).collect();
        let mut variant = match kept.len() == n_slots {
            true => Variant::same(subject),
            false => Variant::with_slots(subject, &kept)?,
        };
        let renumbered = |item: &&LeftOut| {
            let slots = kept.iter().enumerate().filter(|(_, slot)| item.is_of(**slot)).map(|(at, _)| at).collect();
            LeftOut { slots, ..(*item).clone() }
        };
        let cuts = of_slots.iter().filter(|item| !item.is_whole()).map(renumbered);
        let cuts: Vec<LeftOut> = cuts.filter(|cut| !cut.slots.is_empty()).collect();
        let mut without_keys = |cut: &LeftOut| drop_keys(&mut variant.conditioning, cut, subject);
        cuts.iter().filter(|cut| cut.side == Some(Side::Key)).for_each(&mut without_keys);
        if !of_weights.is_empty() {
            let tuned = without_weights(&subject.conditioning.tuned, &of_weights);
            variant.weights = match subject.model.model.with_overrides(&tuned)? {
                Some(model) => Weights::Other(Box::new(model)),
                None => Weights::Base,
            };
            variant.conditioning.tuned = tuned;
        }
        Ok(Self { variant, cuts, n_slots: kept.len() })
    }

    /// A variant as it is.
    pub(super) fn of(variant: Variant) -> Self {
        Self { variant, cuts: Vec::new(), n_slots: 0 }
    }

    /// The hooks that leave out what conditioning cannot.
    pub(super) fn hooks<'a>(&'a self, subject: &'a Subject, batch: &TokenBatch) -> Cut<'a> {
        let columns = SlotColumns::new(subject, (&self.variant.conditioning, self.n_slots), batch);
        Cut { columns, cuts: &self.cuts, n_heads: subject.model.model.shape().n_heads }
    }
}

/// Makes keys of a prefix zeros; of a soft prompt, whose keys the model makes, hooks do.
fn drop_keys(conditioning: &mut Conditioning, cut: &LeftOut, subject: &Subject) {
    let n_heads = subject.model.model.shape().n_heads;
    for layers in [&mut conditioning.encoder, &mut conditioning.decoder, &mut conditioning.cross].into_iter().flatten()
    {
        let pairs = layers.iter_mut().enumerate().filter(|(layer, _)| cut.is_in(*layer));
        for (_, LayerKv { key, .. }) in pairs {
            let [_, n_kv_heads, n, _] = key.dims();
            let left = left(n_kv_heads, n, |kv_head, slot| !is_key_cut(cut, (kv_head, n_kv_heads, n_heads), slot));
            let left = TensorData::new(left, [1, n_kv_heads, n, 1]);
            *key = key.clone() * Tensor::<4>::from_data(left, &subject.model.device);
        }
    }
}

/// Whether the key of a slot is left out for a head of keys: some of those that share it ask for that.
fn is_key_cut(cut: &LeftOut, (kv_head, n_kv_heads, n_heads): (usize, usize, usize), slot: usize) -> bool {
    let group = n_heads / n_kv_heads.max(1);
    (kv_head * group..(kv_head + 1) * group).any(|head| cut.is_at(head, slot))
}

fn left(n_heads: usize, n: usize, is_left: impl Fn(usize, usize) -> bool) -> Vec<f32> {
    let all = (0..n_heads).flat_map(|head| (0..n).map(move |slot| (head, slot)));
    all.map(|(head, slot)| f32::from(u8::from(is_left(head, slot)))).collect()
}

/// The overrides of the layers that are not left out.
fn without_weights(tuned: &WeightOverrides, left_out: &[&LeftOut]) -> WeightOverrides {
    let is_left = |name: &str| {
        let layer = match LayerPosition::of(name) {
            LayerPosition::Block(layer) => Some(layer),
            LayerPosition::Embedding | LayerPosition::Head => None,
        };
        !left_out.iter().any(|item| item.layers.is_empty() || layer.is_some_and(|layer| item.layers.contains(&layer)))
    };
    let mut tuned = tuned.clone();
    tuned.replaced.retain(|name, _| is_left(name));
    tuned.low_rank.retain(|name, _| is_left(name));
    tuned.rows.retain(|name, _| is_left(name));
    tuned
}

/// Takes slots out of patterns.
pub(super) struct Cut<'a> {
    columns: SlotColumns<'a>,
    cuts: &'a [LeftOut],
    n_heads: usize,
}

impl Cut<'_> {
    fn at(&self, at: HookPoint, side: Option<Side>) -> Vec<&LeftOut> {
        self.cuts.iter().filter(|cut| cut.side == side && cut.is_in(at.layer)).collect()
    }

    fn has(&self, at: HookPoint, side: Option<Side>) -> bool {
        !self.at(at, side).is_empty()
    }
}

impl Hooks for Cut<'_> {
    fn wants(&self, at: HookPoint) -> bool {
        let is_cut = match at.name {
            HookName::Pattern | HookName::CrossPattern => self.has(at, None) || self.has(at, Some(Side::Value)),
            HookName::K | HookName::CrossK => self.columns.are_tokens() && self.has(at, Some(Side::Key)),
            _ => false,
        };
        is_cut && self.columns.are_in(at)
    }

    fn stream(&mut self, _: HookPoint, _: &Tensor<3>) -> Option<Tensor<3>> {
        None
    }

    fn by_head(&mut self, at: HookPoint, activation: &Tensor<4>) -> Option<Tensor<4>> {
        let [_, heads, n, _] = activation.dims();
        if matches!(at.name, HookName::K | HookName::CrossK) {
            let cuts = self.at(at, Some(Side::Key));
            let is_cut = |head, slot| cuts.iter().any(|cut| is_key_cut(cut, (head, heads, self.n_heads), slot));
            let gates = self.columns.gates(heads, |head, slot| f32::from(u8::from(!is_cut(head, slot))));
            return Some(activation.clone() * self.columns.by_column(gates, n).unsqueeze_dim::<4>(3));
        }
        let mut pattern = activation.clone();
        for (side, renormalized) in [(None, true), (Some(Side::Value), false)] {
            let cuts = self.at(at, side);
            if !cuts.is_empty() {
                let is_cut = |head, slot| cuts.iter().any(|cut| cut.is_at(head, slot));
                let gates = self.columns.gates(heads, |head, slot| f32::from(u8::from(!is_cut(head, slot))));
                pattern = self.columns.gated(&pattern, gates, renormalized);
            }
        }
        Some(pattern)
    }
}
