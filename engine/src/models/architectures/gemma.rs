//! Gemma 1 to 3 (Gemma Team 2024, 2024, 2025): as LLaMA, with scaled embeddings, norms whose scales are kept as their distance
//! from 1, and heads as wide as they like.
//!
//! Gemma 2 norms what each part adds to the stream too, bounds scores and logits, and lets every second layer see the last
//! columns alone. Gemma 3 norms queries and keys in place of the bound on scores, and its layers with a window turn by a base
//! of their own. Keys of a prefix are used as stored, never normed or turned.
//! huggingface/transformers: src/transformers/models/{gemma,gemma2,gemma3}/modeling_*.py.

use burn::tensor::Tensor;
use half::{bf16, f16};
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{
    Activation, AttentionShape, FrozenLinear, FrozenMatrix, Head, Precision, QkNorm, RmsNorm, Rotary, SlidingWindow,
    activation,
};
use crate::{Sentence, sentence};

const GEMMA: &str = "gemma";
const GEMMA2: &str = "gemma2";
const GEMMA3: &str = "gemma3_text";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture =
    Architecture::causal(MODELS, |file| Ok(Box::new(GemmaConfig::parse(file)?)));

/// The models that this file computes.
const MODELS: &[ModelType] = &[
    ModelType::new(GEMMA, "Gemma", ""),
    ModelType::new(GEMMA2, "Gemma2", ""),
    ModelType::new(GEMMA3, "Gemma3Text", ""),
];

/// `config.json` of this family; fields as Hugging Face names them, a default where only a relative has them.
#[derive(Clone, Debug, Deserialize)]
pub struct GemmaConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
    max_position_embeddings: usize,
    hidden_act: Option<String>,
    hidden_activation: Option<String>,
    rms_norm_eps: f64,
    tie_word_embeddings: bool,
    attention_bias: bool,
    pad_token_id: Option<i64>,
    query_pre_attn_scalar: Option<f64>,
    attn_logit_softcapping: Option<f64>,
    final_logit_softcapping: Option<f64>,
    sliding_window: Option<usize>,
    layer_types: Option<Vec<String>>,
    sliding_window_pattern: Option<usize>,
    rope_local_base_freq: Option<f64>,
    use_bidirectional_attention: Option<bool>,
    #[serde(skip)]
    rope: RopeSettings,
    /// Of the layers with a window, where they turn differently.
    #[serde(skip)]
    local_rope: Option<RopeSettings>,
}

/// A kind of layer.
const SLIDING: &str = "sliding_attention";

/// Bases of Gemma 3 where nothing is said: of the layers that see everything, and of those with a window.
const BASES: [f64; 2] = [1_000_000.0, 10_000.0];

/// One layer in so many of Gemma 3 sees everything, where nothing is said.
const PATTERN: usize = 6;

