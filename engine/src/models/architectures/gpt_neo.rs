//! GPT-Neo (Black et al. 2021): as GPT-2, with scores that are not scaled and layers that see the last columns only.
//!
//! huggingface/transformers: src/transformers/models/gpt_neo/modeling_gpt_neo.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, Loader, Role, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, SlidingWindow, activation, embed};
use crate::{Sentence, sentence};

const NAME: &str = "gpt_neo";

/// Leads the names of its modules.
const ROOT: &str = "transformer.";

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    embeddings: Some(WORDS),
    ..Architecture::causal(&[ModelType::new(NAME, "GPTNeo", "GPT2Tokenizer")], |file| {
        Ok(Box::new(GptNeoConfig::parse(file)?))
    })
};

/// `config.json` of GPT-Neo; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct GptNeoConfig {
    vocab_size: usize,
    hidden_size: usize,
    num_layers: usize,
    num_heads: usize,
    intermediate_size: Option<usize>,
    max_position_embeddings: usize,
    /// Kinds of layers, and how often they follow each other: `[[["global", "local"], 12]]`.
    #[serde(default = "attention_types")]
    attention_types: Vec<(Vec<String>, usize)>,
    window_size: usize,
    activation_function: String,
    layer_norm_epsilon: f64,
    tie_word_embeddings: bool,
}

fn attention_types() -> Vec<(Vec<String>, usize)> {
    vec![(vec!["global".to_owned(), "local".to_owned()], 12)]
}

/// Other names of options.
const OTHER_NAMES: [(&str, &str); 2] = [("num_attention_heads", "num_heads"), ("num_hidden_layers", "num_layers")];

impl GptNeoConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let malformed = |reason: Sentence| file.malformed(reason);
        let config: Self = file.read(&OTHER_NAMES)?;
        let (d, heads, layers) = (config.hidden_size, config.num_heads, config.num_layers);
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", d),
            ("num_layers", layers),
            ("num_heads", heads),
            ("intermediate_size", config.d_ff()),
            ("max_position_embeddings", config.max_position_embeddings),
            ("window_size", config.window_size),
        ])?;
        file.check_heads(d, heads)?;
        let kinds = config.attention_types.iter().flat_map(|(kinds, _)| kinds);
        if let Some(kind) = kinds.into_iter().find(|kind| !["global", "local"].contains(&kind.as_str())) {
            let (option, value) = ("attention_types", kind.clone());
            return Err(EngineError::UnsupportedOption { architecture: NAME, option, value });
        }
        let named = config.local_layers().take(layers + 1).count();
        if named != layers {
            return Err(malformed(sentence!("attention_types does not name the kinds of {layers} layers", layers)));
        }
        config.activation()?;
        Ok(config)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "activation_function", &self.activation_function)
    }

    fn d_ff(&self) -> usize {
        self.intermediate_size.unwrap_or(4 * self.hidden_size)
    }

    /// Layer by layer, whether it has the window.
    fn local_layers(&self) -> impl Iterator<Item = bool> {
        let said = self.attention_types.iter().filter(|(kinds, _)| !kinds.is_empty());
        said.flat_map(|(kinds, n)| (0..*n).flat_map(move |_| kinds)).map(|kind| kind == "local")
    }

    fn window(&self) -> Option<SlidingWindow> {
        let window = SlidingWindow { columns: self.window_size, layers: self.local_layers().collect() };
        Some(window).filter(|window| window.n_layers() > 0 && window.columns < self.max_position_embeddings)
    }
}

impl ModelConfig for GptNeoConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.num_layers,
            d_model: self.hidden_size,
            n_heads: self.num_heads,
            n_kv_heads: self.num_heads,
            d_head: self.hidden_size / self.num_heads,
            d_ff: self.d_ff(),
            vocab_size: self.vocab_size,
            n_positions: self.max_position_embeddings,
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(GptNeo::load(self, weights, progress)?)))
    }
}

/// The table of token embeddings.
const WORDS: &str = "wte.weight";

struct Block {
    is_local: bool,
    ln_1: LayerNorm,
    qkv: FrozenLinear,
    out_proj: FrozenLinear,
    ln_2: LayerNorm,
    c_fc: FrozenLinear,
    c_proj: FrozenLinear,
}

/// The model with its frozen weights on a device.
pub struct GptNeo {
    shape: ModelShape,
    wte: FrozenMatrix,
    wpe: Tensor<2>,
    blocks: Vec<Block>,
    ln_f: LayerNorm,
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    window: Option<SlidingWindow>,
    activation: Activation,
}

