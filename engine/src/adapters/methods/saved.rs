//! The parts of a saved adapter, one kind for each method.

use burn::tensor::Device;
use sha2::Sha256;

use crate::Sentence;
use crate::adapters::methods::few_shot::FewShotState;
use crate::adapters::methods::full::WeightsState;
use crate::adapters::methods::head::HeadState;
use crate::adapters::methods::lora::LoraState;
use crate::adapters::methods::prefix::PrefixState;
use crate::adapters::methods::prompt::PromptState;
use crate::adapters::state::{AdapterState, ModelNames};
use crate::config::MethodConfig;
use crate::error::Result;
use crate::models::Conditioning;

/// One part of a saved adapter. The order of the variants is that of parts in an adapter, on which its hash depends.
#[derive(Clone, Debug, PartialEq)]
pub enum PartState {
    /// Keys and values at a site.
    Prefix(PrefixState),
    /// Words before every prompt.
    FewShot(FewShotState),
    /// Embeddings in the text.
    Prompt(PromptState),
    /// Matrices beside linear layers.
    Lora(LoraState),
    /// Weights in place of the model's own.
    Weights(WeightsState),
    /// The layers that name a class.
    Head(HeadState),
}

/// What a part says of itself: a method implements it in its own folder.
pub(crate) trait SavedPart {
    /// Whether there are no numbers in it.
    fn is_empty(&self) -> bool {
        false
    }

    /// Virtual tokens that it takes before or in a text.
    fn n_virtual(&self) -> usize {
        0
    }

    /// The method that makes such a part; `None` for what stands beside others.
    fn method(&self, adapter: &AdapterState) -> Option<MethodConfig>;

    /// Adds its numbers to the name of the adapter; `is_alone` where no other part is of its kind.
    fn hash(&self, is_alone: bool, digest: &mut Sha256);

    /// What it is, in clauses; `kept_by` is whoever wrote it.
    fn describe(&self, adapter: &AdapterState, kept_by: &Sentence) -> Vec<Sentence>;

    /// Adds what the model is given.
    fn condition(&self, device: &Device, conditioning: &mut Conditioning);

    /// Refuses a model that does not have what it changes, by name.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`](crate::error::EngineError::AdapterMismatch).
    fn check_names(&self, _adapter: &AdapterState, _model: &ModelNames) -> Result<()> {
        Ok(())
    }
}

impl PartState {
    pub(crate) fn saved(&self) -> &dyn SavedPart {
        match self {
            Self::Prefix(prefix) => prefix,
            Self::FewShot(text) => text,
            Self::Prompt(prompt) => prompt,
            Self::Lora(lora) => lora,
            Self::Weights(weights) => weights,
            Self::Head(head) => head,
        }
    }

    /// Its place among the parts of an adapter.
    pub(crate) fn rank(&self) -> usize {
        match self {
            Self::Prefix(_) => 0,
            Self::FewShot(_) => 1,
            Self::Prompt(_) => 2,
            Self::Lora(_) => 3,
            Self::Weights(_) => 4,
            Self::Head(_) => 5,
        }
    }

    /// Takes in the tensors of another part of its kind, where both are lists of tensors; gives back any other.
    pub(crate) fn join(&mut self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Weights(own), Self::Weights(other)) => own.0.extend(other.0),
            (Self::Head(own), Self::Head(other)) => own.0.extend(other.0),
            (_, other) => return Some(other),
        }
        None
    }
}

impl From<PrefixState> for PartState {
    fn from(prefix: PrefixState) -> Self {
        Self::Prefix(prefix)
    }
}

impl From<FewShotState> for PartState {
    fn from(text: FewShotState) -> Self {
        Self::FewShot(text)
    }
}

impl From<PromptState> for PartState {
    fn from(prompt: PromptState) -> Self {
        Self::Prompt(prompt)
    }
}

impl From<LoraState> for PartState {
    fn from(lora: LoraState) -> Self {
        Self::Lora(lora)
    }
}

impl From<WeightsState> for PartState {
    fn from(weights: WeightsState) -> Self {
        Self::Weights(weights)
    }
}

impl From<HeadState> for PartState {
    fn from(head: HeadState) -> Self {
        Self::Head(head)
    }
}
