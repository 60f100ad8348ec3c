//! The first ChatGLM (ChatGLM-6B, Zeng et al. 2022; Du et al. 2022): a context that is read in both directions and ends in
//! `[gMASK]`, and behind `<sop>` an answer, token by token.
//!
//! Each head is turned in two halves, by a token's position and by its place in the answer. What a part adds to is its own
//! normed input, `sqrt(2 · layers)` times. Its code divides queries by the layer's number and multiplies the scores by it
//! again, so that 16 bits hold them: in f32 nothing is left of that. It counts positions from the tokens alone, whatever
//! stands before them, and rounds the frequencies to 16 bits.
//!
//! `model_type` is chatglm as for ChatGLM2 and 3, which `glm.rs` computes: the options tell. THUDM/chatglm-6b:
//! modeling_chatglm.py, configuration_chatglm.py. Its code has the 28 layers of its one checkpoint in the factor.

use burn::tensor::Tensor;
use half::f16;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, ForwardPass, Loading, Model, ModelShape, Site, Stack};
use crate::nn::positions::PositionIds;
use crate::nn::{Activation, AttentionShape, ContextTokens, FrozenLinear, FrozenMatrix, LayerNorm, Rotary, activation};
use crate::{Sentence, sentence};

const NAME: &str = "chatglm-6b";

/// Leads the names of its modules.
const ROOT: &str = "transformer.";

/// The table of token embeddings.
const WORDS: &str = "word_embeddings.weight";

/// Base of the rotary frequencies.
const ROPE_THETA: f32 = 10_000.0;

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    embeddings: Some(WORDS),
    lora_targets: &["query_key_value"],
    variant: Some(("chatglm", is_first)),
    ..Architecture::causal(&[ModelType::new(NAME, "", "ChatGLMTokenizer")], |file| {
        Ok(Box::new(ChatGlmConfig::parse(file)?))
    })
};

/// Whether options are those of the first ChatGLM.
fn is_first(file: &ConfigFile) -> bool {
    let says = |option: &str| file.options().get(option).is_some_and(|value| !value.is_null());
    let later = ["ffn_hidden_size", "multi_query_attention", "kv_channels", "padded_vocab_size"];
    (says("position_encoding_2d") || says("inner_hidden_size")) && !later.into_iter().any(says)
}

/// `config.json` of the first ChatGLM.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct ChatGlmConfig {
    vocab_size: usize,
    hidden_size: usize,
    inner_hidden_size: usize,
    num_layers: usize,
    num_attention_heads: usize,
    max_sequence_length: usize,
    layernorm_epsilon: f64,
    /// `<sop>`.
    bos_token_id: u32,
    /// Files from before March 2023 name neither: both stand at a fixed distance before `<sop>`.
    mask_token_id: Option<u32>,
    gmask_token_id: Option<u32>,
    /// Bits of a number in linear layers that were packed: 0, 4 or 8.
    quantization_bit: Option<usize>,
}

impl Default for ChatGlmConfig {
    fn default() -> Self {
        Self {
            vocab_size: 150_528,
            hidden_size: 4096,
            inner_hidden_size: 16_384,
            num_layers: 28,
            num_attention_heads: 32,
            max_sequence_length: 2048,
            layernorm_epsilon: 1e-5,
            bos_token_id: 150_004,
            mask_token_id: None,
            gmask_token_id: None,
            quantization_bit: None,
        }
    }
}

/// Options that are looked at, or change nothing that is computed here. `gmask` and `pre_seq_len` with `prefix_projection`
/// are of training: an adapter says how long it is.
const WORDS_OF_CONFIG: [&str; 16] = [
    "vocab_size",
    "hidden_size",
    "inner_hidden_size",
    "num_layers",
    "num_attention_heads",
    "max_sequence_length",
    "layernorm_epsilon",
    "bos_token_id",
    "mask_token_id",
    "gmask_token_id",
    "quantization_bit",
    "quantization_embeddings",
    "position_encoding_2d",
    "gmask",
    "pre_seq_len",
    "prefix_projection",
];

