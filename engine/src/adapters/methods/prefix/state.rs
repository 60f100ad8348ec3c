//! A prefix as an adapter keeps it: keys and values without the network they came from, at one site.

use burn::tensor::{Device, Tensor, TensorData};
use sha2::{Digest, Sha256};

use crate::adapters::methods::prefix::PrefixShape;
use crate::adapters::methods::{PartState, SavedPart};
use crate::adapters::state::{AdapterState, bytes, short};
use crate::config::{MethodConfig, PrefixConfig, Site};
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, ModelShape};
use crate::nn::LayerKv;
use crate::nn::positions::PositionConvention;
use crate::{Sentence, sentence};

/// The folded prefix of one site; each layer has the pair of its own number.
#[derive(Clone, Debug, PartialEq)]
pub struct PrefixState {
    /// Where it stands.
    pub site: Site,
    /// Sizes of the prefix.
    pub shape: PrefixShape,
    /// Number of its first virtual tokens that were not trained, which make it a cartridge.
    pub n_frozen: usize,
    /// `[n_virtual, n_layers * 2 * n_kv_heads * d_head]`, row by row.
    pub flat: Vec<f32>,
}

impl PrefixState {
    /// A prefix that was trained whole.
    pub fn new(site: Site, shape: PrefixShape, flat: Vec<f32>) -> Self {
        Self { site, shape, n_frozen: 0, flat }
    }

    /// Keys and values of each layer, `[1, n_kv_heads, n_virtual, d_head]`.
    pub fn layers(&self, device: &Device) -> Vec<LayerKv> {
        let dims = [self.shape.n_virtual, self.shape.row()];
        self.shape.layers(Tensor::from_data(TensorData::new(self.flat.clone(), dims), device))
    }

    /// Refuses a model of another shape, or without the layers that see it, with the numbers.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`].
    pub(crate) fn check_fits(&self, sites: &[(Site, ModelShape)], seen_by: Option<&[usize]>) -> Result<()> {
        let mismatch = |reason: Sentence| Err(EngineError::AdapterMismatch { reason });
        let site = self.site;
        let Some((_, model)) = sites.iter().find(|(other, _)| *other == site) else {
            return mismatch(sentence!("it has a prefix for the {site}, which this model does not have", site));
        };
        let wants = PrefixShape::new(self.shape.n_virtual, model);
        // A config without sizes says only how wide a row is.
        if wants.row() != self.shape.row() {
            return mismatch(sentence!(
                "it has {row} numbers for each virtual token, the model needs {wanted} ({n_layers} layers × 2 × {d_kv})",
                row = self.shape.row(),
                wanted = wants.row(),
                n_layers = wants.n_layers,
                d_kv = wants.d_kv()
            ));
        }
        if wants != self.shape {
            return mismatch(sentence!(
                "it has {n_layers} layers of {n_kv_heads} heads, the model {layers} layers of {heads}",
                n_layers = self.shape.n_layers,
                n_kv_heads = self.shape.n_kv_heads,
                layers = wants.n_layers,
                heads = wants.n_kv_heads
            ));
        }
        if let Some(layer) = seen_by.into_iter().flatten().find(|&&layer| layer >= model.n_layers) {
            let number = layer + 1;
            return mismatch(sentence!(
                "it has a prefix for layer {number}, and the model {n_layers} layers",
                number,
                n_layers = model.n_layers
            ));
        }
        Ok(())
    }
}

impl SavedPart for PrefixState {
    fn n_virtual(&self) -> usize {
        self.shape.n_virtual
    }

    fn method(&self, adapter: &AdapterState) -> Option<MethodConfig> {
        Some(MethodConfig::Prefix(PrefixConfig {
            n_virtual: adapter.n_virtual(),
            n_frozen: self.n_frozen,
            layers: adapter.placement.layers.clone(),
            infix: adapter.placement.positions == PositionConvention::Infix,
            ..PrefixConfig::default()
        }))
    }

    /// Of several sites the name of each.
    fn hash(&self, is_alone: bool, digest: &mut Sha256) {
        match is_alone {
            true => digest.update(bytes(&self.flat)),
            false => digest.update(short(&Sha256::digest(bytes(&self.flat)))),
        }
    }

    /// All sites in one sentence, which is that of the first.
    fn describe(&self, adapter: &AdapterState, kept_by: &Sentence) -> Vec<Sentence> {
        if adapter.sites().first() != Some(&self.site) {
            return Vec::new();
        }
        let sites = adapter.prefixes().map(|prefix| prefix.site.sentence());
        let sites = sites.reduce(|before, next| sentence!("{before}, the {next}", before, next)).unwrap_or_default();
        let slots = adapter.prefixes().map(|prefix| prefix.shape.n_virtual).max();
        let prefix = sentence!(
            "a prefix of {kept_by}: {slots} virtual tokens at the {sites}",
            kept_by,
            slots = slots.unwrap_or(0),
            sites
        );
        vec![match &adapter.placement.layers {
            None => prefix,
            Some(layers) => {
                // People count layers from 1.
                let layers = layers.iter().map(|layer| (layer + 1).to_string()).collect::<Vec<_>>().join(", ");
                sentence!("{prefix}, in layers {layers}", prefix, layers)
            }
        }]
    }

    fn condition(&self, device: &Device, conditioning: &mut Conditioning) {
        *conditioning.place(self.site) = Some(self.layers(device));
    }
}

impl AdapterState {
    /// The adapter's prefixes, site by site.
    pub fn prefixes(&self) -> impl Iterator<Item = &PrefixState> {
        self.parts.iter().filter_map(|part| match part {
            PartState::Prefix(prefix) => Some(prefix),
            _ => None,
        })
    }

    /// The adapter's prefix at a site.
    pub fn prefix_at(&self, site: Site) -> Option<&PrefixState> {
        self.prefixes().find(|prefix| prefix.site == site)
    }

    /// Where it stands, in order.
    pub fn sites(&self) -> Vec<Site> {
        self.prefixes().map(|prefix| prefix.site).collect()
    }

    /// Number of a prefix's first virtual tokens that were not trained.
    pub fn n_frozen(&self) -> usize {
        self.prefixes().map(|prefix| prefix.n_frozen).max().unwrap_or(0)
    }

    /// Of all layers of all sites, site after site, those that have a prefix; `None`: all.
    pub fn prefixed_layers(&self) -> Option<Vec<usize>> {
        let layers = self.placement.layers.as_ref()?;
        let mut first = 0;
        let mut all = Vec::new();
        for prefix in self.prefixes() {
            all.extend(layers.iter().map(|layer| first + layer));
            first += prefix.shape.n_layers;
        }
        Some(all)
    }

    /// Keys and values of all layers of all sites, site after site.
    pub fn layers(&self, device: &Device) -> Vec<LayerKv> {
        self.prefixes().flat_map(|prefix| prefix.layers(device)).collect()
    }
}
