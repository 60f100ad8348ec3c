//! Prefix tuning: trained keys and values that every layer attends to before the text.
//! Li & Liang 2021, "Prefix-Tuning: Optimizing Continuous Prompts for Generation".
//! Layout as in huggingface/peft: src/peft/tuners/prefix_tuning/model.py.

pub mod init;
mod state;

use burn::tensor::{Device, Tensor, TensorData, activation};
use rand::{Rng, RngExt};

pub use self::state::PrefixState;
use crate::adapters::parameters::{Parameter, Trainables, floats};
use crate::adapters::state::PrefixPlacement;
use crate::config::{MlpActivation, PrefixConfig, Reparameterisation};
use crate::error::{EngineError, Result};
use crate::models::{Conditioning, ModelShape, Site};
use crate::nn::LayerKv;
use crate::nn::positions::Positions;
use crate::{Sentence, sentence};

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
        Self { n_virtual, n_layers: model.n_layers, n_kv_heads: model.n_kv_heads, d_head: model.d_head }
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

/// Numbers trained and numbers kept: with a reparameterisation the former are many more. Layers that get no prefix are
/// kept as zeros, so that the file has the shape of any other.
pub fn count_parameters(shape: &PrefixShape, config: &PrefixConfig) -> (usize, usize) {
    let row = of_layers(*shape, config.layers.as_deref()).row();
    let d_kv = shape.d_kv();
    let trained = match &config.reparameterisation {
        None => (shape.n_virtual - config.n_frozen) * row,
        Some(Reparameterisation { width, hidden_layers, .. }) => {
            let hidden = (d_kv * width + width) + (hidden_layers - 1) * (width * width + width);
            shape.n_virtual * d_kv + hidden + (width * row + row)
        }
    };
    (trained, shape.stored())
}

/// The sizes of what is trained of a prefix for some of the layers.
fn of_layers(shape: PrefixShape, layers: Option<&[usize]>) -> PrefixShape {
    PrefixShape { n_layers: layers.map_or(shape.n_layers, <[usize]>::len), ..shape }
}

/// A prefix in training: its parameters, and how they become keys and values.
pub struct Prefix {
    /// Its sizes.
    pub shape: PrefixShape,
    /// What is trained.
    pub parameters: Vec<Parameter>,
    /// The slots at the beginning that are not, `[n_frozen, row]`, if there are any.
    pub frozen: Vec<Parameter>,
    reparameterisation: Option<Reparameterisation>,
    dropout: f64,
    /// The layers that have one; `None`: all.
    layers: Option<Vec<usize>>,
    infix: bool,
    /// Which stored pair each layer takes; `None`: its own.
    pairs: Option<Vec<usize>>,
}

/// Which of `n_stored` pairs each layer of a sequence-to-sequence model takes from a prefix of PEFT:
/// `(2 * layer) mod n_stored`. With an even number half of the pairs serve two layers each, and the other half none.
pub fn peft_pairs(n_layers: usize, n_stored: usize) -> Vec<usize> {
    (0..n_layers).map(|layer| 2 * layer % n_stored).collect()
}

impl Prefix {
    /// A prefix with the parameters it was given, in the order of [`Prefix::parameter_shapes`], and behind them of
    /// [`Prefix::fixed_shapes`].
    pub fn new(shape: PrefixShape, config: &PrefixConfig, mut parameters: Vec<Parameter>) -> Self {
        let n_fixed = usize::from(config.n_frozen > 0).min(parameters.len());
        let frozen = parameters.split_off(parameters.len() - n_fixed);
        let PrefixConfig { reparameterisation, dropout, layers, infix, .. } = config.clone();
        Self { shape, parameters, frozen, reparameterisation, dropout, layers, infix, pairs: None }
    }

    /// Adds keys and values to what a model is given, with how they stand in it.
    pub(crate) fn stand_in(&self, site: Site, layers: Vec<LayerKv>, conditioning: &mut Conditioning) {
        *conditioning.place(site) = Some(layers);
        conditioning.layers.clone_from(&self.layers);
        conditioning.positions = self.positions();
    }

    /// Where a text's positions begin behind it.
    pub fn positions(&self) -> Positions {
        if self.infix { Positions::Infix } else { Positions::Shifted }
    }

    /// How it stands in the model.
    pub fn placement(&self) -> PrefixPlacement {
        PrefixPlacement { positions: self.positions(), layers: self.layers.clone() }
    }

