//! What a case's rows are gone on with: greedy texts, beams and their scores.

use std::rc::Rc;

use super::case::{Array, Arrays, BeamOptions, Generation};
use super::compute::Setup;
use crate::error::Result;
use crate::generation::{Beams, Decoder, DecoderModel, DecoderOptions, DecoderStream, Sampling, SourceOptions};
use crate::models::{Conditioning, GenerationConfig, Model};
use crate::nn::positions::PositionIds;

/// Of each row: its tokens, and the logits they were chosen from.
type Decoded = (Vec<Vec<i64>>, Vec<Vec<Vec<f32>>>);

impl Setup<'_> {
    /// Greedy continuations, or targets, of the rows, without and with penalties.
    pub(super) fn generate(
        &self,
        options: &Generation,
        conditioning: &Conditioning,
        results: &mut Arrays,
    ) -> Result<()> {
        let columns = self.case.facts.logits_columns.of(self.model.shape().vocab_size);
        let plain = Sampling { max_new_tokens: options.max_new_tokens, ..Sampling::default() };
        let repetition_penalty = options.greedy_penalized.repetition_penalty;
        let no_repeat_ngram_size = options.greedy_penalized.no_repeat_ngram_size;
        let penalized = Sampling { repetition_penalty, no_repeat_ngram_size, ..plain.clone() };
        let (tokens, logits) = self.decode(conditioning, plain.clone())?;
        let shape = [tokens.len(), options.max_new_tokens];
        let some = logits.iter().flatten().flat_map(|row| row[..columns].iter().copied()).collect();
        results.insert("gen/greedy".to_owned(), Array::integers(shape, tokens.concat()));
        results.insert("gen/greedy_logits".to_owned(), Array::floats([shape[0], shape[1], columns], some));
        let (tokens, _) = self.decode(conditioning, penalized)?;
        results.insert("gen/greedy_penalised".to_owned(), Array::integers(shape, tokens.concat()));
        for (name, options) in self.case.beam_searches(options)? {
            self.search(&name, &options, conditioning, plain.clone(), results)?;
        }
        Ok(())
    }

    /// Adds the texts that beam search returns for each row, and their scores. Behind a text is padding, or the end
    /// token where the model knows none, as in transformers.
    fn search(
        &self,
        name: &str,
        options: &BeamOptions,
        conditioning: &Conditioning,
        plain: Sampling,
        results: &mut Arrays,
    ) -> Result<()> {
        let beams = Beams {
            n_beams: options.num_beams,
            length_penalty: options.length_penalty,
            early_stopping: options.early_stopping.clone().into(),
            n_returned: options.num_return_sequences,
        };
        let BeamOptions { repetition_penalty, no_repeat_ngram_size, .. } = *options;
        let sampling = Sampling { repetition_penalty, no_repeat_ngram_size, beams, ..plain };
        let end_token = self.case.end_token(options)?;
        let settings = DecoderOptions {
            sampling,
            end_tokens: end_token.into_iter().collect(),
            suppress_tokens: options.suppress_tokens.clone(),
            ..DecoderOptions::default()
        };
        let (mut decoder, n) = self.decoder(conditioning, settings)?;
        while !decoder.is_done() {
            decoder.step(DecoderModel::try_from(&*self.model)?)?;
        }
        let padding = self.padding().ok().map(i64::from).or(end_token.map(i64::from)).unwrap_or(0);
        let all: Vec<_> = (0..n).flat_map(|row| decoder.hypotheses(row)).collect();
        // As long as the longest, as transformers returns them; a reference that was filled up is longer.
        let reference = self.case.integers(&format!("gen/{name}")).ok().and_then(|(shape, _)| shape.last().copied());
        let longest = all.iter().map(|found| found.tokens.len()).max().unwrap_or(0);
        let width = reference.unwrap_or(0).max(longest);
        let (mut tokens, mut scores) = (Vec::new(), Vec::new());
        for found in all {
            let said = found.tokens.iter().map(|&token| i64::from(token));
            tokens.extend(said.chain(std::iter::repeat(padding)).take(width));
            scores.push(found.score);
        }
        results.insert(format!("gen/{name}"), Array::integers([scores.len(), width], tokens));
        results.insert(format!("gen/{name}_scores"), Array::floats([scores.len()], scores));
        Ok(())
    }

    /// Tokens and logits of each row, all rows in one batch.
    fn decode(&self, conditioning: &Conditioning, sampling: Sampling) -> Result<Decoded> {
        let options = DecoderOptions { sampling, keep_logits: true, ..DecoderOptions::default() };
        let (mut decoder, n) = self.decoder(conditioning, options)?;
        let (mut tokens, mut logits) = (vec![Vec::new(); n], vec![Vec::new(); n]);
        while !decoder.is_done() {
            for new in decoder.step(DecoderModel::try_from(&*self.model)?)? {
                tokens[new.stream].push(i64::from(new.token));
                logits[new.stream].extend(new.logits);
            }
        }
        Ok((tokens, logits))
    }

    /// A decoder for the rows, and how many they are.
    fn decoder(&self, conditioning: &Conditioning, options: DecoderOptions) -> Result<(Decoder, usize)> {
        let batch = self.batch("left")?;
        let tuned = self.model.with_overrides(&conditioning.tuned)?.map(Rc::new);
        let mut conditioning = conditioning.clone();
        if let Some(pairs) = &mut conditioning.decoder {
            // PEFT gives a decoder that is less deep than its encoder pairs that no layer takes.
            pairs.truncate(self.model.shape().n_layers);
        }
        let (tokens, mask, seq) = match &batch.source {
            Some(source) => (&source.tokens, &source.mask, source.seq),
            None => (&batch.tokens, &batch.mask, batch.seq),
        };
        let row = |(tokens, mask): (&[i32], &[f32])| {
            let real = tokens.iter().zip(mask).filter(|(_, real)| **real > 0.0);
            let prompt = real.map(|(token, _)| token.cast_unsigned()).collect();
            // PEFT counts padding behind a soft prompt where the architecture counts columns.
            let alone = self.case.facts.notes.get("generation_inputs").and_then(|inputs| inputs.as_str())
                == Some("each row alone");
            let counts = self.n_soft > 0
                && !alone
                && batch.source.is_none()
                && self.model.position_ids() == PositionIds::Columns;
            let n_free = if counts { mask.iter().filter(|&&real| real == 0.0).count() } else { 0 };
            DecoderStream { model: tuned.clone(), n_free, ..DecoderStream::new(prompt, conditioning.clone()) }
        };
        let streams: Vec<DecoderStream> = tokens.chunks_exact(seq).zip(mask.chunks_exact(seq)).map(row).collect();
        let n = streams.len();
        let source = match &*self.model {
            Model::Causal(_) | Model::Encoder(_) => None,
            Model::Seq2Seq(model) => {
                let file = GenerationConfig::read(&self.case.folder.join("model"))?;
                Some(SourceOptions::of(model.as_ref(), &file, 0))
            }
        };
        Ok((Decoder::new(self.model.shape(), streams, DecoderOptions { source, ..options })?, n))
    }
}
