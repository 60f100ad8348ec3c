//! The words before every prompt.

use crate::adapters::methods::few_shot::FewShot;
use crate::adapters::methods::init::InitContext;
use crate::adapters::methods::{AdapterPart, Method, NamedShape, PartSpec, Spec};
use crate::adapters::parameters::Parameter;
use crate::config::{FewShotConfig, TaskRecord};
use crate::error::Result;
use crate::models::ModelFacts;

/// The instruction and the examples behind it, as one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewShotSpec(pub String);

impl Spec for FewShotSpec {
    fn parameter_shapes(&self) -> Vec<NamedShape> {
        Vec::new()
    }

    fn with_parameters(&self, _: Vec<Parameter>) -> AdapterPart {
        AdapterPart::FewShot(FewShot { spec: self.clone() })
    }

    fn initial(&self, _: &InitContext<'_>) -> Result<AdapterPart> {
        Ok(self.with_parameters(Vec::new()))
    }
}

impl Method for FewShotConfig {
    /// The instruction: examples are written behind it once there are rows.
    fn specs(&self, _: &dyn ModelFacts, _: &TaskRecord) -> Result<Vec<PartSpec>> {
        Ok(vec![PartSpec::FewShot(FewShotSpec(self.instruction.clone()))])
    }
}
