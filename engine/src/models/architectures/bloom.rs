//! BLOOM (Scao et al. 2022): no positions in the embeddings, scores that grow with the key's position instead (ALiBi).
//!
//! What counts for ALiBi are the keys that may be seen, slots of a prefix and a cache among them; positions of the
//! input are not looked at. huggingface/transformers: src/transformers/models/bloom/modeling_bloom.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::Result;
use crate::models::load::{ConfigFile, Loader, Role, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, ForwardPass, Loading, Model, ModelShape};
use crate::nn::{Activation, Alibi, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, activation};

const NAME: &str = "bloom";

/// Leads the names of its modules.
const ROOT: &str = "transformer.";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    embeddings: Some(WORDS),
    lora_targets: &["query_key_value"],
    ..Architecture::causal(&[ModelType::new(NAME, "Bloom", "")], |file| Ok(Box::new(BloomConfig::parse(file)?)))
};

/// `config.json` of BLOOM. Published files say `n_embed` and `num_attention_heads`, newer ones `hidden_size` and
/// `n_head`; some say both.
#[derive(Clone, Debug, Deserialize)]
pub struct BloomConfig {
    vocab_size: usize,
    hidden_size: usize,
    n_layer: usize,
    n_head: usize,
    /// Sequence length of its training; its attention knows no last position.
    #[serde(default = "seq_length")]
    seq_length: usize,
    layer_norm_epsilon: f64,
    apply_residual_connection_post_layernorm: bool,
    tie_word_embeddings: bool,
}

fn seq_length() -> usize {
    2048
}

/// Other names of options.
const OTHER_NAMES: [(&str, &str); 3] =
    [("n_embed", "hidden_size"), ("num_attention_heads", "n_head"), ("num_hidden_layers", "n_layer")];

impl BloomConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that is missing or cannot be.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config: Self = file.read(&OTHER_NAMES)?;
        let (d, heads) = (config.hidden_size, config.n_head);
        file.check_sizes(&[
            ("hidden_size", d),
            ("n_layer", config.n_layer),
            ("n_head", heads),
            ("vocab_size", config.vocab_size),
            ("seq_length", config.seq_length),
        ])?;
        file.check_heads(d, heads)?;
        Ok(config)
    }
}

impl ModelConfig for BloomConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.n_layer,
            d_model: self.hidden_size,
            n_heads: self.n_head,
            n_kv_heads: self.n_head,
            d_head: self.hidden_size / self.n_head,
            d_ff: 4 * self.hidden_size,
            vocab_size: self.vocab_size,
            n_positions: self.seq_length,
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Bloom::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "word_embeddings.weight";

struct Block {
    input_norm: LayerNorm,
    qkv: FrozenLinear,
    dense: FrozenLinear,
    post_norm: LayerNorm,
    h_to_4h: FrozenLinear,
    back_to_h: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct Bloom {
    shape: ModelShape,
    word_embeddings: FrozenMatrix,
    embeddings_norm: LayerNorm,
    blocks: Vec<Block>,
    ln_f: LayerNorm,
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    alibi: Alibi,
    /// Whether what is added to is the normed stream instead of the stream.
    residual_after_norm: bool,
}

impl Bloom {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// Names may have the prefix `transformer.` or not.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &BloomConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, ROOT, WORDS);
        let word_embeddings = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let norm = |name: &str| load.layer_norm(name, shape.d_model, config.layer_norm_epsilon);
        let embeddings_norm = norm("word_embeddings_layernorm")?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let ln_f = norm("ln_f")?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        Ok(Self {
            attention: shape.causal_attention(),
            alibi: Alibi::new(shape.n_heads, weights.device),
            residual_after_norm: config.apply_residual_connection_post_layernorm,
            shape,
            word_embeddings,
            embeddings_norm,
            blocks,
            ln_f,
            lm_head,
        })
    }
}

fn block(load: &Loader<'_>, config: &BloomConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model: d, d_ff, n_heads, .. } = config.shape();
    let at = |name: &str| format!("h.{layer}.{name}");
    let norm = |name: &str| load.layer_norm(&at(name), d, config.layer_norm_epsilon);
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, true);
    Ok(Block {
        input_norm: norm("input_layernorm")?,
        qkv: load.linear_by_head(&at("self_attention.query_key_value"), d, n_heads, true)?,
        dense: linear("self_attention.dense", d, d)?,
        post_norm: norm("post_attention_layernorm")?,
        h_to_4h: linear("mlp.dense_h_to_4h", d, d_ff)?,
        back_to_h: linear("mlp.dense_4h_to_h", d_ff, d)?,
    })
}

impl CausalModel for Bloom {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn supports_infix(&self) -> bool {
        false
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let alibi = pass.alibi(&self.alibi); // [1 or batch, n_heads, 1 or seq, kv]
        let embedded = || self.embeddings_norm.forward(pass.tokens.embed(&self.word_embeddings));
        let mut resid = pass.begin(embedded); // [batch, seq, d_model]
        let stream = |resid: Tensor<3>, normed: &Tensor<3>| {
            if self.residual_after_norm { normed.clone() } else { resid }
        };
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let normed = block.input_norm.forward(resid.clone());
            let qkv = block.qkv.forward(normed.clone()); // [batch, seq, 3 * d_model]
            let mixed = pass.attention(layer, qkv, &self.attention, Some(&alibi)); // [batch, seq, d_model]
            resid = stream(resid, &normed) + pass.attn_out(layer, block.dense.forward(mixed));
            let normed = block.post_norm.forward(resid.clone());
            let wide = activation(block.h_to_4h.forward(normed.clone()), Activation::GeluTanh); // [batch, seq, d_ff]
            resid = stream(resid, &normed) + pass.mlp_out(layer, block.back_to_h.forward(wide));
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

    fn parse(mut json: Value) -> Result<BloomConfig> {
        json["model_type"] = "bloom".into();
        BloomConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn published_and_new_names_of_the_sizes_are_read() {
        let published = json!({
            "vocab_size": 50, "n_embed": 24, "n_layer": 2, "num_attention_heads": 3, "n_inner": null, "offset_alibi": 100,
            "seq_length": 64, "slow_but_exact": true, "pretraining_tp": 2,
        });
        let new = json!({ "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "n_head": 3, "seq_length": 64 });
        let shape = parse(published).expect("published").shape();
        assert_eq!(shape, parse(new).expect("new").shape());
        assert_eq!((shape.n_layers, shape.d_model, shape.n_heads, shape.d_ff, shape.n_positions), (2, 24, 3, 96, 64));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let cases = [
            (json!({ "vocab_size": 50, "n_embed": 24, "n_layer": 2, "n_head": 0 }), "n_head is 0"),
            (json!({ "vocab_size": 50, "n_embed": 24, "n_layer": 2, "n_head": 5 }), "not a multiple of 5 heads"),
            (json!({ "vocab_size": 0, "n_embed": 24, "n_layer": 2, "n_head": 2 }), "vocab_size is 0"),
            (
                json!({ "vocab_size": 9, "n_embed": 24, "n_layer": 5000, "n_head": 2 }),
                "n_layer = 5000 is beyond any model",
            ),
        ];
        for (json, said) in cases {
            let error = parse(json).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
