//! BART (Lewis et al. 2020) and what is built like it: mBART (norms before each part and after the last) and Pegasus
//! (the same, without a norm of the embeddings, positions that are computed).
//!
//! `model_type` decides which; the older `normalize_before`, `add_final_layer_norm`, `normalize_embedding` and
//! `static_position_embeddings` are read where a file has them and refused if they say otherwise. Learned positions stand
//! two rows further down their table. The bias of the logits is one more column of the head, which every hidden state
//! meets with a 1.
//! huggingface/transformers: src/transformers/models/{bart,mbart,pegasus}/modeling_*.py.

use burn::tensor::module::embedding;
use burn::tensor::{DType, Tensor};
use serde::Deserialize;
use std::ops::Range;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Weights, of_one_type};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::seq2seq::CrossAttention;
use crate::models::{
    EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, Seq2SeqModel, TargetTokens, activation_named,
};
use crate::nn::{
    Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerKv, LayerNorm, activation, floats, sinusoids,
};
use crate::tokens::TargetStart;
use crate::{Sentence, sentence};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture =
    Architecture::seq2seq(MODELS, |file| Ok(Box::new(BartConfig::parse(file)?)));

/// The models that this file computes.
const MODELS: &[ModelType] = &[
    ModelType::new("bart", "Bart", "BartTokenizer"),
    ModelType::new("mbart", "MBart", "MBartTokenizer"),
    ModelType::new("pegasus", "", "PegasusTokenizer"),
];

/// Rows of the table of learned positions before that of position 0.
const OFFSET: usize = 2;

const EPSILON: f64 = 1e-5;

/// `config.json` of this family; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct BartConfig {
    model_type: String,
    vocab_size: usize,
    d_model: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    max_position_embeddings: usize,
    activation_function: String,
    scale_embedding: bool,
    normalize_before: Option<bool>,
    add_final_layer_norm: Option<bool>,
    normalize_embedding: Option<bool>,
    static_position_embeddings: Option<bool>,
    tie_word_embeddings: bool,
    decoder_start_token_id: Option<u32>,
    forced_bos_token_id: Option<u32>,
    forced_eos_token_id: Option<u32>,
    pad_token_id: Option<i64>,
}

impl BartConfig {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Sizes that contradict each other, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let malformed = |reason: Sentence| file.malformed(reason);
        let config: Self = file.read(&[])?;
        let heads = [config.encoder_attention_heads, config.decoder_attention_heads];
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("d_model", config.d_model),
            ("max_position_embeddings", config.max_position_embeddings),
            ("encoder_layers", config.encoder_layers),
            ("decoder_layers", config.decoder_layers),
            ("encoder_attention_heads", heads[0]),
            ("decoder_attention_heads", heads[1]),
            ("encoder_ffn_dim", config.encoder_ffn_dim),
            ("decoder_ffn_dim", config.decoder_ffn_dim),
        ])?;
        if let Some(n) = heads.iter().find(|n| !config.d_model.is_multiple_of(**n)) {
            return Err(malformed(sentence!(
                "d_model {d_model} is not a multiple of {n} heads",
                d_model = config.d_model,
                n
            )));
        }
        config.check_options()?;
        Ok(config)
    }

    /// Refuses options that would be computed otherwise than the reference does.
    fn check_options(&self) -> Result<()> {
        self.activation()?;
        let options = [
            ("normalize_before", self.normalize_before, self.norms_first()),
            ("add_final_layer_norm", self.add_final_layer_norm, self.norms_first()),
            ("normalize_embedding", self.normalize_embedding, self.norms_embedding()),
            ("static_position_embeddings", self.static_position_embeddings, !self.learns_positions()),
        ];
        match options.into_iter().find(|(_, said, computed)| said.is_some_and(|said| said != *computed)) {
            None => Ok(()),
            Some((option, _, computed)) => Err(EngineError::UnsupportedOption {
                architecture: self.name(),
                option,
                value: (!computed).to_string(),
            }),
        }
    }

    fn name(&self) -> &'static str {
        MODELS.iter().map(|model| model.name).find(|name| *name == self.model_type).unwrap_or("bart")
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(self.name(), "activation_function", &self.activation_function)
    }

    /// Norms before each part, and one after the last layer.
    fn norms_first(&self) -> bool {
        self.name() != "bart"
    }

    fn norms_embedding(&self) -> bool {
        self.name() != "pegasus"
    }

    fn learns_positions(&self) -> bool {
        self.name() != "pegasus"
    }

    fn stack_shape(&self, n_layers: usize, n_heads: usize, d_ff: usize) -> ModelShape {
        ModelShape {
            architecture: self.name(),
            n_layers,
            d_model: self.d_model,
            n_heads,
            n_kv_heads: n_heads,
            d_head: self.d_model / n_heads,
            d_ff,
            vocab_size: self.vocab_size,
            n_positions: self.max_position_embeddings,
        }
    }

    fn sizes_of_encoder(&self) -> ModelShape {
        self.stack_shape(self.encoder_layers, self.encoder_attention_heads, self.encoder_ffn_dim)
    }

    /// Tokens that are put in. mBART's targets end with their language, which starts them too.
    pub fn target_tokens(&self) -> TargetTokens {
        let default = match self.name() {
            "bart" => Some(2),
            "pegasus" => Some(0),
            _ => None,
        };
        TargetTokens {
            start: self.decoder_start_token_id.or(default),
            last_starts: self.name() == "mbart",
            forced_first: self.forced_bos_token_id,
            forced_last: self.forced_eos_token_id,
        }
    }
}

