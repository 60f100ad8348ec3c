//! Learning what a teacher says that has read a document, in place of the targets of rows.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rules::refuse;
use crate::error::Result;
use crate::sentence;

/// Most tokens of a teacher's distribution.
const MAX_TOP_K: usize = 1000;

/// The base model with a document before each row teaches an adapter that does not see it. Eyuboglu et al. 2025,
/// "Cartridges: Lightweight and general-purpose long context representations via self-study".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillationConfig {
    /// The text file that the teacher reads.
    pub document: PathBuf,
    /// The most probable tokens of the teacher that are learned at each place, as many as in PEFT's example.
    pub top_k: usize,
}

impl Default for DistillationConfig {
    fn default() -> Self {
        Self { document: PathBuf::new(), top_k: 20 }
    }
}

impl DistillationConfig {
    pub(super) fn check(&self) -> Result<()> {
        refuse(&[
            (
                !self.document.as_os_str().is_empty(),
                "training.distillation.document",
                sentence!("name the text file that the teacher reads"),
            ),
            (
                (1..=MAX_TOP_K).contains(&self.top_k),
                "training.distillation.top_k",
                sentence!("must be between 1 and {most}", most = MAX_TOP_K),
            ),
        ])
    }
}
