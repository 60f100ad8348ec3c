//! A text that is known behind its prompt: the logits that each of its tokens is told from, in one pass ("teacher forcing").

use std::rc::Rc;

use super::streams::{Choice, StreamState};
use super::{DecoderOptions, DecoderStream, in_place_of};
use crate::error::{EngineError, Result};
use crate::generation::decoder_model::{DecoderModel, SourceOptions, to_host};
use crate::models::ModelShape;
use crate::nn::head_logits;
use crate::sentence;

/// Tokens whose logits are on the host at once.
const AT_ONCE: usize = 32;

/// Tells the logits that each token of a known continuation is chosen from, `[vocab_size]` each, in order. They are those that
/// decoding has at the same place, but for the order in which a device adds.
///
/// # Errors
/// Those of [`Decoder::new`](super::Decoder::new), [`EngineError::ContextOverflow`] when prompt and text do not fit,
/// [`EngineError::Setting`] for an empty text, [`EngineError::Computation`] when the device fails.
pub fn known_text<'a>(
    model: impl Into<DecoderModel<'a>>,
    shape: &ModelShape,
    (stream, text): (DecoderStream, &[u32]),
    source: Option<SourceOptions>,
    each: &mut dyn FnMut(&[f32]),
) -> Result<()> {
    let options = Rc::new(DecoderOptions { source, ..DecoderOptions::default() });
    let shared = Rc::new(Choice::new(options)?);
    let stream = StreamState::new(DecoderStream { options: None, ..stream }, shape, &shared)?;
    let setting = |reason| Err(EngineError::Setting { field: "text", reason });
    if text.is_empty() {
        return setting(sentence!("must have at least one token"));
    }
    if let Some(token) = text.iter().find(|&&token| token as usize >= shape.vocab_size) {
        let known = shape.vocab_size;
        return setting(sentence!("token {token} is unknown to the model, which has {known}", token, known));
    }
    // The last token is told and not read.
    let tokens = stream.n_before + text.len() - 1;
    if tokens > shape.n_positions {
        return Err(EngineError::ContextOverflow { n_virtual: 0, tokens, n_positions: shape.n_positions });
    }
    let model = in_place_of(model.into(), stream.model.as_deref())?;
    let start = shared.options.source.as_ref().map(|source| source.start);
    let hidden = model.known((&stream.prompt, text), stream.n_free, &stream.conditioning, start)?; // [text, head width]
    let [n, width] = hidden.dims();
    for first in (0..n).step_by(AT_ONCE) {
        let last = (first + AT_ONCE).min(n);
        let logits = to_host(head_logits(hidden.clone().slice([first..last, 0..width]), model.head()))?;
        logits.chunks_exact(logits.len() / (last - first)).for_each(&mut *each);
    }
    Ok(())
}
