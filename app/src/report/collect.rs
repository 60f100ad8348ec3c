//! What is handed on of runs, gathered from the store, the run folders and the engine, which says how large a prefix is.
//! This may wait: a window does it on a thread of its own.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use engine::analysis::PrefixGrid;
use engine::config::RunConfig;
use engine::error::Failure;
use engine::files::{self, Kind};
use engine::protocol::{Ask, Command, JobId, Report};
use engine::sentence;
use engine::training::checkpoint::CheckpointState;
use engine::training::origin::Origin;
use engine::training::run_folder::read_checkpoints;
use engine::training::{EvaluationReport, RunFacts, SampleReport};
use engine::worker::Engine;
use sha2::{Digest, Sha256};

use crate::store::{
    Answer, Cursor, KeptEvaluation, Request, RunDetail, RunRow, Series, Store, adapter_folder, initial_folder,
};
use crate::study;
use crate::workspace::{RunId, Workspace};

/// Prefixes whose vectors are measured.
const MOST_GRIDS: usize = 8;
/// So many runs have a picture each, whether or not they differ in their seeds alone.
const MOST_ALONE: usize = 4;
/// A larger file of rows is not read for its digest.
const LARGEST_DIGESTED: u64 = 1 << 30;

/// A run with all that is told of it.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// As the table has it.
    pub row: RunRow,
    /// Settings; `None` where they cannot be understood.
    pub config: Option<Box<RunConfig>>,
    /// Known once it has started.
    pub facts: Option<Box<RunFacts>>,
    /// Figures of the steps, by name.
    pub series: Vec<Series>,
    /// By step.
    pub evaluations: Vec<EvaluationReport>,
    /// By step and row.
    pub samples: Vec<SampleReport>,
    /// Evaluations of whole files, the newest first.
    pub kept: Vec<KeptEvaluation>,
    /// Digests of rows and tokenizer, from its last checkpoint.
    pub origin: Option<Origin>,
}

impl RunRecord {
    /// A run of which nothing is known but its row.
    pub fn of(row: RunRow) -> Self {
        Self {
            row,
            config: None,
            facts: None,
            series: Vec::new(),
            evaluations: Vec::new(),
            samples: Vec::new(),
            kept: Vec::new(),
            origin: None,
        }
    }

    /// A figure of the steps.
    pub fn series(&self, name: &str) -> &[[f64; 2]] {
        self.series.iter().find(|series| series.name == name).map_or(&[], |series| &series.points)
    }
}

/// A file of rows as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its size and SHA-256; `None` where it is gone, no file, or too large to be read for this.
    pub digest: Option<(u64, String)>,
}

/// Answers of the store.
pub type StoreLink = (Store, Receiver<Answer>);

/// Asks the store, and waits for the answer that `pick` wants.
///
/// # Errors
/// The store refuses, or is gone.
pub fn ask<T>(
    (store, answers): &StoreLink,
    request: Request,
    pick: impl Fn(Answer) -> Option<T>,
) -> Result<T, Failure> {
    store.send(request);
    for answer in answers {
        match answer {
            Answer::Refused(failure) => return Err(failure),
            answer => {
                if let Some(found) = pick(answer) {
                    return Ok(found);
                }
            }
        }
    }
    Err(Failure {
        what: sentence!("the store of runs ended unexpectedly"),
        advice: sentence!("Start the program again"),
    })
}

/// All that is known of runs, in their order.
///
/// # Errors
/// The store does not know one of them.
pub fn records(store: &StoreLink, runs: &[RunId]) -> Result<Vec<RunRecord>, Failure> {
    runs.iter().map(|run| record(store, run)).collect()
}

fn record(store: &StoreLink, run: &RunId) -> Result<RunRecord, Failure> {
    let news = |since: Cursor| {
        ask(store, Request::Detail { run: run.clone(), since }, |answer| match answer {
            Answer::Detail(detail) if detail.row.id == *run => Some(*detail),
            _ => None,
        })
    };
    let mut detail = news(Cursor::default())?;
    while detail.more {
        let next = news(detail.cursor)?;
        detail = if next.replace { next } else { joined(detail, next) };
    }
    let RunDetail { row, config, facts, series, evaluations, samples, kept, .. } = detail;
    let origin = origin(&row.folder);
    Ok(RunRecord { origin, row, config, facts, series, evaluations, samples, kept })
}

