//! Texts for many rows: batch by batch in order of length, a token of each text a step.

use std::rc::Rc;

use crate::data::{Example, evaluation_batches};
use crate::error::Result;
use crate::generation::{Decoder, DecoderModel, DecoderOptions, DecoderStream, Sampling, before_stop};
use crate::loaded_model::LoadedModel;
use crate::models::{Conditioning, Model};
use crate::training::sources::{First, prompt_of};

/// Rows of a cache: texts that are written at once, times their beams.
const MOST_ROWS: usize = 64;

/// The rows that are to be written, and those under way.
#[derive(Debug)]
pub(crate) struct TextWriter {
    sampling: Sampling,
    /// The next one last.
    batches: Vec<Vec<usize>>,
    under_way: Option<(Decoder, Vec<usize>)>,
    left: usize,
    all: usize,
}

/// The model that writes, and what stands before its texts.
pub(crate) struct Writing<'a> {
    pub(crate) model: &'a LoadedModel,
    /// With the weights that the adapter changes.
    pub(crate) tuned: Option<&'a Rc<Model>>,
    pub(crate) conditioning: &'a Conditioning,
    /// Positions that the adapter takes.
    pub(crate) n_before: usize,
}

impl TextWriter {
    /// Writes for these of the rows.
    pub(crate) fn new(chosen: &[First], sampling: &Sampling) -> Self {
        let lengths: Vec<usize> = chosen.iter().map(|first| first.n_prompt).collect();
        let size = (MOST_ROWS / sampling.beams.n_beams).max(1);
        let mut batches = evaluation_batches(&lengths, size);
        batches.iter_mut().flatten().for_each(|place| *place = chosen[*place].place);
        batches.reverse();
        // The scored text is the first.
        let mut sampling = sampling.clone();
        sampling.beams.n_returned = 1;
        Self { sampling, batches, under_way: None, left: chosen.len(), all: chosen.len() }
    }

    /// Whether every row has its text.
    pub(crate) fn is_done(&self) -> bool {
        self.batches.is_empty() && self.under_way.is_none()
    }

    /// The share of the rows whose text is written, 0 to 1.
    pub(crate) fn share(&self) -> f32 {
        1.0 - self.left as f32 / self.all.max(1) as f32
    }

    /// A bounded piece of work; gives the places of the rows whose batch is complete, with their texts up to a stop word. A
    /// row is read when its batch begins.
    pub(crate) fn step(
        &mut self,
        with: &Writing<'_>,
        read: impl Fn(usize) -> Result<Example>,
    ) -> Result<Vec<(usize, String)>> {
        if self.under_way.is_none() {
            let Some(batch) = self.batches.pop() else { return Ok(Vec::new()) };
            let rows = batch.iter().map(|&place| read(place)).collect::<Result<Vec<_>>>()?;
            self.under_way = Some((self.decoder(with, &rows)?, batch));
        }
        let Some((decoder, batch)) = &mut self.under_way else { return Ok(Vec::new()) };
        if !decoder.is_done() {
            decoder.step(DecoderModel::try_from(&*with.model.model)?)?;
        }
        if !decoder.is_done() {
            return Ok(Vec::new());
        }
        let stops = &self.sampling.stop_strings;
        let text = |(stream, &row): (usize, &usize)| {
            let text = with.model.tokenizer.decode(decoder.tokens(stream))?;
            Ok((row, before_stop(&text, stops).trim().to_owned()))
        };
        let written = batch.iter().enumerate().map(text).collect::<Result<Vec<_>>>()?;
        self.left -= batch.len();
        self.under_way = None;
        Ok(written)
    }

    fn decoder(&self, with: &Writing<'_>, rows: &[Example]) -> Result<Decoder> {
        let shape = with.model.model.shape();
        let longest = shape.n_positions.saturating_sub(with.n_before + 1);
        let stream = |example: &Example| {
            let prompt = prompt_of(example);
            // A row may fill the context with its target; its prompt alone always leaves room for a token.
            let prompt = if example.source.is_empty() { &prompt[..prompt.len().min(longest)] } else { prompt };
            let conditioning = with.conditioning.clone();
            DecoderStream { model: with.tuned.cloned(), ..DecoderStream::new(prompt.to_vec(), conditioning) }
        };
        let options = DecoderOptions { exact_base: false, ..with.model.decoding(self.sampling.clone())? };
        Decoder::new(shape, rows.iter().map(stream).collect(), options)
    }
}
