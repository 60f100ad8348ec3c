//! The look-up: which files would be fetched, how large they are, and whether there is room. It fetches none of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::access::Access;
use super::cache::{Home, is_plain};
use super::file_selection::{CONVERTED, choose, choose_rows, common_folder};
use super::http::{Client, Head};
use super::{HubError, ModelId, TransferMonitor};
use crate::error::json_reason;
use crate::files::gguf::is_gguf;
use crate::{Sentence, sentence};

/// A list of files that is longer than this is none.
const LONGEST_LIST: usize = 16 << 20;
/// Files of one model at most. The largest known has 191 of weights.
const MOST_FILES: usize = 2000;

/// Where a model's files go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// The shared cache.
    #[default]
    Cache,
    /// A folder of its own.
    Folder(PathBuf),
}

/// A download before it begins: its files and where they go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The model.
    pub id: ModelId,
    /// Commit of the model: files are fetched from this one, whatever happens to the branch meanwhile.
    pub commit: String,
    /// Where it comes from.
    pub endpoint: String,
    /// As `config.json` names the architecture.
    pub model_type: Option<String>,
    /// The model's owner asks to accept terms first.
    pub gated: bool,
    /// In the order in which they are fetched.
    pub files: Vec<ListedFile>,
    /// Where they go.
    pub to: Destination,
    /// The folder that the model is in afterwards.
    pub folder: PathBuf,
    /// On the disk of that folder, if it can be known.
    pub free_bytes: Option<u64>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListedFile {
    /// Name in the repository and in the folder.
    pub name: String,
    /// As the hub says.
    pub bytes: u64,
    /// Bytes that are here already.
    pub here_bytes: u64,
    /// Hash that the file's blob is named by.
    #[serde(skip)]
    pub hash: FileHash,
}

/// The hub's hash of a file, which its blob is named by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileHash {
    /// Of a large file, in hexadecimal: its content is held against it.
    Sha256(String),
    /// Git's, of a small file: its size is held against what was said.
    Git(String),
}

impl FileHash {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Sha256(name) | Self::Git(name) => name,
        }
    }
}

impl Listing {
    /// Of all files.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What is used afterwards: the folder, of a dataset the one that holds all its files, of a model in GGUF its file.
    pub fn place(&self) -> PathBuf {
        if self.id.rows().is_none() {
            return match self.files.first().filter(|file| is_gguf(&file.name)) {
                Some(file) => self.folder.join(&file.name),
                None => self.folder.clone(),
            };
        }
        let names: Vec<&str> = self.files.iter().map(|file| file.name.as_str()).collect();
        match common_folder(&names) {
            common if common.is_empty() => self.folder.clone(),
            common => self.folder.join(common),
        }
    }

    /// Still to be fetched.
    pub fn missing_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes.saturating_sub(file.here_bytes)).sum()
    }

    /// Looks what is here by now.
    pub(super) fn look_again(&mut self, cache: &Path) {
        let here = |file: &ListedFile| here_bytes(self, &file.name, file.bytes, &file.hash, cache);
        let sizes: Vec<u64> = self.files.iter().map(here).collect();
        for (file, here_bytes) in self.files.iter_mut().zip(sizes) {
            file.here_bytes = here_bytes;
        }
        self.free_bytes = free_bytes(&self.folder);
    }

    /// # Errors
    /// [`HubError::DiskFull`] before anything is fetched.
    pub(super) fn check_room(&self) -> Result<(), HubError> {
        let needed = self.missing_bytes();
        match free_bytes(&self.folder) {
            Some(free) if free < needed => Err(HubError::DiskFull { needed, free, path: self.folder.clone() }),
            _ => Ok(()),
        }
    }
}

/// As `GET /api/models/{id}/revision/{revision}?blobs=true` answers.
#[derive(Deserialize)]
struct Repository {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default)]
    gated: serde_json::Value,
    #[serde(default)]
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    model_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: String,
    size: Option<u64>,
}

/// Asks the hub. A dataset without a revision is looked for where the hub keeps it as Parquet, then in its own files.
///
/// # Errors
/// [`HubError`]; nothing is written.
pub(super) fn look_up(
    id: &ModelId,
    to: &Destination,
    access: &Access,
    client: &Client,
    monitor: &mut TransferMonitor<'_>,
) -> Result<Listing, HubError> {
    if id.rows().is_none() || !id.is_at_main() {
        return look_up_at(id, to, access, client, monitor);
    }
    match look_up_at(&id.at(CONVERTED), to, access, client, monitor) {
        Err(HubError::NoSuchRevision { .. } | HubError::NoSuchDataset { .. }) => {
            look_up_at(id, to, access, client, monitor)
        }
        // What the converted files lack says more than what the repository's own do.
        Err(lacking @ HubError::NotRows { .. }) => look_up_at(id, to, access, client, monitor).or(Err(lacking)),
        listed => listed,
    }
}

