//! A sequence-to-sequence model as the vocabulary's bank asks one: every token alone, at the sites that an adapter has.

use burn::tensor::Tensor;

use crate::models::{CausalModel, Conditioning, Input, ModelShape, Seq2SeqModel, Site, read_source};
use crate::nn::LayerKv;

/// The sites of a model in a row, as one stack of layers: the encoder's, then the decoder's, then those of
/// cross-attention, as far as they are asked for.
pub struct SiteStack<'a> {
    model: &'a dyn Seq2SeqModel,
    sites: &'a [Site],
    shape: ModelShape,
}

impl<'a> SiteStack<'a> {
    /// The layers of these sites of a model.
    pub fn new(model: &'a dyn Seq2SeqModel, sites: &'a [Site]) -> Self {
        let of_model = model.sites();
        let layers =
            |site: &Site| of_model.iter().find(|(other, _)| other == site).map_or(0, |(_, shape)| shape.n_layers);
        let shape = ModelShape { n_layers: sites.iter().map(layers).sum(), ..model.shape().clone() };
        Self { model, sites, shape }
    }
}

impl CausalModel for SiteStack<'_> {
    fn shape(&self) -> &ModelShape {
        &self.shape
    }

    /// Each token is a source; the decoder writes the same token from it.
    fn hidden(&self, input: &Input, _past: Option<&[LayerKv]>, mut kv: Option<&mut Vec<LayerKv>>) -> Tensor<3> {
        let encoded = self.model.encode(input, None, kv.as_deref_mut().filter(|_| self.sites.contains(&Site::Encoder)));
        if self.sites.contains(&Site::Decoder) {
            let (tokens, positions) = (input.tokens.clone(), input.positions.clone());
            let source = read_source(self.model, tokens, positions, None, &Conditioning::default());
            self.model.hidden(input, &source, None, kv.as_deref_mut());
        }
        if self.sites.contains(&Site::Cross)
            && let Some(kv) = kv
        {
            kv.extend(self.model.cross(encoded.clone()));
        }
        encoded
    }

    fn head(&self) -> &Tensor<2> {
        self.model.head()
    }

    fn embeddings(&self) -> &Tensor<2> {
        self.model.embeddings()
    }
}
