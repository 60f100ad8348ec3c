//! Files that are one dataset together: those of a folder, as repositories of the hub have them
//! (`data/train-00000-of-00003.parquet`), and those that a pattern names (`shards/*.jsonl.gz`).
//!
//! Splits by words in the names, as in huggingface/datasets: src/datasets/data_files.py.

use std::path::{Path, PathBuf};

use super::compressed::without_packing;
use super::{Found, names_in, saved_folder};
use crate::data::file_kind::folder_is_not_rows;
use crate::data::reader::has_ending;
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// Splits, and the words in a file's name that say them.
const SPLITS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];
/// Names of files beside rows, up to their first point.
const BESIDE: [&str; 10] = [
    "readme",
    "license",
    "licence",
    "dataset_info",
    "dataset_infos",
    "citation",
    "changelog",
    "requirements",
    "metadata",
    "notice",
];
/// Endings of weights: a folder with some is a model or a checkpoint, whatever else lies in it.
const WEIGHTS: [&str; 5] = [".safetensors", ".bin", ".pt", ".pth", ".ckpt"];
/// More files than this are no dataset that is read here.
const MAX_FILES: usize = 100_000;

/// The files of a folder that no library described.
///
/// # Errors
/// It holds no rows, or several tables that are not surely one.
pub(super) fn of_folder(folder: &Path) -> Result<Found> {
    for part in [folder.to_owned(), folder.join("data")] {
        if part.is_dir()
            && let Some(found) = of_files(&part)?
        {
            return Ok(Found { classes: saved_folder::classes(folder), ..found });
        }
    }
    // A folder for each split.
    let has_rows = |split: &&str| folder.join(split).is_dir();
    let splits: Vec<&str> = SPLITS.iter().map(|(split, _)| *split).filter(has_rows).collect();
    let Some(chosen) = splits.first() else { return Err(folder_is_not_rows(folder)) };
    if *chosen != "train" && splits.len() > 1 {
        return Err(saved_folder::no_train(folder, &splits.join(", "), &folder.join(chosen)));
    }
    let Some(mut found) = of_files(&folder.join(chosen))? else { return Err(folder_is_not_rows(folder)) };
    let others: Vec<(&str, PathBuf)> = splits[1..].iter().map(|split| (*split, folder.join(split))).collect();
    found.notes.extend(saved_folder::note(chosen, &others));
    Ok(found)
}

/// The rows among the files of a folder; `None` where there are none.
fn of_files(folder: &Path) -> Result<Option<Found>> {
    let has = |name: &str| folder.join(name).is_file();
    if ["config.json", "adapter_config.json", "run.json", "metrics.jsonl"].into_iter().any(has) {
        return Ok(None);
    }
    let all = names_in(folder)?;
    let is_weights = |name: &String| WEIGHTS.iter().any(|ending| name.ends_with(ending));
    if all.iter().any(is_weights) {
        return Ok(None);
    }
    let is_rows = |name: &String| has_ending(name) && !is_beside(name) && has(name);
    let names: Vec<String> = all.into_iter().filter(is_rows).collect();
    let of = |split: Option<&str>| names.iter().filter(|name| split_of(name) == split).collect::<Vec<&String>>();
    let splits: Vec<&str> =
        SPLITS.iter().map(|(split, _)| *split).filter(|split| !of(Some(split)).is_empty()).collect();
    let path = |split: &str| pattern(folder, split, &of(Some(split)));
    let chosen = match splits.as_slice() {
        [] => of(None),
        [only] => of(Some(only)),
        [first @ "train", ..] => of(Some(first)),
        [first, ..] => return Err(saved_folder::no_train(folder, &splits.join(", "), &path(first))),
    };
    if chosen.is_empty() {
        return Ok(None);
    }
    if chosen.iter().any(|name| ending(name) != ending(chosen[0])) {
        // Which of them are meant is not to be guessed.
        return Err(folder_is_not_rows(folder));
    }
    let mut notes = Vec::new();
    if let [first, rest @ ..] = splits.as_slice() {
        let others: Vec<(&str, PathBuf)> = rest.iter().map(|split| (*split, path(split))).collect();
        notes.extend(saved_folder::note(first, &others));
    }
    notes.extend(several(&chosen.iter().map(|name| name.as_str()).collect::<Vec<&str>>()));
    let files = chosen.into_iter().map(|name| folder.join(name)).collect();
    Ok(Some(Found { files, notes, ..Found::default() }))
}

/// A note that several files are one table.
fn several(names: &[&str]) -> Option<Sentence> {
    match names {
        [] | [_] => None,
        [first, .., last] => {
            Some(sentence!("{n} files are read as one table, {first} to {last}", n = names.len(), first, last))
        }
    }
}

fn is_beside(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with('.') || name.starts_with('_') || BESIDE.contains(&name.split('.').next().unwrap_or_default())
}

