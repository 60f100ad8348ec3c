//! Words before every prompt as an adapter keeps them.

use burn::tensor::Device;
use sha2::{Digest, Sha256};

use crate::adapters::methods::{PartState, SavedPart};
use crate::adapters::state::AdapterState;
use crate::config::{FewShotConfig, MethodConfig};
use crate::models::Conditioning;
use crate::{Sentence, sentence};

/// The instruction and the examples behind it, as one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewShotState(pub String);

impl SavedPart for FewShotState {
    fn method(&self, _: &AdapterState) -> Option<MethodConfig> {
        Some(MethodConfig::FewShot(FewShotConfig { instruction: self.0.clone(), shots: 0 }))
    }

    fn hash(&self, _: bool, digest: &mut Sha256) {
        digest.update(&self.0);
    }

    fn describe(&self, _: &AdapterState, kept_by: &Sentence) -> Vec<Sentence> {
        vec![sentence!("words of {kept_by} before every prompt", kept_by)]
    }

    /// They stand in the text.
    fn condition(&self, _: &Device, _: &mut Conditioning) {}
}

impl AdapterState {
    /// Words before every prompt.
    pub fn text(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            PartState::FewShot(text) => Some(text.0.as_str()),
            _ => None,
        })
    }
}
