//! DeBERTa in its second and third version (He et al. 2021): BERT's blocks, in which a token's content is compared with
//! where another stands too, and that with its content. Distances have vectors in buckets; the first block may stand beside a
//! convolution.
//!
//! transformers' code takes no keys and values. A prefix stands as in P-tuning v2's (THUDM/P-tuning-v2: model/deberta.py):
//! its slots are at no distance from any token, and are compared by content alone.
//! huggingface/transformers: src/transformers/models/deberta_v2/modeling_deberta_v2.py.

use burn::tensor::module::{conv1d, embedding};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Int, Tensor, TensorData};

use super::block::{Block, BlockNames, WORDS};
use super::deberta_config::{CONTENT_TO_POSITION, DebertaConfig, POSITION_TO_CONTENT};
use super::heads::{MaskNames, TextHead};
use crate::Sentence;
use crate::error::Result;
use crate::models::load::{Loader, Role, Weights};
use crate::models::registry::{Architecture, ModelConfig, ModelType};
use crate::models::{EmbeddingOptions, EncoderModel, ForwardPass, HeadKind, Loading, MaskHead, Model, ModelShape};
use crate::nn::positions::PositionIds;
use crate::nn::{
    Activation, AttentionShape, Distances, FrozenLinear, FrozenMatrix, LayerNorm, activation, by_pair, embed,
};

/// The entry in the registry.
pub(crate) const ARCHITECTURE: Architecture = Architecture {
    module_root: ROOT,
    lora_targets: &["query_proj", "value_proj"],
    takes_past: false,
    ..Architecture::encoder(&[ModelType::new(NAME, "DebertaV2", "DebertaV2Tokenizer")], HeadKind::Linear, |file| {
        Ok(Box::new(DebertaConfig::parse(file)?))
    })
};

pub(super) const NAME: &str = "deberta-v2";

/// Leads the names of its modules.
const ROOT: &str = "deberta.";

const BLOCK: BlockNames = BlockNames {
    query_key_value: ["attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj"],
    attention_out: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    out_norm: "output.LayerNorm",
};

impl ModelConfig for DebertaConfig {
    fn shape(&self) -> ModelShape {
        self.bert.shape()
    }

    fn build(&self, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Model> {
        Ok(Model::Encoder(Box::new(Deberta::load(self, weights, progress)?)))
    }
}

/// Embeddings of tokens, and of positions and types where there are any, summed and widened before they are normed.
struct Embeddings {
    words: FrozenMatrix,
    lookup: EmbeddingOptions,
    positions: Option<Tensor<2>>,
    types: Option<Tensor<2>>,
    project: Option<FrozenLinear>,
    norm: LayerNorm,
}

impl Embeddings {
    fn load(load: &Loader<'_>, config: &DebertaConfig) -> Result<Self> {
        let (bert, d, narrow) = (&config.bert, config.bert.hidden_size, config.bert.d_embedding());
        let table = |name: &str, rows: usize| {
            let name = format!("embeddings.{name}_embeddings.weight");
            (rows > 0).then(|| load.tensor(&name, [rows, narrow])).transpose()
        };
        let n_positions = if config.embeds_positions() { bert.max_position_embeddings } else { 0 };
        Ok(Self {
            words: load.table(WORDS, [bert.vocab_size, narrow], Role::Embeddings)?,
            lookup: EmbeddingOptions { padding: Some(bert.padding() as i64), ..EmbeddingOptions::default() },
            positions: table("position", n_positions)?,
            types: table("token_type", bert.type_vocab_size)?,
            project: (narrow != d).then(|| load.linear("embeddings.embed_proj", narrow, d, false)).transpose()?,
            norm: load.layer_norm("embeddings.LayerNorm", d, bert.layer_norm_eps)?,
        })
    }

