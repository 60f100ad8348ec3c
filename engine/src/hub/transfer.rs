//! The download: each file from where it stopped, held against its size and its hash, and put under its name only then.
//!
//! A snapshot of the cache is made when all its files are there, so that it is whole or not there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::access::Access;
use super::cache::Home;
use super::http::{Client, Head};
use super::listing::{Destination, FileHash, ListedFile, Listing, part_in, refusal};
use super::{HubError, Timeouts, TransferMonitor};
use crate::error::IoAction;
use crate::sentence;

/// Bytes read at once of what was fetched before.
const REREAD: usize = 1 << 20;

/// One download.
pub(super) struct Transfer<'a> {
    pub(super) listing: &'a Listing,
    pub(super) access: &'a Access,
    pub(super) client: &'a Client,
    pub(super) timeouts: &'a Timeouts,
}

impl Transfer<'_> {
    /// Fetches what is missing; the answer is the model's folder, or its file.
    ///
    /// # Errors
    /// [`HubError`]; what has arrived of a file is kept, unless it is damaged.
    pub(super) fn run(&self, monitor: &mut TransferMonitor<'_>) -> Result<PathBuf, HubError> {
        if self.access.offline {
            return Err(HubError::Offline);
        }
        self.listing.check_room()?;
        monitor.begin(self.listing);
        match &self.listing.to {
            Destination::Cache => self.fill_cache(monitor)?,
            Destination::Folder(folder) => self.fill_folder(folder, monitor)?,
        }
        monitor.end();
        Ok(self.listing.place())
    }

    fn fill_cache(&self, monitor: &mut TransferMonitor<'_>) -> Result<(), HubError> {
        let home = Home::new(&self.access.cache, &self.listing.id);
        let mut fetched = Vec::new();
        for file in &self.listing.files {
            let (hash, snapshot) = (file.hash.name(), home.snapshot(&self.listing.commit).join(&file.name));
            let blob = home.blob(hash);
            let is_here = || has_length(&blob, file.bytes) || has_length(&snapshot, file.bytes);
            if is_here() {
                monitor.is_here(file);
                continue;
            }
            let lock = home.lock(hash);
            let _held = Lock::take(&lock, &file.name)?;
            // Another program may have fetched it while we waited for our turn.
            if is_here() {
                monitor.is_here(file);
                continue;
            }
            let part = home.part(hash);
            self.fetch(file, &part, monitor)?;
            fs::rename(&part, &blob).map_err(HubError::io(IoAction::Write, &blob))?;
            fetched.push(hash);
        }
        for file in &self.listing.files {
            let snapshot = home.snapshot(&self.listing.commit).join(&file.name);
            let hash = file.hash.name();
            if home.blob(hash).is_file() || !has_length(&snapshot, file.bytes) {
                home.link(&self.listing.commit, &file.name, hash, fetched.contains(&hash))?;
            }
        }
        home.refer(self.listing.id.revision(), &self.listing.commit)
    }

    fn fill_folder(&self, folder: &Path, monitor: &mut TransferMonitor<'_>) -> Result<(), HubError> {
        let _held = Lock::take_once(folder.join(".downloading"), self.listing.id.name())?;
        for file in &self.listing.files {
            let place = folder.join(&file.name);
            if place.symlink_metadata().is_ok() {
                if !holds(&place, file, monitor)? {
                    return Err(HubError::Occupied { file: file.name.clone(), path: folder.to_owned() });
                }
                monitor.is_here(file);
                continue;
            }
            let part = part_in(folder, &file.name);
            self.fetch(file, &part, monitor)?;
            fs::rename(&part, &place).map_err(HubError::io(IoAction::Write, &place))?;
        }
        Ok(())
    }

    /// Fetches the rest of a file into `part`, and checks the whole.
    fn fetch(&self, file: &ListedFile, part: &Path, monitor: &mut TransferMonitor<'_>) -> Result<(), HubError> {
        monitor.start_file(file);
        let mut growing = Growing::open(part, file.bytes, monitor)?;
        let mut failures = 0;
        while growing.at < file.bytes {
            let before = growing.at;
            match self.stream(file, &mut growing, monitor) {
                Ok(()) => {}
                Err(error) if error.is_passing() => {
                    failures = if growing.at > before { 1 } else { failures + 1 };
                    if failures >= self.timeouts.attempts {
                        return Err(cut(file, growing.at, &error));
                    }
                    monitor.pause(self.timeouts.pause * failures)?;
                }
                Err(error) => {
                    if matches!(error, HubError::WrongSize { .. }) {
                        growing.discard();
                    }
                    return Err(error);
                }
            }
        }
        growing.file.sync_all().map_err(HubError::io(IoAction::Write, part))?;
        let found = hexadecimal(growing.hash.clone());
        match &file.hash {
            FileHash::Sha256(expected) if *expected != found => {
                growing.discard();
                Err(HubError::WrongHash { file: file.name.clone(), expected: expected.clone(), found })
            }
            FileHash::Sha256(_) | FileHash::Git(_) => Ok(()),
        }
    }

    /// One request, to its end or until it is cut.
    fn stream(
        &self,
        file: &ListedFile,
        growing: &mut Growing,
        monitor: &mut TransferMonitor<'_>,
    ) -> Result<(), HubError> {
        let Listing { id, commit, .. } = self.listing;
        let url = format!("{}/{}/resolve/{commit}/{}", self.access.endpoint, id.place(), file.name);
        let (head, answer) = self.client.get(&url, growing.at, monitor)?;
        match head.status {
            // The server knows no ranges: from the beginning.
            200 => growing.restart(monitor)?,
            206 if head.from == Some(growing.at) => {}
            206 => {
                let reason = sentence!("it sends another part of {file} than was asked for", file = file.name);
                return Err(HubError::BadAnswer { host: self.access.host(), reason });
            }
            _ => return Err(refusal(&head, id, self.access, self.client)),
        }
        self.check_promise(file, &head, growing.at)?;
        while let Some(piece) = answer.piece(monitor)? {
            let found = growing.at + piece.len() as u64;
            if found > file.bytes {
                return Err(HubError::WrongSize { file: file.name.clone(), expected: file.bytes, found });
            }
            growing.add(&piece)?;
            monitor.arrived(piece.len() as u64);
        }
        if growing.at < file.bytes {
            let reason = sentence!("the server sent less than it promised");
            return Err(HubError::Unreachable { host: self.access.host(), reason });
        }
        Ok(())
    }

    /// Before anything is written: the headers say the same as the list did.
    fn check_promise(&self, file: &ListedFile, head: &Head, from: u64) -> Result<(), HubError> {
        let sizes = [head.linked_size, head.length.and_then(|length| length.checked_add(from))];
        if let Some(found) = sizes.into_iter().flatten().find(|size| *size != file.bytes) {
            return Err(HubError::WrongSize { file: file.name.clone(), expected: file.bytes, found });
        }
        match (&file.hash, &head.etag) {
            (FileHash::Sha256(expected), Some(found)) if found.len() == expected.len() && found != expected => {
                Err(HubError::WrongHash { file: file.name.clone(), expected: expected.clone(), found: found.clone() })
            }
            _ => Ok(()),
        }
    }
}

