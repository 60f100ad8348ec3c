//! The passes behind a decomposition: one that is watched, and others in which attention reads the slots alone, or nothing,
//! while the stream stays that of the first.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::slot_columns::site_of;
use super::subject::Subject;
use crate::error::Result;
use crate::models::{HookName, HookPoint, Hooks};

/// An attention layer, by the point of its pattern.
fn attention_of(at: HookPoint) -> HookPoint {
    let name = match at.name {
        HookName::CrossV | HookName::CrossPattern | HookName::CrossAttnOut => HookName::CrossPattern,
        _ => HookName::Pattern,
    };
    HookPoint { name, ..at }
}

/// Keeps patterns, values and what attention adds to the stream.
#[derive(Default)]
pub(super) struct Watched {
    pattern: BTreeMap<HookPoint, Tensor<4>>,
    value: BTreeMap<HookPoint, Tensor<4>>,
    /// `[batch, seq, d_model]`, by the point of the pattern.
    pub(super) out: BTreeMap<HookPoint, Tensor<3>>,
}

impl Hooks for Watched {
    fn wants(&self, at: HookPoint) -> bool {
        use HookName::{AttnOut, CrossAttnOut, CrossPattern, CrossV, Pattern, V};
        matches!(at.name, V | Pattern | AttnOut | CrossV | CrossPattern | CrossAttnOut)
    }

    fn stream(&mut self, at: HookPoint, activation: &Tensor<3>) -> Option<Tensor<3>> {
        self.out.insert(attention_of(at), activation.clone());
        None
    }

    fn by_head(&mut self, at: HookPoint, activation: &Tensor<4>) -> Option<Tensor<4>> {
        let kept = if matches!(at.name, HookName::V | HookName::CrossV) { &mut self.value } else { &mut self.pattern };
        kept.insert(attention_of(at), activation.clone());
        None
    }
}

/// Lets attention read some first columns alone, and goes on with what it added in another pass.
pub(super) struct Masked<'a> {
    columns: usize,
    out: &'a BTreeMap<HookPoint, Tensor<3>>,
    /// What attention added, by the point of the pattern.
    pub(super) found: BTreeMap<HookPoint, Tensor<3>>,
}

impl<'a> Masked<'a> {
    pub(super) fn new(columns: usize, out: &'a BTreeMap<HookPoint, Tensor<3>>) -> Self {
        Self { columns, out, found: BTreeMap::new() }
    }
}

impl Hooks for Masked<'_> {
    fn wants(&self, at: HookPoint) -> bool {
        use HookName::{AttnOut, CrossAttnOut, CrossPattern, Pattern};
        matches!(at.name, Pattern | AttnOut | CrossPattern | CrossAttnOut)
    }

    fn stream(&mut self, at: HookPoint, activation: &Tensor<3>) -> Option<Tensor<3>> {
        self.found.insert(attention_of(at), activation.clone());
        self.out.get(&attention_of(at)).cloned()
    }

    fn by_head(&mut self, _: HookPoint, pattern: &Tensor<4>) -> Option<Tensor<4>> {
        let [batch, n_heads, seq, n] = pattern.dims();
        let rest = pattern.clone().slice([0..batch, 0..n_heads, 0..seq, self.columns..n]) * 0.0;
        if self.columns == 0 {
            return Some(rest);
        }
        let kept = pattern.clone().slice([0..batch, 0..n_heads, 0..seq, 0..self.columns]);
        Some(Tensor::cat(vec![kept, rest], 3))
    }
}

/// A layer that sees the prefix.
pub(super) struct Layer {
    /// The point of its pattern.
    pub(super) at: HookPoint,
    /// Attention on the slots, `[batch, n_heads, seq, n_virtual]`.
    pub(super) pattern: Tensor<4>,
    /// `A · b`, `[batch, n_heads, seq, d_head]`.
    pub(super) bias: Tensor<4>,
    /// `(1 − A) · o`, `[batch, n_heads, seq, d_head]`.
    pub(super) content: Tensor<4>,
    /// Values of the slots, `[1, n_kv_heads, n_virtual, d_head]`.
    pub(super) values: Tensor<4>,
}

impl Watched {
    /// The layers that see the prefix, in the order of their points.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn layers(&self, subject: &Subject, n_virtual: usize) -> Result<Vec<Layer>> {
        let model = &subject.model.model;
        let mut layers = Vec::new();
        for (&at, pattern) in &self.pattern {
            let site = site_of(model, at);
            let sees = subject.conditioning.layers.as_ref().is_none_or(|layers| layers.contains(&at.layer));
            let slots = subject.conditioning.of(site).and_then(|layers| layers.get(at.layer)).filter(|_| sees);
            let (Some(slots), Some(value)) = (slots, self.value.get(&at)) else { continue };
            let [batch, n_heads, seq, n] = pattern.dims();
            let on_slots = pattern.clone().slice([0..batch, 0..n_heads, 0..seq, 0..n_virtual]);
            let on_text = pattern.clone().slice([0..batch, 0..n_heads, 0..seq, n_virtual..n]);
            // Values of cross-attention have those of the slots before them.
            let [_, n_kv, n_values, d_head] = value.dims();
            let from = n_values - (n - n_virtual);
            let text = value.clone().slice([0..batch, 0..n_kv, from..n_values, 0..d_head]);
            let values = slots.value.clone().slice([0..1, 0..n_kv, 0..n_virtual, 0..d_head]);
            let for_rows = if slots.value.dims()[0] == batch {
                slots.value.clone()
            } else {
                slots.value.clone().repeat_dim(0, batch)
            };
            layers.push(Layer {
                at,
                bias: on_slots.clone().matmul(for_heads(for_rows, n_heads)),
                content: on_text.matmul(for_heads(text, n_heads)),
                pattern: on_slots,
                values,
            });
        }
        Ok(layers)
    }
}

/// Values of groups of heads for each of them, `[batch, n_kv_heads, n, d_head]` to `[batch, n_heads, n, d_head]`.
fn for_heads(values: Tensor<4>, n_heads: usize) -> Tensor<4> {
    let [batch, n_kv, n, d_head] = values.dims();
    if n_kv == n_heads {
        return values;
    }
    let each = values.reshape([batch, n_kv, 1, n * d_head]).repeat_dim(2, n_heads / n_kv);
    each.reshape([batch, n_heads, n, d_head])
}
