//! The sizes of a prefix: what is trained, what is kept, at which sites of a model.

use std::borrow::Cow;

use burn::tensor::Tensor;

use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::prefix::Prefix;
use crate::adapters::methods::{AdapterPart, Method, NamedShape, PartSpec, Spec};
use crate::adapters::parameters::Parameter;
use crate::config::{PrefixConfig, Reparameterization, Site, TaskRecord};
use crate::error::{EngineError, Result};
use crate::models::{ModelFacts, ModelShape, SiteShape};
use crate::nn::LayerKv;
use crate::nn::floats;
use crate::{Sentence, sentence};

/// A prefix at a site, before any number is known.
#[derive(Clone, Debug, PartialEq)]
pub struct PrefixSpec {
    /// Where it stands.
    pub site: Site,
    /// Sizes of the prefix.
    pub shape: PrefixShape,
    /// Settings of its training.
    pub config: PrefixConfig,
}

/// The sizes of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixShape {
    /// Prefix length.
    pub n_virtual: usize,
    /// Layers.
    pub n_layers: usize,
    /// Key and value heads.
    pub n_kv_heads: usize,
    /// Width of a head.
    pub d_head: usize,
}

impl PrefixShape {
    /// A prefix of this length for a model.
    pub fn new(n_virtual: usize, model: &ModelShape) -> Self {
        let ModelShape { n_layers, n_kv_heads, d_head, .. } = *model;
        Self { n_virtual, n_layers, n_kv_heads, d_head }
    }

    /// Width of a key or value over all heads.
    pub fn d_kv(&self) -> usize {
        self.n_kv_heads * self.d_head
    }

    /// Numbers for one virtual token: `K0, V0, K1, V1, …`.
    pub fn row(&self) -> usize {
        self.n_layers * 2 * self.d_kv()
    }

    /// Numbers that the folded prefix keeps.
    pub fn stored(&self) -> usize {
        self.n_virtual * self.row()
    }

    /// Cuts a flat prefix into layers.
    ///
    /// # Shapes
    /// - `flat`: `[n_virtual, n_layers * 2 * n_kv_heads * d_head]`
    /// - key and value of each layer: `[1, n_kv_heads, n_virtual, d_head]`
    pub fn layers(&self, flat: Tensor<2>) -> Vec<LayerKv> {
        let by_slot =
            flat.reshape([self.n_virtual, self.n_layers * 2, self.n_kv_heads, self.d_head]).permute([1, 2, 0, 3]); // [n_layers * 2, n_kv_heads, n_virtual, d_head]
        let slot = |index: usize| by_slot.clone().narrow(0, index, 1);
        (0..self.n_layers).map(|layer| LayerKv { key: slot(2 * layer), value: slot(2 * layer + 1) }).collect()
    }

    /// The flat prefix that keys and values of a text make: the inverse of [`PrefixShape::layers`] on the host.
    ///
    /// # Errors
    /// The device failed.
    pub fn flatten(&self, layers: &[LayerKv]) -> Result<Vec<f32>> {
        let mut flat = vec![0.0; self.stored()];
        for (layer, kv) in layers.iter().enumerate() {
            for (side, tensor) in [&kv.key, &kv.value].into_iter().enumerate() {
                let values = floats(tensor.clone())?; // [n_kv_heads, n_virtual, d_head]
                let slot = (2 * layer + side) * self.d_kv();
                for (head, rows) in values.chunks_exact(self.n_virtual * self.d_head).enumerate() {
                    for (position, row) in rows.chunks_exact(self.d_head).enumerate() {
                        let at = position * self.row() + slot + head * self.d_head;
                        flat[at..at + self.d_head].copy_from_slice(row);
                    }
                }
            }
        }
        Ok(flat)
    }
}

/// Names of the linear layers of the network, weight and bias.
const LINEARS: [(&str, &str); 3] = [
    ("transform.0.weight", "transform.0.bias"),
    ("transform.2.weight", "transform.2.bias"),
    ("transform.4.weight", "transform.4.bias"),
];

impl PrefixSpec {
    /// The sizes of what is trained: of the layers that have a prefix.
    pub(super) fn trained_shape(&self) -> PrefixShape {
        let n_layers = self.config.layers.as_ref().map_or(self.shape.n_layers, Vec::len);
        PrefixShape { n_layers, ..self.shape }
    }
}

