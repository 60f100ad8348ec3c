//! The matrices that are trained of a model, and the biases, whole modules and rows of single tokens beside them.

use std::borrow::Cow;

use crate::adapters::AdapterSpec;
use crate::adapters::methods::full::WeightsSpec;
use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::lora::patterns::{Pattern, Patterns};
use crate::adapters::methods::lora::{ALL_LINEAR, Lora, is_of_a_head, last_names};
use crate::adapters::methods::{AdapterPart, Method, NamedShape, PartSpec, Spec};
use crate::adapters::parameters::Parameter;
use crate::config::{LoraBias, LoraConfig, LoraInit, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::{LinearName, ModelFacts, Role, WeightName, is_shared_table, lora_targets, tied_head};
use crate::{Sentence, sentence};

/// The sizes of the matrices, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraSpec {
    /// Settings of the matrices.
    pub config: LoraConfig,
    /// The layers that have matrices.
    pub layers: Vec<LoraLayer>,
    /// The tables of which rows for single tokens are trained.
    pub tables: Vec<TokenTable>,
}

/// A table of embeddings and the tokens whose rows of it are trained.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenTable {
    /// The table.
    pub table: LinearName,
    /// The tokens.
    pub tokens: Vec<u32>,
}

/// A layer that has matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraLayer {
    /// The layer.
    pub linear: LinearName,
    /// Rank of its matrices.
    pub rank: usize,
    /// Factor of what the matrices add.
    pub scale: f64,
}

impl AdapterSpec {
    /// The adapter's matrices of low rank.
    pub fn lora(&self) -> Option<&LoraSpec> {
        self.parts.iter().find_map(|part| match part {
            PartSpec::Lora(lora) => Some(lora),
            _ => None,
        })
    }
}

impl LoraSpec {
    /// The layers that a configuration names, of a model.
    ///
    /// # Errors
    /// [`EngineError::Setting`] if there is none, or a pattern is not well formed.
    pub fn new(config: &LoraConfig, architecture: &str, linears: &[LinearName]) -> Result<Self> {
        let wrong = |reason: Sentence| EngineError::Setting { field: "lora.targets", reason };
        let default: Vec<String> = lora_targets(architecture).iter().map(|&name| name.to_owned()).collect();
        let targets = config.targets.as_ref().unwrap_or(&default);
        let is_all = targets.iter().any(|target| target == ALL_LINEAR);
        let patterns = Pattern::each(targets, "").map_err(wrong)?;
        let chosen = |linear: &&LinearName| {
            let is_of_all = is_all && linear.role == Role::Layer && !is_of_a_head(&linear.name);
            is_of_all || patterns.iter().any(|pattern| pattern.is_match(&linear.name))
        };
        let named = |field| move |reason: Sentence| EngineError::Setting { field, reason };
        let ranks = Patterns::new(&config.rank_pattern).map_err(named("lora.rank_pattern"))?;
        let alphas = Patterns::new(&config.alpha_pattern).map_err(named("lora.alpha_pattern"))?;
        let layer = |linear: &LinearName| {
            let rank = ranks.for_name(&linear.name).unwrap_or(config.rank);
            let alpha = alphas.for_name(&linear.name).unwrap_or(config.alpha);
            LoraLayer { linear: linear.clone(), rank, scale: config.scale(rank, alpha) }
        };
        let layers: Vec<LoraLayer> = linears.iter().filter(chosen).map(layer).collect();
        if layers.is_empty() {
            let known = last_names(linears).join(", ");
            return Err(wrong(sentence!(
                "no layer is called {targets}; there are {known}",
                targets = targets.join(", "),
                known
            )));
        }
        if config.dropout > 0.0 && layers.iter().any(|layer| layer.linear.role == Role::Head) {
            let reason =
                sentence!("what a head reads cannot be left out at random: set it to 0, or leave the head out");
            return Err(EngineError::Setting { field: "lora.dropout", reason });
        }
        Ok(Self { config: config.clone(), layers, tables: token_tables(config, linears)? })
    }
}

impl Spec for LoraSpec {
    fn parameter_shapes(&self) -> Vec<NamedShape> {
        let of = |LoraLayer { linear, rank, .. }: &LoraLayer| {
            let LinearName { name, d_in, d_out, .. } = linear;
            let named = |end: &str, shape: [usize; 2]| (Cow::Owned(format!("{name}.{end}")), shape.to_vec());
            match linear.role {
                Role::Layer | Role::Head => {
                    [named("lora_A.weight", [*rank, *d_in]), named("lora_B.weight", [*d_out, *rank])]
                }
                // A column for each token, and what becomes of it.
                Role::Embeddings => {
                    [named("lora_embedding_A", [*rank, *d_out]), named("lora_embedding_B", [*d_in, *rank])]
                }
            }
        };
        let rows = |TokenTable { table, tokens }: &TokenTable| {
            let name = format!("{}.token_adapter.trainable_tokens_delta", table.name);
            (Cow::Owned(name), vec![tokens.len(), table.d_in])
        };
        self.layers.iter().flat_map(of).chain(self.tables.iter().map(rows)).collect()
    }

