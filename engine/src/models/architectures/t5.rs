//! T5 (Raffel et al. 2020) in its versions 1.0 (ReLU, scaled outputs), 1.1, Flan and mT5 (gated, a head of its own).
//!
//! RMS norm before each part, no biases, scores that are not scaled. The first layer of each stack holds a bias for
//! each bucket of distances, which all of its layers share; cross-attention has none. A prefix takes the distances of
//! tokens before the text, as in PEFT.
//! huggingface/transformers: src/transformers/models/{t5,mt5}/modeling_*.py.

use burn::tensor::Tensor;
use serde::Deserialize;
use std::ops::Range;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::seq2seq::CrossAttention;
use crate::models::{ForwardPass, Loading, Model, ModelShape, Seq2SeqModel, TargetTokens, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerKv, RelativeBias, RmsNorm, activation};
use crate::tokens::TargetStart;
use crate::{Sentence, sentence};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: "",
    classifier_root: CLASSIFIER_ROOT,
    lora_targets: &["q", "v"],
    ..Architecture::seq2seq(MODELS, |file| Ok(Box::new(T5Config::parse(file)?)))
};

/// Before the names of a classifier's modules, `T5ForSequenceClassification`.
const CLASSIFIER_ROOT: &str = "transformer.";

/// The models that this file computes.
const MODELS: &[ModelType] = &[ModelType::new("t5", "T5", "T5Tokenizer"), ModelType::new("mt5", "MT5", "MT5Tokenizer")];

/// Distances beyond the last bucket are all alike, so there is no longest text; memory and time end before this.
const POSITIONS: usize = 4096;

/// `config.json` of this family; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct T5Config {
    model_type: String,
    vocab_size: usize,
    d_model: usize,
    d_kv: usize,
    d_ff: usize,
    num_layers: usize,
    num_decoder_layers: Option<usize>,
    num_heads: usize,
    relative_attention_num_buckets: usize,
    relative_attention_max_distance: usize,
    layer_norm_epsilon: f64,
    feed_forward_proj: Option<String>,
    tie_word_embeddings: Option<bool>,
    scale_decoder_outputs: Option<bool>,
    decoder_start_token_id: Option<u32>,
    pad_token_id: Option<u32>,
    forced_bos_token_id: Option<u32>,
    forced_eos_token_id: Option<u32>,
}

/// Other names of options.
const OTHER_NAMES: [(&str, &str); 4] = [
    ("hidden_size", "d_model"),
    ("num_attention_heads", "num_heads"),
    ("num_hidden_layers", "num_layers"),
    ("head_dim", "d_kv"),
];

