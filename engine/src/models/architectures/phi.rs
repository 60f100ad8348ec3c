//! Phi-1, 1.5 and 2 (Li et al. 2023): attention and feed-forward side by side behind one layer norm, biases everywhere, a part
//! of each head turned, and a bias of the logits.
//!
//! Keys of a prefix are used as stored, never turned.
//! huggingface/transformers: src/transformers/models/phi/modeling_phi.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, Head, LayerNorm, Rotary, activation};

const NAME: &str = "phi";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    lora_targets: &["q_proj", "v_proj", "fc1", "fc2"],
    ..Architecture::causal(&[ModelType::new(NAME, "Phi", "GPT2Tokenizer")], |file| {
        Ok(Box::new(PhiConfig::parse(file)?))
    })
};

/// `config.json` of Phi; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct PhiConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    qk_layernorm: bool,
    tie_word_embeddings: bool,
    pad_token_id: Option<i64>,
    #[serde(skip)]
    rope: RopeSettings,
}

/// Share of a head that is turned where nothing is said.
const ROTARY_SHARE: f64 = 0.5;

impl PhiConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name: norms of queries and keys, which no published Phi has.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
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
        let (d_rotary, d_head) = (config.d_rotary(), config.d_head());
        file.check_turned(d_rotary, d_head)?;
        if config.qk_layernorm {
            let (option, value) = ("qk_layernorm", "true".to_owned());
            return Err(EngineError::UnsupportedOption { architecture: NAME, option, value });
        }
        config.activation()?;
        config.rope.check(NAME, d_rotary)?;
        Ok(config)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "hidden_act", &self.hidden_act)
    }

    fn n_kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn d_head(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads.max(1))
    }

    fn d_rotary(&self) -> usize {
        (self.d_head() as f64 * self.rope.share(ROTARY_SHARE)) as usize
    }
}

impl ModelConfig for PhiConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.num_hidden_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.n_kv_heads(),
            d_head: self.d_head(),
            d_ff: self.intermediate_size,
            vocab_size: self.vocab_size,
            n_positions: self.rope.n_positions(self.max_position_embeddings),
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Phi::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "embed_tokens.weight";

struct Block {
    norm: LayerNorm,
    qkv: FrozenLinear,
    dense: FrozenLinear,
    fc1: FrozenLinear,
    fc2: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct Phi {
    shape: ModelShape,
    embed_tokens: FrozenMatrix,
    lookup: EmbeddingOptions,
    blocks: Vec<Block>,
    norm: LayerNorm,
    lm_head: Option<FrozenMatrix>,
    logit_bias: Option<Tensor<1>>,
    attention: AttentionShape,
    rotary: Rotary,
    activation: Activation,
}

impl Phi {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &PhiConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, "model.", WORDS);
        let embed_tokens = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let norm = load.layer_norm("final_layernorm", shape.d_model, config.layer_norm_eps)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        let logit_bias = load.head_bias(shape.vocab_size)?;
        progress(1.0)?;
        let (attention, activation) = (shape.causal_attention(), config.activation()?);
        let frequencies = config.rope.frequencies(config.d_rotary());
        let rotary = Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device);
        let lookup = EmbeddingOptions { padding: config.pad_token_id, ..EmbeddingOptions::default() };
        Ok(Self { shape, embed_tokens, lookup, blocks, norm, lm_head, logit_bias, attention, rotary, activation })
    }
}

fn block(load: &Loader<'_>, config: &PhiConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model, d_ff, d_head, n_heads, n_kv_heads, .. } = config.shape();
    let at = |name: &str| format!("layers.{layer}.{name}");
    let (queries, keys) = (n_heads * d_head, n_kv_heads * d_head);
    let qkv = [("q", queries), ("k", keys), ("v", keys)].map(|(name, d)| (at(&format!("self_attn.{name}_proj")), d));
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, true);
    Ok(Block {
        norm: load.layer_norm(&at("input_layernorm"), d_model, config.layer_norm_eps)?,
        qkv: load.linear_of_parts(&qkv, d_model, true)?,
        dense: linear("self_attn.dense", queries, d_model)?,
        fc1: linear("mlp.fc1", d_model, d_ff)?,
        fc2: linear("mlp.fc2", d_ff, d_model)?,
    })
}

