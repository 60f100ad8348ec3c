//! GLM-4 (Zeng et al. 2024): as LLaMA, with neighboring numbers of each head's first half turned, and the gate of the
//! feed-forward in one matrix with its input. `model_type` glm4 has norms after each part too, and chatglm is the same
//! model as its makers first published it: other names, and queries, keys and values in one matrix (ChatGLM2, ChatGLM3).
//!
//! Keys of a prefix are used as stored, never turned.
//! huggingface/transformers: src/transformers/models/{glm,glm4}/modeling_*.py; of chatglm what its folders' own
//! modeling_chatglm.py computes.

use burn::tensor::Tensor;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, RmsNorm, Rotary, gated};

/// Share of a head that is turned where nothing is said.
const ROTARY_SHARE: f64 = 0.5;

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture =
    Architecture::causal(&[ModelType::new(GLM, "Glm", ""), ModelType::new(GLM4, "Glm4", "")], open);

/// The entry of the first folders, with their own names.
pub(crate) const CHATGLM_ARCHITECTURE: Architecture = Architecture {
    module_root: CHATGLM_NAMES.root,
    embeddings: Some(CHATGLM_NAMES.embeddings),
    head: "transformer.output_layer",
    lora_targets: &["query_key_value"],
    ..Architecture::causal(&[ModelType::new(CHATGLM, "", "ChatGLMTokenizer")], open)
};

fn open(file: &ConfigFile) -> Result<Box<dyn ModelConfig>> {
    Ok(Box::new(GlmConfig::parse(file)?))
}

const GLM: &str = "glm";
const GLM4: &str = "glm4";

/// `config.json` of GLM-4; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct GlmConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    head_dim: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    rms_norm_eps: f64,
    attention_bias: bool,
    tie_word_embeddings: bool,
    pad_token_id: Option<i64>,
    #[serde(skip)]
    rope: RopeSettings,
}

impl GlmConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config: Self = match file.model_type()? {
            CHATGLM => file.read_translated(of_chatglm(file.options())?, &CHATGLM_WORDS)?,
            _ => Self { rope: RopeSettings::read(file)?, ..file.read(&[])? },
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
        ])?;
        file.check_key_heads(heads, kv_heads)?;
        file.check_turned(config.d_rotary(), d_head)?;
        config.activation()?;
        config.rope.check(config.name(), config.d_rotary())?;
        Ok(config)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(self.name(), "hidden_act", &self.hidden_act)
    }

    fn name(&self) -> &'static str {
        [GLM, GLM4, CHATGLM].into_iter().find(|name| *name == self.model_type).unwrap_or(GLM)
    }

    fn has_outer_norms(&self) -> bool {
        self.model_type == GLM4
    }

    fn names(&self) -> &'static Names {
        if self.model_type == CHATGLM { &CHATGLM_NAMES } else { &NAMES }
    }

    fn d_rotary(&self) -> usize {
        (self.head_dim as f64 * self.rope.share(ROTARY_SHARE)) as usize
    }
}

impl ModelConfig for GlmConfig {
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
            n_positions: self.rope.n_positions(self.max_position_embeddings),
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Glm::load(self, weights, progress)?)))
    }
}

const CHATGLM: &str = "chatglm";

/// The words of ChatGLM2 and ChatGLM3 that are looked at, or change nothing that is computed here.
const CHATGLM_WORDS: [&str; 26] = [
    "padded_vocab_size",
    "hidden_size",
    "ffn_hidden_size",
    "num_layers",
    "multi_query_attention",
    "multi_query_group_num",
    "num_attention_heads",
    "kv_channels",
    "seq_length",
    "layernorm_epsilon",
    "add_qkv_bias",
    "tie_word_embeddings",
    "position_encoding_2d",
    "rmsnorm",
    "post_layer_norm",
    "add_bias_linear",
    "apply_residual_connection_post_layernorm",
    "original_rope",
    "rope_ratio",
    "quantization_bit",
    "apply_query_key_layer_scaling",
    "attention_softmax_in_fp32",
    "bias_dropout_fusion",
    "fp32_residual_connection",
    "pre_seq_len",
    "prefix_projection",
];

