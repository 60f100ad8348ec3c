//! A model with its tokenizer, on its device.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;

use crate::adapters::{AdapterState, formats};
use crate::config::Task;
use crate::data::Tokenizer;
use crate::device::{self, DeviceChoice, DeviceInfo, Trials};
use crate::error::{EngineError, Result};
use crate::generation::{DecoderOptions, Sampling, SourceOptions, StopStrings};
use crate::models::{BaseModel, Conditioning, GenerationConfig, Loading, Model, ModelFolder, ModelSummary, cannot};
use crate::nn::MatrixNumbers;
use crate::sentence;

/// A model on a device, ready to be used.
pub struct LoadedModel {
    /// Weights of the model.
    pub model: BaseModel,
    /// Tokenizer of the model.
    pub tokenizer: Tokenizer,
    /// Where it is.
    pub device: Device,
    /// Where it is, in words.
    pub device_info: DeviceInfo,
    /// In what its matrices are kept and multiplied.
    pub numbers: MatrixNumbers,
    /// Facts about the model.
    pub summary: ModelSummary,
    /// SHA-256 of its weights.
    pub hash: String,
    /// Decoding settings of the model's makers.
    pub generation: GenerationConfig,
    /// Folder of what is computed once and kept, encoded rows among it.
    pub cache: Option<PathBuf>,
}

impl LoadedModel {
    /// Loads a model folder onto a device, in the numbers asked for; device and precision are tried first if they are new;
    /// `progress` hears the share done.
    ///
    /// # Errors
    /// The folder or the device is not as it must be.
    pub fn load(
        folder: &Path,
        (choice, numbers): (DeviceChoice, impl Into<MatrixNumbers>),
        trials: Option<&Trials>,
        progress: &mut Loading<'_>,
    ) -> Result<Self> {
        let numbers = numbers.into();
        let files = Arc::new(ModelFolder::open(folder)?);
        let summary = files.summary();
        let tokenizer =
            Tokenizer::from_folder(folder)?.fitting(summary.vocab_size)?.closing_with(files.answer_start())?;
        let (device_info, device) = device::open(choice, files.largest_binding(numbers.quantization), trials)?;
        device::check_precision(&device_info, &device, numbers.precision, trials)?;
        // Hashing and loading read the same mapped pages; side by side they take the time of one.
        let (hash, model) = std::thread::scope(|scope| {
            let hashing = std::thread::Builder::new().name("hash".to_owned()).spawn_scoped(scope, || files.hash());
            let model = BaseModel::load(Arc::clone(&files), (&device, numbers), progress);
            // Where there is no thread to be had, one after the other.
            let hash = hashing.map_or_else(|_| files.hash(), |thread| thread.join().unwrap_or_default());
            (hash, model)
        });
        let generation = GenerationConfig::read(folder)?;
        Ok(Self { model: model?, tokenizer, device, device_info, numbers, summary, hash, generation, cache: None })
    }

    /// Settings for decoding: the tokenizer's end token ends a text, and so do those that the model's makers name.
    ///
    /// # Errors
    /// The vocabulary cannot express a word that is never to be written.
    pub fn decoding(&self, sampling: Sampling) -> Result<DecoderOptions> {
        let mut end_tokens = self.generation.end_tokens.clone();
        end_tokens.push(self.tokenizer.eos());
        let suppress_tokens = self.generation.suppress_tokens.clone();
        let source = self.source_options();
        let mut bad_words = Vec::new();
        for word in &sampling.bad_words {
            bad_words.push(self.tokenizer.encode(word)?);
            bad_words.push(self.tokenizer.encode_continuation(&format!(" {word}"))?);
        }
        let tokenizer = self.tokenizer.clone();
        let stops = (!sampling.stop_strings.is_empty()).then(|| {
            StopStrings::new(sampling.stop_strings.clone(), move |ids| tokenizer.decode(ids).unwrap_or_default())
        });
        let defaults = DecoderOptions::default();
        Ok(DecoderOptions { sampling, end_tokens, suppress_tokens, bad_words, stops, source, ..defaults })
    }

    /// Begin and end of a target where there is a source: as `generation_config.json` says, without the file as the
    /// model's configuration does.
    pub(crate) fn source_options(&self) -> Option<SourceOptions> {
        let Model::Seq2Seq(model) = &*self.model else { return None };
        Some(SourceOptions::of(model.as_ref(), &self.generation, self.tokenizer.bos()))
    }

    /// Reads an adapter folder and refuses one that does not fit this model.
    ///
    /// # Errors
    /// The folder is damaged or belongs to a model of another kind or shape.
    pub fn adapter(&self, folder: &Path) -> Result<AdapterState> {
        formats::read_for(folder, &self.model.sites())?.placed(&self.model)
    }

    /// An adapter as it is put before this model.
    ///
    /// # Errors
    /// The adapter's head does not fit the model, or it writes with a model that cannot.
    pub fn conditioning(&self, adapter: &AdapterState) -> Result<Conditioning> {
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
        let found = Task::of_model(asked, &self.summary.tasks);
        found.ok_or_else(|| cannot(&self.summary.architecture, asked.unwrap_or_default()))
    }
}
