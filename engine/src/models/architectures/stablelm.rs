//! StableLM (Bellagente et al. 2024): as LLaMA, with layer norms, biases of queries, keys and values, and a part of each
//! head turned; attention and feed-forward in turn or beside each other; of the 12B a norm for each head of queries and keys.
//!
//! Keys of a prefix are used as stored, never normed or turned.
//! huggingface/transformers: src/transformers/models/stablelm/modeling_stablelm.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::Result;
use crate::models::load::{ConfigFile, Loader, Role, RopeSettings, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, Rotary, activation};

const NAME: &str = "stablelm";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture =
    Architecture::causal(&[ModelType::new(NAME, "StableLm", "")], |file| Ok(Box::new(StableLmConfig::parse(file)?)));

/// `config.json` of StableLM; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct StableLmConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: usize,
    max_position_embeddings: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    use_qkv_bias: bool,
    qk_layernorm: bool,
    use_parallel_residual: bool,
    tie_word_embeddings: bool,
    pad_token_id: Option<i64>,
    #[serde(skip)]
    rope: RopeSettings,
}

/// Share of a head that is turned where nothing is said.
const ROTARY_SHARE: f64 = 0.25;

impl StableLmConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config = Self { rope: RopeSettings::read(file)?, ..file.read(&[])? };
        let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("intermediate_size", config.intermediate_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", heads),
            ("num_key_value_heads", kv_heads),
            ("max_position_embeddings", config.max_position_embeddings),
        ])?;
        file.check_heads(config.hidden_size, heads)?;
        file.check_key_heads(heads, kv_heads)?;
        let (d_rotary, d_head) = (config.d_rotary(), config.d_head());
        file.check_turned(d_rotary, d_head)?;
        config.activation()?;
        config.rope.check(NAME, d_rotary)?;
        Ok(config)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "hidden_act", &self.hidden_act)
    }

    fn d_head(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    fn d_rotary(&self) -> usize {
        (self.d_head() as f64 * self.rope.share(ROTARY_SHARE)) as usize
    }
}

