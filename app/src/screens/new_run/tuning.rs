//! The method of a new run as it is typed: which one holds, and the settings of each.

use engine::config::{
    FewShotConfig, FullConfig, LoraConfig, MethodConfig, PrefixConfig, PromptConfig, PromptEncoder, PromptInit,
    Reparameterization, RunConfig, Task, WeightsConfig,
};
use engine::models::Site;
use serde::{Deserialize, Serialize};

use super::form::{InitKind, Switched};
use crate::{layer_list, t};

/// The methods that the form offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodKind {
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

impl MethodKind {
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
            Self::HeadOnly if !task.has_head() => Some(t!("method.head_needs_classes")),
            Self::Text if task.has_head() => Some(t!("method.text_has_no_head")),
            _ => None,
        }
    }

    /// Whether matrices of low rank can be trained beside it.
    pub fn takes_lora(self) -> bool {
        matches!(self, Self::Prefix | Self::Prompt | Self::PTuning)
    }
}

/// A prefix as it is typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrefixForm {
    /// Everything that needs no text field; its initial values, network, layers and sites are those below.
    pub config: PrefixConfig,
    /// The network that it is trained through.
    pub network: Switched<Reparameterization>,
    /// Initial values.
    pub init: InitKind,
    /// The text of [`InitKind::Words`] and [`InitKind::Prefill`], or the folder of [`InitKind::Adapter`].
    pub words: String,
    /// Where a model with an encoder gets a prefix.
    pub sites: Vec<Site>,
    /// The layers that get one, counted from 1, as `1-4, 9`; nothing is all.
    pub layers: String,
}

impl From<&PrefixConfig> for PrefixForm {
    fn from(config: &PrefixConfig) -> Self {
        let (init, words) = InitKind::of(&config.init);
        Self {
            network: Switched::of(config.reparameterization.clone(), Reparameterization::default()),
            init,
            words,
            sites: config.sites.clone().unwrap_or_else(|| Site::ALL.to_vec()),
            layers: config.layers.as_deref().map(layer_list::to_text).unwrap_or_default(),
            config: PrefixConfig {
                n_virtual: config.n_virtual,
                n_frozen: config.n_frozen,
                dropout: config.dropout,
                slot_dropout: config.slot_dropout,
                leave_one_out: config.leave_one_out,
                infix: config.infix,
                ..PrefixConfig::default()
            },
        }
    }
}

impl PrefixForm {
    /// As the engine is asked for it, for a model with so many layers in its encoder. A network gives all virtual tokens,
    /// frozen ones or none.
    pub fn config(&self, encoder_layers: usize) -> PrefixConfig {
        let is_everywhere = encoder_layers == 0 || Site::ALL.iter().all(|site| self.sites.contains(site));
        let n_virtual = self.config.n_virtual;
        PrefixConfig {
            reparameterization: self.network.get(),
            init: self.init.with(&self.words),
            n_frozen: if self.network.on { 0 } else { self.config.n_frozen.min(n_virtual.saturating_sub(1)) },
            sites: (!is_everywhere).then(|| self.sites.clone()),
            layers: layer_list::from_text(&self.layers).ok().flatten(),
            infix: self.config.infix && encoder_layers == 0,
            leave_one_out: self.config.leave_one_out && self.init == InitKind::Demonstrations,
            ..self.config.clone()
        }
    }

    /// Fills in a prefix; it keeps its places.
    fn take(&mut self, prefix: &PrefixConfig) {
        let PrefixConfig { n_virtual, n_frozen, dropout, slot_dropout, leave_one_out, .. } = *prefix;
        let kept = self.config.clone();
        self.config = PrefixConfig { n_virtual, n_frozen, dropout, slot_dropout, leave_one_out, ..kept };
        let (init, words) = InitKind::of(&prefix.init);
        self.init = init;
        if init.needs_text() || init.needs_number() {
            self.words = words;
        }
        let activation = self.network.value.activation;
        self.network.set(prefix.reparameterization.clone());
        self.network.value.activation = activation;
    }
}

/// What is trained beside a prefix or a soft prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Beside {
    /// Nothing.
    #[default]
    Nothing,
    /// The weights of the topmost layers.
    TopLayers,
    /// Every weight.
    Full,
    /// Matrices beside linear layers.
    Lora,
}

/// Choice of the layers that get matrices.
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
pub struct LoraForm {
    /// Everything that needs no text field.
    pub config: LoraConfig,
    /// Layers that get matrices.
    pub targets: Targets,
    /// The names of [`Targets::Named`].
    pub names: String,
}

impl From<&LoraConfig> for LoraForm {
    fn from(config: &LoraConfig) -> Self {
        let (targets, names) = match config.targets.as_deref() {
            None => (Targets::Usual, String::new()),
            Some([only]) if only == engine::adapters::methods::lora::ALL_LINEAR => (Targets::AllLinear, String::new()),
            Some(names) => (Targets::Named, names.join(", ")),
        };
        Self { config: config.clone(), targets, names }
    }
}

