//! What a decoder asks of a model, whether it goes on with a text or writes one from a source.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::cache::{KvCache, Segments};
use crate::error::{EngineError, Result};
use crate::models::{
    CausalModel, Conditioning, Encoded, GenerationConfig, Input, Model, ModelShape, Seq2SeqModel, Site, Span, Tokens,
    read_source,
};
use crate::nn::{LayerKv, Sight, Slots, head_logits};
use crate::tokens::SOFT;
use crate::{Sentence, sentence};

/// How a target begins and ends.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// Stands before every target.
    pub start: u32,
    /// The first new token, whatever the logits say.
    pub forced_first: Option<u32>,
    /// The last token of a target that is cut off.
    pub forced_last: Option<u32>,
    /// The encoder's sizes.
    pub encoder: ModelShape,
}

impl SourceOptions {
    /// As transformers decides: `generation_config.json` speaks, without the file the model's configuration; what neither
    /// names is the begin token.
    pub fn of(model: &dyn Seq2SeqModel, file: &GenerationConfig, begin: u32) -> Self {
        let own = model.target_tokens();
        let said = file.target.as_ref().unwrap_or(own);
        Self {
            start: said.start.or(own.start).unwrap_or(begin),
            forced_first: said.forced_first,
            forced_last: said.forced_last,
            encoder: model.encoder_shape().clone(),
        }
    }
}

/// A model that writes.
#[derive(Clone, Copy)]
pub enum Writer<'a> {
    /// Goes on with the prompt.
    Causal(&'a dyn CausalModel),
    /// Reads the prompt first.
    Seq2Seq(&'a dyn Seq2SeqModel),
}

impl<'a, M: CausalModel> From<&'a M> for Writer<'a> {
    fn from(model: &'a M) -> Self {
        Self::Causal(model)
    }
}

impl<'a> From<&'a dyn CausalModel> for Writer<'a> {
    fn from(model: &'a dyn CausalModel) -> Self {
        Self::Causal(model)
    }
}

impl<'a> TryFrom<&'a Model> for Writer<'a> {
    type Error = EngineError;

    /// Refuses a model that writes nothing.
    fn try_from(model: &'a Model) -> Result<Self> {
        match model {
            Model::Causal(model) => Ok(Self::Causal(model.as_ref())),
            Model::Seq2Seq(model) => Ok(Self::Seq2Seq(model.as_ref())),
            Model::Encoder(_) => Err(model.writes_nothing()),
        }
    }
}

/// What reading a prompt left: the logits of the first new token, and what later tokens see.
pub(super) struct Read {
    pub(super) logits: Vec<f32>,
    /// Of the tokens that were read into the cache, without the prefix.
    pub(super) text: Vec<LayerKv>,
    /// What cross-attention sees, prefix and source.
    pub(super) cross: Option<Vec<LayerKv>>,
}