impl ChatGlmConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let malformed = |reason: Sentence| file.malformed(reason);
        let allowed: [(&'static str, &[Value]); 2] =
            [("position_encoding_2d", &[true.into()]), ("quantization_bit", &[0.into(), 4.into(), 8.into()])];
        for (option, values) in allowed {
            if let Some(found) = file.options().get(option).filter(|x| !x.is_null() && !values.contains(x)) {
                return Err(EngineError::UnsupportedOption { architecture: NAME, option, value: found.to_string() });
            }
        }
        let config: Self = file.read_translated(file.options().clone(), &WORDS_OF_CONFIG)?;
        let (d, heads) = (config.hidden_size, config.num_attention_heads);
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", d),
            ("inner_hidden_size", config.inner_hidden_size),
            ("num_layers", config.num_layers),
            ("num_attention_heads", heads),
            ("max_sequence_length", config.max_sequence_length),
        ])?;
        file.check_heads(d, heads)?;
        let d_head = d / heads;
        // Each half of a head is turned, pair by pair, by a position of its own.
        if !d_head.is_multiple_of(4) {
            return Err(malformed(sentence!(
                "{d_rotary} of {d_head} numbers of a head cannot be turned",
                d_rotary = d_head,
                d_head
            )));
        }
        Ok(config)
    }

    fn context_tokens(&self) -> ContextTokens {
        let before_start = |n: u32| self.bos_token_id.saturating_sub(n);
        let blanks = [self.gmask_token_id.unwrap_or(before_start(3)), self.mask_token_id.unwrap_or(before_start(4))];
        ContextTokens { blanks, start: self.bos_token_id }
    }

    /// The frequencies of half a head.
    fn frequencies(&self) -> Vec<f32> {
        let half = self.hidden_size / self.num_attention_heads / 2;
        let frequency = |i: usize| 1.0 / ROPE_THETA.powf(i as f32 / half as f32);
        (0..half).step_by(2).map(|i| f16::from_f32(frequency(i)).to_f32()).collect()
    }
}

impl ModelConfig for ChatGlmConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.num_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.num_attention_heads,
            d_head: self.hidden_size / self.num_attention_heads,
            d_ff: self.inner_hidden_size,
            vocab_size: self.vocab_size,
            n_positions: self.max_sequence_length,
        }
    }

    fn answer_start(&self) -> Option<u32> {
        Some(self.bos_token_id)
    }

    fn row_bits(&self) -> Option<usize> {
        self.quantization_bit.filter(|bits| *bits > 0)
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(ChatGlm::load(self, weights, progress)?)))
    }
}

struct Block {
    input_norm: LayerNorm,
    qkv: FrozenLinear,
    dense: FrozenLinear,
    post_norm: LayerNorm,
    h_to_4h: FrozenLinear,
    back_to_h: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct ChatGlm {
    shape: ModelShape,
    word_embeddings: FrozenMatrix,
    blocks: Vec<Block>,
    final_norm: LayerNorm,
    lm_head: FrozenMatrix,
    attention: AttentionShape,
    /// Of the first half of each head by the position, of the second by the place in the answer.
    rotary: [Rotary; 2],
    /// On the normed input of a part, before what the part makes is added.
    residual_scale: f64,
    context: ContextTokens,
}

impl ChatGlm {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &ChatGlmConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, ROOT, WORDS);
        let words = [shape.vocab_size, shape.d_model];
        let word_embeddings = load.table(WORDS, words, Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let final_norm = load.layer_norm("final_layernorm", shape.d_model, config.layernorm_epsilon)?;
        // A checkpoint with a head for classes in its place has none.
        let lm_head = load.head("lm_head.weight", words, None)?.unwrap_or_else(|| word_embeddings.clone());
        progress(1.0)?;
        let turned = shape.n_heads + shape.n_kv_heads;
        let rotary = [0, shape.d_head / 2]
            .map(|first| Rotary::new(config.frequencies(), turned, shape.d_head, weights.device).from_number(first));
        Ok(Self {
            attention: AttentionShape { causal: false, ..shape.causal_attention() },
            rotary,
            residual_scale: ((2 * shape.n_layers) as f64).sqrt(),
            context: config.context_tokens(),
            shape,
            word_embeddings,
            blocks,
            final_norm,
            lm_head,
        })
    }
}

fn block(load: &Loader<'_>, config: &ChatGlmConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model: d, d_ff, n_heads, .. } = config.shape();
    let at = |name: &str| format!("layers.{layer}.{name}");
    let norm = |name: &str| load.layer_norm(&at(name), d, config.layernorm_epsilon);
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, true);
    Ok(Block {
        input_norm: norm("input_layernorm")?,
        qkv: load.linear_by_head(&at("attention.query_key_value"), d, n_heads, true)?,
        dense: linear("attention.dense", d, d)?,
        post_norm: norm("post_attention_layernorm")?,
        h_to_4h: linear("mlp.dense_h_to_4h", d, d_ff)?,
        back_to_h: linear("mlp.dense_4h_to_h", d_ff, d)?,
    })
}

