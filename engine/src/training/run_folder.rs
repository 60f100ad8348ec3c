//! The folder of a run, which outlives the program and the database.
//!
//! ```text
//! config.json        what to compute            facts.json      what is known when it starts
//! metrics.jsonl      one figure a line          initial/        the adapter before the first step
//! checkpoints.json   which there are            checkpoints/    step-000120/ …
//! adapter/           the best one, at the end
//! ```

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::error::{EngineError, Result};
use crate::message::{EvaluationReport, RunFacts, SampleReport, StepReport};
use crate::training::checkpoint;
use crate::weights::{write_json, write_whole};

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// An optimizer step.
    Step(StepReport),
    /// An evaluation.
    Evaluation(EvaluationReport),
    /// A sample generated at an evaluation.
    Sample(SampleReport),
}

impl Record {
    /// Steps done when it was written.
    pub fn step(&self) -> usize {
        match self {
            Self::Step(report) => report.step,
            Self::Evaluation(report) => report.step,
            Self::Sample(report) => report.step,
        }
    }
}

/// `checkpoints.json`: names of folders below `checkpoints/`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointIndex {
    /// The newest, from which a run goes on.
    pub last: Option<String>,
    /// The one with the best validation loss.
    pub best: Option<String>,
    /// All, in order.
    pub all: Vec<String>,
}

/// A run's folder, open for writing.
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    metrics: Option<File>,
}

impl RunFolder {
    /// Opens the folder of a run, making it if need be.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(path: &Path) -> Result<Self> {
        let checkpoints = path.join("checkpoints");
        std::fs::create_dir_all(&checkpoints).map_err(EngineError::io("create", &checkpoints))?;
        Ok(Self { path: path.to_owned(), metrics: None })
    }

    /// Keeps what is to be computed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_config(&self, config: &RunConfig) -> Result<()> {
        write_json(&self.path.join("config.json"), config)
    }

    /// Keeps what is known when the run starts.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_facts(&self, facts: &RunFacts) -> Result<()> {
        write_json(&self.path.join("facts.json"), facts)
    }

    /// Adds a line to `metrics.jsonl`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let path = self.path.join("metrics.jsonl");
        if self.metrics.is_none() {
            let file = OpenOptions::new().create(true).append(true).open(&path);
            self.metrics = Some(file.map_err(EngineError::io("write", &path))?);
        }
        let mut line = serde_json::to_string(record).map_err(|error| EngineError::Computation(error.to_string()))?;
        line.push('\n');
        match &mut self.metrics {
            Some(file) => file.write_all(line.as_bytes()).map_err(EngineError::io("write", &path)),
            None => Ok(()),
        }
    }

    /// Drops what a resumed run will write again: the lines after a step, those of evaluations that the checkpoint does
    /// not know of, and a line that a crash cut short.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn truncate_after(&mut self, step: usize, evaluated: Option<usize>) -> Result<()> {
        self.metrics = None;
        let path = self.path.join("metrics.jsonl");
        if !path.exists() {
            return Ok(());
        }
        let text = std::fs::read(&path).map_err(EngineError::io("read", &path))?;
        let known = |record: Record| match record {
            Record::Step(report) => report.step <= step,
            Record::Evaluation(_) | Record::Sample(_) => evaluated.is_some_and(|last| record.step() <= last),
        };
        let kept = |line: &&[u8]| serde_json::from_slice::<Record>(line).is_ok_and(known);
        let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').filter(kept).collect();
        let mut text = lines.join(&b'\n');
        if !text.is_empty() {
            text.push(b'\n');
        }
        write_whole(&path, &text)
    }

    /// The folder of the checkpoint of a step.
    pub fn checkpoint(&self, name: &str) -> PathBuf {
        self.path.join("checkpoints").join(name)
    }

    /// The name of the checkpoint of a step.
    pub fn checkpoint_name(step: usize) -> String {
        format!("step-{step:06}")
    }

    /// Which checkpoints there are; none if the file is missing.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn checkpoints(&self) -> Result<CheckpointIndex> {
        read_checkpoints(&self.path)
    }

    /// Notes a checkpoint that was written, and frees older ones of all but their adapters.
    ///
    /// # Errors
    /// A file cannot be written or removed.
    pub fn note_checkpoint(&self, step: usize, best: bool, older: Older) -> Result<()> {
        let name = Self::checkpoint_name(step);
        let mut index = self.checkpoints()?;
        index.all.retain(|other| *other < name);
        index.all.push(name.clone());
        if best {
            index.best = Some(name.clone());
        }
        index.last = Some(name);
        let is_newest = |other: &String| Some(other) == index.last.as_ref() || Some(other) == index.best.as_ref();
        let others: Vec<String> = index.all.iter().filter(|other| !is_newest(other)).cloned().collect();
        if older == Older::GoWhole {
            index.all.retain(|other| !others.contains(other));
        }
        write_json(&self.path.join("checkpoints.json"), &index)?;
        for other in &others {
            let folder = self.checkpoint(other);
            match older {
                Older::KeepAdapter => checkpoint::keep_adapter_only(&folder)?,
                Older::GoWhole if folder.exists() => {
                    std::fs::remove_dir_all(&folder).map_err(EngineError::io("remove", &folder))?;
                }
                Older::GoWhole => {}
            }
        }
        Ok(())
    }
}

