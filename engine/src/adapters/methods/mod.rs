//! The tuning methods, a folder each: sizes and names (`spec`), parameters in training (`trained`), initial values (`init`),
//! and what an adapter keeps (`state`). A run trains one, or some together, and the head of a task with classes.

pub mod few_shot;
pub mod full;
pub mod head;
pub mod init;
pub mod lora;
pub mod prefix;
pub mod prompt;

pub(crate) mod fit;
mod parts;

use std::borrow::Cow;

use burn::tensor::Device;
use rand::Rng;
use sha2::Sha256;

use self::init::InitContext;
pub use self::parts::{AdapterPart, PartSpec, PartState};
use crate::Sentence;
use crate::adapters::parameters::{GradParams, Parameter};
use crate::adapters::state::{AdapterState, ModelNames};
use crate::config::{MethodConfig, TaskRecord};
use crate::error::Result;
use crate::models::{Conditioning, ModelFacts};
use crate::weights::NamedTensor;

/// A method as its settings ask for it.
pub trait Method {
    /// The parts that it trains of a model.
    ///
    /// # Errors
    /// [`EngineError::Setting`](crate::error::EngineError::Setting) for what the model does not have.
    fn specs(&self, model: &dyn ModelFacts, task: &TaskRecord) -> Result<Vec<PartSpec>>;
}

/// A parameter's name, as PEFT's prompt encoder or the model's modules have it, and its shape.
pub type NamedShape = (Cow<'static, str>, Vec<usize>);

/// The sizes of a part and what follows from them: a method implements it in its own folder.
pub trait Spec {
    /// Names and shapes of what is trained.
    fn parameter_shapes(&self) -> Vec<NamedShape>;

    /// Names and shapes of what stays as it was initialized.
    fn fixed_shapes(&self) -> Vec<NamedShape> {
        Vec::new()
    }

    /// Numbers that are trained.
    fn trained(&self) -> usize {
        self.parameter_shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// Numbers that an adapter keeps.
    fn stored(&self) -> usize {
        self.trained()
    }

    /// Beginning of the names of its parameters in a checkpoint of an adapter with so many sites.
    fn key(&self, _n_sites: usize) -> String {
        String::new()
    }

    /// The part with its parameters, in the order of [`Spec::parameter_shapes`], and behind them of
    /// [`Spec::fixed_shapes`].
    fn with_parameters(&self, parameters: Vec<Parameter>) -> AdapterPart;

    /// The part with its initial values.
    ///
    /// # Errors
    /// There is nothing to start from, it does not fit, or the device failed.
    fn initial(&self, from: &InitContext<'_>) -> Result<AdapterPart>;
}

/// A part in training: a method implements it in its own folder.
pub trait Trained {
    /// Sizes of the part.
    fn spec(&self) -> &dyn Spec;

    /// The trained parameters.
    fn parameters(&self) -> &[Parameter];

    /// The trained parameters, mutable.
    fn parameters_mut(&mut self) -> &mut [Parameter];

    /// Parameters that stay as they were initialized.
    fn fixed(&self) -> &[Parameter] {
        &[]
    }

    /// Adds this part's conditioning; `random` draws the dropout of a training step, without it nothing is dropped.
    fn condition(&self, leaves: &GradParams, random: Option<&mut dyn Rng>, conditioning: &mut Conditioning);

    /// The part as an adapter keeps it.
    ///
    /// # Errors
    /// The device failed.
    fn to_state(&self) -> Result<PartState>;
}

/// A part as it is kept: a method implements it in its own folder.
pub(crate) trait SavedPart {
    /// Whether there are no numbers in it.
    fn is_empty(&self) -> bool {
        false
    }

    /// Virtual tokens that it takes before or in a text.
    fn n_virtual(&self) -> usize {
        0
    }

    /// The method that makes such a part; `None` for what stands beside others.
    fn method(&self, adapter: &AdapterState) -> Option<MethodConfig>;

    /// Adds its numbers to the name of the adapter; `is_alone` where no other part is of its kind.
    fn hash(&self, is_alone: bool, digest: &mut Sha256);

    /// Describes the part in clauses; `kept_by` is whoever wrote it.
    fn describe(&self, adapter: &AdapterState, kept_by: &Sentence) -> Vec<Sentence>;

    /// Adds what the model is given.
    fn condition(&self, device: &Device, conditioning: &mut Conditioning);

    /// Refuses a model that does not have what it changes, by name.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`](crate::error::EngineError::AdapterMismatch).
    fn check_names(&self, _adapter: &AdapterState, _model: &ModelNames) -> Result<()> {
        Ok(())
    }
}

/// Parameters on the host.
fn named_tensors(parameters: &[Parameter]) -> Result<Vec<NamedTensor>> {
    parameters.iter().map(|p| Ok((p.name.to_string(), p.shape.clone(), p.to_vec()?))).collect()
}
