//! The list of methods: here alone a kind of part is told from another, in each of the three things that it is. Before there
//! are numbers it has sizes, then it is trained, then it is kept.

use rand::Rng;

use crate::adapters::methods::few_shot::{FewShot, FewShotSpec, FewShotState};
use crate::adapters::methods::full::{TunedWeights, WeightsSpec, WeightsState};
use crate::adapters::methods::head::{Head, HeadSpec, HeadState};
use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::lora::{Lora, LoraSpec, LoraState};
use crate::adapters::methods::prefix::{Prefix, PrefixSpec, PrefixState};
use crate::adapters::methods::prompt::{PromptSpec, PromptState, SoftPrompt};
use crate::adapters::methods::{Method, NamedShape, SavedPart, Spec, Trained};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::config::{MethodConfig, TaskRecord};
use crate::error::Result;
use crate::models::{Conditioning, ModelFacts};

/// The sizes of one part.
#[derive(Clone, Debug, PartialEq)]
pub enum PartSpec {
    /// Keys and values at a site.
    Prefix(PrefixSpec),
    /// Words before every prompt; nothing is trained.
    FewShot(FewShotSpec),
    /// Embeddings in the text.
    Prompt(PromptSpec),
    /// Matrices beside linear layers.
    Lora(LoraSpec),
    /// Weights of the model itself.
    Weights(WeightsSpec),
    /// The layers that name a class.
    Head(HeadSpec),
}

/// One part in training.
pub enum AdapterPart {
    /// Keys and values at a site.
    Prefix(Prefix),
    /// Words before every prompt; nothing is trained.
    FewShot(FewShot),
    /// Embeddings in the text.
    Prompt(SoftPrompt),
    /// Matrices beside linear layers.
    Lora(Lora),
    /// Weights of the model itself.
    Weights(TunedWeights),
    /// The layers that name a class.
    Head(Head),
}

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

impl Method for MethodConfig {
    fn specs(&self, model: &dyn ModelFacts, task: &TaskRecord) -> Result<Vec<PartSpec>> {
        match self {
            Self::Prefix(prefix) => prefix.specs(model, task),
            Self::Prompt(prompt) => prompt.specs(model, task),
            Self::Lora(lora) => lora.specs(model, task),
            Self::Full(full) => full.specs(model, task),
            Self::FewShot(words) => words.specs(model, task),
        }
    }
}

impl PartSpec {
    fn spec(&self) -> &dyn Spec {
        match self {
            Self::Prefix(prefix) => prefix,
            Self::FewShot(words) => words,
            Self::Prompt(prompt) => prompt,
            Self::Lora(lora) => lora,
            Self::Weights(weights) => weights,
            Self::Head(head) => head,
        }
    }
}

impl Spec for PartSpec {
    fn parameter_shapes(&self) -> Vec<NamedShape> {
        self.spec().parameter_shapes()
    }

    fn fixed_shapes(&self) -> Vec<NamedShape> {
        self.spec().fixed_shapes()
    }

    fn stored(&self) -> usize {
        self.spec().stored()
    }

    fn key(&self, n_sites: usize) -> String {
        self.spec().key(n_sites)
    }

    fn with_parameters(&self, parameters: Vec<Parameter>) -> AdapterPart {
        self.spec().with_parameters(parameters)
    }

    fn initial(&self, from: &InitContext<'_>) -> Result<AdapterPart> {
        self.spec().initial(from)
    }
}

impl AdapterPart {
    fn part(&self) -> &dyn Trained {
        match self {
            Self::Prefix(prefix) => prefix,
            Self::FewShot(words) => words,
            Self::Prompt(prompt) => prompt,
            Self::Lora(lora) => lora,
            Self::Weights(weights) => weights,
            Self::Head(head) => head,
        }
    }
}

impl Trained for AdapterPart {
    fn spec(&self) -> &dyn Spec {
        self.part().spec()
    }

    fn parameters(&self) -> &[Parameter] {
        self.part().parameters()
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        match self {
            Self::Prefix(prefix) => prefix.parameters_mut(),
            Self::FewShot(words) => words.parameters_mut(),
            Self::Prompt(prompt) => prompt.parameters_mut(),
            Self::Lora(lora) => lora.parameters_mut(),
            Self::Weights(weights) => weights.parameters_mut(),
            Self::Head(head) => head.parameters_mut(),
        }
    }

    fn fixed(&self) -> &[Parameter] {
        self.part().fixed()
    }

    fn condition(&self, leaves: &GradParams, random: Option<&mut dyn Rng>, conditioning: &mut Conditioning) {
        self.part().condition(leaves, random, conditioning);
    }

    fn to_state(&self) -> Result<PartState> {
        self.part().to_state()
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

    /// Name of the part's kind in files.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Prefix(_) => "prefix",
            Self::FewShot(_) => "text",
            Self::Prompt(_) => "prompt",
            Self::Lora(_) => "lora",
            Self::Weights(_) => "weights",
            Self::Head(_) => "head",
        }
    }

    /// Position of the part's kind among the parts of an adapter.
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