/// The configuration of ChatGLM2 and ChatGLM3 in GLM's words.
///
/// # Errors
/// An option that is not computed, by name: the first ChatGLM's two-dimensional positions, and a longer context by
/// `rope_ratio`, which its models mean in two ways.
fn of_chatglm(json: &Value) -> Result<Value> {
    let allowed: [(&'static str, &[Value]); 8] = [
        ("position_encoding_2d", &[false.into()]),
        ("rmsnorm", &[true.into()]),
        ("post_layer_norm", &[true.into()]),
        ("add_bias_linear", &[false.into()]),
        ("apply_residual_connection_post_layernorm", &[false.into()]),
        ("original_rope", &[true.into()]),
        ("rope_ratio", &[1.into(), 1.0.into()]),
        ("quantization_bit", &[0.into()]),
    ];
    for (option, values) in allowed {
        if let Some(found) = json.get(option).filter(|found| !found.is_null() && !values.contains(found)) {
            return Err(EngineError::UnsupportedOption { architecture: CHATGLM, option, value: found.to_string() });
        }
    }
    let or = |name: &str, usual: Value| json.get(name).cloned().unwrap_or(usual);
    let heads = or("num_attention_heads", 32.into());
    let is_shared = or("multi_query_attention", false.into()) == true;
    Ok(json!({
        "model_type": CHATGLM,
        "vocab_size": or("padded_vocab_size", 65_024.into()),
        "hidden_size": or("hidden_size", 4096.into()),
        "intermediate_size": or("ffn_hidden_size", 13_696.into()),
        "num_hidden_layers": or("num_layers", 28.into()),
        "num_key_value_heads": if is_shared { or("multi_query_group_num", 1.into()) } else { heads.clone() },
        "num_attention_heads": heads,
        "head_dim": or("kv_channels", 128.into()),
        "max_position_embeddings": or("seq_length", 2048.into()),
        "rms_norm_eps": or("layernorm_epsilon", 1e-5.into()),
        "attention_bias": or("add_qkv_bias", false.into()),
        "tie_word_embeddings": or("tie_word_embeddings", false.into()),
        "hidden_act": "silu",
        "pad_token_id": null,
    }))
}

/// Names of the parts in the files.
struct Names {
    root: &'static str,
    embeddings: &'static str,
    layers: &'static str,
    /// Queries, keys and values: of one matrix, or of three.
    qkv: &'static [&'static str],
    o_proj: &'static str,
    gate_up_proj: &'static str,
    down_proj: &'static str,
    norm: &'static str,
}

const NAMES: Names = Names {
    root: "model.",
    embeddings: "embed_tokens.weight",
    layers: "layers",
    qkv: &["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    o_proj: "self_attn.o_proj",
    gate_up_proj: "mlp.gate_up_proj",
    down_proj: "mlp.down_proj",
    norm: "norm",
};

const CHATGLM_NAMES: Names = Names {
    root: "transformer.",
    embeddings: "embedding.word_embeddings.weight",
    layers: "encoder.layers",
    qkv: &["self_attention.query_key_value"],
    o_proj: "self_attention.dense",
    gate_up_proj: "mlp.dense_h_to_4h",
    down_proj: "mlp.dense_4h_to_h",
    norm: "encoder.final_layernorm",
};

struct Block {
    input_norm: RmsNorm,
    qkv: FrozenLinear,
    o_proj: FrozenLinear,
    /// After attention and after the feed-forward, before they are added to the stream.
    outer_norms: Option<(RmsNorm, RmsNorm)>,
    post_norm: RmsNorm,
    gate_up_proj: FrozenLinear,
    down_proj: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct Glm {
    shape: ModelShape,
    embed_tokens: FrozenMatrix,
    lookup: EmbeddingOptions,
    blocks: Vec<Block>,
    norm: RmsNorm,
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    rotary: Rotary,
    activation: Activation,
}

impl Glm {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &GlmConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let names = config.names();
        let load = Loader::new(weights, names.root, names.embeddings);
        let embed_tokens = load.table(names.embeddings, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let norm = load.rms_norm(names.norm, shape.d_model, config.rms_norm_eps)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = match config.model_type.as_str() {
            CHATGLM => Some(load.table("output_layer.weight", head, Role::Head)?),
            _ => load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(names.embeddings))?,
        };
        progress(1.0)?;
        let (activation, attention) = (config.activation()?, shape.causal_attention());
        let frequencies = config.rope.frequencies(config.d_rotary());
        let rotary =
            Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device).of_neighbors();
        let lookup = EmbeddingOptions { padding: config.pad_token_id, ..EmbeddingOptions::default() };
        Ok(Self { shape, embed_tokens, lookup, blocks, norm, lm_head, attention, rotary, activation })
    }
}

