//! LLaMA and its relatives: RMS norm before each part, rotary positions, gated feed-forward, shared key and value heads.
//!
//! `model_type` llama, mistral, qwen2 and qwen3. They differ in biases, in Qwen3's norms of queries and keys, and in
//! their defaults. Positions: those of the pass as given; keys of a prefix are used as stored, never turned.
//! huggingface/transformers: src/transformers/models/{llama,mistral,qwen2,qwen3}/modeling_*.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{
    Activation, AttentionShape, FrozenLinear, FrozenMatrix, QkNorm, RmsNorm, Rotary, SlidingWindow, activation,
};
use crate::{Sentence, sentence};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture =
    Architecture::causal(MODELS, |file| Ok(Box::new(LlamaConfig::parse(file)?)));

/// The models that this file computes.
const MODELS: &[ModelType] = &[
    ModelType::new("llama", "Llama", "LlamaTokenizer"),
    ModelType::new("mistral", "Mistral", ""),
    ModelType::new("qwen2", "Qwen2", "Qwen2Tokenizer"),
    ModelType::new("qwen3", "Qwen3", "Qwen2Tokenizer"),
];

/// `config.json` of this family; fields as Hugging Face names them, a default where only a relative has them.
#[derive(Clone, Debug, Deserialize)]
pub struct LlamaConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    hidden_act: String,
    rms_norm_eps: f64,
    #[serde(skip)]
    rope: RopeSettings,
    #[serde(default)]
    attention_bias: bool,
    #[serde(default)]
    mlp_bias: bool,
    tie_word_embeddings: bool,
    sliding_window: Option<usize>,
    #[serde(default)]
    use_sliding_window: bool,
    #[serde(default)]
    max_window_layers: usize,
    layer_types: Option<Vec<String>>,
    pad_token_id: Option<i64>,
}

/// A kind of layer.
const SLIDING: &str = "sliding_attention";

impl LlamaConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let malformed = |reason: Sentence| file.malformed(reason);
        let config = Self { rope: RopeSettings::read(file)?, ..file.read(&[])? };
        let (heads, kv_heads) = (config.num_attention_heads, config.n_kv_heads());
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", heads),
            ("num_key_value_heads", kv_heads),
            ("head_dim", config.head_dim.unwrap_or(1)),
            ("max_position_embeddings", config.max_position_embeddings),
        ])?;
        if config.head_dim.is_none() {
            file.check_heads(config.hidden_size, heads)?;
        }
        file.check_key_heads(heads, kv_heads)?;
        file.check_turned(config.d_head(), config.d_head())?;
        config.check_options()?;
        let kinds = config.layer_types.iter().filter(|_| config.is_qwen());
        if kinds.clone().any(|kinds| kinds.len() != config.num_hidden_layers) {
            return Err(malformed(sentence!("layer_types does not name each layer's kind")));
        }
        if kinds.flatten().any(|kind| kind == SLIDING) && config.sliding_columns().is_none() {
            return Err(malformed(sentence!("layer_types has a sliding window, and there is none")));
        }
        if config.sliding_columns() == Some(0) {
            return Err(malformed(sentence!("sliding_window is 0")));
        }
        Ok(config)
    }

    /// Refuses options that would be computed otherwise than the reference does.
    fn check_options(&self) -> Result<()> {
        let unsupported = |option, value: &str| {
            Err(EngineError::UnsupportedOption { architecture: self.name(), option, value: value.to_owned() })
        };
        self.activation()?;
        let known: &[&str] = if self.is_qwen() { &["full_attention", SLIDING] } else { &["full_attention"] };
        if let Some(kind) = self.layer_types.iter().flatten().find(|kind| !known.contains(&kind.as_str())) {
            return unsupported("layer_types", kind);
        }
        let share = self.rope.share(1.0);
        if share != 1.0 {
            return unsupported("partial_rotary_factor", &share.to_string());
        }
        self.rope.check(self.name(), self.d_head())
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(self.name(), "hidden_act", &self.hidden_act)
    }

    fn name(&self) -> &'static str {
        MODELS.iter().map(|model| model.name).find(|name| *name == self.model_type).unwrap_or("llama")
    }

    fn is_qwen(&self) -> bool {
        self.name().starts_with("qwen")
    }

    /// The width of the window, where the architecture looks at it.
    fn sliding_columns(&self) -> Option<usize> {
        let looked_at = self.name() == "mistral" || (self.is_qwen() && self.use_sliding_window);
        self.sliding_window.filter(|_| looked_at)
    }

    /// The window and the layers that have one: all of Mistral's, those of Qwen that it names or counts.
    fn window(&self) -> Option<SlidingWindow> {
        let columns = self.sliding_columns()?;
        let layers: Vec<bool> = match &self.layer_types {
            _ if !self.is_qwen() => vec![true; self.num_hidden_layers],
            Some(kinds) => kinds.iter().map(|kind| kind == SLIDING).collect(),
            None => (0..self.num_hidden_layers).map(|layer| layer >= self.max_window_layers).collect(),
        };
        SlidingWindow::hiding(columns, layers, self.n_positions())
    }

    fn n_positions(&self) -> usize {
        self.rope.n_positions(self.max_position_embeddings)
    }

    fn n_kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn d_head(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    /// Qwen2 always has biases here, Mistral never; the others say.
    fn qkv_bias(&self) -> bool {
        self.model_type == "qwen2" || self.o_bias()
    }

    fn o_bias(&self) -> bool {
        self.attention_bias && ["llama", "qwen3"].contains(&self.name())
    }

    /// Only LLaMA's `mlp_bias` is looked at by the reference.
    fn ff_bias(&self) -> bool {
        self.mlp_bias && self.model_type == "llama"
    }

    /// Whether queries and keys are normed head by head.
    fn qk_norm(&self) -> bool {
        self.model_type == "qwen3"
    }
}

