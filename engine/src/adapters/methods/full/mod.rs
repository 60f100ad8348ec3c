//! Weights of the model itself in training: full fine-tuning, its top layers, biases.

mod state;

pub use self::state::WeightsState;
use crate::adapters::parameters::{Parameter, Trainables};
use crate::models::Tuned;

/// Weights that stand in place of the model's, called as the model's own modules are.
pub struct TunedWeights {
    /// The weights.
    pub parameters: Vec<Parameter>,
}

impl TunedWeights {
    /// Adds them to what is changed of a model.
    pub(crate) fn condition(&self, leaves: &Trainables, tuned: &mut Tuned) {
        for (index, parameter) in self.parameters.iter().enumerate() {
            let leaf = leaves.shaped(index, [parameter.shape.iter().product()]);
            tuned.replaced.insert(parameter.name.to_string(), (parameter.shape.clone(), leaf));
        }
    }
}