/// The ending without that of a compressor.
fn ending(name: &str) -> String {
    let name = without_packing(Path::new(name));
    name.rsplit('.').next().unwrap_or_default().to_owned()
}

fn split_of(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    let words = name.split(|c: char| !c.is_alphabetic());
    let mut splits = words.filter_map(|word| SPLITS.iter().find(|(_, words)| words.contains(&word)));
    splits.next().map(|(split, _)| *split)
}

/// The path that names the files of a split: its only file, or a pattern.
fn pattern(folder: &Path, split: &str, names: &[&String]) -> PathBuf {
    match names {
        [only] => folder.join(only),
        [first, ..] => {
            let words = SPLITS.iter().find(|(name, _)| *name == split).map_or(&[][..], |(_, words)| words);
            let lower = first.to_lowercase();
            let ends = words.iter().filter_map(|word| lower.find(word).map(|at| at + word.len())).max().unwrap_or(0);
            let begin = first.get(..ends).unwrap_or_default();
            folder.join(format!("{begin}*.{}", first.split_once('.').map_or("", |(_, ending)| ending)))
        }
        [] => folder.to_owned(),
    }
}

/// The files that a pattern names, sorted.
///
/// # Errors
/// It is no pattern, or names none.
pub(super) fn of_pattern(path: &Path) -> Result<Found> {
    let refused = |found: Sentence, advice: Sentence| EngineError::NotRows { path: path.to_owned(), found, advice };
    let options =
        glob::MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..Default::default() };
    let matches = glob::glob_with(&path.to_string_lossy(), options).map_err(|error| {
        refused(sentence!("no pattern: {reason}", reason = error.msg), sentence!("Write it as shards/*.parquet"))
    })?;
    let mut files: Vec<PathBuf> = matches.flatten().filter(|file| file.is_file()).take(MAX_FILES + 1).collect();
    files.sort();
    if files.is_empty() {
        return Err(refused(
            sentence!("a pattern that no file has"),
            sentence!(
                "Look at the folder and at the pattern: * stands for any letters of one name, ** for any folders"
            ),
        ));
    }
    if files.len() > MAX_FILES {
        return Err(refused(
            sentence!("a pattern of more than {most} files", most = MAX_FILES),
            sentence!("Name fewer files, or join them"),
        ));
    }
    let names: Vec<String> =
        files.iter().map(|file| file.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    let notes = several(&names.iter().map(String::as_str).collect::<Vec<&str>>()).into_iter().collect();
    let classes = files.first().and_then(|file| file.parent()).map(saved_folder::classes).unwrap_or_default();
    Ok(Found { files, notes, classes, ..Found::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        home
    }

    fn names(found: &Found) -> Vec<String> {
        found.files.iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_split_to_train_on_is_read_and_the_others_are_named() {
        let row = "{\"a\": 1}\n";
        let home = folder(&[
            ("README.md", ""),
            ("dataset_infos.json", "{}"),
            ("data/train-00000-of-00002.jsonl", row),
            ("data/train-00001-of-00002.jsonl", row),
            ("data/validation-00000-of-00002.jsonl", row),
            ("data/validation-00001-of-00002.jsonl", row),
        ]);
        let found = of_folder(home.path()).unwrap();
        assert_eq!(names(&found), ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"]);
        let said = found.notes[0].to_string();
        assert!(said.contains("data/validation*.jsonl"), "{said}");
        assert_eq!(of_pattern(&home.path().join("data/validation*.jsonl")).unwrap().files.len(), 2);
        let split = folder(&[("test-0.csv", "a\n"), ("dev-0.csv", "a\n")]);
        assert!(of_folder(split.path()).unwrap_err().to_string().contains("validation, test"));
    }

    #[test]
    fn files_of_one_kind_are_a_table_and_of_several_are_not() {
        let alike = folder(&[("b.jsonl.gz", ""), ("a.jsonl", ""), ("LICENSE.txt", "")]);
        assert_eq!(names(&of_folder(alike.path()).unwrap()), ["a.jsonl", "b.jsonl.gz"]);
        let mixed = folder(&[("a.jsonl", ""), ("b.csv", "")]);
        assert!(of_folder(mixed.path()).unwrap_err().to_string().contains("a.jsonl, b.csv"));
        let model = folder(&[("config.json", "{}"), ("vocab.json", "{}")]);
        assert!(of_folder(model.path()).unwrap_err().to_string().contains("of a model"));
    }

    #[test]
    fn a_pattern_without_a_file_is_said() {
        let home = folder(&[("a.csv", "")]);
        let error = of_pattern(&home.path().join("*.parquet")).unwrap_err();
        assert!(error.to_string().contains("*.parquet is a pattern that no file has"), "{error}");
    }
}
