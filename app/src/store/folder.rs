//! The files of a run folder as the store reads and writes them.
//!
//! The engine writes `config.json`, `facts.json`, `metrics.jsonl`, `checkpoints.json` and the adapters. The store adds
//! `run.json` (name, state, times), `log.jsonl` and `lock`, which is held by the program that computes the run.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use engine::error::Failure;
use engine::message::{EvaluationReport, SampleReport, StepReport, TaskFigures};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::rows::{LogLine, RunState};

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
}

impl RunFile {
    pub(super) fn read(folder: &Path) -> Option<Self> {
        read_json(&folder.join("run.json"))
    }

    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        write_json(&folder.join("run.json"), self)
    }
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
    #[serde(default)]
    labelled_tokens: usize,
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
            labelled_tokens: line.labelled_tokens,
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
    figures: Option<TaskFigures>,
}

impl From<EvaluationLine> for EvaluationReport {
    fn from(line: EvaluationLine) -> Self {
        Self {
            step: line.step,
            loss: line.loss.unwrap_or(f64::NAN),
            best: line.best,
            elapsed_secs: line.elapsed_secs.unwrap_or(0.0),
            figures: line.figures,
        }
    }
}

/// Gives each whole line from a byte offset on to `take`; answers where the last whole line ends. Lines that cannot be
/// understood are passed over.
pub(super) fn read_lines<T: DeserializeOwned, E: From<io::Error>>(
    path: &Path,
    offset: u64,
    mut take: impl FnMut(T) -> Result<(), E>,
) -> Result<u64, E> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    file.seek(SeekFrom::Start(offset))?;
    let (mut reader, mut end, mut line) = (BufReader::new(file), offset, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        end += line.len() as u64;
        if let Ok(value) = serde_json::from_slice(&line) {
            take(value)?;
        }
        line.clear();
    }
    Ok(end)
}

/// `checkpoints.json`: step, folder inside the run's folder, whether it is the best.
pub(super) fn read_checkpoints(folder: &Path) -> Vec<(usize, String, bool)> {
    #[derive(Deserialize)]
    struct Checkpoints {
        #[serde(default)]
        best: Option<String>,
        #[serde(default)]
        all: Vec<String>,
    }
    let Some(known) = read_json::<Checkpoints>(&folder.join("checkpoints.json")) else { return Vec::new() };
    let best = known.best;
    let step = |name: &str| name.rsplit('-').next().and_then(|digits| digits.parse().ok());
    known
        .all
        .iter()
        .filter_map(|name| Some((step(name)?, format!("checkpoints/{name}"), best.as_deref() == Some(name))))
        .collect()
}

/// The adapter that a run ended with, or its best checkpoint, or its last.
pub fn adapter_folder(run: &Path) -> Option<PathBuf> {
    let is_adapter = |folder: &PathBuf| folder.join("adapter_config.json").is_file();
    let mut checkpoints = read_checkpoints(run);
    checkpoints.sort_by_key(|(step, _, best)| (*best, *step));
    let checkpoints = checkpoints.into_iter().rev().map(|(_, folder, _)| run.join(folder));
    [run.join("adapter")].into_iter().chain(checkpoints).chain([run.to_owned()]).find(is_adapter)
}

/// The adapter as it was before training; an imported one has none.
pub fn initial_folder(run: &Path) -> Option<PathBuf> {
    Some(run.join("initial")).filter(|folder| folder.join("adapter_config.json").is_file())
}

/// Lengths and times of the files that the row is made of: when they differ, the row is read anew.
pub(super) fn fingerprint(folder: &Path) -> String {
    let files = ["run.json", "config.json", "facts.json", "metrics.jsonl", "checkpoints.json", "log.jsonl"];
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

pub(super) fn lock(path: &Path) -> io::Result<Lock> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock::Ours(Some(file))),
        Err(TryLockError::WouldBlock) => Ok(Lock::Elsewhere),
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(Lock::Ours(None)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a program, ours included, computes the run now.
pub(super) fn is_locked(folder: &Path) -> bool {
    let path = folder.join("lock");
    path.exists() && matches!(lock(&path), Ok(Lock::Elsewhere))
}

pub(super) fn append_log(folder: &Path, line: &LogLine) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("log.jsonl"))?;
    file.write_all(text.as_bytes())
}

/// The file's content, or `None` when it is missing or cannot be understood.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// Whole or not at all: a temporary file, written through to the disk, then renamed.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
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
            Ok::<(), io::Error>(())
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