    fn forward(&self, pass: &ForwardPass<'_>) -> Tensor<3> {
        let mut sum = pass.tokens.embed_as(&self.words, self.lookup); // [batch, seq, d_embedding]
        if let Some(table) = &self.positions {
            sum = sum + embed(table, pass.positions.clone());
        }
        if let Some(table) = &self.types {
            sum = sum
                + match &pass.types {
                    Some(types) => embedding(table.clone(), types.clone()),
                    None => table.clone().narrow(0, 0, 1).unsqueeze_dim(0), // [1, 1, d_embedding]
                };
        }
        let wide = match &self.project {
            Some(project) => project.forward(sum), // [batch, seq, d_model]
            None => sum,
        };
        without_padding(self.norm.forward(wide), pass)
    }
}

/// Zeros in place of padding, which a convolution would read.
fn without_padding(x: Tensor<3>, pass: &ForwardPass<'_>) -> Tensor<3> {
    match pass.real_tokens() {
        Some(real) => x * real,
        None => x,
    }
}

/// The vectors of distances, which all blocks read.
struct DistanceTable {
    distances: Distances,
    /// `[n_rows, d_model]`
    vectors: Tensor<2>,
    norm: Option<LayerNorm>,
}

impl DistanceTable {
    fn load(load: &Loader<'_>, config: &DebertaConfig) -> Result<Option<Self>> {
        let Some(distances) = config.distances() else { return Ok(None) };
        let d = config.bert.hidden_size;
        let norm = || load.layer_norm("encoder.LayerNorm", d, config.bert.layer_norm_eps);
        Ok(Some(Self {
            distances,
            vectors: load.tensor("encoder.rel_embeddings.weight", [distances.n_rows(), d])?,
            norm: config.norms_distances().then(norm).transpose()?,
        }))
    }

    /// What a text of `seq` tokens needs of it.
    fn of_text(&self, seq: usize) -> OfText {
        let rows = self.distances.rows(seq);
        let (first, last) = (rows[0], rows[rows.len() - 1]);
        let vectors = self.vectors.clone().narrow(0, first, last - first + 1).unsqueeze_dim(0);
        let device = vectors.device();
        let index = |rows: Vec<i64>| {
            let n = rows.len();
            Tensor::<1, Int>::from_data(TensorData::new(rows, [n]), &device)
        };
        let rows = rows.iter().map(|row| (row - first) as i64);
        OfText {
            vectors: self.norm.iter().fold(vectors, |vectors, norm| norm.forward(vectors)),
            to_key: index(rows.clone().rev().collect()),
            to_query: index(rows.collect()),
        }
    }
}

/// The vectors of the distances that a text has, and where each distance finds its own.
struct OfText {
    /// `[1, rows, d_model]`
    vectors: Tensor<3>,
    /// Of the distances back from a query to keys, from the first key on, `[2 · seq - 1]`.
    to_key: Tensor<1, Int>,
    /// Of the distances to a key from queries, from the first query on, `[2 · seq - 1]`.
    to_query: Tensor<1, Int>,
}

/// What makes keys and queries of distances.
enum Projections {
    /// What makes those of contents.
    Shared,
    /// Layers of their own, for what is compared.
    Own { key: Option<Box<FrozenLinear>>, query: Option<Box<FrozenLinear>> },
}

/// BERT's block, and how it reads distances.
struct DebertaBlock {
    bert: Block,
    projections: Projections,
}

impl DebertaBlock {
    fn load(load: &Loader<'_>, config: &DebertaConfig, layer: usize) -> Result<Self> {
        let (at, d) = (format!("encoder.layer.{layer}"), config.bert.hidden_size);
        let own = |name: &str, kind: &str| {
            let name = format!("{at}.attention.self.{name}");
            config.compares(kind).then(|| load.linear(&name, d, d, true).map(Box::new)).transpose()
        };
        let projections = if config.shares_projections() || config.distances().is_none() {
            Projections::Shared
        } else {
            let (key, query) = (own("pos_key_proj", CONTENT_TO_POSITION)?, own("pos_query_proj", POSITION_TO_CONTENT)?);
            Projections::Own { key, query }
        };
        Ok(Self { bert: Block::load(load, &config.bert, &at, &BLOCK)?, projections })
    }

