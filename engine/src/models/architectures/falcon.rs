//! Falcon (Almazrouei et al. 2023) in its three forms: one key head for all queries (7B), a key head for each group behind
//! norms of attention's and the feed-forward's own (40B, 180B; 11B has one norm for both), and one for each query with ALiBi
//! and one part after the other (RW).
//!
//! In the grouped form a prefix has keys and values for each query head, as the cache of transformers does and so every
//! adapter of PEFT. Keys of a prefix are used as stored, never turned.
//! huggingface/transformers: src/transformers/models/falcon/modeling_falcon.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, Alibi, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, Rotary, activation};

const NAME: &str = "falcon";

/// Leads the names of its modules.
const ROOT: &str = "transformer.";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    embeddings: Some(WORDS),
    lora_targets: &["query_key_value"],
    ..Architecture::causal(&[ModelType::new(NAME, "Falcon", "")], |file| Ok(Box::new(FalconConfig::parse(file)?)))
};

/// `config.json` of Falcon; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct FalconConfig {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_kv_heads: Option<usize>,
    ffn_hidden_size: Option<usize>,
    max_position_embeddings: usize,
    activation: String,
    layer_norm_epsilon: f64,
    bias: bool,
    alibi: bool,
    new_decoder_architecture: bool,
    num_ln_in_parallel_attn: Option<usize>,
    multi_query: bool,
    parallel_attn: bool,
    /// Of its first code alone; transformers does not look at it.
    #[serde(default)]
    apply_residual_connection_post_layernorm: bool,
    tie_word_embeddings: bool,
    #[serde(skip)]
    rope: RopeSettings,
}

/// Other names of options.
const OTHER_NAMES: [(&str, &str); 3] =
    [("n_embed", "hidden_size"), ("n_layer", "num_hidden_layers"), ("n_head", "num_attention_heads")];

/// The norms before the parts of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Norms {
    /// One for attention and the feed-forward, side by side.
    Shared,
    /// One for each, side by side.
    Apart,
    /// One for each, in turn.
    InTurn,
}

impl FalconConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name: combinations that transformers cannot compute.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config = Self { rope: RopeSettings::read(file)?, ..file.read(&OTHER_NAMES)? };
        let (d, heads, key_heads) = (config.hidden_size, config.num_attention_heads, config.n_key_heads());
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", d),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", heads),
            ("num_kv_heads", key_heads),
            ("ffn_hidden_size", config.d_ff()),
            ("max_position_embeddings", config.max_position_embeddings),
        ])?;
        file.check_heads(d, heads)?;
        let d_head = d / heads;
        file.check_key_heads(heads, key_heads)?;
        if !config.alibi {
            file.check_turned(d_head, d_head)?;
        }
        config.check_options()?;
        Ok(config)
    }

    /// Refuses options that would be computed otherwise than the reference does.
    fn check_options(&self) -> Result<()> {
        let unsupported =
            |option, value: String| Err(EngineError::UnsupportedOption { architecture: NAME, option, value });
        if self.apply_residual_connection_post_layernorm {
            return unsupported("apply_residual_connection_post_layernorm", "true".to_owned());
        }
        if self.new_decoder_architecture && !self.parallel_attn {
            return unsupported("parallel_attn", "false".to_owned());
        }
        match self.num_ln_in_parallel_attn {
            None | Some(1) => {}
            Some(2) if self.new_decoder_architecture => {}
            Some(n) => return unsupported("num_ln_in_parallel_attn", n.to_string()),
        }
        self.activation()?;
        self.rope.check(NAME, self.hidden_size / self.num_attention_heads.max(1))
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "activation", &self.activation)
    }

    fn d_ff(&self) -> usize {
        self.ffn_hidden_size.unwrap_or(4 * self.hidden_size)
    }

    /// Key heads that the projection makes.
    fn n_key_heads(&self) -> usize {
        match (self.new_decoder_architecture, self.multi_query) {
            (true, _) => self.num_kv_heads.unwrap_or(self.num_attention_heads),
            (false, true) => 1,
            (false, false) => self.num_attention_heads,
        }
    }

    fn norms(&self) -> Norms {
        match (self.new_decoder_architecture, self.parallel_attn) {
            (true, _) if self.num_ln_in_parallel_attn != Some(1) => Norms::Apart,
            (_, true) => Norms::Shared,
            (_, false) => Norms::InTurn,
        }
    }
}