impl GemmaConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let malformed = |reason: Sentence| file.malformed(reason);
        let read: Self = file.read(&[("_sliding_window_pattern", "sliding_window_pattern")])?;
        let [global_base, local_base] = BASES;
        let bases = [global_base, read.rope_local_base_freq.unwrap_or(local_base)];
        let config = if read.name() == GEMMA3 {
            let [rope, local] = RopeSettings::read_by_kind(file, GEMMA3, bases)?;
            Self { rope, local_rope: Some(local), ..read }
        } else {
            Self { rope: RopeSettings::read(file)?, ..read }
        };
        let (heads, kv_heads, d_head) = (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", heads),
            ("num_key_value_heads", kv_heads),
            ("head_dim", d_head),
            ("max_position_embeddings", config.max_position_embeddings),
            ("sliding_window_pattern", config.sliding_window_pattern.unwrap_or(PATTERN)),
        ])?;
        file.check_key_heads(heads, kv_heads)?;
        file.check_turned(d_head, d_head)?;
        config.check_options()?;
        let kinds = config.layer_types.as_ref();
        if kinds.is_some_and(|kinds| kinds.len() != config.num_hidden_layers) {
            return Err(malformed(sentence!("layer_types does not name each layer's kind")));
        }
        if (0..config.num_hidden_layers).any(|layer| config.is_local(layer)) && config.sliding_window.is_none() {
            return Err(malformed(sentence!("layer_types has a sliding window, and there is none")));
        }
        if config.sliding_window == Some(0) {
            return Err(malformed(sentence!("sliding_window is 0")));
        }
        Ok(config)
    }

    /// Refuses options that would be computed otherwise than the reference does.
    fn check_options(&self) -> Result<()> {
        let architecture = self.name();
        let unsupported = |option, value: String| Err(EngineError::UnsupportedOption { architecture, option, value });
        self.activation()?;
        let known: &[&str] = if architecture == GEMMA { &["full_attention"] } else { &["full_attention", SLIDING] };
        if let Some(kind) = self.layer_types.iter().flatten().find(|kind| !known.contains(&kind.as_str())) {
            return unsupported("layer_types", kind.clone());
        }
        if self.use_bidirectional_attention == Some(true) {
            return unsupported("use_bidirectional_attention", "true".to_owned());
        }
        // The reference has some of them in its configuration and computes without.
        let is_computed = |option: &str| match option {
            "attn_logit_softcapping" => architecture == GEMMA2,
            "final_logit_softcapping" => architecture != GEMMA,
            _ => true,
        };
        for (option, number) in [
            ("attn_logit_softcapping", self.attn_logit_softcapping),
            ("final_logit_softcapping", self.final_logit_softcapping),
            ("query_pre_attn_scalar", self.query_pre_attn_scalar),
        ] {
            if let Some(number) = number.filter(|&number| !is_computed(option) || number <= 0.0) {
                return unsupported(option, number.to_string());
            }
        }
        for rope in [&self.rope].into_iter().chain(&self.local_rope) {
            let share = rope.share(1.0);
            if share != 1.0 {
                return unsupported("partial_rotary_factor", share.to_string());
            }
            rope.check(architecture, self.head_dim)?;
        }
        Ok(())
    }

    /// Files may say it under the name that the others have, too. Those of Gemma 1 say `gelu` for its approximation.
    fn activation(&self) -> Result<Activation> {
        const APPROXIMATED: &str = "gelu_pytorch_tanh";
        let architecture = self.name();
        let is_first = architecture == GEMMA;
        let named = |option, name: &str| activation_named(architecture, option, name);
        let meant = |name| if name == "gelu" { APPROXIMATED } else { name };
        let both = [("hidden_act", &self.hidden_act), ("hidden_activation", &self.hidden_activation)];
        let [(option, own), (elsewhere, other)] = if is_first { both } else { [both[1], both[0]] };
        let own = own.as_deref().unwrap_or(APPROXIMATED);
        let kind = named(option, if is_first { meant(own) } else { own })?;
        if let Some(said) = other.as_deref().filter(|said| *said != own)
            && named(elsewhere, meant(said))? != kind
        {
            return Err(EngineError::UnsupportedOption { architecture, option: elsewhere, value: said.to_owned() });
        }
        Ok(kind)
    }

    fn name(&self) -> &'static str {
        MODELS.iter().map(|model| model.name).find(|name| *name == self.model_type).unwrap_or(GEMMA)
    }

    /// Whether a layer sees the last columns alone, and turns by a base of its own where there are two.
    fn is_local(&self, layer: usize) -> bool {
        match (&self.layer_types, self.name()) {
            (_, GEMMA) => false,
            (Some(kinds), _) => kinds.get(layer).is_some_and(|kind| kind == SLIDING),
            (None, GEMMA2) => layer.is_multiple_of(2),
            (None, _) => !(layer + 1).is_multiple_of(self.sliding_window_pattern.unwrap_or(PATTERN)),
        }
    }

    fn window(&self) -> Option<SlidingWindow> {
        let layers = (0..self.num_hidden_layers).map(|layer| self.is_local(layer)).collect();
        SlidingWindow::hiding(self.sliding_window?, layers, self.n_positions())
    }

    fn n_positions(&self) -> usize {
        self.rope.n_positions(self.max_position_embeddings)
    }

    fn attention(&self) -> AttentionShape {
        let width = match self.name() {
            GEMMA => self.head_dim as f64,
            _ => self.query_pre_attn_scalar.unwrap_or(self.head_dim as f64),
        };
        AttentionShape {
            scale: width.sqrt().recip() as f32,
            softcap: self.attn_logit_softcapping.map(|cap| cap as f32),
            ..self.shape().causal_attention()
        }
    }

    /// Whether what a part adds to the stream is normed too.
    fn has_outer_norms(&self) -> bool {
        self.name() != GEMMA
    }

    /// Whether queries and keys are normed head by head.
    fn has_qk_norm(&self) -> bool {
        self.name() == GEMMA3
    }
}

