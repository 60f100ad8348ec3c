//! The parts that a run trains, by its settings and names and sizes of the model: before a weight is read and after,
//! for counting, training and verifying alike.

use crate::adapters::adapter::Adapter;
use crate::adapters::methods::head::HeadSpec;
use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::{Method, PartSpec, Spec};
use crate::config::{MethodConfig, TaskRecord};
use crate::error::Result;
use crate::models::ModelFacts;

/// The sizes of what a run trains, before any number is known.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterSpec {
    /// The parts, in the order of their parameters.
    pub parts: Vec<PartSpec>,
    /// The task that is learned.
    pub task: TaskRecord,
}

/// The parts of the methods that a run trains together, and the head of a task with classes.
///
/// # Errors
/// [`EngineError::Setting`](crate::error::EngineError::Setting) for what the model does not have.
pub fn plan(methods: &[MethodConfig], task: &TaskRecord, model: &dyn ModelFacts) -> Result<AdapterSpec> {
    let mut parts = Vec::new();
    for method in methods {
        parts.extend(method.specs(model, task)?);
    }
    // What begins as an adapter begins as all of it: the weights that were trained beside its prompt too.
    if let Some((method, [.., MethodConfig::Full(_)])) = methods.split_first()
        && let (Some(path), Some(PartSpec::Weights(weights))) = (method.starts_from(), parts.last_mut())
    {
        weights.starts_from = Some(path.to_owned());
    }
    parts.extend(HeadSpec::of(model, task)?);
    Ok(AdapterSpec { parts, task: task.clone() })
}

impl AdapterSpec {
    /// Numbers that are trained.
    pub fn trained(&self) -> usize {
        self.parts.iter().map(Spec::trained).sum()
    }

    /// Numbers that are trained and no weights of the model itself.
    pub fn added(&self) -> usize {
        self.parts.iter().filter(|part| !matches!(part, PartSpec::Weights(_))).map(Spec::trained).sum()
    }

    /// Numbers that an adapter keeps.
    pub fn stored(&self) -> usize {
        self.parts.iter().map(Spec::stored).sum()
    }

    /// Sites that have a prefix.
    pub(crate) fn n_sites(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, PartSpec::Prefix(_))).count()
    }

    /// The adapter with its initial values.
    ///
    /// # Errors
    /// There is nothing to start from, it does not fit, or the device failed.
    pub fn initial(&self, from: &InitContext<'_>) -> Result<Adapter> {
        let parts = self.parts.iter().map(|part| part.initial(from)).collect::<Result<_>>()?;
        Ok(Adapter { parts, task: self.task.clone() })
    }
}
