//! The form of a new run as it is typed. What it lacks to be one: [`Draft::check`].

use std::path::{Path, PathBuf};

use engine::config::{
    DataConfig, HeadInit, LossReduction, MethodConfig, MlpActivation, PrefixConfig, Reparameterisation, RunConfig,
    Task, TrainingConfig,
};
use engine::device::DeviceChoice;
use engine::models::ModelSummary;
use engine::models::Site;
use engine::nn::Precision;
use engine::recipes::{Form, RECIPES, Recipe, Scale, recommended_learning_rate};
use serde::{Deserialize, Serialize};

use super::check::{Field, Issue};
use super::tuning::{Kind, Tuning};
use crate::home::typed;
use crate::layers;
use crate::text::tell;
use crate::workspace::default_name;

/// Kinds of initial values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InitKind {
    /// As large as real keys and values.
    Scaled,
    /// N(0, 1).
    Random,
    /// Zeros.
    Zero,
    /// From a text.
    Words,
    /// From the beginning of a long text.
    Prefill,
    /// From tokens drawn from the vocabulary.
    Vocabulary,
    /// From the most frequent tokens of the rows.
    Frequent,
    /// From the names of the classes.
    Classes,
    /// From a trained adapter.
    Adapter,
}

/// What decides the length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Passes over the rows.
    Epochs,
    /// Optimizer steps.
    Steps,
}

/// How long the warm-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarmUp {
    /// In optimizer steps.
    Steps,
    /// As a share of all steps.
    Share,
}

/// The form as it is typed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// Empty takes a name from method and data.
    pub name: String,
    /// Folder of the base model.
    pub model: String,
    /// What is learned of a row; `None` is what the model does.
    pub task: Option<Task>,
    /// Where a head begins, in a task that has one.
    pub head: HeadInit,
    /// Training rows.
    pub train: String,
    /// Validation rows, or nothing.
    pub validation: String,
    /// Somebody chose them: they no longer follow the training rows.
    pub validation_chosen: bool,
    /// Templates, columns and limits; its paths are those above.
    pub data: DataConfig,
    /// Whether rows are cut at a limit of the user's.
    pub limit_tokens: bool,
    /// That limit.
    pub max_tokens: usize,
    /// What is trained, and the settings of everything that is no prefix.
    pub tuning: Tuning,
    /// Prefix length.
    pub n_virtual: usize,
    /// Train through a network.
    pub reparameterise: bool,
    /// So many slots at the beginning of a prefix without network stay as they were initialised.
    pub n_frozen: usize,
    /// Its width.
    pub width: usize,
    /// Its activation.
    pub activation: MlpActivation,
    /// Dropout on the prefix.
    pub dropout: f64,
    /// Initial values.
    pub init: InitKind,
    /// The text of [`InitKind::Words`] and [`InitKind::Prefill`], or the folder of [`InitKind::Adapter`].
    pub words: String,
    /// Hidden layers of the network, 1 or 2.
    pub hidden_layers: usize,
    /// Where a model with an encoder gets a prefix.
    pub sites: Vec<Site>,
    /// The layers that get one, counted from 1, as `1-4, 9`; nothing is all.
    pub layers: String,
    /// Between prompt and target, where a model goes on with its text.
    pub infix: bool,
    /// What decides the length.
    pub extent: Extent,
    /// Steps, epochs, batch and everything else that needs no text field.
    pub training: TrainingConfig,
    /// The learning rate as it is typed.
    pub learning_rate: String,
    /// The user typed it: it no longer follows method, optimizer and model.
    pub rate_edited: bool,
    /// How large the model is, once that is known.
    pub scale: Option<Scale>,
    /// How the warm-up is given.
    pub warm_up: WarmUp,
    /// Clip the gradient.
    pub clip: bool,
    /// Its largest norm.
    pub clip_norm: f64,
    /// Stop early.
    pub early_stopping: bool,
    /// After so many evaluations.
    pub patience: usize,
    /// Decides everything that is random.
    pub seed: u64,
    /// Where it is computed.
    pub device: DeviceChoice,
    /// In what.
    pub precision: Precision,
}

