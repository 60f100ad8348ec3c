//! The parts of an adapter: each method is one, some runs train several together.

pub mod few_shot;
pub mod full;
pub mod head;
pub mod lora;
pub mod prefix;
pub mod prompt;

mod fit;
mod saved;

pub use self::saved::PartState;
pub(crate) use self::saved::SavedPart;
use std::borrow::Cow;

use rand::Rng;

use crate::adapters::methods::few_shot::FewShotState;
use crate::adapters::methods::full::{TunedWeights, WeightsState};
use crate::adapters::methods::head::{Head, HeadShape, HeadState};
use crate::adapters::methods::lora::{Lora, LoraShape};
use crate::adapters::methods::prefix::{Prefix, PrefixShape, count_parameters};
use crate::adapters::methods::prompt::{PromptShape, SoftPrompt};
use crate::adapters::parameters::{Parameter, Trainables};
use crate::adapters::state::NamedTensor;
use crate::config::PrefixConfig;
use crate::error::Result;
use crate::models::{Conditioning, Site, WeightName};

/// One part in training.
pub enum Part {
    /// Keys and values at a site.
    Prefix(Site, Prefix),
    /// Embeddings in the text.
    Prompt(SoftPrompt),
    /// Matrices beside linear layers.
    Lora(Lora),
    /// Weights of the model itself.
    Weights(TunedWeights),
    /// A text before every prompt; nothing is trained.
    Text(String),
    /// The layers that name a class.
    Head(Head),
}

/// The sizes of a part, before any number is known.
#[derive(Clone, Debug, PartialEq)]
pub enum PartPlan {
    /// For [`Part::Prefix`].
    Prefix {
        /// Where it stands.
        site: Site,
        /// Its sizes.
        shape: PrefixShape,
        /// How it is trained.
        config: PrefixConfig,
    },
    /// For [`Part::Prompt`].
    Prompt(PromptShape),
    /// For [`Part::Lora`].
    Lora(LoraShape),
    /// For [`Part::Weights`].
    Weights(Vec<WeightName>),
    /// For [`Part::Text`].
    Text(String),
    /// For [`Part::Head`].
    Head(HeadShape),
}

impl PartPlan {
    /// Names and shapes of what is trained.
    pub fn parameter_shapes(&self) -> Vec<(Cow<'static, str>, Vec<usize>)> {
        let known = |(name, shape): (&'static str, Vec<usize>)| (Cow::Borrowed(name), shape);
        match self {
            Self::Prefix { shape, config, .. } => {
                Prefix::parameter_shapes(shape, config).into_iter().map(known).collect()
            }
            Self::Prompt(shape) => shape.parameter_shapes(),
            Self::Lora(shape) => shape.parameter_shapes(),
            Self::Weights(weights) => weights.iter().map(|w| (Cow::Owned(w.name.clone()), w.shape.clone())).collect(),
            Self::Text(_) => Vec::new(),
            Self::Head(shape) => shape.parameter_shapes().into_iter().map(known).collect(),
        }
    }

    /// Names and shapes of what stays as it was initialised.
    pub fn fixed_shapes(&self) -> Vec<(Cow<'static, str>, Vec<usize>)> {
        match self {
            Self::Prefix { shape, config, .. } => Prefix::fixed_shapes(shape, config)
                .into_iter()
                .map(|(name, dims)| (Cow::Borrowed(name), dims))
                .collect(),
            Self::Prompt(_) | Self::Lora(_) | Self::Weights(_) | Self::Head(_) | Self::Text(_) => Vec::new(),
        }
    }

    /// The part with its parameters, in the order of [`PartPlan::parameter_shapes`], and behind them of
    /// [`PartPlan::fixed_shapes`].
    pub fn part(&self, parameters: Vec<Parameter>) -> Part {
        match self {
            Self::Prefix { site, shape, config } => Part::Prefix(*site, Prefix::new(*shape, config, parameters)),
            Self::Prompt(shape) => Part::Prompt(SoftPrompt { shape: shape.clone(), parameters }),
            Self::Lora(shape) => Part::Lora(Lora { shape: shape.clone(), parameters }),
            Self::Weights(_) => Part::Weights(TunedWeights { parameters }),
            Self::Text(text) => Part::Text(text.clone()),
            Self::Head(shape) => Part::Head(Head { shape: shape.clone(), parameters }),
        }
    }

    /// Numbers trained and numbers kept.
    pub fn count(&self) -> (usize, usize) {
        let trained = self.parameter_shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        match self {
            Self::Prefix { shape, config, .. } => count_parameters(shape, config),
            Self::Prompt(PromptShape { tasks: Some(_), .. }) => (trained, trained),
            Self::Prompt(shape) => (trained, shape.n_rows * shape.width),
            Self::Lora(_) | Self::Weights(_) | Self::Text(_) | Self::Head(_) => (trained, trained),
        }
    }

    /// What stands before the names of its parameters in a checkpoint. A prefix that is the only one needs no site.
    pub(crate) fn key(&self, n_sites: usize) -> String {
        match self {
            Self::Prefix { site, .. } if n_sites > 1 => format!("{}.", site.name()),
            Self::Prompt(_) => "prompt.".to_owned(),
            _ => String::new(),
        }
    }
}

impl Part {
    /// What is trained.
    pub fn parameters(&self) -> &[Parameter] {
        match self {
            Self::Prefix(_, prefix) => &prefix.parameters,
            Self::Prompt(prompt) => &prompt.parameters,
            Self::Lora(lora) => &lora.parameters,
            Self::Weights(weights) => &weights.parameters,
            Self::Text(_) => &[],
            Self::Head(head) => &head.parameters,
        }
    }

