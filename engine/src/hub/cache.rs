//! The cache that all programs of this machine share, laid out as Python's client has it:
//! `models--org--name/{blobs,refs,snapshots}`. What was fetched there is found here, and the other way round.
//!
//! A file's content is a blob, named by the hub's hash; a snapshot is a folder of links to blobs, named by the commit;
//! a reference is a file that says which commit a branch or tag was. As described in
//! huggingface/huggingface_hub: docs/source/en/guides/manage-cache.md.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file_selection::{choose_rows, common_folder};
use super::{HubError, ModelId};
use crate::error::IoAction;
use crate::files::gguf::{self, is_gguf};

/// Any of these, beside `config.json`, is a model. A file in GGUF is one by itself.
const WEIGHTS: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// Folders of a dataset within each other.
const MAX_DEPTH: usize = 4;

/// A model that is in the shared cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CachedModel {
    /// At its main branch.
    pub id: ModelId,
    /// A folder as any other with a model in it, or a file in GGUF.
    pub folder: PathBuf,
    /// Of all its files.
    pub bytes: u64,
}

/// The folder of a model that is in the cache with its weights, or its file in GGUF; nothing is fetched.
pub fn find_cached(cache: &Path, id: &ModelId) -> Option<PathBuf> {
    let folder = snapshot_of(cache, id)?;
    let (names, whole) = gguf_files(&folder);
    match id.file() {
        Some(file) => whole.iter().any(|name| name == file).then(|| folder.join(file)),
        None if is_model(&folder) => Some(folder),
        // The only one, as it is fetched where none is named.
        None if names.len() == 1 => whole.first().map(|name| folder.join(name)),
        None => None,
    }
}

fn snapshot_of(cache: &Path, id: &ModelId) -> Option<PathBuf> {
    let home = cache.join(id.folder());
    let commit = fs::read_to_string(home.join("refs").join(id.revision())).ok();
    // Without a reference the revision may be the commit itself.
    let commit = commit.map_or_else(|| id.revision().to_owned(), |text| text.trim().to_owned());
    Some(home.join("snapshots").join(Some(commit).filter(|commit| is_plain(commit))?))
}

/// The models in GGUF of a snapshot by name, each by its first file; and those of which every file is there.
fn gguf_files(snapshot: &Path) -> (Vec<String>, Vec<String>) {
    let names = files_ending(".gguf", snapshot, "", 0);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let models = gguf::models(&names);
    let whole = models.iter().filter(|name| gguf::parts(name, &names).is_ok());
    let owned = |name: &&str| (*name).to_owned();
    (models.iter().map(owned).collect(), whole.map(owned).collect())
}

/// The folder of a dataset's rows that are in the cache; nothing is fetched.
pub fn find_cached_rows(cache: &Path, id: &ModelId) -> Option<PathBuf> {
    let rows = id.rows()?;
    let home = cache.join(id.folder());
    let converted = if id.is_at_main() { Some(super::file_selection::CONVERTED) } else { None };
    let snapshot = |revision: &str| {
        let commit = fs::read_to_string(home.join("refs").join(revision)).ok();
        let commit = commit.map_or_else(|| revision.to_owned(), |text| text.trim().to_owned());
        Some(home.join("snapshots").join(Some(commit).filter(|commit| is_plain(commit))?))
    };
    converted.into_iter().chain([id.revision()]).filter_map(snapshot).find_map(|snapshot| {
        let names = files_ending(".parquet", &snapshot, "", 0);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let chosen = choose_rows(id.name(), &names, rows).ok()?;
        Some(snapshot.join(common_folder(&chosen)))
    })
}

/// Files of an ending below a folder, by their names in it.
fn files_ending(ending: &str, folder: &Path, before: &str, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{before}{}", entry.file_name().to_string_lossy());
        if depth < MAX_DEPTH && entry.path().is_dir() {
            found.extend(files_ending(ending, &entry.path(), &format!("{name}/"), depth + 1));
        } else if name.to_ascii_lowercase().ends_with(ending) && entry.path().is_file() {
            found.push(name);
        }
    }
    found
}

