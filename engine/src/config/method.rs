//! The tuning methods.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::weights::check_modules;
use super::{LoraBias, LoraConfig, LoraInit, PrefixConfig, PrefixInit, PromptConfig, PromptInit};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The tuning method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MethodConfig {
    /// Li & Liang 2021; without a reparameterization also P-tuning v2 (Liu et al. 2022).
    Prefix(PrefixConfig),
    /// Lester et al. 2021; with an encoder P-tuning v1 (Liu et al. 2021).
    Prompt(PromptConfig),
    /// Hu et al. 2021.
    Lora(LoraConfig),
    /// The model's own weights: all of them, those of the top layers, or none but the head's.
    Full(FullConfig),
    /// Words before every prompt, without training: what the others are judged against.
    #[serde(alias = "text")]
    FewShot(FewShotConfig),
}

impl MethodConfig {
    /// Matrices of low rank, with their defaults.
    pub fn lora() -> Self {
        Self::Lora(LoraConfig::default())
    }

    /// Every weight.
    pub fn full() -> Self {
        Self::Full(FullConfig::default())
    }

    /// Whether what it adds can be made weaker: trained weights of the model itself and words are there or not.
    pub fn has_strength(&self) -> bool {
        match self {
            Self::Prefix(_) | Self::Prompt(_) => true,
            Self::Lora(lora) => lora.bias == LoraBias::None,
            Self::Full(_) | Self::FewShot(_) => false,
        }
    }

    /// Settings of prefix tuning, if it is that.
    pub fn prefix(&self) -> Option<&PrefixConfig> {
        match self {
            Self::Prefix(prefix) => Some(prefix),
            _ => None,
        }
    }

    /// As configurations name it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Prefix(_) => "prefix",
            Self::Prompt(_) => "prompt",
            Self::Lora(_) => "lora",
            Self::Full(_) => "full",
            Self::FewShot(_) => "few_shot",
        }
    }

    /// Positions that it takes from the text.
    pub fn n_virtual(&self) -> usize {
        match self {
            Self::Prefix(prefix) => prefix.n_virtual,
            Self::Prompt(prompt) => prompt.n_virtual,
            Self::Lora(_) | Self::Full(_) | Self::FewShot(_) => 0,
        }
    }

    /// Whether soft tokens are others for each of several tasks.
    pub fn has_tasks(&self) -> bool {
        matches!(self, Self::Prompt(prompt) if prompt.tasks.is_some())
    }

    /// The adapter whose values it begins with, if it names one.
    pub fn starts_from(&self) -> Option<&Path> {
        match self {
            Self::Prefix(PrefixConfig { init: PrefixInit::Adapter { path }, .. })
            | Self::Prompt(PromptConfig { init: PromptInit::Adapter { path }, .. })
            | Self::Lora(LoraConfig { init: LoraInit::Adapter { path }, .. }) => Some(path),
            Self::Prefix(_) | Self::Prompt(_) | Self::Lora(_) | Self::Full(_) | Self::FewShot(_) => None,
        }
    }

    /// Names another place of the adapter whose values it begins with, where it begins with one.
    pub fn start_from(&mut self, adapter: &Path) {
        match self {
            Self::Prefix(PrefixConfig { init: PrefixInit::Adapter { path }, .. })
            | Self::Prompt(PromptConfig { init: PromptInit::Adapter { path }, .. })
            | Self::Lora(LoraConfig { init: LoraInit::Adapter { path }, .. }) => adapter.clone_into(path),
            Self::Prefix(_) | Self::Prompt(_) | Self::Lora(_) | Self::Full(_) | Self::FewShot(_) => {}
        }
    }

    /// The same method with other initial values. Those of a prefix have the names of all methods.
    ///
    /// # Errors
    /// [`EngineError::Setting`] where the method has none of that name.
    pub fn with_init(&self, init: &PrefixInit) -> Result<Self> {
        let wrong = |reason: Sentence| EngineError::Setting { field: "method.init", reason };
        match self {
            Self::Prefix(prefix) => Ok(Self::Prefix(PrefixConfig { init: init.clone(), ..prefix.clone() })),
            Self::Prompt(prompt) => {
                let named = serde_json::to_value(init).and_then(serde_json::from_value);
                let init = named.map_err(|error| wrong(sentence!("a soft prompt has others: {error}", error)))?;
                Ok(Self::Prompt(PromptConfig { init, ..prompt.clone() }))
            }
            Self::Lora(lora) => match init {
                PrefixInit::Random => Ok(Self::Lora(LoraConfig { init: LoraInit::Fresh, ..lora.clone() })),
                PrefixInit::Adapter { path } => {
                    Ok(Self::Lora(LoraConfig { init: LoraInit::Adapter { path: path.clone() }, ..lora.clone() }))
                }
                _ => Err(wrong(sentence!("matrices of low rank begin at random or as those of an adapter"))),
            },
            Self::Full(_) | Self::FewShot(_) => Err(wrong(sentence!("it has no initial values to choose from"))),
        }
    }

    /// Refuses settings that cannot work, by name and with the reason.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for the first field that is wrong.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Prefix(prefix) => prefix.check(),
            Self::Prompt(prompt) => prompt.check(),
            Self::Lora(lora) => lora.check(),
            Self::Full(full) => check_modules(full.modules.as_deref(), "method.modules"),
            Self::FewShot(_) => Ok(()),
        }
    }

    /// Soft tokens that stand in the text.
    pub fn n_soft(&self) -> usize {
        match self {
            Self::Prompt(prompt) => prompt.n_virtual,
            Self::Prefix(_) | Self::Lora(_) | Self::Full(_) | Self::FewShot(_) => 0,
        }
    }
}

