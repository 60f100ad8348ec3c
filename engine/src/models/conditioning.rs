//! Conditioning of a model by an adapter: keys and values before the text, wherever the model attends.

use burn::tensor::Tensor;

use crate::config::{Site, Strength};
use crate::error::{EngineError, Result};
use crate::models::{BaseDropout, ClassHead, WeightOverrides};
use crate::nn::positions::PositionConvention;
use crate::nn::{LayerKv, PrefixColumns, past_length};
use crate::sentence;

/// An adapter's contribution to a model for one batch: keys and values before the text, embeddings for its soft tokens,
/// other weights. At each site of a prefix one pair per layer, `[1 or batch, n_kv_heads, n_virtual, d_head]`. Without
/// any of them it is the base model.
#[derive(Clone, Debug, Default)]
pub struct Conditioning {
    /// For [`Site::Encoder`].
    pub encoder: Option<Vec<LayerKv>>,
    /// For [`Site::Decoder`].
    pub decoder: Option<Vec<LayerKv>>,
    /// For [`Site::Cross`].
    pub cross: Option<Vec<LayerKv>>,
    /// Embeddings of the soft tokens in the text, `[slots, width of an embedding]`.
    pub soft_prompt: Option<Tensor<2>>,
    /// Weights in place of the model's, or beside them: what [`BaseModel::with_overrides`](super::BaseModel::with_overrides) builds of.
    pub tuned: WeightOverrides,
    /// The head that names the class of a text or a token, where a task has classes.
    pub head: Option<ClassHead>,
    /// Where the text's positions begin.
    pub positions: PositionConvention,
    /// The layers that see the prefix of a site, counted from 0; `None`: all.
    pub layers: Option<Vec<usize>>,
    /// 1 for each slot that a row of the batch sees, 0 for one that is hidden from it, `[batch, n_virtual]`; `None`: rows see
    /// all.
    pub slots_of_rows: Option<Tensor<2>>,
    /// Dropout of the model itself, in training.
    pub dropout: Option<BaseDropout>,
}

impl Conditioning {
    /// A prefix at one site.
    pub fn at(site: Site, layers: Vec<LayerKv>) -> Self {
        let mut conditioning = Self::default();
        *conditioning.place(site) = Some(layers);
        conditioning
    }

    /// A prefix for a causal model.
    pub fn causal(layers: Vec<LayerKv>) -> Self {
        Self::at(Site::Decoder, layers)
    }

    /// The prefix of a site.
    pub fn of(&self, site: Site) -> Option<&[LayerKv]> {
        match site {
            Site::Encoder => self.encoder.as_deref(),
            Site::Decoder => self.decoder.as_deref(),
            Site::Cross => self.cross.as_deref(),
        }
    }

    /// Positions that the prefix of a site takes before the text.
    pub fn n_before(&self, site: Site) -> usize {
        match self.positions {
            PositionConvention::Shifted => past_length(self.of(site)),
            PositionConvention::Unshifted | PositionConvention::Infix => 0,
        }
    }

    /// The columns of the prefix of a site.
    pub fn prefix_columns(&self, site: Site) -> PrefixColumns<'_> {
        let prefix = self.of(site);
        PrefixColumns {
            n: past_length(prefix),
            layers: self.layers.as_deref(),
            n_layers: prefix.map_or(0, <[LayerKv]>::len),
            rows: self.slots_of_rows.as_ref(),
        }
    }

    /// The slots of an infix: those that stand within a text.
    pub fn n_infix(&self) -> usize {
        if self.positions == PositionConvention::Infix { past_length(self.of(Site::Decoder)) } else { 0 }
    }

    /// Whether there is anything before or in the text: slots or soft tokens.
    pub fn has_prompt(&self) -> bool {
        self.soft_prompt.is_some() || Site::ALL.iter().any(|site| self.of(*site).is_some())
    }

    /// The whole conditioning at a strength: its prompt and its weights, nothing at 0.
    ///
    /// # Errors
    /// As [`Conditioning::tuned_at_strength`] and [`Conditioning::prompt_at_strength`].
    pub fn at_strength(mut self, strength: &Strength) -> Result<Self> {
        self.tuned = self.tuned_at_strength(strength)?;
        self.prompt_at_strength(strength)
    }

    /// The weights at a strength.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for weights of the model itself alone at a strength
    /// between.
    pub fn tuned_at_strength(&self, strength: &Strength) -> Result<WeightOverrides> {
        self.tuned.at_strength(strength, self.has_prompt())
    }

    /// Slots and soft tokens at a strength: left out at 0, else their values and embeddings scaled. Keys stay, so that how
    /// much attention slots get does not change in the first layer. A layer of strength 0 does not see the slots.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for soft tokens, which are in no layer, at strengths of layers.
    pub fn prompt_at_strength(mut self, strength: &Strength) -> Result<Self> {
        if self.soft_prompt.is_some() && matches!(strength, Strength::ByLayer(_)) {
            let reason =
                sentence!("a soft prompt stands before the first layer; it has one strength and none of each layer");
            return Err(EngineError::Setting { field: "strength", reason });
        }
        let n_layers = Site::ALL.iter().filter_map(|site| self.of(*site)).map(<[LayerKv]>::len).max().unwrap_or(0);
        self.layers = strength.acting(n_layers, self.layers.take());
        let is_gone = strength.is_none() || self.layers.as_ref().is_some_and(Vec::is_empty);
        self.soft_prompt = self.soft_prompt.take().filter(|_| !is_gone).map(|prompt| scaled(prompt, strength.at(0)));
        for site in Site::ALL {
            let Some(past) = self.place(site).take() else { continue };
            if is_gone || past_length(Some(&past)) == 0 {
                continue;
            }
            let at = |(layer, slots): (usize, LayerKv)| LayerKv {
                key: slots.key,
                value: scaled(slots.value, strength.at(layer)),
            };
            *self.place(site) = Some(past.into_iter().enumerate().map(at).collect());
        }
        Ok(self)
    }

    /// The same numbers, without the graph they belong to.
    pub fn untracked(&self) -> Self {
        let prefix = |layers: &Option<Vec<LayerKv>>| {
            let plain = |kv: &LayerKv| LayerKv { key: kv.key.clone().inner(), value: kv.value.clone().inner() };
            layers.as_ref().map(|layers| layers.iter().map(plain).collect())
        };
        let head = self
            .head
            .clone()
            .map(|head| ClassHead { weights: head.weights.into_iter().map(Tensor::inner).collect(), ..head });
        Self {
            encoder: prefix(&self.encoder),
            decoder: prefix(&self.decoder),
            cross: prefix(&self.cross),
            soft_prompt: self.soft_prompt.clone().map(Tensor::inner),
            tuned: self.tuned.untracked(),
            head,
            positions: self.positions,
            layers: self.layers.clone(),
            slots_of_rows: self.slots_of_rows.clone(),
            dropout: self.dropout,
        }
    }

    /// Where the prefix of a site is kept.
    pub fn place(&mut self, site: Site) -> &mut Option<Vec<LayerKv>> {
        match site {
            Site::Encoder => &mut self.encoder,
            Site::Decoder => &mut self.decoder,
            Site::Cross => &mut self.cross,
        }
    }
}

/// At 1 the very same numbers.
fn scaled<const D: usize>(tensor: Tensor<D>, by: f64) -> Tensor<D> {
    if by == 1.0 { tensor } else { tensor * by }
}