impl T5Config {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let malformed = |reason: Sentence| file.malformed(reason);
        let config: Self = file.read(&OTHER_NAMES)?;
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("d_model", config.d_model),
            ("d_kv", config.d_kv),
            ("d_ff", config.d_ff),
            ("num_heads", config.num_heads),
            ("num_layers", config.num_layers),
            ("num_decoder_layers", config.n_decoder_layers()),
        ])?;
        let (buckets, distance) = (config.relative_attention_num_buckets, config.relative_attention_max_distance);
        if !(4..=1 << 16).contains(&buckets) || !(buckets..=1 << 24).contains(&(2 * distance)) {
            return Err(malformed(sentence!(
                "{buckets} buckets of distances up to {distance} cannot be",
                buckets,
                distance
            )));
        }
        config.feed_forward()?;
        Ok(config)
    }

    fn name(&self) -> &'static str {
        MODELS.iter().map(|model| model.name).find(|name| *name == self.model_type).unwrap_or("t5")
    }

    fn n_decoder_layers(&self) -> usize {
        self.num_decoder_layers.unwrap_or(self.num_layers)
    }

    /// The activation, and whether it gates a second projection.
    fn feed_forward(&self) -> Result<(Activation, bool)> {
        let default = if self.name() == "mt5" { "gated-gelu" } else { "relu" };
        let named = self.feed_forward_proj.as_deref().unwrap_or(default);
        let (gated, activation) = match named.strip_prefix("gated-") {
            Some("gelu") => (true, "gelu_new"),
            Some(activation) => (true, activation),
            None => (false, named),
        };
        let unsupported = |_| EngineError::UnsupportedOption {
            architecture: self.name(),
            option: "feed_forward_proj",
            value: named.to_owned(),
        };
        Ok((activation_named(self.name(), "feed_forward_proj", activation).map_err(unsupported)?, gated))
    }

    /// Version 1.0 divides what goes into the head by the root of its width; older files say so only by their tied head.
    fn output_scale(&self) -> Option<f64> {
        let tied = self.tie_word_embeddings != Some(false);
        let scaled = self.name() == "t5" && self.scale_decoder_outputs.unwrap_or(tied);
        scaled.then(|| (self.d_model as f64).sqrt().recip())
    }

    fn sizes_of_encoder(&self) -> ModelShape {
        ModelShape { n_layers: self.num_layers, ..self.shape() }
    }

    /// Tokens that are put in.
    pub fn target_tokens(&self) -> TargetTokens {
        TargetTokens {
            start: Some(self.decoder_start_token_id.or(self.pad_token_id).unwrap_or(0)),
            last_starts: false,
            forced_first: self.forced_bos_token_id,
            forced_last: self.forced_eos_token_id,
        }
    }
}

impl ModelConfig for T5Config {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: self.name(),
            n_layers: self.n_decoder_layers(),
            d_model: self.d_model,
            n_heads: self.num_heads,
            n_kv_heads: self.num_heads,
            d_head: self.d_kv,
            d_ff: self.d_ff,
            vocab_size: self.vocab_size,
            n_positions: POSITIONS,
        }
    }

    fn encoder_shape(&self) -> Option<ModelShape> {
        Some(self.sizes_of_encoder())
    }

    fn target_start(&self) -> TargetStart {
        self.target_tokens().before_labels()
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Seq2Seq(Box::new(T5::load(self, weights, progress)?)))
    }
}

struct FeedForward {
    norm: RmsNorm,
    /// The projection that the activation is applied to.
    wide: FrozenLinear,
    /// The projection that the activated one gates, where it is a gate.
    up: Option<FrozenLinear>,
    narrow: FrozenLinear,
    activation: Activation,
}

impl FeedForward {
    /// The layer's contribution to the stream.
    fn forward(&self, resid: Tensor<3>, layer: usize, pass: &ForwardPass<'_>) -> Tensor<3> {
        let normed = self.norm.forward(resid);
        let wide = activation(self.wide.forward(normed.clone()), self.activation);
        let wide = match &self.up {
            Some(up) => wide * up.forward(normed),
            None => wide,
        };
        self.narrow.forward(pass.wide(layer, wide))
    }
}

struct Block {
    norm: RmsNorm,
    qkv: FrozenLinear,
    out: FrozenLinear,
    /// In the decoder.
    cross: Option<(RmsNorm, CrossAttention)>,
    feed_forward: FeedForward,
}

struct Stack {
    blocks: Vec<Block>,
    relative_bias: RelativeBias,
    final_norm: RmsNorm,
    attention: AttentionShape,
}

impl Stack {
    fn hidden(&self, shared: &FrozenMatrix, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| pass.tokens.embed(shared)); // [batch, seq, d_model]
        let [_, seq] = pass.tokens.dims();
        let distances = self.relative_bias.bias(pass.n_past(), seq); // [1, n_heads, seq, kv]
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let qkv = block.qkv.forward(block.norm.forward(resid.clone())); // [batch, seq, 3 * n_heads * d_head]
            let mixed = pass.attention(layer, qkv, &self.attention, Some(&distances)); // [batch, seq, n_heads * d_head]
            resid = resid + pass.attn_out(layer, block.out.forward(mixed));
            if let Some((norm, cross)) = &block.cross {
                resid = resid.clone() + cross.forward(pass, layer, norm.forward(resid));
            }
            let fed = block.feed_forward.forward(resid.clone(), layer, pass);
            resid = resid + pass.mlp_out(layer, fed);
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| pass.normed_end(self.final_norm.forward(resid)))
    }
}

