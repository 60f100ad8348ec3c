//! The engine's errors, with the values that one needs to act.

mod io;
mod json;
mod words;

use std::fmt;
use std::path::PathBuf;

pub use self::io::{IoAction, io_advice, io_reason};
pub use self::json::{json_cause, json_reason};
use crate::Sentence;
use crate::adapters::Lookalike;
use crate::file_kind::FileKind;
use crate::nn::Precision;

/// The engine's result.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// An error that a user can cause or meet; a panic, in contrast, is our bug.
#[derive(Debug)]
#[non_exhaustive]
pub enum EngineError {
    /// A file or folder could not be read or written.
    Io {
        /// The action that failed.
        action: IoAction,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Where a file must be there is something else, which one might wait for without end.
    NotAFile {
        /// The path that was to be read or written.
        path: PathBuf,
        /// The thing that is there, in words.
        found: Sentence,
    },
    /// A file is larger than one of its kind has reason to be.
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Size of the file.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A run folder holds a link, which could make our own writes land anywhere.
    LinkInRun {
        /// The link.
        path: PathBuf,
    },
    /// A model folder lacks a file.
    ModelFileMissing {
        /// The file or the choice of files that was expected.
        what: Sentence,
        /// The folder.
        path: PathBuf,
    },
    /// A JSON, TOML or other text file does not say what it must.
    Malformed {
        /// The kind of file, in words.
        what: Sentence,
        /// The file.
        path: PathBuf,
        /// The fault, in words.
        reason: Sentence,
    },
    /// A file is something well known, and not what was wanted.
    OtherFile {
        /// The file that is wanted, with its article: "the weight file".
        what: Sentence,
        /// The kind of file that it is.
        kind: FileKind,
        /// The file.
        path: PathBuf,
    },
    /// The weights are packed in a form that is not computed.
    Quantized {
        /// As its library is called, with its bits if `config.json` says.
        method: String,
        /// `config.json`.
        path: PathBuf,
    },
    /// A folder that was given as a model holds models below it.
    NotAModel {
        /// The folder.
        path: PathBuf,
        /// A description of the folder, or the model folders that it holds.
        holds: Sentence,
    },
    /// `config.json` names an architecture we do not compute.
    UnknownArchitecture {
        /// As the file names it.
        found: String,
        /// Those we know.
        known: String,
    },
    /// The job was told to stop.
    Stopped,
    /// A model of another task shape is needed.
    TaskShape {
        /// As `config.json` names it.
        architecture: &'static str,
        /// With its article: "a causal model".
        wanted: Sentence,
    },
    /// `config.json` asks for an option we do not compute.
    UnsupportedOption {
        /// The architecture.
        architecture: &'static str,
        /// The key in the file.
        option: &'static str,
        /// The unsupported value.
        value: String,
    },
    /// A weight the architecture needs is not in the files.
    WeightMissing {
        /// Name of the weight as Hugging Face writes it.
        name: String,
    },
    /// The weights do not fit the architecture named in `config.json`.
    WeightShape {
        /// Name of the weight.
        name: String,
        /// The shape that the configuration implies.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A weight holds NaN or infinity.
    WeightNotFinite {
        /// Name of the weight.
        name: String,
    },
    /// A weight holds a number that 16 bits do not reach.
    WeightRange {
        /// Name of the weight.
        name: String,
        /// The number.
        value: f32,
        /// The precision that was asked for.
        precision: Precision,
    },
    /// A weight is stored in a number format we do not read.
    WeightDtype {
        /// Name of the weight.
        name: String,
        /// The stored format.
        dtype: String,
    },
    /// A weight file of PyTorch calls functions that no tensor needs.
    WeightsRun {
        /// The function or class with its module.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The tokenizer could not be built or failed on a text.
    Tokenizer(Sentence),
    /// Something that is no file of rows was given as one.
    NotRows {
        /// The file or folder.
        path: PathBuf,
        /// A description of the thing, with its article.
        found: Sentence,
        /// The way from there to rows.
        advice: Sentence,
    },
    /// A prompt template reads columns that a typed text does not have.
    SourceColumns {
        /// Those without a value, comma separated.
        columns: String,
    },
    /// A dataset has no usable row.
    NoTrainableRow {
        /// The dataset.
        path: PathBuf,
        /// The most frequent cause, in words.
        reason: Sentence,
    },
    /// A dataset does not have a column that was named.
    ColumnMissing {
        /// The column that was asked for.
        column: String,
        /// The columns there are, comma separated.
        found: Sentence,
        /// The dataset.
        path: PathBuf,
    },
    /// A row of a dataset is broken.
    BadRow {
        /// Counted from 1.
        row: usize,
        /// The dataset.
        path: PathBuf,
        /// The fault, in words.
        reason: Sentence,
    },
    /// A template does not render.
    Template(Sentence),
    /// The prefix and the text do not fit the model's positions.
    ContextOverflow {
        /// Prefix length.
        n_virtual: usize,
        /// Tokens of text.
        tokens: usize,
        /// Positions of the model.
        n_positions: usize,
    },
    /// Two files that belong together have other numbers of rows.
    UnequalRows {
        /// The second file.
        path: PathBuf,
        /// Rows of it.
        found: usize,
        /// Rows of the first one.
        wanted: usize,
    },
    /// Predictions have nothing that they could be held against.
    NoReferences {
        /// The file of the predictions.
        path: PathBuf,
    },
    /// A metric was asked for that is not known.
    NoMetric {
        /// As it was named.
        asked: String,
        /// Those there are, comma separated.
        known: String,
    },
    /// A metric was asked for that is a trained model, which is not here.
    MetricNeedsModel {
        /// The metric.
        metric: &'static str,
        /// The model, with its article.
        model: Sentence,
    },
    /// A setting is outside of what makes sense.
    Setting {
        /// The field as the configuration names it.
        field: &'static str,
        /// The fault of its value, in words.
        reason: Sentence,
    },
    /// A recipe is for another form of method.
    Recipe {
        /// Name of the recipe.
        name: &'static str,
        /// The form it is for, in words.
        wants: Sentence,
        /// The form of the run, in words.
        found: Sentence,
    },
    /// The loss became NaN or infinite.
    Diverged {
        /// The step whose loss it is.
        step: usize,
    },
    /// The adapter was made for a model of another shape.
    AdapterMismatch {
        /// The difference, with both values.
        reason: Sentence,
    },
    /// The model's weights cannot take it in.
    NotMerged {
        /// Why they cannot.
        reason: Sentence,
    },
    /// Turns of a conversation for a model that does not say how they are written.
    NoChatTemplate,
    /// Another program cannot be given it.
    NoPlace {
        /// The program.
        program: &'static str,
        /// Why it cannot.
        reason: Sentence,
    },
    /// Rows have classes that no head of the model names.
    NoHead {
        /// Why it has none, with the classes of both if that is it.
        reason: Sentence,
    },
    /// The adapter is of a kind we cannot use here.
    AdapterType(String),
    /// The adapter is of a kind that we compute, with an option that we do not.
    AdapterOption {
        /// As its file names it.
        kind: String,
        /// The key and its value, or what stands in its tensors.
        option: Sentence,
    },
    /// A file of an adapter holds tensors that nothing reads.
    AdapterTensors {
        /// Their names, comma separated; of many the first.
        tensors: String,
        /// The file.
        path: PathBuf,
    },
    /// A path is not what it was given as.
    Lookalike {
        /// The thing that it is instead.
        is: Lookalike,
        /// The file or folder.
        path: PathBuf,
    },
    /// Nothing in a file or folder tells of an adapter that we can read.
    UnknownAdapter {
        /// The file or folder.
        path: PathBuf,
    },
    /// The adapter fits the model, and was made for another.
    OtherBase {
        /// The difference, with both values.
        reason: Sentence,
    },
    /// A device was asked for that is not there.
    NoSuchDevice {
        /// As the user named it.
        asked: String,
        /// Those found.
        found: String,
    },
    /// The device cannot hold the largest tensor.
    TensorTooLarge {
        /// The tensor.
        name: Sentence,
        /// Size of the tensor.
        bytes: u64,
        /// The device.
        device: String,
        /// The device's limit.
        limit: u64,
    },
    /// A device does not compute in the precision that a run asks for.
    NoPrecision {
        /// The device.
        device: String,
        /// The precision that was asked for.
        precision: Precision,
        /// Why.
        reason: Sentence,
    },
    /// A device crashed, hung or computed wrongly when it was tried.
    DeviceFails {
        /// The device with its API.
        device: String,
        /// The failure, in words.
        reason: Sentence,
        /// The file in which that is kept.
        verdicts: PathBuf,
    },
    /// A run would go on with something else than it began with.
    Changed {
        /// Differences from the beginning of the run, with both values where there are two.
        differences: Vec<Sentence>,
    },
    /// A checkpoint cannot be continued from.
    Resume(Sentence),
    /// A reference case asks for something we do not compute.
    Unsupported {
        /// "architecture", "method", "task".
        what: Sentence,
        /// The unsupported name.
        name: String,
    },
    /// The computation itself failed: the driver, the device or a bug of ours.
    Computation(Sentence),
}

impl EngineError {
    pub(crate) fn io(action: IoAction, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// In English, as in logs.
impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for EngineError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// An error as it is shown and kept: what happened and what to do.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// One sentence.
    pub what: Sentence,
    /// One sentence.
    pub advice: Sentence,
}

impl From<&EngineError> for Failure {
    fn from(error: &EngineError) -> Self {
        Self { what: error.sentence(), advice: error.advice() }
    }
}