impl ModelConfig for StableLmConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.num_hidden_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.num_key_value_heads,
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
        Ok(Model::Causal(Box::new(StableLm::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "embed_tokens.weight";

/// A norm without a shift for each of several heads side by side.
struct HeadNorms {
    /// Of the width of a head, without weights.
    bare: LayerNorm,
    /// Of each head, `[d_head]`.
    gammas: Vec<Tensor<1>>,
}

impl HeadNorms {
    fn load(load: &Loader<'_>, name: &str, [n_heads, d_head]: [usize; 2], epsilon: f64) -> Result<Self> {
        let gammas = (0..n_heads).map(|head| load.tensor(&format!("{name}.norms.{head}.weight"), [d_head]));
        let gammas = gammas.collect::<Result<_>>()?;
        let (ones, zeros) = (Tensor::ones([d_head], load.device()), Tensor::zeros([d_head], load.device()));
        Ok(Self { bare: LayerNorm { gamma: ones, beta: zeros, epsilon }, gammas })
    }

    /// # Shapes
    /// - `x`: `[batch, seq, n_heads * d_head]`
    /// - returns the same
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let ([batch, seq, width], [d_head]) = (x.dims(), self.bare.gamma.dims());
        let heads = self.bare.forward(x.reshape([batch, seq * width / d_head, d_head]));
        heads.reshape([batch, seq, width]) * Tensor::cat(self.gammas.clone(), 0).unsqueeze()
    }
}

struct Block {
    input_norm: LayerNorm,
    qkv: FrozenLinear,
    /// Of queries and of keys, where there are any.
    qk_norms: Option<(HeadNorms, HeadNorms)>,
    o_proj: FrozenLinear,
    /// `None` where the feed-forward reads what attention reads.
    post_norm: Option<LayerNorm>,
    gate_proj: FrozenLinear,
    up_proj: FrozenLinear,
    down_proj: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct StableLm {
    shape: ModelShape,
    embed_tokens: FrozenMatrix,
    lookup: EmbeddingOptions,
    blocks: Vec<Block>,
    norm: LayerNorm,
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    rotary: Rotary,
    activation: Activation,
}

impl StableLm {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &StableLmConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, "model.", WORDS);
        let embed_tokens = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let norm = load.layer_norm("norm", shape.d_model, config.layer_norm_eps)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        let (attention, activation) = (shape.causal_attention(), config.activation()?);
        let frequencies = config.rope.frequencies(config.d_rotary());
        let rotary = Rotary::new(frequencies, shape.n_heads + shape.n_kv_heads, shape.d_head, weights.device);
        let lookup = EmbeddingOptions { padding: config.pad_token_id, ..EmbeddingOptions::default() };
        Ok(Self { shape, embed_tokens, lookup, blocks, norm, lm_head, attention, rotary, activation })
    }
}

fn block(load: &Loader<'_>, config: &StableLmConfig, layer: usize) -> Result<Block> {
    let ModelShape { d_model, d_ff, d_head, n_heads, n_kv_heads, .. } = config.shape();
    let at = |name: &str| format!("layers.{layer}.{name}");
    let keys = n_kv_heads * d_head;
    let qkv = [("q", d_model), ("k", keys), ("v", keys)].map(|(name, d)| (at(&format!("self_attn.{name}_proj")), d));
    let norm = |name: &str| load.layer_norm(&at(name), d_model, config.layer_norm_eps);
    let linear = |name: &str, d_in: usize, d_out: usize| load.linear(&at(name), d_in, d_out, false);
    let head_norms = |name: &str, n: usize| HeadNorms::load(load, &at(name), [n, d_head], config.layer_norm_eps);
    let qk_norms = if config.qk_layernorm {
        Some((head_norms("self_attn.q_layernorm", n_heads)?, head_norms("self_attn.k_layernorm", n_kv_heads)?))
    } else {
        None
    };
    Ok(Block {
        input_norm: norm("input_layernorm")?,
        qkv: load.linear_of_parts(&qkv, d_model, config.use_qkv_bias)?,
        qk_norms,
        o_proj: linear("self_attn.o_proj", d_model, d_model)?,
        post_norm: if config.use_parallel_residual { None } else { Some(norm("post_attention_layernorm")?) },
        gate_proj: linear("mlp.gate_proj", d_model, d_ff)?,
        up_proj: linear("mlp.up_proj", d_model, d_ff)?,
        down_proj: linear("mlp.down_proj", d_ff, d_model)?,
    })
}

impl Block {
    /// Queries and keys normed head by head; values stay.
    fn normed(&self, qkv: Tensor<3>, shape: &AttentionShape) -> Tensor<3> {
        let Some((q_norms, k_norms)) = &self.qk_norms else { return qkv };
        let (queries, keys) = (shape.n_heads * shape.d_head, shape.n_kv_heads * shape.d_head);
        let part = |from: usize, width: usize| qkv.clone().narrow(2, from, width);
        let (q, k) = (q_norms.forward(part(0, queries)), k_norms.forward(part(queries, keys)));
        Tensor::cat(vec![q, k, part(queries + keys, keys)], 2)
    }

    fn feed_forward(&self, normed: Tensor<3>, act: Activation) -> Tensor<3> {
        let gate = activation(self.gate_proj.forward(normed.clone()), act); // [batch, seq, d_ff]
        self.down_proj.forward(gate * self.up_proj.forward(normed))
    }
}

impl CausalModel for StableLm {
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
            let normed = block.input_norm.forward(resid.clone());
            let qkv = block.normed(block.qkv.forward(normed.clone()), &self.attention);
            let qkv = self.rotary.forward(qkv, &angles);
            let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, n_heads * d_head]
            resid = resid + pass.attn_out(layer, block.o_proj.forward(mixed));
            let normed = block.post_norm.as_ref().map_or(normed, |norm| norm.forward(resid.clone()));
            resid = resid + pass.mlp_out(layer, block.feed_forward(normed, self.activation));
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
