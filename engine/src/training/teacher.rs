//! A teacher that has read a document: the base model, whose distributions an adapter learns that does not see it.
//!
//! Eyuboglu et al. 2025, "Cartridges: Lightweight and general-purpose long context representations via self-study";
//! huggingface/peft: examples/cartridge_self_study/train_distill.py. The document is read once: its keys and values stand before
//! the rows as those of a prefix do, which is the same as reading it before each of them. What the teacher says is computed
//! again in each step and not kept: a step's numbers then follow from its batch alone, nothing can be out of date, and a
//! resumed run is the uninterrupted one without a file more.

use burn::tensor::{Device, Int, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::config::{DistillationConfig, Site};
use crate::data::{Examples, Taught, TokenBatch, Tokenizer};
use crate::error::{EngineError, Result};
use crate::files::{self, Kind};
use crate::models::{Conditioning, Model};
use crate::nn::{floats, head_logits, past_length};
use crate::sentence;
use crate::training::loss::{hidden, rows_at};
use crate::weights::hex;

/// Places whose distributions are on the host at once.
const PLACES: usize = 64;

/// A base model behind a document.
#[derive(Clone, Debug)]
pub struct Teacher {
    /// Keys and values of the document.
    behind: Conditioning,
    top_k: usize,
}

impl Teacher {
    /// A model that reads these tokens before each row, of whose distributions so many tokens are learned.
    pub fn new(model: &Model, document: &[u32], top_k: usize, device: &Device) -> Self {
        let ids: Vec<i32> = document.iter().map(|token| token.cast_signed()).collect();
        let shape = [1, ids.len()];
        let text: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, shape), device);
        let layers = model.keys_and_values(Site::Decoder, text.clone(), text);
        Self { behind: Conditioning::causal(layers), top_k }
    }

    /// The teacher of a run.
    ///
    /// # Errors
    /// The document cannot be read, or the model does not go on with texts or has no room for the document and the longest row.
    pub(crate) fn of_run(
        config: &DistillationConfig,
        (model, tokenizer): (&Model, &Tokenizer),
        rows: &Examples,
        device: &Device,
    ) -> Result<Self> {
        let setting = |reason| EngineError::Setting { field: "training.distillation.document", reason };
        if !matches!(model, Model::Causal(_)) {
            return Err(setting(sentence!("only a model that goes on with a text reads a document before it")));
        }
        let document = tokenizer.encode(&files::read_to_string(&config.document, Kind::Document)?)?;
        if document.is_empty() {
            return Err(setting(sentence!("it has no text")));
        }
        let longest = (0..rows.len()).map(|row| rows.length(row)).max().unwrap_or(0);
        let (n_document, n_positions) = (document.len(), model.shape().n_positions);
        if n_document + longest > n_positions {
            return Err(setting(sentence!(
                "it has {n_document} tokens and the longest row {longest}, more than the {n_positions} positions of the model",
                n_document,
                longest,
                n_positions
            )));
        }
        Ok(Self::new(model, &document, config.top_k, device))
    }

    /// Tokens of the document.
    pub fn n_document(&self) -> usize {
        past_length(self.behind.of(Site::Decoder))
    }

    /// A batch with what the teacher says at its labels.
    ///
    /// # Errors
    /// The model has no head, or the device failed.
    pub fn teach(&self, model: &Model, batch: &TokenBatch, device: &Device) -> Result<TokenBatch> {
        let hidden = hidden(model, &self.behind, batch, device)?;
        let places: Vec<usize> = batch.labeled().into_iter().map(|(at, _)| at).collect();
        let mut taught = Taught::default();
        for places in places.chunks(PLACES) {
            let logits = head_logits(rows_at(hidden.clone(), places.iter().copied(), device), model.head()?);
            let [_, vocab_size] = logits.dims();
            taught.top_k = self.top_k.min(vocab_size);
            for logits in floats(logits)?.chunks_exact(vocab_size) {
                add_most_probable(logits, &mut taught);
            }
        }
        Ok(TokenBatch { taught: Some(taught), ..batch.clone() })
    }
}

/// SHA-256 of the document that a run's teacher reads.
///
/// # Errors
/// It cannot be read.
pub(crate) fn digest(config: &DistillationConfig) -> Result<String> {
    Ok(hex(&Sha256::digest(files::read(&config.document, Kind::Document)?)))
}

/// Adds the most probable tokens at a place; of equally probable ones those of lower ids.
fn add_most_probable(logits: &[f32], taught: &mut Taught) {
    let most = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let all: f64 = logits.iter().map(|&logit| (f64::from(logit) - most).exp()).sum();
    let mut order: Vec<usize> = (0..logits.len()).collect();
    let by_logit = |&a: &usize, &b: &usize| logits[b].total_cmp(&logits[a]).then(a.cmp(&b));
    if taught.top_k < order.len() {
        order.select_nth_unstable_by(taught.top_k, by_logit);
        order.truncate(taught.top_k);
    }
    order.sort_unstable_by(by_logit);
    taught.tokens.extend(order.iter().map(|&token| token as i32));
    taught.probabilities.extend(order.iter().map(|&token| ((f64::from(logits[token]) - most).exp() / all) as f32));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_tokens_come_first_with_their_share_of_all() {
        let mut taught = Taught { top_k: 2, ..Taught::default() };
        add_most_probable(&[0.0, 3.0_f32.ln(), 0.0, 5.0_f32.ln()], &mut taught);
        assert_eq!(taught.tokens, [3, 1]);
        assert!((taught.probabilities[0] - 0.5).abs() < 1e-6 && (taught.probabilities[1] - 0.3).abs() < 1e-6);
        add_most_probable(&[1.0; 4], &mut taught);
        assert_eq!(taught.tokens[2..], [0, 1], "of equal ones the first");
    }
}