impl Default for Draft {
    fn default() -> Self {
        let data = DataConfig::new("");
        Self::from(&RunConfig::new(PathBuf::new(), data))
    }
}

impl From<&RunConfig> for Draft {
    fn from(config: &RunConfig) -> Self {
        let prefix = config.method.prefix().cloned().unwrap_or_default();
        let network = prefix.reparameterisation.clone();
        let reparameterise = network.is_some();
        let network = network.unwrap_or_default();
        let (init, words) = InitKind::of(&prefix.init);
        let training = config.training.clone();
        let form = Form::of(&config.method, config.task);
        let usual = |scale| recommended_learning_rate(form, &training.optimizer, scale);
        let is_usual = |scale| (training.learning_rate - usual(scale)).abs() < 1e-12;
        Self {
            name: config.name.clone(),
            model: config.model.display().to_string(),
            task: config.task,
            head: config.head,
            train: config.data.train.display().to_string(),
            validation_chosen: false,
            validation: config.data.validation.as_deref().map(Path::display).map(|p| p.to_string()).unwrap_or_default(),
            limit_tokens: config.data.max_tokens.is_some(),
            max_tokens: config.data.max_tokens.unwrap_or(256),
            data: config.data.clone(),
            tuning: Tuning::from(config),
            n_virtual: prefix.n_virtual,
            reparameterise,
            n_frozen: prefix.n_frozen,
            width: network.width,
            activation: network.activation,
            dropout: prefix.dropout,
            init,
            words,
            hidden_layers: network.hidden_layers,
            sites: prefix.sites.clone().unwrap_or_else(|| Site::ALL.to_vec()),
            layers: prefix.layers.as_deref().map(layers::to_text).unwrap_or_default(),
            infix: prefix.infix,
            extent: if training.steps > 0 { Extent::Steps } else { Extent::Epochs },
            learning_rate: crate::text::scientific(training.learning_rate),
            rate_edited: !Scale::ALL.into_iter().any(is_usual),
            scale: None,
            warm_up: if training.warmup_share > 0.0 { WarmUp::Share } else { WarmUp::Steps },
            clip: training.clip_norm.is_some(),
            clip_norm: training.clip_norm.unwrap_or(1.0),
            early_stopping: training.patience.is_some(),
            patience: training.patience.unwrap_or(3),
            training,
            seed: config.seed,
            device: config.device,
            precision: config.precision,
        }
    }
}

impl Draft {
    /// The task asked for, or what the model does.
    pub fn shown_task(&self, model: Option<&ModelSummary>) -> Task {
        self.task.or_else(|| model.and_then(|model| model.tasks.first().copied())).unwrap_or_default()
    }

    /// The rows as the engine is asked for them.
    pub fn data_config(&self) -> DataConfig {
        DataConfig {
            train: typed(&self.train),
            validation: Some(self.validation.trim()).filter(|path| !path.is_empty()).map(typed),
            max_tokens: self.limit_tokens.then_some(self.max_tokens),
            ..self.data.clone()
        }
    }

    /// The method as the engine is asked for it, for a model with so many layers in its encoder.
    pub fn method(&self, encoder_layers: usize) -> MethodConfig {
        let everywhere = encoder_layers == 0 || Site::ALL.iter().all(|site| self.sites.contains(site));
        let sites = (!everywhere).then(|| self.sites.clone());
        let infix = self.infix && encoder_layers == 0;
        self.tuning.method(|| PrefixConfig { sites, infix, ..self.prefix_config() })
    }

    /// Whether its slots stand between prompt and target.
    pub fn is_infix(&self, task: Task) -> bool {
        self.infix && self.tuning.kind == Kind::Prefix && task == Task::Causal
    }

    /// Positions that it takes from the text.
    pub fn n_before(&self) -> usize {
        self.method(0).n_virtual()
    }

