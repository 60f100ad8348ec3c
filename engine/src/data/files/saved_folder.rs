//! Folders that the datasets library writes: of a split, of several splits, and of its cache.
//!
//! Forms as in huggingface/datasets: `save_to_disk` of src/datasets/arrow_dataset.py and src/datasets/dataset_dict.py,
//! names of the cache in src/datasets/naming.py. Versions before 2 keep the order of a shuffled dataset in files of its own.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::features::Classes;
use super::{Found, damaged, names_in, read_description};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The split that is read of a folder with several.
const TRAIN: &str = "train";
/// Splits to validate on, the surest first.
const VALIDATION: [&str; 5] = ["validation", "valid", "dev", "val", "test"];

/// The files that such a folder stands for; `None` for another folder.
///
/// # Errors
/// It names what is not there, or has no split that is surely meant.
pub(super) fn found(folder: &Path) -> Result<Option<Found>> {
    let has = |name: &str| folder.join(name).is_file();
    if has("dataset_dict.json") {
        return of_splits(folder).map(Some);
    }
    if has("state.json") && has("dataset_info.json") {
        return of_split(folder).map(Some);
    }
    if has("dataset_info.json") { of_cache(folder) } else { Ok(None) }
}

/// The folder of the files in a repository of the hub's cache, or the folder itself.
pub(super) fn snapshot(folder: &Path) -> PathBuf {
    let commit = std::fs::read_to_string(folder.join("refs/main")).ok();
    let commit = commit.as_deref().map(str::trim).filter(|name| !name.is_empty() && !name.contains(['/', '\\', '.']));
    let snapshot = commit.map(|commit| folder.join("snapshots").join(commit));
    snapshot.filter(|path| path.is_dir()).unwrap_or_else(|| folder.to_owned())
}

fn of_splits(folder: &Path) -> Result<Found> {
    let path = folder.join("dataset_dict.json");
    let described = read_description(&path)?;
    let splits = described.get("splits").and_then(Value::as_array).into_iter().flatten();
    let splits: Vec<&str> = splits.filter_map(Value::as_str).filter(|name| is_name(name)).collect();
    let chosen = match splits.as_slice() {
        [] => return Err(damaged(&path, sentence!("it names no splits"))),
        [only] => only,
        splits if splits.contains(&TRAIN) => TRAIN,
        [first, ..] => return Err(no_train(folder, &splits.join(", "), &folder.join(first))),
    };
    let mut found = of_split(&folder.join(chosen))?;
    let others: Vec<(&str, PathBuf)> =
        splits.iter().filter(|name| **name != chosen).map(|name| (*name, folder.join(name))).collect();
    found.notes.extend(note(chosen, &others));
    Ok(found)
}

/// A note on the split that is read and on where the others are, those to validate on first.
pub(super) fn note(chosen: &str, others: &[(&str, PathBuf)]) -> Option<Sentence> {
    if others.is_empty() {
        return None;
    }
    let validation = VALIDATION.iter().find_map(|wanted| others.iter().find(|(name, _)| name == wanted));
    let names = others.iter().map(|(name, _)| *name).collect::<Vec<&str>>().join(", ");
    Some(match validation {
        Some((_, path)) => sentence!(
            "Read is the split {chosen}, beside it lies {names}; rows to validate on are at {path}",
            chosen,
            names,
            path
        ),
        None => sentence!("Read is the split {chosen}, beside it lies {names}", chosen, names),
    })
}

/// The refusal of a folder in which no split is surely meant.
pub(super) fn no_train(folder: &Path, splits: &str, path: &Path) -> EngineError {
    EngineError::NotRows {
        path: folder.to_owned(),
        found: sentence!("a dataset of the splits {splits}, none of them train", splits),
        advice: sentence!("Name one of them: {path}", path),
    }
}

fn of_split(folder: &Path) -> Result<Found> {
    let path = folder.join("state.json");
    let state = read_description(&path)?;
    let files = |key: &str| -> Result<Vec<PathBuf>> {
        let entries = state.get(key).and_then(Value::as_array).into_iter().flatten();
        entries.map(|entry| named_file(folder, &path, entry)).collect()
    };
    let indices = [files("_indices_data_files")?, files("_indices_files")?].concat();
    let files = files("_data_files")?;
    if files.is_empty() {
        return Err(damaged(&path, sentence!("it names no files of rows")));
    }
    let notes = match indices.is_empty() {
        true => Vec::new(),
        false => vec![sentence!("The rows are those of the dataset's own list, in its order")],
    };
    Ok(Found { files, indices, classes: classes(folder), notes })
}

