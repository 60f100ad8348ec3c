//! Recipes that papers and their code train with, and the learning rate that suits a form.
//!
//! Each number is the source's, read in its code where there is some; what a recipe leaves open stays as it is.

mod ends;
mod list;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::ends::{RecipeData, RecipeDecoding};
pub use self::list::RECIPES;
use crate::config::{
    LossReduction, MethodConfig, OptimizerConfig, PrefixInit, Reparameterization, Sampling, Schedule, Task,
    TrainingConfig,
};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The trained form of a method, as far as it decides how to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Keys and values themselves.
    PrefixFlat,
    /// Keys and values behind a network.
    PrefixMlp,
    /// Keys and values with a head for classes: P-tuning v2.
    DeepPromptClassification,
    /// Embeddings before the text.
    Prompt,
    /// Embeddings before the text, behind a network.
    PTuning,
    /// Low-rank changes of matrices.
    Lora,
    /// All weights.
    Full,
    /// A head for classes alone.
    HeadOnly,
}

impl Form {
    /// Of a method for a task. The one place that knows which method is which form.
    pub fn of(method: &MethodConfig, task: Option<Task>) -> Self {
        match method {
            MethodConfig::Prefix(prefix) => match &prefix.reparameterization {
                Some(_) => Self::PrefixMlp,
                None if task.is_some_and(Task::has_classes) => Self::DeepPromptClassification,
                None => Self::PrefixFlat,
            },
            MethodConfig::Prompt(prompt) if prompt.encoder.is_some() => Self::PTuning,
            MethodConfig::Prompt(_) => Self::Prompt,
            MethodConfig::Lora(_) => Self::Lora,
            MethodConfig::Full(full) if full.top_layers == Some(0) => Self::HeadOnly,
            // Words are not trained: no rate suits them.
            MethodConfig::Full(_) | MethodConfig::FewShot(_) => Self::Full,
        }
    }

    /// In words.
    pub fn sentence(self) -> Sentence {
        match self {
            Self::PrefixFlat => sentence!("a flat prefix"),
            Self::PrefixMlp => sentence!("a prefix behind a network"),
            Self::DeepPromptClassification => sentence!("a flat prefix with a head for classes"),
            Self::Prompt => sentence!("prompt tuning"),
            Self::PTuning => sentence!("P-tuning"),
            Self::Lora => sentence!("LoRA"),
            Self::Full => sentence!("all weights"),
            Self::HeadOnly => sentence!("a head alone"),
        }
    }

    fn is_prefix(self) -> bool {
        matches!(self, Self::PrefixFlat | Self::PrefixMlp | Self::DeepPromptClassification)
    }
}

/// Size of a model, as far as it decides how fast one may learn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Of a few million parameters, such as the starter: it bears rates at which a usual one diverges.
    Small,
    /// As papers train.
    #[default]
    Usual,
}

impl Scale {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Small, Self::Usual];
    /// Parameters from which a model is of the usual size.
    const USUAL_FROM: usize = 40_000_000;

    /// Of a model with so many parameters.
    pub fn of(parameters: usize) -> Self {
        if parameters < Self::USUAL_FROM { Self::Small } else { Self::Usual }
    }
}

/// Where to begin: the rate of a form's own recipes, and for SGD, which none of them uses, a rate to test from. For small
/// models it is the best of those that `prefix-workbench compare-methods` tries on the starter (README.md has the table).
pub fn recommended_learning_rate(form: Form, optimizer: &OptimizerConfig, scale: Scale) -> f64 {
    match (form, optimizer, scale) {
        (_, OptimizerConfig::Sgd(_), _) => 0.1,
        (Form::Prompt, OptimizerConfig::Adafactor(_), _) => 0.3,
        (Form::Full, OptimizerConfig::Adafactor(_), _) => 1e-3,
        (Form::DeepPromptClassification, ..) => 1e-2,
        (Form::HeadOnly, ..) => 1e-3,
        (Form::PrefixFlat | Form::Prompt, _, Scale::Small) => 2e-2,
        (Form::PrefixMlp, _, Scale::Small) => 4e-3,
        (Form::PTuning, _, Scale::Small) => 2e-3,
        (Form::Lora, _, Scale::Small) => 4e-3,
        (Form::Full, _, Scale::Small) => 1e-3,
        (Form::PrefixFlat, ..) => 5e-3,
        (Form::PrefixMlp | Form::PTuning, ..) => 1e-4,
        (Form::Prompt, ..) => 1e-3,
        (Form::Lora, ..) => 2e-4,
        (Form::Full, ..) => 5e-5,
    }
}

