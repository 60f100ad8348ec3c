//! Models and datasets that were used, and the facts of model folders that somebody asked about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::data::DataStatistics;
use engine::hub::ModelId;
use engine::models::ModelSummary;
use engine::protocol::AdapterFacts;

use super::hub::HubState;
use super::request::Request;
use crate::home::typed;
use crate::store::{DatasetRow, ModelRow};

/// A model folder that somebody asked about.
pub type ModelLookup = Request<Box<ModelSummary>>;

/// The library as the window knows it.
#[derive(Debug, Default)]
pub struct Library {
    /// Models that were used.
    pub models: Vec<ModelRow>,
    /// Datasets that were used.
    pub datasets: Vec<DatasetRow>,
    /// Model folders by path.
    pub lookups: BTreeMap<PathBuf, ModelLookup>,
    /// The dataset whose statistics were asked for last.
    pub counted: Option<Counted>,
}

/// A dataset whose statistics were asked for.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Training rows of the dataset.
    pub train: PathBuf,
    /// Name of the model whose tokens are counted, where there is one.
    pub model: Option<String>,
    /// The question and its answer.
    pub request: Request<Box<DataStatistics>>,
}

impl Library {
    /// The folder that is meant by what was typed: a folder, a file in GGUF, or a model of the hub's cache where there is no such folder.
    pub fn folder_of(&self, asked: &str, hub: &HubState) -> PathBuf {
        let folder = typed(asked);
        let is_missing = self.lookups.get(&folder).is_some_and(|lookup| lookup.failure.is_some());
        if !asked.trim().starts_with("hub:") && !is_missing {
            return folder;
        }
        let Ok(id) = ModelId::parse(asked) else { return folder };
        let cached = hub.cached.iter().map(|model| (&model.id, &model.folder));
        let known: Vec<_> = cached.chain(hub.arrived.iter().map(|(id, folder)| (id, folder))).collect();
        let exact = known.iter().find(|(known, _)| **known == id);
        let found = exact.or_else(|| known.iter().find(|(known, _)| id.may_mean(known)));
        found.map_or(folder, |(_, found)| (*found).clone())
    }

    /// The model that a file of ours names by its weights, if it is here and is another than the one it was held against.
    pub fn model_of(&self, found: &AdapterFacts, held_against: Option<&Path>) -> Option<PathBuf> {
        let about = found.about.as_ref().filter(|_| found.other_base.is_some())?;
        let is_base = |row: &&ModelRow| row.hash.as_ref().is_some_and(|hash| *hash == about.base.fingerprint);
        let folder = &self.models.iter().find(is_base)?.folder;
        (held_against != Some(folder.as_path())).then(|| folder.clone())
    }

    /// The model that was used last.
    pub fn last_model(&self) -> Option<PathBuf> {
        self.models.iter().max_by_key(|row| row.last_used).map(|row| row.folder.clone())
    }
}
