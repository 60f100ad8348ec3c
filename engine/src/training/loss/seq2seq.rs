//! A source is read, then a target stands behind its start token.

use burn::tensor::{Device, Tensor};

use crate::data::{SourceBatch, TokenBatch};
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Encoded, Input, Seq2SeqModel, Site, Tokens, read_source};
use crate::nn::positions::{key_mask, positions};

/// Hidden states of the targets, `[batch, seq, head width]`.
pub(super) fn hidden(
    model: &dyn Seq2SeqModel,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    device: &Device,
) -> Result<Tensor<3>> {
    let Some(source) = &batch.source else {
        let architecture = model.shape().architecture;
        return Err(EngineError::TaskShape { architecture, wanted: "a model for rows without a source" });
    };
    let encoded = read(model, conditioning, source, batch.batch, device)?;
    let past = conditioning.decoder.as_deref();
    let shape = [batch.batch, batch.seq];
    let n_positions = model.shape().n_positions;
    let input = Input {
        tokens: Tokens::new(batch.tokens.iter().map(|&id| id.into()), shape, None, device)?,
        positions: positions(
            &batch.mask,
            shape,
            conditioning.n_before(Site::Decoder),
            n_positions,
            model.counting(),
            device,
        ),
        // Padding is behind a target's end, where no token of it looks.
        key_mask: None,
    };
    Ok(model.hidden(&input, &encoded, past, None))
}

/// What the decoder sees of a batch of sources.
fn read(
    model: &dyn Seq2SeqModel,
    conditioning: &Conditioning,
    source: &SourceBatch,
    batch: usize,
    device: &Device,
) -> Result<Encoded> {
    let shape = [batch, source.seq];
    let prompt = conditioning.soft_prompt.as_ref();
    let n_positions = model.encoder_shape().n_positions;
    Ok(read_source(
        model,
        Tokens::new(source.tokens.iter().map(|&id| id.into()), shape, prompt, device)?,
        positions(&source.mask, shape, 0, n_positions, model.counting(), device),
        key_mask(&source.mask, shape, 0, device),
        conditioning,
    ))
}
