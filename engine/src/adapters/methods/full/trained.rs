//! Weights of the model itself in training.

use rand::Rng;

use crate::adapters::methods::full::{WeightsSpec, WeightsState};
use crate::adapters::methods::{PartState, Spec, Trained, named_tensors};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::error::Result;
use crate::models::Conditioning;

/// Weights that stand in place of the model's, called as the model's own modules are.
pub struct TunedWeights {
    /// Names and shapes of the weights.
    pub spec: WeightsSpec,
    /// Their numbers.
    pub parameters: Vec<Parameter>,
}

impl Trained for TunedWeights {
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
        for (index, parameter) in self.parameters.iter().enumerate() {
            let leaf = leaves.shaped(index, [parameter.shape.iter().product()]);
            conditioning.tuned.replaced.insert(parameter.name.to_string(), (parameter.shape.clone(), leaf));
        }
    }

    fn to_state(&self) -> Result<PartState> {
        named_tensors(&self.parameters).map(|tensors| WeightsState(tensors).into())
    }
}