    /// Fills in a method; a prefix keeps its places.
    pub(super) fn take_method(&mut self, method: &MethodConfig) {
        self.tuning.take(method);
        let MethodConfig::Prefix(prefix) = method else { return };
        (self.n_virtual, self.n_frozen, self.dropout) = (prefix.n_virtual, prefix.n_frozen, prefix.dropout);
        let (init, words) = InitKind::of(&prefix.init);
        self.init = init;
        if init.needs_text() {
            self.words = words;
        }
        self.reparameterise = prefix.reparameterisation.is_some();
        if let Some(network) = &prefix.reparameterisation {
            (self.width, self.hidden_layers) = (network.width, network.hidden_layers);
        }
    }

    /// The prefix at each place as the engine is asked for it.
    pub fn prefix_config(&self) -> PrefixConfig {
        PrefixConfig {
            n_virtual: self.n_virtual,
            reparameterisation: self.reparameterise.then_some(Reparameterisation {
                width: self.width,
                activation: self.activation,
                hidden_layers: self.hidden_layers,
            }),
            dropout: self.dropout,
            init: self.init.with(&self.words),
            n_frozen: if self.reparameterise { 0 } else { self.n_frozen.min(self.n_virtual.saturating_sub(1)) },
            sites: None,
            layers: layers::from_text(&self.layers).ok().flatten(),
            infix: false,
        }
    }

    /// The learning rate that suits method, optimizer and model.
    pub fn usual_rate(&self) -> f64 {
        let form = Form::of(&self.method(0), self.task);
        recommended_learning_rate(form, &self.training.optimizer, self.scale.unwrap_or_default())
    }

    /// The learning rate follows method, optimizer and model until the user types one.
    pub fn follow_method(&mut self) {
        self.scale.get_or_insert_default();
        if !self.rate_edited {
            self.learning_rate = crate::text::scientific(self.usual_rate());
        }
    }

    /// The model's size has become known. What was filled in for a model of that size stays; in place of another model the
    /// rate follows.
    pub fn know_scale(&mut self, scale: Scale) {
        match self.scale.replace(scale) {
            Some(before) if before != scale => self.follow_method(),
            Some(_) => {}
            None => self.rate_edited |= !self.has_usual_rate(),
        }
    }

    fn has_usual_rate(&self) -> bool {
        self.learning_rate.trim().parse::<f64>().is_ok_and(|rate| (rate - self.usual_rate()).abs() < 1e-12)
    }

    /// Other training rows were named: the validation file that belongs to them comes along, or none, unless somebody has
    /// chosen one.
    pub fn follow_rows(&mut self, companion: Option<String>) {
        if !self.validation_chosen {
            self.validation = companion.unwrap_or_default();
        }
    }

