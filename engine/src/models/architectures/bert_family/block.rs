//! BERT and its descendants: learned positions, blocks that are normed after each addition, attention in both
//! directions. The architectures differ in names, positions and heads; each has a file that loads it into this.
//! Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding".

use burn::tensor::Tensor;
use burn::tensor::module::embedding;
use serde::Deserialize;

use super::heads::{MaskNames, TextHead};
use crate::error::{EngineError, Result};
use crate::models::forward::untrained_row;
use crate::models::load::{ConfigFile, Loader, Role, Weights};
use crate::models::registry::ModelConfig;
use crate::models::{
    EmbeddingOptions, EncoderModel, ForwardPass, Loading, MaskHead, Model, ModelShape, activation_named,
};
use crate::nn::positions::PositionIds;
use crate::nn::{Activation, AttentionShape, FrozenLinear, FrozenMatrix, LayerNorm, activation as activate, embed};
use crate::{Sentence, sentence};

/// `config.json` as BERT, RoBERTa, ELECTRA and ALBERT write it, as far as it changes what is computed.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct EncoderConfig {
    #[serde(skip)]
    pub(super) architecture: &'static str,
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) intermediate_size: usize,
    pub(super) max_position_embeddings: usize,
    #[serde(default)]
    pub(super) type_vocab_size: usize,
    pub(super) embedding_size: Option<usize>,
    pub(super) hidden_act: String,
    /// DistilBERT has no setting for it.
    #[serde(default = "fixed_epsilon")]
    pub(super) layer_norm_eps: f64,
    pub(super) initializer_range: f64,
    pub(super) pad_token_id: Option<usize>,
    pub(super) tie_word_embeddings: bool,
    pub(super) position_embedding_type: Option<String>,
    #[serde(default)]
    pub(super) is_decoder: bool,
    /// ALBERT: how many different groups of blocks, and how many blocks a group has.
    #[serde(default = "one")]
    pub(super) num_hidden_groups: usize,
    #[serde(default = "one")]
    pub(super) inner_group_num: usize,
}

fn one() -> usize {
    1
}

fn fixed_epsilon() -> f64 {
    1e-12
}

impl EncoderConfig {
    /// The entry of an encoder with these names of its options, whose weights `load` reads.
    ///
    /// # Errors
    /// Sizes that contradict each other, or an option that we do not compute, by name.
    pub(super) fn open(
        architecture: &'static str,
        file: &ConfigFile,
        names: &[(&str, &str)],
        load: LoadWeights,
    ) -> Result<Box<dyn ModelConfig>> {
        Ok(Box::new(Named { config: Self::parse(architecture, file, names)?, load }))
    }

    /// Reads and checks the configuration.
    ///
    /// # Errors
    /// Sizes that contradict each other, or an option that we do not compute, by name.
    pub(super) fn parse(architecture: &'static str, file: &ConfigFile, names: &[(&str, &str)]) -> Result<Self> {
        let config: Self = file.read(names)?;
        let config = Self { architecture, ..config };
        file.check_sizes(&[
            ("vocab_size", config.vocab_size),
            ("hidden_size", config.hidden_size),
            ("num_hidden_layers", config.num_hidden_layers),
            ("num_attention_heads", config.num_attention_heads),
            ("intermediate_size", config.intermediate_size),
            ("max_position_embeddings", config.max_position_embeddings),
            ("embedding_size", config.d_embedding()),
            ("num_hidden_groups", config.num_hidden_groups),
            ("inner_group_num", config.inner_group_num),
        ])?;
        config.check().map_err(|problem| match problem {
            Problem::Malformed(reason) => file.malformed(reason),
            Problem::Unsupported(error) => error,
        })?;
        Ok(config)
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let (d, heads) = (self.hidden_size, self.num_attention_heads);
        if !d.is_multiple_of(heads) {
            return Err(Problem::Malformed(sentence!(
                "hidden_size {d} is not a multiple of num_attention_heads {heads}",
                d,
                heads
            )));
        }
        if self.numbered().is_some_and(|pad| pad + 1 >= self.max_position_embeddings) {
            return Err(Problem::Malformed(sentence!("the positions end before the first token")));
        }
        if !self.initializer_range.is_finite() || self.initializer_range < 0.0 {
            return Err(Problem::Malformed(sentence!("initializer_range is negative or not finite")));
        }
        let unsupported = |option, value: String| {
            let architecture = self.architecture;
            Err(Problem::Unsupported(EngineError::UnsupportedOption { architecture, option, value }))
        };
        match &self.position_embedding_type {
            Some(other) if other != "absolute" => return unsupported("position_embedding_type", other.clone()),
            _ => {}
        }
        if self.is_decoder {
            return unsupported("is_decoder", "true".to_owned());
        }
        self.activation().map(|_| ()).map_err(Problem::Unsupported)
    }

