//! What the engine thread owns: loaded models with their tokenizers and devices.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use burn::tensor::Device;

use crate::adapters::FoldedAdapter;
use crate::analysis::Space;
use crate::analysis::{Geometry, VocabularyBank};
use crate::config::Task;
use crate::data::Tokenizer;
use crate::device::{self, DeviceChoice, DeviceInfo, Trials};
use crate::error::{EngineError, Result};
use crate::generation::Sampling;
use crate::generation::{DecoderOptions, SourceOptions};
use crate::models::ModelSummary;
use crate::models::folder::ModelFolder;
use crate::models::{BaseModel, Conditioning, GenerationConfig, Loading, Model, cannot};
use crate::nn::Precision;
use crate::{Sentence, sentence};

/// A model on a device, ready to be used.
pub struct LoadedModel {
    /// Its weights.
    pub model: BaseModel,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Where it is.
    pub device: Device,
    /// Where it is, in words.
    pub device_info: DeviceInfo,
    /// Its facts.
    pub summary: ModelSummary,
    /// SHA-256 of its weights.
    pub hash: String,
    /// What its makers say about decoding.
    pub generation: GenerationConfig,
}

impl LoadedModel {
    /// Loads a model folder onto a device, to be multiplied in a precision, both of which are tried first if they are new;
    /// `progress` hears the share done.
    ///
    /// # Errors
    /// The folder or the device is not as it must be.
    pub fn load(
        folder: &Path,
        (choice, precision): (DeviceChoice, Precision),
        trials: Option<&Trials>,
        progress: &mut Loading<'_>,
    ) -> Result<Self> {
        let files = Arc::new(ModelFolder::open(folder)?);
        let summary = files.summary();
        let tokenizer = Tokenizer::from_folder(folder)?.fitting(summary.vocab_size)?;
        let (device_info, device) = device::open(choice, summary.largest_tensor_bytes, trials)?;
        device::check_precision(&device_info, &device, precision, trials)?;
        // Hashing and loading read the same mapped pages; side by side they take the time of one.
        let (hash, model) = std::thread::scope(|scope| {
            let hash = scope.spawn(|| files.hash());
            let model = BaseModel::load(Arc::clone(&files), (&device, precision), progress);
            (hash.join(), model)
        });
        let hash = hash.unwrap_or_default();
        let generation = GenerationConfig::read(folder)?;
        Ok(Self { model: model?, tokenizer, device, device_info, summary, hash, generation })
    }

    /// How it decodes: the tokenizer's end token ends a text, and so do those that the model's makers name.
    pub fn decoding(&self, sampling: Sampling) -> DecoderOptions {
        let mut end_tokens = self.generation.end_tokens.clone();
        end_tokens.push(self.tokenizer.eos());
        let suppress_tokens = self.generation.suppress_tokens.clone();
        let source = self.source_options();
        DecoderOptions { sampling, end_tokens, suppress_tokens, source, ..DecoderOptions::default() }
    }

    /// How a target begins and ends where there is a source: as `generation_config.json` says, without the file as the
    /// model's configuration does.
    fn source_options(&self) -> Option<SourceOptions> {
        let Model::Seq2Seq(model) = &*self.model else { return None };
        Some(SourceOptions::of(model.as_ref(), &self.generation, self.tokenizer.bos()))
    }

    /// Reads an adapter folder and refuses one that does not fit this model.
    ///
    /// # Errors
    /// The folder is damaged or belongs to a model of another kind or shape.
    pub fn adapter(&self, folder: &Path) -> Result<FoldedAdapter> {
        let sites = self.model.sites();
        let adapter = FoldedAdapter::read(folder, Some(&sites))?;
        adapter.check_fits(&sites)?;
        adapter.placed(&self.model)
    }

    /// An adapter as it is put before this model.
    ///
    /// # Errors
    /// Its head does not fit the model, or it writes with a model that cannot.
    pub fn conditioning(&self, adapter: &FoldedAdapter) -> Result<Conditioning> {
        if adapter.task.task == Task::Causal {
            self.check_writes()?;
        }
        adapter.conditioning(&self.model, &self.device)
    }