impl GptNeo {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// Names may have the prefix `transformer.` or not; old mask buffers are ignored.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &GptNeoConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let load = Loader::new(weights, ROOT, WORDS);
        let wte = load.table(WORDS, [shape.vocab_size, shape.d_model], Role::Embeddings)?;
        let wpe = load.tensor("wpe.weight", [shape.n_positions, shape.d_model])?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for (layer, is_local) in config.local_layers().enumerate() {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer, is_local)?);
        }
        let ln_f = load.layer_norm("ln_f", shape.d_model, config.layer_norm_epsilon)?;
        let head = [shape.vocab_size, shape.d_model];
        let lm_head = load.head("lm_head.weight", head, config.tie_word_embeddings.then_some(WORDS))?;
        progress(1.0)?;
        let attention = AttentionShape { scale: 1.0, ..shape.causal_attention() };
        let (window, activation) = (config.window(), config.activation()?);
        Ok(Self { shape, wte, wpe, blocks, ln_f, lm_head, attention, window, activation })
    }
}

fn block(load: &Loader<'_>, config: &GptNeoConfig, layer: usize, is_local: bool) -> Result<Block> {
    let (d, ff) = (config.hidden_size, config.d_ff());
    let at = |name: &str| format!("h.{layer}.{name}");
    let norm = |name: &str| load.layer_norm(&at(name), d, config.layer_norm_epsilon);
    let qkv = ["q", "k", "v"].map(|name| (at(&format!("attn.attention.{name}_proj")), d));
    Ok(Block {
        is_local,
        ln_1: norm("ln_1")?,
        qkv: load.linear_of_parts(&qkv, d, false)?,
        out_proj: load.linear(&at("attn.attention.out_proj"), d, d, true)?,
        ln_2: norm("ln_2")?,
        c_fc: load.linear(&at("mlp.c_fc"), d, ff, true)?,
        c_proj: load.linear(&at("mlp.c_proj"), ff, d, true)?,
    })
}

impl CausalModel for GptNeo {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn window(&self) -> Option<&SlidingWindow> {
        self.window.as_ref()
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let window = pass.window(self.window.as_ref());
        let embedded = || pass.tokens.embed(&self.wte) + embed(&self.wpe, pass.positions.clone());
        let mut resid = pass.begin(embedded); // [batch, seq, d_model]
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let qkv = block.qkv.forward(block.ln_1.forward(resid.clone())); // [batch, seq, 3 * d_model]
            let window = window.as_ref().filter(|_| block.is_local);
            let mixed = pass.attention(layer, qkv, &self.attention, window); // [batch, seq, d_model]
            resid = resid + pass.attn_out(layer, block.out_proj.forward(mixed));
            let wide = block.c_fc.forward(block.ln_2.forward(resid.clone())); // [batch, seq, d_ff]
            resid = resid + pass.mlp_out(layer, block.c_proj.forward(activation(wide, self.activation)));
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(changes: Value) -> Result<GptNeoConfig> {
        let mut json = json!({
            "model_type": "gpt_neo", "vocab_size": 50, "hidden_size": 24, "num_layers": 4, "num_heads": 3, "max_position_embeddings": 64,
            "attention_types": [[["global", "local"], 2]], "window_size": 8,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        GptNeoConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn the_kinds_of_layers_are_written_out() {
        let window = |changes| parse(changes).expect("it is a model").window();
        let layers = window(json!({})).expect("it has local layers").layers;
        assert_eq!(layers, [false, true, false, true]);
        let layers = window(json!({ "attention_types": [[["local"], 1], [["global"], 3]] })).expect("one").layers;
        assert_eq!(layers, [true, false, false, false]);
        assert_eq!(window(json!({ "attention_types": [[["global"], 4]] })), None);
        assert_eq!(window(json!({ "window_size": 64 })), None, "nothing is so far back");
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let cases = [
            (json!({ "attention_types": [[["global", "sparse"], 2]] }), "attention_types = sparse"),
            (json!({ "attention_types": [[["global"], 3]] }), "does not name the kinds of 4 layers"),
            (json!({ "attention_types": [[["local"], 1_000_000_000_000_u64]] }), "does not name the kinds of 4 layers"),
            (json!({ "attention_types": [[[], 1_000_000_000_u64]] }), "does not name the kinds of 4 layers"),
            (json!({ "activation_function": "swiglu" }), "activation_function = swiglu"),
            (json!({ "window_size": 0 }), "window_size is 0"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
