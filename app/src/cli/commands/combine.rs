//! `combine`: several prefixes or soft prompts as one adapter.

use std::path::PathBuf;

use clap::Args;
use engine::adapters::Combination;
use engine::protocol::Ask;
use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::{absolute, path};
use crate::cli::support::session::Session;
use crate::cli::support::target::TargetArgs;

/// Put several prefixes or soft prompts of one model side by side, or mix them.
#[derive(Debug, Args)]
pub(in crate::cli) struct CombineArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Weight of each adapter, in their order, as in 0.2,0.8: a weighted sum. Without it their slots stand side by side
    #[arg(long, value_name = "W,W", value_delimiter = ',', allow_hyphen_values = true)]
    weights: Option<Vec<f64>>,
    /// Folder to write
    #[arg(long, value_name = "DIR", value_parser = path())]
    to: PathBuf,
}

pub(in crate::cli) fn run(args: CombineArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let adapters = target.columns.into_iter().filter_map(|column| column.adapter).collect();
    let how = match args.weights {
        Some(weights) => Combination::Interpolated { weights },
        None => Combination::Concatenated,
    };
    let to = absolute(&args.to)?;
    let session = Session::start(&workspace, None)?;
    let ask = Ask::Combine { adapters, model: target.model, how, to };
    let folder = session.written(ask)?;
    if global.json {
        out::result(named("written", &json!({"folder": folder})));
    } else {
        out::result(folder.display());
        out::note(format_args!("Make a run of it with: prefix-workbench import {}", folder.display()));
    }
    Ok(())
}
