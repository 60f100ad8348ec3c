//! State of the engine thread: loaded models with their tokenizers and devices.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::Sentence;
use crate::analysis::{Geometry, Space, VocabularyIndex};
use crate::device::{DeviceChoice, Trials};
use crate::error::Result;
use crate::loaded_model::LoadedModel;
use crate::models::Loading;
use crate::nn::MatrixNumbers;

/// Models stay loaded while they are used, and the one used last a little longer.
pub struct Session {
    /// Where what is computed once per model is kept.
    pub cache: PathBuf,
    /// The trials of devices before they are used.
    pub trials: Option<Trials>,
    last: Option<(PathBuf, (DeviceChoice, MatrixNumbers), Rc<LoadedModel>)>,
    /// Notices of loaded files that nobody was told yet.
    unsaid: Vec<Sentence>,
    index: Option<(String, Rc<VocabularyIndex>)>,
    geometries: BTreeMap<TableName, Rc<Geometry>>,
}

/// A table of the vocabulary's vectors and the space it is seen in: the index's name, the number of the table.
pub type TableName = (String, usize, Space);

impl Session {
    /// Nothing is loaded yet.
    pub fn new(cache: PathBuf, trials: Option<Trials>) -> Self {
        Self { cache, trials, last: None, unsaid: Vec::new(), index: None, geometries: BTreeMap::new() }
    }

    /// The model of a folder on a device and in its numbers, loaded if it is not there yet.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn model(
        &mut self,
        folder: &Path,
        place: (DeviceChoice, MatrixNumbers),
        progress: &mut Loading<'_>,
    ) -> Result<Rc<LoadedModel>> {
        if let Some((path, last, model)) = &self.last
            && path == folder
            && *last == place
        {
            return Ok(Rc::clone(model));
        }
        // Two models at once only while a job still uses the other one.
        self.last = None;
        self.geometries.clear();
        let cache = Some(self.cache.clone());
        let loaded = LoadedModel::load(folder, place, self.trials.as_ref(), progress)?;
        let model = Rc::new(LoadedModel { cache, ..loaded });
        self.unsaid.extend(model.model.folder().options_notice());
        self.unsaid.extend(model.model.weights_notice());
        self.last = Some((folder.to_owned(), place, Rc::clone(&model)));
        Ok(model)
    }

    /// A model in place of whose weights others are trained: without their numbers, unless another job needs them too.
    ///
    /// # Errors
    /// What is left of it cannot be read again.
    pub fn released(&mut self, mut model: Rc<LoadedModel>, trained: BTreeSet<String>) -> Result<Rc<LoadedModel>> {
        if model.model.is_nearly(&trained) {
            if self.last.as_ref().is_some_and(|(.., last)| Rc::ptr_eq(last, &model)) {
                self.last = None;
                self.geometries.clear();
            }
            if let Some(loaded) = Rc::get_mut(&mut model) {
                loaded.model.release(trained)?;
            }
        }
        Ok(model)
    }

    /// Takes the notices of unused settings and weights of models loaded since the last question, a sentence each.
    pub fn take_unsaid(&mut self) -> Vec<Sentence> {
        std::mem::take(&mut self.unsaid)
    }

    /// The vocabulary's keys and values of the model with this hash, if they were used last.
    pub fn vocabulary_index(&self, model_hash: &str) -> Option<Rc<VocabularyIndex>> {
        self.index.as_ref().filter(|(hash, _)| hash == model_hash).map(|(_, index)| Rc::clone(index))
    }

    /// Keeps a checked index open for the next question.
    pub fn keep_vocabulary_index(&mut self, model_hash: String, index: VocabularyIndex) -> Rc<VocabularyIndex> {
        let index = Rc::new(index);
        self.index = Some((model_hash, Rc::clone(&index)));
        index
    }

    /// The space of a table of the model used last: computed once, and then kept as long as the model is.
    pub fn geometry(&mut self, table: TableName, compute: impl FnOnce(Space) -> Geometry) -> Rc<Geometry> {
        let space = table.2;
        Rc::clone(self.geometries.entry(table).or_insert_with(|| Rc::new(compute(space))))
    }

    /// Forgets the model that no job uses.
    pub fn unload(&mut self) {
        self.last = None;
        self.index = None;
        self.geometries.clear();
    }
}