fn look_up_at(
    id: &ModelId,
    to: &Destination,
    access: &Access,
    client: &Client,
    monitor: &mut TransferMonitor<'_>,
) -> Result<Listing, HubError> {
    if access.offline {
        return Err(HubError::Offline);
    }
    let revision = id.revision().replace('/', "%2F");
    let url = format!("{}/api/{}/{}/revision/{revision}?blobs=true", access.endpoint, id.interface(), id.name());
    let (head, answer) = client.get(&url, 0, monitor)?;
    if head.status != 200 {
        return Err(refusal(&head, id, access, client));
    }
    let text = answer.whole(&access.host(), LONGEST_LIST, monitor)?;
    let bad = |reason: Sentence| HubError::BadAnswer { host: access.host(), reason };
    let repository: Repository = serde_json::from_slice(&text).map_err(|error| bad(json_reason(&error)))?;
    if !is_plain(&repository.sha) {
        return Err(bad(sentence!("it names no commit")));
    }
    let names: Vec<&str> = repository.siblings.iter().map(|sibling| sibling.rfilename.as_str()).collect();
    let folder = match to {
        Destination::Cache => Home::new(&access.cache, id).snapshot(&repository.sha),
        Destination::Folder(folder) => folder.clone(),
    };
    let mut listing = Listing {
        id: id.clone(),
        commit: repository.sha.clone(),
        endpoint: access.endpoint.clone(),
        model_type: repository.config.and_then(|config| config.model_type),
        gated: !matches!(repository.gated, serde_json::Value::Null | serde_json::Value::Bool(false)),
        files: Vec::new(),
        to: to.clone(),
        free_bytes: free_bytes(&folder),
        folder,
    };
    let siblings: BTreeMap<&str, &Sibling> =
        repository.siblings.iter().map(|sibling| (sibling.rfilename.as_str(), sibling)).collect();
    let chosen = match id.rows() {
        Some(rows) => choose_rows(id.name(), &names, rows)?,
        None => choose(id.name(), &names, id.file())?,
    };
    if chosen.len() > MOST_FILES {
        return Err(bad(sentence!(
            "it lists {n} files, more than {most_files}",
            n = chosen.len(),
            most_files = MOST_FILES
        )));
    }
    for name in chosen {
        let known = siblings.get(name).and_then(|sibling| facts(sibling));
        let (bytes, hash) =
            known.ok_or_else(|| bad(sentence!("it does not say how large {name} is and what it holds", name)))?;
        let here_bytes = here_bytes(&listing, name, bytes, &hash, &access.cache);
        listing.files.push(ListedFile { name: name.to_owned(), bytes, here_bytes, hash });
    }
    Ok(listing)
}

/// Size and hash, if both are given and the hash is one.
fn facts(sibling: &Sibling) -> Option<(u64, FileHash)> {
    let hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    match &sibling.lfs {
        Some(file) if hex(&file.sha256, 64) => {
            Some((file.size.or(sibling.size)?, FileHash::Sha256(file.sha256.to_ascii_lowercase())))
        }
        Some(_) => None,
        None => {
            let id = sibling.blob_id.as_ref().filter(|id| hex(id, 40))?;
            Some((sibling.size?, FileHash::Git(id.to_ascii_lowercase())))
        }
    }
}

/// Bytes of a file that are here, wholly or as the beginning of a download.
fn here_bytes(listing: &Listing, name: &str, bytes: u64, hash: &FileHash, cache: &Path) -> u64 {
    let length = |path: &Path| fs::metadata(path).map_or(0, |facts| facts.len());
    let (places, part) = match &listing.to {
        Destination::Cache => {
            let home = Home::new(cache, &listing.id);
            (vec![listing.folder.join(name), home.blob(hash.name())], home.part(hash.name()))
        }
        Destination::Folder(folder) => (vec![folder.join(name)], part_in(folder, name)),
    };
    if places.iter().any(|place| place.is_file() && length(place) == bytes) {
        return bytes;
    }
    let begun = length(&part);
    if begun <= bytes { begun } else { 0 }
}

/// Path for what has arrived so far of a file that goes into a folder of its own.
pub(super) fn part_in(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.incomplete"))
}

/// Error for an answer that is no success.
pub(super) fn refusal(head: &Head, id: &ModelId, access: &Access, client: &Client) -> HubError {
    let (host, name) = (access.host(), id.name().to_owned());
    let gated = || HubError::Gated {
        name: id.name().to_owned(),
        page: format!("{}/{}", access.endpoint, id.place()),
        with_token: client.sends_token(),
    };
    match (head.status, head.error_code.as_deref()) {
        (_, Some("GatedRepo")) | (403, _) => gated(),
        (_, Some("RevisionNotFound")) => HubError::NoSuchRevision { name, revision: id.revision().to_owned() },
        (_, Some("RepoNotFound")) | (404, _) => not_there(id, name, host),
        // The hub does not tell strangers whether a model is private or not there.
        (401, _) if client.sends_token() => HubError::TokenRefused { host },
        (401, _) => not_there(id, name, host),
        (status, _) => HubError::Status { host, status },
    }
}

fn not_there(id: &ModelId, name: String, host: String) -> HubError {
    match id.rows() {
        Some(_) => HubError::NoSuchDataset { name, host },
        None => HubError::NoSuchModel { name, host },
    }
}

/// Bytes free on the disk that a folder is or will be on.
fn free_bytes(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let kind = sysinfo::DiskRefreshKind::nothing().with_storage();
    let disks = sysinfo::Disks::new_with_refreshed_list_specifics(kind).ok()?;
    let holding = disks.iter().filter(|disk| there.starts_with(disk.mount_point()));
    holding.max_by_key(|disk| disk.mount_point().as_os_str().len()).map(sysinfo::Disk::available_space)
}