    /// Keys and queries of distances, `[1, rows, d_model]`; none that are compared with nothing.
    fn of_distances(&self, vectors: Tensor<3>, [of_queries, of_keys]: [bool; 2]) -> [Option<Tensor<3>>; 2] {
        match &self.projections {
            Projections::Own { key, query } => {
                [key, query].map(|made| made.as_ref().map(|made| made.forward(vectors.clone())))
            }
            Projections::Shared if !of_queries && !of_keys => [None, None],
            Projections::Shared => {
                let [_, _, d] = vectors.dims();
                let made = self.bert.qkv.forward(vectors); // [1, rows, 3 * d_model]
                [(of_queries, d), (of_keys, 0)].map(|(wanted, at)| wanted.then(|| made.clone().narrow(2, at, d)))
            }
        }
    }
}

/// A convolution of the embeddings, added to what the first block makes.
struct Convolution {
    /// `[d_model, d_model / groups, kernel]`
    weight: Tensor<3>,
    bias: Tensor<1>,
    norm: LayerNorm,
    groups: usize,
    activation: Activation,
}

impl Convolution {
    fn load(load: &Loader<'_>, config: &DebertaConfig) -> Result<Option<Self>> {
        let (d, kernel, groups) = (config.bert.hidden_size, config.conv_kernel(), config.conv_groups());
        if kernel == 0 {
            return Ok(None);
        }
        Ok(Some(Self {
            weight: load.tensor("encoder.conv.conv.weight", [d, d / groups, kernel])?,
            bias: load.tensor("encoder.conv.conv.bias", [d])?,
            norm: load.layer_norm("encoder.conv.LayerNorm", d, config.bert.layer_norm_eps)?,
            groups,
            activation: config.conv_activation()?,
        }))
    }

    /// `read` is what the first block reads, `made` what it makes.
    fn forward(&self, read: Tensor<3>, made: Tensor<3>, pass: &ForwardPass<'_>) -> Tensor<3> {
        let [.., kernel] = self.weight.dims();
        let options = ConvOptions::new([1], [kernel / 2], [1], self.groups);
        let bias = Some(self.bias.clone());
        let out = conv1d(read.swap_dims(1, 2), self.weight.clone(), bias, options).swap_dims(1, 2); // [batch, seq, d_model]
        let out = activation(pass.convolved(0, without_padding(out, pass)), self.activation);
        without_padding(self.norm.forward(made + out), pass)
    }
}

/// The model with its frozen weights on a device.
struct Deberta {
    shape: ModelShape,
    embeddings: Embeddings,
    table: Option<DistanceTable>,
    blocks: Vec<DebertaBlock>,
    convolution: Option<Convolution>,
    text_head: TextHead,
    mask_head: Option<MaskHead>,
    /// Whether contents of queries, and of keys, are compared with distances.
    compares: [bool; 2],
    attention: AttentionShape,
    activation: Activation,
    initializer_range: f64,
}

impl Deberta {
    /// Brings the weights onto the device; names may have the prefix `deberta.` or not.
    ///
    /// # Errors
    /// A weight that is missing, has another shape, or is not finite.
    fn load(config: &DebertaConfig, weights: Weights<'_>, progress: &mut Loading<'_>) -> Result<Self> {
        let (load, shape) = (Loader::new(weights, ROOT, WORDS), config.shape());
        let embeddings = Embeddings::load(&load, config)?;
        let mut blocks = Vec::with_capacity(shape.n_layers);
        for layer in 0..shape.n_layers {
            progress(layer as f32 / shape.n_layers as f32)?;
            blocks.push(DebertaBlock::load(&load, config, layer)?);
        }
        let pooler = config.pooler_activation()?;
        let compares = [CONTENT_TO_POSITION, POSITION_TO_CONTENT].map(|kind| config.compares(kind));
        let terms = 1 + compares.iter().filter(|compared| **compared).count();
        let scale = ((shape.d_head * terms) as f32).sqrt().recip();
        progress(1.0)?;
        Ok(Self {
            table: DistanceTable::load(&load, config)?,
            blocks,
            convolution: Convolution::load(&load, config)?,
            text_head: TextHead::pooled_by(pooler, &load.outside(), &config.bert, "pooler.dense")?,
            mask_head: mask_names(&load).load(&load, &config.bert, &embeddings.words)?,
            embeddings,
            compares,
            attention: AttentionShape { causal: false, scale, ..shape.causal_attention() },
            activation: config.bert.activation()?,
            initializer_range: config.bert.initializer_range,
            shape,
        })
    }