/// What becomes of checkpoints that are neither the newest nor the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// Their adapter stays, for looking at.
    KeepAdapter,
    /// Nothing stays: their adapter is as large as the model.
    GoWhole,
}

/// Which checkpoints the folder of a run holds.
///
/// # Errors
/// The file is damaged.
pub fn read_checkpoints(run: &Path) -> Result<CheckpointIndex> {
    let path = run.join("checkpoints.json");
    if !path.exists() {
        return Ok(CheckpointIndex::default());
    }
    let text = std::fs::read_to_string(&path).map_err(EngineError::io("read", &path))?;
    serde_json::from_str(&text).map_err(|error| EngineError::Malformed {
        what: "the list of checkpoints",
        path,
        reason: error.to_string(),
    })
}

/// The figures of a run, in order; lines that a crash cut short are left out.
///
/// # Errors
/// The file cannot be read.
pub fn read_records(path: &Path) -> Result<Vec<Record>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let file = File::open(path).map_err(EngineError::io("read", path))?;
    let mut records = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(EngineError::io("read", path))?;
        records.extend(serde_json::from_slice::<Record>(&line));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: usize) -> Record {
        Record::Evaluation(EvaluationReport { step, loss: 1.5, best: false, elapsed_secs: 0.1, figures: None })
    }

    #[test]
    fn figures_after_the_checkpoint_are_dropped_and_a_cut_line_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut run = RunFolder::open(folder.path()).unwrap();
        for step in [1, 2, 3] {
            run.append(&evaluation(step)).unwrap();
        }
        let path = folder.path().join("metrics.jsonl");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"kind\":\"evaluat");
        std::fs::write(&path, text).unwrap();
        run.truncate_after(2, Some(2)).unwrap();
        assert_eq!(read_records(&path).unwrap(), [evaluation(1), evaluation(2)]);
        run.append(&evaluation(3)).unwrap();
        assert_eq!(read_records(&path).unwrap().len(), 3);
    }

    #[test]
    fn only_the_newest_and_the_best_keep_their_state() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path()).unwrap();
        for (step, best) in [(1, true), (2, false), (3, false)] {
            let at = run.checkpoint(&RunFolder::checkpoint_name(step));
            std::fs::create_dir_all(&at).unwrap();
            std::fs::write(at.join("state.json"), "{}").unwrap();
            run.note_checkpoint(step, best, Older::KeepAdapter).unwrap();
        }
        let has_state = |step| run.checkpoint(&RunFolder::checkpoint_name(step)).join("state.json").exists();
        assert_eq!([has_state(1), has_state(2), has_state(3)], [true, false, true]);
        let index = run.checkpoints().unwrap();
        assert_eq!((index.best.as_deref(), index.last.as_deref()), (Some("step-000001"), Some("step-000003")));
    }
}
