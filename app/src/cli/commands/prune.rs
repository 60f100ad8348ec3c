//! `prune`: a prefix or a soft prompt with its most important slots alone, or a prefix with as many that are fitted.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use engine::analysis::{Analysis, ImportanceReport, Question, ShorterReport};
use engine::data::gives_soft;
use engine::protocol::{AnalysisRequest, Ask, Report};
use serde_json::json;

use super::evaluate::{RowsArgs, asked_rows};
use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::{absolute, path};
use crate::cli::support::session::Session;
use crate::cli::support::target::TargetArgs;

/// Write a prefix or a soft prompt with its most important slots alone, and say what it costs.
#[derive(Debug, Args)]
pub(in crate::cli) struct PruneArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Slots to keep
    #[arg(long, value_name = "N")]
    keep: NonZeroUsize,
    #[command(flatten)]
    rows: RowsArgs,
    /// Rows that say which slots matter
    #[arg(long, value_name = "N", default_value_t = 32)]
    limit: usize,
    /// Of a prefix: fit as many keys and values to what all slots did, without training (attention matching)
    #[arg(long = "match")]
    matched: bool,
    /// Folder to write
    #[arg(long, value_name = "DIR", value_parser = path())]
    to: PathBuf,
}

pub(in crate::cli) fn run(args: PruneArgs, global: &Global) -> Result<(), CliError> {
    let workspace = global.workspace()?;
    let target = args.target.resolve(&workspace, global)?;
    let (data, _) = asked_rows(&target, args.rows, global)?;
    let numbers = target.numbers(global);
    let (model, column, _) = target.only()?;
    let Some(adapter) = column.adapter else {
        return Err(CliError::usage("the base model has no slots", "Name a run or an adapter: --run RUN"));
    };
    if gives_soft(&data.prompt_template) {
        return Err(CliError::usage(
            "its soft tokens stand in the template of its rows, which has as many as there are",
            "Train a run with fewer in its template",
        ));
    }
    let keep = args.keep.get();
    let to = absolute(&args.to)?;
    let session = Session::start(&workspace, None)?;
    let sizes = vec![keep];
    let question = match args.matched {
        true => Question::Shorter { sizes },
        false => Question::Importance { leave_one_out: 0, sizes },
    };
    let request = AnalysisRequest {
        model: model.clone(),
        device: global.device.unwrap_or_default(),
        numbers,
        adapter: adapter.clone(),
        other: None,
        initial: None,
        question,
        data,
        text: None,
        rows: args.limit,
        checkpoints: Vec::new(),
    };
    if args.matched {
        return shorten(&session, request, (keep, to), global);
    }
    let report = session.ask(Ask::Analyze(Box::new(request)), |report| match report {
        Report::Analysis(analysis) => match *analysis {
            Analysis::Importance(report) => Some(report),
            _ => None,
        },
        _ => None,
    })?;
    if keep >= report.order.len() {
        return Err(CliError::usage(
            format!("--keep {keep} keeps every slot: it has {}", report.order.len()),
            "Keep fewer",
        ));
    }
    let mut slots = report.order[..keep].to_vec();
    slots.sort_unstable();
    let ask = Ask::Prune { adapter, model, slots: slots.clone(), to };
    let folder = session.written(ask)?;
    let loss = loss_of(&report, keep);
    if global.json {
        let (before, rows) = (report.loss, report.rows);
        out::result(named(
            "pruned",
            &json!({"folder": folder, "slots": slots, "of": report.order.len(), "loss": loss, "loss_before": before, "rows": rows}),
        ));
        return Ok(());
    }
    out::result(folder.display());
    let numbers: Vec<String> = slots.iter().map(|slot| (slot + 1).to_string()).collect();
    out::note(format_args!("Slots {} of {}", numbers.join(", "), report.order.len()));
    out::note(format_args!("Loss {:.4} → {loss:.4} on {} rows", report.loss, report.rows));
    out::note(format_args!("Make a run of it with: prefix-workbench import {}", folder.display()));
    Ok(())
}

/// Writes a prefix with so many slots that are fitted, and tells all three losses.
fn shorten(
    session: &Session,
    request: AnalysisRequest,
    (slots, to): (usize, PathBuf),
    global: &Global,
) -> Result<(), CliError> {
    let mut found = ShorterReport::default();
    let folder = session.ask(Ask::Shorten { request: Box::new(request), slots, to }, |report| match report {
        Report::Analysis(analysis) => {
            if let Analysis::Shorter(report) = *analysis {
                found = report;
            }
            None
        }
        Report::Written { folder } => Some(folder),
        _ => None,
    })?;
    let ShorterReport { loss, n_slots, rows, .. } = found;
    let size = found.sizes.first().cloned().unwrap_or_default();
    if global.json {
        let (fitted, best) = (size.matched, size.pruned);
        out::result(named(
            "shortened",
            &json!({"folder": folder, "slots": slots, "of": n_slots, "loss": fitted, "loss_pruned": best, "loss_before": loss, "rows": rows}),
        ));
        return Ok(());
    }
    out::result(folder.display());
    out::note(format_args!(
        "Loss {loss:.4} with {n_slots} slots → {:.4} with the best {slots} → {:.4} with {slots} fitted, on {rows} rows",
        size.pruned, size.matched
    ));
    out::note(format_args!("Make a run of it with: prefix-workbench import {}", folder.display()));
    Ok(())
}

/// The loss with so many slots.
fn loss_of(report: &ImportanceReport, slots: usize) -> f64 {
    report.pruned.iter().find(|step| step.slots == slots).map_or(f64::NAN, |step| step.loss)
}