impl Writer<'_> {
    pub(super) fn device(self) -> Device {
        match self {
            Self::Causal(model) => model.embeddings().device(),
            Self::Seq2Seq(model) => model.embeddings().device(),
        }
    }

    /// Reads a prompt that stands alone in its batch, behind its prefixes.
    pub(super) fn read(
        self,
        prompt: &[u32],
        n_free: usize,
        conditioning: &Conditioning,
        start: Option<u32>,
    ) -> Result<Read> {
        let device = self.device();
        let past = conditioning.decoder.as_deref();
        let soft = conditioning.soft_prompt.as_ref();
        let behind = Behind::of(conditioning);
        let mut text = Vec::new();
        let (hidden, cross) = match self {
            Self::Causal(model) => {
                (model.hidden(&input(prompt, behind, n_free, soft, &device)?, past, Some(&mut text)), None)
            }
            Self::Seq2Seq(model) => {
                let start = start.ok_or(EngineError::TaskShape {
                    architecture: model.shape().architecture,
                    wanted: sentence!("a model for prompts that it goes on with"),
                })?;
                let Input { tokens, positions, .. } = input(prompt, Behind::default(), 0, soft, &device)?;
                let encoded = read_source(model, tokens, positions, None, conditioning);
                let begin = input(&[start], behind, 0, None, &device)?;
                (model.hidden(&begin, &encoded, past, Some(&mut text)), Some(encoded.cross))
            }
        };
        let [_, seq, width] = hidden.dims();
        let last = hidden.slice([0..1, seq - 1..seq, 0..width]).reshape([1, width]);
        Ok(Read { logits: to_host(head_logits(last, self.head()))?, text, cross })
    }

    /// Logits after one more token of each row, `[rows * vocab_size]`; the cache takes the token in.
    pub(super) fn advance(
        self,
        tokens: Vec<i64>,
        positions: Vec<i64>,
        cache: &mut KvCache,
        cross: Option<&KvCache>,
    ) -> Result<Vec<f32>> {
        let (rows, device) = (tokens.len(), self.device());
        let input = Input {
            tokens: Tokens::plain(ids(tokens, [rows, 1], &device)),
            positions: ids(positions, [rows, 1], &device),
            sight: cache.sight(1, &device),
            span: Span::Whole,
        };
        let mut kv = Vec::new();
        let past = cache.past();
        let hidden = match (self, cross) {
            (Self::Causal(model), _) => model.hidden(&input, Some(&past), Some(&mut kv)),
            (Self::Seq2Seq(model), Some(cross)) => {
                let source = Encoded { cross: cross.past(), first: 0, sight: cross.sight(0, &device) };
                model.hidden(&input, &source, Some(&past), Some(&mut kv))
            }
            (Self::Seq2Seq(_), None) => return Err(EngineError::Computation(sentence!("a target without its source"))),
        }; // [rows, 1, head width]
        drop(past);
        cache.append(&kv);
        to_host(head_logits(hidden.squeeze_dim(1), self.head()))
    }

    fn head(&self) -> &Tensor<2> {
        match self {
            Self::Causal(model) => model.head(),
            Self::Seq2Seq(model) => model.head(),
        }
    }
}

/// The cache of what cross-attention sees, for rows that have a source.
pub(super) fn cross_cache(rows: Vec<Option<Vec<LayerKv>>>) -> Option<KvCache> {
    let rows: Option<Vec<Segments>> = rows.into_iter().map(|row| row.map(|cross| vec![cross])).collect();
    rows.filter(|rows| !rows.is_empty()).map(|rows| KvCache::new(&rows, 0))
}

/// What stands before a text that is read, or within it.
#[derive(Clone, Copy, Default)]
struct Behind<'a> {
    slots: Slots<'a>,
    /// Positions that they take before the text.
    n_before: usize,
    /// Slots before its last token.
    n_infix: usize,
}

impl<'a> Behind<'a> {
    fn of(conditioning: &'a Conditioning) -> Self {
        Self {
            slots: conditioning.slots(Site::Decoder),
            n_before: conditioning.n_before(Site::Decoder),
            n_infix: conditioning.n_infix(),
        }
    }
}

/// A text that stands alone. Behind its leading soft tokens `n_free` positions are left free.
fn input(
    tokens: &[u32],
    behind: Behind<'_>,
    n_free: usize,
    soft: Option<&Tensor<2>>,
    device: &Device,
) -> Result<Input> {
    let seq = tokens.len();
    let n_leading = tokens.iter().take_while(|&&token| token >= SOFT).count();
    let Behind { slots, n_before, n_infix } = behind;
    let position = |at: usize| {
        let infix = if at + 1 == seq { n_infix } else { 0 };
        (n_before + infix + at + if at < n_leading { 0 } else { n_free }) as i64
    };
    Ok(Input {
        tokens: Tokens::new(tokens.iter().map(|&token| token.into()), [1, seq], soft, device)?,
        positions: ids((0..seq).map(position).collect(), [1, seq], device),
        sight: Sight::behind(slots, None, [1, seq], device).around(n_infix, &[seq - 1], seq, device),
        span: Span::Whole,
    })
}

fn ids(ids: Vec<i64>, shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(ids, shape), device)
}

fn to_host(logits: Tensor<2>) -> Result<Vec<f32>> {
    logits.try_into_vec_as().map_err(|error| EngineError::Computation(Sentence::verbatim(error)))
}
