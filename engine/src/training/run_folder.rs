//! The folder of a run, which outlives the program and the database.
//!
//! ```text
//! config.json        what to compute            facts.json      what is known when it starts
//! metrics.jsonl      one figure a line          initial/        the adapter before the first step
//! checkpoints.json   which there are            checkpoints/    step-000120/ …
//! adapter/           the best one, at the end
//! ```

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::RunConfig;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind, Lines, if_there, write_json, write_whole};
use crate::training::checkpoint;
use crate::training::{EvaluationReport, RunFacts, SampleReport, StepReport};
use crate::{Sentence, sentence};

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
    /// Opens the folder of a run, making it if need be, and removes the drafts of a program that was killed. Nobody else
    /// writes in it: whoever asks for this holds its lock.
    ///
    /// # Errors
    /// It cannot be made, or it holds links, through which writing would land elsewhere.
    pub fn open(path: &Path) -> Result<Self> {
        if path.exists() {
            files::refuse_links(path)?;
        }
        let checkpoints = path.join("checkpoints");
        std::fs::create_dir_all(&checkpoints).map_err(EngineError::io(IoAction::Create, &checkpoints))?;
        sweep(path)?;
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
            self.metrics = Some(files::append(&path)?);
        }
        let mut line =
            serde_json::to_string(record).map_err(|error| EngineError::Computation(Sentence::verbatim(error)))?;
        line.push('\n');
        match &mut self.metrics {
            Some(file) => file.write_all(line.as_bytes()).map_err(EngineError::io(IoAction::Write, &path)),
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
        let Some(text) = if_there(files::read(&path, Kind::RunLines))? else { return Ok(()) };
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

    /// Fills a folder of the run's, such as `adapter`: it is whole or not there.
    ///
    /// # Errors
    /// Those of `fill`, or the run's folder is gone.
    pub fn write_folder(&self, name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        files::write_folder(&self.path.join(name), fill)
    }

    /// The name of the checkpoint of a step.
    pub fn checkpoint_name(step: usize) -> String {
        format!("step-{step:06}")
    }

    /// The list of checkpoints; empty if the file is missing.
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
    pub fn note_checkpoint(&self, step: usize, best: bool, older: Retention) -> Result<()> {
        let name = Self::checkpoint_name(step);
        let mut index = self.checkpoints()?;
        index.all.retain(|other| step_of(other).is_some_and(|other| other < step));
        index.all.push(name.clone());
        if best {
            index.best = Some(name.clone());
        }
        index.last = Some(name);
        let is_newest = |other: &String| Some(other) == index.last.as_ref() || Some(other) == index.best.as_ref();
        let others: Vec<String> = index.all.iter().filter(|other| !is_newest(other)).cloned().collect();
        if older == Retention::Delete {
            index.all.retain(|other| !others.contains(other));
        }
        write_json(&self.path.join("checkpoints.json"), &index)?;
        for other in &others {
            let folder = self.checkpoint(other);
            match older {
                Retention::AdapterOnly => checkpoint::keep_adapter_only(&folder)?,
                Retention::Delete if folder.exists() => {
                    std::fs::remove_dir_all(&folder).map_err(EngineError::io(IoAction::Remove, &folder))?;
                }
                Retention::Delete => {}
            }
        }
        Ok(())
    }

    /// No checkpoint is the best any more: what it was measured by is another question now.
    ///
    /// # Errors
    /// The list cannot be read or written.
    pub fn forget_best(&self) -> Result<()> {
        let index = CheckpointIndex { best: None, ..self.checkpoints()? };
        write_json(&self.path.join("checkpoints.json"), &index)
    }
}

/// Removes what a killed program left half written in the folder of a run, whose lock is held.
///
/// # Errors
/// Something cannot be removed.
pub fn sweep(run: &Path) -> Result<()> {
    ["", "checkpoints", "adapter", "initial"].iter().try_for_each(|part| files::sweep(&run.join(part)))
}

/// The fate of checkpoints that are neither the newest nor the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Their adapter stays, for looking at.
    AdapterOnly,
    /// Nothing stays: their adapter is as large as the model.
    Delete,
}

