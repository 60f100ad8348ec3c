//! Sources of initial values, beside the seed: the model, the rows, other adapters.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::adapters::state::AdapterState;
use crate::config::{MethodConfig, TaskRecord};
use crate::data::Examples;
use crate::error::{EngineError, Result};
use crate::models::BaseModel;
use crate::tokens::SOFT;
use crate::{Sentence, sentence};

/// Sources of initial values.
pub struct InitContext<'a> {
    /// The frozen model.
    pub model: &'a BaseModel,
    /// Where it is.
    pub device: &'a Device,
    /// Makes token ids of a text.
    pub encode: &'a dyn Fn(&str) -> Result<Vec<u32>>,
    /// The tokens that begin every text.
    pub begin: &'a [u32],
    /// The training rows.
    pub rows: &'a Examples,
    /// The task that is learned.
    pub task: &'a TaskRecord,
    /// Words of the classes, where they are written or named under a mask; none where a head names classes.
    pub words: &'a [String],
    /// For each class its score of the checkpoint's own head; `None` for a new head.
    pub own_scores: Option<Vec<usize>>,
    /// Trained adapters.
    pub warm_start: WarmStart,
    /// Decides what is drawn.
    pub seed: u64,
}

/// Most different targets that are taken for names of classes.
const MAX_LABEL_WORDS: usize = 100;

impl InitContext<'_> {
    /// Names of the classes, or the words they are written as; of another task that writes the different targets of its
    /// rows, in their order, where they are few: the label words of a classification as text.
    ///
    /// # Errors
    /// [`EngineError::Setting`] where the targets are too many to be names.
    pub(super) fn class_names(&self) -> Result<Vec<String>> {
        if !self.words.is_empty() {
            return Ok(self.words.to_vec());
        }
        if !self.task.task.writes() {
            return Ok(self.task.classes.clone());
        }
        let mut names: Vec<String> = Vec::new();
        for row in self.rows.iter() {
            let reference = row?.reference;
            let name = reference.trim();
            if !name.is_empty() && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            if names.len() > MAX_LABEL_WORDS {
                let reason = sentence!(
                    "the targets are too many to be names of classes: more than {most}",
                    most = MAX_LABEL_WORDS
                );
                return Err(EngineError::Setting { field: "method.init", reason });
            }
        }
        Ok(names)
    }
}

/// Trained adapters that a run starts from, by the paths that its settings name, the method's own first.
#[derive(Default)]
pub struct WarmStart(Vec<(PathBuf, AdapterState)>);

impl WarmStart {
    /// Reads those that a run's methods name.
    ///
    /// # Errors
    /// An adapter is damaged or does not fit the model.
    pub fn read(methods: &[MethodConfig], open: impl Fn(&Path) -> Result<AdapterState>) -> Result<Self> {
        let paths = methods.iter().filter_map(MethodConfig::starts_from);
        paths.map(|path| Ok((path.to_owned(), open(path)?))).collect::<Result<_>>().map(Self)
    }

    /// The one of a path.
    ///
    /// # Errors
    /// No setting of a method named it.
    pub fn at(&self, path: &Path) -> Result<&AdapterState> {
        let found = self.0.iter().find(|(known, _)| known == path);
        found.map(|(_, adapter)| adapter).ok_or_else(|| EngineError::UnknownAdapter { path: path.to_owned() })
    }

    /// That of the method, else of what stands beside it.
    pub fn first(&self) -> Option<&AdapterState> {
        self.0.first().map(|(_, adapter)| adapter)
    }
}

/// The refusal of an adapter without what training would start from.
pub(super) fn lacks(what: Sentence) -> EngineError {
    EngineError::AdapterMismatch { reason: sentence!("it has no {what} to start from", what) }
}

/// The tokens of the vocabulary among some tokens.
pub(crate) fn without_soft(tokens: &[u32]) -> Vec<u32> {
    tokens.iter().copied().filter(|&token| token < SOFT).collect()
}
