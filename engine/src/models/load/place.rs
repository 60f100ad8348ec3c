//! Where a model is: the folder itself, a snapshot in a hub's cache, or below a folder that was chosen one level too high;
//! and what a folder is that has none.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::EngineError;
use crate::files::{self, Kind, gguf};
use crate::weights::WeightFiles;
use crate::{Sentence, sentence};

/// Depth of the search for models below a folder: a hub's cache keeps them in `models--name/snapshots/commit`.
const MAX_DEPTH: usize = 4;

/// Number of entries of folders that are looked at, and of models that are named.
const MAX_ENTRIES: usize = 2000;
const MAX_NAMED: usize = 5;

/// The folder with the model's files: of a folder of a hub's cache (`models--org--name`) the snapshot that its main branch
/// names, or the only one there is; any other folder is itself. Of a model in GGUF it is the file, which is all of it: the
/// one that was named, or the only one of a folder without other weights.
pub(crate) fn resolved(folder: &Path) -> Cow<'_, Path> {
    if let Some(file) = only_gguf(folder) {
        return Cow::Owned(file);
    }
    let snapshots = folder.join("snapshots");
    if folder.join("config.json").is_file() || !snapshots.is_dir() {
        return Cow::Borrowed(folder);
    }
    let is_model = |snapshot: &Path| snapshot.join("config.json").is_file() || only_gguf(snapshot).is_some();
    let model = |snapshot: PathBuf| Cow::Owned(only_gguf(&snapshot).unwrap_or(snapshot));
    let main = files::read_to_string(&folder.join("refs/main"), Kind::Settings).unwrap_or_default();
    let main = main.trim();
    let is_name = Path::new(main).file_name().is_some_and(|name| name == main);
    if is_name && is_model(&snapshots.join(main)) {
        return model(snapshots.join(main));
    }
    match below(&snapshots).filter(|snapshot| is_model(snapshot)).collect::<Vec<_>>().as_slice() {
        [one] => model(one.clone()),
        _ => Cow::Borrowed(folder),
    }
}

/// The model in GGUF of a folder that has one and no other weights.
fn only_gguf(folder: &Path) -> Option<PathBuf> {
    match ggufs(folder).as_slice() {
        [only] if !WeightFiles::are_in(folder) => Some(folder.join(only)),
        _ => None,
    }
}

/// Names of the models in GGUF of a folder.
fn ggufs(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_ENTRIES);
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    gguf::models(&names).into_iter().map(str::to_owned).collect()
}

/// The error for a folder without `config.json`.
pub(crate) fn not_a_model(folder: &Path) -> EngineError {
    let path = folder.to_owned();
    if let Ok(text) = files::read_to_string(&folder.join("adapter_config.json"), Kind::Settings) {
        let config: Value = serde_json::from_str(&text).unwrap_or_default();
        let holds = match config.get("base_model_name_or_path").and_then(Value::as_str) {
            Some(base) => sentence!("it is an adapter for {base}", base),
            None => sentence!("it is an adapter"),
        };
        return EngineError::NotAModel { path, holds };
    }
    let found = models_below(folder);
    if !found.is_empty() {
        let named: Vec<String> = found.iter().take(MAX_NAMED).map(|path| path.display().to_string()).collect();
        let named = named.join(", ");
        let holds = match found.len() {
            0..=MAX_NAMED => sentence!("the models are below it: {named}", named),
            _ => sentence!("the models are below it: {named}, and others", named),
        };
        return EngineError::NotAModel { path, holds };
    }
    let files = ggufs(folder);
    if !files.is_empty() {
        return EngineError::NotAModel { path, holds: several_ggufs(&files) };
    }
    EngineError::ModelFileMissing { what: sentence!("config.json"), path }
}

/// The error for a folder with `config.json` and without weights.
pub(crate) fn without_weights(folder: &Path, error: EngineError) -> EngineError {
    let holds = match &error {
        EngineError::ModelFileMissing { .. } if !ggufs(folder).is_empty() => several_ggufs(&ggufs(folder)),
        EngineError::ModelFileMissing { .. } if folder.join(".git").exists() => {
            sentence!("it is a git clone without weights: run git lfs pull in it")
        }
        EngineError::ModelFileMissing { .. } if has_ending(folder, "h5") || has_ending(folder, "msgpack") => {
            sentence!("its weights are TensorFlow's or Flax's, which are not read here: save it with PyTorch")
        }
        _ => return error,
    };
    EngineError::NotAModel { path: folder.to_owned(), holds }
}

