//! A head in training.

use rand::Rng;

use crate::adapters::methods::head::{HeadSpec, HeadState};
use crate::adapters::methods::{PartState, Spec, Trained, named_tensors};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::error::Result;
use crate::models::{ClassHead, Conditioning};

/// A head with the parameters it has now.
pub struct Head {
    /// Sizes of the head.
    pub spec: HeadSpec,
    /// In the order of [`Spec::parameter_shapes`].
    pub parameters: Vec<Parameter>,
}

impl Trained for Head {
    fn spec(&self) -> &dyn Spec {
        &self.spec
    }

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    fn condition(&self, leaves: &GradParams, _: Option<&mut dyn Rng>, conditioning: &mut Conditioning) {
        let HeadSpec { kind, n_classes, ref blocks, .. } = self.spec;
        let weights = self.parameters.iter().enumerate();
        let weights = weights.map(|(i, p)| leaves.shaped(i, [p.shape.iter().product()])).collect();
        conditioning.head = Some(ClassHead { kind, n_classes, weights, blocks: blocks.clone() });
    }

    fn to_state(&self) -> Result<PartState> {
        named_tensors(&self.parameters).map(|tensors| HeadState(tensors).into())
    }
}
