//! A prefix in training: its parameters, and how they become keys and values.

use burn::tensor::{Device, Tensor, TensorData, activation};
use rand::{Rng, RngExt};

use crate::adapters::methods::prefix::{PrefixSpec, PrefixState};
use crate::adapters::methods::{PartState, Spec, Trained};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::adapters::state::PrefixPlacement;
use crate::config::{MlpActivation, Reparameterization};
use crate::error::Result;
use crate::models::Conditioning;
use crate::nn::LayerKv;
use crate::nn::floats;
use crate::nn::positions::PositionConvention;

/// A prefix in training.
pub struct Prefix {
    /// Sizes of the prefix, and settings of its training.
    pub spec: PrefixSpec,
    /// The trained parameters.
    pub parameters: Vec<Parameter>,
    /// The virtual tokens at the beginning that are not trained, `[n_frozen, row]`, if there are any.
    pub frozen: Vec<Parameter>,
    /// Index of the stored pair that each layer takes; `None`: its own.
    pairs: Option<Vec<usize>>,
}

/// Index of the pair, of `n_stored`, that each layer of a sequence-to-sequence model takes from a prefix of PEFT:
/// `(2 * layer) mod n_stored`. With an even number half of the pairs serve two layers each, and the other half none.
pub fn peft_pairs(n_layers: usize, n_stored: usize) -> Vec<usize> {
    (0..n_layers).map(|layer| 2 * layer % n_stored).collect()
}

impl Prefix {
    /// A prefix with the parameters it was given, in the order of [`Spec::parameter_shapes`], and behind them of
    /// [`Spec::fixed_shapes`].
    pub fn new(spec: PrefixSpec, mut parameters: Vec<Parameter>) -> Self {
        let n_fixed = usize::from(spec.config.n_frozen > 0).min(parameters.len());
        let frozen = parameters.split_off(parameters.len() - n_fixed);
        Self { spec, parameters, frozen, pairs: None }
    }

    /// Placement of the prefix in the model.
    pub fn placement(&self) -> PrefixPlacement {
        let positions = if self.spec.config.infix { PositionConvention::Infix } else { PositionConvention::Shifted };
        PrefixPlacement { positions, layers: self.spec.config.layers.clone() }
    }

    /// Number of virtual tokens at the beginning that are not trained.
    pub fn n_frozen(&self) -> usize {
        self.frozen.iter().map(|frozen| frozen.shape[0]).sum()
    }

    /// The same parameters as PEFT gives them to a sequence-to-sequence model whose decoder has so many layers: it has a
    /// pair for each layer of the encoder, too, and a decoder that is less deep leaves the last of them.
    #[must_use]
    pub fn with_peft_pairs(self, n_layers: usize) -> Self {
        let n_stored = self.spec.shape.n_layers;
        Self { pairs: Some(peft_pairs(n_layers.max(n_stored), n_stored)), ..self }
    }

    fn layers(&self, flat: Tensor<2>) -> Vec<LayerKv> {
        let stored = self.spec.shape.layers(flat);
        match &self.pairs {
            None => stored,
            Some(pairs) => pairs.iter().map(|&pair| stored[pair].clone()).collect(),
        }
    }

    /// The flat prefix, `[n_virtual, n_layers * 2 * n_kv_heads * d_head]`. The network runs once, not once per row.
    pub fn flat(&self, leaves: &GradParams) -> Tensor<2> {
        let trained = self.flat_for_prefixed_layers(leaves);
        let Some(layers) = &self.spec.config.layers else { return trained };
        let pair = 2 * self.spec.shape.d_kv();
        let of = |layer| match layers.binary_search(&layer) {
            Ok(at) => trained.clone().narrow(1, at * pair, pair),
            Err(_) => Tensor::zeros([self.spec.shape.n_virtual, pair], &self.device()),
        };
        Tensor::cat((0..self.spec.shape.n_layers).map(of).collect(), 1)
    }