impl ModelConfig for FalconConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.num_hidden_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: if self.new_decoder_architecture { self.num_attention_heads } else { self.n_key_heads() },
            d_head: self.hidden_size / self.num_attention_heads,
            d_ff: self.d_ff(),
            vocab_size: self.vocab_size,
            n_positions: self.max_position_embeddings,
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Falcon::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "word_embeddings.weight";

struct Block {
    attention_norm: LayerNorm,
    qkv: FrozenLinear,
    dense: FrozenLinear,
    /// `None` where the feed-forward reads what attention reads.
    feed_norm: Option<LayerNorm>,
    h_to_4h: FrozenLinear,
    back_to_h: FrozenLinear,
}

/// The distances of tokens, in their scores.
enum Distances {
    Rotary(Rotary),
    Alibi(Alibi),
}

/// The model with its frozen weights on a device.
pub struct Falcon {
    shape: ModelShape,
    word_embeddings: FrozenMatrix,
    blocks: Vec<Block>,
    ln_f: LayerNorm,
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    /// Key heads that the projection makes, of which several queries each have a copy.
    n_key_heads: usize,
    distances: Distances,
    activation: Activation,
    /// Whether the feed-forward reads the stream that attention was added to.
    in_turn: bool,
}

impl Falcon {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// Names may have the prefix `transformer.` or not.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &FalconConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, ROOT, WORDS);
        let word_embeddings = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let ln_f = load.layer_norm("ln_f", shape.d_model, config.layer_norm_epsilon)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        let (attention, n_key_heads) = (shape.causal_attention(), config.n_key_heads());
        let distances = if config.alibi {
            Distances::Alibi(Alibi::in_bf16(shape.n_heads, attention.scale, weights.device))
        } else {
            let frequencies = config.rope.frequencies(shape.d_head);
            Distances::Rotary(Rotary::new(frequencies, shape.n_heads + n_key_heads, shape.d_head, weights.device))
        };
        Ok(Self {
            attention,
            n_key_heads,
            distances,
            activation: config.activation()?,
            in_turn: config.norms() == Norms::InTurn,
            shape,
            word_embeddings,
            blocks,
            ln_f,
            lm_head,
        })
    }

    /// Keys and values once for each query head, where transformers keeps them so.
    fn copied(&self, qkv: Tensor<3>) -> Tensor<3> {
        let ModelShape { n_heads, n_kv_heads, d_head, .. } = self.shape;
        if n_kv_heads == self.n_key_heads {
            return qkv;
        }
        let [batch, seq, _] = qkv.dims();
        let width = self.n_key_heads * d_head;
        let copies = |from: usize| {
            let heads = qkv.clone().narrow(2, from, width).reshape([batch, seq, self.n_key_heads, 1, d_head]);
            let copies = heads.expand([batch, seq, self.n_key_heads, n_heads / self.n_key_heads, d_head]);
            copies.reshape([batch, seq, n_heads * d_head])
        };
        let queries = n_heads * d_head;
        Tensor::cat(vec![qkv.clone().narrow(2, 0, queries), copies(queries), copies(queries + width)], 2)
    }
}

fn block(load: &Loader<'_>, config: &FalconConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model: d, d_ff, n_heads, d_head, .. } = config.shape();
    let at = |name: &str| format!("h.{layer}.{name}");
    let norm = |name: &str| load.layer_norm(&at(name), d, config.layer_norm_epsilon);
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, config.bias);
    let (attention_norm, feed_norm) = match config.norms() {
        Norms::Shared => (norm("input_layernorm")?, None),
        Norms::Apart => (norm("ln_attn")?, Some(norm("ln_mlp")?)),
        Norms::InTurn => (norm("input_layernorm")?, Some(norm("post_attention_layernorm")?)),
    };
    let heads = [n_heads, config.n_key_heads(), d_head];
    Ok(Block {
        attention_norm,
        qkv: load.linear_by_group(&at("self_attention.query_key_value"), d, heads, config.bias)?,
        dense: linear("self_attention.dense", d, d)?,
        feed_norm,
        h_to_4h: linear("mlp.dense_h_to_4h", d, d_ff)?,
        back_to_h: linear("mlp.dense_4h_to_h", d_ff, d)?,
    })
}

