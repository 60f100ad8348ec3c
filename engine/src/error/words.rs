//! The words of each error: what happened, and what to do about it.

use std::path::Path;

use super::{EngineError, io_advice, io_reason};
use crate::{Sentence, sentence};

impl EngineError {
    /// One sentence on what happened.
    #[expect(clippy::too_many_lines, reason = "a line for each error")]
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::Io { action, path, source } => {
                sentence!("cannot {action} {path}: {reason}", action, path, reason = io_reason(source))
            }
            Self::NotAFile { path, found } => sentence!("{path} is {found}, not a file", path, found),
            Self::FileTooLarge { path, bytes, limit } => {
                sentence!("{path} has {bytes} bytes; a file of this kind has at most {limit}", path, bytes, limit)
            }
            Self::LinkInRun { path } => sentence!("{path} is a link, and a run folder may hold none", path),
            Self::ModelFileMissing { what, path } => sentence!("the model folder has no {what}: {path}", what, path),
            Self::Malformed { what, path, reason } => {
                sentence!("{what} cannot be understood: {reason} ({path})", what, reason, path)
            }
            Self::OtherFile { what, kind, path } => sentence!("{what} is {kind} ({path})", what, kind, path),
            Self::Quantized { method, path } => {
                sentence!("the weights are quantized with {method}, which is not computed here ({path})", method, path)
            }
            Self::NotAModel { path, holds } => sentence!("{path} is no model: {holds}", path, holds),
            Self::UnknownArchitecture { found, known } => {
                sentence!("the architecture {found:?} is not supported; supported: {known}", found, known)
            }
            Self::Stopped => sentence!("it was stopped"),
            Self::TaskShape { architecture, wanted } => {
                sentence!("the architecture {architecture} is not {wanted}", architecture, wanted)
            }
            Self::UnsupportedOption { architecture, option, value } => {
                sentence!("{option} = {value} is not supported for {architecture}", option, value, architecture)
            }
            Self::WeightMissing { name } => sentence!("the weight {name:?} is missing", name),
            Self::WeightShape { name, expected, found } => {
                sentence!("weight {name:?} has shape {found}, the model needs {expected}", name, found, expected)
            }
            Self::WeightNotFinite { name } => {
                sentence!("weight {name:?} holds a value that is not a number or infinite", name)
            }
            Self::WeightRange { name, value, precision } => sentence!(
                "weight {name:?} holds {value}, which is beyond the range of {precision}",
                name,
                value,
                precision
            ),
            Self::WeightDtype { name, dtype } => {
                sentence!("weight {name:?} is stored as {dtype}, which is not supported here", name, dtype)
            }
            Self::WeightsRun { name, path } => sentence!(
                "the weight file asks to run {name}, which is refused; nothing of it was run ({path})",
                name,
                path
            ),
            Self::Tokenizer(reason) => sentence!("the tokenizer failed: {reason}", reason),
            Self::NotRows { path, found, .. } => sentence!("{path} is {found}, which is not read as rows", path, found),
            Self::SourceColumns { columns } => {
                sentence!("the prompt template reads {columns}, and a typed source has no such columns", columns)
            }
            Self::NoTrainableRow { path, reason } => {
                sentence!("no row of {path} can be trained on: {reason}", path, reason)
            }
            Self::ColumnMissing { column, found, path } => {
                sentence!("there is no column {column:?} in {path}; it has {found}", column, path, found)
            }
            Self::BadRow { row, path, reason } => {
                sentence!("row {row} of {path} cannot be read: {reason}", row, path, reason)
            }
            Self::Template(reason) => sentence!("the template cannot be rendered: {reason}", reason),
            Self::ContextOverflow { n_virtual, tokens, n_positions } => sentence!(
                "{n_virtual} virtual tokens and {tokens} tokens of text are {total} positions, the model has {n_positions}",
                n_virtual,
                tokens,
                total = *n_virtual + *tokens,
                n_positions
            ),
            Self::UnequalRows { path, found, wanted } => sentence!(
                "{path} has {found} {found:row|rows}, and there are {wanted} {wanted:prediction|predictions}",
                path,
                found,
                wanted
            ),
            Self::NoReferences { path } => sentence!("the predictions of {path} have no references beside them", path),
            Self::NoMetric { asked, known } => {
                sentence!("there is no metric {asked:?}; there are: {known}", asked, known)
            }
            Self::MetricNeedsModel { metric, model } => {
                sentence!("{metric} is not computed here: it needs {model}", metric, model)
            }
            Self::Setting { field, reason } => sentence!("{field}: {reason}", field, reason),
            Self::Recipe { name, wants, found } => {
                sentence!("the preset {name:?} is for {wants}, this run trains {found}", name, wants, found)
            }
            Self::Diverged { step } => sentence!("the loss is no longer a number at step {step}", step),
            Self::AdapterMismatch { reason } => sentence!("the adapter does not fit this model: {reason}", reason),
            Self::NotMerged { reason } => sentence!("the adapter cannot be merged into the model: {reason}", reason),
            Self::NoChatTemplate => sentence!("the model has no chat template that would write the turns"),
            Self::NoPlace { program, reason } => {
                sentence!("{program} cannot be given this: {reason}", program = *program, reason)
            }
            Self::NoHead { reason } => {
                sentence!("the model has no head for the classes of these rows: {reason}", reason)
            }
            Self::AdapterType(kind) => sentence!("adapters of type {kind:?} are not supported here", kind),
            Self::AdapterOption { kind, option } => {
                sentence!("this {kind} adapter has {option}, which is not computed here", kind, option)
            }
            Self::AdapterTensors { tensors, path } => sentence!(
                "the adapter holds {tensors}, which no part of it accounts for: without them it would compute something else ({path})",
                tensors,
                path
            ),
            Self::Lookalike { is, path } => sentence!("{is} ({path})", is, path),
            Self::UnknownAdapter { path } => sentence!("no adapter of a known form is in it: {path}", path),
            Self::OtherBase { reason } => sentence!("the adapter was made for another base model: {reason}", reason),
            Self::NoSuchDevice { asked, found } => {
                sentence!("there is no device {asked:?}; there are: {found}", asked, found)
            }
            Self::TensorTooLarge { name, bytes, device, limit } => sentence!(
                "the largest tensor ({name}, {bytes} bytes) exceeds what {device} can bind ({limit} bytes)",
                name,
                bytes,
                device,
                limit
            ),
            Self::NoPrecision { device, precision, reason } => {
                sentence!("precision: {device} does not compute in {precision}: {reason}", device, precision, reason)
            }
            Self::DeviceFails { device, reason, verdicts } => {
                sentence!("{device} cannot be used: {reason} (kept in {path})", device, reason, path = verdicts)
            }
            Self::Changed { differences } => {
                let differences = Sentence::clauses(differences.iter().cloned()).unwrap_or_default();
                sentence!("the run began with something else than it would go on with: {differences}", differences)
            }
            Self::Resume(reason) => sentence!("the run cannot be resumed: {reason}", reason),
            Self::Unsupported { what, name } => sentence!("{what} {name:?} is not supported", what, name),
            Self::Computation(reason) => sentence!("the computation failed: {reason}", reason),
        }
    }

    /// One sentence on what to do about it.
    #[expect(clippy::too_many_lines, reason = "a line for each error")]
    pub fn advice(&self) -> Sentence {
        match self {
            Self::NotAFile { .. } => sentence!("Choose a file"),
            Self::FileTooLarge { .. } => {
                sentence!("It is not what its name says: fetch it again, from where you trust")
            }
            Self::LinkInRun { .. } => {
                sentence!(
                    "If you made the link yourself, put what it points to in its place; else do not use the folder"
                )
            }
            Self::Io { source, .. } => io_advice(source),
            Self::ModelFileMissing { .. } => {
                sentence!("Choose a folder with config.json, weights and a tokenizer, as Hugging Face writes them")
            }
            Self::OtherFile { kind, .. } => kind.advice(),
            Self::Quantized { .. } => {
                sentence!(
                    "Choose the model that it was made of, in float32, float16 or bfloat16; an adapter trained on the packed \
                 weights fits that one too"
                )
            }
            Self::NotAModel { .. } => sentence!("Choose a folder with config.json, weights and a tokenizer in it"),
            Self::Malformed { path, .. } if is_binary(path) => {
                sentence!("The file is damaged, or not what it should be: fetch it again")
            }
            Self::Malformed { .. } => sentence!("Open the file in an editor and correct it, or fetch it again"),
            Self::UnknownArchitecture { .. }
            | Self::TaskShape { .. }
            | Self::UnsupportedOption { .. }
            | Self::Unsupported { .. } => sentence!("Choose another model or method"),
            Self::WeightMissing { .. } | Self::WeightShape { .. } => {
                sentence!(
                    "The download may be incomplete, or config.json belongs to another model: fetch the folder again"
                )
            }
            Self::WeightRange { .. } => sentence!("Choose bf16 or f32"),
            Self::WeightNotFinite { .. } => sentence!("The file is damaged: fetch it again"),
            Self::WeightsRun { .. } => sentence!("Do not open the file elsewhere; fetch the model as safetensors"),
            Self::WeightDtype { .. } => sentence!("Convert the model to float64, float32, float16 or bfloat16"),
            Self::Tokenizer(_) => sentence!("Check that the files of the tokenizer belong to this model"),
            Self::NoTrainableRow { .. } => sentence!("Check the columns and the template, or raise the length limit"),
            Self::ColumnMissing { .. } => sentence!("Choose one of the columns that are there"),
            Self::BadRow { .. } => {
                sentence!("Correct the row, or remove it; a file in another encoding is saved as UTF-8 as a whole")
            }
            Self::NotRows { advice, .. } => advice.clone(),
            Self::SourceColumns { .. } => {
                sentence!("Take a row of the dataset, or give each of them: --column NAME=VALUE on the command line")
            }
            Self::Template(_) => sentence!("Correct the template; columns are written as {{ name }}"),
            Self::ContextOverflow { .. } => sentence!("Shorten the prefix, or lower the length limit of a row"),
            Self::UnequalRows { .. } => sentence!("Give files with a row for each prediction, in the same order"),
            Self::NoReferences { .. } => sentence!("Name a file of references: --references FILE"),
            Self::NoMetric { .. } => sentence!("Choose one of the metrics that are there"),
            Self::MetricNeedsModel { .. } => {
                sentence!("Score the predictions with the metric's own program, or choose another metric")
            }
            Self::Setting { .. } => sentence!("Correct the setting"),
            Self::Recipe { .. } => sentence!("Choose another preset, or the method and the task that it is for"),
            Self::Diverged { .. } => sentence!("Lower the learning rate, then resume from the last checkpoint"),
            Self::AdapterMismatch { .. } => sentence!("Choose the model that the adapter was made for"),
            Self::NoChatTemplate => sentence!("Give the prompt as a text, or choose a model with a chat template"),
            Self::NotMerged { .. } | Self::NoPlace { .. } => {
                sentence!("Export it in PEFT's form, or as a .prefix file")
            }
            Self::NoHead { .. } => {
                sentence!("Choose an adapter that was trained for them, or rows with the classes of the model's head")
            }
            Self::AdapterType(_) => {
                sentence!(
                    "Choose an adapter of prefix tuning, prompt tuning, P-tuning or LoRA; with PEFT, others that change weights \
                 can be merged into their base model, and the merged model opened as a model"
                )
            }
            Self::AdapterOption { .. } | Self::AdapterTensors { .. } => {
                sentence!(
                    "Use it with the program that made it; where that can merge it into its base model, as PEFT's \
                 merge_and_unload does for LoRA, open the merged model as a model"
                )
            }
            Self::Lookalike { is, .. } => is.advice(),
            Self::UnknownAdapter { .. } => {
                sentence!(
                    "Choose a .prefix file, or a folder or file of PEFT, the paper's code, P-tuning v2, ChatGLM or the \
                 adapters library"
                )
            }
            Self::OtherBase { .. } => sentence!("Choose that model, or accept this one explicitly"),
            Self::NoSuchDevice { .. } => sentence!("Choose one of the devices that are there, or cpu"),
            Self::TensorTooLarge { .. } => sentence!("Choose the CPU, or a smaller model"),
            Self::NoPrecision { .. } => sentence!("Choose f32, or another device"),
            Self::DeviceFails { .. } => {
                sentence!("Choose another device or the CPU; with a new driver it is tried again")
            }
            Self::Stopped => sentence!("Start it again when you like"),
            Self::Changed { .. } => {
                sentence!(
                    "Put back what it began with; or go on with what has changed, on the command line with --changed-data"
                )
            }
            Self::Resume(_) => sentence!("Start a new run with the same settings"),
            Self::Computation(_) => {
                sentence!("Try the CPU; if it happens there too, please report it with the details")
            }
        }
    }
}

/// Whether a file is for programs alone, so that nobody can correct it in an editor.
fn is_binary(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    [
        "safetensors",
        "bin",
        "pt",
        "pth",
        "ckpt",
        "npy",
        "model",
        "prefix",
        "parquet",
        "arrow",
        "feather",
        "ipc",
        "gz",
        "zst",
        "xz",
    ]
    .contains(&ending.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_read_is_not_corrected_in_an_editor() {
        let advice = |name: &str| {
            EngineError::Malformed {
                what: sentence!("the adapter"),
                path: name.into(),
                reason: crate::Sentence::default(),
            }
            .advice()
        };
        assert!(advice("adapter_config.json").to_string().contains("editor"));
        assert!(advice("rows").to_string().contains("editor"));
        for name in ["adapter_model.safetensors", "a.BIN", "mine.prefix", "spiece.model"] {
            assert!(
                advice(name).to_string().contains("fetch it again") && !advice(name).to_string().contains("editor"),
                "{name}"
            );
        }
    }
}
