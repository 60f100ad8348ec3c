//! Trained tensors by name, kept flat, so that optimizer, clipping and checkpoints need to know nothing of their shapes.

use std::borrow::Cow;

use burn::tensor::{Device, Gradients, Tensor, TensorData};

use crate::error::Result;
use crate::nn::floats;

/// One trained tensor.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// As PEFT names it inside of its prompt encoder: `embedding.weight`, `transform.0.weight`, …
    pub name: Cow<'static, str>,
    /// Shape of the parameter.
    pub shape: Vec<usize>,
    /// Numbers of the parameter, flat, on the device, untracked.
    pub value: Tensor<1>,
}

impl Parameter {
    /// A parameter of these numbers.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        shape: impl Into<Vec<usize>>,
        values: Vec<f32>,
        device: &Device,
    ) -> Self {
        let (name, shape) = (name.into(), shape.into());
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        let n = values.len();
        Self { name, shape, value: Tensor::from_data(TensorData::new(values, [n]), device) }
    }

    /// Numbers of the parameter on the host.
    ///
    /// # Errors
    /// The device failed.
    pub fn to_vec(&self) -> Result<Vec<f32>> {
        floats(self.value.clone())
    }
}

/// The parameters of one step as leaves of the gradient graph, in the order of the parameters.
pub struct GradParams(Vec<Tensor<1>>);

impl GradParams {
    /// Leaves whose gradients can be asked for.
    pub fn requires_grad(parameters: &[Parameter]) -> Self {
        Self(parameters.iter().map(|p| Tensor::from_inner(p.value.clone()).require_grad()).collect())
    }

    /// The plain values: nothing is recorded.
    pub fn detached(parameters: &[Parameter]) -> Self {
        Self(parameters.iter().map(|p| p.value.clone()).collect())
    }

    /// The leaf of a parameter in its shape.
    pub fn shaped<const D: usize>(&self, index: usize, shape: [usize; D]) -> Tensor<D> {
        self.0[index].clone().reshape(shape)
    }

    /// Gradients in the order of the parameters; zeros where the loss does not depend on one.
    pub fn gradients(&self, gradients: &Gradients) -> Vec<Tensor<1>> {
        let of = |leaf: &Tensor<1>| leaf.grad(gradients).unwrap_or_else(|| leaf.clone().inner().zeros_like());
        self.0.iter().map(of).collect()
    }
}