    /// The recipes that the method can take.
    pub fn recipes(&self) -> impl Iterator<Item = &'static Recipe> {
        let method = self.method(0);
        RECIPES.iter().filter(move |recipe| recipe.fits(&method, self.task))
    }

    /// The recipe that is in force, if it is one.
    pub fn recipe(&self) -> Option<&'static Recipe> {
        let rate = self.learning_rate.trim().parse::<f64>().ok()?;
        let (method, training) = (self.method(0), self.training_config(rate));
        self.recipes().find(|recipe| {
            let (mut with_method, mut with_training) = (method.clone(), training.clone());
            let applied = recipe.apply(&mut with_method, self.task, &mut with_training);
            applied.is_ok() && (&with_method, &with_training) == (&method, &training)
        })
    }

    /// Fills in what a recipe decides.
    pub fn take_recipe(&mut self, recipe: &Recipe) {
        let (mut method, mut training) = (self.method(0), self.training_config(self.usual_rate()));
        if recipe.apply(&mut method, self.task, &mut training).is_err() {
            return;
        }
        self.take_method(&method);
        self.extent = if training.steps > 0 { Extent::Steps } else { Extent::Epochs };
        self.warm_up = if training.warmup_share > 0.0 { WarmUp::Share } else { WarmUp::Steps };
        (self.clip, self.clip_norm) = (training.clip_norm.is_some(), training.clip_norm.unwrap_or(self.clip_norm));
        self.learning_rate = crate::text::scientific(training.learning_rate);
        self.training = training;
        self.rate_edited = !self.has_usual_rate();
    }

    /// How the engine is asked to train.
    fn training_config(&self, learning_rate: f64) -> TrainingConfig {
        TrainingConfig {
            steps: if self.extent == Extent::Steps { self.training.steps.max(1) } else { 0 },
            learning_rate,
            warmup_steps: if self.warm_up == WarmUp::Steps { self.training.warmup_steps } else { 0 },
            warmup_share: if self.warm_up == WarmUp::Share { self.training.warmup_share } else { 0.0 },
            clip_norm: self.clip.then_some(self.clip_norm),
            patience: self.early_stopping.then_some(self.patience),
            ..self.training.clone()
        }
    }

    /// What the engine would refuse is shown at the last field.
    pub(super) fn config(&self, learning_rate: f64, encoder_layers: usize) -> Result<RunConfig, Issue> {
        let training = self.training_config(learning_rate);
        let mut config = RunConfig {
            name: self.name.trim().to_owned(),
            model: typed(&self.model),
            device: self.device,
            precision: self.precision,
            seed: self.seed,
            task: self.task,
            head: self.head,
            data: self.data_config(),
            method: self.method(encoder_layers),
            lora: self.tuning.beside(),
            training,
        };
        if config.name.is_empty() {
            config.name = default_name(&config);
        }
        config.check().map_err(|error| Issue { field: Field::Epochs, sentence: tell(&error.sentence()) })?;
        Ok(config)
    }

    /// How many settings differ from those that a new form begins with, among those that are folded away.
    pub fn changed_advanced(&self, usual: &TrainingConfig) -> usize {
        let mine = &self.training;
        [
            mine.accumulation != usual.accumulation,
            mine.gradient_checkpointing != usual.gradient_checkpointing,
            mine.schedule != usual.schedule,
            self.warm_up == WarmUp::Steps && mine.warmup_steps != usual.warmup_steps,
            self.warm_up == WarmUp::Share && mine.warmup_share > 0.0,
            mine.loss != LossReduction::TokenMean,
            mine.optimizer != usual.optimizer,
            mine.eval_every != usual.eval_every,
            mine.sample_rows != usual.sample_rows,
            mine.sample_tokens != usual.sample_tokens,
            !self.clip || (self.clip_norm - 1.0).abs() > 1e-9,
            self.early_stopping,
            self.seed != 42,
        ]
        .into_iter()
        .filter(|changed| *changed)
        .count()
    }
}

#[cfg(test)]
mod tests {
    use engine::config::{
        FewShotConfig, FullConfig, LoraBias, LoraConfig, OptimizerConfig, PrefixInit, PromptConfig, PromptEncoder,
        PromptEncoderKind, PromptInit, SgdConfig,
    };
    use engine::models::{LinearName, Role};

    use super::super::check::Facts;
    use super::super::tuning::Targets;
    use super::*;

    fn ready() -> Draft {
        Draft { model: "/models/a".into(), train: "/data/a.jsonl".into(), ..Draft::default() }
    }

    fn gpt2() -> ModelSummary {
        ModelSummary {
            folder: "/models/a".into(),
            architecture: "GPT2LMHeadModel".into(),
            n_layers: 12,
            encoder_layers: 0,
            d_model: 768,
            n_heads: 12,
            n_kv_heads: 12,
            d_head: 64,
            n_positions: 1024,
            vocab_size: 50_257,
            d_ff: 3072,
            parameters: 124_439_808,
            dtype: "F32".into(),
            file_bytes: 500_000_000,
            largest_tensor_bytes: 154_389_504,
            tasks: Vec::new(),
            own_head: None,
            embedding_width: 768,
            weights: Vec::new(),
            linears: Vec::new(),
            notice: None,
        }
    }

    #[test]
    fn the_first_thing_missing_is_the_model() {
        let issues = Draft::default().check(Facts::default()).unwrap_err();
        assert_eq!(issues[0].field, Field::Model);
        assert_eq!(issues[1].field, Field::Train);
    }

