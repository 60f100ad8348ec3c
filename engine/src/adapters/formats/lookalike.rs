//! Paths that were given as an adapter and are none: what such a path is, is said before what it is not.

use std::path::{Path, PathBuf};

use crate::Sentence;
use crate::error::EngineError;
use crate::sentence;
use crate::sentence::ToSentence;

/// PEFT's configuration, which every adapter folder has.
const CONFIG: &str = "adapter_config.json";
/// Endings of files of rows.
const ROWS: [&str; 9] = ["jsonl", "json", "csv", "tsv", "txt", "conll", "parquet", "arrow", "xlsx"];

/// The kind of thing at a path that holds no adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookalike {
    /// Nothing is there.
    Absent,
    /// A model, with its configuration.
    Model,
    /// A file of rows, or a folder of such files.
    Rows,
    /// A folder with adapters in folders below: their names, the newest first, as many as one can read.
    Above(Vec<String>),
    /// The tensors of an adapter without its configuration.
    WithoutConfig,
    /// The configuration of an adapter without its tensors.
    WithoutTensors,
}

impl ToSentence for Lookalike {
    fn to_sentence(&self) -> Sentence {
        self.sentence()
    }
}

impl Lookalike {
    /// Says what is at the path.
    pub(crate) fn sentence(&self) -> Sentence {
        match self {
            Self::Absent => sentence!("there is no such file or folder"),
            Self::Model => sentence!("this is a model, not an adapter"),
            Self::Rows => sentence!("this holds rows of data, not an adapter"),
            Self::Above(names) => {
                let names = names.join(", ");
                sentence!("the adapters are in folders below this one: {names}", names)
            }
            Self::WithoutConfig => sentence!("this is an adapter without its {file}", file = CONFIG),
            Self::WithoutTensors => {
                sentence!("this is an adapter without its {file}", file = "adapter_model.safetensors")
            }
        }
    }

    /// Advice on the path to give instead.
    pub(crate) fn advice(&self) -> Sentence {
        match self {
            Self::Absent => sentence!("Check the path"),
            Self::Model => sentence!("Give it as the model, and an adapter that was made for it as the adapter"),
            Self::Rows => {
                sentence!("Give it as the data, and as the adapter a folder with adapter_config.json or a .prefix file")
            }
            Self::Above(_) => sentence!("Choose one of these folders"),
            Self::WithoutConfig | Self::WithoutTensors => {
                sentence!("Copy the file that is missing from where the adapter came from into the same folder")
            }
        }
    }

    /// Recognizes the thing at a path that holds no adapter of a known form; `None` where nothing of it is known.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        if !path.exists() {
            return Some(Self::Absent);
        }
        if path.is_file() {
            return has_ending(path, &ROWS).then_some(Self::Rows);
        }
        let has = |name: &str| path.join(name).is_file();
        let has_tensors = has("adapter_model.safetensors") || has("adapter_model.bin");
        if has(CONFIG) {
            return (!has_tensors).then_some(Self::WithoutTensors);
        }
        if has_tensors {
            return Some(Self::WithoutConfig);
        }
        let below = folders_with(path, CONFIG);
        if !below.is_empty() {
            return Some(Self::Above(below));
        }
        if has("config.json") {
            return Some(Self::Model);
        }
        let mut files = std::fs::read_dir(path).ok()?.flatten().map(|entry| entry.path());
        files.any(|file| file.is_file() && has_ending(&file, &ROWS)).then_some(Self::Rows)
    }
}

/// The refusal of a path that holds no adapter.
pub fn no_adapter(path: &Path) -> EngineError {
    let path = path.to_owned();
    match Lookalike::of(&path) {
        Some(is) => EngineError::Lookalike { is, path },
        None => EngineError::UnknownAdapter { path },
    }
}

/// Folders that are looked into below one, levels and names at most: a hub's cache has three.
const LEVELS: usize = 3;
const LOOKED_AT: usize = 2000;
/// Names that are told.
const TOLD: usize = 5;

/// The folders below one that hold a file, by their names from there: those of one family by their numbers, the highest
/// first, as a trainer numbers its checkpoints.
fn folders_with(path: &Path, file: &str) -> Vec<String> {
    let (mut found, mut level, mut looked_at) = (Vec::new(), vec![path.to_owned()], 0);
    for _ in 0..LEVELS {
        let mut next: Vec<PathBuf> = Vec::new();
        for folder in &level {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            // A link may lead anywhere, and back.
            let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
            for entry in entries.take(LOOKED_AT - looked_at) {
                looked_at += 1;
                if is_folder(&entry) {
                    next.push(entry.path());
                }
            }
        }
        let (with, without): (Vec<PathBuf>, Vec<PathBuf>) =
            next.into_iter().partition(|folder| folder.join(file).is_file());
        found.extend(with);
        level = without;
    }
    let number = |folder: &PathBuf| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digits: String = name.chars().rev().take_while(char::is_ascii_digit).collect();
        digits.chars().rev().collect::<String>().parse::<u64>().unwrap_or(0)
    };
    found.sort_by(|a, b| number(b).cmp(&number(a)).then_with(|| a.cmp(b)));
    let name = |folder: &PathBuf| folder.strip_prefix(path).unwrap_or(folder).display().to_string();
    found.iter().take(TOLD).map(name).collect()
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| endings.contains(&ending.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for file in files {
            let path = home.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "{}").unwrap();
        }
        home
    }

    #[test]
    fn what_is_no_adapter_is_told_for_what_it_is() {
        let of = |files: &[&str]| Lookalike::of(with(files).path());
        let trainer = ["run/checkpoint-9/adapter_config.json", "run/checkpoint-15/adapter_config.json", "run/x.pt"];
        let below = ["run/checkpoint-15", "run/checkpoint-9"].map(str::to_owned).to_vec();
        assert_eq!(of(&trainer), Some(Lookalike::Above(below)));
        let hub = ["snapshots/0a1b/adapter_config.json", "refs/main"];
        assert_eq!(of(&hub), Some(Lookalike::Above(vec!["snapshots/0a1b".to_owned()])));
        assert_eq!(of(&["config.json", "model.safetensors"]), Some(Lookalike::Model));
        assert_eq!(of(&["train.jsonl"]), Some(Lookalike::Rows));
        assert_eq!(of(&["adapter_model.bin"]), Some(Lookalike::WithoutConfig));
        assert_eq!(of(&["adapter_config.json"]), Some(Lookalike::WithoutTensors));
        assert_eq!(of(&["notes.pdf"]), None);
        let home = with(&["rows.CSV"]);
        assert_eq!(Lookalike::of(&home.path().join("rows.CSV")), Some(Lookalike::Rows));
        assert_eq!(Lookalike::of(&home.path().join("none")), Some(Lookalike::Absent));
        let said = no_adapter(&home.path().join("rows.CSV"));
        assert!(
            said.to_string().starts_with("this holds rows of data")
                && said.advice().to_string().starts_with("Give it as the data")
        );
    }
}