impl LoraForm {
    /// As the engine is asked for it.
    pub fn config(&self) -> LoraConfig {
        let targets = match self.targets {
            Targets::Usual => None,
            Targets::AllLinear => Some(vec![engine::adapters::methods::lora::ALL_LINEAR.to_owned()]),
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

/// The method and its settings as they are typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// The method that holds.
    pub kind: MethodKind,
    /// The prefix.
    pub prefix: PrefixForm,
    /// The soft prompt; its network is the next field.
    pub prompt: PromptConfig,
    /// The text of [`PromptInit::Words`], kept while another choice holds.
    pub prompt_words: String,
    /// The network of P-tuning.
    pub encoder: PromptEncoder,
    /// LoRA, alone or beside another method.
    pub lora: LoraForm,
    /// What is trained beside the method.
    #[serde(default)]
    pub beside: Beside,
    /// Weights of the model that are; their layers are the next field's.
    #[serde(default)]
    pub weights: WeightsConfig,
    /// Layers of [`MethodKind::TopLayers`] and [`Beside::TopLayers`].
    pub top_layers: usize,
    /// Modules of full fine-tuning, which a run file can name.
    #[serde(default)]
    pub modules: Option<Vec<String>>,
    /// Words before every prompt.
    pub text: FewShotConfig,
}

impl From<&RunConfig> for Tuning {
    fn from(config: &RunConfig) -> Self {
        let mut tuning = Self {
            kind: MethodKind::Prefix,
            prefix: PrefixForm::from(&config.method.prefix().cloned().unwrap_or_default()),
            prompt: PromptConfig::default(),
            prompt_words: String::new(),
            encoder: PromptEncoder::default(),
            lora: LoraForm::from(&config.lora.clone().unwrap_or_default()),
            beside: match (&config.lora, &config.weights) {
                (Some(_), _) => Beside::Lora,
                (None, Some(weights)) if weights.top_layers.is_some() => Beside::TopLayers,
                (None, Some(_)) => Beside::Full,
                (None, None) => Beside::Nothing,
            },
            weights: config.weights.clone().unwrap_or_default(),
            top_layers: config.weights.as_ref().and_then(|weights| weights.top_layers).unwrap_or(2),
            modules: None,
            // Something has to be said before a prompt, and rows are what there is.
            text: FewShotConfig { shots: 2, ..FewShotConfig::default() },
        };
        if config.method.prefix().is_none() {
            tuning.take(&config.method);
        }
        tuning
    }
}

impl Tuning {
    /// Fills in a method.
    pub fn take(&mut self, method: &MethodConfig) {
        match method {
            MethodConfig::Prefix(prefix) => {
                self.kind = MethodKind::Prefix;
                self.prefix.take(prefix);
            }
            MethodConfig::Prompt(prompt) => {
                self.kind = if prompt.encoder.is_some() { MethodKind::PTuning } else { MethodKind::Prompt };
                self.encoder = prompt.encoder.clone().unwrap_or_else(|| self.encoder.clone());
                self.prompt = PromptConfig { encoder: None, ..prompt.clone() };
                if let PromptInit::Words { text } = &prompt.init {
                    self.prompt_words.clone_from(text);
                }
            }
            MethodConfig::Lora(lora) => {
                self.kind = MethodKind::Lora;
                self.lora = LoraForm::from(lora);
            }
            MethodConfig::Full(FullConfig { top_layers, modules }) => {
                self.modules.clone_from(modules);
                match *top_layers {
                    None => self.kind = MethodKind::Full,
                    Some(0) => self.kind = MethodKind::HeadOnly,
                    Some(n) => (self.kind, self.top_layers) = (MethodKind::TopLayers, n),
                }
            }
            MethodConfig::FewShot(text) => (self.kind, self.text) = (MethodKind::Text, text.clone()),
        }
    }

    /// The method as the engine is asked for it, for a model with so many layers in its encoder.
    pub fn method(&self, encoder_layers: usize) -> MethodConfig {
        let full = |top_layers| MethodConfig::Full(FullConfig { top_layers, modules: self.modules.clone() });
        match self.kind {
            MethodKind::Prefix => MethodConfig::Prefix(self.prefix.config(encoder_layers)),
            MethodKind::Prompt => MethodConfig::Prompt(self.prompt.clone()),
            MethodKind::PTuning => {
                MethodConfig::Prompt(PromptConfig { encoder: Some(self.encoder.clone()), ..self.prompt.clone() })
            }
            MethodKind::Lora => MethodConfig::Lora(LoraConfig { learning_rate: None, ..self.lora.config() }),
            MethodKind::Full => full(None),
            MethodKind::TopLayers => full(Some(self.top_layers)),
            MethodKind::HeadOnly => full(Some(0)),
            MethodKind::Text => MethodConfig::FewShot(self.text.clone()),
        }
    }

    /// The matrices beside it.
    pub fn beside(&self) -> Option<LoraConfig> {
        (self.beside == Beside::Lora && self.kind.takes_lora()).then(|| self.lora.config())
    }

    /// The weights of the model beside it.
    pub fn weights_beside(&self) -> Option<WeightsConfig> {
        let top_layers = match self.beside {
            Beside::TopLayers => Some(self.top_layers),
            Beside::Full => None,
            Beside::Nothing | Beside::Lora => return None,
        };
        self.kind.takes_lora().then(|| WeightsConfig { top_layers, ..self.weights.clone() })
    }

    /// LoRA, if it is trained at all.
    pub fn any_lora(&self) -> Option<&LoraForm> {
        (self.kind == MethodKind::Lora || self.beside().is_some()).then_some(&self.lora)
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
        let mut lora = LoraForm::from(&LoraConfig::default());
        lora.toggle("q_proj");
        lora.toggle("v_proj");
        assert_eq!(lora.names, "q_proj, v_proj");
        lora.toggle("q_proj");
        assert_eq!(lora.names, "v_proj");
    }
}
