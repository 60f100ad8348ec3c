//! GPT-J (Wang & Komatsuzaki 2021): neighbors in a part of each head turned together, attention and feed-forward beside
//! each other behind one norm, a head of its own with a bias.
//!
//! The bias of the logits is one more column of the head, which every hidden state meets with a 1. Keys of a prefix are used
//! as stored, never turned.
//! huggingface/transformers: src/transformers/models/gptj/modeling_gptj.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, Rotary, activation};

const NAME: &str = "gptj";

/// Leads the names of its modules.
const ROOT: &str = "transformer.";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    embeddings: Some(WORDS),
    ..Architecture::causal(&[ModelType::new(NAME, "GPTJ", "GPT2Tokenizer")], |file| {
        Ok(Box::new(GptjConfig::parse(file)?))
    })
};

/// `config.json` of GPT-J; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct GptjConfig {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    /// Numbers of each head that are turned.
    rotary_dim: usize,
    activation_function: String,
    layer_norm_epsilon: f64,
    /// Of its first code alone, as is the next; transformers does what they say if they say true.
    rotary: Option<bool>,
    scale_attn_weights: Option<bool>,
    tie_word_embeddings: bool,
}

/// Other names of options.
const OTHER_NAMES: [(&str, &str); 4] = [
    ("max_position_embeddings", "n_positions"),
    ("hidden_size", "n_embd"),
    ("num_attention_heads", "n_head"),
    ("num_hidden_layers", "n_layer"),
];

impl GptjConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config: Self = file.read(&OTHER_NAMES)?;
        let (d, heads) = (config.n_embd, config.n_head);
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("n_positions", config.n_positions),
            ("n_embd", d),
            ("n_layer", config.n_layer),
            ("n_head", heads),
            ("rotary_dim", config.rotary_dim),
            ("n_inner", config.d_ff()),
        ])?;
        file.check_heads(d, heads)?;
        let (d_rotary, d_head) = (config.rotary_dim, d / heads);
        file.check_turned(d_rotary, d_head)?;
        let said = [("rotary", config.rotary), ("scale_attn_weights", config.scale_attn_weights)];
        if let Some((option, _)) = said.into_iter().find(|(_, said)| *said == Some(false)) {
            let value = "false".to_owned();
            return Err(EngineError::UnsupportedOption { architecture: NAME, option, value });
        }
        config.activation()?;
        Ok(config)
    }

    fn d_ff(&self) -> usize {
        self.n_inner.unwrap_or(4 * self.n_embd)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "activation_function", &self.activation_function)
    }
}

impl ModelConfig for GptjConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.n_layer,
            d_model: self.n_embd,
            n_heads: self.n_head,
            n_kv_heads: self.n_head,
            d_head: self.n_embd / self.n_head,
            d_ff: self.d_ff(),
            vocab_size: self.vocab_size,
            n_positions: self.n_positions,
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Gptj::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "wte.weight";

struct Block {
    ln_1: LayerNorm,
    qkv: FrozenLinear,
    out_proj: FrozenLinear,
    fc_in: FrozenLinear,
    fc_out: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct Gptj {
    shape: ModelShape,
    wte: FrozenMatrix,
    blocks: Vec<Block>,
    ln_f: LayerNorm,
    /// With the bias of the logits as its last column; `None` where a head for classes stands in its place.
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    rotary: Rotary,
    activation: Activation,
}

impl Gptj {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// Names may have the prefix `transformer.` or not.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &GptjConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, ROOT, WORDS);
        let wte = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let ln_f = load.layer_norm("ln_f", shape.d_model, config.layer_norm_epsilon)?;
        let lm_head = load.head_with_bias([shape.vocab_size, shape.d_model], WORDS, config.tie_word_embeddings)?;
        progress(1.0)?;
        let (attention, activation) = (shape.causal_attention(), config.activation()?);
        let frequencies = RopeSettings::default().frequencies(config.rotary_dim);
        let rotary =
            Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device).of_neighbors();
        Ok(Self { shape, wte, blocks, ln_f, lm_head, attention, rotary, activation })
    }
}

fn block(load: &Loader<'_>, config: &GptjConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model: d, d_ff, .. } = config.shape();
    let at = |name: &str| format!("h.{layer}.{name}");
    let qkv = ["q", "k", "v"].map(|part| (at(&format!("attn.{part}_proj")), d));
    Ok(Block {
        ln_1: load.layer_norm(&at("ln_1"), d, config.layer_norm_epsilon)?,
        qkv: load.linear_of_parts(&qkv, d, false)?,
        out_proj: load.linear(&at("attn.out_proj"), d, d, false)?,
        fc_in: load.linear(&at("mlp.fc_in"), d, d_ff, true)?,
        fc_out: load.linear(&at("mlp.fc_out"), d_ff, d, true)?,
    })
}

impl CausalModel for Gptj {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| pass.tokens.embed(&self.wte)); // [batch, seq, d_model]
        let angles = self.rotary.angles(pass.positions.clone());
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let normed = block.ln_1.forward(resid.clone());
            let qkv = self.rotary.forward(block.qkv.forward(normed.clone()), &angles); // [batch, seq, 3 * d_model]
            let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, d_model]
            let attn_out = pass.attn_out(layer, block.out_proj.forward(mixed));
            let wide = activation(block.fc_in.forward(normed), self.activation); // [batch, seq, d_ff]
            resid = resid + attn_out + pass.mlp_out(layer, block.fc_out.forward(wide));
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| {
            let normed = self.ln_f.forward(resid);
            if self.lm_head.is_none() {
                return normed;
            }
            let [batch, seq, _] = normed.dims();
            let ones = Tensor::ones([batch, seq, 1], &normed.device());
            Tensor::cat(vec![normed, ones], 2) // [batch, seq, d_model + 1]
        })
    }

    fn head(&self) -> &FrozenMatrix {
        self.lm_head.as_ref().unwrap_or(&self.wte)
    }

    fn class_vectors(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden.narrow(1, 0, self.shape.d_model)
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.wte
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(changes: Value) -> Result<GptjConfig> {
        let mut json = json!({ "model_type": "gptj", "vocab_size": 50, "n_embd": 24, "n_layer": 2, "n_head": 3,
            "n_positions": 64, "rotary_dim": 4 });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        GptjConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn sizes_that_cannot_be_are_refused_and_none_is_left_out() {
        assert_eq!(parse(json!({})).expect("it is a model").shape().d_ff, 96);
        let cases = [
            (json!({ "rotary_dim": 10 }), "10 of 8 numbers"),
            (json!({ "rotary_dim": 3 }), "3 of 8 numbers"),
            (json!({ "n_head": 5 }), "not a multiple of 5 heads"),
            (json!({ "activation_function": "mish" }), "activation_function = mish"),
            (json!({ "n_inner": 0 }), "n_inner is 0"),
            (json!({ "rotary": true, "scale_attn_weights": false }), "scale_attn_weights = false"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
