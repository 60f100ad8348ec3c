//! A source is read, then a target stands behind its start token.

use burn::tensor::{Device, Tensor};

use crate::data::{SourceBatch, TokenBatch};
use crate::error::{EngineError, Result};
use crate::models::{self, Conditioning, Encoded, Input, Seq2SeqModel, Site, Span, Tokens};
use crate::nn::Sight;
use crate::nn::positions::{Taken, positions, real_tokens};
use crate::sentence;

/// What a span of the encoder makes of the sources, `[batch, source, d_model]`.
pub(in crate::training) fn encode(
    model: &dyn Seq2SeqModel,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    span: Span,
    device: &Device,
) -> Result<Tensor<3>> {
    let source = source_of(model, batch)?;
    let shape = [batch.batch, source.seq];
    let n_positions = model.encoder_shape().n_positions;
    let prompt = conditioning.soft_prompt.as_ref();
    let tokens = Tokens::new(source.tokens.iter().map(|&id| id.into()), shape, prompt, device)?;
    let positions = positions(&source.mask, shape, Taken::Before(0), n_positions, model.counting(), device);
    let mask = real_tokens(&source.mask, shape, device);
    Ok(models::encode(model, span, (tokens, positions), mask, conditioning))
}

/// What a span of the decoder makes of the targets: behind its last layer hidden states, `[batch, seq, head width]`.
pub(in crate::training) fn decode(
    model: &dyn Seq2SeqModel,
    conditioning: &Conditioning,
    batch: &TokenBatch,
    encoded: Tensor<3>,
    span: Span,
    device: &Device,
) -> Result<Tensor<3>> {
    let source = source_of(model, batch)?;
    let mask = real_tokens(&source.mask, [batch.batch, source.seq], device);
    let layers = span.layers(model.shape().n_layers);
    let encoded = Encoded::new(model, encoded, layers, mask, conditioning);
    let past = conditioning.decoder.as_deref();
    let shape = [batch.batch, batch.seq];
    let n_positions = model.shape().n_positions;
    let input = Input {
        tokens: Tokens::new(batch.tokens.iter().map(|&id| id.into()), shape, None, device)?,
        positions: positions(
            &batch.mask,
            shape,
            Taken::Before(conditioning.n_before(Site::Decoder)),
            n_positions,
            model.counting(),
            device,
        ),
        // Padding is behind a target's end, where no token of it looks.
        sight: Sight::behind(conditioning.slots(Site::Decoder), None, shape, device),
        span,
    };
    Ok(model.hidden(&input, &encoded, past, None))
}

fn source_of<'a>(model: &dyn Seq2SeqModel, batch: &'a TokenBatch) -> Result<&'a SourceBatch> {
    batch.source.as_ref().ok_or_else(|| EngineError::TaskShape {
        architecture: model.shape().architecture,
        wanted: sentence!("a model for rows without a source"),
    })
}