impl ModelConfig for GemmaConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: self.name(),
            n_layers: self.num_hidden_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.num_key_value_heads,
            d_head: self.head_dim,
            d_ff: self.intermediate_size,
            vocab_size: self.vocab_size,
            n_positions: self.n_positions(),
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Gemma::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "embed_tokens.weight";

struct Block {
    is_local: bool,
    input_norm: RmsNorm,
    qkv: FrozenLinear,
    /// Where the architecture has it.
    qk_norm: Option<QkNorm>,
    o_proj: FrozenLinear,
    /// After attention and after the feed-forward, before they are added to the stream.
    outer_norms: Option<(RmsNorm, RmsNorm)>,
    feed_norm: RmsNorm,
    gate_proj: FrozenLinear,
    up_proj: FrozenLinear,
    down_proj: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct Gemma {
    shape: ModelShape,
    embed_tokens: FrozenMatrix,
    lookup: EmbeddingOptions,
    blocks: Vec<Block>,
    norm: RmsNorm,
    lm_head: Option<FrozenMatrix>,
    logit_cap: Option<f32>,
    attention: AttentionShape,
    window: Option<SlidingWindow>,
    rotary: Rotary,
    /// Of the layers with a window, where they turn differently.
    local_rotary: Option<Rotary>,
    activation: Activation,
}

impl Gemma {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &GemmaConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, "model.", WORDS);
        let embed_tokens = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let norm = load.centered_rms_norm("norm", shape.d_model, config.rms_norm_eps)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        let rotary = |rope: &RopeSettings| {
            let frequencies = rope.frequencies(shape.d_head);
            Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device)
        };
        let lookup = EmbeddingOptions {
            scale: Some(embedding_scale(shape.d_model, weights.precision)),
            padding: config.pad_token_id,
            ..EmbeddingOptions::default()
        };
        Ok(Self {
            embed_tokens,
            lookup,
            blocks,
            norm,
            lm_head,
            logit_cap: config.final_logit_softcapping.map(|cap| cap as f32),
            attention: config.attention(),
            window: config.window(),
            rotary: rotary(&config.rope),
            local_rotary: config.local_rope.as_ref().map(rotary),
            activation: config.activation()?,
            shape,
        })
    }
}

/// The root of the width in the numbers that the model runs in: the reference rounds it to them.
fn embedding_scale(d_model: usize, precision: Precision) -> f64 {
    let root = (d_model as f32).sqrt();
    f64::from(match precision {
        Precision::F32 => root,
        Precision::F16 => f16::from_f32(root).to_f32(),
        Precision::Bf16 => bf16::from_f32(root).to_f32(),
    })
}

