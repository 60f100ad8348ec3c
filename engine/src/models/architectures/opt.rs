//! OPT (Zhang et al. 2022): learned positions that only real tokens count, norms before or (350m) after each part.
//!
//! 350m has embeddings narrower than the stream: two projections bring them in and the hidden states out again, so
//! that the head is as narrow. huggingface/transformers: src/transformers/models/opt/modeling_opt.py.

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::error::Result;
use crate::models::load::{ConfigFile, Loader, Role, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{CausalModel, EmbeddingOptions, ForwardPass, Loading, Model, ModelShape, activation_named};
use crate::nn::positions::PositionIds;
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, activation, embed};

const NAME: &str = "opt";

/// Leads the names of its modules.
const ROOT: &str = "model.decoder.";

/// Rows of the table of positions before that of the first token.
const OFFSET: usize = 2;

/// PyTorch's default, which the architecture does not change.
const EPSILON: f64 = 1e-5;

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    ..Architecture::causal(&[ModelType::new(NAME, "OPT", "GPT2Tokenizer")], |file| {
        Ok(Box::new(OptConfig::parse(file)?))
    })
};

/// `config.json` of OPT; fields as Hugging Face names them.
#[derive(Clone, Debug, Deserialize)]
pub struct OptConfig {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    ffn_dim: usize,
    max_position_embeddings: usize,
    word_embed_proj_dim: Option<usize>,
    activation_function: String,
    do_layer_norm_before: bool,
    #[serde(rename = "_remove_final_layer_norm")]
    remove_final_layer_norm: bool,
    enable_bias: bool,
    layer_norm_elementwise_affine: bool,
    tie_word_embeddings: bool,
    pad_token_id: Option<i64>,
}

impl OptConfig {
    /// Checks what we compute.
    ///
    /// # Errors
    /// A size that cannot be, or an option that is refused by name.
    pub(crate) fn parse(file: &ConfigFile) -> Result<Self> {
        let config: Self = file.read(&[])?;
        let (d, heads) = (config.hidden_size, config.num_attention_heads);
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", d),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", heads),
            ("ffn_dim", config.ffn_dim),
            ("max_position_embeddings", config.max_position_embeddings),
            ("word_embed_proj_dim", config.d_embed()),
        ])?;
        file.check_heads(d, heads)?;
        config.activation()?;
        Ok(config)
    }

    fn activation(&self) -> Result<Activation> {
        activation_named(NAME, "activation_function", &self.activation_function)
    }

    /// Width of the embeddings and of the head.
    fn d_embed(&self) -> usize {
        self.word_embed_proj_dim.unwrap_or(self.hidden_size)
    }

    fn is_projected(&self) -> bool {
        self.d_embed() != self.hidden_size
    }

    fn final_norm(&self) -> bool {
        self.do_layer_norm_before && !self.remove_final_layer_norm
    }
}

impl ModelConfig for OptConfig {
    fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: NAME,
            n_layers: self.num_hidden_layers,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.num_attention_heads,
            d_head: self.hidden_size / self.num_attention_heads,
            d_ff: self.ffn_dim,
            vocab_size: self.vocab_size,
            n_positions: self.max_position_embeddings,
        }
    }

    fn is_tied(&self) -> bool {
        self.tie_word_embeddings
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Causal(Box::new(Opt::load(self, weights, progress)?)))
    }
}

struct Block {
    qkv: FrozenLinear,
    out_proj: FrozenLinear,
    attention_norm: LayerNorm,
    fc1: FrozenLinear,
    fc2: FrozenLinear,
    ff_norm: LayerNorm,
}

/// The model with its frozen weights on a device.
pub struct Opt {
    shape: ModelShape,
    embed_tokens: FrozenMatrix,
    lookup: EmbeddingOptions,
    /// Without the rows before the first token's.
    embed_positions: Tensor<2>,
    project_in: Option<FrozenLinear>,
    blocks: Vec<Block>,
    final_norm: Option<LayerNorm>,
    project_out: Option<FrozenLinear>,
    lm_head: Option<FrozenMatrix>,
    attention: AttentionShape,
    activation: Activation,
    norm_before: bool,
}

impl Opt {
    /// Brings the weights onto the device, tensor by tensor; `progress` hears the share done.
    ///
    /// Names begin with `model.decoder.`, with `decoder.`, or with neither.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    pub fn load(config: &OptConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let shape = config.shape();
        let (d, d_embed) = (shape.d_model, config.d_embed());
        let sample = "embed_tokens.weight";
        let whole = weights.files.contains(&format!("{ROOT}{sample}"));
        let load = Loader::new(weights, if whole { ROOT } else { "decoder." }, sample).named(ROOT);
        let embed_tokens = load.table(sample, [shape.vocab_size, d_embed], Role::Embeddings)?;
        let rows = shape.n_positions + OFFSET;
        let embed_positions = load.tensor("embed_positions.weight", [rows, d])?.slice([OFFSET..rows, 0..d]);
        let projection = |name: &str, d_in: usize, d_out: usize| {
            config.is_projected().then(|| load.linear(name, d_in, d_out, false)).transpose()
        };
        let project_in = projection("project_in", d_embed, d)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(block(&load, config, layer)?);
        }
        let final_norm = config.final_norm().then(|| norm(&load, "final_layer_norm", config)).transpose()?;
        let project_out = projection("project_out", d, d_embed)?;
        let tied = config.tie_word_embeddings.then_some(sample);
        let lm_head = load.head("lm_head.weight", [shape.vocab_size, d_embed], tied)?;
        progress(1.0)?;
        Ok(Self {
            attention: shape.causal_attention(),
            activation: config.activation()?,
            norm_before: config.do_layer_norm_before,
            shape,
            embed_tokens,
            lookup: EmbeddingOptions { padding: config.pad_token_id, ..EmbeddingOptions::default() },
            embed_positions,
            project_in,
            blocks,
            final_norm,
            project_out,
            lm_head,
        })
    }
}