impl CausalModel for Falcon {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn supports_infix(&self) -> bool {
        matches!(self.distances, Distances::Rotary(_))
    }

    fn rotary(&self) -> Option<&Rotary> {
        match &self.distances {
            Distances::Rotary(rotary) => Some(rotary),
            Distances::Alibi(_) => None,
        }
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| pass.tokens.embed(&self.word_embeddings)); // [batch, seq, d_model]
        let (turned, alibi) = match &self.distances {
            Distances::Rotary(rotary) => (Some((rotary, rotary.angles(pass.positions.clone()))), None),
            // [1 or batch, n_heads, 1 or seq, kv]
            Distances::Alibi(alibi) => (None, Some(pass.alibi(alibi))),
        };
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let normed = block.attention_norm.forward(resid.clone());
            let mut qkv = block.qkv.forward(normed.clone()); // [batch, seq, (n_heads + 2 * n_key_heads) * d_head]
            if let Some((rotary, angles)) = &turned {
                qkv = rotary.forward(qkv, angles);
            }
            let mixed = pass.attention(layer, self.copied(qkv), &self.attention, alibi.as_ref()); // [batch, seq, d_model]
            let after = resid.clone() + pass.attn_out(layer, block.dense.forward(mixed));
            let read = if self.in_turn { after.clone() } else { resid };
            let normed = block.feed_norm.as_ref().map_or(normed, |norm| norm.forward(read));
            let wide = activation(block.h_to_4h.forward(normed), self.activation); // [batch, seq, d_ff]
            resid = after + pass.mlp_out(layer, block.back_to_h.forward(wide));
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| self.ln_f.forward(resid))
    }

    fn head(&self) -> &FrozenMatrix {
        self.lm_head.as_ref().unwrap_or(&self.word_embeddings)
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.word_embeddings
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(changes: Value) -> Result<FalconConfig> {
        let mut json = json!({
            "model_type": "falcon", "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        FalconConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn each_form_has_its_keys_and_its_norms() {
        let of = |changes: Value| {
            let config = parse(changes).expect("it is a model");
            (config.n_key_heads(), config.shape().n_kv_heads, config.norms())
        };
        assert_eq!(of(json!({ "num_kv_heads": 6 })), (1, 1, Norms::Shared), "7B says its number of queries");
        let grouped = json!({ "num_kv_heads": 2, "new_decoder_architecture": true });
        assert_eq!(of(grouped.clone()), (2, 6, Norms::Apart), "40B");
        let mut one = grouped;
        one["num_ln_in_parallel_attn"] = 1.into();
        assert_eq!(of(one), (2, 6, Norms::Shared), "11B");
        assert_eq!(of(json!({ "multi_query": false, "parallel_attn": false })), (6, 6, Norms::InTurn), "RW");
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (
                json!({ "apply_residual_connection_post_layernorm": true }),
                "apply_residual_connection_post_layernorm = true",
            ),
            (json!({ "new_decoder_architecture": true, "parallel_attn": false }), "parallel_attn = false"),
            (json!({ "num_ln_in_parallel_attn": 2 }), "num_ln_in_parallel_attn = 2"),
            (json!({ "new_decoder_architecture": true, "num_kv_heads": 4 }), "cannot share 4 key and value heads"),
            (json!({ "activation": "mish" }), "activation = mish"),
            (json!({ "num_attention_heads": 8 }), "3 of 3 numbers"),
            (json!({ "num_attention_heads": 5 }), "not a multiple of 5 heads"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