impl Spec for PrefixSpec {
    /// Linear weights are `[d_out, d_in]`. The embedding is as wide as the keys (`n_kv_heads * d_head`), as in PEFT.
    fn parameter_shapes(&self) -> Vec<NamedShape> {
        let row = self.trained_shape().row();
        let (n_virtual, d_kv) = (self.shape.n_virtual, self.shape.d_kv());
        let Some(Reparameterization { width, hidden_layers, .. }) = &self.config.reparameterization else {
            return match self.config.n_frozen {
                0 => vec![(Cow::Borrowed("embedding.weight"), vec![n_virtual, row])],
                n_frozen => vec![(Cow::Borrowed("trainable_embedding"), vec![n_virtual - n_frozen, row])],
            };
        };
        let width = width.unwrap_or(d_kv);
        let mut shapes = vec![(Cow::Borrowed("embedding.weight"), vec![n_virtual, d_kv])];
        for (index, (weight, bias)) in LINEARS.into_iter().take(hidden_layers + 1).enumerate() {
            let d_in = if index == 0 { d_kv } else { width };
            let d_out = if index == *hidden_layers { row } else { width };
            shapes.extend([(Cow::Borrowed(weight), vec![d_out, d_in]), (Cow::Borrowed(bias), vec![d_out])]);
        }
        shapes
    }

    /// The first virtual tokens of a cartridge, with PEFT's name for them.
    fn fixed_shapes(&self) -> Vec<NamedShape> {
        let n_frozen = self.config.n_frozen;
        let frozen = || (Cow::Borrowed("frozen_embedding"), vec![n_frozen, self.trained_shape().row()]);
        (n_frozen > 0).then(frozen).into_iter().collect()
    }

    /// A network is folded away. Layers without a prefix are kept as zeros, so that the file has the shape of any other.
    fn stored(&self) -> usize {
        self.shape.stored()
    }

    /// A prefix that is the only one needs no site.
    fn key(&self, n_sites: usize) -> String {
        if n_sites > 1 { format!("{}.", self.site.name()) } else { String::new() }
    }

    fn with_parameters(&self, parameters: Vec<Parameter>) -> AdapterPart {
        AdapterPart::Prefix(Prefix::new(self.clone(), parameters))
    }

    fn initial(&self, from: &InitContext<'_>) -> Result<AdapterPart> {
        Prefix::initial(self, from).map(AdapterPart::Prefix)
    }
}

impl Method for PrefixConfig {
    fn specs(&self, model: &dyn ModelFacts, _: &TaskRecord) -> Result<Vec<PartSpec>> {
        let at = |(site, shape)| PartSpec::Prefix(PrefixSpec { site, shape, config: self.clone() });
        Ok(self.sites_of(&model.prefix_sites())?.into_iter().map(at).collect())
    }
}

impl PrefixConfig {
    /// Those of a model's sites that get a prefix, in the model's order.
    ///
    /// # Errors
    /// [`EngineError::Setting`] if none is left, or a site or a layer is named that the model does not have.
    pub fn sites_of(&self, model: &[(Site, SiteShape)]) -> Result<Vec<(Site, PrefixShape)>> {
        let wrong = |reason: Sentence| Err(EngineError::Setting { field: "method.sites", reason });
        let known = |site: &Site| model.iter().any(|(other, _)| other == site);
        if let Some(site) = self.sites.iter().flatten().find(|site| !known(site)) {
            return wrong(sentence!("this model has no {site}; leave the setting out", site));
        }
        let chosen = |site: &Site| self.sites.as_ref().is_none_or(|sites| sites.contains(site));
        let sites: Vec<_> = model
            .iter()
            .filter(|(site, _)| chosen(site))
            .map(|&(site, SiteShape { n_layers, n_kv_heads, d_head })| {
                (site, PrefixShape { n_virtual: self.n_virtual, n_layers, n_kv_heads, d_head })
            })
            .collect();
        if sites.is_empty() {
            return wrong(sentence!("at least one place needs a prefix"));
        }
        let last = self.layers.as_ref().and_then(|layers| layers.last());
        for (site, shape) in &sites {
            if let Some(last) = last.filter(|&&last| last >= shape.n_layers) {
                let n = shape.n_layers;
                let reason = sentence!("the {site} has {n} layers, counted from 0, and no layer {last}", site, n, last);
                return Err(EngineError::Setting { field: "method.layers", reason });
            }
        }
        Ok(sites)
    }
}