    /// How many slots at the beginning are not trained.
    pub fn n_frozen(&self) -> usize {
        self.frozen.iter().map(|frozen| frozen.shape[0]).sum()
    }

    /// The same parameters as PEFT gives them to a sequence-to-sequence model whose decoder has so many layers: it has a
    /// pair for each layer of the encoder, too, and a decoder that is less deep leaves the last of them.
    pub fn with_peft_pairs(self, n_layers: usize) -> Self {
        let n_stored = self.shape.n_layers;
        Self { pairs: Some(peft_pairs(n_layers.max(n_stored), n_stored)), ..self }
    }

    /// Keys and values of each layer as the parameters stand.
    pub fn as_it_stands(&self) -> Vec<LayerKv> {
        self.layers(self.flat(&Trainables::untracked(&self.parameters)))
    }

    fn layers(&self, flat: Tensor<2>) -> Vec<LayerKv> {
        let stored = self.shape.layers(flat);
        match &self.pairs {
            None => stored,
            Some(pairs) => pairs.iter().map(|&pair| stored[pair].clone()).collect(),
        }
    }

    /// Names and shapes of what is trained.
    ///
    /// Linear weights are `[d_out, d_in]`. The embedding is as wide as the keys (`n_kv_heads * d_head`), as in PEFT.
    pub fn parameter_shapes(shape: &PrefixShape, config: &PrefixConfig) -> Vec<(&'static str, Vec<usize>)> {
        let row = of_layers(*shape, config.layers.as_deref()).row();
        let (n_virtual, d_kv) = (shape.n_virtual, shape.d_kv());
        let Some(Reparameterisation { width, hidden_layers, .. }) = &config.reparameterisation else {
            return match config.n_frozen {
                0 => vec![("embedding.weight", vec![n_virtual, row])],
                n_frozen => vec![("trainable_embedding", vec![n_virtual - n_frozen, row])],
            };
        };
        let mut shapes = vec![("embedding.weight", vec![n_virtual, d_kv])];
        for (index, (weight, bias)) in LINEARS.into_iter().take(hidden_layers + 1).enumerate() {
            let d_in = if index == 0 { d_kv } else { *width };
            let d_out = if index == *hidden_layers { row } else { *width };
            shapes.extend([(weight, vec![d_out, d_in]), (bias, vec![d_out])]);
        }
        shapes
    }

    /// Name and shape of what stays as it was initialised, with PEFT's name for it.
    pub fn fixed_shapes(shape: &PrefixShape, config: &PrefixConfig) -> Vec<(&'static str, Vec<usize>)> {
        let row = of_layers(*shape, config.layers.as_deref()).row();
        let frozen = ("frozen_embedding", vec![config.n_frozen, row]);
        if config.n_frozen > 0 { vec![frozen] } else { Vec::new() }
    }

    /// The flat prefix, `[n_virtual, n_layers * 2 * n_kv_heads * d_head]`. The network runs once, not once per row.
    pub fn flat(&self, leaves: &Trainables) -> Tensor<2> {
        let trained = self.of_its_layers(leaves);
        let Some(layers) = &self.layers else { return trained };
        let pair = 2 * self.shape.d_kv();
        let of = |layer| match layers.binary_search(&layer) {
            Ok(at) => trained.clone().narrow(1, at * pair, pair),
            Err(_) => Tensor::zeros([self.shape.n_virtual, pair], &self.device()),
        };
        Tensor::cat((0..self.shape.n_layers).map(of).collect(), 1)
    }

    /// The columns of the flat prefix for the layers that have one.
    fn of_its_layers(&self, leaves: &Trainables) -> Tensor<2> {
        let n_virtual = self.shape.n_virtual;
        let row = self.trained_shape().row();
        let Some(hidden) = self.before_last(leaves) else {
            let n_frozen = self.n_frozen();
            let trained = leaves.shaped(0, [n_virtual - n_frozen, row]);
            return match self.frozen.first() {
                None => trained,
                Some(frozen) => Tensor::cat(vec![frozen.value.clone().reshape([n_frozen, row]), trained], 0),
            };
        };
        let [_, width] = hidden.dims();
        let last = self.parameters.len() - 2;
        hidden.matmul(leaves.shaped(last, [row, width]).transpose()) + leaves.shaped(last + 1, [1, row])
    }

