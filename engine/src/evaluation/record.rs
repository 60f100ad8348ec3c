//! What is kept of an evaluation beside its predictions: how they were made, and their figures.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::scoring::{GroupFigures, MetricFigure};
use crate::config::{DataConfig, Sampling, Task};
use crate::error::Result;
use crate::files::{self, Kind, if_there, write_json};
use crate::sentence;

/// Folder of a run that its evaluations are in.
pub const FOLDER: &str = "evaluations";
/// Evaluations of a run that are listed.
const MOST: usize = 1000;

/// All that decides what is written for the rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvaluationSettings {
    /// SHA-256 of the base weights.
    pub model_hash: String,
    /// Short hash of the adapter; empty for the base model.
    pub adapter_hash: String,
    /// The rows, and how a row becomes tokens.
    pub data: Option<DataConfig>,
    /// SHA-256 of the file of rows.
    pub data_digest: String,
    /// The task.
    pub task: Task,
    /// Decoding.
    pub generation: Sampling,
    /// The column that the figures are given by.
    pub by: Option<String>,
    /// Sources that were written from, where not all were.
    pub limit: Option<usize>,
}

impl EvaluationSettings {
    /// SHA-256 of them, wherever the file of rows is.
    pub fn digest(&self) -> String {
        let mut settings = self.clone();
        if let Some(data) = &mut settings.data {
            data.train = PathBuf::new();
        }
        let text = serde_json::to_vec(&settings).unwrap_or_default();
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// An evaluation as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EvaluationRecord {
    /// SHA-256 of the settings.
    pub digest: String,
    /// Every row has its prediction.
    pub finished: bool,
    /// When it began, in seconds since 1970.
    pub at: u64,
    /// Folder of the adapter; `None` is the base model.
    pub adapter: Option<PathBuf>,
    /// Decides what is written.
    pub settings: EvaluationSettings,
    /// Number of sources that were written from.
    pub rows: usize,
    /// Of all rows.
    pub figures: Vec<MetricFigure>,
    /// Of the values of a column.
    pub by: Vec<GroupFigures>,
}

impl EvaluationRecord {
    /// Writes it beside its predictions.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, predictions: &Path) -> Result<()> {
        write_json(&predictions.with_extension("json"), self)
    }

    /// Takes in figures: those of the same metrics are replaced, others stay.
    pub fn take(&mut self, figures: &[MetricFigure], by: &[GroupFigures]) {
        replace(&mut self.figures, figures);
        self.by.retain(|known| by.iter().any(|new| new.value == known.value));
        for new in by {
            match self.by.iter_mut().find(|known| known.value == new.value) {
                Some(known) => replace(&mut known.figures, &new.figures),
                None => self.by.push(new.clone()),
            }
        }
    }
}

fn replace(known: &mut Vec<MetricFigure>, new: &[MetricFigure]) {
    known.retain(|known| new.iter().all(|new| new.name != known.name));
    known.extend(new.iter().cloned());
}

/// What is kept beside a file of predictions; `None` without it.
///
/// # Errors
/// The file is damaged.
pub fn record_of(predictions: &Path) -> Result<Option<EvaluationRecord>> {
    let path = predictions.with_extension("json");
    if_there(files::read_json(&path, Kind::RunRecord, sentence!("the record of an evaluation")))
}

/// The evaluations in the folder of a run, by name: files of predictions that have a record. One that cannot be read is
/// passed over.
pub fn kept_evaluations(run: &Path) -> Vec<(PathBuf, EvaluationRecord)> {
    let found = std::fs::read_dir(run.join(FOLDER)).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    paths.sort();
    paths.truncate(MOST);
    paths.into_iter().filter_map(|path| record_of(&path).ok().flatten().map(|record| (path, record))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_follows_what_is_computed_and_not_where_the_file_lies() {
        let of = |data: &str, tokens: usize| EvaluationSettings {
            data: Some(DataConfig::new(data)),
            generation: Sampling { max_new_tokens: tokens, ..Sampling::default() },
            ..EvaluationSettings::default()
        };
        assert_eq!(of("/a/test.jsonl", 5).digest(), of("/b/test.jsonl", 5).digest());
        assert_ne!(of("a", 5).digest(), of("a", 6).digest());
        let other = EvaluationSettings { data_digest: "x".to_owned(), ..of("a", 5) };
        assert_ne!(other.digest(), of("a", 5).digest());
    }

    #[test]
    fn scoring_again_adds_figures_and_replaces_its_own() {
        let figure =
            |name: &str, figure| MetricFigure { name: name.to_owned(), figure, low: 0.0, high: 1.0, signature: None };
        let mut record = EvaluationRecord::default();
        record.take(&[figure("a", 0.1), figure("b", 0.2)], &[]);
        record.take(&[figure("b", 0.3)], &[]);
        let kept: Vec<_> = record.figures.iter().map(|kept| (kept.name.as_str(), kept.figure)).collect();
        assert_eq!(kept, [("a", 0.1), ("b", 0.3)]);
    }

    #[test]
    fn a_run_knows_its_evaluations_and_passes_over_what_is_none() {
        let run = tempfile::tempdir().unwrap();
        assert!(kept_evaluations(run.path()).is_empty());
        let folder = run.path().join(FOLDER);
        std::fs::create_dir_all(&folder).unwrap();
        let (a, b) = (folder.join("a.jsonl"), folder.join("b.jsonl"));
        for path in [&a, &b] {
            std::fs::write(path, "").unwrap();
        }
        std::fs::write(folder.join("b.json"), "{").unwrap();
        EvaluationRecord { rows: 3, ..EvaluationRecord::default() }.write(&a).unwrap();
        let kept = kept_evaluations(run.path());
        assert_eq!(kept.iter().map(|(path, record)| (path, record.rows)).collect::<Vec<_>>(), [(&a, 3)]);
    }
}