/// A note on a single file of a dataset that keeps an order of its own.
pub(super) fn note_on_order(file: &Path) -> Option<Sentence> {
    let folder = file.parent().filter(|_| file.extension().is_some_and(|ending| ending == "arrow"))?;
    let state = folder.join("state.json");
    let state = state.is_file().then(|| read_description(&state).ok()).flatten()?;
    let is_listed = |key: &str| state.get(key).and_then(Value::as_array).is_some_and(|files| !files.is_empty());
    (is_listed("_indices_data_files") || is_listed("_indices_files")).then(|| {
        sentence!(
            "The file is read as it is; its dataset keeps an order of rows, which the folder {folder} is read in",
            folder
        )
    })
}

/// The file that an entry `{"filename": …}` names, which is in the folder.
fn named_file(folder: &Path, state: &Path, entry: &Value) -> Result<PathBuf> {
    let name = entry.get("filename").and_then(Value::as_str).unwrap_or_default();
    if is_name(name) {
        return Ok(folder.join(name));
    }
    Err(damaged(state, sentence!("it names a file that is not in its folder: {name:?}", name)))
}

/// Whether a text is the name of one thing in a folder, and leads nowhere else.
fn is_name(text: &str) -> bool {
    let mut parts = Path::new(text).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && !text.contains('\\')
}

/// Names of classes, as the description beside the rows has them.
pub(super) fn classes(folder: &Path) -> Classes {
    let described = read_description(&folder.join("dataset_info.json")).ok();
    described.as_ref().and_then(|info| info.get("features")).map(Classes::of_features).unwrap_or_default()
}

/// `NAME-train.arrow`, or `NAME-train-00000-of-00003.arrow` and the others of it.
fn of_cache(folder: &Path) -> Result<Option<Found>> {
    let is_rows = |name: &String| name.ends_with(".arrow") && !name.starts_with("cache-") && !name.starts_with("tmp");
    let names: Vec<String> = names_in(folder)?.into_iter().filter(is_rows).collect();
    let mut splits: Vec<(&str, Vec<PathBuf>)> = Vec::new();
    for name in &names {
        let (split, path) = (split_of_cached(name), folder.join(name));
        match splits.iter_mut().find(|(known, _)| *known == split) {
            Some((_, files)) => files.push(path),
            None => splits.push((split, vec![path])),
        }
    }
    let at = match splits.len() {
        0 => return Ok(None),
        1 => Some(0),
        _ => splits.iter().position(|(name, _)| *name == TRAIN),
    };
    let pattern = |(name, files): &(&str, Vec<PathBuf>)| match files.as_slice() {
        [only] => only.clone(),
        _ => folder.join(format!("*-{name}-*.arrow")),
    };
    let Some(at) = at else {
        let names = splits.iter().map(|(name, _)| *name).collect::<Vec<&str>>().join(", ");
        return Err(no_train(folder, &names, &pattern(&splits[0])));
    };
    let (chosen, files) = splits.remove(at);
    let others: Vec<(&str, PathBuf)> = splits.iter().map(|split| (split.0, pattern(split))).collect();
    let notes = note(chosen, &others).into_iter().collect();
    Ok(Some(Found { files, indices: Vec::new(), classes: classes(folder), notes }))
}

fn split_of_cached(name: &str) -> &str {
    let name = name.strip_suffix(".arrow").unwrap_or(name);
    let name = match name.rsplit_once("-of-") {
        Some((shard, n)) if n.bytes().all(|byte| byte.is_ascii_digit()) => {
            shard.rsplit_once('-').map_or(name, |(name, _)| name)
        }
        _ => name,
    };
    name.rsplit_once('-').map_or(name, |(_, split)| split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for name in ["", "..", ".", "/etc/passwd", "../x", "a/b", "a\\b"] {
            assert!(!is_name(name), "{name}");
        }
        assert!(is_name("data-00000-of-00001.arrow"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dataset_info.json"), "{}").unwrap();
        std::fs::write(folder.path().join("state.json"), r#"{"_data_files": [{"filename": "../x.arrow"}]}"#).unwrap();
        assert!(found(folder.path()).unwrap_err().to_string().contains("not in its folder"));
    }

    #[test]
    fn files_of_the_cache_are_told_by_their_split() {
        for (name, split) in
            [("glue-train.arrow", "train"), ("a-b-validation-00000-of-00003.arrow", "validation"), ("x.arrow", "x")]
        {
            assert_eq!(split_of_cached(name), split);
        }
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["glue-test.arrow", "glue-train-00000-of-00002.arrow", "glue-train-00001-of-00002.arrow", "cache-1f.arrow"]
        {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::write(folder.path().join("dataset_info.json"), "{}").unwrap();
        let found = found(folder.path()).unwrap().unwrap();
        assert_eq!(found.files.len(), 2);
        assert!(found.notes[0].to_string().contains("glue-test.arrow"), "{:?}", found.notes);
    }
}