fn block(load: &Loader<'_>, config: &OptConfig, layer: usize) -> Result<Block> {
    let (d, ff, bias) = (config.hidden_size, config.ffn_dim, config.enable_bias);
    let at = |name: &str| format!("layers.{layer}.{name}");
    let qkv = ["q", "k", "v"].map(|name| (at(&format!("self_attn.{name}_proj")), d));
    Ok(Block {
        qkv: load.linear_of_parts(&qkv, d, bias)?,
        out_proj: load.linear(&at("self_attn.out_proj"), d, d, bias)?,
        attention_norm: norm(load, &at("self_attn_layer_norm"), config)?,
        fc1: load.linear(&at("fc1"), d, ff, bias)?,
        fc2: load.linear(&at("fc2"), ff, d, bias)?,
        ff_norm: norm(load, &at("final_layer_norm"), config)?,
    })
}

/// A norm, which has no weights where the configuration says so.
fn norm(load: &Loader<'_>, name: &str, config: &OptConfig) -> Result<LayerNorm> {
    let d = config.hidden_size;
    if config.layer_norm_elementwise_affine {
        return load.layer_norm(name, d, EPSILON);
    }
    Ok(LayerNorm { gamma: Tensor::ones([d], load.device()), beta: Tensor::zeros([d], load.device()), epsilon: EPSILON })
}

impl Opt {
    /// `part` of the stream, added to it, with the norm on its side.
    fn add(&self, resid: Tensor<3>, norm: &LayerNorm, part: impl FnOnce(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        if self.norm_before {
            resid.clone() + part(norm.forward(resid))
        } else {
            norm.forward(resid.clone() + part(resid))
        }
    }
}

impl CausalModel for Opt {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn position_ids(&self) -> PositionIds {
        PositionIds::RealTokens
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let projected = |projection: &Option<FrozenLinear>, x: Tensor<3>| match projection {
            Some(projection) => projection.forward(x),
            None => x,
        };
        let mut resid = pass.begin(|| {
            let embedded = pass.tokens.embed_as(&self.embed_tokens, self.lookup); // [batch, seq, d_out]
            projected(&self.project_in, embedded) + embed(&self.embed_positions, pass.positions.clone())
        }); // [batch, seq, d_model]
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            resid = self.add(resid, &block.attention_norm, |x| {
                let qkv = block.qkv.forward(x); // [batch, seq, 3 * d_model]
                let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, d_model]
                pass.attn_out(layer, block.out_proj.forward(mixed))
            });
            resid = self.add(resid, &block.ff_norm, |x| {
                let wide = activation(block.fc1.forward(x), self.activation); // [batch, seq, d_ff]
                pass.mlp_out(layer, block.fc2.forward(wide))
            });
            resid = pass.resid_post(layer, resid);
        }
        pass.end(resid, |resid| {
            let hidden = match &self.final_norm {
                Some(norm) => norm.forward(resid),
                None => resid,
            };
            projected(&self.project_out, hidden) // [batch, seq, d_out]
        })
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

    fn parse(changes: Value) -> Result<OptConfig> {
        let mut json = json!({
            "model_type": "opt", "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3, "ffn_dim": 30,
            "max_position_embeddings": 64,
        });
        for (key, value) in changes.as_object().into_iter().flatten() {
            json[key] = value.clone();
        }
        OptConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cases = [
            (json!({ "activation_function": "swiglu" }), "activation_function = swiglu"),
            (json!({ "num_attention_heads": 5 }), "not a multiple of 5 heads"),
            (json!({ "word_embed_proj_dim": 0 }), "word_embed_proj_dim is 0"),
            (json!({ "num_hidden_layers": 5000 }), "num_hidden_layers = 5000 is beyond any model"),
        ];
        for (changes, said) in cases {
            let error = parse(changes).expect_err(said).to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_published_350m_projects_its_embeddings_and_has_no_last_norm() {
        let published = parse(json!({
            "vocab_size": 50272, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "ffn_dim": 4096,
            "max_position_embeddings": 2048, "do_layer_norm_before": false, "word_embed_proj_dim": 512,
        }));
        let published = published.expect("it is a model");
        let ModelShape { d_model, d_ff, d_head, n_positions, .. } = published.shape();
        assert_eq!((d_model, d_ff, d_head, n_positions, published.d_embed()), (1024, 4096, 64, 2048, 512));
        assert!(published.is_projected() && !published.final_norm());
    }
}