/// Settings with which somebody trains.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// As the command line names it.
    pub name: &'static str,
    /// As people name it.
    pub title: &'static str,
    /// Where the numbers are from: owner/name and file, or a paper.
    pub source: &'static str,
    /// The form that the recipe is for.
    pub form: Form,
    /// Length of a prefix or a soft prompt.
    n_virtual: Option<usize>,
    /// Width of the network, where there is one; 0 is the model's.
    width: Option<usize>,
    /// Dropout on the prefix, for prefixes.
    dropout: f64,
    /// The text that a prefix begins as, where that belongs to the recipe.
    words: Option<&'static str>,
    /// Rank, alpha and dropout, for LoRA.
    lora: Option<(usize, f64, f64)>,
    /// Training settings of the recipe.
    pub training: RecipeTraining,
    /// How its paper decodes the test rows.
    pub decoding: Option<RecipeDecoding>,
    /// The figures that its paper reports, by their names here.
    pub metrics: &'static [&'static str],
    /// How rows are written, where that belongs to the recipe.
    pub data: Option<RecipeData>,
    /// The part of the recipe that is not done here, a sentence.
    pub note: Option<&'static str>,
}

/// The part of [`TrainingConfig`] that recipes decide, by the same names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "each is the field of that name")]
pub struct RecipeTraining {
    pub steps: usize,
    pub epochs: f64,
    pub batch_size: usize,
    pub gradient_accumulation: usize,
    pub learning_rate: f64,
    pub warmup_steps: usize,
    pub warmup_ratio: f64,
    pub schedule: Schedule,
    pub optimizer: OptimizerConfig,
    pub max_grad_norm: Option<f64>,
    pub loss: LossReduction,
}

impl Recipe {
    /// The title, to be told in any language.
    pub fn title_sentence(&self) -> Sentence {
        Sentence::plain(self.title)
    }

    /// The part of the recipe that is not done here, if there is one, to be told in any language.
    pub fn note_sentence(&self) -> Option<Sentence> {
        self.note.map(Sentence::plain)
    }