impl Block {
    fn feed_forward(&self, x: Tensor<3>) -> Tensor<3> {
        let wide = self.h_to_4h.forward(x); // [batch, seq, d_ff]
        self.back_to_h.forward(activation(wide, Activation::GeluTanh))
    }
}

impl CausalModel for ChatGlm {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn position_ids(&self) -> PositionIds {
        PositionIds::RealTokens
    }

    /// The last token of a context, before which an infix would stand, is seen by all of it.
    fn supports_infix(&self) -> bool {
        false
    }

    fn stack(&self) -> Stack {
        Stack { context: Some(self.context), ..Stack::only(Site::Decoder, &self.shape, self.position_ids()) }
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| pass.tokens.embed(&self.word_embeddings)); // [batch, seq, d_model]
        let blocks = pass.block_positions.clone().unwrap_or_else(|| pass.positions.zeros_like());
        let [by_position, by_block] = &self.rotary;
        let (positions, places) = (by_position.angles(pass.positions.clone()), by_block.angles(blocks));
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let normed = block.input_norm.forward(resid);
            let qkv = by_position.forward(block.qkv.forward(normed.clone()), &positions); // [batch, seq, 3 * d_model]
            let mixed = pass.attention(layer, by_block.forward(qkv, &places), &self.attention, None);
            resid = normed * self.residual_scale + pass.attn_out(layer, block.dense.forward(mixed));
            let normed = block.post_norm.forward(resid);
            resid = normed.clone() * self.residual_scale + pass.mlp_out(layer, block.feed_forward(normed));
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| self.final_norm.forward(resid))
    }

    fn head(&self) -> &FrozenMatrix {
        &self.lm_head
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.word_embeddings
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn file(changes: &Value) -> ConfigFile {
        let mut json = json!({
            "model_type": "chatglm", "vocab_size": 130_528, "hidden_size": 32, "inner_hidden_size": 64, "num_layers": 2,
            "num_attention_heads": 4, "position_encoding_2d": true, "bos_token_id": 130_004, "mask_token_id": 130_000,
            "gmask_token_id": 130_001, "pad_token_id": 3, "pre_seq_len": 128, "prefix_projection": false,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        ConfigFile::new(json, Path::new("config.json"))
    }

    #[test]
    fn the_options_tell_the_first_chatglm_from_the_later_ones() {
        let name = |changes: Value| Architecture::of(&file(&changes)).expect("one of them").models[0].name;
        assert_eq!(name(json!({})), NAME);
        assert_eq!(name(json!({ "position_encoding_2d": null })), NAME);
        assert_eq!(name(json!({ "inner_hidden_size": null, "position_encoding_2d": null })), "chatglm");
        assert_eq!(name(json!({ "position_encoding_2d": false, "ffn_hidden_size": 30 })), "chatglm");
        let file = file(&json!({}));
        let shape = ChatGlmConfig::parse(&file).expect("it is a model").shape();
        assert_eq!((shape.n_layers, shape.d_head, shape.d_ff, shape.n_positions), (2, 8, 64, 2048));
        assert_eq!(file.unread(), [""; 0]);
    }

    #[test]
    fn tokens_that_a_file_does_not_name_stand_before_the_start() {
        let tokens = |changes: Value| ChatGlmConfig::parse(&file(&changes)).expect("it is a model").context_tokens();
        let named = ContextTokens { blanks: [130_001, 130_000], start: 130_004 };
        assert_eq!(tokens(json!({})), named);
        assert_eq!(tokens(json!({ "mask_token_id": null, "gmask_token_id": null })), named);
    }

    #[test]
    fn frequencies_are_those_of_half_a_head_in_16_bits() {
        let config = ChatGlmConfig::parse(&file(&json!({ "hidden_size": 64 }))).expect("it is a model");
        let found = config.frequencies();
        assert_eq!(found, [1.0, 0.1, 0.01, 0.001].map(|x| f16::from_f32(x).to_f32()));
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "position_encoding_2d": false }), "position_encoding_2d = false"),
            (json!({ "quantization_bit": 2 }), "quantization_bit = 2"),
            (json!({ "num_attention_heads": 5 }), "not a multiple of 5 heads"),
            (json!({ "num_attention_heads": 16 }), "2 of 2 numbers"),
            (json!({ "num_layers": 0 }), "num_layers is 0"),
            (json!({ "hidden_size": "wide" }), "wide"),
        ];
        for (changes, said) in cases {
            let error = ChatGlmConfig::parse(&file(&changes)).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
