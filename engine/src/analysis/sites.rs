//! A model as the vocabulary index asks one: every token alone, at the sites that an adapter has.

use burn::tensor::{Device, Int, Tensor};

use crate::loaded_model::LoadedModel;
use crate::models::{KvSource, Model, ModelShape, Site};
use crate::nn::{LayerKv, MatrixNumbers, Precision, Quantization};

/// The sites of a model in a row, as one stack of layers: the encoder's, then the decoder's, then those of
/// cross-attention, as far as they are asked for.
pub struct SiteStack<'a> {
    model: &'a Model,
    sites: &'a [Site],
    shape: ModelShape,
}

impl<'a> SiteStack<'a> {
    /// The layers of these sites of a model.
    pub fn new(model: &'a Model, sites: &'a [Site]) -> Self {
        let of_model = model.sites();
        let layers =
            |site: &Site| of_model.iter().find(|(other, _)| other == site).map_or(0, |(_, shape)| shape.n_layers);
        let shape = ModelShape { n_layers: sites.iter().map(layers).sum(), ..model.shape().clone() };
        Self { model, sites, shape }
    }
}

impl KvSource for SiteStack<'_> {
    fn sizes(&self) -> &ModelShape {
        &self.shape
    }

    /// Where there is a source, each token is one; the decoder writes the same token from it.
    fn forward_kv(&self, tokens: Tensor<2, Int>) -> Vec<LayerKv> {
        let at = |site: &Site| self.model.keys_and_values(*site, tokens.clone(), tokens.clone());
        self.sites.iter().flat_map(at).collect()
    }

    fn device(&self) -> Device {
        self.model.device()
    }
}

/// Name of the vocabulary's index for an adapter's sites: that of the weights; before it the sites that are asked about, where
/// there are several, and the numbers, where the matrices are not computed with as they are stored.
pub fn index_name(model: &LoadedModel, sites: &[Site]) -> String {
    // File names keep the beginning, so that the hash comes last.
    let mut name = match &*model.model {
        Model::Causal(_) | Model::Encoder(_) => String::new(),
        Model::Seq2Seq(_) => sites.iter().map(|site| &site.name()[..1]).collect(),
    };
    let MatrixNumbers { precision, quantization } = model.numbers;
    if precision != Precision::F32 {
        name.push_str(precision.name());
    }
    if quantization != Quantization::Stored {
        name.push_str(quantization.name());
    }
    name + &model.hash
}