fn block(load: &Loader<'_>, config: &GemmaConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model, d_ff, d_head, n_heads, n_kv_heads, .. } = config.shape();
    let at = |name: &str| format!("layers.{layer}.{name}");
    let (queries, keys) = (n_heads * d_head, n_kv_heads * d_head);
    let qkv = [("q", queries), ("k", keys), ("v", keys)].map(|(name, d)| (at(&format!("self_attn.{name}_proj")), d));
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, false);
    let norm = |name: &str, d: usize| load.centered_rms_norm(&at(name), d, config.rms_norm_eps);
    let outer = |name: &str| if config.has_outer_norms() { norm(name, d_model).map(Some) } else { Ok(None) };
    // In Gemma 1 the norm behind attention is that before the feed-forward, as in LLaMA.
    let feed_norm = if config.has_outer_norms() { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
    let qk_norm = if config.has_qk_norm() {
        Some(QkNorm { query: norm("self_attn.q_norm", d_head)?, key: norm("self_attn.k_norm", d_head)? })
    } else {
        None
    };
    Ok(Block {
        is_local: config.is_local(layer),
        input_norm: norm("input_layernorm", d_model)?,
        qkv: load.linear_of_parts(&qkv, d_model, config.attention_bias)?,
        qk_norm,
        o_proj: load.linear(&at("self_attn.o_proj"), queries, d_model, config.attention_bias)?,
        outer_norms: outer("post_attention_layernorm")?.zip(outer("post_feedforward_layernorm")?),
        feed_norm: norm(feed_norm, d_model)?,
        gate_proj: linear("mlp.gate_proj", d_model, d_ff)?,
        up_proj: linear("mlp.up_proj", d_model, d_ff)?,
        down_proj: linear("mlp.down_proj", d_ff, d_model)?,
    })
}

impl Block {
    fn feed_forward(&self, x: Tensor<3>, act: Activation) -> Tensor<3> {
        let normed = self.feed_norm.forward(x);
        let gate = activation(self.gate_proj.forward(normed.clone()), act); // [batch, seq, d_ff]
        self.down_proj.forward(gate * self.up_proj.forward(normed))
    }
}

impl CausalModel for Gemma {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn window(&self) -> Option<&SlidingWindow> {
        self.window.as_ref()
    }

    fn rotary(&self) -> Option<&Rotary> {
        Some(&self.rotary)
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let window = pass.window(self.window.as_ref());
        let mut resid = pass.begin(|| pass.tokens.embed_as(&self.embed_tokens, self.lookup)); // [batch, seq, d_model]
        let angles = self.rotary.angles(pass.positions.clone());
        let local_angles = self.local_rotary.as_ref().map(|rotary| rotary.angles(pass.positions.clone()));
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let mut qkv = block.qkv.forward(block.input_norm.forward(resid.clone()));
            if let Some(norm) = &block.qk_norm {
                qkv = norm.forward(qkv, &self.attention);
            }
            let angles = local_angles.as_ref().filter(|_| block.is_local).unwrap_or(&angles);
            let window = window.as_ref().filter(|_| block.is_local);
            let qkv = self.rotary.forward(qkv, angles);
            let mixed = pass.attention(layer, qkv, &self.attention, window); // [batch, seq, n_heads * d_head]
            let mut attended = block.o_proj.forward(mixed);
            if let Some((norm, _)) = &block.outer_norms {
                attended = norm.forward(attended);
            }
            resid = resid + pass.attn_out(layer, attended);
            let mut fed = block.feed_forward(resid.clone(), self.activation); // [batch, seq, d_model]
            if let Some((_, norm)) = &block.outer_norms {
                fed = norm.forward(fed);
            }
            resid = resid + pass.mlp_out(layer, fed);
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| self.norm.forward(resid))
    }

    fn head(&self) -> &FrozenMatrix {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }

    fn logit_head(&self) -> Head {
        Head { softcap: self.logit_cap, ..Head::new(self.head().clone()) }
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.embed_tokens
    }
}

#[cfg(test)]
#[path = "gemma_tests.rs"]
mod tests;
