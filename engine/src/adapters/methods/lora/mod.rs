//! LoRA: trained matrices of low rank beside linear layers, embeddings and heads of the frozen model, and rows for single
//! tokens.
//! Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
//! Names and scales as in huggingface/peft: src/peft/tuners/lora/layer.py.

mod on_base;
pub(crate) mod patterns;
pub mod residual;
mod state;

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use self::state::{LoraMatrices, LoraState, TokenRows};
use crate::adapters::methods::lora::patterns::{Pattern, Patterns};
use crate::adapters::parameters::{Parameter, Trainables};
use crate::config::LoraConfig;
use crate::error::{EngineError, Result};
use crate::models::{LinearName, Role, Rows, Tuned};
use crate::nn::{Dropout, LowRank};
use crate::random::normal;
use crate::{Sentence, sentence};

/// The sizes of the matrices, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraShape {
    /// Its settings.
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
    /// What is added is scaled by this.
    pub scale: f64,
}

/// Matrices in training.
pub struct Lora {
    /// Their sizes.
    pub shape: LoraShape,
    /// `lora_A` and `lora_B` of each layer in turn, then the rows of each table.
    pub parameters: Vec<Parameter>,
}

/// Every linear layer; no embeddings, no heads.
pub const ALL_LINEAR: &str = "all-linear";

