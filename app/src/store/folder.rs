//! The files of a run folder as the store reads and writes them.
//!
//! The engine writes `config.json`, `facts.json`, `metrics.jsonl`, `checkpoints.json` and the adapters. The store adds
//! `run.json` (name, state, times), `log.jsonl` and `lock`, which is held by the program that computes the run.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use engine::Sentence;
use engine::error::{EngineError, Failure, IoAction};
use engine::files::{self, Kind, Lines, if_there, write_json};
use engine::training::run_folder;
use engine::training::{BestFigure, ClassificationMetrics, EvaluationReport, SampleReport, StepReport};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::rows::{LogLine, RunState};

/// Star, tags, notes and place of a run, which outlive the database here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Marks {
    pub(super) starred: bool,
    pub(super) archived: bool,
    pub(super) tags: Vec<String>,
    pub(super) notes: String,
}

/// `run.json`: what the engine does not know about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RunFile {
    pub(super) name: String,
    pub(super) state: RunState,
    #[serde(default)]
    pub(super) experiment: Option<String>,
    pub(super) created: i64,
    #[serde(default)]
    pub(super) started: Option<i64>,
    #[serde(default)]
    pub(super) ended: Option<i64>,
    #[serde(default)]
    pub(super) failure: Option<Failure>,
    /// `None` where the database alone has them, as those of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) marks: Option<Marks>,
}

impl RunFile {
    pub(super) fn read(folder: &Path) -> Option<Self> {
        read_json(&folder.join("run.json"))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), EngineError> {
        write_json(&folder.join("run.json"), self)
    }
}

/// The state that a run's folder keeps, whether or not somebody computes it; `None` where it keeps none.
pub fn kept_state(run: &Path) -> Option<RunState> {
    RunFile::read(run).map(|file| file.state)
}

/// One line of `metrics.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Line {
    Step(StepLine),
    Evaluation(EvaluationLine),
    Sample(SampleReport),
}

/// A [`StepReport`] whose figures may be missing: JSON has no NaN.
#[derive(Debug, Deserialize)]
pub(super) struct StepLine {
    step: usize,
    loss: Option<f64>,
    learning_rate: Option<f64>,
    grad_norm: Option<f64>,
    #[serde(default, alias = "labelled_tokens")]
    labeled_tokens: usize,
    #[serde(default)]
    tokens: usize,
    elapsed_secs: Option<f64>,
}

impl From<StepLine> for StepReport {
    fn from(line: StepLine) -> Self {
        Self {
            step: line.step,
            loss: line.loss.unwrap_or(f64::NAN),
            learning_rate: line.learning_rate.unwrap_or(f64::NAN),
            grad_norm: line.grad_norm.unwrap_or(f64::NAN),
            labeled_tokens: line.labeled_tokens,
            tokens: line.tokens,
            elapsed_secs: line.elapsed_secs.unwrap_or(0.0),
        }
    }
}

/// An [`EvaluationReport`] whose loss may be missing.
#[derive(Debug, Deserialize)]
pub(super) struct EvaluationLine {
    step: usize,
    loss: Option<f64>,
    #[serde(default)]
    best: bool,
    elapsed_secs: Option<f64>,
    #[serde(default)]
    figures: Option<ClassificationMetrics>,
    #[serde(default)]
    metric: Option<BestFigure>,
}

impl From<EvaluationLine> for EvaluationReport {
    fn from(line: EvaluationLine) -> Self {
        Self {
            step: line.step,
            loss: line.loss.unwrap_or(f64::NAN),
            best: line.best,
            elapsed_secs: line.elapsed_secs.unwrap_or(0.0),
            figures: line.figures,
            metric: line.metric,
        }
    }
}