    /// What stays as it was initialised.
    pub fn fixed(&self) -> &[Parameter] {
        match self {
            Self::Prefix(_, prefix) => &prefix.frozen,
            _ => &[],
        }
    }

    /// What is trained, to be written over.
    pub fn parameters_mut(&mut self) -> &mut [Parameter] {
        match self {
            Self::Prefix(_, prefix) => &mut prefix.parameters,
            Self::Prompt(prompt) => &mut prompt.parameters,
            Self::Lora(lora) => &mut lora.parameters,
            Self::Weights(weights) => &mut weights.parameters,
            Self::Text(_) => &mut [],
            Self::Head(head) => &mut head.parameters,
        }
    }

    /// What stands before the names of its parameters in a checkpoint.
    pub(crate) fn key(&self, n_sites: usize) -> String {
        match self {
            Self::Prefix(site, _) if n_sites > 1 => format!("{}.", site.name()),
            Self::Prompt(_) => "prompt.".to_owned(),
            _ => String::new(),
        }
    }

    /// Adds what the part gives the model in one step of training, with dropout drawn from `random`.
    pub(crate) fn condition(&self, leaves: &Trainables, random: &mut impl Rng, conditioning: &mut Conditioning) {
        match self {
            Self::Prefix(site, prefix) => prefix.stand_in(*site, prefix.past_kv(leaves, random), conditioning),
            Self::Lora(lora) => lora.condition(leaves, Some(random), &mut conditioning.tuned),
            _ => self.stand(leaves, conditioning),
        }
    }

    /// Adds what the part gives the model as it stands: nothing is dropped.
    pub(crate) fn stand(&self, leaves: &Trainables, conditioning: &mut Conditioning) {
        match self {
            Self::Prefix(site, prefix) => prefix.stand_in(*site, prefix.as_it_stands(), conditioning),
            Self::Prompt(prompt) => conditioning.soft_prompt = Some(prompt.matrix(leaves)),
            Self::Lora(lora) => lora.condition(leaves, None::<&mut rand_chacha::ChaCha8Rng>, &mut conditioning.tuned),
            Self::Weights(weights) => weights.condition(leaves, &mut conditioning.tuned),
            Self::Text(_) => {}
            Self::Head(head) => conditioning.head = Some(head.with(leaves)),
        }
    }

    /// The part as an adapter keeps it.
    ///
    /// # Errors
    /// The device failed.
    pub(crate) fn to_state(&self) -> Result<PartState> {
        Ok(match self {
            Self::Prefix(site, prefix) => prefix.to_state(*site)?.into(),
            Self::Prompt(prompt) => prompt.to_state()?.into(),
            Self::Lora(lora) => lora.to_state()?.into(),
            Self::Weights(weights) => WeightsState(named_tensors(&weights.parameters)?).into(),
            Self::Text(text) => FewShotState(text.clone()).into(),
            Self::Head(head) => HeadState(named_tensors(&head.parameters)?).into(),
        })
    }
}

/// Parameters on the host.
fn named_tensors(parameters: &[Parameter]) -> Result<Vec<NamedTensor>> {
    parameters.iter().map(|p| Ok((p.name.to_string(), p.shape.clone(), p.to_vec()?))).collect()
}
