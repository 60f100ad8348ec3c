//! Models and datasets as arguments: a path, or the id of one in the hub's cache.

use std::path::{Path, PathBuf};

use engine::hub::{ModelId, find_cached, find_cached_rows, shared_cache};

use crate::cli::support::error::CliError;

/// The folder of a model as a command names it: a folder, a file in GGUF, or the id of a model that is in the shared cache, written
/// `gpt2` where there is no such folder, or `hub:gpt2`.
pub(in crate::cli) fn model_folder(asked: &Path, base: &Path) -> PathBuf {
    let text = asked.to_string_lossy();
    if !text.starts_with("hub:") && base.join(asked).exists() {
        return base.join(asked);
    }
    let cached = ModelId::parse(&text).ok().and_then(|id| find_cached(&shared_cache(), &id));
    // With its prefix it is no path: [`require_model`] has the sentence.
    cached.unwrap_or_else(|| if text.starts_with("hub:") { asked.to_owned() } else { base.join(asked) })
}

/// The path of rows as a command names them: a file, a folder or a pattern, or `hf://datasets/OWNER/NAME` for a dataset that is
/// in the shared cache. One that is not there stays as it is: [`require_rows`] has the sentence.
pub(in crate::cli) fn rows_path(asked: &Path, base: &Path) -> PathBuf {
    let text = asked.to_string_lossy();
    if !text.starts_with(DATASETS) {
        return base.join(asked);
    }
    let cached = ModelId::parse(&text).ok().and_then(|id| find_cached_rows(&shared_cache(), &id));
    cached.unwrap_or_else(|| asked.to_owned())
}

/// Begins the id of a dataset on the hub.
const DATASETS: &str = "hf://datasets/";

/// Says how to fetch a dataset that is not here.
pub(in crate::cli) fn require_rows(path: &Path) -> Result<(), CliError> {
    let text = path.to_string_lossy();
    if !text.starts_with(DATASETS) {
        return Ok(());
    }
    let id = ModelId::parse(&text).map_err(|error| CliError::usage(error.to_string(), error.advice()))?;
    Err(CliError::failed(
        format!("the dataset {id} is not in the hub's cache"),
        format!("Fetch it with: prefix-workbench download \"{id}\""),
    ))
}

/// The same from the folder that the command was typed in.
///
/// # Errors
/// There is neither such a folder nor such a model in the cache.
pub(in crate::cli) fn found_model(asked: &Path) -> Result<PathBuf, CliError> {
    let here = std::env::current_dir().unwrap_or_default();
    let folder = model_folder(asked, &here);
    require_model(&folder, &here)?;
    Ok(folder)
}

/// Says how to fetch a model that is not here, if its folder could be meant as an id.
pub(in crate::cli) fn require_model(folder: &Path, base: &Path) -> Result<(), CliError> {
    if folder.exists() {
        return Ok(());
    }
    let asked = folder.strip_prefix(base).unwrap_or(folder);
    let Ok(id) = ModelId::parse(&asked.to_string_lossy()) else { return Ok(()) };
    Err(CliError::failed(
        format!("there is no folder or file {}, and the model {id} is not in the hub's cache", asked.display()),
        format!("Fetch it with: prefix-workbench download {id}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_that_is_not_here_is_named_with_the_command_that_fetches_it() {
        let base = tempfile::tempdir().unwrap();
        let folder = model_folder(Path::new("no-org/no-model"), base.path());
        assert_eq!(folder, base.path().join("no-org/no-model"));
        let error = require_model(&folder, base.path()).unwrap_err().to_string();
        assert!(error.ends_with("Fetch it with: prefix-workbench download no-org/no-model"), "{error}");
        let error = require_model(&model_folder(Path::new("hub:no-model"), base.path()), base.path()).unwrap_err();
        assert!(error.to_string().contains("download no-model"), "{error}");
        // A path is a path, and what is missing in it is the engine's to say.
        require_model(Path::new("/models/of/mine"), base.path()).unwrap();
        let asked = Path::new("hf://datasets/no-org/no-set/a");
        let error = require_rows(&rows_path(asked, base.path())).unwrap_err().to_string();
        assert!(error.contains("download \"hf://datasets/no-org/no-set/a\""), "{error}");
        require_rows(&rows_path(Path::new("rows.csv"), base.path())).unwrap();
        std::fs::create_dir(base.path().join("gpt2")).unwrap();
        assert_eq!(model_folder(Path::new("gpt2"), base.path()), base.path().join("gpt2"));
    }
}