    pub(super) fn activation(&self) -> Result<Activation> {
        activation_named(self.architecture, "hidden_act", &self.hidden_act)
    }

    /// Width of the embeddings, which some models widen afterwards.
    pub(super) fn d_embedding(&self) -> usize {
        self.embedding_size.unwrap_or(self.hidden_size)
    }

    /// RoBERTa numbers its tokens from the one after the padding token's id.
    pub(super) fn numbered(&self) -> Option<usize> {
        (self.architecture == "roberta").then(|| self.padding())
    }

    /// The token that fills rows up.
    pub(super) fn padding(&self) -> usize {
        self.pad_token_id.unwrap_or(usize::from(self.architecture == "roberta"))
    }

    pub(super) fn position_ids(&self) -> PositionIds {
        self.numbered().map_or(PositionIds::Columns, |padding| PositionIds::Numbered { padding })
    }

    /// The sizes; positions are those that a token can have.
    pub(crate) fn shape(&self) -> ModelShape {
        ModelShape {
            architecture: self.architecture,
            n_layers: self.num_hidden_layers * self.inner_group_num,
            d_model: self.hidden_size,
            n_heads: self.num_attention_heads,
            n_kv_heads: self.num_attention_heads,
            d_head: self.hidden_size / self.num_attention_heads,
            d_ff: self.intermediate_size,
            vocab_size: self.vocab_size,
            n_positions: self.max_position_embeddings - self.numbered().map_or(0, |padding| padding + 1),
        }
    }
}

/// Reads an encoder's weights by the names of its architecture.
type LoadWeights = fn(&EncoderConfig, Weights<'_>, &mut Loading<'_>) -> Result<BertEncoder>;

/// A configuration with the names of its architecture's weights.
struct Named {
    config: EncoderConfig,
    load: LoadWeights,
}

impl ModelConfig for Named {
    fn shape(&self) -> ModelShape {
        self.config.shape()
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        let model = (self.load)(&self.config, weights, progress)?;
        progress(1.0)?;
        Ok(Model::Encoder(Box::new(model)))
    }
}

/// The fault of a configuration.
pub(crate) enum Problem {
    Malformed(Sentence),
    Unsupported(EngineError),
}

/// Names of the parts of a block, below the block's own.
pub(super) struct BlockNames {
    pub(super) query_key_value: [&'static str; 3],
    pub(super) attention_out: &'static str,
    pub(super) attention_norm: &'static str,
    pub(super) up: &'static str,
    pub(super) down: &'static str,
    pub(super) out_norm: &'static str,
}

/// The parts of a block as BERT, RoBERTa and ELECTRA name them.
pub(super) const BERT_BLOCK: BlockNames = BlockNames {
    query_key_value: ["attention.self.query", "attention.self.key", "attention.self.value"],
    attention_out: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    out_norm: "output.LayerNorm",
};

pub(super) struct Block {
    pub(super) qkv: FrozenLinear,
    pub(super) attention_out: FrozenLinear,
    pub(super) attention_norm: LayerNorm,
    pub(super) up: FrozenLinear,
    pub(super) down: FrozenLinear,
    pub(super) out_norm: LayerNorm,
}

impl Block {
    pub(super) fn load(load: &Loader<'_>, config: &EncoderConfig, at: &str, names: &BlockNames) -> Result<Self> {
        let (d, ff, epsilon) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let name = |part: &str| format!("{at}.{part}");
        let parts = names.query_key_value.map(|part| (name(part), d));
        Ok(Self {
            qkv: load.linear_of_parts(&parts, d, true)?,
            attention_out: load.linear(&name(names.attention_out), d, d, true)?,
            attention_norm: load.layer_norm(&name(names.attention_norm), d, epsilon)?,
            up: load.linear(&name(names.up), d, ff, true)?,
            down: load.linear(&name(names.down), ff, d, true)?,
            out_norm: load.layer_norm(&name(names.out_norm), d, epsilon)?,
        })
    }
}

/// The table of token embeddings.
pub(super) const WORDS: &str = "embeddings.word_embeddings.weight";

/// Embeddings of tokens, positions and types, summed and normed before the blocks.
pub(super) struct Embeddings {
    words: FrozenMatrix,
    lookup: EmbeddingOptions,
    positions: Tensor<2>,
    /// RoBERTa's position of padding, which is not trained.
    unused_position: Option<i64>,
    types: Option<Tensor<2>>,
    norm: LayerNorm,
    /// Widens them to the width of the model.
    project: Option<FrozenLinear>,
}

impl Embeddings {
    pub(super) fn load(load: &Loader<'_>, config: &EncoderConfig, project: Option<&str>) -> Result<Self> {
        let d = config.d_embedding();
        let table = |name: &str, rows: usize| load.tensor(&format!("embeddings.{name}_embeddings.weight"), [rows, d]);
        let types = config.type_vocab_size;
        Ok(Self {
            words: load.table(WORDS, [config.vocab_size, d], Role::Embeddings)?,
            lookup: EmbeddingOptions { padding: Some(config.padding() as i64), ..EmbeddingOptions::default() },
            positions: table("position", config.max_position_embeddings)?,
            unused_position: config.numbered().map(|padding| padding as i64),
            types: if types > 0 { Some(table("token_type", types)?) } else { None },
            norm: load.layer_norm("embeddings.LayerNorm", d, config.layer_norm_eps)?,
            project: project.map(|name| load.linear(name, d, config.hidden_size, true)).transpose()?,
        })
    }