/// The model with its frozen weights on a device.
pub struct T5 {
    shape: ModelShape,
    encoder_shape: ModelShape,
    shared: FrozenMatrix,
    encoder: Stack,
    decoder: Stack,
    lm_head: Option<FrozenMatrix>,
    output_scale: Option<f64>,
    target_tokens: TargetTokens,
}

impl T5 {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done. A head of its own is used
    /// if the files have one, whatever the configuration says.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &T5Config, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let (shape, encoder_shape) = (config.shape(), config.sizes_of_encoder());
        // Adapters call the modules alike, whatever the checkpoint was saved as.
        let load = Loader::new(weights, CLASSIFIER_ROOT, "shared.weight").named("");
        let table = [shape.vocab_size, shape.d_model];
        let names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
        let name = names.into_iter().find(|name| load.contains(name)).unwrap_or(names[0]);
        let shared = load.matrix(name, table)?;
        let encoder = stack(&load, config, &encoder_shape, false, &mut |share| progress(share * 0.5))?;
        let decoder = stack(&load, config, &shape, true, &mut |share| progress(0.5 + share * 0.5))?;
        let lm_head = load.head("lm_head.weight", table, (!load.contains("lm_head.weight")).then_some(name))?;
        progress(1.0)?;
        let (output_scale, target_tokens) = (config.output_scale(), config.target_tokens());
        Ok(Self { shape, encoder_shape, shared, encoder, decoder, lm_head, output_scale, target_tokens })
    }
}

fn stack(
    load: &Loader<'_>,
    config: &T5Config,
    shape: &ModelShape,
    writes: bool,
    progress: &mut Loading<'_>,
) -> Result<Stack> {
    let side = if writes { "decoder" } else { "encoder" };
    let mut blocks = Vec::with_capacity(shape.n_layers);
    for layer in 0..shape.n_layers {
        progress(layer as f32 / shape.n_layers as f32)?;
        blocks.push(block(load, config, &format!("{side}.block.{layer}.layer"), writes)?);
    }
    let n_buckets = config.relative_attention_num_buckets;
    let table = format!("{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    Ok(Stack {
        blocks,
        relative_bias: RelativeBias {
            table: load.tensor(&table, [n_buckets, shape.n_heads])?,
            n_buckets,
            max_distance: config.relative_attention_max_distance,
            both_directions: !writes,
        },
        final_norm: load.rms_norm(&format!("{side}.final_layer_norm"), shape.d_model, config.layer_norm_epsilon)?,
        attention: attention_shape(shape, writes),
    })
}

fn attention_shape(shape: &ModelShape, causal: bool) -> AttentionShape {
    AttentionShape { scale: 1.0, causal, ..shape.causal_attention() }
}