fn block(load: &Loader<'_>, config: &GlmConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model, d_ff, d_head, n_heads, n_kv_heads, .. } = config.shape();
    let names = config.names();
    let at = |name: &str| format!("{}.{layer}.{name}", names.layers);
    let (queries, keys) = (n_heads * d_head, n_kv_heads * d_head);
    let widths = [queries, keys, keys];
    let qkv: Vec<(String, usize)> = match names.qkv {
        [whole] => vec![(at(whole), widths.iter().sum())],
        parts => parts.iter().map(|part| at(part)).zip(widths).collect(),
    };
    let plain = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, false);
    let norm = |name: &str| load.rms_norm(&at(name), d_model, config.rms_norm_eps);
    let outer_norms = if config.has_outer_norms() {
        Some((norm("post_self_attn_layernorm")?, norm("post_mlp_layernorm")?))
    } else {
        None
    };
    Ok(Block {
        input_norm: norm("input_layernorm")?,
        qkv: load.linear_of_parts(&qkv, d_model, config.attention_bias)?,
        o_proj: plain(names.o_proj, queries, d_model)?,
        outer_norms,
        post_norm: norm("post_attention_layernorm")?,
        gate_up_proj: plain(names.gate_up_proj, d_model, 2 * d_ff)?,
        down_proj: plain(names.down_proj, d_ff, d_model)?,
    })
}

impl Block {
    fn feed_forward(&self, x: Tensor<3>, kind: Activation) -> Tensor<3> {
        let gate_up = self.gate_up_proj.forward(self.post_norm.forward(x)); // [batch, seq, 2 * d_ff]
        self.down_proj.forward(gated(gate_up, kind))
    }
}

impl CausalModel for Glm {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn rotary(&self) -> Option<&Rotary> {
        Some(&self.rotary)
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| pass.tokens.embed_as(&self.embed_tokens, self.lookup)); // [batch, seq, d_model]
        let angles = self.rotary.angles(pass.positions.clone());
        let outer = |norm: Option<&RmsNorm>, x: Tensor<3>| match norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let qkv = self.rotary.forward(block.qkv.forward(block.input_norm.forward(resid.clone())), &angles);
            let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, n_heads * d_head]
            let (attention_norm, feed_norm) = block.outer_norms.as_ref().map(|(a, f)| (a, f)).unzip();
            resid = resid + pass.attn_out(layer, outer(attention_norm, block.o_proj.forward(mixed)));
            let fed = block.feed_forward(resid.clone(), self.activation); // [batch, seq, d_model]
            resid = resid + pass.mlp_out(layer, outer(feed_norm, fed));
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

    fn parse(changes: Value) -> Result<GlmConfig> {
        let mut json = json!({
            "model_type": "glm", "vocab_size": 50, "hidden_size": 24, "intermediate_size": 30, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        GlmConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn chatglm_says_its_sizes_in_other_words_and_what_is_not_computed_is_named() {
        let of = |changes: Value| {
            let mut json = json!({
                "model_type": "chatglm", "padded_vocab_size": 50, "hidden_size": 24, "ffn_hidden_size": 30, "num_layers": 2,
                "num_attention_heads": 4, "multi_query_attention": true, "multi_query_group_num": 2, "kv_channels": 8,
                "seq_length": 64, "add_qkv_bias": true, "rope_ratio": 1, "pre_seq_len": 20,
            });
            for (key, value) in changes.as_object().into_iter().flatten() {
                json[key] = value.clone();
            }
            GlmConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
        };
        let config = of(json!({})).expect("it is a model");
        let shape = config.shape();
        assert_eq!((shape.architecture, shape.n_layers, shape.n_kv_heads, shape.d_ff), ("chatglm", 2, 2, 30));
        assert!(config.attention_bias && config.d_rotary() == 4);
        assert_eq!(of(json!({ "multi_query_attention": false })).expect("it is a model").shape().n_kv_heads, 4);
        for (option, value) in [
            ("position_encoding_2d", json!(true)),
            ("rmsnorm", json!(false)),
            ("rope_ratio", json!(50)),
            ("quantization_bit", json!(4)),
            ("original_rope", json!(false)),
        ] {
            let error = of(json!({ option: value })).expect_err(option);
            assert!(error.to_string().contains(option), "{error}");
        }
    }

    #[test]
    fn half_of_a_head_is_turned_where_nothing_is_said() {
        assert_eq!(parse(json!({})).expect("it is a model").d_rotary(), 4);
        assert_eq!(parse(json!({ "partial_rotary_factor": 0.25 })).expect("it is a model").d_rotary(), 2);
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "rope_scaling": { "type": "mrope" } }), "rope_type = mrope"),
            (json!({ "hidden_act": "swiglu" }), "hidden_act = swiglu"),
            (json!({ "num_key_value_heads": 3 }), "cannot share 3 key and value heads"),
            (json!({ "partial_rotary_factor": 2.0 }), "16 of 8 numbers"),
            (json!({ "head_dim": 0 }), "head_dim is 0"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