    fn forward(&self, pass: &ForwardPass<'_>) -> Tensor<3> {
        let words = pass.tokens.embed_as(&self.words, self.lookup);
        let mut sum = words
            + untrained_row(embed(&self.positions, pass.positions.clone()), &pass.positions, self.unused_position); // [batch, seq, d_embedding]
        if let Some(table) = &self.types {
            sum = sum
                + match &pass.types {
                    Some(types) => embedding(table.clone(), types.clone()),
                    None => table.clone().narrow(0, 0, 1).unsqueeze_dim(0), // [1, 1, d_embedding]
                };
        }
        let normed = self.norm.forward(sum);
        match &self.project {
            Some(project) => project.forward(normed), // [batch, seq, d_model]
            None => normed,
        }
    }
}

/// An encoder with its frozen weights on a device.
pub(crate) struct BertEncoder {
    shape: ModelShape,
    position_ids: PositionIds,
    embeddings: Embeddings,
    blocks: Vec<Block>,
    /// The block of each layer: ALBERT's layers share theirs.
    order: Vec<usize>,
    text_head: TextHead,
    mask_head: Option<MaskHead>,
    activation: Activation,
    attention: AttentionShape,
    initializer_range: f64,
}

impl BertEncoder {
    pub(super) fn new(
        config: &EncoderConfig,
        load: &Loader<'_>,
        (embeddings, blocks, order): (Embeddings, Vec<Block>, Vec<usize>),
        text_head: TextHead,
        mask_names: &MaskNames,
    ) -> Result<Self> {
        let shape = config.shape();
        Ok(Self {
            position_ids: config.position_ids(),
            mask_head: mask_names.load(load, config, &embeddings.words)?,
            attention: AttentionShape { causal: false, ..shape.causal_attention() },
            shape,
            embeddings,
            blocks,
            order,
            text_head,
            activation: config.activation()?,
            initializer_range: config.initializer_range,
        })
    }
}

/// The blocks of a model whose layers all have their own, named by their number.
pub(super) fn own_blocks(
    load: &Loader<'_>,
    config: &EncoderConfig,
    at: &str,
    names: &BlockNames,
    progress: &mut Loading<'_>,
) -> Result<(Vec<Block>, Vec<usize>)> {
    let n = config.num_hidden_layers;
    let mut blocks = Vec::with_capacity(n);
    for layer in 0..n {
        progress(layer as f32 / n as f32)?;
        blocks.push(Block::load(load, config, &format!("{at}.{layer}"), names)?);
    }
    Ok((blocks, (0..n).collect()))
}

impl EncoderModel for BertEncoder {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn position_ids(&self) -> PositionIds {
        self.position_ids
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let mut resid = pass.begin(|| self.embeddings.forward(pass)); // [batch, seq, d_model]
        for (layer, &block) in pass.blocks(&self.order) {
            let block = &self.blocks[block];
            resid = pass.resid_pre(layer, resid);
            let qkv = block.qkv.forward(resid.clone()); // [batch, seq, 3 * d_model]
            let mixed = pass.attention(layer, qkv, &self.attention, None); // [batch, seq, d_model]
            let attn_out = pass.attn_out(layer, block.attention_out.forward(mixed));
            resid = block.attention_norm.forward(resid + attn_out);
            let wide = activate(block.up.forward(resid.clone()), self.activation); // [batch, seq, d_ff]
            let mlp_out = pass.mlp_out(layer, block.down.forward(wide));
            resid = pass.resid_post(layer, block.out_norm.forward(resid + mlp_out));
        }
        resid
    }

    fn text_vector(&self, hidden: Tensor<3>) -> Tensor<2> {
        self.text_head.vector(hidden)
    }

    fn mask_head(&self) -> Option<&MaskHead> {
        self.mask_head.as_ref()
    }

    fn embeddings(&self) -> &FrozenMatrix {
        &self.embeddings.words
    }

    fn initializer_range(&self) -> f64 {
        self.initializer_range
    }

    fn text_notice(&self) -> Option<Sentence> {
        self.text_head.notice()
    }
}
