//! LoRA: trained matrices of low rank beside linear layers of the frozen model.
//! Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models".
//! Names and scales as in huggingface/peft: src/peft/tuners/lora/layer.py.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::adapters::folded::{FoldedLora, LoraMatrices};
use crate::adapters::parameters::{Parameter, Trainables};
use crate::adapters::patterns::{Pattern, Patterns};
use crate::config::LoraConfig;
use crate::error::{EngineError, Result};
use crate::models::{LinearName, Tuned};
use crate::nn::{Dropout, LowRank};

/// The sizes of the matrices, and how they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraShape {
    /// Its settings.
    pub config: LoraConfig,
    /// The layers that have matrices.
    pub layers: Vec<LoraLayer>,
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
    /// `lora_A` and `lora_B` of each layer in turn.
    pub parameters: Vec<Parameter>,
}

/// Every linear layer but the heads.
pub const ALL_LINEAR: &str = "all-linear";

impl LoraShape {
    /// The layers that a configuration names, of a model.
    ///
    /// # Errors
    /// [`EngineError::Setting`] if there is none, or a pattern is not well formed.
    pub fn new(config: &LoraConfig, architecture: &str, linears: &[LinearName]) -> Result<Self> {
        let wrong = |reason: String| EngineError::Setting { field: "lora.targets", reason };
        let default: Vec<String> = default_targets(architecture).iter().map(|&name| name.to_owned()).collect();
        let targets = config.targets.as_ref().unwrap_or(&default);
        let is_all = targets.iter().any(|target| target == ALL_LINEAR);
        let patterns = Pattern::each(targets, "").map_err(wrong)?;
        let chosen = |linear: &&LinearName| {
            (is_all && !is_of_a_head(&linear.name)) || patterns.iter().any(|pattern| pattern.is_match(&linear.name))
        };
        let named = |field| move |reason: String| EngineError::Setting { field, reason };
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
            return Err(wrong(format!("no linear layer is called {}; there are {known}", targets.join(", "))));
        }
        Ok(Self { config: config.clone(), layers })
    }

    /// Names and shapes of what is trained.
    pub fn parameter_shapes(&self) -> Vec<(Cow<'static, str>, Vec<usize>)> {
        let of = |LoraLayer { linear, rank, .. }: &LoraLayer| {
            [
                (Cow::Owned(format!("{}.lora_A.weight", linear.name)), vec![*rank, linear.d_in]),
                (Cow::Owned(format!("{}.lora_B.weight", linear.name)), vec![linear.d_out, *rank]),
            ]
        };
        self.layers.iter().flat_map(of).collect()
    }
}

impl Lora {
    /// As PEFT draws them: A uniform in ±1/sqrt(d_in), B zeros, so that the model is the base model at first.
    pub fn fresh(shape: LoraShape, device: &Device, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAM);
        let drawn = |(name, dims): (Cow<'static, str>, Vec<usize>)| {
            let bound = (dims[1] as f32).sqrt().recip();
            let is_first = name.ends_with("lora_A.weight");
            let value = |_| if is_first { random.random_range(-bound..bound) } else { 0.0 };
            let values = (0..dims.iter().product()).map(value).collect();
            Parameter::new(name, dims, values, device)
        };
        Self { parameters: shape.parameter_shapes().into_iter().map(drawn).collect(), shape }
    }

    /// Those of a trained adapter. Where it scales what it adds otherwise, B takes the difference, so that the start is
    /// the same function.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`] if its layers or ranks are others, by name.
    pub(crate) fn start_from(shape: LoraShape, lora: &FoldedLora, device: &Device) -> Result<Self> {
        let mismatch = |reason: String| EngineError::AdapterMismatch { reason };
        let has = |name: &str| shape.layers.iter().any(|layer| layer.linear.name == name);
        if let Some(other) = lora.layers.iter().find(|layer| !has(&layer.name)) {
            return Err(mismatch(format!("it has matrices for {}, which lora.targets leaves out", other.name)));
        }
        let mut parameters = Vec::new();
        for (LoraLayer { linear, rank, scale }, names) in shape.layers.iter().zip(shape.parameter_shapes().chunks(2)) {
            let found = lora.layers.iter().find(|layer| layer.name == linear.name);
            let found = found.ok_or_else(|| mismatch(format!("it has no matrices for {}", linear.name)))?;
            if found.rank != *rank {
                return Err(mismatch(format!("{} has rank {} there, {rank} here", linear.name, found.rank)));
            }
            let b = if (found.scale - scale).abs() < 1e-9 * scale {
                found.b.clone()
            } else {
                found.b.iter().map(|value| (f64::from(*value) * found.scale / scale) as f32).collect()
            };
            for ((name, dims), values) in names.iter().zip([found.a.clone(), b]) {
                parameters.push(Parameter::new(name.clone(), dims.clone(), values, device));
            }
        }
        Ok(Self { shape, parameters })
    }

    /// Adds the matrices to what is changed of a model; `random` draws the dropout of a training step.
    pub(crate) fn condition(&self, leaves: &Trainables, random: Option<&mut impl Rng>, tuned: &mut Tuned) {
        let rate = self.shape.config.dropout;
        let mut random = random.filter(|_| rate > 0.0);
        for (index, LoraLayer { linear, rank, scale }) in self.shape.layers.iter().enumerate() {
            let a = leaves.shaped(2 * index, [*rank, linear.d_in]);
            let b: Tensor<2> = leaves.shaped(2 * index + 1, [linear.d_out, *rank]) * *scale;
            let dropout = random.as_mut().map(|random| Dropout { rate, draw: random.random() });
            tuned.low_rank.insert(linear.name.clone(), LowRank { a, b, dropout });
        }
    }

    /// The matrices as files keep them.
    ///
    /// # Errors
    /// The device failed.
    pub(crate) fn fold(&self) -> Result<FoldedLora> {
        let layers = self.shape.layers.iter().zip(self.parameters.chunks_exact(2));
        let of = |(LoraLayer { linear, rank, scale }, pair): (&LoraLayer, &[Parameter])| {
            Ok(LoraMatrices {
                name: linear.name.clone(),
                rank: *rank,
                d_in: linear.d_in,
                d_out: linear.d_out,
                a: pair[0].to_vec()?,
                b: pair[1].to_vec()?,
                scale: *scale,
            })
        };
        let fan_in_fan_out = self.shape.layers.iter().all(|layer| layer.linear.is_in_out);
        Ok(FoldedLora {
            config: self.shape.config.clone(),
            fan_in_fan_out,
            layers: layers.map(of).collect::<Result<_>>()?,
        })
    }
}

/// The stream of the seed that matrices are drawn from, apart from those of prefixes and heads.
const STREAM: u64 = 1 << 41;

impl FoldedLora {
    /// Adds the matrices to what is changed of a model.
    pub(crate) fn condition(&self, tuned: &mut Tuned, device: &Device) {
        for LoraMatrices { name, rank, d_in, d_out, a, b, scale } in &self.layers {
            let matrix =
                |values: &[f32], dims: [usize; 2]| Tensor::from_data(TensorData::new(values.to_vec(), dims), device);
            let b = matrix(b, [*d_out, *rank]) * *scale;
            tuned.low_rank.insert(name.clone(), LowRank { a: matrix(a, [*rank, *d_in]), b, dropout: None });
        }
    }
}

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
pub fn last_names(linears: &[LinearName]) -> Vec<&str> {
    let mut names: Vec<&str> = linears.iter().filter_map(|linear| linear.name.rsplit('.').next()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
