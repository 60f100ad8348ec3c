//! A page to hand on: what runs were trained on, what they differ in, what came of it, and how to repeat it. One file that
//! asks nothing of a network; tables also in Markdown and LaTeX.

mod collect;
mod experiment_file;
mod figures;
mod frame;
mod page;
mod pictures;
mod samples;
mod sources;
mod surroundings;
mod table;

use std::path::Path;

use engine::analysis::PrefixGrid;
use engine::error::Failure;
use engine::files::write_whole;

pub use self::collect::{DataFile, RunRecord, StoreLink, ask, data_files, grids, records};
pub(crate) use self::frame::page;
pub(crate) use self::pictures::evaluated;
pub use self::pictures::{curves, loss_chart};
pub use self::table::{Cell, Head, Table};
use crate::experiments::Plan;
use crate::store::{RunRow, Store};
use crate::t;
use crate::workspace::{RunId, Workspace, now};

/// Runs with all that a report says of them.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Name of the experiment or the run.
    pub title: String,
    /// In their order.
    pub runs: Vec<RunRecord>,
    /// Their files of rows.
    pub files: Vec<DataFile>,
    /// Norms of prefixes, each with the index of its run.
    pub grids: Vec<(usize, PrefixGrid)>,
    /// The experiment that they are of, as a file that does it again.
    pub experiment: Option<String>,
    /// When it is written, in seconds since 1970.
    pub at: i64,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A page for a browser.
    Html,
    /// Tables in Markdown.
    Markdown,
    /// Tables in LaTeX.
    Latex,
}

impl Form {
    /// By the ending of a file; `None` for another.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "html" | "htm" => Some(Self::Html),
            "md" | "markdown" => Some(Self::Markdown),
            "tex" => Some(Self::Latex),
            _ => None,
        }
    }
}

impl Report {
    /// Gathers all that is told of runs.
    ///
    /// # Errors
    /// The store does not know one of them, or the engine does not start.
    pub fn of(workspace: &Workspace, store: &StoreLink, title: &str, runs: &[RunId]) -> Result<Self, Failure> {
        let runs = records(store, runs)?;
        let title = if title.is_empty() { title_of(&runs) } else { title.to_owned() };
        let (files, grids) = (data_files(&runs), grids(workspace, &runs)?);
        Ok(Self { title, files, grids, runs, experiment: None, at: now() })
    }

    /// As a file of this form.
    pub fn written(&self, form: Form) -> String {
        match form {
            Form::Html => page::html(self),
            Form::Markdown => page::markdown(self),
            Form::Latex => page::latex(self),
        }
    }

    fn rows(&self) -> Vec<&RunRow> {
        self.runs.iter().map(|run| &run.row).collect()
    }
}

/// The name of one run, or of the experiment that all are of; the names of few, and how many there are of more.
fn title_of(runs: &[RunRecord]) -> String {
    let names: Vec<&str> = runs.iter().map(|run| run.row.name.as_str()).collect();
    let experiment = runs.first().and_then(|run| run.row.experiment.as_deref());
    match (names.as_slice(), experiment) {
        ([only], _) => (*only).to_owned(),
        (_, Some(name)) if runs.iter().all(|run| run.row.experiment.as_deref() == experiment) => name.to_owned(),
        ([a, b], _) => format!("{a} · {b}"),
        _ => t!("report.runs", n = runs.len()),
    }
}

/// An experiment that was found by its id or name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Those of its runs that the store knows, in their order.
    pub runs: Vec<RunId>,
    /// A file that does it again, where its folder is there.
    pub file: Option<String>,
}

/// An experiment by its id or name: the one in a folder, or a group that runs were put into.
pub fn find_experiment(workspace: &Workspace, rows: &[RunRow], asked: &str) -> Option<Found> {
    let plans = if workspace.root().join("experiments").is_dir() { Plan::list(workspace).0 } else { Vec::new() };
    if let Some(plan) = plans.into_iter().find(|plan| plan.id.0 == asked || plan.experiment.name == asked) {
        let is_known = |run: &RunId| rows.iter().any(|row| row.id == *run);
        let runs = plan.runs.into_iter().map(|run| run.run).filter(is_known).collect();
        let file = sources::at_home(&experiment_file::experiment_file(&plan.experiment));
        return Some(Found { name: plan.experiment.name, runs, file: Some(file) });
    }
    let of_group = rows.iter().filter(|row| row.experiment.as_deref() == Some(asked));
    // The oldest was begun first.
    let runs: Vec<RunId> = of_group.rev().map(|row| row.id.clone()).collect();
    (!runs.is_empty()).then(|| Found { name: asked.to_owned(), runs, file: None })
}

/// Writes the report of runs to a file, by its ending; for a window, on a thread that may wait. It opens the store beside the
/// one that is there.
///
/// # Errors
/// A run is gone, or the file cannot be written.
pub fn write(workspace: &Workspace, title: &str, runs: &[RunId], to: &Path) -> Result<(), Failure> {
    let store =
        Store::open(workspace, || {}).map_err(|error| Failure { what: error.sentence(), advice: error.advice() })?;
    let report = gathered(workspace, &store, title, runs);
    store.0.close();
    let text = report?.written(Form::of(to).unwrap_or(Form::Html));
    write_whole(to, text.as_bytes()).map_err(|error| Failure::from(&error))
}

/// With the file of the experiment that all of the runs are of, if they are of one.
fn gathered(workspace: &Workspace, store: &StoreLink, title: &str, runs: &[RunId]) -> Result<Report, Failure> {
    let report = Report::of(workspace, store, title, runs)?;
    let name = report.runs.first().and_then(|run| run.row.experiment.clone());
    let name = name.filter(|name| report.runs.iter().all(|run| run.row.experiment.as_ref() == Some(name)));
    let rows: Vec<RunRow> = report.runs.iter().map(|run| run.row.clone()).collect();
    let file = name.and_then(|name| find_experiment(workspace, &rows, &name)?.file);
    Ok(Report { experiment: file, ..report })
}