/// All models of the cache, by name.
pub fn list_cached(cache: &Path) -> Vec<CachedModel> {
    let Ok(entries) = fs::read_dir(cache) else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| ModelId::of_folder(&entry.file_name().to_string_lossy()));
    let size = |path: &Path| fs::metadata(path).map_or(0, |facts| facts.len());
    let mut models = Vec::new();
    for id in ids {
        let Some(folder) = snapshot_of(cache, &id) else { continue };
        for file in gguf_files(&folder).1 {
            let all = files_ending(".gguf", &folder, "", 0);
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            let parts = gguf::parts(&file, &all).unwrap_or_default();
            let bytes = parts.iter().map(|part| size(&folder.join(part))).sum();
            models.push(CachedModel { id: id.clone().with_file(&file), folder: folder.join(&file), bytes });
        }
        if is_model(&folder) {
            let files = fs::read_dir(&folder).into_iter().flatten().flatten();
            let bytes = files.map(|file| size(&file.path())).sum();
            models.push(CachedModel { id, folder, bytes });
        }
    }
    models.sort_by(|a, b| a.id.cmp(&b.id));
    models
}

/// The id of the model that lies in such a folder of a cache, or in a file of it: `…/models--gpt2/snapshots/<commit>`.
pub fn id_of_snapshot(place: &Path) -> Option<ModelId> {
    let is_snapshot =
        |folder: &&Path| folder.parent().and_then(Path::file_name).is_some_and(|name| name == "snapshots");
    let folder = place.ancestors().take(MAX_DEPTH + 2).find(is_snapshot)?;
    let home = folder.parent()?.parent()?.file_name()?.to_string_lossy().into_owned();
    let id = ModelId::of_folder(&home)?;
    match place.strip_prefix(folder).ok()?.to_str()? {
        "" => Some(id),
        file => is_gguf(file).then(|| id.with_file(file)),
    }
}

fn is_model(folder: &Path) -> bool {
    folder.join("config.json").is_file() && WEIGHTS.iter().any(|name| folder.join(name).is_file())
}

/// A hash as a name: nothing in it leads elsewhere.
pub(super) fn is_plain(hash: &str) -> bool {
    (7..=128).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The folder of one model in a cache.
pub(super) struct Home {
    locks: PathBuf,
    home: PathBuf,
}

impl Home {
    pub(super) fn new(cache: &Path, id: &ModelId) -> Self {
        Self { locks: cache.join(".locks").join(id.folder()), home: cache.join(id.folder()) }
    }

    pub(super) fn blob(&self, hash: &str) -> PathBuf {
        self.home.join("blobs").join(hash)
    }

    /// Path for what has arrived so far of a blob.
    pub(super) fn part(&self, hash: &str) -> PathBuf {
        self.home.join("blobs").join(format!("{hash}.incomplete"))
    }

    pub(super) fn lock(&self, hash: &str) -> PathBuf {
        self.locks.join(format!("{hash}.lock"))
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.home.join("snapshots").join(commit)
    }

    /// Puts a blob into a snapshot under its name. Where the system has no links the blob itself goes there, or a copy
    /// of one that other snapshots may need.
    pub(super) fn link(&self, commit: &str, name: &str, hash: &str, fresh: bool) -> Result<(), HubError> {
        let (blob, place) = (self.blob(hash), self.snapshot(commit).join(name));
        if same_length(&place, &blob) {
            return Ok(());
        }
        let folder = place.parent().unwrap_or(&place);
        fs::create_dir_all(folder).map_err(HubError::io(IoAction::Create, folder))?;
        if place.symlink_metadata().is_ok() {
            fs::remove_file(&place).map_err(HubError::io(IoAction::Replace, &place))?;
        }
        // Up from the folders of its name, the commit and the snapshots.
        let up = "../".repeat(name.matches('/').count() + 2);
        if symlink(&Path::new(&up).join("blobs").join(hash), &place).is_ok() {
            return Ok(());
        }
        if fresh {
            return fs::rename(&blob, &place).map_err(HubError::io(IoAction::Write, &place));
        }
        // Under its name it is whole or not there.
        let copy = place.with_extension("copying");
        fs::copy(&blob, &copy).map_err(HubError::io(IoAction::Write, &copy))?;
        fs::rename(&copy, &place).map_err(HubError::io(IoAction::Write, &place))
    }

    /// Remembers which commit a branch or tag is.
    pub(super) fn refer(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if revision == commit {
            return Ok(());
        }
        let path = self.home.join("refs").join(revision);
        if fs::read_to_string(&path).is_ok_and(|known| known.trim() == commit) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.home);
        fs::create_dir_all(folder).map_err(HubError::io(IoAction::Create, folder))?;
        // Whole or not there; a temporary file of the system's would be readable by its owner alone.
        let mut begun = path.clone().into_os_string();
        begun.push(format!(".{}.tmp", std::process::id()));
        fs::write(&begun, commit).map_err(HubError::io(IoAction::Write, &path))?;
        fs::rename(&begun, &path).map_err(HubError::io(IoAction::Write, &path))
    }
}