    #[test]
    fn a_complete_form_is_a_run_with_a_name() {
        let config = ready().check(Facts::default()).unwrap();
        assert_eq!(config.name, "prefix 20 · a");
        assert_eq!(config.training.learning_rate, 5e-3);
        assert_eq!(Draft::from(&config).check(Facts::default()).unwrap(), config);
    }

    #[test]
    fn the_learning_rate_follows_method_and_optimizer_until_it_is_typed() {
        let mut draft = ready();
        draft.reparameterise = true;
        draft.follow_method();
        assert_eq!(draft.learning_rate, "1e-4");
        draft.training.optimizer = OptimizerConfig::Sgd(SgdConfig::default());
        draft.follow_method();
        assert_eq!(draft.learning_rate, "0.1");
        draft.learning_rate = "1e-3".into();
        draft.rate_edited = true;
        draft.reparameterise = false;
        draft.follow_method();
        assert_eq!(draft.learning_rate, "1e-3");
    }

    #[test]
    fn the_rate_that_is_offered_is_the_one_that_suits_a_model_of_that_size() {
        let mut draft = ready();
        draft.know_scale(Scale::Usual);
        assert_eq!((draft.learning_rate.as_str(), draft.rate_edited), ("5e-3", false));
        draft.know_scale(Scale::Small);
        assert_eq!(draft.learning_rate, "0.02", "another model, another rate");
        draft.tuning.kind = Kind::Lora;
        draft.follow_method();
        assert_eq!(draft.learning_rate, "4e-3");
        draft.learning_rate = "7e-3".into();
        draft.rate_edited = true;
        draft.know_scale(Scale::Usual);
        assert_eq!(draft.learning_rate, "7e-3", "somebody typed it");
    }

    #[test]
    fn a_duplicate_keeps_the_rate_of_its_run_whatever_the_model_turns_out_to_be() {
        let mut config = ready().check(Facts::default()).unwrap();
        for (rate, scale, edited) in [
            (5e-3, Scale::Usual, false),
            (5e-3, Scale::Small, true),
            (2e-2, Scale::Small, false),
            (0.3, Scale::Small, true),
        ] {
            config.training.learning_rate = rate;
            let mut draft = Draft::from(&config);
            draft.know_scale(scale);
            assert_eq!((draft.learning_rate.parse(), draft.rate_edited), (Ok(rate), edited), "{rate} {scale:?}");
        }
    }

    #[test]
    fn validation_rows_follow_the_training_rows_until_somebody_chooses_some() {
        let mut draft = Draft { validation: "/starter/validation.jsonl".into(), ..ready() };
        draft.follow_rows(None);
        assert_eq!(draft.validation, "");
        draft.follow_rows(Some("/b/dev.csv".into()));
        assert_eq!(draft.validation, "/b/dev.csv");
        draft.validation_chosen = true;
        draft.follow_rows(None);
        assert_eq!(draft.validation, "/b/dev.csv");
    }

