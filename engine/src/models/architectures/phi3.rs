//! Phi-3 and Phi-4 (Abdin et al. 2024): as LLaMA, with queries, keys and values in one matrix, gate and input of the
//! feed-forward in another, a part of each head turned where the file says so, LongRoPE, and a window in every layer.
//!
//! A text that grows beyond LongRoPE's original length while it is written is read anew; behind a prefix or a soft prompt it
//! keeps the keys it has, as in transformers with PEFT. Keys of a prefix are used as stored, never turned.
//! huggingface/transformers: src/transformers/models/phi3/modeling_phi3.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, RmsNorm, Rotary, SlidingWindow, gated};
use crate::sentence;

const NAME: &str = "phi3";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    lora_targets: &["qkv_proj"],
    ..Architecture::causal(&[ModelType::new(NAME, "Phi3", "LlamaTokenizer")], |file| {
        Ok(Box::new(Phi3Config::parse(file)?))
    })
};

/// `config.json` of Phi-3; fields as Hugging Face names them. Those at the end are in files of Phi-4, and say nothing there.
#[derive(Clone, Debug, Deserialize)]
pub struct Phi3Config {
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
    sliding_window: Option<usize>,
    tie_word_embeddings: bool,
    pad_token_id: Option<i64>,
    #[serde(skip)]
    rope: RopeSettings,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    lm_head_bias: Option<bool>,
    full_attn_mod: Option<i64>,
    interpolate_factor: Option<i64>,
}

impl Phi3Config {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        // Older files call it by the name of its first author's draft, and one that it is not.
        let rope = RopeSettings::read(file)?.renamed(&["su", "yarn"], "longrope");
        let config = Self { rope, ..file.read(&[])? };
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
        if config.sliding_window == Some(0) {
            return Err(file.malformed(sentence!("sliding_window is 0")));
        }
        config.check_options()?;
        Ok(config)
    }

    /// Refuses options that would be computed otherwise than the file means.
    fn check_options(&self) -> Result<()> {
        let unsupported =
            |option, value: String| Err(EngineError::UnsupportedOption { architecture: NAME, option, value });
        self.activation()?;
        for (option, bias) in
            [("attention_bias", self.attention_bias), ("mlp_bias", self.mlp_bias), ("lm_head_bias", self.lm_head_bias)]
        {
            if bias == Some(true) {
                return unsupported(option, "true".to_owned());
            }
        }
        for (option, number) in [("full_attn_mod", self.full_attn_mod), ("interpolate_factor", self.interpolate_factor)]
        {
            if let Some(number) = number.filter(|&number| number != 1) {
                return unsupported(option, number.to_string());
            }
        }
        // The reference has no other scaling here.
        if !["default", "longrope"].contains(&self.rope.kind()) {
            return unsupported("rope_type", self.rope.kind().to_owned());
        }
        self.rope.check(NAME, self.d_rotary())
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
        (self.d_head() as f64 * self.rope.share(1.0)) as usize
    }

    fn window(&self) -> Option<SlidingWindow> {
        let layers = vec![true; self.num_hidden_layers];
        SlidingWindow::hiding(self.sliding_window?, layers, self.max_position_embeddings)
    }
}

