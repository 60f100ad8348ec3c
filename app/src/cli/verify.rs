//! `verify`: computes a reference case and compares; one JSON line for each group of numbers.

use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use super::{Global, engine_link, json, out};

/// Hold the program against a reference case.
#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Folder with model, adapter, case.json and tensors.safetensors
    case: PathBuf,
    /// Write what this program computes to a safetensors file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Exit code 1 when a group is not within tolerance.
pub(super) fn run(args: &VerifyArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let report = engine_link::verify(&args.case, args.out.as_deref(), global.device.unwrap_or_default())?;
    for group in &report.groups {
        out::result(json::plain(group));
    }
    let outside = report.groups.iter().filter(|group| !group.ok).count();
    out::note(format_args!("{} groups compared, {outside} outside of tolerance", report.groups.len()));
    if report.ok() { Ok(()) } else { Err(CliError::Negative) }
}