impl Default for MethodConfig {
    fn default() -> Self {
        Self::Prefix(PrefixConfig::default())
    }
}

/// Training of the model's own weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FullConfig {
    /// Blocks that are trained, from the top, with the last norm; `None` is every weight, 0 none: the head of the task
    /// alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_layers: Option<usize>,
    /// Of these weights those in modules of such names: a part of a name between dots such as `attn` or `h.11.mlp`, with
    /// `*` for any letters, dots too, and `?` for one; `None` is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<String>>,
}

impl FullConfig {
    /// Those of the topmost blocks, with what comes behind them.
    pub fn top(layers: usize) -> Self {
        Self { top_layers: Some(layers), ..Self::default() }
    }
}

/// Words before every prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FewShotConfig {
    /// Said first, as it is.
    pub instruction: String,
    /// Training rows that follow it as examples, prompt and target, each with a blank line behind it.
    pub shots: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_other_initial_values_is_refused_by_name() {
        for (text, word) in [
            (r#"{"type": "prefix", "init": {"type": "zero", "text": "a"}}"#, "text"),
            (r#"{"type": "prefix", "init": {"type": "words", "text": "a", "path": "b"}}"#, "path"),
            (r#"{"type": "prompt", "init": {"type": "vocabulary", "text": "a"}}"#, "text"),
            (r#"{"type": "prompt", "tasks": {"init": {"type": "shared", "task": "a"}}}"#, "task"),
            (r#"{"type": "lora", "init": {"type": "fresh", "path": "a"}}"#, "path"),
        ] {
            let error = serde_json::from_str::<MethodConfig>(text).unwrap_err().to_string();
            assert!(error.contains(&format!("unknown field `{word}`")), "{error}");
        }
    }

    #[test]
    fn methods_of_earlier_versions_still_read() {
        let read = |text: &str| serde_json::from_str::<MethodConfig>(text).unwrap();
        let few_shot = FewShotConfig { instruction: String::new(), shots: 2 };
        assert_eq!(read(r#"{"type": "text", "shots": 2}"#), MethodConfig::FewShot(few_shot));
        let width = |method: MethodConfig| method.prefix().and_then(|p| p.reparameterization.clone()).unwrap().width;
        assert_eq!(width(read(r#"{"type": "prefix", "reparameterisation": {"width": 3}}"#)), Some(3));
        assert!(
            matches!(read(r#"{"type": "lora", "rank_stabilised": true}"#), MethodConfig::Lora(lora) if lora.rank_stabilized)
        );
    }
}
