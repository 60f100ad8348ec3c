//! The method of a new run as it is typed: which one holds, and the settings of all of them but the prefix's.

use engine::config::{
    FewShotConfig, FullConfig, LoraConfig, MethodConfig, PrefixConfig, PromptConfig, PromptEncoder, PromptInit,
    RunConfig, Task,
};
use serde::{Deserialize, Serialize};

use crate::say;

/// The methods that the form offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Keys and values in every layer.
    Prefix,
    /// Embeddings in the text.
    Prompt,
    /// Embeddings in the text, behind a network.
    PTuning,
    /// Matrices beside linear layers.
    Lora,
    /// Every weight.
    Full,
    /// The weights of the topmost layers.
    TopLayers,
    /// The head that names classes.
    HeadOnly,
    /// Words, and no training.
    Text,
}

impl Kind {
    /// All of them, as they are offered.
    pub const ALL: [Self; 8] = [
        Self::Prefix,
        Self::Prompt,
        Self::PTuning,
        Self::Lora,
        Self::Full,
        Self::TopLayers,
        Self::HeadOnly,
        Self::Text,
    ];

    /// Why it is of no use for a task; `None` if it is.
    pub fn why_not(self, task: Task) -> Option<&'static str> {
        match self {
            Self::HeadOnly if !task.has_classes() => Some(say!("method.head_needs_classes")),
            Self::Text if task.has_classes() => Some(say!("method.text_has_no_head")),
            _ => None,
        }
    }

    /// Whether matrices of low rank can be trained beside it.
    pub fn takes_lora(self) -> bool {
        matches!(self, Self::Prefix | Self::Prompt | Self::PTuning)
    }
}

/// Which layers get matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// PEFT's choice for the architecture.
    Usual,
    /// Every linear layer of the blocks.
    AllLinear,
    /// Those of certain names.
    Named,
}

/// LoRA as it is typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraDraft {
    /// Everything that needs no text field.
    pub config: LoraConfig,
    /// Which layers.
    pub targets: Targets,
    /// The names of [`Targets::Named`].
    pub names: String,
}

impl From<&LoraConfig> for LoraDraft {
    fn from(config: &LoraConfig) -> Self {
        let (targets, names) = match config.targets.as_deref() {
            None => (Targets::Usual, String::new()),
            Some([only]) if only == engine::adapters::ALL_LINEAR => (Targets::AllLinear, String::new()),
            Some(names) => (Targets::Named, names.join(", ")),
        };
        Self { config: config.clone(), targets, names }
    }
}

impl LoraDraft {
    /// As the engine is asked for it.
    pub fn config(&self) -> LoraConfig {
        let targets = match self.targets {
            Targets::Usual => None,
            Targets::AllLinear => Some(vec![engine::adapters::ALL_LINEAR.to_owned()]),
            Targets::Named => Some(names_of(&self.names)),
        };
        LoraConfig { targets, ..self.config.clone() }
    }

    /// Takes a name into the list, or out of it.
    pub fn toggle(&mut self, name: &str) {
        let mut names = names_of(&self.names);
        let before = names.len();
        names.retain(|known| known != name);
        if names.len() == before {
            names.push(name.to_owned());
        }
        self.names = names.join(", ");
    }
}