impl CausalModel for Phi {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn rotary(&self) -> Option<&Rotary> {
        Some(&self.rotary)
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| pass.tokens.embed_as(&self.embed_tokens, self.lookup)); // [batch, seq, d_model]
        let angles = self.rotary.angles(pass.positions.clone());
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let normed = block.norm.forward(resid.clone());
            let qkv = self.rotary.forward(block.qkv.forward(normed.clone()), &angles);
            let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, n_heads * d_head]
            let attended = pass.attn_out(layer, block.dense.forward(mixed));
            let wide = activation(block.fc1.forward(normed), self.activation); // [batch, seq, d_ff]
            resid = attended + pass.mlp_out(layer, block.fc2.forward(wide)) + resid;
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| self.norm.forward(resid))
    }

    fn head(&self) -> &FrozenMatrix {
        self.lm_head.as_ref().unwrap_or(&self.embed_tokens)
    }

    fn logit_head(&self) -> Head {
        Head { bias: self.logit_bias.clone(), ..Head::new(self.head().clone()) }
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.embed_tokens
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(changes: Value) -> Result<PhiConfig> {
        let mut json = json!({
            "model_type": "phi", "vocab_size": 50, "hidden_size": 32, "intermediate_size": 30, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 64,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        PhiConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "qk_layernorm": true }), "qk_layernorm = true"),
            (json!({ "hidden_act": "swiglu" }), "hidden_act = swiglu"),
            (json!({ "num_key_value_heads": 3 }), "cannot share 3 key and value heads"),
            (json!({ "partial_rotary_factor": 2.0 }), "16 of 8 numbers"),
            (json!({ "rope_scaling": { "type": "mrope" } }), "rope_type = mrope"),
            (json!({ "hidden_size": 30 }), "not a multiple of 4 heads"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn as_much_of_a_head_is_turned_as_the_file_says_or_half_of_it() {
        assert_eq!(parse(json!({})).expect("it is a model").d_rotary(), 4);
        assert_eq!(parse(json!({ "partial_rotary_factor": 0.75 })).expect("it is a model").d_rotary(), 6);
        let newer = json!({ "rope_parameters": { "rope_type": "default", "partial_rotary_factor": 0.25 } });
        assert_eq!(parse(newer).expect("it is a model").d_rotary(), 2);
    }

    #[test]
    fn what_phi_2_says_is_looked_at() {
        let published = json!({
            "_name_or_path": "microsoft/phi-2", "architectures": ["PhiForCausalLM"], "attention_dropout": 0.0,
            "bos_token_id": 50256, "embd_pdrop": 0.0, "eos_token_id": 50256, "hidden_act": "gelu_new",
            "hidden_size": 2560, "initializer_range": 0.02, "intermediate_size": 10240, "layer_norm_eps": 1e-05,
            "max_position_embeddings": 2048, "model_type": "phi", "num_attention_heads": 32, "num_hidden_layers": 32,
            "num_key_value_heads": 32, "partial_rotary_factor": 0.4, "qk_layernorm": false, "resid_pdrop": 0.1,
            "rope_scaling": null, "rope_theta": 10000.0, "tie_word_embeddings": false, "torch_dtype": "float16",
            "use_cache": true, "vocab_size": 51200,
        });
        let file = ConfigFile::new(published, std::path::Path::new("config.json"));
        let config = PhiConfig::parse(&file).expect("it is a model");
        assert_eq!((config.d_rotary(), config.d_head()), (32, 80));
        assert_eq!(file.unread(), [""; 0]);
    }
}
