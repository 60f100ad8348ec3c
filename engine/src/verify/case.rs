//! The files of a reference case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use crate::config::Task;
use crate::error::{EngineError, Result, json_reason};
use crate::files::{self, Kind, write_whole};
use crate::generation::EarlyStopping;
use crate::models::ModelFolder;
use crate::{Sentence, sentence};

/// A tensor of a case, on the host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

/// Numbers of an array.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
}

impl Array {
    pub(super) fn floats(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        Self { shape: shape.into(), values: Values::Floats(values) }
    }

    pub(super) fn integers(shape: impl Into<Vec<usize>>, values: Vec<i64>) -> Self {
        Self { shape: shape.into(), values: Values::Integers(values) }
    }
}

/// Tensors by name.
pub(super) type Arrays = BTreeMap<String, Array>;

/// `case.json`, as far as it is needed here. What it calls its architecture and its method are labels: the architecture is
/// that of the model's `config.json`, the method that of the adapter, and without an adapter the model itself is trained.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Facts {
    #[serde(default)]
    pub(super) method: String,
    #[serde(default)]
    task: String,
    /// Shapes of what is trained, by name.
    #[serde(default)]
    trainable: BTreeMap<String, serde_json::Value>,
    pub(super) logits_columns: Columns,
    pub(super) noise_f32_vs_f64: serde_json::Value,
    pub(super) training: Training,
    pub(super) scheduled_training: Scheduled,
    /// Absent where nothing is generated.
    pub(super) generation_options: Option<Generation>,
    /// Findings from the making of the case.
    #[serde(default)]
    pub(super) notes: serde_json::Value,
}

/// Number of logits that a case keeps for each position: a number, or "all".
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Columns {
    First(usize),
    Named(AllColumns),
}

/// The word for it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) enum AllColumns {
    #[serde(rename = "all")]
    All,
}

impl Columns {
    /// Of so many.
    pub(super) fn of(&self, width: usize) -> usize {
        match self {
            Self::First(n) => (*n).min(width),
            Self::Named(AllColumns::All) => width,
        }
    }
}

/// The plain training of a case.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Training {
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
    pub(super) lr: f64,
    pub(super) steps: usize,
    pub(super) weight_decay: f64,
}

/// The training with accumulation, clipping and a schedule.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Scheduled {
    pub(super) betas: [f64; 2],
    pub(super) eps: f64,
    pub(super) lr: f64,
    pub(super) steps: usize,
    pub(super) weight_decay: f64,
    pub(super) clip_grad_norm: f64,
    pub(super) micro_batches: Vec<String>,
    /// In words: "linear, 2 warm-up steps, 7 in all".
    pub(super) schedule: String,
}

/// The generations of a case.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Generation {
    pub(super) max_new_tokens: usize,
    #[serde(rename = "greedy_penalised")]
    pub(super) greedy_penalized: Penalized,
    /// The others by name, in whatever words.
    #[serde(flatten)]
    pub(super) others: BTreeMap<String, serde_json::Value>,
}

/// A search with several beams, in transformers' words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BeamOptions {
    pub(super) num_beams: usize,
    #[serde(default = "one")]
    pub(super) num_return_sequences: usize,
    #[serde(default)]
    pub(super) early_stopping: Early,
    #[serde(default = "unchanged")]
    pub(super) length_penalty: f64,
    #[serde(default = "unchanged")]
    pub(super) repetition_penalty: f64,
    #[serde(default)]
    pub(super) no_repeat_ngram_size: usize,
    #[serde(default)]
    pub(super) suppress_tokens: Vec<u32>,
    /// A token, or where in `case.json` it is: `notes.generation.beam_eos_token_id`.
    #[serde(default)]
    pub(super) eos_token_id: serde_json::Value,
}

/// `early_stopping`: a truth value, or "never".
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Early {
    AtOnce(bool),
    Word(EarlyStopping),
}

impl Default for Early {
    fn default() -> Self {
        Self::AtOnce(false)
    }
}

impl From<Early> for EarlyStopping {
    fn from(early: Early) -> Self {
        match early {
            Early::AtOnce(true) => Self::True,
            Early::AtOnce(false) => Self::False,
            Early::Word(word) => word,
        }
    }
}

fn one() -> usize {
    1
}

fn unchanged() -> f64 {
    1.0
}

/// The penalties of one of them.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Penalized {
    pub(super) repetition_penalty: f64,
    pub(super) no_repeat_ngram_size: usize,
}

/// A case, read.
pub(super) struct Case {
    pub(super) folder: PathBuf,
    pub(super) facts: Facts,
    pub(super) arrays: Arrays,
    /// The task that is learned.
    pub(super) task: Task,
}

