//! What stands behind the blocks of BERT's descendants: the vector that a classifier of texts reads, and the head that fills
//! masks under each architecture's names.

use burn::tensor::{Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::block::{EncoderConfig, WORDS};
use crate::error::Result;
use crate::models::MaskHead;
use crate::models::load::Loader;
use crate::nn::{Activation, FrozenLinear, FrozenMatrix, activation as activate};
use crate::random::normal;
use crate::{Sentence, sentence};

/// The vector that a classifier of texts reads, and the layers that make it.
pub(super) enum TextHead {
    /// The first token's, as it is.
    First,
    /// The first token's through a pooler: dense and an activation. `fresh`: the checkpoint has none.
    Pooled { dense: Box<FrozenLinear>, activation: Activation, fresh: bool },
}

impl TextHead {
    /// The pooler of this name, BERT's with tanh. A checkpoint without one gets a fresh one that is the same each time it is
    /// loaded, since most adapters do not keep it.
    pub(super) fn pooled(load: &Loader<'_>, config: &EncoderConfig, name: &str) -> Result<Self> {
        Self::pooled_by(Activation::Tanh, load, config, name)
    }

    /// The same with another activation.
    pub(super) fn pooled_by(
        activation: Activation,
        load: &Loader<'_>,
        config: &EncoderConfig,
        name: &str,
    ) -> Result<Self> {
        let d = config.hidden_size;
        if load.contains(&format!("{name}.weight")) {
            return Ok(Self::Pooled { dense: Box::new(load.linear(name, d, d, true)?), activation, fresh: false });
        }
        let weight = load.drawn(&format!("{name}.weight"), [d, d], || {
            let mut random = ChaCha8Rng::seed_from_u64(POOLER_SEED);
            let weights: Vec<f32> = (0..d * d).map(|_| normal(&mut random) * config.initializer_range as f32).collect();
            Tensor::<2>::from_data(TensorData::new(weights, [d, d]), load.device()).transpose()
        })?;
        let bias = load.drawn(&format!("{name}.bias"), [d], || Tensor::zeros([d], load.device()))?;
        Ok(Self::Pooled { dense: Box::new(load.linear_drawn(name, weight, bias)?), activation, fresh: true })
    }

    /// # Shapes
    /// - `hidden`: `[batch, seq, d_model]`
    /// - returns `[batch, d_model]`
    pub(super) fn vector(&self, hidden: Tensor<3>) -> Tensor<2> {
        let first = hidden.narrow(1, 0, 1); // [batch, 1, d_model]
        let vector = match self {
            Self::First => first,
            Self::Pooled { dense, activation, .. } => activate(dense.forward(first), *activation),
        };
        vector.squeeze_dim(1)
    }

    /// A notice about a checkpoint without a pooler, in a sentence.
    pub(super) fn notice(&self) -> Option<Sentence> {
        matches!(self, Self::Pooled { fresh: true, .. }).then_some(sentence!("the checkpoint has no pooler: its weights are drawn, the same each time, and stay as they are unless all weights are trained"))
    }
}

const POOLER_SEED: u64 = 42;

/// Names of the head that fills masks; `None` where a checkpoint has no such part.
pub(super) struct MaskNames {
    pub(super) dense: &'static str,
    pub(super) norm: &'static str,
    pub(super) decoder: &'static str,
    /// The bias of the decoder, under each of its names.
    pub(super) bias: [&'static str; 2],
    pub(super) activation: Option<Activation>,
}

impl MaskNames {
    /// The head, if the files have it.
    pub(super) fn load(
        &self,
        load: &Loader<'_>,
        config: &EncoderConfig,
        words: &FrozenMatrix,
    ) -> Result<Option<MaskHead>> {
        let head = load.outside();
        if !head.contains(&format!("{}.weight", self.dense)) {
            return Ok(None);
        }
        let (d, narrow, vocab_size) = (config.hidden_size, words.dims()[1], config.vocab_size);
        let decoder = format!("{}.weight", self.decoder);
        let own = !config.tie_word_embeddings && head.contains(&decoder);
        let decoder = match own {
            true => head.matrix(&decoder, [vocab_size, narrow])?,
            false => match load.tied_to(WORDS, [vocab_size, narrow])? {
                Some(own) => own,
                None => words.clone(),
            },
        };
        let bias = self.bias.iter().find(|name| head.contains(name)).unwrap_or(&self.bias[0]);
        Ok(Some(MaskHead {
            dense: head.linear(self.dense, d, narrow, true)?,
            activation: match self.activation {
                Some(activation) => activation,
                None => config.activation()?,
            },
            norm: head.layer_norm(self.norm, narrow, config.layer_norm_eps)?,
            // [d_embedding, vocab_size], a view
            decoder: FrozenLinear::new(decoder.transpose(), Some(head.tensor(bias, [vocab_size])?)),
        }))
    }
}
