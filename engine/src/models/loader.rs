//! Weights as the architectures ask for them, by the names of Hugging Face's checkpoints.

use burn::tensor::{DType, Device, Tensor};

use crate::error::Result;
use crate::nn::{FrozenLinear, LayerNorm, RmsNorm};
use crate::weights::WeightFiles;

/// The weight files of a model on their way to a device.
pub(super) struct Loader<'a> {
    files: &'a WeightFiles,
    device: &'a Device,
    /// What stands before every name: the module of the task's head adds it, the bare model does not.
    root: &'static str,
}

impl<'a> Loader<'a> {
    /// With `root` before the names if `sample` is found under it.
    pub(super) fn new(files: &'a WeightFiles, device: &'a Device, root: &'static str, sample: &str) -> Self {
        let root = if files.contains(&format!("{root}{sample}")) { root } else { "" };
        Self { files, device, root }
    }

    /// The same files without what stands before the names: where the heads are.
    pub(super) fn outside(&self) -> Self {
        Self { files: self.files, device: self.device, root: "" }
    }

    pub(super) fn device(&self) -> &'a Device {
        self.device
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.files.contains(&format!("{}{name}", self.root))
    }

    pub(super) fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        self.files.tensor(&format!("{}{name}", self.root), shape, self.device)
    }

    /// A matrix in the bits it is stored in: what a linear layer, an embedding or a head takes.
    pub(super) fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Tensor<2>> {
        self.files.matrix(&format!("{}{name}", self.root), shape, self.device)
    }

    /// The matrix of the head, which is outside of the root: `None` if the embeddings serve.
    pub(super) fn head(&self, name: &str, shape: [usize; 2], tied: bool) -> Result<Option<Tensor<2>>> {
        if tied { Ok(None) } else { self.files.matrix(name, shape, self.device).map(Some) }
    }

    /// Checkpoints that were once TensorFlow's call the weight `gamma` and the bias `beta`.
    pub(super) fn layer_norm(&self, name: &str, d: usize, epsilon: f64) -> Result<LayerNorm> {
        let [weight, bias] =
            if self.contains(&format!("{name}.gamma")) { ["gamma", "beta"] } else { ["weight", "bias"] };
        Ok(LayerNorm {
            gamma: self.tensor(&format!("{name}.{weight}"), [d])?,
            beta: self.tensor(&format!("{name}.{bias}"), [d])?,
            epsilon,
        })
    }

    pub(super) fn rms_norm(&self, name: &str, d: usize, epsilon: f64) -> Result<RmsNorm> {
        Ok(RmsNorm { gamma: self.tensor(&format!("{name}.weight"), [d])?, epsilon })
    }

    /// A linear layer whose weight is stored as `[d_out, d_in]`.
    pub(super) fn linear(&self, name: &str, d_in: usize, d_out: usize, bias: bool) -> Result<FrozenLinear> {
        self.linear_of_parts(&[(name.to_owned(), d_out)], d_in, bias)
    }

    /// Linear layers with the same input as one, side by side.
    pub(super) fn linear_of_parts(&self, parts: &[(String, usize)], d_in: usize, bias: bool) -> Result<FrozenLinear> {
        let weight = |(name, d_out): &(String, usize)| self.matrix(&format!("{name}.weight"), [*d_out, d_in]);
        let shift = |(name, d_out): &(String, usize)| self.tensor(&format!("{name}.bias"), [*d_out]);
        let weights: Vec<Tensor<2>> = parts.iter().map(weight).collect::<Result<_>>()?;
        let biases: Vec<Tensor<1>> = parts.iter().filter(|_| bias).map(shift).collect::<Result<_>>()?;
        Ok(FrozenLinear {
            weight: joined(of_one_type(weights)).transpose(), // [d_in, d_out], a view
            bias: bias.then(|| joined(biases)),
        })
    }
}

/// Matrices that are stored in different types become f32.
pub(super) fn of_one_type(matrices: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
    if matrices.windows(2).all(|pair| pair[0].dtype() == pair[1].dtype()) {
        return matrices;
    }
    matrices.into_iter().map(|matrix| matrix.cast(DType::F32)).collect()
}

/// Along the first axis; a single tensor is not copied.
fn joined<const D: usize>(mut tensors: Vec<Tensor<D>>) -> Tensor<D> {
    if tensors.len() == 1 { tensors.remove(0) } else { Tensor::cat(tensors, 0) }
}