/// Gives each whole line from a byte offset on to `take`; answers where the last whole line ends. Lines that cannot be
/// understood are passed over.
pub(super) fn read_lines<T: DeserializeOwned, E: From<EngineError>>(
    path: &Path,
    offset: u64,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<u64, E> {
    let Some(mut lines) = if_there(Lines::open(path, Kind::RunLines, offset))? else { return Ok(0) };
    while let Some(line) = lines.next_line()? {
        if let Ok(value) = serde_json::from_slice(line) {
            take(value)?;
        }
    }
    Ok(lines.end())
}

/// `checkpoints.json`: step, folder inside the run's folder, whether it is the best.
pub(super) fn read_checkpoints(folder: &Path) -> Result<Vec<(usize, String, bool)>, EngineError> {
    let known = run_folder::read_checkpoints(folder)?;
    let best = known.best;
    let checkpoint =
        |name: &String| Some((run_folder::step_of(name)?, format!("checkpoints/{name}"), best.as_ref() == Some(name)));
    Ok(known.all.iter().filter_map(checkpoint).collect())
}

/// The adapter that a run ended with, or its best checkpoint, or its last.
pub fn adapter_folder(run: &Path) -> Option<PathBuf> {
    let is_adapter = |folder: &PathBuf| folder.join("adapter_config.json").is_file();
    let mut checkpoints = read_checkpoints(run).unwrap_or_default();
    checkpoints.sort_by_key(|(step, _, best)| (*best, *step));
    let checkpoints = checkpoints.into_iter().rev().map(|(_, folder, _)| run.join(folder));
    [run.join("adapter")].into_iter().chain(checkpoints).chain([run.to_owned()]).find(is_adapter)
}

/// Folders of a run's checkpoints that still have their adapter, with the steps that were done, in order; none where the list
/// cannot be read.
pub fn checkpoint_folders(run: &Path) -> Vec<(usize, PathBuf)> {
    let all = read_checkpoints(run).unwrap_or_default();
    let mut all: Vec<(usize, PathBuf)> = all.into_iter().map(|(step, folder, _)| (step, run.join(folder))).collect();
    all.retain(|(_, folder)| folder.join("adapter_config.json").is_file());
    all.sort();
    all
}

/// The adapter as it was before training; an imported one has none.
pub fn initial_folder(run: &Path) -> Option<PathBuf> {
    Some(run.join("initial")).filter(|folder| folder.join("adapter_config.json").is_file())
}

/// Lengths and times of the files that the row is made of: when they differ, the row is read anew.
pub(super) fn fingerprint(folder: &Path) -> String {
    let files =
        ["run.json", "config.json", "facts.json", "metrics.jsonl", "checkpoints.json", "log.jsonl", "evaluations"];
    let parts = files.map(|name| match fs::metadata(folder.join(name)) {
        Ok(facts) => {
            let time = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            format!("{}@{}", facts.len(), time.unwrap_or_default().as_nanos())
        }
        Err(_) => "-".to_owned(),
    });
    parts.join(" ")
}

/// Who computes a run.
pub(super) enum Lock {
    /// We: until the file is dropped. `None` where the file system knows no locks.
    Ours(Option<File>),
    /// Another program.
    Elsewhere,
}

pub(super) fn lock(path: &Path) -> Result<Lock, EngineError> {
    let file = files::lock_file(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock::Ours(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(Lock::Elsewhere),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Lock::Ours(None)),
        Err(TryLockError::Error(source)) => {
            Err(EngineError::Io { action: IoAction::Lock, path: path.to_owned(), source })
        }
    }
}

/// Whether a program, ours included, computes the run now.
pub(super) fn is_locked(folder: &Path) -> bool {
    let path = folder.join("lock");
    path.exists() && matches!(lock(&path), Ok(Lock::Elsewhere))
}

pub(super) fn append_log(folder: &Path, line: &LogLine) -> Result<(), EngineError> {
    let path = folder.join("log.jsonl");
    let mut file = files::append(&path)?;
    let written = serde_json::to_string(line).map_err(io::Error::from);
    let written = written.and_then(|text| file.write_all(format!("{text}\n").as_bytes()));
    written.map_err(|source| EngineError::Io { action: IoAction::Write, path, source })
}

/// The file's content, or `None` when it is missing or cannot be understood.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    files::read_json(path, Kind::RunRecord, Sentence::default()).ok()
}

/// Removes what a killed program left half written in a run that nobody computes now.
pub(super) fn sweep(folder: &Path) -> Result<(), EngineError> {
    match lock(&folder.join("lock"))? {
        Lock::Ours(_held) => run_folder::sweep(folder),
        Lock::Elsewhere => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_waits_for_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        let whole = "{\"kind\":\"step\",\"step\":1,\"loss\":null,\"learning_rate\":0.1,\"grad_norm\":1}\nnonsense\n";
        let torn = "{\"kind\":\"step\",\"st";
        fs::write(&path, format!("{whole}{torn}")).unwrap();
        let mut steps = Vec::new();
        let take = |line| {
            if let Line::Step(step) = line {
                steps.push(StepReport::from(step));
            }
            Ok::<(), EngineError>(())
        };
        assert_eq!(read_lines(&path, 0, take).unwrap(), whole.len() as u64);
        assert_eq!(steps.len(), 1);
        assert!(steps[0].loss.is_nan());
    }

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = lock(&path).unwrap();
        assert!(is_locked(folder.path()));
        drop(held);
        assert!(!is_locked(folder.path()));
    }

    #[test]
    fn the_best_checkpoint_stands_for_a_run_without_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["step-000010", "step-000020"];
        for name in names {
            fs::create_dir_all(folder.path().join("checkpoints").join(name)).unwrap();
            fs::write(folder.path().join("checkpoints").join(name).join("adapter_config.json"), "{}").unwrap();
        }
        let listed = serde_json::json!({"last": names[1], "best": names[0], "all": names});
        write_json(&folder.path().join("checkpoints.json"), &listed).unwrap();
        assert!(adapter_folder(folder.path()).unwrap().ends_with(names[0]));
        fs::remove_dir_all(folder.path().join("checkpoints").join(names[0])).unwrap();
        assert!(adapter_folder(folder.path()).unwrap().ends_with(names[1]));
    }
}
