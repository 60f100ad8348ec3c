//! GPT-2 (Radford et al. 2019), any size its configuration describes.
//! Layout as in huggingface/transformers: src/transformers/models/gpt2/modeling_gpt2.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, activation, embed};
use crate::{Sentence, sentence};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    embeddings: Some(WORDS),
    lora_targets: &["c_attn"],
    is_conv1d: true,
    ..Architecture::causal(&[ModelType::new(NAME, "GPT2", "GPT2Tokenizer")], |file| {
        Ok(Box::new(Gpt2Config::parse(file)?))
    })
};

/// `config.json` of a GPT-2 folder, as far as it changes what is computed.
#[derive(Clone, Debug, Deserialize)]
pub struct Gpt2Config {
    vocab_size: usize,
    n_positions: usize,
    n_embd: usize,
    n_layer: usize,
    n_head: usize,
    n_inner: Option<usize>,
    activation_function: String,
    layer_norm_epsilon: f64,
    scale_attn_weights: bool,
    scale_attn_by_inverse_layer_idx: bool,
    add_cross_attention: bool,
    tie_word_embeddings: bool,
}

const NAME: &str = "gpt2";

/// Leads the names of its modules.
const ROOT: &str = "transformer.";

/// Other names of options.
const OTHER_NAMES: [(&str, &str); 4] = [
    ("hidden_size", "n_embd"),
    ("max_position_embeddings", "n_positions"),
    ("num_attention_heads", "n_head"),
    ("num_hidden_layers", "n_layer"),
];

impl Gpt2Config {
    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Sizes that contradict each other, or an option that we do not compute, by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let malformed = |reason: Sentence| file.malformed(reason);
        let config: Self = file.read(&OTHER_NAMES)?;
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("n_positions", config.n_positions),
            ("n_embd", config.n_embd),
            ("n_layer", config.n_layer),
            ("n_head", config.n_head),
            ("n_inner", config.d_ff()),
        ])?;
        if !config.n_embd.is_multiple_of(config.n_head) {
            return Err(malformed(sentence!(
                "n_embd {n_embd} is not a multiple of n_head {n_head}",
                n_embd = config.n_embd,
                n_head = config.n_head
            )));
        }
        let unsupported = |option, value: &str| {
            Err(EngineError::UnsupportedOption { architecture: NAME, option, value: value.to_owned() })
        };
        if config.add_cross_attention {
            return unsupported("add_cross_attention", "true");
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

impl ModelConfig for Gpt2Config {
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
        Ok(Model::Causal(Box::new(Gpt2::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "wte.weight";

struct Block {
    ln_1: LayerNorm,
    c_attn: FrozenLinear,
    attn_c_proj: FrozenLinear,
    ln_2: LayerNorm,
    c_fc: FrozenLinear,
    mlp_c_proj: FrozenLinear,
    attention: AttentionShape,
}

/// The model with its frozen weights on a device.
pub struct Gpt2 {
    shape: ModelShape,
    wte: FrozenMatrix,
    wpe: Tensor<2>,
    blocks: Vec<Block>,
    ln_f: LayerNorm,
    lm_head: Option<FrozenMatrix>,
    activation: Activation,
}

impl Gpt2 {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// Names may have the prefix `transformer.` or not; old mask buffers are ignored.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &Gpt2Config, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, ROOT, WORDS);
        let wte = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let wpe = load.tensor("wpe.weight", [shape.n_positions, shape.d_model])?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let ln_f = load.layer_norm("ln_f", shape.d_model, config.layer_norm_epsilon)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        let activation = config.activation()?;
        Ok(Self { shape, wte, wpe, blocks, ln_f, lm_head, activation })
    }
}

fn block(load: &Loader<'_>, config: &Gpt2Config, layer: usize) -> Result<Block> {
    let shape = config.shape();
    let (d, ff) = (shape.d_model, shape.d_ff);
    let at = |name: &str| format!("h.{layer}.{name}");
    let norm = |name: &str| load.layer_norm(&at(name), d, config.layer_norm_epsilon);
    let mut scale = if config.scale_attn_weights { (shape.d_head as f32).sqrt().recip() } else { 1.0 };
    if config.scale_attn_by_inverse_layer_idx {
        scale /= (layer + 1) as f32;
    }
    Ok(Block {
        ln_1: norm("ln_1")?,
        c_attn: load.conv1d(&at("attn.c_attn"), d, 3 * d)?,
        attn_c_proj: load.conv1d(&at("attn.c_proj"), d, d)?,
        ln_2: norm("ln_2")?,
        c_fc: load.conv1d(&at("mlp.c_fc"), d, ff)?,
        mlp_c_proj: load.conv1d(&at("mlp.c_proj"), ff, d)?,
        attention: AttentionShape { scale, ..shape.causal_attention() },
    })
}

impl CausalModel for Gpt2 {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let embedded = || pass.tokens.embed(&self.wte) + embed(&self.wpe, pass.positions.clone());
        let mut resid = pass.begin(embedded); // [batch, seq, d_model]
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let qkv = block.c_attn.forward(block.ln_1.forward(resid.clone())); // [batch, seq, 3 * d_model]
            let mixed = pass.attention(layer, qkv, &block.attention, None); // [batch, seq, d_model]
            resid = resid + pass.attn_out(layer, block.attn_c_proj.forward(mixed));
            let wide = block.c_fc.forward(block.ln_2.forward(resid.clone())); // [batch, seq, d_ff]
            resid = resid + pass.mlp_out(layer, block.mlp_c_proj.forward(activation(wide, self.activation)));
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| self.ln_f.forward(resid))
    }

    fn head(&self) -> &FrozenMatrix {
        self.lm_head.as_ref().unwrap_or(&self.wte)
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.wte
    }
}