impl LoraShape {
    /// The layers that a configuration names, of a model.
    ///
    /// # Errors
    /// [`EngineError::Setting`] if there is none, or a pattern is not well formed.
    pub fn new(config: &LoraConfig, architecture: &str, linears: &[LinearName]) -> Result<Self> {
        let wrong = |reason: Sentence| EngineError::Setting { field: "lora.targets", reason };
        let default: Vec<String> = default_targets(architecture).iter().map(|&name| name.to_owned()).collect();
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

    /// Names and shapes of what is trained.
    pub fn parameter_shapes(&self) -> Vec<(Cow<'static, str>, Vec<usize>)> {
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

impl Lora {
    /// As PEFT draws them: A uniform in ±1/sqrt(d_in), B zeros, of embeddings A zeros and B N(0, 1), so that the model is the
    /// base model at first. `own` are the base model's rows of each table.
    pub fn fresh(shape: LoraShape, own: Vec<Vec<f32>>, device: &Device, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        let mut own = own.into_iter();
        let drawn = |(name, dims): (Cow<'static, str>, Vec<usize>)| {
            let bound = (dims[1] as f32).sqrt().recip();
            let n = 0..dims.iter().product();
            let values: Vec<f32> = match &name {
                name if name.ends_with("lora_A.weight") => n.map(|_| random.random_range(-bound..bound)).collect(),
                name if name.ends_with("lora_embedding_B") => n.map(|_| normal(&mut random)).collect(),
                name if name.ends_with("trainable_tokens_delta") => own.next().unwrap_or_default(),
                _ => vec![0.0; n.end],
            };
            Parameter::new(name, dims, values, device)
        };
        Self { parameters: shape.parameter_shapes().into_iter().map(drawn).collect(), shape }
    }

    /// Those of a trained adapter. Where it scales what it adds otherwise, B takes the difference, so that the start is
    /// the same function.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] if its layers or ranks are others, by name.
    pub(crate) fn start_from(shape: LoraShape, lora: &LoraState, device: &Device) -> Result<Self> {
        let mismatch = |reason: Sentence| EngineError::AdapterMismatch { reason };
        let has = |name: &str| shape.layers.iter().any(|layer| layer.linear.name == name);
        if let Some(other) = lora.layers.iter().find(|layer| !has(&layer.name)) {
            return Err(mismatch(sentence!(
                "it has matrices for {other}, which lora.targets leaves out",
                other = other.name
            )));
        }
        let is_known = |rows: &&TokenRows| {
            shape.tables.iter().any(|known| known.table.name == rows.table && known.tokens == rows.tokens)
        };
        if let Some(rows) = lora.rows.iter().find(|rows| !is_known(rows)) {
            let reason = sentence!("it has rows of {table} that lora.trained_tokens does not name", table = rows.table);
            return Err(mismatch(reason));
        }
        let mut parameters = Vec::new();
        let shapes = shape.parameter_shapes();
        for (LoraLayer { linear, rank, scale }, names) in shape.layers.iter().zip(shapes.chunks(2)) {
            let found = lora.layers.iter().find(|layer| layer.name == linear.name);
            let found =
                found.ok_or_else(|| mismatch(sentence!("it has no matrices for {linear}", linear = linear.name)))?;
            if found.rank != *rank {
                return Err(mismatch(sentence!(
                    "{linear} has rank {rank} there, {wanted} here",
                    linear = linear.name,
                    rank = found.rank,
                    wanted = rank
                )));
            }
            let b = if (found.scale - scale).abs() < 1e-9 * scale {
                found.b.clone()
            } else {
                found.b.iter().map(|value| (f64::from(*value) * found.scale / scale) as f32).collect()
            };
            let values = match linear.role {
                Role::Layer | Role::Head => [found.a.clone(), b],
                Role::Embeddings => [transposed(&b, [linear.d_out, *rank]), transposed(&found.a, [*rank, linear.d_in])],
            };
            for ((name, dims), values) in names.iter().zip(values) {
                parameters.push(Parameter::new(name.clone(), dims.clone(), values, device));
            }
        }
        for (known, (name, dims)) in shape.tables.iter().zip(&shapes[2 * shape.layers.len()..]) {
            let found = lora.rows.iter().find(|rows| rows.table == known.table.name);
            let found =
                found.ok_or_else(|| mismatch(sentence!("it has no rows of {table}", table = known.table.name)))?;
            parameters.push(Parameter::new(name.clone(), dims.clone(), found.values.clone(), device));
        }
        Ok(Self { shape, parameters })
    }

    /// Adds the matrices to what is changed of a model; `random` draws the dropout of a training step.
    pub(crate) fn condition(&self, leaves: &Trainables, random: Option<&mut impl Rng>, tuned: &mut Tuned) {
        let rate = self.shape.config.dropout;
        let mut random = random.filter(|_| rate > 0.0);
        for (index, LoraLayer { linear, rank, scale }) in self.shape.layers.iter().enumerate() {
            let LinearName { d_in, d_out, .. } = *linear;
            let (a, b): (Tensor<2>, Tensor<2>) = match linear.role {
                Role::Layer | Role::Head => {
                    (leaves.shaped(2 * index, [*rank, d_in]), leaves.shaped(2 * index + 1, [d_out, *rank]))
                }
                Role::Embeddings => {
                    let of_tokens: Tensor<2> = leaves.shaped(2 * index, [*rank, d_out]);
                    let of_width: Tensor<2> = leaves.shaped(2 * index + 1, [d_in, *rank]);
                    (of_width.transpose(), of_tokens.transpose())
                }
            };
            let b = b * *scale;
            let dropout = random.as_mut().map(|random| Dropout { rate, draw: random.random() });
            tuned.low_rank.insert(linear.name.clone(), LowRank { a, b, dropout });
        }
        for (index, TokenTable { table, tokens }) in (2 * self.shape.layers.len()..).zip(&self.shape.tables) {
            let values = leaves.shaped(index, [tokens.len(), table.d_in]);
            tuned.rows.insert(format!("{}.weight", table.name), Rows { tokens: tokens.clone(), values });
        }
        tuned.head_apart = !self.shape.config.modules_to_save.is_empty();
    }

    /// The matrices as files keep them.
    ///
    /// # Errors
    /// The device failed.
    pub(crate) fn to_state(&self) -> Result<LoraState> {
        let layers = self.shape.layers.iter().zip(self.parameters.chunks_exact(2));
        let of = |(LoraLayer { linear, rank, scale }, pair): (&LoraLayer, &[Parameter])| {
            let LinearName { name, d_in, d_out, role, .. } = linear.clone();
            let is_embeddings = role == Role::Embeddings;
            let [first, second] = [pair[0].to_vec()?, pair[1].to_vec()?];
            let (a, b) = match is_embeddings {
                false => (first, second),
                true => (transposed(&second, [d_in, *rank]), transposed(&first, [*rank, d_out])),
            };
            Ok(LoraMatrices { name, rank: *rank, d_in, d_out, a, b, scale: *scale, is_embeddings })
        };
        let of_table = |(TokenTable { table, tokens }, parameter): (&TokenTable, &Parameter)| {
            let (table, width) = (table.name.clone(), table.d_in);
            Ok(TokenRows { table, tokens: tokens.clone(), width, values: parameter.to_vec()? })
        };
        let tables = self.shape.tables.iter().zip(&self.parameters[2 * self.shape.layers.len()..]);
        // Embeddings and heads are never the other way round.
        let mut blocks = self.shape.layers.iter().filter(|layer| layer.linear.role == Role::Layer).peekable();
        Ok(LoraState {
            config: self.shape.config.clone(),
            fan_in_fan_out: blocks.peek().is_some() && blocks.all(|layer| layer.linear.is_in_out),
            layers: layers.map(of).collect::<Result<_>>()?,
            rows: tables.map(of_table).collect::<Result<_>>()?,
            residual: None,
            base_copies: Vec::new(),
        })
    }
}

/// The stream of the seed that matrices are drawn from, apart from those of prefixes and heads.
const STREAM: u64 = 1 << 41;

/// The layers that PEFT chooses, and for architectures that it has no choice for those of the same names.
/// huggingface/peft: src/peft/utils/constants.py.
pub fn default_targets(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "gpt2" => &["c_attn"],
        "bloom" | "chatglm" | "gpt_neox" => &["query_key_value"],
        "t5" | "mt5" => &["q", "v"],
        "bert" | "roberta" | "electra" | "albert" => &["query", "value"],
        "distilbert" => &["q_lin", "v_lin"],
        _ => &["q_proj", "v_proj"],
    }
}

/// Whether a module is one of a head that fills masks: it stands outside of the model proper.
pub fn is_of_a_head(name: &str) -> bool {
    ["cls.", "lm_head.", "predictions.", "generator_", "vocab_"].iter().any(|start| name.starts_with(start))
}

/// The last parts of the names of linear layers, each once.
pub fn last_names<'a>(linears: impl IntoIterator<Item = &'a LinearName>) -> Vec<&'a str> {
    let mut names: Vec<&str> = linears.into_iter().filter_map(|linear| linear.name.rsplit('.').next()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The rows of a matrix as columns.
pub(crate) fn transposed(matrix: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column])).collect()
}
