//! What can go wrong in the engine, with the values one needs to act.

mod io;

use std::path::PathBuf;

pub use self::io::{io_advice, io_reason};
use crate::adapters::Lookalike;
use crate::file_kind::FileKind;
use crate::nn::Precision;

/// The engine's result.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

/// An error that a user can cause or meet; a panic, in contrast, is our bug.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {path}: {reason}", path = path.display(), reason = io_reason(source))]
    Io {
        /// What was tried: "read", "write", "create".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Where a file must be there is something else, which one might wait for without end.
    #[error("{path} is {found}, not a file", path = path.display())]
    NotAFile {
        /// What was to be read or written.
        path: PathBuf,
        /// What is there, in words.
        found: &'static str,
    },
    /// A file is larger than one of its kind has reason to be.
    #[error("{path} has {bytes} bytes; a file of this kind has at most {limit}", path = path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A run folder holds a link, which could make our own writes land anywhere.
    #[error("{path} is a link, and a run folder may hold none", path = path.display())]
    LinkInRun {
        /// The link.
        path: PathBuf,
    },
    /// A model folder lacks a file.
    #[error("the model folder has no {what}: {path}", path = path.display())]
    ModelFileMissing {
        /// The file or the choice of files that was expected.
        what: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// A JSON, TOML or other text file does not say what it must.
    #[error("{what} cannot be understood: {reason} ({path})", path = path.display())]
    Malformed {
        /// What the file is.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, in words.
        reason: String,
    },
    /// A file is something well known, and not what was wanted.
    #[error("{what} is {kind} ({path})", path = path.display())]
    OtherFile {
        /// What it should be, with its article: "the weight file".
        what: &'static str,
        /// What it is.
        kind: FileKind,
        /// The file.
        path: PathBuf,
    },
    /// The weights are packed in a form that is not computed.
    #[error("the weights are quantized with {method}, which is not computed here ({path})", path = path.display())]
    Quantized {
        /// As its library is called, with its bits if `config.json` says.
        method: String,
        /// `config.json`.
        path: PathBuf,
    },
    /// A folder that was given as a model holds models below it.
    #[error("{path} is no model, {holds}", path = path.display())]
    NotAModel {
        /// The folder.
        path: PathBuf,
        /// What it is, or the model folders that it holds.
        holds: String,
    },
    /// `config.json` names an architecture we do not compute.
    #[error("the architecture {found:?} is not supported; supported: {known}")]
    UnknownArchitecture {
        /// As the file names it.
        found: String,
        /// Those we know.
        known: &'static str,
    },
    /// The job was told to stop.
    #[error("it was stopped")]
    Stopped,
    /// A model of another task shape is needed.
    #[error("the architecture {architecture} is not {wanted}")]
    TaskShape {
        /// As `config.json` names it.
        architecture: &'static str,
        /// With its article: "a causal model".
        wanted: &'static str,
    },
    /// `config.json` asks for an option we do not compute.
    #[error("{option} = {value} is not supported for {architecture}")]
    UnsupportedOption {
        /// The architecture.
        architecture: &'static str,
        /// The key in the file.
        option: &'static str,
        /// Its value.
        value: String,
    },
    /// A weight the architecture needs is not in the files.
    #[error("the weight {name:?} is missing")]
    WeightMissing {
        /// Its name as Hugging Face writes it.
        name: String,
    },
    /// The weights do not fit the architecture named in `config.json`.
    #[error("weight {name:?} has shape {found:?}, the model needs {expected:?}")]
    WeightShape {
        /// Its name.
        name: String,
        /// What the configuration implies.
        expected: Vec<usize>,
        /// What the file holds.
        found: Vec<usize>,
    },
    /// A weight holds NaN or infinity.
    #[error("weight {name:?} holds a value that is not a number or infinite")]
    WeightNotFinite {
        /// Its name.
        name: String,
    },
    /// A weight holds a number that 16 bits do not reach.
    #[error("weight {name:?} holds {value}, which is beyond the range of {precision}")]
    WeightRange {
        /// Its name.
        name: String,
        /// The number.
        value: f32,
        /// The precision that was asked for.
        precision: Precision,
    },
    /// A weight is stored in a number format we do not read.
    #[error("weight {name:?} is stored as {dtype}, which is not supported here")]
    WeightDtype {
        /// Its name.
        name: String,
        /// The stored format.
        dtype: String,
    },
    /// A weight file of PyTorch calls functions that no tensor needs.
    #[error("the weight file asks to run {name}, which is refused; nothing of it was run ({path})", path = path.display())]
    WeightsRun {
        /// The function or class with its module.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// The tokenizer could not be built or failed on a text.
    #[error("the tokenizer failed: {0}")]
    Tokenizer(String),
    /// Something that is no file of rows was given as one.
    #[error("{path} is {found}, which is not read as rows", path = path.display())]
    NotRows {
        /// The file or folder.
        path: PathBuf,
        /// What it is, with its article.
        found: String,
        /// The way from there to rows.
        advice: &'static str,
    },
    /// A prompt template reads columns that a typed text does not have.
    #[error("the prompt template reads {columns}, and a typed source has no such columns")]
    SourceColumns {
        /// Those without a value, comma separated.
        columns: String,
    },
    /// A dataset has no usable row.
    #[error("no row of {path} can be trained on: {reason}", path = path.display())]
    NoTrainableRow {
        /// The dataset.
        path: PathBuf,
        /// The most frequent cause, in words.
        reason: String,
    },
    /// A dataset does not have a column that was named.
    #[error("there is no column {column:?} in {path}; it has {found}", path = path.display())]
    ColumnMissing {
        /// The column that was asked for.
        column: String,
        /// The columns there are, comma separated.
        found: String,
        /// The dataset.
        path: PathBuf,
    },
    /// A row of a dataset is broken.
    #[error("row {row} of {path} cannot be read: {reason}", path = path.display())]
    BadRow {
        /// Counted from 1.
        row: usize,
        /// The dataset.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A template does not render.
    #[error("the template cannot be rendered: {0}")]
    Template(String),
    /// The prefix and the text do not fit the model's positions.
    #[error("{n_virtual} virtual tokens and {tokens} tokens of text are {total} positions, the model has {n_positions}", total = n_virtual + tokens)]
    ContextOverflow {
        /// Prefix length.
        n_virtual: usize,
        /// Tokens of text.
        tokens: usize,
        /// Positions of the model.
        n_positions: usize,
    },
    /// A setting is outside of what makes sense.
    #[error("{field}: {reason}")]
    Setting {
        /// The field as the configuration names it.
        field: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
    /// A recipe is for another form of method.
    #[error("the preset {name:?} is for {wants}, this run trains {found}")]
    Recipe {
        /// Its name.
        name: &'static str,
        /// The form it is for, in words.
        wants: &'static str,
        /// The form of the run, in words.
        found: &'static str,
    },
    /// The loss became NaN or infinite.
    #[error("the loss is no longer a number at step {step}")]
    Diverged {
        /// The step whose loss it is.
        step: usize,
    },
    /// The adapter was made for a model of another shape.
    #[error("the adapter does not fit this model: {reason}")]
    AdapterMismatch {
        /// What differs, with both values.
        reason: String,
    },
    /// Rows have classes that no head of the model names.
    #[error("the model has no head for the classes of these rows: {reason}")]
    NoHead {
        /// Why it has none, with the classes of both if that is it.
        reason: String,
    },
    /// The adapter is of a kind we cannot use here.
    #[error("adapters of type {0:?} are not supported here")]
    AdapterType(String),
    /// The adapter is of a kind that we compute, with an option that we do not.
    #[error("this {kind} adapter has {option}, which is not computed here")]
    AdapterOption {
        /// As its file names it.
        kind: String,
        /// The key and its value, or what stands in its tensors.
        option: String,
    },
    /// A file of an adapter holds tensors that nothing reads.
    #[error("the adapter holds {tensors}, which no part of it accounts for: without them it would compute something else ({path})", path = path.display())]
    AdapterTensors {
        /// Their names, comma separated; of many the first.
        tensors: String,
        /// The file.
        path: PathBuf,
    },
    /// A path is not what it was given as.
    #[error("{is} ({path})", path = path.display())]
    Lookalike {
        /// What it is.
        is: Lookalike,
        /// The file or folder.
        path: PathBuf,
    },
    /// Nothing in a file or folder tells of an adapter that we can read.
    #[error("no adapter of a known form is in it: {path}", path = path.display())]
    UnknownAdapter {
        /// The file or folder.
        path: PathBuf,
    },
    /// The adapter fits the model, and was made for another.
    #[error("the adapter was made for another base model: {reason}")]
    OtherBase {
        /// What differs, with both values.
        reason: String,
    },
    /// A device was asked for that is not there.
    #[error("there is no device {asked:?}; there are: {found}")]
    NoSuchDevice {
        /// As the user named it.
        asked: String,
        /// Those found.
        found: String,
    },
    /// The device cannot hold the largest tensor.
    #[error("the largest tensor ({name}, {bytes} bytes) exceeds what {device} can bind ({limit} bytes)")]
    TensorTooLarge {
        /// The tensor.
        name: String,
        /// Its size.
        bytes: u64,
        /// The device.
        device: String,
        /// The device's limit.
        limit: u64,
    },
    /// A device does not compute in the precision that a run asks for.
    #[error("precision: {device} does not compute in {precision}: {reason}")]
    NoPrecision {
        /// The device.
        device: String,
        /// What was asked for.
        precision: Precision,
        /// Why.
        reason: String,
    },
    /// A device crashed, hung or computed wrongly when it was tried.
    #[error("{device} cannot be used: {reason} (kept in {path})", path = verdicts.display())]
    DeviceFails {
        /// The device with its API.
        device: String,
        /// What happened.
        reason: String,
        /// The file in which that is kept.
        verdicts: PathBuf,
    },
    /// A run would go on with something else than it began with.
    #[error("the run began with something else than it would go on with: {}", .differences.join("; "))]
    Changed {
        /// What is no longer as it was, with both values where there are two.
        differences: Vec<String>,
    },
    /// A checkpoint cannot be continued from.
    #[error("the run cannot be resumed: {0}")]
    Resume(String),
    /// A reference case asks for something we do not compute.
    #[error("{what} {name:?} is not supported")]
    Unsupported {
        /// "architecture", "method", "task".
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The computation itself failed: the driver, the device or a bug of ours.
    #[error("the computation failed: {0}")]
    Computation(String),
}

impl EngineError {
    /// One sentence on what to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::NotAFile { .. } => "Choose a file",
            Self::FileTooLarge { .. } => "It is not what its name says: fetch it again, from where you trust",
            Self::LinkInRun { .. } => {
                "If you made the link yourself, put what it points to in its place; else do not use the folder"
            }
            Self::Io { source, .. } => io_advice(source),
            Self::ModelFileMissing { .. } => {
                "Choose a folder with config.json, weights and a tokenizer, as Hugging Face writes them"
            }
            Self::OtherFile { kind, .. } => kind.advice(),
            Self::Quantized { .. } => {
                "Choose the model that it was made of, in float32, float16 or bfloat16; an adapter trained on the packed \
                 weights fits that one too"
            }
            Self::NotAModel { .. } => "Choose a folder with config.json, weights and a tokenizer in it",
            Self::Malformed { path, .. } if is_binary(path) => {
                "The file is damaged, or not what it should be: fetch it again"
            }
            Self::Malformed { .. } => "Open the file in an editor and correct it, or fetch it again",
            Self::UnknownArchitecture { .. }
            | Self::TaskShape { .. }
            | Self::UnsupportedOption { .. }
            | Self::Unsupported { .. } => "Choose another model or method",
            Self::WeightMissing { .. } | Self::WeightShape { .. } => {
                "The download may be incomplete, or config.json belongs to another model: fetch the folder again"
            }
            Self::WeightRange { .. } => "Choose bf16 or f32",
            Self::WeightNotFinite { .. } => "The file is damaged: fetch it again",
            Self::WeightsRun { .. } => "Do not open the file elsewhere; fetch the model as safetensors",
            Self::WeightDtype { .. } => "Convert the model to float64, float32, float16 or bfloat16",
            Self::Tokenizer(_) => "Check that the files of the tokenizer belong to this model",
            Self::NoTrainableRow { .. } => "Check the columns and the template, or raise the length limit",
            Self::ColumnMissing { .. } => "Choose one of the columns that are there",
            Self::BadRow { .. } => {
                "Correct the row, or remove it; a file in another encoding is saved as UTF-8 as a whole"
            }
            Self::NotRows { advice, .. } => advice,
            Self::SourceColumns { .. } => {
                "Take a row of the dataset, or give each of them: --column NAME=VALUE on the command line"
            }
            Self::Template(_) => "Correct the template; columns are written as {{ name }}",
            Self::ContextOverflow { .. } => "Shorten the prefix, or lower the length limit of a row",
            Self::Setting { .. } => "Correct the setting",
            Self::Recipe { .. } => "Choose another preset, or the method and the task that it is for",
            Self::Diverged { .. } => "Lower the learning rate, then resume from the last checkpoint",
            Self::AdapterMismatch { .. } => "Choose the model that the adapter was made for",
            Self::NoHead { .. } => {
                "Choose an adapter that was trained for them, or rows with the classes of the model's head"
            }
            Self::AdapterType(_) => {
                "Choose an adapter of prefix tuning, prompt tuning, P-tuning or LoRA; with PEFT, others that change weights \
                 can be merged into their base model, and the merged model opened as a model"
            }
            Self::AdapterOption { .. } | Self::AdapterTensors { .. } => {
                "Use it with the program that made it; where that can merge it into its base model, as PEFT's \
                 merge_and_unload does for LoRA, open the merged model as a model"
            }
            Self::Lookalike { is, .. } => is.advice(),
            Self::UnknownAdapter { .. } => {
                "Choose a .prefix file, or a folder or file of PEFT, the paper's code, P-tuning v2, ChatGLM or the \
                 adapters library"
            }
            Self::OtherBase { .. } => "Choose that model, or accept this one explicitly",
            Self::NoSuchDevice { .. } => "Choose one of the devices that are there, or cpu",
            Self::TensorTooLarge { .. } => "Choose the CPU, or a smaller model",
            Self::NoPrecision { .. } => "Choose f32, or another device",
            Self::DeviceFails { .. } => "Choose another device or the CPU; with a new driver it is tried again",
            Self::Stopped => "Start it again when you like",
            Self::Changed { .. } => {
                "Put back what it began with; or go on with what has changed, on the command line with --changed-data"
            }
            Self::Resume(_) => "Start a new run with the same settings",
            Self::Computation(_) => "Try the CPU; if it happens there too, please report it with the details",
        }
    }

    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

/// Whether a file is for programs alone, so that nobody can correct it in an editor.
fn is_binary(path: &std::path::Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    ["safetensors", "bin", "pt", "pth", "ckpt", "npy", "model", "prefix"].contains(&ending.as_str())
}

/// An error as it is shown and kept: what happened, what to do, and the technical text behind it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Failure {
    /// One sentence.
    pub what: String,
    /// One sentence.
    pub advice: String,
}

impl From<&EngineError> for Failure {
    fn from(error: &EngineError) -> Self {
        Self { what: error.to_string(), advice: error.advice().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_read_is_not_corrected_in_an_editor() {
        let advice = |name: &str| {
            EngineError::Malformed { what: "the adapter", path: name.into(), reason: String::new() }.advice()
        };
        assert!(advice("adapter_config.json").contains("editor"));
        assert!(advice("rows").contains("editor"));
        for name in ["adapter_model.safetensors", "a.BIN", "mine.prefix", "spiece.model"] {
            assert!(advice(name).contains("fetch it again") && !advice(name).contains("editor"), "{name}");
        }
    }
}
