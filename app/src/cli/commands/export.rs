//! `export`: an adapter in PEFT's format, as one file, for another program, or in the weights of its model.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use engine::adapters::{CacheForm, CacheNumbers, GgufNumbers, Program};
use engine::bundle;
use engine::device::DeviceChoice;
use engine::files::{self, Kind};
use engine::protocol::Ask;
use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::{absolute, path};
use crate::cli::support::session::Session;
use crate::cli::support::target::TargetArgs;

/// Write a run's adapter in PEFT's format, as one file, for another program, or the model with the adapter in its weights.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportArgs {
    /// Take the adapter (LoRA, trained weights) into the model's weights: a plain checkpoint, or one file in GGUF
    #[arg(long)]
    merge: bool,
    #[command(flatten)]
    target: TargetArgs,
    /// Folder to write, for PEFT; a file whose name ends in .prefix, with all that belongs to it; in .ggsq or .gguf, for
    /// llama.cpp; in .pt, for vLLM; or in .bin (pytorch_model.bin), which ChatGLM's P-tuning loads
    #[arg(long, value_name = "PATH", value_parser = path())]
    to: PathBuf,
    /// The program that will serve it, where the name of the file does not say
    #[arg(long = "for", value_enum, value_name = "PROGRAM")]
    program: Option<ProgramArg>,
    /// Numbers of the cache that a state of llama.cpp goes into, as its --cache-type-k and --cache-type-v
    #[arg(long, value_enum, default_value = "f16")]
    cache_type: CacheArg,
    /// Whether llama.cpp computes attention in one piece there, as its --flash-attn
    #[arg(long, value_enum, default_value = "on")]
    flash_attn: Switch,
    /// LLAMA_STATE_SEQ_VERSION of that llama.cpp: 2 until August 2026, then 3
    #[arg(long, value_name = "N", default_value_t = CacheForm::default().version)]
    state_version: u32,
    /// Numbers of the matrices of a merged model in GGUF
    #[arg(long, value_enum, default_value = "f16")]
    numbers: NumbersArg,
    /// A text file that goes into the .prefix file: what it was trained on, what it is good for, its licence
    #[arg(long, value_name = "FILE", value_parser = path())]
    card: Option<PathBuf>,
    /// Put no rows of the data into the .prefix file: neither samples nor the prompts that the check is computed with
    #[arg(long)]
    no_samples: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProgramArg {
    /// Hugging Face's PEFT, and what loads its folders
    Peft,
    /// A prefix as the state of a sequence, LoRA as an adapter in GGUF
    #[value(name = "llama.cpp", alias = "llama-cpp")]
    LlamaCpp,
    /// A soft prompt as prompt embeddings
    Vllm,
    /// P-tuning's checkpoint
    Chatglm,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CacheArg {
    F16,
    F32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NumbersArg {
    /// 16 bits
    F16,
    /// Blocks of 8 bits
    #[value(name = "q8_0")]
    Q8_0,
    /// Blocks of 4 bits, embeddings and head in 8
    #[value(name = "q4_0")]
    Q4_0,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// PEFT's folder, or ChatGLM's file by its name.
    Plain,
    Bundle,
    For(ProgramArg),
    Merged,
    MergedGguf,
}

impl ExportArgs {
    fn form(&self) -> Result<Form, CliError> {
        let ending = self.to.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let is_bin = ending == "bin";
        let form = match (self.program, ending) {
            (Some(ProgramArg::Chatglm), _) if !is_bin => {
                return Err(CliError::usage(
                    "ChatGLM loads a file whose name ends in .bin",
                    "--to FOLDER/pytorch_model.bin",
                ));
            }
            (Some(ProgramArg::LlamaCpp), _) | (None, "gguf") if self.merge => Form::MergedGguf,
            _ if self.merge => Form::Merged,
            (Some(ProgramArg::Peft), _) if is_bin || ending == bundle::ENDING => {
                return Err(CliError::usage("PEFT reads a folder", "Leave the ending of its name away"));
            }
            (Some(ProgramArg::Peft | ProgramArg::Chatglm), _) => Form::Plain,
            (Some(program), _) => Form::For(program),
            (None, "ggsq" | "gguf") => Form::For(ProgramArg::LlamaCpp),
            (None, "pt") => Form::For(ProgramArg::Vllm),
            (None, bundle::ENDING) => Form::Bundle,
            (None, _) => Form::Plain,
        };
        if form != Form::Bundle && self.card.is_some() {
            return Err(CliError::usage("--card has no place there", "Name a file: --to NAME.prefix"));
        }
        if form != Form::Bundle && self.no_samples {
            return Err(CliError::usage("There are no samples to leave out", "Leave --no-samples away"));
        }
        if !CacheForm::VERSIONS.contains(&self.state_version) {
            let [first, last] = CacheForm::VERSIONS;
            let what = format!("states of version {} are not written", self.state_version);
            return Err(CliError::usage(what, format!("--state-version {first} or {last}")));
        }
        Ok(form)
    }

    fn cache(&self) -> CacheForm {
        let numbers = match self.cache_type {
            CacheArg::F16 => CacheNumbers::F16,
            CacheArg::F32 => CacheNumbers::F32,
        };
        CacheForm { numbers, flash_attention: self.flash_attn == Switch::On, version: self.state_version }
    }

    fn ask(&self, form: Form, adapter: PathBuf, model: PathBuf, to: PathBuf, global: &Global) -> Result<Ask, CliError> {
        Ok(match form {
            Form::Plain => Ask::Export { adapter, to },
            Form::Merged => Ask::Merge { adapter, model, to },
            Form::MergedGguf => {
                let numbers = match self.numbers {
                    NumbersArg::F16 => GgufNumbers::F16,
                    NumbersArg::Q8_0 => GgufNumbers::Q8_0,
                    NumbersArg::Q4_0 => GgufNumbers::Q4_0,
                };
                Ask::MergeGguf { adapter, model, numbers, to }
            }
            Form::For(ProgramArg::Vllm) => Ask::ExportFor { adapter, model, program: Program::Vllm, to },
            Form::For(_) => Ask::ExportFor { adapter, model, program: Program::LlamaCpp(self.cache()), to },
            Form::Bundle => {
                let device = global.device.unwrap_or(DeviceChoice::Auto);
                let card = self.card.as_deref().map(|card: &Path| files::read_to_string(card, Kind::Template));
                let card = card.transpose()?.unwrap_or_default();
                Ask::Share { adapter, model, device, card, with_samples: !self.no_samples, to }
            }
        })
    }
}

pub(in crate::cli) fn export(args: &ExportArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let form = args.form()?;
    let workspace = global.workspace()?;
    let (model, column, _) = args.target.resolve(&workspace, global)?.only()?;
    let Some(adapter) = column.adapter else {
        return Err(CliError::usage("the base model has no adapter to export", "Name a run: --run RUN"));
    };
    let ask = args.ask(form, adapter, model, absolute(&args.to)?, global)?;
    let session = Session::start(&workspace, None)?;
    let folder = session.written(ask)?;
    if global.json {
        out::result(named("written", &json!({"folder": folder})));
    } else {
        out::result(folder.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ExportArgs,
    }

    fn form(line: &str) -> Result<Form, CliError> {
        Line::try_parse_from(std::iter::once("export").chain(line.split(' '))).unwrap().args.form()
    }

    #[test]
    fn the_name_of_the_file_or_a_word_says_what_is_written() {
        for (line, expected) in [
            ("--to folder", Form::Plain),
            ("--to pytorch_model.bin", Form::Plain),
            ("--to mine.prefix", Form::Bundle),
            ("--to mine.ggsq", Form::For(ProgramArg::LlamaCpp)),
            ("--to mine.gguf", Form::For(ProgramArg::LlamaCpp)),
            ("--to slot --for llama.cpp", Form::For(ProgramArg::LlamaCpp)),
            ("--to mine.pt", Form::For(ProgramArg::Vllm)),
            ("--to mine --for vllm", Form::For(ProgramArg::Vllm)),
            ("--to mine.gguf --merge", Form::MergedGguf),
            ("--to mine --merge --for llama.cpp", Form::MergedGguf),
            ("--to mine --merge", Form::Merged),
        ] {
            assert_eq!(form(line).unwrap(), expected, "{line}");
        }
        for line in [
            "--to mine --for chatglm",
            "--to mine.prefix --for peft",
            "--to mine.gguf --no-samples",
            "--to mine.ggsq --card card.md",
            "--to mine.ggsq --state-version 9",
        ] {
            assert!(form(line).is_err(), "{line}");
        }
    }
}
