//! Words before every prompt, of which nothing is trained.

use rand::Rng;

use crate::adapters::methods::few_shot::{FewShotSpec, FewShotState};
use crate::adapters::methods::{PartState, Spec, Trained};
use crate::adapters::parameters::{GradParams, Parameter};
use crate::error::Result;
use crate::models::Conditioning;

/// Words before every prompt.
pub struct FewShot {
    /// The words.
    pub spec: FewShotSpec,
}

impl Trained for FewShot {
    fn spec(&self) -> &dyn Spec {
        &self.spec
    }

    fn parameters(&self) -> &[Parameter] {
        &[]
    }

    fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut []
    }

    /// They stand in the text.
    fn condition(&self, _: &GradParams, _: Option<&mut dyn Rng>, _: &mut Conditioning) {}

    fn to_state(&self) -> Result<PartState> {
        Ok(FewShotState(self.spec.0.clone()).into())
    }
}
