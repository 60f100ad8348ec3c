//! `runs export`: figures, settings and curves of runs for other programs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::report::named_runs;
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::session::StoreLink;
use crate::exports::{Form, to_file, to_folder};
use crate::report::records;

/// Write figures, settings and curves of runs for other programs.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExportRunsArgs {
    /// Runs by id, by the beginning or end of it, or by name; experiments by id or name
    #[arg(required = true, value_name = "RUN|EXPERIMENT")]
    runs: Vec<String>,
    /// A file for all of them (.csv, .json, .svg, .png), or a folder with one for each
    #[arg(long, value_name = "FILE|DIR", value_parser = path())]
    to: PathBuf,
    /// In a folder only these forms; may be repeated
    #[arg(long, value_enum)]
    form: Vec<FormArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormArg {
    /// A line for each step
    Csv,
    /// Settings, figures, curves
    Json,
    /// Event files
    Tensorboard,
    /// Curves
    Svg,
    /// Curves
    Png,
}

impl From<FormArg> for Form {
    fn from(form: FormArg) -> Self {
        match form {
            FormArg::Csv => Self::Csv,
            FormArg::Json => Self::Json,
            FormArg::Tensorboard => Self::TensorBoard,
            FormArg::Svg => Self::Svg,
            FormArg::Png => Self::Png,
        }
    }
}

pub(in crate::cli) fn run(store: &StoreLink, args: &ExportRunsArgs, global: &Global) -> Result<(), CliError> {
    let asked = named_runs(&global.workspace()?, store, &args.runs)?;
    let records = records(store, &asked.runs)?;
    let written = match Form::of(&args.to) {
        Some(_) if !args.form.is_empty() => {
            return Err(CliError::usage("a file has its form by its ending", "Leave out --form, or name a folder"));
        }
        Some(form) => {
            to_file(&records, form, &args.to)?;
            vec![args.to.clone()]
        }
        None => {
            let forms: Vec<Form> = args.form.iter().map(|form| Form::from(*form)).collect();
            to_folder(&records, if forms.is_empty() { &Form::ALL } else { &forms }, &args.to)?
        }
    };
    for file in written {
        match global.json {
            true => out::result(named("written", &json!({ "file": file }))),
            false => out::result(file.display()),
        }
    }
    Ok(())
}