    fn with_parameters(&self, parameters: Vec<Parameter>) -> AdapterPart {
        AdapterPart::Lora(Lora { spec: self.clone(), parameters })
    }

    fn initial(&self, from: &InitContext<'_>) -> Result<AdapterPart> {
        Lora::initial(self, from).map(AdapterPart::Lora)
    }
}

impl Method for LoraConfig {
    /// Matrices, and the weights beside them that are trained whole.
    fn specs(&self, model: &dyn ModelFacts, _: &TaskRecord) -> Result<Vec<PartSpec>> {
        let (linears, weights) = (model.linear_names(), model.weight_names());
        let spec = LoraSpec::new(self, model.architecture(), &linears)?;
        let chosen = |weight: &WeightName| match (self.bias, weight.name.strip_suffix(".bias")) {
            (LoraBias::None, _) | (_, None) => false,
            (LoraBias::All, Some(_)) => true,
            (LoraBias::LoraOnly, Some(module)) => spec.layers.iter().any(|layer| layer.linear.name == module),
        };
        let tied = tied_head(&linears, &weights);
        let saved = |weight: &WeightName| {
            let module = weight.name.rsplit_once('.').map_or("", |(module, _)| module);
            self.saves(module)
        };
        let beside: Vec<WeightName> =
            weights.iter().chain(&tied).filter(|&weight| chosen(weight) || saved(weight)).cloned().collect();
        check_saved(self, &spec, &beside)?;
        let starts_from = match &self.init {
            LoraInit::Fresh => None,
            LoraInit::Adapter { path } => Some(path.clone()),
        };
        let beside = (!beside.is_empty()).then_some(PartSpec::Weights(WeightsSpec { weights: beside, starts_from }));
        Ok(std::iter::once(PartSpec::Lora(spec)).chain(beside).collect())
    }
}

/// Refuses modules to save that are not there, and those that have matrices too.
fn check_saved(lora: &LoraConfig, spec: &LoraSpec, saved: &[WeightName]) -> Result<()> {
    let wrong = |reason: Sentence| EngineError::Setting { field: "lora.modules_to_save", reason };
    for end in &lora.modules_to_save {
        let alone = LoraConfig { modules_to_save: vec![end.clone()], ..LoraConfig::default() };
        let is_it = |weight: &WeightName| weight.name.rsplit_once('.').is_some_and(|(module, _)| alone.saves(module));
        if !saved.iter().any(is_it) {
            return Err(wrong(sentence!("no module of the model is called {end}", end)));
        }
    }
    if let Some(table) = saved.iter().find(|weight| is_shared_table(&weight.name)) {
        let name = &table.name;
        return Err(wrong(sentence!(
            "{name} is read under other names, and PEFT trains a copy that nothing reads",
            name
        )));
    }
    match spec.layers.iter().find(|layer| lora.saves(&layer.linear.name)) {
        Some(layer) => {
            Err(wrong(sentence!("{linear} has matrices and cannot be trained whole too", linear = layer.linear.name)))
        }
        None => Ok(()),
    }
}

/// The tables whose rows a configuration names.
fn token_tables(config: &LoraConfig, linears: &[LinearName]) -> Result<Vec<TokenTable>> {
    let wrong = |reason: Sentence| EngineError::Setting { field: "lora.trained_tokens", reason };
    let of = |linear: &LinearName| {
        let tokens = config.tokens_of(&linear.name).filter(|_| linear.role == Role::Embeddings)?;
        Some(TokenTable { table: linear.clone(), tokens: tokens.clone() })
    };
    let tables: Vec<TokenTable> = linears.iter().filter_map(of).collect();
    if tables.len() < config.trained_tokens.len() {
        let known: Vec<&str> = linears
            .iter()
            .filter(|linear| linear.role == Role::Embeddings)
            .map(|linear| linear.name.as_str())
            .collect();
        return Err(wrong(sentence!(
            "rows are trained of a table of embeddings; there is {known}",
            known = known.join(", ")
        )));
    }
    for TokenTable { table, tokens } in &tables {
        if let Some(token) = tokens.iter().find(|&&token| token as usize >= table.d_out) {
            return Err(wrong(sentence!(
                "there is no token {token}: the model has {d_out}",
                token,
                d_out = table.d_out
            )));
        }
        if config.saves(&table.name) {
            return Err(wrong(sentence!("{table} is trained whole (lora.modules_to_save)", table = table.name)));
        }
    }
    Ok(tables)
}