    /// The scores of each pair of tokens by where they stand, `[batch, n_heads, seq, seq]`.
    fn by_distance(&self, block: &DebertaBlock, qkv: &Tensor<3>, vectors: Tensor<3>, text: &OfText) -> Tensor<4> {
        let AttentionShape { n_heads, d_head, scale, .. } = self.attention;
        let by_head = |x: Tensor<3>| {
            let [batch, n, _] = x.dims();
            x.reshape([batch, n, n_heads, d_head]).swap_dims(1, 2) // [batch, n_heads, n, d_head]
        };
        let width = n_heads * d_head;
        let content = |at: usize| by_head(qkv.clone().narrow(2, at * width, width));
        let compared = |content: Tensor<4>, made: Tensor<3>, distances: &Tensor<1, Int>| {
            let made = by_head(made.select(1, distances.clone())); // [1, n_heads, 2 * seq - 1, d_head]
            by_pair(content.matmul(made.swap_dims(2, 3)))
        };
        let [keys, queries] = block.of_distances(vectors, self.compares);
        let to_keys = keys.map(|keys| compared(content(0), keys, &text.to_key));
        let to_queries = queries.map(|queries| compared(content(1), queries, &text.to_query).swap_dims(2, 3));
        let [batch, seq, _] = qkv.dims();
        let sum = [to_keys, to_queries].into_iter().flatten().reduce(|a, b| a + b);
        sum.unwrap_or_else(|| Tensor::zeros([batch, n_heads, seq, seq], &qkv.device())) * scale
    }
}

/// Under the names of `DebertaV2ForMaskedLM`, or those of its makers.
fn mask_names(load: &Loader<'_>) -> MaskNames {
    if load.outside().contains("lm_predictions.lm_head.dense.weight") {
        return MaskNames {
            dense: "lm_predictions.lm_head.dense",
            norm: "lm_predictions.lm_head.LayerNorm",
            decoder: "lm_predictions.lm_head.decoder",
            bias: ["lm_predictions.lm_head.bias", "lm_predictions.lm_head.decoder.bias"],
            activation: None,
        };
    }
    MaskNames {
        dense: "cls.predictions.transform.dense",
        norm: "cls.predictions.transform.LayerNorm",
        decoder: "cls.predictions.decoder",
        bias: ["cls.predictions.bias", "cls.predictions.decoder.bias"],
        activation: None,
    }
}

impl EncoderModel for Deberta {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    fn position_ids(&self) -> PositionIds {
        PositionIds::Columns
    }

    fn hidden(&self, pass: &mut ForwardPass<'_>) -> Tensor<3> {
        let [_, seq] = pass.tokens.dims();
        let mut resid = pass.begin(|| self.embeddings.forward(pass)); // [batch, seq, d_model]
        let text = self.table.as_ref().map(|table| table.of_text(seq));
        for (layer, block) in pass.blocks(&self.blocks) {
            resid = pass.resid_pre(layer, resid);
            let (read, bert) = (resid.clone(), &block.bert);
            let qkv = bert.qkv.forward(read.clone()); // [batch, seq, 3 * d_model]
            let mixed = match &text {
                Some(text) => {
                    let vectors = pass.distances(layer, text.vectors.clone());
                    let beside = |qkv: &Tensor<3>| self.by_distance(block, qkv, vectors, text);
                    pass.attention_beside(layer, qkv, &self.attention, beside)
                }
                None => pass.attention(layer, qkv, &self.attention, None),
            }; // [batch, seq, d_model]
            let attn_out = pass.attn_out(layer, bert.attention_out.forward(mixed));
            resid = bert.attention_norm.forward(resid + attn_out);
            let wide = activation(bert.up.forward(resid.clone()), self.activation); // [batch, seq, d_ff]
            let mlp_out = pass.mlp_out(layer, bert.down.forward(wide));
            resid = bert.out_norm.forward(resid + mlp_out);
            if let Some(convolution) = self.convolution.as_ref().filter(|_| layer == 0) {
                resid = convolution.forward(read, resid, pass);
            }
            resid = pass.resid_post(layer, resid);
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
