//! The files of a model that an index names: its shards.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{EngineError, Result, json_reason};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Files of one model at most. The largest known has 191.
const MAX_SHARDS: usize = 2000;

/// The shards of a folder that its index names, each once.
///
/// # Errors
/// The index cannot be read, or names something that is no file of the folder.
pub(super) fn shard_paths(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = files::read_to_string(index, Kind::Index)?;
    refuse_other(sentence!("the weight index"), index, text.as_bytes())?;
    let malformed = |reason: Sentence| EngineError::Malformed {
        what: sentence!("the weight index"),
        path: index.to_owned(),
        reason,
    };
    let parsed: Index = serde_json::from_str(&text).map_err(|error| malformed(json_reason(&error)))?;
    let mut names: Vec<String> = parsed.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    for name in &names {
        // A name from a stranger's file must stay a name.
        if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
            return Err(malformed(sentence!("{name:?} is not a file name", name)));
        }
    }
    if names.is_empty() || names.len() > MAX_SHARDS {
        return Err(malformed(sentence!(
            "it names {n_names} files, not 1 to {max_shards}",
            n_names = names.len(),
            max_shards = MAX_SHARDS
        )));
    }
    Ok(names.into_iter().map(|name| folder.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::WeightFiles;
    use super::*;

    #[test]
    fn an_index_cannot_name_files_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let index = r#"{"weight_map": {"a": "../secret.safetensors"}}"#;
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        assert!(matches!(WeightFiles::open(folder.path()), Err(EngineError::Malformed { .. })));
    }
}