fn joined(mut before: RunDetail, news: RunDetail) -> RunDetail {
    for series in news.series {
        match before.series.iter_mut().find(|known| known.name == series.name) {
            Some(known) => known.points.extend(series.points),
            None => before.series.push(series),
        }
    }
    before.evaluations.extend(news.evaluations);
    before.samples.extend(news.samples);
    (before.cursor, before.more) = (news.cursor, news.more);
    before
}

/// What a run's last checkpoint says of its rows.
fn origin(run: &Path) -> Option<Origin> {
    let last = read_checkpoints(run).ok()?.last?;
    let path = run.join("checkpoints").join(last).join("state.json");
    files::read_json::<CheckpointState>(&path, Kind::RunRecord, sentence!("the checkpoint")).ok()?.origin
}

/// The files of rows of runs, each once, in their order.
pub fn data_files(runs: &[RunRecord]) -> Vec<DataFile> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for data in runs.iter().filter_map(|run| run.config.as_ref()).map(|config| &config.data) {
        let more = data.more.iter().flat_map(|more| [Some(&more.train), more.validation.as_ref()]);
        let all = [Some(&data.train), data.validation.as_ref()].into_iter().chain(more).flatten();
        for path in all.filter(|path| !path.as_os_str().is_empty()) {
            if !paths.contains(path) {
                paths.push(path.clone());
            }
        }
    }
    paths.into_iter().map(|path| DataFile { digest: digest(&path), path }).collect()
}

fn digest(path: &Path) -> Option<(u64, String)> {
    let mut file = files::open(path, Kind::Rows).ok()?;
    let size = file.metadata().ok()?.len();
    if size > LARGEST_DIGESTED {
        return None;
    }
    let (mut digest, mut block) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut block).ok()? {
            0 => break,
            n => digest.update(&block[..n]),
        }
    }
    Some((size, digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Norms of the vectors of each run's prefix, of the first that have one. Of many runs those that differ in their seeds alone
/// have one that stands for them.
///
/// # Errors
/// The engine does not start.
pub fn grids(workspace: &Workspace, runs: &[RunRecord]) -> Result<Vec<(usize, PrefixGrid)>, Failure> {
    let (outbox, events) = channel();
    let engine = Engine::spawn(workspace.cache(), None, move |event| drop(outbox.send(event)))
        .map_err(|error| Failure::from(&error))?;
    let mut grids = Vec::new();
    let rows: Vec<&RunRow> = runs.iter().map(|run| &run.row).collect();
    let groups = if runs.len() > MOST_ALONE { study::but_for_seeds(&rows) } else { Vec::new() };
    let firsts: BTreeSet<usize> = groups.iter().filter_map(|(runs, _)| runs.first().copied()).collect();
    for (at, run) in runs.iter().enumerate().filter(|(at, _)| firsts.is_empty() || firsts.contains(at)) {
        let Some(adapter) = adapter_folder(&run.row.folder).filter(|_| grids.len() < MOST_GRIDS) else { continue };
        let job = JobId(at as u64 + 1);
        let ask = Ask::DescribePrefix { adapter, model: None, initial: initial_folder(&run.row.folder) };
        if engine.send(Command { job, ask }).is_err() {
            break;
        }
        let answer = events.iter().filter(|event| event.job == job).find_map(|event| match event.what {
            Report::Grid(grid) => Some(Some(grid)),
            Report::Failed(_) | Report::Finished { .. } => Some(None),
            _ => None,
        });
        if let Some(grid) = answer.flatten().filter(|grid| grid.n_layers * grid.n_virtual > 0) {
            grids.push((at, *grid));
        }
    }
    Ok(grids)
}