    /// Refuses to write with a causal model that was saved with a head for classes in place of that for tokens.
    ///
    /// # Errors
    /// [`EngineError::TaskShape`].
    pub fn check_writes(&self) -> Result<()> {
        let wanted = sentence!("a model that writes: this checkpoint has a head for classes and none for tokens");
        let architecture = self.model.shape().architecture;
        match &*self.model {
            Model::Causal(_) if !self.summary.tasks.contains(&Task::Causal) => {
                Err(EngineError::TaskShape { architecture, wanted })
            }
            _ => Ok(()),
        }
    }

    /// The task asked for, or what the model does.
    ///
    /// # Errors
    /// [`EngineError::Setting`] when the model cannot do it.
    pub fn task(&self, asked: Option<Task>) -> Result<Task> {
        let tasks = &self.summary.tasks;
        match asked.or_else(|| tasks.first().copied()) {
            Some(task) if tasks.contains(&task) => Ok(task),
            other => Err(cannot(&self.summary.architecture, other.unwrap_or_default())),
        }
    }
}

/// Models stay loaded while they are used, and the one used last a little longer.
pub struct Session {
    /// Where what is computed once per model is kept.
    pub cache: PathBuf,
    /// How adapters are tried before they are used.
    pub trials: Option<Trials>,
    last: Option<(PathBuf, (DeviceChoice, Precision), Rc<LoadedModel>)>,
    /// What was seen in files that were loaded, and nobody was told yet.
    unsaid: Vec<Sentence>,
    bank: Option<(String, Rc<VocabularyBank>)>,
    geometries: BTreeMap<TableName, Rc<Geometry>>,
}

/// A table of the vocabulary's vectors and the space it is seen in: the bank's name, the number of the table.
pub type TableName = (String, usize, Space);

impl Session {
    /// Nothing is loaded yet.
    pub fn new(cache: PathBuf, trials: Option<Trials>) -> Self {
        Self { cache, trials, last: None, unsaid: Vec::new(), bank: None, geometries: BTreeMap::new() }
    }

    /// The model of a folder on a device and in a precision, loaded if it is not there yet.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub fn model(
        &mut self,
        folder: &Path,
        place: (DeviceChoice, Precision),
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
        let model = Rc::new(LoadedModel::load(folder, place, self.trials.as_ref(), progress)?);
        self.unsaid.extend(model.model.folder().options_notice());
        self.unsaid.extend(model.model.weights_notice());
        self.last = Some((folder.to_owned(), place, Rc::clone(&model)));
        Ok(model)
    }

    /// What is in the files of models that were loaded since the last question and is not used, a sentence each.
    pub fn take_unsaid(&mut self) -> Vec<Sentence> {
        std::mem::take(&mut self.unsaid)
    }

    /// The vocabulary's keys and values of the model with this hash, if they were used last.
    pub fn bank(&self, model_hash: &str) -> Option<Rc<VocabularyBank>> {
        self.bank.as_ref().filter(|(hash, _)| hash == model_hash).map(|(_, bank)| Rc::clone(bank))
    }

    /// Keeps a checked bank open for the next question.
    pub fn keep_bank(&mut self, model_hash: String, bank: VocabularyBank) -> Rc<VocabularyBank> {
        let bank = Rc::new(bank);
        self.bank = Some((model_hash, Rc::clone(&bank)));
        bank
    }

    /// The space of a table of the model used last: computed once, and then kept as long as the model is.
    pub fn geometry(&mut self, table: TableName, compute: impl FnOnce(Space) -> Geometry) -> Rc<Geometry> {
        let space = table.2;
        Rc::clone(self.geometries.entry(table).or_insert_with(|| Rc::new(compute(space))))
    }

    /// Forgets the model that no job uses.
    pub fn unload(&mut self) {
        self.last = None;
        self.bank = None;
        self.geometries.clear();
    }
}