    #[test]
    fn every_method_comes_back_from_the_form_as_it_went_in() {
        let prefix = PrefixConfig { n_virtual: 7, dropout: 0.1, ..PrefixConfig::default() };
        let network = Reparameterisation { width: 64, activation: MlpActivation::Gelu, hidden_layers: 2 };
        let words = PrefixConfig { init: PrefixInit::Words { text: "a b".into() }, ..prefix.clone() };
        let prompt = |init| MethodConfig::Prompt(PromptConfig { n_virtual: 9, init, ..PromptConfig::default() });
        let encoded = |kind, width| {
            let encoder = Some(PromptEncoder { kind, width, layers: 3 });
            MethodConfig::Prompt(PromptConfig { encoder, ..PromptConfig::default() })
        };
        let lora = LoraConfig { rank: 4, alpha: 32.0, dropout: 0.1, rank_stabilised: true, ..LoraConfig::default() };
        let named = LoraConfig { targets: Some(vec!["c_attn".into(), r"h\.\d{1,2}\.mlp".into()]), ..lora.clone() };
        let everywhere =
            LoraConfig { targets: Some(vec!["all-linear".into()]), bias: LoraBias::All, ..LoraConfig::default() };
        let full = |top_layers| MethodConfig::Full(FullConfig { top_layers });
        let methods = [
            MethodConfig::Prefix(prefix.clone()),
            MethodConfig::Prefix(PrefixConfig { reparameterisation: Some(network), ..prefix }),
            MethodConfig::Prefix(PrefixConfig { n_frozen: 2, ..words.clone() }),
            MethodConfig::Prefix(PrefixConfig { layers: Some(vec![0, 1, 2, 7]), infix: true, ..words.clone() }),
            MethodConfig::Prefix(words),
            prompt(PromptInit::ScaledRandom),
            prompt(PromptInit::Random),
            prompt(PromptInit::Zero),
            prompt(PromptInit::Vocabulary),
            prompt(PromptInit::Frequent),
            prompt(PromptInit::Classes),
            prompt(PromptInit::Words { text: "say it".into() }),
            encoded(PromptEncoderKind::Mlp, None),
            encoded(PromptEncoderKind::Lstm, Some(33)),
            encoded(PromptEncoderKind::Tanh, Some(33)),
            MethodConfig::Lora(lora),
            MethodConfig::Lora(named.clone()),
            MethodConfig::Lora(everywhere),
            full(None),
            full(Some(3)),
            full(Some(0)),
            MethodConfig::FewShot(FewShotConfig { instruction: "Say it.\n".into(), shots: 2 }),
        ];
        for method in methods {
            let task = match &method {
                MethodConfig::FewShot(_) => None,
                _ => Some(Task::SequenceClassification),
            };
            let beside = matches!(method, MethodConfig::Prefix(_) | MethodConfig::Prompt(_));
            for lora in [None, beside.then(|| named.clone())] {
                let plain = ready().check(Facts::default()).unwrap();
                let config = RunConfig { method: method.clone(), lora, task, ..plain };
                assert_eq!(Draft::from(&config).check(Facts::default()).as_ref(), Ok(&config), "{method:?}");
            }
        }
    }

    #[test]
    fn the_rate_and_the_presets_are_those_of_the_method() {
        let mut draft = ready();
        let usual = [
            (Kind::Prompt, "1e-3"),
            (Kind::PTuning, "1e-4"),
            (Kind::Lora, "2e-4"),
            (Kind::Full, "5e-5"),
            (Kind::HeadOnly, "1e-3"),
        ];
        for (kind, rate) in usual {
            draft.tuning.kind = kind;
            draft.follow_method();
            assert_eq!(draft.learning_rate, rate, "{kind:?}");
        }
        draft.tuning.kind = Kind::Lora;
        let names: Vec<&str> = draft.recipes().map(|recipe| recipe.name).collect();
        assert_eq!(names, ["lora-gpt2-e2e"]);
        draft.take_recipe(Recipe::named("lora-gpt2-e2e").unwrap());
        assert_eq!(draft.recipe().map(|recipe| recipe.name), Some("lora-gpt2-e2e"));
        assert_eq!((draft.tuning.lora.config.rank, draft.tuning.kind), (4, Kind::Lora));
    }

    #[test]
    fn what_a_method_lacks_is_said_at_its_field() {
        let model = ModelSummary {
            architecture: "gpt2".into(),
            linears: vec![LinearName {
                name: "h.0.attn.c_attn".into(),
                d_in: 4,
                d_out: 12,
                is_in_out: true,
                role: Role::Layer,
            }],
            ..gpt2()
        };
        let first = |change: fn(&mut Draft)| {
            let mut draft = ready();
            change(&mut draft);
            draft.check(Facts { model: Some(&model), ..Facts::default() }).unwrap_err()[0].field
        };
        assert_eq!(first(|draft| draft.tuning.kind = Kind::HeadOnly), Field::Method);
        let silent = |draft: &mut Draft| (draft.tuning.kind, draft.tuning.text.shots) = (Kind::Text, 0);
        assert_eq!(first(silent), Field::Text);
        assert_eq!(first(|draft| draft.layers = "some".into()), Field::Layers);
        assert_eq!(first(|draft| draft.layers = "6-13".into()), Field::Layers, "there are twelve");
        let name = |draft: &mut Draft, name: &str| {
            (draft.tuning.with_lora, draft.tuning.lora.targets) = (true, Targets::Named);
            draft.tuning.lora.names = name.into();
        };
        let mut draft = ready();
        for (typed, right) in [("", false), ("q_proj", false), ("c_attn", true)] {
            name(&mut draft, typed);
            let checked = draft.check(Facts { model: Some(&model), ..Facts::default() });
            assert_eq!(checked.is_ok(), right, "{typed:?}");
            assert!(right || checked.unwrap_err()[0].field == Field::Targets);
        }
    }

