//! The slots of an adapter in the patterns of attention: the first columns behind a prefix, the columns of its tokens for a
//! soft prompt.

use burn::tensor::{Device, Tensor, TensorData};

use super::subject::Subject;
use crate::config::Site;
use crate::data::TokenBatch;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, HookName, HookPoint, Model, StackName};
use crate::sentence;
use crate::tokens::SOFT;

/// The slots in the patterns of a batch.
pub(super) struct SlotColumns<'a> {
    model: &'a Model,
    device: &'a Device,
    conditioning: &'a Conditioning,
    n_slots: usize,
    /// The slot of each token of the rows, of their sources where there are some, `[batch, seq]`; empty for a prefix.
    of_tokens: Vec<Option<usize>>,
    batch: usize,
}

impl<'a> SlotColumns<'a> {
    /// Of rows that stand behind so many slots.
    pub(super) fn new(
        subject: &'a Subject,
        (conditioning, n_slots): (&'a Conditioning, usize),
        batch: &TokenBatch,
    ) -> Self {
        let slot = |&token: &i32| {
            let soft = u32::try_from(token).ok()?.checked_sub(SOFT)?;
            Some(soft as usize % n_slots.max(1))
        };
        let is_prefix = subject.adapter.prefixes().next().is_some();
        let tokens = batch.source.as_ref().map_or(&batch.tokens, |source| &source.tokens);
        let of_tokens = if is_prefix { Vec::new() } else { tokens.iter().map(slot).collect() };
        let (model, device) = (&*subject.model.model, &subject.model.device);
        Self { model, device, conditioning, n_slots, of_tokens, batch: batch.batch }
    }

    /// Whether a pattern, or what it compares, has columns of the slots.
    pub(super) fn are_in(&self, at: HookPoint) -> bool {
        let is_cross = matches!(at.name, HookName::CrossPattern | HookName::CrossK);
        if !is_cross && !matches!(at.name, HookName::Pattern | HookName::K) {
            return false;
        }
        if self.are_tokens() {
            return is_cross || at.stack != StackName::Decoder;
        }
        let sees = self.conditioning.layers.as_ref().is_none_or(|layers| layers.contains(&at.layer));
        let slots = self.conditioning.of(site_of(self.model, at));
        sees && slots.is_some_and(|layers| layers.len() > at.layer)
    }

    /// Whether the slots are tokens of the text, whose keys the model makes.
    pub(super) fn are_tokens(&self) -> bool {
        !self.of_tokens.is_empty()
    }

    /// 1 in the columns of each slot, 0 elsewhere, `[batch, n_slots, n]` for a pattern over `n` columns.
    fn selection(&self, n: usize) -> Tensor<3> {
        let mut values = vec![0.0_f32; self.batch * self.n_slots * n];
        for row in 0..self.batch {
            let mut select = |slot: usize, column: usize| values[(row * self.n_slots + slot) * n + column] = 1.0;
            if !self.are_tokens() {
                (0..self.n_slots.min(n)).for_each(|slot| select(slot, slot));
                continue;
            }
            let seq = self.of_tokens.len() / self.batch.max(1);
            // The text stands behind what else there is.
            let first = n.saturating_sub(seq);
            let tokens = self.of_tokens[row * seq..(row + 1) * seq].iter().enumerate();
            tokens.for_each(|(at, slot)| slot.iter().for_each(|&slot| select(slot, first + at)));
        }
        Tensor::from_data(TensorData::new(values, [self.batch, self.n_slots, n]), self.device)
    }

    /// Gates of slots as factors of `n` columns, `[batch, n_heads, n]`: 1 where no slot is.
    pub(super) fn by_column(&self, gates: Tensor<3>, n: usize) -> Tensor<3> {
        (gates - 1.0).matmul(self.selection(n)) + 1.0
    }

    /// A pattern whose columns of the slots are multiplied by gates, `[batch, n_heads, n_slots]`. Where it is `renormalized`,
    /// what is left shares out the attention; else a slot that is shut still takes it, and gives nothing.
    pub(super) fn gated(&self, pattern: &Tensor<4>, gates: Tensor<3>, renormalized: bool) -> Tensor<4> {
        let [_, _, _, n] = pattern.dims();
        let gated = pattern.clone() * self.by_column(gates, n).unsqueeze_dim::<4>(2);
        if !renormalized {
            return gated;
        }
        let total = gated.clone().sum_dim(3);
        // A query for which nothing is left reads nothing.
        let nothing = total.clone().equal_elem(0.0).float();
        gated / (total + nothing)
    }

    pub(super) fn n_slots(&self) -> usize {
        self.n_slots
    }

    /// Numbers on the device that gates can be made of, `[batch, n_heads, n_slots]`: the same for every row.
    pub(super) fn gates(&self, n_heads: usize, of: impl Fn(usize, usize) -> f32) -> Tensor<3> {
        let row = (0..n_heads).flat_map(|head| (0..self.n_slots).map(move |slot| (head, slot)));
        let row: Vec<f32> = row.map(|(head, slot)| of(head, slot)).collect();
        let shape = [self.batch, n_heads, self.n_slots];
        Tensor::from_data(TensorData::new(row.repeat(self.batch), shape), self.device)
    }
}

/// The site whose prefix an attention layer sees.
pub(super) fn site_of(model: &Model, at: HookPoint) -> Site {
    match (at.stack, at.name) {
        (_, HookName::CrossPattern | HookName::CrossK) => Site::Cross,
        (StackName::Encoder, _) => Site::Encoder,
        (StackName::Decoder, _) => Site::Decoder,
        (StackName::Blocks, _) => model.last_site(),
    }
}

/// Refuses an adapter without slots.
pub(super) fn check_has_slots(subject: &Subject) -> Result<()> {
    if subject.adapter.n_slots() > 0 {
        return Ok(());
    }
    let reason = sentence!("it has neither a prefix nor a soft prompt");
    Err(EngineError::AdapterMismatch { reason })
}