    /// The columns of the flat prefix for the layers that have one.
    fn flat_for_prefixed_layers(&self, leaves: &GradParams) -> Tensor<2> {
        let n_virtual = self.spec.shape.n_virtual;
        let row = self.spec.trained_shape().row();
        let Some(hidden) = self.last_hidden(leaves) else {
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

    /// Input of the last layer of the network, `[n_virtual, width]`; `None` without a network.
    pub(crate) fn last_hidden(&self, leaves: &GradParams) -> Option<Tensor<2>> {
        let Reparameterization { width, activation, hidden_layers } = self.spec.config.reparameterization.clone()?;
        let width = width.unwrap_or_else(|| self.spec.shape.d_kv());
        let embedding = leaves.shaped(0, [self.spec.shape.n_virtual, self.spec.shape.d_kv()]);
        let layer = |x: Tensor<2>, index: usize| {
            let ([_, d_in], at) = (x.dims(), 1 + 2 * index);
            let weight = leaves.shaped(at, [width, d_in]).transpose();
            activate(x.matmul(weight) + leaves.shaped(at + 1, [1, width]), activation)
        };
        Some((0..hidden_layers).fold(embedding, layer))
    }

    /// Those columns of a flat prefix for every layer that are for the layers that have one.
    pub(crate) fn select_layers(&self, flat: Vec<f32>) -> Vec<f32> {
        let Some(layers) = &self.spec.config.layers else { return flat };
        let pair = 2 * self.spec.shape.d_kv();
        let row = |row: &[f32]| -> Vec<f32> {
            layers.iter().flat_map(|layer| row[layer * pair..][..pair].iter().copied()).collect()
        };
        flat.chunks_exact(self.spec.shape.row()).flat_map(row).collect()
    }

    /// Numbers of the prefix on the host, `[n_virtual, …]` for the layers that have a prefix.
    pub(crate) fn trained_flat(&self) -> Result<Vec<f32>> {
        floats(self.flat_for_prefixed_layers(&GradParams::detached(&self.parameters)))
    }

    /// Keys and values of each layer; `random` draws the dropout of a training step.
    fn past_kv(&self, leaves: &GradParams, random: Option<&mut dyn Rng>) -> Vec<LayerKv> {
        let (mut flat, dropout) = (self.flat(leaves), self.spec.config.dropout);
        if let Some(random) = random.filter(|_| dropout > 0.0) {
            let keep = 1.0 - dropout;
            let draw = |_| if random.random_bool(keep) { (1.0 / keep) as f32 } else { 0.0 };
            let mask: Vec<f32> = (0..self.spec.shape.stored()).map(draw).collect();
            let shape = [self.spec.shape.n_virtual, self.spec.shape.row()];
            flat = flat * Tensor::from_data(TensorData::new(mask, shape), &self.device());
        }
        self.layers(flat)
    }

    /// The prefix as an adapter keeps it: what the network makes, without the network.
    ///
    /// # Errors
    /// The device failed.
    pub fn folded(&self) -> Result<PrefixState> {
        let flat = floats(self.flat(&GradParams::detached(&self.parameters)))?;
        Ok(PrefixState { site: self.spec.site, shape: self.spec.shape, n_frozen: self.n_frozen(), flat })
    }

    fn device(&self) -> Device {
        self.parameters[0].value.device()
    }
}

impl Trained for Prefix {
    fn spec(&self) -> &dyn Spec {
        &self.spec
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    fn fixed(&self) -> &[Parameter] {
        &self.frozen
    }

    fn condition(&self, leaves: &GradParams, random: Option<&mut dyn Rng>, conditioning: &mut Conditioning) {
        *conditioning.place(self.spec.site) = Some(self.past_kv(leaves, random));
        let PrefixPlacement { positions, layers } = self.placement();
        (conditioning.positions, conditioning.layers) = (positions, layers);
    }

    fn to_state(&self) -> Result<PartState> {
        self.folded().map(PartState::from)
    }
}

/// A hidden layer of the reparameterization.
fn activate(x: Tensor<2>, kind: MlpActivation) -> Tensor<2> {
    match kind {
        MlpActivation::Tanh => activation::tanh(x),
        MlpActivation::Relu => activation::relu(x),
        MlpActivation::Gelu => activation::gelu(x),
    }
}