    #[test]
    fn a_recipe_fills_the_form_and_is_in_force_until_something_of_it_changes() {
        let mut draft = ready();
        assert_eq!(draft.recipe(), None);
        let names: Vec<&str> = draft.recipes().map(|recipe| recipe.name).collect();
        assert!(names.contains(&"prefix-gpt2-e2e") && !names.contains(&"lora-gpt2-e2e"), "{names:?}");
        for name in ["prefix-gpt2-e2e", "prefix-gpt2-low-data", "chatglm"] {
            draft.take_recipe(Recipe::named(name).unwrap());
            assert_eq!(draft.recipe().map(|recipe| recipe.name), Some(name));
        }
        assert!(draft.rate_edited && !draft.reparameterise && draft.extent == Extent::Steps);
        let config = draft.check(Facts::default()).unwrap();
        assert_eq!((config.training.accumulation, config.training.learning_rate), (16, 2e-2));
        draft.n_virtual = 20;
        assert_eq!(draft.recipe(), None);
    }

    #[test]
    fn a_warm_up_is_given_in_steps_or_as_a_share() {
        let mut draft = ready();
        (draft.training.warmup_steps, draft.training.warmup_share) = (30, 0.1);
        let warm_up = |draft: &Draft| {
            let training = draft.check(Facts::default()).unwrap().training;
            (training.warmup_steps, training.warmup_share)
        };
        assert_eq!(warm_up(&draft), (30, 0.0));
        draft.warm_up = WarmUp::Share;
        assert_eq!(warm_up(&draft), (0, 0.1));
    }

    #[test]
    fn a_prefix_that_leaves_no_room_is_refused_with_the_numbers() {
        let model = gpt2();
        let facts = Facts { model: Some(&model), ..Facts::default() };
        let issues = Draft { n_virtual: 1024, ..ready() }.check(facts).unwrap_err();
        assert!(issues[0].field == Field::Prefix && issues[0].sentence.contains("1024"));
        let long = Draft { limit_tokens: true, max_tokens: 1010, ..ready() };
        assert_eq!(long.check(facts).unwrap_err()[0].field, Field::MaxTokens);
    }

    #[test]
    fn places_count_only_where_the_model_has_an_encoder() {
        let sites = |draft: &Draft, model: &ModelSummary| {
            let facts = Facts { model: Some(model), ..Facts::default() };
            draft.check(facts).map(|config| config.method.prefix().unwrap().sites.clone())
        };
        let t5 = ModelSummary { encoder_layers: 12, ..gpt2() };
        let two = Draft { sites: vec![Site::Encoder, Site::Cross], ..ready() };
        assert_eq!(sites(&ready(), &t5), Ok(None), "all of them is what happens anyway");
        assert_eq!(sites(&two, &t5), Ok(Some(vec![Site::Encoder, Site::Cross])));
        assert_eq!(sites(&two, &gpt2()), Ok(None));
        assert_eq!(sites(&Draft { sites: vec![], ..ready() }, &t5).unwrap_err()[0].field, Field::Sites);
    }

    #[test]
    fn a_learning_rate_that_is_no_number_is_named() {
        for typed in ["", "fast", "-1", "nan", "inf", "0"] {
            let issues = Draft { learning_rate: typed.into(), ..ready() }.check(Facts::default()).unwrap_err();
            assert_eq!(issues[0].field, Field::LearningRate, "{typed}");
        }
    }
}