impl ModelConfig for Phi3Config {
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
        Ok(Model::Causal(Box::new(Phi3::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "embed_tokens.weight";

struct Block {
    input_norm: RmsNorm,
    qkv_proj: FrozenLinear,
    o_proj: FrozenLinear,
    post_norm: RmsNorm,
    gate_up_proj: FrozenLinear,
    down_proj: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct Phi3 {
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

impl Phi3 {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &Phi3Config, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
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
        let (attention, activation, window) = (shape.causal_attention(), config.activation()?, config.window());
        let frequencies = config.rope.frequencies(config.d_rotary());
        let rotary = Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device);
        let lookup = EmbeddingOptions { padding: config.pad_token_id, ..EmbeddingOptions::default() };
        Ok(Self { shape, embed_tokens, lookup, blocks, norm, lm_head, attention, window, rotary, activation })
    }
}

fn block(load: &Loader<'_>, config: &Phi3Config, layer: usize) -> Result<Block> {
    let ModelShape { d_model, d_ff, d_head, n_heads, n_kv_heads, .. } = config.shape();
    let at = |name: &str| format!("layers.{layer}.{name}");
    let queries = n_heads * d_head;
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, false);
    let norm = |name: &str| load.rms_norm(&at(name), d_model, config.rms_norm_eps);
    Ok(Block {
        input_norm: norm("input_layernorm")?,
        qkv_proj: linear("self_attn.qkv_proj", d_model, queries + 2 * n_kv_heads * d_head)?,
        o_proj: linear("self_attn.o_proj", queries, d_model)?,
        post_norm: norm("post_attention_layernorm")?,
        gate_up_proj: linear("mlp.gate_up_proj", d_model, 2 * d_ff)?,
        down_proj: linear("mlp.down_proj", d_ff, d_model)?,
    })
}

impl CausalModel for Phi3 {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn window(&self) -> Option<&SlidingWindow> {
        self.window.as_ref()
    }

    fn rereads_at(&self) -> Option<usize> {
        self.rotary.original_length()
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
            let qkv = self.rotary.forward(block.qkv_proj.forward(block.input_norm.forward(resid.clone())), &angles);
            let mixed = pass.attention(layer, qkv, &self.attention, window.as_ref()); // [batch, seq, n_heads * d_head]
            resid = resid + pass.attn_out(layer, block.o_proj.forward(mixed));
            let gate_up = block.gate_up_proj.forward(block.post_norm.forward(resid.clone())); // [batch, seq, 2 * d_ff]
            resid = resid + pass.mlp_out(layer, block.down_proj.forward(gated(gate_up, self.activation)));
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

    fn parse(changes: Value) -> Result<Phi3Config> {
        let mut json = json!({
            "model_type": "phi3", "vocab_size": 50, "hidden_size": 32, "intermediate_size": 30, "num_hidden_layers": 2,
            "num_attention_heads": 4, "max_position_embeddings": 64,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        Phi3Config::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "hidden_act": "swiglu" }), "hidden_act = swiglu"),
            (json!({ "num_key_value_heads": 3 }), "cannot share 3 key and value heads"),
            (json!({ "sliding_window": 0 }), "sliding_window is 0"),
            (json!({ "attention_bias": true }), "attention_bias = true"),
            (json!({ "full_attn_mod": 2 }), "full_attn_mod = 2"),
            (json!({ "partial_rotary_factor": 2.0 }), "16 of 8 numbers"),
            (json!({ "rope_scaling": { "type": "linear", "factor": 2.0 } }), "rope_type = linear"),
            (json!({ "rope_scaling": { "type": "longrope", "long_factor": [1.0, 1.0, 1.0, 1.0] } }), "short_factor"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn longrope_has_had_other_names() {
        for name in ["su", "yarn", "longrope"] {
            let factors = [1.0, 2.0, 3.0, 4.0];
            let rope = json!({ "type": name, "short_factor": factors, "long_factor": factors });
            let config = parse(json!({ "rope_scaling": rope, "original_max_position_embeddings": 16 }));
            let found = config.expect("it is a model").rope.frequencies(8);
            assert!(matches!(found.kind, FrequencyKind::ByLength { original: 16, .. }), "{found:?}");
        }
    }

    #[test]
    fn a_window_as_wide_as_the_context_hides_nothing() {
        let window = |changes| parse(changes).expect("it is a model").window();
        assert_eq!(window(json!({})), None);
        assert_eq!(window(json!({ "sliding_window": 262_144 })), None);
        assert_eq!(window(json!({ "sliding_window": 9 })).expect("it has one").layers, [true, true]);
    }
}