fn block(load: &Loader<'_>, config: &T5Config, at: &str, writes: bool) -> Result<Block> {
    let (d, ff, inner) = (config.d_model, config.d_ff, config.num_heads * config.d_kv);
    let norm = |part: usize| load.rms_norm(&format!("{at}.{part}.layer_norm"), d, config.layer_norm_epsilon);
    let side_by_side = |module: &str, letters: &[&str]| {
        let parts: Vec<_> = letters.iter().map(|letter| (format!("{at}.{module}.{letter}"), inner)).collect();
        load.linear_of_parts(&parts, d, false)
    };
    let out = |module: &str| load.linear(&format!("{at}.{module}.o"), inner, d, false);
    let (own, other) = ("0.SelfAttention", "1.EncDecAttention");
    let cross = if writes {
        let shape = AttentionShape { is_cross: true, ..attention_shape(&config.shape(), false) };
        let query = side_by_side(other, &["q"])?;
        let key_value = side_by_side(other, &["k", "v"])?;
        Some((norm(1)?, CrossAttention { query, key_value, out: out(other)?, shape }))
    } else {
        None
    };
    let last = if writes { 2 } else { 1 };
    let wide = |name: &str| load.linear(&format!("{at}.{last}.DenseReluDense.{name}"), d, ff, false);
    let (activation, gated) = config.feed_forward()?;
    let up = gated.then(|| wide("wi_1")).transpose()?;
    let wide = wide(if gated { "wi_0" } else { "wi" })?;
    let narrow = load.linear(&format!("{at}.{last}.DenseReluDense.wo"), ff, d, false)?;
    Ok(Block {
        norm: norm(0)?,
        qkv: side_by_side(own, &["q", "k", "v"])?,
        out: out(own)?,
        cross,
        feed_forward: FeedForward { norm: norm(last)?, wide, up, narrow, activation },
    })
}

impl Seq2SeqModel for T5 {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn encoder_shape(&self) -> &ModelShape {
        &self.encoder_shape
    }

    fn target_tokens(&self) -> &TargetTokens {
        &self.target_tokens
    }

    fn encode(&self, source: &mut ForwardPass<'_>) -> Tensor<3> {
        self.encoder.hidden(&self.shared, source)
    }

    fn cross(&self, encoded: Tensor<3>, layers: Range<usize>) -> Vec<LayerKv> {
        let of_layer = |block: &Block| block.cross.as_ref().map(|(_, cross)| cross.keys_and_values(encoded.clone()));
        self.decoder.blocks[layers].iter().filter_map(of_layer).collect()
    }

    fn hidden(&self, target: &mut ForwardPass<'_>) -> Tensor<3> {
        let hidden = self.decoder.hidden(&self.shared, target);
        target.end(hidden, |hidden| match self.output_scale {
            Some(scale) => hidden * scale,
            None => hidden,
        })
    }

    fn head(&self) -> &FrozenMatrix {
        self.lm_head.as_ref().unwrap_or(&self.shared)
    }

    fn class_vectors(&self, hidden: Tensor<2>) -> Tensor<2> {
        match self.output_scale {
            Some(scale) => hidden / scale,
            None => hidden,
        }
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.shared
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(changes: Value) -> Result<T5Config> {
        let mut json = json!({
            "model_type": "t5", "vocab_size": 50, "d_model": 24, "d_kv": 5, "d_ff": 30, "num_layers": 2, "num_heads": 3,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        T5Config::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn each_version_of_the_configuration_says_whether_the_output_is_scaled() {
        let scale = |changes| parse(changes).unwrap().output_scale().is_some();
        assert!(scale(json!({})), "1.0 in an old file");
        assert!(!scale(json!({ "tie_word_embeddings": false })), "1.1 in an old file");
        assert!(!scale(json!({ "tie_word_embeddings": true, "scale_decoder_outputs": false })), "1.1 in a new file");
        assert!(scale(json!({ "tie_word_embeddings": true, "scale_decoder_outputs": true })), "1.0 in a new file");
        assert!(!scale(json!({ "model_type": "mt5" })), "mT5 never does");
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "feed_forward_proj": "gated-swiglu" }), "feed_forward_proj = gated-swiglu"),
            (json!({ "relative_attention_num_buckets": 2 }), "2 buckets"),
            (json!({ "num_decoder_layers": 0 }), "num_decoder_layers is 0"),
            (json!({ "d_ff": 1_usize << 40 }), "d_ff = 1099511627776 is beyond any model"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let gated = parse(json!({ "feed_forward_proj": "gated-gelu" })).unwrap();
        assert_eq!(gated.feed_forward().unwrap(), (Activation::GeluTanh, true));
        assert_eq!(parse(json!({ "feed_forward_proj": "gelu" })).unwrap().feed_forward().unwrap().0, Activation::Gelu);
    }
}