impl ModelConfig for BartConfig {
    fn shape(&self) -> ModelShape {
        self.stack_shape(self.decoder_layers, self.decoder_attention_heads, self.decoder_ffn_dim)
    }

    fn encoder_shape(&self) -> Option<ModelShape> {
        Some(self.sizes_of_encoder())
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    /// The bias of the logits is a buffer in transformers, and Pegasus' positions are computed.
    fn is_weight(&self, stored: &str) -> bool {
        let is_computed = stored.ends_with("embed_positions.weight") && !self.learns_positions();
        !is_computed && stored != "final_logits_bias"
    }

    fn target_start(&self) -> TargetStart {
        self.target_tokens().before_labels()
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Seq2Seq(Box::new(Bart::load(self, weights, progress)?)))
    }
}

/// A norm stands before or after a part.
struct Part {
    norm: LayerNorm,
    norm_first: bool,
}

impl Part {
    fn around(&self, resid: Tensor<3>, part: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        if self.norm_first {
            resid.clone() + part(self.norm.forward(resid))
        } else {
            self.norm.forward(resid.clone() + part(resid))
        }
    }
}

struct Block {
    own: Part,
    qkv: FrozenLinear,
    out: FrozenLinear,
    /// In the decoder.
    cross: Option<(Part, CrossAttention)>,
    last: Part,
    fc1: FrozenLinear,
    fc2: FrozenLinear,
}

struct Stack {
    /// `[n_positions, d_model]`, from position 0.
    positions: Tensor<2>,
    embedding_norm: Option<LayerNorm>,
    lookup: EmbeddingOptions,
    blocks: Vec<Block>,
    final_norm: Option<LayerNorm>,
    attention: AttentionShape,
    activation: Activation,
}

impl Stack {
    fn hidden(&self, shared: &FrozenMatrix, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| self.embedded(shared, pass)); // [batch, seq, d_model]
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            resid = block.own.around(resid, |x| {
                let mixed = pass.attention(layer, block.qkv.forward(x), &self.attention, None); // [batch, seq, d_model]
                pass.attn_out(layer, block.out.forward(mixed))
            });
            if let Some((part, cross)) = &block.cross {
                resid = part.around(resid, |x| cross.forward(pass, layer, x));
            }
            resid = block.last.around(resid, |x| {
                let wide = activation(block.fc1.forward(x), self.activation); // [batch, seq, d_ff]
                let wide = pass.wide(layer, wide);
                pass.mlp_out(layer, block.fc2.forward(wide))
            });
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| match &self.final_norm {
            Some(norm) => norm.forward(resid),
            None => resid,
        })
    }

    /// `[batch, seq, d_model]`
    fn embedded(&self, shared: &FrozenMatrix, pass: &ForwardPass<'_>) -> Tensor<3> {
        let tokens = pass.tokens.embed_as(shared, self.lookup);
        let resid = tokens + embedding(self.positions.clone(), pass.positions.clone());
        match &self.embedding_norm {
            Some(norm) => norm.forward(resid),
            None => resid,
        }
    }
}

/// The model with its frozen weights on a device.
pub struct Bart {
    shape: ModelShape,
    encoder_shape: ModelShape,
    shared: FrozenMatrix,
    encoder: Stack,
    decoder: Stack,
    /// `[vocab_size, d_model]`, or a column wider with the bias of the logits; `None`: the embeddings serve.
    head: Option<FrozenMatrix>,
    has_bias: bool,
    target_tokens: TargetTokens,
}

impl Bart {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// Names may have the prefix `model.` or not.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &BartConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let (shape, encoder_shape) = (config.shape(), config.sizes_of_encoder());
        let load = Loader::new(weights, "model.", "encoder.layers.0.fc1.weight");
        let table = [shape.vocab_size, shape.d_model];
        let names = ["shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"];
        let name = names.into_iter().find(|name| load.contains(name)).unwrap_or(names[0]);
        let shared = load.matrix(name, table)?;
        let encoder = stack(&load, config, "encoder", &mut |share| progress(share * 0.5))?;
        let decoder = stack(&load, config, "decoder", &mut |share| progress(0.5 + share * 0.5))?;
        let head = load.head("lm_head.weight", table, config.tie_word_embeddings.then_some(name))?;
        let bias = logits_bias(&load, shape.vocab_size)?;
        let has_bias = bias.is_some();
        let head = match bias {
            Some(bias) => {
                let matrix = head.unwrap_or_else(|| shared.clone());
                let joined = || Ok(with_column(&matrix, &bias));
                Some(if load.changes_words(name) { joined()? } else { load.once("head and bias", &[], joined)? })
            }
            None => head,
        };
        progress(1.0)?;
        let target_tokens = config.target_tokens();
        Ok(Self { shape, encoder_shape, shared, encoder, decoder, head, has_bias, target_tokens })
    }
}

