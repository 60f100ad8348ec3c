//! `combine`: several prefixes or soft prompts as one adapter.

use std::path::PathBuf;

use clap::Args;
use engine::adapters::Combination;
use engine::protocol::{Ask, Report};
use serde_json::json;

use super::error::CliError;
use super::json::named;
use super::paths::path;
use super::session::Session;
use super::target::TargetArgs;
use super::{Global, out};

/// Put several prefixes or soft prompts of one model side by side, or mix them.
#[derive(Debug, Args)]
pub(super) struct CombineArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// What each adapter counts, in their order, as in 0.2,0.8: a weighted sum. Without it their slots stand side by side
    #[arg(long, value_name = "W,W", value_delimiter = ',', allow_hyphen_values = true)]
    weights: Option<Vec<f64>>,
    /// Folder to write
    #[arg(long, value_name = "DIR", value_parser = path())]
    to: PathBuf,
}

pub(super) fn run(args: CombineArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let adapters = target.columns.into_iter().filter_map(|column| column.adapter).collect();
    let how = match args.weights {
        Some(weights) => Combination::Interpolated { weights },
        None => Combination::Concatenated,
    };
    let to = std::path::absolute(&args.to).map_err(|error| CliError::io("find", &args.to, &error))?;
    let session = Session::start(&workspace, None)?;
    let ask = Ask::Combine { adapters, model: target.model, how, to };
    let folder = session.ask(ask, |report| match report {
        Report::Written { folder } => Some(folder),
        _ => None,
    })?;
    if global.json {
        out::result(named("written", &json!({"folder": folder})));
    } else {
        out::result(folder.display());
        out::note(format_args!("Make a run of it with: prefix-workbench import {}", folder.display()));
    }
    Ok(())
}