    /// What the last layer of the network reads, `[n_virtual, width]`; `None` without a network.
    pub(crate) fn before_last(&self, leaves: &Trainables) -> Option<Tensor<2>> {
        let Reparameterisation { width, activation, hidden_layers } = self.reparameterisation.clone()?;
        let embedding = leaves.shaped(0, [self.shape.n_virtual, self.shape.d_kv()]);
        let layer = |x: Tensor<2>, index: usize| {
            let ([_, d_in], at) = (x.dims(), 1 + 2 * index);
            let weight = leaves.shaped(at, [width, d_in]).transpose();
            activate(x.matmul(weight) + leaves.shaped(at + 1, [1, width]), activation)
        };
        Some((0..hidden_layers).fold(embedding, layer))
    }

    /// The sizes of what is trained: of the layers that have a prefix.
    pub(crate) fn trained_shape(&self) -> PrefixShape {
        of_layers(self.shape, self.layers.as_deref())
    }

    /// Those columns of a flat prefix for every layer that are for the layers that have one.
    pub(crate) fn narrowed(&self, flat: Vec<f32>) -> Vec<f32> {
        let Some(layers) = &self.layers else { return flat };
        let pair = 2 * self.shape.d_kv();
        let row = |row: &[f32]| -> Vec<f32> {
            layers.iter().flat_map(|layer| row[layer * pair..][..pair].iter().copied()).collect()
        };
        flat.chunks_exact(self.shape.row()).flat_map(row).collect()
    }

    /// What is trained on the host, `[n_virtual, …]` for the layers that have a prefix.
    pub(crate) fn made(&self) -> Result<Vec<f32>> {
        floats(self.of_its_layers(&Trainables::untracked(&self.parameters)))
    }

    /// Keys and values of each layer for one step of training, with dropout drawn from `random`.
    pub fn past_kv(&self, leaves: &Trainables, random: &mut impl Rng) -> Vec<LayerKv> {
        let mut flat = self.flat(leaves);
        if self.dropout > 0.0 {
            let keep = 1.0 - self.dropout;
            let draw = |_| if random.random_bool(keep) { (1.0 / keep) as f32 } else { 0.0 };
            let mask: Vec<f32> = (0..self.shape.stored()).map(draw).collect();
            let shape = [self.shape.n_virtual, self.shape.row()];
            flat = flat * Tensor::from_data(TensorData::new(mask, shape), &self.device());
        }
        self.layers(flat)
    }

    /// The prefix as an adapter keeps it: what the network makes, without the network.
    ///
    /// # Errors
    /// The device failed.
    pub fn to_state(&self, site: Site) -> Result<PrefixState> {
        let flat = floats(self.flat(&Trainables::untracked(&self.parameters)))?;
        Ok(PrefixState { site, shape: self.shape, n_frozen: self.n_frozen(), flat })
    }

    fn device(&self) -> Device {
        self.parameters[0].value.device()
    }
}

/// Names of the linear layers of the network, weight and bias.
const LINEARS: [(&str, &str); 3] = [
    ("transform.0.weight", "transform.0.bias"),
    ("transform.2.weight", "transform.2.bias"),
    ("transform.4.weight", "transform.4.bias"),
];

/// A hidden layer of the reparameterisation.
fn activate(x: Tensor<2>, kind: MlpActivation) -> Tensor<2> {
    match kind {
        MlpActivation::Tanh => activation::tanh(x),
        MlpActivation::Relu => activation::relu(x),
        MlpActivation::Gelu => activation::gelu(x),
    }
}

impl PrefixConfig {
    /// Those of a model's sites that get a prefix, in the model's order.
    ///
    /// # Errors
    /// [`EngineError::Setting`] if none is left, or a site or a layer is named that the model does not have.
    pub fn sites_of(&self, model: &[(Site, ModelShape)]) -> Result<Vec<(Site, PrefixShape)>> {
        let wrong = |reason: Sentence| Err(EngineError::Setting { field: "method.sites", reason });
        let known = |site: &Site| model.iter().any(|(other, _)| other == site);
        if let Some(site) = self.sites.iter().flatten().find(|site| !known(site)) {
            return wrong(sentence!("this model has no {site}; leave the setting out", site));
        }
        let chosen = |site: &Site| self.sites.as_ref().is_none_or(|sites| sites.contains(site));
        let sites: Vec<_> = model
            .iter()
            .filter(|(site, _)| chosen(site))
            .map(|(site, shape)| (*site, PrefixShape::new(self.n_virtual, shape)))
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
