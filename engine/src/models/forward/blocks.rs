//! The interface of a pass to its blocks: their turn, attention over past and text, and the hooks on what they make.

use burn::tensor::Tensor;

use super::dropout::Place;
use super::hooks::{HookName, HookPoint, Hooks};
use super::layer_range::LayerRange;
use super::pass::ForwardPass;
use crate::nn::{
    Alibi, AttentionShape, Dropout, LayerKv, SlidingWindow, attention, attention_pattern, keys_and_values, mixed_by,
    past_length, queries, with_keys_and_values, with_queries,
};

impl ForwardPass<'_> {
    /// The input of the first block that runs.
    pub(crate) fn begin(&self, embed: impl FnOnce() -> Tensor<3>) -> Tensor<3> {
        match &self.layers {
            LayerRange::Block { resid: Some(resid), .. } => resid.clone(),
            LayerRange::Block { resid: None, .. } | LayerRange::Whole => self.dropped(0, Place::Embeddings, embed()),
        }
    }

    /// The blocks that run, each with its number.
    pub(crate) fn blocks<'a, B>(&self, blocks: &'a [B]) -> impl Iterator<Item = (usize, &'a B)> + use<'a, B> {
        let layers = self.layers.layers(blocks.len());
        layers.clone().zip(&blocks[layers])
    }

    /// Applies `behind`, the part behind the blocks, if the last of them runs.
    pub(crate) fn end(&self, resid: Tensor<3>, behind: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        match &self.layers {
            LayerRange::Block { layer, n_layers, .. } if layer + 1 < *n_layers => resid,
            LayerRange::Block { .. } | LayerRange::Whole => behind(resid),
        }
    }

    /// Columns before the text.
    pub(crate) fn n_past(&self) -> usize {
        past_length(self.past)
    }

    /// 1 for each real token of the text and 0 for padding, `[batch, seq, 1]`; `None` if all are real.
    pub(crate) fn real_tokens(&self) -> Option<Tensor<3>> {
        let [_, seq] = self.tokens.dims();
        self.mask.widest().map(|mask| mask.clone().narrow(1, self.n_past(), seq).unsqueeze_dim(2))
    }

    /// Bias that hides columns too far back for a layer with the window, `[1 or batch, 1, seq, kv]`; `None` if none are.
    pub(crate) fn window(&self, window: Option<&SlidingWindow>) -> Option<Tensor<4>> {
        let ([_, seq], n_past, device) = (self.tokens.dims(), self.n_past(), self.positions.device());
        let window = window?;
        let of_rows = self.mask.windowed(window.columns, (n_past, seq), &device);
        of_rows.or_else(|| window.bias(seq, n_past, &device))
    }

    /// ALiBi's bias for every layer, `[1 or batch, n_heads, 1 or seq, kv]`.
    pub(crate) fn alibi(&self, alibi: &Alibi) -> Tensor<4> {
        let ([batch, seq], n_past) = (self.tokens.dims(), self.n_past());
        let places = self.mask.places_in_rows(n_past, [batch, seq], &self.positions.device());
        match (places, self.mask.bias()) {
            (Some(places), Some(others)) => alibi.at(places) + others.clone(),
            _ => alibi.bias(self.mask.widest(), n_past + seq),
        }
    }

    /// Output of attention for each token over past and text, `[batch, seq, n_heads * d_head]`.
    ///
    /// # Shapes
    /// - `qkv`: `[batch, seq, (n_heads + 2 * n_kv_heads) * d_head]`
    /// - `bias`: the architecture's own, of distances, ALiBi or a window, `[1 or batch, 1 or n_heads, 1 or seq, kv]`
    pub(crate) fn attention(
        &mut self,
        layer: usize,
        qkv: Tensor<3>,
        shape: &AttentionShape,
        bias: Option<&Tensor<4>>,
    ) -> Tensor<3> {
        let qkv = self.hooked_qkv(layer, qkv, shape);
        if let Some(kv) = &mut self.kv {
            kv.push(keys_and_values(&qkv, shape));
        }
        let past = self.past.map(|layers| &layers[layer]);
        let (mask, bias) = (self.mask.of_layer(layer), bias.or(self.mask.bias()));
        let at = HookPoint { stack: self.stack, layer, name: HookName::Pattern };
        let dropout = self.dropout(layer, Place::Attention);
        hooked_attention((self.hooks.as_deref_mut(), dropout), at, (qkv, past, mask, bias), shape)
    }

    /// The same of an encoder whose tokens have scores of their own beside the products of queries and keys: `beside` makes
    /// them of the projection, `[batch, n_heads, seq, seq]`, scaled. The columns of a past have none.
    pub(crate) fn attention_beside(
        &mut self,
        layer: usize,
        qkv: Tensor<3>,
        shape: &AttentionShape,
        beside: impl FnOnce(&Tensor<3>) -> Tensor<4>,
    ) -> Tensor<3> {
        let qkv = self.hooked_qkv(layer, qkv, shape);
        if let Some(kv) = &mut self.kv {
            kv.push(keys_and_values(&qkv, shape));
        }
        let past = self.past.map(|layers| &layers[layer]);
        let of_text = beside(&qkv);
        let [batch, n_heads, seq, _] = of_text.dims();
        let of_past = Tensor::zeros([batch, n_heads, seq, self.n_past()], &of_text.device());
        let scores = if self.n_past() > 0 { Tensor::cat(vec![of_past, of_text], 3) } else { of_text };
        let pattern = attention_pattern(&qkv, past, self.mask.of_layer(layer), Some(&scores), shape);
        let pattern = self.by_head(HookName::Pattern, layer, pattern);
        mixed_by(self.dropped(layer, Place::Attention, pattern), &qkv, past, shape)
    }

    /// Output of cross-attention for each token of a target over its source, `[batch, seq, n_heads * d_head]`.
    ///
    /// # Shapes
    /// - `query`: `[batch, seq, n_heads * d_head]`
    pub(crate) fn cross_attention(&mut self, layer: usize, query: Tensor<3>, shape: &AttentionShape) -> Tensor<3> {
        let source = self.source.expect("a decoder's pass stands behind a source");
        let LayerKv { key, value } = source.at(layer).clone();
        let key = self.by_head(HookName::CrossK, layer, key);
        let value = self.by_head(HookName::CrossV, layer, value);
        let at = HookPoint { stack: self.stack, layer, name: HookName::CrossPattern };
        let inputs = (query, Some(&LayerKv { key, value }), source.mask.of_layer(layer), None);
        let dropout = self.dropout(layer, Place::CrossAttention);
        hooked_attention((self.hooks.as_deref_mut(), dropout), at, inputs, shape)
    }

    /// The residual stream that enters a block.
    pub(crate) fn resid_pre(&mut self, layer: usize, resid: Tensor<3>) -> Tensor<3> {
        self.stream(HookName::ResidPre, layer, resid)
    }

    /// Attention's contribution to the stream.
    pub(crate) fn attn_out(&mut self, layer: usize, attn_out: Tensor<3>) -> Tensor<3> {
        let attn_out = self.dropped(layer, Place::AttnOut, attn_out);
        self.stream(HookName::AttnOut, layer, attn_out)
    }

    /// Cross-attention's contribution to the stream.
    pub(crate) fn cross_attn_out(&mut self, layer: usize, attn_out: Tensor<3>) -> Tensor<3> {
        let attn_out = self.dropped(layer, Place::CrossAttnOut, attn_out);
        self.stream(HookName::CrossAttnOut, layer, attn_out)
    }

    /// The feed-forward layer's contribution to the stream.
    pub(crate) fn mlp_out(&mut self, layer: usize, mlp_out: Tensor<3>) -> Tensor<3> {
        let mlp_out = self.dropped(layer, Place::MlpOut, mlp_out);
        self.stream(HookName::MlpOut, layer, mlp_out)
    }

    /// The residual stream that leaves a block.
    pub(crate) fn resid_post(&mut self, layer: usize, resid: Tensor<3>) -> Tensor<3> {
        self.stream(HookName::ResidPost, layer, resid)
    }

    /// A projection with its queries, keys and values as the hooks leave them.
    fn hooked_qkv(&mut self, layer: usize, mut qkv: Tensor<3>, shape: &AttentionShape) -> Tensor<3> {
        if let Some((at, hooks)) = self.hook(HookName::Q, layer)
            && let Some(others) = hooks.by_head(at, &queries(&qkv, shape))
        {
            qkv = with_queries(&qkv, others, shape);
        }
        if self.hook(HookName::K, layer).is_none() && self.hook(HookName::V, layer).is_none() {
            return qkv;
        }
        let LayerKv { key, value } = keys_and_values(&qkv, shape);
        let key = self.by_head(HookName::K, layer, key);
        let value = self.by_head(HookName::V, layer, value);
        with_keys_and_values(&qkv, LayerKv { key, value }, shape)
    }

    fn stream(&mut self, name: HookName, layer: usize, activation: Tensor<3>) -> Tensor<3> {
        match self.hook(name, layer) {
            Some((at, hooks)) => hooks.stream(at, &activation).unwrap_or(activation),
            None => activation,
        }
    }

    fn by_head(&mut self, name: HookName, layer: usize, activation: Tensor<4>) -> Tensor<4> {
        match self.hook(name, layer) {
            Some((at, hooks)) => hooks.by_head(at, &activation).unwrap_or(activation),
            None => activation,
        }
    }

    /// The hooks, if they ask for an activation.
    fn hook(&mut self, name: HookName, layer: usize) -> Option<(HookPoint, &mut dyn Hooks)> {
        let at = HookPoint { stack: self.stack, layer, name };
        match &mut self.hooks {
            Some(hooks) if hooks.wants(at) => Some((at, &mut **hooks)),
            _ => None,
        }
    }
}

/// Attention in one operation, unless a hook puts another pattern in, or some of the pattern is left out.
fn hooked_attention(
    (hooks, dropout): (Option<&mut (dyn Hooks + '_)>, Option<Dropout>),
    at: HookPoint,
    (qkv, past, mask, bias): (Tensor<3>, Option<&LayerKv>, Option<&Tensor<2>>, Option<&Tensor<4>>),
    shape: &AttentionShape,
) -> Tensor<3> {
    if let Some(hooks) = hooks.filter(|hooks| hooks.wants(at)) {
        let pattern = attention_pattern(&qkv, past, mask, bias, shape);
        if let Some(other) = hooks.by_head(at, &pattern) {
            return mixed_by(other, &qkv, past, shape);
        }
    }
    if let Some(dropout) = dropout {
        let pattern = attention_pattern(&qkv, past, mask, bias, shape);
        let left = dropout.mask(pattern.dims(), &pattern.device());
        return mixed_by(pattern * left, &qkv, past, shape);
    }
    attention(qkv, past, mask, bias, shape)
}
