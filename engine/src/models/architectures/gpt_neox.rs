//! GPT-NeoX and Pythia: rotary positions in a part of each head, attention and feed-forward beside each other or in turn.
//!
//! huggingface/transformers: src/transformers/models/gpt_neox/modeling_gpt_neox.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::Result;
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, Rotary, activation};

const NAME: &str = "gpt_neox";

/// Leads the names of its modules.
const ROOT: &str = "gpt_neox.";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    embeddings: Some(WORDS),
    lora_targets: &["query_key_value"],
    ..Architecture::causal(&[ModelType::new(NAME, "GPTNeoX", "GPTNeoXTokenizer")], |file| {
        Ok(Box::new(GptNeoxConfig::parse(file)?))
    })
};

/// `config.json` of GPT-NeoX; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct GptNeoxConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    use_parallel_residual: bool,
    attention_bias: bool,
    tie_word_embeddings: bool,
    #[serde(skip)]
    rope: RopeSettings,
}

/// Share of a head that is turned where nothing is said.
const ROTARY_SHARE: f64 = 0.25;

impl GptNeoxConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config = Self { rope: RopeSettings::read(file)?, ..file.read(&[])? };
        let heads = config.num_attention_heads;
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", heads),
            ("max_position_embeddings", config.max_position_embeddings),
        ])?;
        file.check_heads(config.hidden_size, heads)?;
        file.check_turned(config.d_rotary(), config.d_head())?;
        config.activation()?;
        config.rope.check(NAME, config.d_rotary())?;
        Ok(config)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "hidden_act", &self.hidden_act)
    }

    fn d_head(&self) -> usize {
        self.hidden_size / self.num_attention_heads.max(1)
    }

    fn d_rotary(&self) -> usize {
        (self.d_head() as f64 * self.rope.share(ROTARY_SHARE)) as usize
    }
}

impl ModelConfig for GptNeoxConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.num_hidden_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.num_attention_heads,
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
        Ok(Model::Causal(Box::new(GptNeox::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "embed_in.weight";

struct Block {
    input_norm: LayerNorm,
    post_norm: LayerNorm,
    qkv: FrozenLinear,
    dense: FrozenLinear,
    h_to_4h: FrozenLinear,
    back_to_h: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct GptNeox {
    shape: ModelShape,
    embed_in: FrozenMatrix,
    blocks: Vec<Block>,
    final_norm: LayerNorm,
    embed_out: Option<FrozenMatrix>,
    attention: AttentionShape,
    rotary: Rotary,
    activation: Activation,
    parallel: bool,
}

impl GptNeox {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &GptNeoxConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, ROOT, WORDS);
        let embed_in = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let final_norm = load.layer_norm("final_layer_norm", shape.d_model, config.layer_norm_eps)?;
        let head = [shape.vocab_size, shape.d_model];
        let embed_out = load.head("embed_out.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        let activation = config.activation()?;
        let frequencies = config.rope.frequencies(config.d_rotary());
        Ok(Self {
            attention: shape.causal_attention(),
            rotary: Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device),
            parallel: config.use_parallel_residual,
            shape,
            embed_in,
            blocks,
            final_norm,
            embed_out,
            activation,
        })
    }
}

fn block(load: &Loader<'_>, config: &GptNeoxConfig, layer: usize) -> Result<Block> {
    let (d, ff, bias) = (config.hidden_size, config.intermediate_size, config.attention_bias);
    let at = |name: &str| format!("layers.{layer}.{name}");
    let norm = |name: &str| load.layer_norm(&at(name), d, config.layer_norm_eps);
    Ok(Block {
        input_norm: norm("input_layernorm")?,
        post_norm: norm("post_attention_layernorm")?,
        qkv: load.linear_by_head(&at("attention.query_key_value"), d, config.num_attention_heads, bias)?,
        dense: load.linear(&at("attention.dense"), d, d, bias)?,
        h_to_4h: load.linear(&at("mlp.dense_h_to_4h"), d, ff, true)?,
        back_to_h: load.linear(&at("mlp.dense_4h_to_h"), ff, d, true)?,
    })
}

impl CausalModel for GptNeox {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn rotary(&self) -> Option<&Rotary> {
        Some(&self.rotary)
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| pass.tokens.embed(&self.embed_in)); // [batch, seq, d_model]
        let angles = self.rotary.angles(pass.positions.clone());
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let qkv = self.rotary.forward(block.qkv.forward(block.input_norm.forward(resid.clone())), &angles);
            let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, d_model]
            let attn_out = pass.attn_out(layer, block.dense.forward(mixed));
            let feed = |x: Tensor<3>| {
                let wide = block.h_to_4h.forward(block.post_norm.forward(x)); // [batch, seq, d_ff]
                block.back_to_h.forward(activation(wide, self.activation))
            };
            resid = if self.parallel {
                let mlp_out = pass.mlp_out(layer, feed(resid.clone()));
                resid + attn_out + mlp_out
            } else {
                let after = resid + attn_out;
                after.clone() + pass.mlp_out(layer, feed(after))
            };
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| self.final_norm.forward(resid))
    }

    fn head(&self) -> &FrozenMatrix {
        self.embed_out.as_ref().unwrap_or(&self.embed_in)
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.embed_in
    }
}
