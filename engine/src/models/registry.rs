//! The architectures, an entry each: what the program knows of one before a weight is read.
//!
//! A new architecture is its file in `architectures/` and its line in [`ARCHITECTURES`].

use crate::config::{Site, Task};
use crate::error::{EngineError, Result};
use crate::models::architectures::{
    bart, bert_family, bloom, chatglm, falcon, gemma, glm, gpt_neo, gpt_neox, gpt2, gptj, llama, olmo2, opt, phi, phi3,
    stablelm, t5,
};
use crate::models::load::ConfigFile;
use crate::models::{HeadKind, Loading, Model, ModelShape, Weights};
use crate::tokens::TargetStart;

/// Every architecture, as people look for them.
pub(crate) static ARCHITECTURES: &[&Architecture] = &[
    &gpt2::ARCHITECTURE,
    &gpt_neo::ARCHITECTURE,
    &gpt_neox::ARCHITECTURE,
    &bloom::ARCHITECTURE,
    &opt::ARCHITECTURE,
    &llama::ARCHITECTURE,
    &stablelm::ARCHITECTURE,
    &gemma::ARCHITECTURE,
    &phi::ARCHITECTURE,
    &phi3::ARCHITECTURE,
    &glm::ARCHITECTURE,
    &glm::CHATGLM_ARCHITECTURE,
    &chatglm::ARCHITECTURE,
    &gptj::ARCHITECTURE,
    &falcon::ARCHITECTURE,
    &olmo2::ARCHITECTURE,
    &bert_family::albert::ARCHITECTURE,
    &bert_family::bert::ARCHITECTURE,
    &bert_family::distilbert::ARCHITECTURE,
    &bert_family::electra::ARCHITECTURE,
    &bert_family::roberta::ARCHITECTURE,
    &bert_family::deberta::ARCHITECTURE,
    &bart::ARCHITECTURE,
    &t5::ARCHITECTURE,
];

/// An architecture as everything outside of its file knows it.
pub(crate) struct Architecture {
    /// The models that its file computes.
    pub(crate) models: &'static [ModelType],
    /// The way it reads and writes.
    pub(crate) kind: Kind,
    /// Leads the names of its modules, such as `transformer.`.
    pub(crate) module_root: &'static str,
    /// Leads them in the files of a classifier too, before the root, where its class in transformers has the model under a
    /// name of its own; nothing elsewhere.
    pub(crate) classifier_root: &'static str,
    /// The weight of its token embeddings below the root; `None` where an encoder and a decoder read one table under names
    /// of their own.
    pub(crate) embeddings: Option<&'static str>,
    /// The module that makes logits, as adapters call it.
    pub(crate) head: &'static str,
    /// The linear layers that LoRA adapts if nothing is said: PEFT's choice, and for architectures that it has none for
    /// the layers of the same names. huggingface/peft: src/peft/utils/constants.py.
    pub(crate) lora_targets: &'static [&'static str],
    /// Whether files keep linear layers as `[d_in, d_out]`, as transformers' `Conv1D`.
    pub(crate) is_conv1d: bool,
    /// The layers of a head that names the class of a text.
    pub(crate) text_head: Option<HeadKind>,
    /// Whether its code in transformers takes keys and values: PEFT's way to give it a prefix.
    pub(crate) takes_past: bool,
    /// The `model_type` that its files share with another architecture, and whether a file is one of its own; then its own name
    /// stands in none.
    pub(crate) variant: Option<(&'static str, Tells)>,
    /// Reads and checks its `config.json`.
    pub(crate) open: fn(&ConfigFile) -> Result<Box<dyn ModelConfig>>,
}

/// Tells whether a configuration is one of an architecture's own.
type Tells = fn(&ConfigFile) -> bool;

/// The way a model reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Goes on with a text.
    Causal,
    /// Reads a text in both directions.
    Encoder,
    /// Reads a text, then writes another.
    Seq2Seq,
}

/// A `model_type` of `config.json`.
pub(crate) struct ModelType {
    /// As `config.json` has it.
    pub(crate) name: &'static str,
    /// Leads the names of its classes in transformers, where some of them classify: `GPT2` of
    /// `GPT2ForSequenceClassification`.
    pub(crate) class_prefix: Option<&'static str>,
    /// Class of its tokenizer in transformers, for folders that do not say.
    pub(crate) tokenizer: Option<&'static str>,
}

impl ModelType {
    /// A model type with the prefix of its classes and the class of its tokenizer; an empty one is not known.
    pub(super) const fn new(name: &'static str, class_prefix: &'static str, tokenizer: &'static str) -> Self {
        Self { name, class_prefix: said(class_prefix), tokenizer: said(tokenizer) }
    }
}

