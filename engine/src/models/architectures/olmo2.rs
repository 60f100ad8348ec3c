//! OLMo 2 (OLMo team 2024): as LLaMA, with norms behind attention and feed-forward in place of those before them, and norms
//! of all queries and all keys at once.
//!
//! Keys of a prefix are used as stored, never normed or turned.
//! huggingface/transformers: src/transformers/models/olmo2/modeling_olmo2.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::Result;
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, RmsNorm, Rotary, activation};

const NAME: &str = "olmo2";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture =
    Architecture::causal(&[ModelType::new(NAME, "Olmo2", "GPT2Tokenizer")], |file| {
        Ok(Box::new(Olmo2Config::parse(file)?))
    });

/// `config.json` of OLMo 2; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct Olmo2Config {
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
    attention_bias: bool,
    tie_word_embeddings: bool,
    pad_token_id: Option<i64>,
    #[serde(skip)]
    rope: RopeSettings,
}

impl Olmo2Config {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
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
        file.check_turned(config.d_head(), config.d_head())?;
        config.activation()?;
        config.rope.check(NAME, config.d_head())?;
        Ok(config)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "hidden_act", &self.hidden_act)
    }

    fn n_kv_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.num_attention_heads)
    }

    fn d_head(&self) -> usize {
        self.head_dim.unwrap_or(self.hidden_size / self.num_attention_heads)
    }
}

impl ModelConfig for Olmo2Config {
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
            n_positions: self.max_position_embeddings,
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Olmo2::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "embed_tokens.weight";

struct Block {
    qkv: FrozenLinear,
    q_norm: RmsNorm,
    k_norm: RmsNorm,
    o_proj: FrozenLinear,
    post_attention_norm: RmsNorm,
    gate_proj: FrozenLinear,
    up_proj: FrozenLinear,
    down_proj: FrozenLinear,
    post_feedforward_norm: RmsNorm,
}

/// The model with its frozen weights on a device.
pub struct Olmo2 {
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

impl Olmo2 {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &Olmo2Config, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
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
        let (attention, activation) = (shape.causal_attention(), config.activation()?);
        let frequencies = config.rope.frequencies(shape.d_head);
        let rotary = Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device);
        let lookup = EmbeddingOptions { padding: config.pad_token_id, ..EmbeddingOptions::default() };
        Ok(Self { shape, embed_tokens, lookup, blocks, norm, lm_head, attention, rotary, activation })
    }
}

fn block(load: &Loader<'_>, config: &Olmo2Config, layer: usize) -> Result<Block> {
    let ModelShape { d_model, d_ff, d_head, n_heads, n_kv_heads, .. } = config.shape();
    let (queries, keys, bias) = (n_heads * d_head, n_kv_heads * d_head, config.attention_bias);
    let at = |name: &str| format!("layers.{layer}.{name}");
    let qkv = [("q", queries), ("k", keys), ("v", keys)].map(|(name, d)| (at(&format!("self_attn.{name}_proj")), d));
    let norm = |name: &str, d: usize| load.rms_norm(&at(name), d, config.rms_norm_eps);
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, false);
    Ok(Block {
        qkv: load.linear_of_parts(&qkv, d_model, bias)?,
        q_norm: norm("self_attn.q_norm", queries)?,
        k_norm: norm("self_attn.k_norm", keys)?,
        o_proj: load.linear(&at("self_attn.o_proj"), queries, d_model, bias)?,
        post_attention_norm: norm("post_attention_layernorm", d_model)?,
        gate_proj: linear("mlp.gate_proj", d_model, d_ff)?,
        up_proj: linear("mlp.up_proj", d_model, d_ff)?,
        down_proj: linear("mlp.down_proj", d_ff, d_model)?,
        post_feedforward_norm: norm("post_feedforward_layernorm", d_model)?,
    })
}

impl Block {
    /// All queries normed, all keys normed; values stay.
    fn normed(&self, qkv: Tensor<3>, shape: &AttentionShape) -> Tensor<3> {
        let (queries, keys) = (shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head);
        let part = |from: usize, width: usize| qkv.clone().narrow(2, from, width);
        let (q, k) = (self.q_norm.forward(part(0, queries)), self.k_norm.forward(part(queries, keys)));
        Tensor::cat(vec![q, k, part(queries + keys, keys)], 2)
    }
}

impl CausalModel for Olmo2 {
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
            let qkv = block.normed(block.qkv.forward(resid.clone()), &self.attention);
            let qkv = self.rotary.forward(qkv, &angles);
            let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, n_heads * d_head]
            let attn_out = block.post_attention_norm.forward(block.o_proj.forward(mixed));
            resid = resid + pass.attn_out(layer, attn_out);
            let gate = activation(block.gate_proj.forward(resid.clone()), self.activation); // [batch, seq, d_ff]
            let fed = block.down_proj.forward(gate * block.up_proj.forward(resid.clone()));
            resid = resid + pass.mlp_out(layer, block.post_feedforward_norm.forward(fed));
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

    fn parse(changes: Value) -> Result<Olmo2Config> {
        let mut json = json!({
            "model_type": "olmo2", "vocab_size": 50, "hidden_size": 24, "intermediate_size": 30, "num_hidden_layers": 2,
            "num_attention_heads": 3, "max_position_embeddings": 64,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        Olmo2Config::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_and_each_head_has_a_key_where_nothing_is_said() {
        assert_eq!(parse(json!({})).expect("it is a model").shape().n_kv_heads, 3);
        let cases = [
            (json!({ "num_key_value_heads": 2 }), "cannot share 2 key and value heads"),
            (json!({ "num_attention_heads": 5 }), "not a multiple of 5 heads"),
            (json!({ "hidden_act": "mish" }), "hidden_act = mish"),
            (json!({ "rope_scaling": { "rope_type": "su", "factor": 2.0 } }), "rope_type = su"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
