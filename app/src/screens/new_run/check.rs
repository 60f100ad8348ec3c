//! Check of a form for all that it lacks to be a run: a sentence for each field.

use std::path::Path;

use engine::adapters::methods::lora::LoraSpec;
use engine::config::{PromptInit, RunConfig};
use engine::data::DataPreview;
use engine::models::ModelSummary;

use super::form::RunForm;
use super::tuning::{MethodKind, Targets};
use crate::i18n::tell;
use crate::{layer_list, t};

/// A field of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named after its field")]
pub enum Field {
    Model,
    Train,
    Validation,
    Template,
    MaxTokens,
    Method,
    Targets,
    Text,
    Prefix,
    Sites,
    /// The layers of a prefix.
    Layers,
    Words,
    LearningRate,
    Epochs,
    Precision,
    /// A list in the field of this setting.
    List(&'static str),
    /// This setting, which has no control of its own.
    Setting(&'static str),
}

/// A sentence under a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// The field that the sentence is about.
    pub field: Field,
    /// Sentence that says what is wrong and what to do.
    pub sentence: String,
}

/// Known facts about the model, the rows and the device that the form names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Where the chosen model is, if it was called by its name on the hub.
    pub folder: Option<&'a Path>,
    /// The chosen model.
    pub model: Option<&'a ModelSummary>,
    /// Why the chosen model cannot be used.
    pub model_failure: Option<&'a str>,
    /// The chosen rows.
    pub preview: Option<&'a DataPreview>,
    /// Why the chosen rows cannot be used.
    pub data_failure: Option<&'a str>,
    /// Why the chosen device does not compute in the chosen precision.
    pub no_precision: Option<&'a str>,
}

impl RunForm {
    /// The run, or everything that is missing in the order of the form.
    ///
    /// # Errors
    /// The sentences for the fields.
    pub fn check(&self, facts: Facts<'_>) -> Result<RunConfig, Vec<Issue>> {
        let mut issues = Vec::new();
        let mut issue = |field, sentence: String| issues.push(Issue { field, sentence });
        if self.text.model.trim().is_empty() {
            issue(Field::Model, t!("issue.no_model").to_owned());
        } else if let Some(failure) = facts.model_failure {
            issue(Field::Model, failure.to_owned());
        }
        if self.text.train.trim().is_empty() {
            issue(Field::Train, t!("issue.no_data").to_owned());
        } else if let Some(failure) = facts.data_failure {
            issue(Field::Train, failure.to_owned());
        }
        if self.shown_task(facts.model).writes() && self.config.data.target_template.trim().is_empty() {
            issue(Field::Template, t!("issue.no_target").to_owned());
        }
        if let Some(preview) = facts.preview.filter(|preview| preview.train_rows == 0) {
            issue(Field::Train, t!("issue.no_rows", skipped = preview.skipped_rows));
        }
        let n_before = self.n_before();
        if let Some(model) = facts.model
            && n_before >= model.n_positions
        {
            issue(Field::Prefix, t!("issue.prefix_too_long", prefix = n_before, positions = model.n_positions));
        } else if let Some(model) = facts.model
            && self.memory.max_tokens.on
            && n_before + self.memory.max_tokens.value > model.n_positions
        {
            let room = model.n_positions - n_before;
            issue(Field::MaxTokens, t!("issue.rows_too_long", positions = model.n_positions, room = room));
        }
        issues.extend(self.check_method(facts.model));
        issues.extend(self.check_further());
        let mut issue = |field, sentence: String| issues.push(Issue { field, sentence });
        let rate = self.first_rate().filter(|r| r.is_finite() && *r > 0.0 && *r < 1e3);
        // What is wrong with a list of rates is said where its values are.
        if rate.is_none() {
            let sentence = self.trouble_of_rates().unwrap_or_else(|| t!("issue.rate").to_owned());
            issue(Field::LearningRate, sentence);
        }
        if let Some(reason) = facts.no_precision {
            issue(Field::Precision, reason.to_owned());
        }
        match rate {
            Some(rate) if issues.is_empty() => {
                let encoder_layers = facts.model.map_or(0, |model| model.encoder_layers);
                let mut config = self.run_config(rate, encoder_layers).map_err(|issue| vec![issue])?;
                if let Some(folder) = facts.folder {
                    config.model = folder.to_owned();
                }
                // Conversations are turns also where nobody has said so, and must be so wherever the run is used.
                let is_chat = facts.preview.is_some_and(|preview| preview.chat);
                config.data.chat |= is_chat && config.data.more.is_empty();
                Ok(config)
            }
            _ => Err(issues),
        }
    }

    /// Issues of the method and its settings.
    fn check_method(&self, model: Option<&ModelSummary>) -> Vec<Issue> {
        let (tuning, task) = (&self.tuning, self.shown_task(model));
        let mut issues = Vec::new();
        let mut issue = |field, sentence: &str| issues.push(Issue { field, sentence: sentence.to_owned() });
        if let Some(reason) = tuning.kind.why_not(task) {
            issue(Field::Method, reason);
        }
        let is_prefix = tuning.kind == MethodKind::Prefix;
        if is_prefix && model.is_some_and(|model| model.encoder_layers > 0) && self.tuning.prefix.sites.is_empty() {
            issue(Field::Sites, t!("issue.no_site"));
        }
        if is_prefix {
            match (layer_list::from_text(&self.tuning.prefix.layers), model) {
                (Err(_), _) => issue(Field::Layers, t!("issue.no_layers")),
                (Ok(Some(chosen)), Some(model)) => {
                    let n_layers = match model.encoder_layers {
                        0 => model.n_layers,
                        encoder => model.n_layers.min(encoder),
                    };
                    if chosen.last().is_some_and(|&last| last >= n_layers) {
                        issue(Field::Layers, &t!("issue.layer_too_high", n = n_layers));
                    }
                }
                (Ok(_), _) => {}
            }
        }
        if is_prefix && self.tuning.prefix.init.needs_text() && self.tuning.prefix.words.trim().is_empty() {
            issue(Field::Words, self.tuning.prefix.init.without_text());
        }
        match &tuning.prompt.init {
            PromptInit::Words { text } if tuning.kind == MethodKind::Prompt && text.trim().is_empty() => {
                issue(Field::Words, t!("issue.no_words"));
            }
            PromptInit::Classes if tuning.kind == MethodKind::Prompt && !self.has_class_names(model) => {
                issue(Field::Words, t!("issue.no_classes"));
            }
            _ => {}
        }
        if tuning.kind == MethodKind::Text && tuning.text.instruction.trim().is_empty() && tuning.text.shots == 0 {
            issue(Field::Text, t!("issue.no_instruction"));
        }
        if let Some(lora) = tuning.any_lora() {
            let known = model.filter(|model| !model.linears.is_empty());
            let found = known.map(|model| LoraSpec::new(&lora.config(), &model.architecture, &model.linears));
            if lora.targets == Targets::Named && lora.names.trim().is_empty() {
                issue(Field::Targets, t!("issue.no_targets"));
            } else if let Some(Err(error)) = found {
                issue(Field::Targets, &tell(&error.sentence()));
            }
        }
        issues
    }
}