    /// Of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        RECIPES.iter().find(|recipe| recipe.name == name)
    }

    /// Whether a run can take it: with a prefix, it may bring its own form of one.
    pub fn fits(&self, method: &MethodConfig, task: Option<Task>) -> bool {
        let (form, classes) = (Form::of(method, task), task.is_some_and(Task::has_classes));
        match self.form {
            Form::PrefixFlat | Form::PrefixMlp => form.is_prefix() && !classes,
            Form::DeepPromptClassification => form.is_prefix() && classes,
            other => other == form,
        }
    }

    /// Refuses a run that it is not for.
    ///
    /// # Errors
    /// [`EngineError::Recipe`].
    pub fn check(&self, method: &MethodConfig, task: Option<Task>) -> Result<()> {
        match self.fits(method, task) {
            true => Ok(()),
            false => {
                let found = Form::of(method, task).sentence();
                Err(EngineError::Recipe { name: self.name, wants: self.form.sentence(), found })
            }
        }
    }

    /// Changes the parts of a run to train as the recipe does.
    ///
    /// # Errors
    /// [`EngineError::Recipe`] if it is for something else.
    pub fn apply(&self, method: &mut MethodConfig, task: Option<Task>, training: &mut TrainingConfig) -> Result<()> {
        self.check(method, task)?;
        match method {
            MethodConfig::Prefix(prefix) => {
                prefix.n_virtual = self.n_virtual.unwrap_or(prefix.n_virtual);
                let network = prefix.reparameterization.take().unwrap_or_default();
                let width = |width| Some(width).filter(|width| *width > 0);
                prefix.reparameterization = self.width.map(|wide| Reparameterization { width: width(wide), ..network });
                if self.data.is_some() {
                    // Those of a walk-through of PEFT are PEFT's.
                    prefix.init = PrefixInit::Random;
                }
                prefix.dropout = self.dropout;
                if let Some(words) = self.words {
                    prefix.init = PrefixInit::Words { text: words.to_owned() };
                }
            }
            MethodConfig::Prompt(prompt) => prompt.n_virtual = self.n_virtual.unwrap_or(prompt.n_virtual),
            MethodConfig::Lora(lora) => {
                (lora.rank, lora.alpha, lora.dropout) = self.lora.unwrap_or((lora.rank, lora.alpha, lora.dropout));
            }
            MethodConfig::Full(_) | MethodConfig::FewShot(_) => {}
        }
        let mine = self.training;
        *training = TrainingConfig {
            steps: mine.steps,
            epochs: mine.epochs,
            batch_size: mine.batch_size,
            gradient_accumulation: mine.gradient_accumulation,
            learning_rate: mine.learning_rate,
            warmup_steps: mine.warmup_steps,
            warmup_ratio: mine.warmup_ratio,
            schedule: mine.schedule,
            optimizer: mine.optimizer,
            max_grad_norm: mine.max_grad_norm,
            loss: mine.loss,
            ..training.clone()
        };
        Ok(())
    }

    /// How its paper writes texts: `before` with what it decides.
    pub fn sampling(&self, before: &Sampling) -> Sampling {
        let Some(decoding) = &self.decoding else { return before.clone() };
        let mut settings = serde_json::to_value(before).unwrap_or_default();
        if let (Some(all), Value::Object(mine)) = (settings.as_object_mut(), decoding.settings()) {
            all.extend(mine);
        }
        serde_json::from_value(settings).unwrap_or_else(|_| before.clone())
    }

    /// The settings that it decides, as run files write them.
    pub fn settings(&self) -> Value {
        let training = serde_json::to_value(self.training).unwrap_or_default();
        let mut method = match self.form {
            Form::Lora => {
                let mut method = json!({ "type": "lora" });
                if let Some((rank, alpha, dropout)) = self.lora {
                    method = json!({ "type": "lora", "rank": rank, "alpha": alpha, "dropout": dropout });
                }
                method
            }
            Form::Prompt | Form::PTuning => json!({ "type": "prompt" }),
            Form::Full => json!({ "type": "full" }),
            Form::HeadOnly => json!({ "type": "full", "top_layers": 0 }),
            Form::PrefixFlat | Form::PrefixMlp | Form::DeepPromptClassification => {
                let width = |width| Some(width).filter(|width| *width > 0);
                let network = self.width.map(|wide| json!({ "width": width(wide) }));
                json!({ "type": "prefix", "reparameterization": network, "dropout": self.dropout })
            }
        };
        if let Some(n_virtual) = self.n_virtual {
            method["n_virtual"] = n_virtual.into();
        }
        if let Some(words) = self.words {
            method["init"] = json!({ "type": "words", "text": words });
        }
        let mut settings = json!({ "method": method, "training": training });
        if let Some(data) = &self.data {
            settings["method"]["init"] = json!({ "type": "random" });
            settings["data"] = serde_json::to_value(data).unwrap_or_default();
        }
        if let Some(decoding) = &self.decoding {
            settings["generation"] = decoding.settings();
        }
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PrefixConfig;

    fn flat() -> MethodConfig {
        MethodConfig::Prefix(PrefixConfig::default())
    }

    #[test]
    fn every_recipe_can_be_trained_and_has_a_name_of_its_own() {
        for (index, recipe) in RECIPES.iter().enumerate() {
            assert!(RECIPES[..index].iter().all(|other| other.name != recipe.name), "{}", recipe.name);
            let written: TrainingConfig = serde_json::from_value(recipe.settings()["training"].clone()).unwrap();
            written.check().unwrap();
            let rate = recommended_learning_rate(recipe.form, &written.optimizer, Scale::Usual);
            let apart = (rate / written.learning_rate).max(written.learning_rate / rate);
            assert!(apart <= 6.0 + 1e-9, "{}: {rate} is far from the recipe's own form", recipe.name);
        }
    }

    #[test]
    fn applied_and_written_settings_are_the_same() {
        let classes = Some(Task::SequenceClassification);
        let mut applied = 0;
        for recipe in &RECIPES {
            for task in [None, classes].into_iter().filter(|task| recipe.fits(&flat(), *task)) {
                let (mut method, mut training) =
                    (flat(), TrainingConfig { sample_rows: 9, ..TrainingConfig::default() });
                recipe.apply(&mut method, task, &mut training).unwrap();
                let written: TrainingConfig = serde_json::from_value(recipe.settings()["training"].clone()).unwrap();
                // What a recipe does not say is not what a run folder of old does not say.
                let (epoch_end, weight_decay_on) = (training.epoch_end, training.weight_decay_on);
                let written = TrainingConfig { sample_rows: 9, epoch_end, weight_decay_on, ..written };
                assert_eq!(written, training, "{}", recipe.name);
                let written: MethodConfig = serde_json::from_value(recipe.settings()["method"].clone()).unwrap();
                assert_eq!(written, method, "{}", recipe.name);
                assert_eq!(Form::of(&method, task), recipe.form, "{}", recipe.name);
                applied += 1;
            }
        }
        assert!(applied >= 9);
    }

    #[test]
    fn a_recipe_for_something_else_is_refused_by_name() {
        let (mut method, mut training) = (flat(), TrainingConfig::default());
        let recipe = Recipe::named("p-tuning-v2-rte").unwrap();
        let error = recipe.apply(&mut method, None, &mut training).unwrap_err().to_string();
        assert_eq!(
            error,
            "the preset \"p-tuning-v2-rte\" is for a flat prefix with a head for classes, this run trains a flat prefix"
        );
        assert_eq!((method, training), (flat(), TrainingConfig::default()));
        assert!(Recipe::named("magic").is_none());
    }
}
