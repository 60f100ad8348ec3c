//! `verify`: computes reference cases and compares; one JSON line for each group of numbers, or for each of many cases.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::verify::{Group, Report};
use serde::Serialize;

use crate::cli::Global;
use crate::cli::support::engine_link;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::paths::path;

/// Hold the program against a reference case, or against many.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// Folders with model, adapter, case.json and tensors.safetensors
    #[arg(required = true, value_name = "CASE", value_parser = path())]
    cases: Vec<PathBuf>,
    /// Write what this program computes for a case to a safetensors file
    #[arg(long, value_name = "FILE", value_parser = path())]
    out: Option<PathBuf>,
}

/// A case in one line: the group that is nearest to its tolerance, or beyond it.
#[derive(Serialize)]
struct Line<'a> {
    case: &'a str,
    groups: usize,
    ok: bool,
    worst: &'a str,
    max_abs_diff: f64,
    tolerance: f64,
}

/// Exit code 1 when a group is not within tolerance.
pub(in crate::cli) fn run(args: &VerifyArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    if args.out.is_some() && args.cases.len() > 1 {
        return Err(CliError::usage("--out takes the results of one case", "Verify the cases one by one"));
    }
    let place = (global.device.unwrap_or_default(), global.numbers());
    let mut outside = 0;
    let mut compared = 0;
    for case in &args.cases {
        let report = engine_link::verify(case, args.out.as_deref(), place)?;
        compared += report.groups.len();
        outside += report.groups.iter().filter(|group| !group.ok).count();
        if args.cases.len() == 1 {
            report.groups.iter().for_each(|group| out::result(json::plain(group)));
        } else {
            tell(case, &report);
        }
    }
    out::note(format_args!("{compared} groups compared, {outside} outside of tolerance"));
    if outside == 0 { Ok(()) } else { Err(CliError::Negative) }
}

fn tell(case: &Path, report: &Report) {
    // Tokens have no tolerance: one that differs is as far as can be.
    let share =
        |group: &Group| if group.ok && group.tolerance == 0.0 { 0.0 } else { group.max_abs_diff / group.tolerance };
    let worst = report.groups.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    let name = case.file_name().unwrap_or(case.as_os_str()).to_string_lossy();
    if let Some(Group { group, max_abs_diff, tolerance, .. }) = worst {
        out::result(json::plain(&Line {
            case: &name,
            groups: report.groups.len(),
            ok: report.ok(),
            worst: group,
            max_abs_diff: *max_abs_diff,
            tolerance: *tolerance,
        }));
    }
}