impl ModelConfig for LlamaConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: self.name(),
            n_layers: self.num_hidden_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.n_kv_heads(),
            d_head: self.d_head(),
            d_ff: self.intermediate_size,
            vocab_size: self.vocab_size,
            n_positions: self.n_positions(),
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Llama::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "embed_tokens.weight";

struct Block {
    is_windowed: bool,
    input_norm: RmsNorm,
    qkv: FrozenLinear,
    /// Where the architecture has it.
    qk_norm: Option<QkNorm>,
    o_proj: FrozenLinear,
    post_norm: RmsNorm,
    gate_proj: FrozenLinear,
    up_proj: FrozenLinear,
    down_proj: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct Llama {
    shape: ModelShape,
    embed_tokens: FrozenMatrix,
    lookup: EmbeddingOptions,
    blocks: Vec<Block>,
    norm: RmsNorm,
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    window: Option<SlidingWindow>,
    rotary: Rotary,
    activation: Activation,
}

impl Llama {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &LlamaConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, "model.", WORDS);
        let embed_tokens = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let norm = load.rms_norm("norm", shape.d_model, config.rms_norm_eps)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        let (activation, window) = (config.activation()?, config.window());
        let attention = shape.causal_attention();
        let rotary = Rotary::new(
            config.rope.frequencies(shape.d_head),
            shape.n_heads + shape.n_kv_heads,
            shape.d_head,
            weights.device,
        );
        let lookup = EmbeddingOptions { padding: config.pad_token_id, ..EmbeddingOptions::default() };
        Ok(Self { shape, embed_tokens, lookup, blocks, norm, lm_head, attention, window, rotary, activation })
    }
}

fn block(load: &Loader<'_>, config: &LlamaConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model, d_ff, d_head, n_heads, n_kv_heads, .. } = config.shape();
    let at = |name: &str| format!("layers.{layer}.{name}");
    let (queries, keys) = (n_heads * d_head, n_kv_heads * d_head);
    let qkv = [("q", queries), ("k", keys), ("v", keys)].map(|(name, d)| (at(&format!("self_attn.{name}_proj")), d));
    let one = |name: &str, d_in: usize, d_out: usize, bias: bool| load.linear(&at(name), d_in, d_out, bias);
    let norm = |name: &str, d: usize| load.rms_norm(&at(name), d, config.rms_norm_eps);
    let qk_norm = if config.qk_norm() {
        Some(QkNorm { query: norm("self_attn.q_norm", d_head)?, key: norm("self_attn.k_norm", d_head)? })
    } else {
        None
    };
    Ok(Block {
        is_windowed: config.window().is_some_and(|window| window.layers[layer]),
        input_norm: norm("input_layernorm", d_model)?,
        qkv: load.linear_of_parts(&qkv, d_model, config.qkv_bias())?,
        qk_norm,
        o_proj: one("self_attn.o_proj", queries, d_model, config.o_bias())?,
        post_norm: norm("post_attention_layernorm", d_model)?,
        gate_proj: one("mlp.gate_proj", d_model, d_ff, config.ff_bias())?,
        up_proj: one("mlp.up_proj", d_model, d_ff, config.ff_bias())?,
        down_proj: one("mlp.down_proj", d_ff, d_model, config.ff_bias())?,
    })
}

