//! `report`: a page to hand on, of runs or of an experiment.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::named;
use crate::cli::support::out;
use crate::cli::support::paths::path;
use crate::cli::support::session::{StoreLink, find_run, list_runs, open_store};
use crate::i18n::{self, Language};
use crate::report::{Form, Found, Report, find_experiment};
use crate::workspace::{RunId, Workspace};

/// Write a page on runs or experiments: results, curves, texts, what they were trained on, how to repeat them.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// Runs by id, by the beginning or end of it, or by name; experiments by id or name
    #[arg(required = true, value_name = "RUN|EXPERIMENT")]
    what: Vec<String>,
    /// The file: .html is a page, .md and .tex are its tables
    #[arg(long, value_name = "FILE", value_parser = path())]
    to: Option<PathBuf>,
    /// The tables to standard output
    #[arg(long, value_enum, value_name = "FORM")]
    tables: Option<Tables>,
    /// Title of the page
    #[arg(long)]
    title: Option<String>,
    /// Language of the page
    #[arg(long, value_enum, default_value_t = Spoken::En)]
    language: Spoken,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tables {
    /// Markdown
    Md,
    /// LaTeX with booktabs
    Tex,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Spoken {
    En,
    Zh,
}

pub(in crate::cli) fn run(args: &ReportArgs, global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let form = match (&args.to, args.tables) {
        (Some(file), _) => Some(Form::of(file).ok_or_else(|| {
            CliError::usage(format!("{} is of no form", file.display()), "Name a file that ends in .html, .md or .tex")
        })?),
        (None, Some(_)) => None,
        (None, None) => {
            return Err(CliError::usage("a report needs a place", "Name a file: --to report.html; or --tables md"));
        }
    };
    i18n::set_language(match args.language {
        Spoken::En => Language::English,
        Spoken::Zh => Language::Chinese,
    });
    let workspace = global.workspace()?;
    let store = open_store(&workspace)?;
    let gathered = gather(&workspace, &store, args);
    store.0.close();
    let report = gathered?;
    match args.tables {
        Some(Tables::Md) => out::piece(report.written(Form::Markdown)),
        Some(Tables::Tex) => out::piece(report.written(Form::Latex)),
        None => {}
    }
    if let (Some(file), Some(form)) = (&args.to, form) {
        engine::files::write_whole(file, report.written(form).as_bytes())?;
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        match global.json {
            true => out::result(named("report", &json!({ "file": file, "runs": report.runs.len() }))),
            false => out::result(file.display()),
        }
    }
    Ok(())
}

fn gather(workspace: &Workspace, store: &StoreLink, args: &ReportArgs) -> Result<Report, CliError> {
    let Found { mut name, runs, file } = named_runs(workspace, store, &args.what)?;
    if let Some(title) = &args.title {
        name.clone_from(title);
    }
    Ok(Report { experiment: file, ..Report::of(workspace, store, &name, &runs)? })
}

/// The runs that are meant, each once, with a title: the experiments' names, or those of few runs.
pub(in crate::cli) fn named_runs(
    workspace: &Workspace,
    store: &StoreLink,
    asked: &[String],
) -> Result<Found, CliError> {
    let rows = list_runs(store)?;
    let (mut titles, mut files): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut runs: Vec<RunId> = Vec::new();
    for word in asked {
        let found = match find_experiment(workspace, &rows, word) {
            Some(found) if found.runs.is_empty() => {
                return Err(CliError::usage(format!("no run of {word:?} has begun"), "Start the experiment first"));
            }
            Some(found) => found,
            None => {
                let run = find_run(store, word)?;
                Found { name: run.name, runs: vec![run.id], file: None }
            }
        };
        titles.push(found.name);
        files.extend(found.file);
        runs.extend(found.runs.into_iter().filter(|run| !runs.contains(run)).collect::<Vec<_>>());
    }
    titles.dedup();
    let name = match titles.len() {
        1..=3 => titles.join(" · "),
        n => format!("{} · … ({n})", titles[..2].join(" · ")),
    };
    // Several experiments are several files, of which none does it all again.
    let file = if titles.len() == 1 { files.pop() } else { None };
    Ok(Found { name, runs, file })
}