fn cut(file: &ListedFile, bytes: u64, error: &HubError) -> HubError {
    let reason = match error {
        HubError::Unreachable { reason, .. } => reason.clone(),
        other => other.sentence(),
    };
    HubError::Cut { file: file.name.clone(), bytes, of: file.bytes, reason }
}

/// A file that grows, with the hash of what is in it.
struct Growing {
    path: PathBuf,
    file: File,
    hash: Sha256,
    at: u64,
}

impl Growing {
    /// Takes up what is there of at most so many bytes.
    fn open(path: &Path, most: u64, monitor: &mut TransferMonitor<'_>) -> Result<Self, HubError> {
        make_parent(path)?;
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(HubError::io(IoAction::Write, path))?;
        let mut hash = Sha256::new();
        let mut at = file.metadata().map_err(HubError::io(IoAction::Read, path))?.len();
        if at > most {
            file.set_len(0).map_err(HubError::io(IoAction::Write, path))?;
            at = 0;
        }
        hash_of(&mut file, path, &mut hash, monitor)?;
        file.seek(SeekFrom::Start(at)).map_err(HubError::io(IoAction::Read, path))?;
        monitor.arrived_before(at);
        Ok(Self { path: path.to_owned(), file, hash, at })
    }

    fn add(&mut self, piece: &[u8]) -> Result<(), HubError> {
        self.file.write_all(piece).map_err(HubError::io(IoAction::Write, &self.path))?;
        self.hash.update(piece);
        self.at += piece.len() as u64;
        Ok(())
    }

