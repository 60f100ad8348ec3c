//! Fine-tuning of the model's own weights: all of them, those of the top layers, or some beside another method.

mod modules;
mod spec;
mod state;
mod trained;

pub use self::spec::WeightsSpec;
pub use self::state::WeightsState;
pub use self::trained::TunedWeights;