const fn said(name: &'static str) -> Option<&'static str> {
    if name.is_empty() { None } else { Some(name) }
}

/// A `config.json` that is read and checked.
pub(crate) trait ModelConfig: Send + Sync {
    /// The sizes; the decoder's, where there is an encoder too.
    fn shape(&self) -> ModelShape;

    /// The encoder's sizes, where there is a decoder too.
    fn encoder_shape(&self) -> Option<ModelShape> {
        None
    }

    /// Whether a causal model's head is its table of embeddings.
    fn is_tied(&self) -> bool {
        false
    }

    /// The tokens before a target; none where there is no source.
    fn target_start(&self) -> TargetStart {
        TargetStart::default()
    }

    /// The token that stands between a prompt and what is written behind it, where the model cannot write without.
    fn answer_start(&self) -> Option<u32> {
        None
    }

    /// Bits of a number in matrices whose rows are whole numbers with a scale each, where the files may have such.
    fn row_bits(&self) -> Option<usize> {
        None
    }

    /// Whether a stored tensor is a weight of the model, and no table that is computed.
    fn is_weight(&self, _stored: &str) -> bool {
        true
    }

    /// A model of these weights; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model>;
}

type Open = fn(&ConfigFile) -> Result<Box<dyn ModelConfig>>;

impl Architecture {
    /// A causal model with LLaMA's names; an entry says what differs.
    pub(super) const fn causal(models: &'static [ModelType], open: Open) -> Self {
        Self {
            models,
            kind: Kind::Causal,
            module_root: "model.",
            classifier_root: "",
            embeddings: Some("embed_tokens.weight"),
            head: "lm_head",
            lora_targets: &["q_proj", "v_proj"],
            is_conv1d: false,
            text_head: Some(HeadKind::Score),
            takes_past: true,
            variant: None,
            open,
        }
    }

    /// An encoder with BERT's names and this head for the class of a text.
    pub(super) const fn encoder(models: &'static [ModelType], text_head: HeadKind, open: Open) -> Self {
        Self {
            kind: Kind::Encoder,
            embeddings: Some("embeddings.word_embeddings.weight"),
            lora_targets: &["query", "value"],
            text_head: Some(text_head),
            ..Self::causal(models, open)
        }
    }

    /// An encoder with a decoder, both with LLaMA's names; those that classify in transformers have a prefix of classes.
    pub(super) const fn seq2seq(models: &'static [ModelType], open: Open) -> Self {
        Self {
            kind: Kind::Seq2Seq,
            embeddings: None,
            text_head: Some(HeadKind::ClassificationHead),
            ..Self::causal(models, open)
        }
    }

    /// The architecture of a `model_type`.
    pub(crate) fn find(model_type: &str) -> Option<&'static Self> {
        ARCHITECTURES.iter().copied().find(|entry| entry.models.iter().any(|model| model.name == model_type))
    }

    /// The architecture that `config.json` names.
    ///
    /// # Errors
    /// The file names none, or one that is not computed here.
    pub(crate) fn of(file: &ConfigFile) -> Result<&'static Self> {
        let found = file.model_type()?;
        let is_its_own = |entry: &&Self| entry.variant.is_some_and(|(name, is_one)| name == found && is_one(file));
        let variant = ARCHITECTURES.iter().copied().find(is_its_own);
        variant
            .or_else(|| Self::find(found))
            .ok_or_else(|| EngineError::UnknownArchitecture { found: found.to_owned(), known: known() })
    }

    /// The layers of a head that names classes; `None` for a task without.
    pub(crate) fn head_kind(&self, task: Task) -> Option<HeadKind> {
        match (self.kind, task) {
            (Kind::Encoder, Task::TokenClassification) => Some(HeadKind::Linear),
            (Kind::Encoder, Task::QuestionAnswering) => Some(HeadKind::Span),
            (_, Task::SequenceClassification | Task::Regression) | (Kind::Encoder, Task::MultipleChoice) => {
                self.text_head
            }
            _ => None,
        }
    }

    /// The sizes of each site that a prefix can have.
    pub(crate) fn sites(&self, config: &dyn ModelConfig) -> Vec<(Site, ModelShape)> {
        let shape = config.shape();
        match (self.kind, config.encoder_shape()) {
            (Kind::Encoder, _) => vec![(Site::Encoder, shape)],
            (_, Some(encoder)) => vec![(Site::Encoder, encoder), (Site::Decoder, shape.clone()), (Site::Cross, shape)],
            (_, None) => vec![(Site::Decoder, shape)],
        }
    }
}

/// The class of a model type's tokenizer in transformers, for folders that do not say.
pub(crate) fn tokenizer_of(model_type: &str) -> Option<&'static str> {
    of_type(model_type)?.tokenizer
}

/// Leads the names of a model type's classes in transformers, where some of them classify.
pub(crate) fn class_prefix(model_type: &str) -> Option<&'static str> {
    of_type(model_type)?.class_prefix
}

/// The linear layers that LoRA adapts if nothing is said.
pub fn lora_targets(model_type: &str) -> &'static [&'static str] {
    Architecture::find(model_type).map_or(&["q_proj", "v_proj"], |entry| entry.lora_targets)
}

/// Whether its code in transformers takes keys and values: PEFT's way to give it a prefix.
pub(crate) fn takes_past(model_type: &str) -> bool {
    Architecture::find(model_type).is_none_or(|entry| entry.takes_past)
}

fn of_type(name: &str) -> Option<&'static ModelType> {
    ARCHITECTURES.iter().flat_map(|entry| entry.models).find(|model| model.name == name)
}

/// The model types of each kind, for people: `gpt2, …; encoders: …; encoders with a decoder: …`.
fn known() -> String {
    let of_kind = |kind: Kind| {
        let models = ARCHITECTURES.iter().filter(|entry| entry.kind == kind).flat_map(|entry| entry.models);
        let mut names: Vec<&str> = models.map(|model| model.name).collect();
        names.sort_unstable();
        names.join(", ")
    };
    let (causal, encoders, both) = (of_kind(Kind::Causal), of_kind(Kind::Encoder), of_kind(Kind::Seq2Seq));
    format!("{causal}; encoders: {encoders}; encoders with a decoder: {both}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_model_type_has_one_entry_and_is_known_to_people() {
        let names: Vec<&str> = ARCHITECTURES.iter().flat_map(|entry| entry.models).map(|model| model.name).collect();
        let different: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
        let known = known();
        assert!(names.iter().all(|name| known.split([' ', ',', ';']).any(|word| word == *name)), "{known}");
    }
}
