//! Padded rows through a model: its only stack, or an encoder and the decoder behind it.

use burn::tensor::{Device, Tensor};

use super::hooks::Hooks;
use super::layer_range::LayerRange;
use super::pass::{ForwardPass, PaddedRows, Stack};
use crate::config::Site;
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, Encoded, Model};
use crate::nn::positions::real_tokens;
use crate::sentence;

impl Model {
    /// A stack by the site of its prefix.
    pub fn stack(&self, site: Site) -> Stack {
        match self {
            Self::Causal(model) => model.stack(),
            Self::Encoder(model) => model.stack(),
            Self::Seq2Seq(model) => model.stack(site),
        }
    }

    /// The site of the stack whose hidden states the head takes.
    pub fn last_site(&self) -> Site {
        match self {
            Self::Encoder(_) => Site::Encoder,
            Self::Causal(_) | Self::Seq2Seq(_) => Site::Decoder,
        }
    }

    /// Hidden states of rows as the head takes them, of their targets where there are sources, `[batch, seq, d_model]`.
    ///
    /// # Errors
    /// The rows are made for another kind of model, or ask for a soft token that the adapter does not have.
    pub fn hidden(
        &self,
        rows: &PaddedRows<'_>,
        conditioning: &Conditioning,
        mut hooks: Option<&mut (dyn Hooks + '_)>,
        device: &Device,
    ) -> Result<Tensor<3>> {
        let mut encoded = None;
        if matches!(self, Self::Seq2Seq(_)) {
            let reading = (Site::Encoder, LayerRange::Whole);
            let hooks = hooks.as_deref_mut();
            encoded = Some(self.run(reading, rows, None, conditioning, hooks, device)?);
        }
        self.run((self.last_site(), LayerRange::Whole), rows, encoded.as_ref(), conditioning, hooks, device)
    }

    /// Output of some blocks of a stack for rows, `[batch, seq, d_model]`: of an encoder for their sources, of a
    /// decoder for their targets behind the encoder's output.
    ///
    /// # Errors
    /// As [`Model::hidden`].
    pub(crate) fn run(
        &self,
        (site, layers): (Site, LayerRange),
        rows: &PaddedRows<'_>,
        encoded: Option<&Tensor<3>>,
        conditioning: &Conditioning,
        hooks: Option<&mut (dyn Hooks + '_)>,
        device: &Device,
    ) -> Result<Tensor<3>> {
        let pass = |rows| ForwardPass::of_batch(self.stack(site), rows, conditioning, device);
        let (model, source) = match self {
            Self::Causal(model) => return Ok(model.hidden(&mut pass(rows)?.through(layers).with_hooks(hooks))),
            Self::Encoder(model) => return Ok(model.hidden(&mut pass(rows)?.through(layers).with_hooks(hooks))),
            Self::Seq2Seq(model) => (model, rows.source.as_deref().ok_or_else(|| self.reads_a_source())?),
        };
        if site == Site::Encoder {
            return Ok(model.encode(&mut pass(source)?.through(layers).with_hooks(hooks)));
        }
        let encoded = encoded.ok_or_else(|| self.reads_a_source())?.clone();
        let mask = real_tokens(source.mask, source.shape, device);
        let source = Encoded::new(model.as_ref(), encoded, layers.layers(model.shape().n_layers), mask, conditioning);
        Ok(model.hidden(&mut pass(rows)?.through(layers).behind_source(&source).with_hooks(hooks)))
    }

    fn reads_a_source(&self) -> EngineError {
        EngineError::TaskShape {
            architecture: self.shape().architecture,
            wanted: sentence!("a model for rows without a source"),
        }
    }
}