    fn restart(&mut self, monitor: &mut TransferMonitor<'_>) -> Result<(), HubError> {
        self.file.set_len(0).map_err(HubError::io(IoAction::Write, &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(HubError::io(IoAction::Write, &self.path))?;
        monitor.lost(self.at);
        (self.hash, self.at) = (Sha256::new(), 0);
        Ok(())
    }

    /// Removes a damaged file, which is of no use to a later download.
    fn discard(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("a damaged file stays: {error} ({})", self.path.display());
        }
    }
}

fn hash_of(file: &mut File, path: &Path, hash: &mut Sha256, monitor: &mut TransferMonitor<'_>) -> Result<(), HubError> {
    let mut piece = vec![0; REREAD];
    loop {
        let read = file.read(&mut piece).map_err(HubError::io(IoAction::Read, path))?;
        if read == 0 {
            return Ok(());
        }
        if monitor.is_cancelled() {
            return Err(HubError::Cancelled);
        }
        hash.update(&piece[..read]);
    }
}

/// Whether a file of the chosen folder is the one that is meant.
fn holds(place: &Path, file: &ListedFile, monitor: &mut TransferMonitor<'_>) -> Result<bool, HubError> {
    if !has_length(place, file.bytes) {
        return Ok(false);
    }
    let FileHash::Sha256(expected) = &file.hash else { return Ok(true) };
    let mut hash = Sha256::new();
    let mut opened = File::open(place).map_err(HubError::io(IoAction::Read, place))?;
    hash_of(&mut opened, place, &mut hash, monitor)?;
    Ok(hexadecimal(hash) == *expected)
}

fn has_length(path: &Path, bytes: u64) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.is_file() && facts.len() == bytes)
}

fn make_parent(path: &Path) -> Result<(), HubError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(HubError::io(IoAction::Create, folder))
}

fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Held while files are fetched, by us or by Python's client: until it is dropped.
struct Lock {
    _file: File,
    /// The cache keeps its lock files, a folder of the user's does not.
    removed: Option<PathBuf>,
}

impl Lock {
    fn take(path: &Path, name: &str) -> Result<Self, HubError> {
        make_parent(path)?;
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let file = opened.map_err(HubError::io(IoAction::Write, path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file, removed: None }),
            Err(TryLockError::WouldBlock) => Err(HubError::Busy { file: name.to_owned() }),
            // Where the file system knows no locks, nobody else holds one.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                Ok(Self { _file: file, removed: None })
            }
            Err(TryLockError::Error(error)) => Err(HubError::io(IoAction::Lock, path)(error)),
        }
    }

    /// With a file that goes when the lock does.
    fn take_once(path: PathBuf, name: &str) -> Result<Self, HubError> {
        let mut lock = Self::take(&path, name)?;
        lock.removed = Some(path);
        Ok(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(path) = self.removed.take() {
            // An empty file that stays is in nobody's way.
            fs::remove_file(path).ok();
        }
    }
}