impl Case {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("case.json");
        let text = files::read_to_string(&path, Kind::Settings)?;
        let malformed =
            |reason: Sentence| EngineError::Malformed { what: sentence!("the case"), path: path.clone(), reason };
        let facts: Facts = serde_json::from_str(&text).map_err(|error| malformed(json_reason(&error)))?;
        let task = match facts.task.as_str() {
            "causal" => Task::Causal,
            "seq2seq" => Task::Seq2Seq,
            "seq_cls" => Task::SequenceClassification,
            "token_cls" => Task::TokenClassification,
            "question_ans" => Task::QuestionAnswering,
            "masked_lm" => Task::MaskedFill,
            // Another label: what the model was saved for.
            _ => ModelFolder::open(&folder.join("model"))?.task(None)?,
        };
        let arrays = read_tensors(&folder.join("tensors.safetensors"))?;
        Ok(Self { folder: folder.to_owned(), facts, arrays, task })
    }

    /// The searches with several beams, by name.
    pub(super) fn beam_searches(&self, options: &Generation) -> Result<Vec<(String, BeamOptions)>> {
        let searches = options.others.iter().filter(|(_, options)| options.get("num_beams").is_some());
        let read = |(name, options): (&String, &serde_json::Value)| {
            let malformed = |error: serde_json::Error| EngineError::Malformed {
                what: sentence!("the case"),
                path: self.folder.join("case.json"),
                reason: sentence!("{name}: {error}", name, error),
            };
            Ok((name.clone(), serde_json::from_value(options.clone()).map_err(malformed)?))
        };
        searches.map(read).collect()
    }

    /// The token that ends a search, if one does.
    pub(super) fn end_token(&self, options: &BeamOptions) -> Result<Option<u32>> {
        let (found, words) = match &options.eos_token_id {
            serde_json::Value::Null => return Ok(None),
            serde_json::Value::String(path) => {
                let within = path.split('.').skip(1).try_fold(&self.facts.notes, |value, key| value.get(key));
                (within, path.clone())
            }
            token => (Some(token), token.to_string()),
        };
        let token = found.and_then(serde_json::Value::as_u64).and_then(|token| u32::try_from(token).ok());
        token.map(Some).ok_or(EngineError::Unsupported { what: sentence!("eos_token_id"), name: words })
    }

    /// Whether a tensor is trained: it has values to begin with, or where none has, the case names it.
    pub(super) fn trains(&self, name: &str) -> bool {
        let param = |name: &str| self.arrays.contains_key(&format!("param/{name}"));
        let has_params = self.arrays.keys().any(|name| name.starts_with("param/"));
        param(name) || (!has_params && self.facts.trainable.contains_key(name))
    }

    /// Integers of an input.
    pub(super) fn integers(&self, name: &str) -> Result<(&[usize], &[i64])> {
        match self.arrays.get(name) {
            Some(Array { shape, values: Values::Integers(values) }) => Ok((shape, values)),
            _ => Err(EngineError::WeightMissing { name: name.to_owned() }),
        }
    }

    /// Numbers of a tensor.
    pub(super) fn floats(&self, name: &str) -> Result<(&[usize], &[f32])> {
        match self.arrays.get(name) {
            Some(Array { shape, values: Values::Floats(values) }) => Ok((shape, values)),
            _ => Err(EngineError::WeightMissing { name: name.to_owned() }),
        }
    }
}

fn read_tensors(path: &Path) -> Result<Arrays> {
    let bytes = files::read(path, Kind::Weights)?;
    let malformed =
        |reason: Sentence| EngineError::Malformed { what: sentence!("the case"), path: path.to_owned(), reason };
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| malformed(Sentence::verbatim(error)))?;
    let mut arrays = Arrays::new();
    for (name, view) in tensors.tensors() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => {
                Values::Floats(data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
            }
            Dtype::I64 => {
                let word = |b: &[u8]| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]);
                Values::Integers(data.chunks_exact(8).map(word).collect())
            }
            other => return Err(malformed(sentence!("{name} is stored as {other:?}", name, other))),
        };
        arrays.insert(name, Array { shape: view.shape().to_vec(), values });
    }
    Ok(arrays)
}

/// Writes results in one file.
pub(super) fn write_tensors(path: &Path, arrays: &Arrays) -> Result<()> {
    let failed =
        |error: safetensors::SafeTensorError| EngineError::Computation(sentence!("safetensors: {error}", error));
    let mut views = Vec::new();
    for (name, array) in arrays {
        let (dtype, bytes) = match &array.values {
            Values::Floats(values) => (Dtype::F32, bytemuck::cast_slice(values)),
            Values::Integers(values) => (Dtype::I64, bytemuck::cast_slice(values)),
        };
        views.push((name.as_str(), TensorView::new(dtype, array.shape.clone(), bytes).map_err(failed)?));
    }
    write_whole(path, &safetensors::serialize(views, None).map_err(failed)?)
}
