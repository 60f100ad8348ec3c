//! Prompts: each goes through the model alone, behind its own prefix.

use std::time::Instant;

use super::{Decoder, NewToken, in_place_of};
use crate::error::Result;
use crate::generation::cache::Segments;
use crate::generation::decoder_model::DecoderModel;
use crate::models::{CausalModel, Conditioning, Site};
use crate::nn::{LayerKv, past_length};

/// Prompts are read until a step has gone over so many tokens.
const PROMPT_TOKENS_PER_STEP: usize = 256;

/// A stream whose prompt was read.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) stream: usize,
    /// The prefix, then the text.
    pub(super) own: Segments,
    pub(super) hidden: Hidden,
    pub(super) cross: Option<Vec<LayerKv>>,
}

/// The slots that not every layer of a stream sees.
#[derive(Clone, Debug)]
pub(super) struct Hidden {
    /// The layers that do; `None`: all.
    pub(super) layers: Option<Vec<usize>>,
    /// Number of slots before the text.
    pub(super) own: usize,
    /// Number of slots before the source.
    pub(super) cross: usize,
}

impl Hidden {
    fn of(conditioning: &Conditioning) -> Self {
        let n = |site| past_length(conditioning.of(site));
        Self { layers: conditioning.layers.clone(), own: n(Site::Decoder), cross: n(Site::Cross) }
    }

    pub(super) fn slots(&self, n: usize) -> Option<(usize, Vec<usize>)> {
        self.layers.clone().filter(|_| n > 0).map(|layers| (n, layers))
    }
}

impl Decoder {
    pub(super) fn read_prompts(&mut self, model: DecoderModel<'_>) -> Result<Vec<NewToken>> {
        let start = self.start();
        let mut news = Vec::new();
        let mut gone_over = 0;
        while self.read < self.streams.len() && gone_over < PROMPT_TOKENS_PER_STEP {
            let index = self.read;
            self.read += 1;
            let stream = &mut self.streams[index];
            if stream.end.is_some() {
                continue;
            }
            gone_over += stream.prompt.len();
            let conditioning = std::mem::take(&mut stream.conditioning);
            let model = in_place_of(model, stream.model.as_deref())?;
            let begun = Instant::now();
            let read = model.read(&stream.prompt, stream.n_free, &conditioning, start)?;
            stream.next = read.next;
            if !stream.has_slots {
                stream.base_logits = Some(read.logits.clone());
            }
            let new = self.choose(index, read.logits)?;
            news.push(NewToken { secs: begun.elapsed().as_secs_f64(), ..new });
            if self.streams[index].end.is_none() {
                let hidden = Hidden::of(&conditioning);
                let own = conditioning.decoder.into_iter().chain([read.text]).collect();
                self.ready.push(Ready { stream: index, own, hidden, cross: read.cross });
            }
        }
        if self.read == self.streams.len() {
            self.form_batches();
        }
        Ok(news)
    }

    /// For a stream without slots: whether its first logits equal, bit for bit, those of the untouched model, which
    /// reads the prompt once more for it. `None` for a stream with slots, or one whose prompt was not yet read.
    ///
    /// # Errors
    /// [`EngineError::Computation`](crate::error::EngineError::Computation) when the device fails.
    pub fn prove_base<'a>(&self, model: impl Into<DecoderModel<'a>>, stream: usize) -> Result<Option<bool>> {
        let stream = &self.streams[stream];
        let Some(ours) = &stream.base_logits else {
            return Ok(None);
        };
        let plain = model.into().read(&stream.prompt, 0, &Conditioning::default(), self.start())?.logits;
        let equal = plain.len() == ours.len() && plain.iter().zip(ours).all(|(a, b)| a.to_bits() == b.to_bits());
        Ok(Some(equal))
    }

    fn start(&self) -> Option<u32> {
        self.options.source.as_ref().map(|source| source.start)
    }
}

/// The untouched model's logits after a prompt, `[vocab_size]`: a plain forward pass, without cache, mask or batch.
///
/// # Errors
/// [`EngineError::Computation`](crate::error::EngineError::Computation) when the device fails.
pub fn plain_logits(model: &dyn CausalModel, prompt: &[u32]) -> Result<Vec<f32>> {
    Ok(DecoderModel::Causal(model).read(prompt, 0, &Conditioning::default(), None)?.logits)
}