/// A head with the bias as its last column, in 16 bits if both are stored so.
fn with_column(head: &FrozenMatrix, bias: &FrozenMatrix) -> FrozenMatrix {
    FrozenMatrix::new(Tensor::cat(of_one_type(vec![head.dense(), bias.dense()]), 1), head.precision())
}

/// `[vocab_size, 1]` in the bits it is stored in, if there is one that is not zero.
fn logits_bias(load: &Loader<'_>, vocab_size: usize) -> Result<Option<FrozenMatrix>> {
    let load = load.outside();
    if !load.contains("final_logits_bias") {
        return Ok(None);
    }
    let bias = load.matrix("final_logits_bias", [1, vocab_size])?;
    let largest = floats(bias.dense().cast(DType::F32).abs().max())?;
    Ok((largest != [0.0]).then(|| bias.transpose()))
}

fn stack(load: &Loader<'_>, config: &BartConfig, side: &str, progress: &mut Loading<'_>) -> Result<Stack> {
    let writes = side == "decoder";
    let shape = if writes { config.shape() } else { config.sizes_of_encoder() };
    let mut blocks = Vec::with_capacity(shape.n_layers);
    for layer in 0..shape.n_layers {
        progress(layer as f32 / shape.n_layers as f32)?;
        blocks.push(block(load, config, &shape, &format!("{side}.layers.{layer}"), writes)?);
    }
    let (d, n_positions) = (shape.d_model, shape.n_positions);
    let norm =
        |wanted: bool, name: &str| wanted.then(|| load.layer_norm(&format!("{side}.{name}"), d, EPSILON)).transpose();
    let table = format!("{side}.embed_positions.weight");
    let positions = if config.learns_positions() {
        load.tensor(&table, [n_positions + OFFSET, d])?.slice([OFFSET..n_positions + OFFSET, 0..d])
    } else if load.contains(&table) {
        load.tensor(&table, [n_positions, d])?
    } else {
        sinusoids(n_positions, d, load.device())
    };
    Ok(Stack {
        positions,
        embedding_norm: norm(config.norms_embedding(), "layernorm_embedding")?,
        lookup: EmbeddingOptions {
            scale: config.scale_embedding.then(|| (d as f64).sqrt()),
            unscaled_behind_soft: config.name() == "pegasus",
            padding: config.pad_token_id.or(Some(if config.model_type == "pegasus" { 0 } else { 1 })),
        },
        blocks,
        final_norm: norm(config.norms_first(), "layer_norm")?,
        attention: AttentionShape { causal: writes, ..shape.causal_attention() },
        activation: config.activation()?,
    })
}

fn block(load: &Loader<'_>, config: &BartConfig, shape: &ModelShape, at: &str, writes: bool) -> Result<Block> {
    let (d, ff) = (shape.d_model, shape.d_ff);
    let part = |name: &str| {
        let norm = load.layer_norm(&format!("{at}.{name}"), d, EPSILON)?;
        Ok::<_, EngineError>(Part { norm, norm_first: config.norms_first() })
    };
    let side_by_side = |module: &str, letters: &[&str]| {
        let parts: Vec<_> = letters.iter().map(|letter| (format!("{at}.{module}.{letter}_proj"), d)).collect();
        load.linear_of_parts(&parts, d, true)
    };
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&format!("{at}.{name}"), d_in, d_out, true);
    let cross = if writes {
        let shape = AttentionShape { causal: false, is_cross: true, ..shape.causal_attention() };
        let query = side_by_side("encoder_attn", &["q"])?;
        let key_value = side_by_side("encoder_attn", &["k", "v"])?;
        let out = linear("encoder_attn.out_proj", d, d)?;
        Some((part("encoder_attn_layer_norm")?, CrossAttention { query, key_value, out, shape }))
    } else {
        None
    };
    Ok(Block {
        own: part("self_attn_layer_norm")?,
        qkv: side_by_side("self_attn", &["q", "k", "v"])?,
        out: linear("self_attn.out_proj", d, d)?,
        cross,
        last: part("final_layer_norm")?,
        fc1: linear("fc1", d, ff)?,
        fc2: linear("fc2", ff, d)?,
    })
}

impl Seq2SeqModel for Bart {
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
        if !self.has_bias {
            return hidden;
        }
        target.end(hidden, |hidden| {
            let [batch, seq, _] = hidden.dims();
            let ones = Tensor::ones([batch, seq, 1], &hidden.device());
            Tensor::cat(vec![hidden, ones], 2)
        })
    }

    fn head(&self) -> &FrozenMatrix {
        self.head.as_ref().unwrap_or(&self.shared)
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.shared
    }
}

#[cfg(test)]
#[path = "bart_tests.rs"]
mod tests;