/// Names and patterns apart: at spaces, and at commas that are no part of a pattern such as `{1,2}`.
pub fn names_of(typed: &str) -> Vec<String> {
    let mut depth = 0_usize;
    let ends = |letter: char| {
        match letter {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter.is_whitespace() || (letter == ',' && depth == 0)
    };
    typed.split(ends).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What is typed about the method, beside the prefix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Which holds.
    pub kind: Kind,
    /// The soft prompt; its network is the next field.
    pub prompt: PromptConfig,
    /// The text of [`PromptInit::Words`], kept while another choice holds.
    pub prompt_words: String,
    /// The network of P-tuning.
    pub encoder: PromptEncoder,
    /// LoRA, alone or beside another method.
    pub lora: LoraDraft,
    /// Matrices are trained beside the method.
    pub with_lora: bool,
    /// Layers of [`Kind::TopLayers`].
    pub top_layers: usize,
    /// Words before every prompt.
    pub text: FewShotConfig,
}

impl From<&RunConfig> for Tuning {
    fn from(config: &RunConfig) -> Self {
        let mut tuning = Self {
            kind: Kind::Prefix,
            prompt: PromptConfig::default(),
            prompt_words: String::new(),
            encoder: PromptEncoder::default(),
            lora: LoraDraft::from(&config.lora.clone().unwrap_or_default()),
            with_lora: config.lora.is_some(),
            top_layers: 2,
            // Something has to be said before a prompt, and rows are what there is.
            text: FewShotConfig { shots: 2, ..FewShotConfig::default() },
        };
        tuning.take(&config.method);
        tuning
    }
}

impl Tuning {
    /// Fills in a method.
    pub fn take(&mut self, method: &MethodConfig) {
        match method {
            MethodConfig::Prefix(_) => self.kind = Kind::Prefix,
            MethodConfig::Prompt(prompt) => {
                self.kind = if prompt.encoder.is_some() { Kind::PTuning } else { Kind::Prompt };
                self.encoder = prompt.encoder.clone().unwrap_or_else(|| self.encoder.clone());
                self.prompt = PromptConfig { encoder: None, ..prompt.clone() };
                if let PromptInit::Words { text } = &prompt.init {
                    self.prompt_words.clone_from(text);
                }
            }
            MethodConfig::Lora(lora) => {
                self.kind = Kind::Lora;
                self.lora = LoraDraft::from(lora);
            }
            MethodConfig::Full(FullConfig { top_layers: None }) => self.kind = Kind::Full,
            MethodConfig::Full(FullConfig { top_layers: Some(0) }) => self.kind = Kind::HeadOnly,
            MethodConfig::Full(FullConfig { top_layers: Some(n) }) => {
                (self.kind, self.top_layers) = (Kind::TopLayers, *n)
            }
            MethodConfig::FewShot(text) => (self.kind, self.text) = (Kind::Text, text.clone()),
        }
    }

    /// The method as the engine is asked for it; `prefix` is what the form says of one.
    pub fn method(&self, prefix: impl FnOnce() -> PrefixConfig) -> MethodConfig {
        let full = |top_layers| MethodConfig::Full(FullConfig { top_layers });
        match self.kind {
            Kind::Prefix => MethodConfig::Prefix(prefix()),
            Kind::Prompt => MethodConfig::Prompt(self.prompt.clone()),
            Kind::PTuning => {
                MethodConfig::Prompt(PromptConfig { encoder: Some(self.encoder.clone()), ..self.prompt.clone() })
            }
            Kind::Lora => MethodConfig::Lora(self.lora.config()),
            Kind::Full => full(None),
            Kind::TopLayers => full(Some(self.top_layers)),
            Kind::HeadOnly => full(Some(0)),
            Kind::Text => MethodConfig::FewShot(self.text.clone()),
        }
    }

    /// The matrices beside it.
    pub fn beside(&self) -> Option<LoraConfig> {
        (self.with_lora && self.kind.takes_lora()).then(|| self.lora.config())
    }

    /// LoRA, if it is trained at all.
    pub fn any_lora(&self) -> Option<&LoraDraft> {
        (self.kind == Kind::Lora || self.beside().is_some()).then_some(&self.lora)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_end_at_commas_that_are_no_part_of_a_pattern() {
        assert_eq!(names_of("c_attn, c_proj  c_fc,"), ["c_attn", "c_proj", "c_fc"]);
        assert_eq!(names_of(r".*\.h\.\d{1,2}\.attn, q"), [r".*\.h\.\d{1,2}\.attn", "q"]);
    }

    #[test]
    fn a_name_is_taken_in_and_out_again() {
        let mut lora = LoraDraft::from(&LoraConfig::default());
        lora.toggle("q_proj");
        lora.toggle("v_proj");
        assert_eq!(lora.names, "q_proj, v_proj");
        lora.toggle("q_proj");
        assert_eq!(lora.names, "v_proj");
    }
}