/// A description of a folder with several models in GGUF.
fn several_ggufs(files: &[String]) -> Sentence {
    let named = files.iter().take(MAX_NAMED).cloned().collect::<Vec<String>>().join(", ");
    sentence!("it has {n} models in GGUF, choose the file of one: {named}", n = files.len(), named)
}

/// Folders with `config.json` and weights below a folder, each as one would choose it.
fn models_below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut looked) = (Vec::new(), 0);
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((at, depth)) = waiting.pop() {
        let mut inside: Vec<PathBuf> = below(&at).take(MAX_ENTRIES).collect();
        inside.sort();
        looked += inside.len();
        if looked > MAX_ENTRIES || found.len() > MAX_NAMED {
            break;
        }
        for path in inside.into_iter().rev() {
            let place = resolved(&path);
            if place.is_file() || place.join("config.json").is_file() {
                found.push(path.clone());
            } else if depth + 1 < MAX_DEPTH {
                waiting.push((path, depth + 1));
            }
        }
    }
    found.sort();
    found
}

/// The folders in a folder, links left out: they could lead in a circle.
fn below(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}

fn has_ending(folder: &Path, ending: &str) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension().is_some_and(|found| found == ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_folder_of_a_hub_s_cache_is_the_snapshot_of_its_main_branch() {
        let cache = tempfile::tempdir().unwrap();
        let model = cache.path().join("models--org--name");
        write(&model, "snapshots/0123/config.json", "{}");
        assert_eq!(resolved(&model), model.join("snapshots/0123"), "the only one");
        write(&model, "snapshots/4567/config.json", "{}");
        assert_eq!(resolved(&model), model, "nobody says which");
        write(&model, "refs/main", "4567\n");
        assert_eq!(resolved(&model), model.join("snapshots/4567"));
        write(&model, "refs/main", "../../elsewhere");
        assert_eq!(resolved(&model), model, "a name from a file stays a name");
        let above = not_a_model(cache.path()).to_string();
        assert!(above.contains("snapshots/0123") && above.contains("snapshots/4567"), "nobody says which: {above}");
        write(&model, "refs/main", "0123");
        let above = not_a_model(cache.path()).to_string();
        assert!(above.contains("the models are below it") && above.contains("models--org--name"), "{above}");
    }

    #[test]
    fn what_a_folder_is_that_is_no_model_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let said = || not_a_model(folder.path()).to_string();
        assert!(said().contains("config.json"));
        write(folder.path(), "a/b/config.json", "{}");
        assert!(said().contains("b"), "{}", said());
        write(folder.path(), "adapter_config.json", r#"{"base_model_name_or_path": "org/base"}"#);
        assert!(said().contains("an adapter for org/base"), "{}", said());
        write(folder.path(), "a/b/.git/HEAD", "ref");
        let missing = || EngineError::ModelFileMissing { what: sentence!("weights"), path: PathBuf::new() };
        let git = without_weights(&folder.path().join("a/b"), missing()).to_string();
        assert!(git.contains("git lfs pull"), "{git}");
    }

    #[test]
    fn a_folder_with_one_file_in_gguf_is_that_file() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        write(folder.path(), "m-Q4_0.gguf", "");
        write(folder.path(), "mmproj-m.gguf", "");
        write(folder.path(), "config.json", "{}");
        assert_eq!(resolved(folder.path()), at("m-Q4_0.gguf"));
        assert_eq!(resolved(&at("m-Q4_0.gguf")), at("m-Q4_0.gguf"), "a file is itself");
        write(folder.path(), "m-Q8_0.gguf", "");
        assert_eq!(resolved(folder.path()), folder.path());
        let said = not_a_model(folder.path()).to_string();
        assert!(said.contains("2 models in GGUF") && said.contains("m-Q4_0.gguf, m-Q8_0.gguf"), "{said}");
        fs::remove_file(at("m-Q8_0.gguf")).unwrap();
        write(folder.path(), "model.safetensors", "");
        assert_eq!(resolved(folder.path()), folder.path(), "other weights are there");
        let cache = tempfile::tempdir().unwrap();
        write(cache.path(), "models--a--b/snapshots/0123/m.gguf", "");
        let snapshot = cache.path().join("models--a--b/snapshots/0123/m.gguf");
        assert_eq!(resolved(&cache.path().join("models--a--b")), snapshot);
    }
}