/// Two files of the same length under names that belong to the same hash.
fn same_length(a: &Path, b: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).ok().map(|facts| facts.len());
    length(a).is_some() && length(a) == length(b)
}

#[cfg(unix)]
fn symlink(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, at)
}

#[cfg(windows)]
fn symlink(to: &Path, at: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(to, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "607a30d783dfa663caf39e06633721c8d4cfcd7e";

    fn cached(cache: &Path, id: &ModelId, names: &[&str]) -> Home {
        let home = Home::new(cache, id);
        fs::create_dir_all(home.blob("x").parent().unwrap()).unwrap();
        for (i, name) in names.iter().enumerate() {
            let hash = format!("{i:040}");
            fs::write(home.blob(&hash), name).unwrap();
            home.link(COMMIT, name, &hash, true).unwrap();
        }
        home.refer(id.revision(), COMMIT).unwrap();
        home
    }

    #[test]
    fn a_model_is_found_by_branch_and_by_commit_once_its_weights_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let id = ModelId::parse("org/name").unwrap();
        cached(folder.path(), &id, &["config.json"]);
        assert_eq!(find_cached(folder.path(), &id), None);
        let home = cached(folder.path(), &id, &["config.json", "model.safetensors"]);
        assert_eq!(find_cached(folder.path(), &id), Some(home.snapshot(COMMIT)));
        let commit = ModelId::parse(&format!("org/name@{COMMIT}")).unwrap();
        assert_eq!(find_cached(folder.path(), &commit), Some(home.snapshot(COMMIT)));
        assert_eq!(find_cached(folder.path(), &ModelId::parse("org/name@v2").unwrap()), None);
        let listed = list_cached(folder.path());
        assert_eq!((listed.len(), listed[0].bytes), (1, 28));
        assert_eq!(id_of_snapshot(&listed[0].folder), Some(id));
        assert_eq!(id_of_snapshot(Path::new("/models/gpt2")), None);
    }

    #[test]
    fn files_of_a_repository_are_models_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let id = |text: &str| ModelId::parse(text).unwrap();
        let home = cached(folder.path(), &id("org/m"), &["config.json", "m-Q4_0.gguf"]);
        let at = |file: &str| Some(home.snapshot(COMMIT).join(file));
        assert_eq!(find_cached(folder.path(), &id("org/m")), at("m-Q4_0.gguf"), "the only one");
        assert_eq!(find_cached(folder.path(), &id("org/m/m-Q4_0.gguf")), at("m-Q4_0.gguf"));
        assert_eq!(find_cached(folder.path(), &id("org/m/m-Q8_0.gguf")), None);
        cached(folder.path(), &id("org/m"), &["config.json", "m-Q4_0.gguf", "b/m-00001-of-00002.gguf"]);
        assert_eq!(find_cached(folder.path(), &id("org/m")), None, "which one");
        assert_eq!(find_cached(folder.path(), &id("org/m/b/m-00001-of-00002.gguf")), None, "not whole");
        let all = ["config.json", "m-Q4_0.gguf", "b/m-00001-of-00002.gguf", "b/m-00002-of-00002.gguf"];
        cached(folder.path(), &id("org/m"), &all);
        let listed = list_cached(folder.path());
        let names: Vec<String> = listed.iter().map(|model| model.id.to_string()).collect();
        assert_eq!(names, ["org/m/b/m-00001-of-00002.gguf", "org/m/m-Q4_0.gguf"]);
        assert_eq!((listed[0].bytes, listed[1].bytes), (2 * 23, 11));
        assert_eq!(id_of_snapshot(&listed[0].folder), Some(id("org/m/b/m-00001-of-00002.gguf")));
    }

    #[test]
    fn a_reference_that_leads_out_of_the_cache_finds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let id = ModelId::parse("gpt2").unwrap();
        let refs = folder.path().join("models--gpt2/refs");
        fs::create_dir_all(&refs).unwrap();
        fs::create_dir_all(folder.path().join("models--gpt2/snapshots")).unwrap();
        for name in ["config.json", "model.safetensors"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::write(refs.join("main"), "../..").unwrap();
        assert_eq!(find_cached(folder.path(), &id), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_snapshot_links_to_its_blobs_with_relative_paths() {
        let folder = tempfile::tempdir().unwrap();
        let home = cached(folder.path(), &ModelId::parse("gpt2").unwrap(), &["config.json"]);
        let link = fs::read_link(home.snapshot(COMMIT).join("config.json")).unwrap();
        assert_eq!(link, Path::new("../../blobs").join(format!("{:040}", 0)));
    }
}