impl CausalModel for Llama {
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
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let qkv = block.qkv.forward(block.input_norm.forward(resid.clone()));
            let qkv = match &block.qk_norm {
                Some(norm) => norm.forward(qkv, &self.attention),
                None => qkv,
            };
            let qkv = self.rotary.forward(qkv, &angles);
            let window = window.as_ref().filter(|_| block.is_windowed);
            let mixed = pass.attention(layer, qkv, &self.attention, window); // [batch, seq, n_heads * d_head]
            resid = resid + pass.attn_out(layer, block.o_proj.forward(mixed));
            let normed = block.post_norm.forward(resid.clone());
            let gate = activation(block.gate_proj.forward(normed.clone()), self.activation); // [batch, seq, d_ff]
            resid = resid + pass.mlp_out(layer, block.down_proj.forward(gate * block.up_proj.forward(normed)));
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| self.norm.forward(resid))
    }

    fn head(&self) -> &FrozenMatrix {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.embed_tokens
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::nn::FrequencyKind;

    fn parse(changes: Value) -> Result<LlamaConfig> {
        let mut json = json!({
            "model_type": "llama", "vocab_size": 50, "hidden_size": 24, "intermediate_size": 30, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        LlamaConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "rope_scaling": { "type": "mrope" } }), "rope_type = mrope"),
            (json!({ "rope_parameters": { "rope_type": "llama3", "factor": 4.0 } }), "rope_type = llama3"),
            (json!({ "model_type": "mistral", "sliding_window": 0 }), "sliding_window is 0"),
            (json!({ "model_type": "qwen2", "layer_types": ["full_attention"] }), "each layer's kind"),
            (json!({ "model_type": "qwen2", "layer_types": ["full_attention", SLIDING] }), "and there is none"),
            (json!({ "model_type": "qwen3", "layer_types": ["chunked_attention"] }), "layer_types = chunked_attention"),
            (json!({ "layer_types": ["full_attention", "sliding_attention"] }), "layer_types = sliding_attention"),
            (json!({ "hidden_act": "swiglu" }), "hidden_act = swiglu"),
            (json!({ "num_key_value_heads": 3 }), "share 3 key and value heads"),
            (json!({ "head_dim": 7 }), "7 of 7 numbers"),
            (json!({ "hidden_size": 0 }), "hidden_size is 0"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_layers_with_a_window_are_those_of_the_reference() {
        let layers = |changes| parse(changes).expect("it is a model").window().map(|window| window.layers);
        let qwen = |changes: Value| {
            let mut json = json!({ "model_type": "qwen2", "sliding_window": 8, "use_sliding_window": true });
            for (key, value) in changes.as_object().into_iter().flatten() {
                json[key] = value.clone();
            }
            layers(json)
        };
        assert_eq!(layers(json!({ "model_type": "mistral", "sliding_window": 8 })), Some(vec![true, true]));
        assert_eq!(qwen(json!({ "max_window_layers": 1 })), Some(vec![false, true]));
        assert_eq!(qwen(json!({ "layer_types": [SLIDING, "full_attention"] })), Some(vec![true, false]));
        assert_eq!(qwen(json!({ "max_window_layers": 2 })), None);
        assert_eq!(qwen(json!({})), None, "the first 28 layers have none");
        assert_eq!(layers(json!({ "model_type": "llama", "sliding_window": 8 })), None, "it is not looked at");
    }

    #[test]
    fn a_window_as_wide_as_the_context_or_switched_off_hides_nothing() {
        let window = |changes| parse(changes).expect("it is a model").window();
        assert_eq!(window(json!({ "model_type": "mistral", "sliding_window": 64 })), None);
        assert_eq!(window(json!({ "model_type": "mistral", "sliding_window": null })), None);
        assert_eq!(window(json!({ "model_type": "qwen2", "sliding_window": 8, "use_sliding_window": false })), None);
        let long = json!({ "model_type": "mistral", "max_position_embeddings": 32768 });
        assert_eq!(window(long).map(|window| window.columns), Some(4096), "where nothing is said");
    }

    #[test]
    fn the_prefix_is_as_wide_as_the_key_heads() {
        let shape = parse(json!({ "head_dim": 10 })).expect("it is a model").shape();
        assert_eq!((shape.n_heads, shape.n_kv_heads, shape.d_head), (4, 2, 10));
        assert_eq!(crate::adapters::PrefixShape::new(3, &shape).stored(), 3 * 2 * 2 * 2 * 10);
    }

    #[test]
    fn old_and_new_names_of_the_rotary_settings_may_stand_side_by_side() {
        let plain = fixed(&parse(json!({})).expect("plain"));
        let halved: Vec<f32> = plain.iter().map(|frequency| frequency / 2.0).collect();
        let linear = json!({ "factor": 2.0, "rope_type": "linear", "type": "linear" });
        for changes in [
            json!({ "rope_scaling": linear, "rope_theta": 10_000.0 }),
            json!({ "rope_scaling": linear, "rope_parameters": linear }),
            json!({ "rope_scaling": {}, "rope_parameters": linear }),
            json!({ "rope_scaling": { "type": "linear", "factor": 2.0 }, "rope_parameters": { "rope_theta": 5.0 } }),
        ] {
            assert_eq!(fixed(&parse(changes.clone()).expect("it is a model")), halved, "{changes}");
        }
        let dynamic = parse(json!({ "rope_scaling": { "type": "dynamic", "factor": 4.0 } })).expect("dynamic");
        assert_eq!(dynamic.shape().n_positions, 4 * 64, "beyond its own positions they are scaled");
    }

    /// Frequencies that are the same for every text, six numbers of a head turned.
    fn fixed(config: &LlamaConfig) -> Vec<f32> {
        let found = config.rope.frequencies(6);
        let FrequencyKind::Fixed(frequencies) = found.kind else { panic!("they are fixed: {found:?}") };
        frequencies
    }

    #[test]
    fn what_a_file_leaves_out_is_what_transformers_takes() {
        // As the first conversions of LLaMA were written.
        let first = json!({
            "architectures": ["LLaMAForCausalLM"], "model_type": "llama", "hidden_size": 16, "intermediate_size": 32,
            "max_sequence_length": 2048, "num_attention_heads": 2, "num_hidden_layers": 2, "pad_token_id": -1,
            "rms_norm_eps": 1e-6, "torch_dtype": "float16", "vocab_size": 50,
        });
        let file = ConfigFile::new(first, std::path::Path::new("config.json"));
        let shape = LlamaConfig::parse(&file).expect("it is a model").shape();
        assert_eq!((shape.n_positions, shape.n_kv_heads, shape.d_head), (2048, 2, 8));
        assert_eq!(file.unread(), [""; 0]);
        let of = |model_type: &str, kv: serde_json::Value| {
            let mut json = json!({ "model_type": model_type, "hidden_size": 64, "num_attention_heads": 32 });
            if !kv.is_null() {
                json["num_key_value_heads"] = kv;
            }
            let file = ConfigFile::new(json, std::path::Path::new("config.json"));
            let shape = LlamaConfig::parse(&file).expect("it is a model").shape();
            (shape.n_kv_heads, shape.d_head)
        };
        assert_eq!(of("llama", Value::Null), (32, 2));
        assert_eq!(of("mistral", Value::Null), (8, 2));
        assert_eq!(of("qwen3", json!(4)), (4, 128));
    }

    #[test]
    fn both_names_of_the_rotary_settings_are_read() {
        let old = parse(json!({ "rope_theta": 500.0, "rope_scaling": { "type": "linear", "factor": 2.0 } }));
        let new = parse(json!({ "rope_parameters": { "rope_type": "linear", "rope_theta": 500.0, "factor": 2.0 } }));
        let (old, new) = (fixed(&old.expect("old")), fixed(&new.expect("new")));
        assert_eq!((old.len(), old[0]), (3, 0.5));
        assert_eq!(old, new);
    }
}