/// The step of a checkpoint's name, which becomes part of a path: `step-` and digits, and nothing else.
pub fn step_of(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("step-")?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The checkpoints in the folder of a run, by step.
///
/// # Errors
/// The file is damaged, or names what is no checkpoint.
pub fn read_checkpoints(run: &Path) -> Result<CheckpointIndex> {
    let (path, what) = (run.join("checkpoints.json"), sentence!("the list of checkpoints"));
    let Some(mut index) = if_there(files::read_json::<CheckpointIndex>(&path, Kind::RunRecord, what.clone()))? else {
        return Ok(CheckpointIndex::default());
    };
    let names = index.all.iter().chain(&index.best).chain(&index.last);
    if let Some(name) = names.into_iter().find(|name| step_of(name).is_none()) {
        let reason = sentence!("{name:?} is not the name of a checkpoint", name);
        return Err(EngineError::Malformed { what, path, reason });
    }
    index.all.sort_by_key(|name| step_of(name));
    Ok(index)
}

/// The figures of a run, in order; lines that a crash cut short are left out.
///
/// # Errors
/// The file cannot be read.
pub fn read_records(path: &Path) -> Result<Vec<Record>> {
    let Some(mut lines) = if_there(Lines::open(path, Kind::RunLines, 0))? else { return Ok(Vec::new()) };
    let mut records = Vec::new();
    while let Some(line) = lines.next_line()? {
        records.extend(serde_json::from_slice::<Record>(line));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluation(step: usize) -> Record {
        Record::Evaluation(EvaluationReport {
            step,
            loss: 1.5,
            best: false,
            elapsed_secs: 0.1,
            figures: None,
            metric: None,
        })
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
            run.note_checkpoint(step, best, Retention::AdapterOnly).unwrap();
        }
        let has_state = |step| run.checkpoint(&RunFolder::checkpoint_name(step)).join("state.json").exists();
        assert_eq!([has_state(1), has_state(2), has_state(3)], [true, false, true]);
        let index = run.checkpoints().unwrap();
        assert_eq!((index.best.as_deref(), index.last.as_deref()), (Some("step-000001"), Some("step-000003")));
    }

    #[test]
    fn steps_are_sorted_as_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path()).unwrap();
        for step in [999_998, 999_999, 1_000_000, 1_000_001] {
            run.note_checkpoint(step, false, Retention::AdapterOnly).unwrap();
        }
        let names = ["step-999998", "step-999999", "step-1000000", "step-1000001"];
        assert_eq!(run.checkpoints().unwrap().all, names);
    }

    /// Texts that a stranger may write where the name of a checkpoint is expected, and names that stand around the run.
    const HOSTILE: [&str; 9] = [
        "../../victim",
        "step-1/../../victim",
        "step-",
        "",
        ".",
        "step-+1",
        "step-1\u{0}",
        "step-99999999999999999999999",
        "/",
    ];

    #[test]
    fn a_name_that_is_no_checkpoint_never_becomes_a_path() {
        let home = tempfile::tempdir().unwrap();
        let victim = home.path().join("victim");
        std::fs::create_dir_all(&victim).unwrap();
        std::fs::write(victim.join("state.json"), "mine").unwrap();
        let absolute = victim.display().to_string();
        for name in HOSTILE.into_iter().chain([absolute.as_str()]) {
            for place in ["all", "last", "best"] {
                let folder = home.path().join("run");
                let run = RunFolder::open(&folder).unwrap();
                let mut list =
                    serde_json::json!({"last": "step-000001", "best": "step-000001", "all": ["step-000001"]});
                list[place] = if place == "all" { serde_json::json!([name, "step-000001"]) } else { name.into() };
                std::fs::write(folder.join("checkpoints.json"), list.to_string()).unwrap();
                for older in [Retention::Delete, Retention::AdapterOnly] {
                    let error = run.note_checkpoint(5, true, older).unwrap_err();
                    assert!(error.to_string().contains("is not the name of a checkpoint"), "{name:?}: {error}");
                }
                assert!(run.forget_best().is_err());
            }
        }
        assert_eq!(std::fs::read_to_string(victim.join("state.json")).unwrap(), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn a_run_with_a_link_in_it_is_not_opened() {
        let home = tempfile::tempdir().unwrap();
        let (run, profile) = (home.path().join("run"), home.path().join("profile"));
        std::fs::write(&profile, "mine\n").unwrap();
        for name in ["metrics.jsonl", "lock", "checkpoints", "adapter"] {
            std::fs::create_dir_all(&run).unwrap();
            std::os::unix::fs::symlink(&profile, run.join(name)).unwrap();
            assert!(matches!(RunFolder::open(&run), Err(EngineError::LinkInRun { .. })), "{name}");
            std::fs::remove_dir_all(&run).unwrap();
        }
        // One that comes while the run is open is not followed either.
        let mut open = RunFolder::open(&run).unwrap();
        std::os::unix::fs::symlink(&profile, run.join("metrics.jsonl")).unwrap();
        assert!(matches!(open.append(&evaluation(1)), Err(EngineError::LinkInRun { .. })));
        assert_eq!(std::fs::read_to_string(&profile).unwrap(), "mine\n");
    }

    #[test]
    fn drafts_of_a_killed_program_go_when_the_run_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::open(folder.path()).unwrap();
        let draft = run.checkpoint(".draft-abc");
        std::fs::create_dir_all(&draft).unwrap();
        std::fs::create_dir_all(folder.path().join("adapter")).unwrap();
        let torn = folder.path().join("adapter/.tmpabc");
        std::fs::write(&torn, "half").unwrap();
        RunFolder::open(folder.path()).unwrap();
        assert!(!draft.exists() && !torn.exists());
    }
}
