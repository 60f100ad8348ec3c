//! Encoded rows of large files, kept under the digest of all that decides them.
//!
//! A file is known by all of its bytes, not by name, size and time: a run that goes on must be on the rows it began with, and
//! a copy that keeps the time of another file would pass for it. Reading a file for its digest takes some hundredths of the
//! time of encoding it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::row_bytes::FORM;
use super::store::DRAFT;
use super::tokenizer::Tokenizer;
use crate::config::{DataConfig, TaskRecord};
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};
use crate::tokens::TargetStart;
use crate::weights::hex;

/// Folder of the rows within the cache.
const FOLDER: &str = "rows";
/// Ending of their names.
const ENDING: &str = "rows";
/// Most bytes of all that is kept: what was used last stays.
const MOST: u64 = 16 << 30;
/// A file that is being written for longer than this was left behind.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 3600);
/// Bytes of a file that one thread digests at once.
const BLOCK: u64 = 8 << 20;

/// The folder of the rows.
pub(super) fn folder(cache: &Path) -> PathBuf {
    cache.join(FOLDER)
}

/// The path of the rows of a file, as they are encoded by all of this.
///
/// # Errors
/// The file cannot be read, or the tokenizer not be written down.
pub(super) fn path(
    cache: &Path,
    config: &DataConfig,
    task: &TaskRecord,
    (start, max_tokens): (TargetStart, usize),
    tokenizer: &Tokenizer,
) -> Result<PathBuf> {
    // What only chooses among encoded rows, or stands in other files, decides nothing here.
    let plain = DataConfig {
        train: PathBuf::new(),
        name: Some(config.name_of_rows()),
        validation: None,
        validation_share: 0.0,
        validation_rows: 0,
        split_seed: None,
        train_rows: None,
        train_rows_seed: 0,
        more: Vec::new(),
        ..config.clone()
    };
    let key = json!({
        "form": FORM,
        "program": env!("CARGO_PKG_VERSION"),
        "file": digest(&config.train)?,
        "ending": config.train.extension().map(|ending| ending.to_string_lossy().to_lowercase()),
        "config": plain,
        "task": task,
        "start": [start.token, start.first],
        "has_source": start.has_source,
        "max_tokens": max_tokens,
        "tokenizer": tokenizer.digest()?,
        "special": [tokenizer.bos_text(), tokenizer.eos_text(), tokenizer.mask_text()],
        "chat": tokenizer.chat_template().map(|chat| format!("{chat:?}")),
    });
    let key = hex(&Sha256::digest(key.to_string()));
    Ok(folder(cache).join(format!("{key}.{ENDING}")))
}

/// The digest of the digests of a file's blocks, made on all cores.
fn digest(path: &Path) -> Result<String> {
    let length = std::fs::metadata(path).map_err(EngineError::io(IoAction::Read, path))?.len();
    let block = |at: u64| {
        let mut lines = files::open(path, Kind::Rows)?;
        let failed = EngineError::io(IoAction::Read, path);
        let mut bytes = Vec::new();
        let read = std::io::Seek::seek(&mut lines, std::io::SeekFrom::Start(at * BLOCK))
            .and_then(|_| std::io::Read::read_to_end(&mut std::io::Read::take(lines, BLOCK), &mut bytes));
        read.map_err(failed)?;
        Ok(Sha256::digest(&bytes))
    };
    let blocks = (0..length.div_ceil(BLOCK)).into_par_iter().map(block).collect::<Result<Vec<_>>>()?;
    let mut whole = Sha256::new_with_prefix(length.to_le_bytes());
    blocks.iter().for_each(|block| whole.update(block));
    Ok(hex(&whole.finalize()))
}

/// Marks rows as used now, so that others go first.
pub(super) fn touch(path: &Path) {
    let touched = std::fs::File::options().append(true).open(path);
    // That it was used is of no use to somebody who may not write here.
    drop(touched.and_then(|file| file.set_modified(SystemTime::now())));
}

/// Takes away what was used longest ago until the rest is within the limit, and what was left behind unfinished. `kept` stays.
/// What another process reads it goes on reading, and what cannot be taken away stays.
pub(super) fn tidy(cache: &Path, kept: &Path) {
    tidy_to(&folder(cache), kept, MOST);
}

fn tidy_to(folder: &Path, kept: &Path, most: u64) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let (path, Ok(facts)) = (entry.path(), entry.metadata()) else { continue };
        let used = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            if used.elapsed().is_ok_and(|age| age > LEFT_BEHIND) {
                drop(std::fs::remove_file(&path));
            }
        } else if path.extension().is_some_and(|ending| ending == ENDING) {
            found.push((used, facts.len(), path));
        }
    }
    found.sort();
    let mut total: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
    for (_, bytes, path) in found {
        if total <= most {
            return;
        }
        if path != kept && std::fs::remove_file(&path).is_ok() {
            total -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokenizer::byte_tokenizer;
    use super::*;
    use crate::config::Truncate;

    #[test]
    fn another_byte_or_another_setting_is_another_key_and_another_split_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, "abc").unwrap();
        let config = DataConfig::new(&file);
        let key = |config: &DataConfig| {
            let of = (TargetStart::default(), 9);
            path(folder.path(), config, &TaskRecord::default(), of, &byte_tokenizer()).unwrap()
        };
        let first = key(&config);
        let split = DataConfig { split_seed: Some(4), train_rows: Some(3.0), validation: None, ..config.clone() };
        assert_eq!(key(&split), first);
        for other in [
            DataConfig { truncate: Truncate::End, ..config.clone() },
            DataConfig { prompt_template: "x".to_owned(), ..config.clone() },
            DataConfig { append_end_token: false, ..config.clone() },
            DataConfig { name: Some("b".to_owned()), ..config.clone() },
        ] {
            assert_ne!(key(&other), first, "{other:?}");
        }
        let copy = folder.path().join("b.jsonl");
        std::fs::write(&copy, "abc").unwrap();
        assert_eq!(key(&DataConfig { train: copy, name: Some("a".to_owned()), ..config.clone() }), first);
        std::fs::write(&file, "abd").unwrap();
        assert_ne!(key(&config), first);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age: u64| {
            let path = folder.path().join(name);
            std::fs::write(&path, [0; 10]).unwrap();
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
            path
        };
        let paths = [file("a.rows", 50), file("b.rows", 40), file("c.rows", 30)];
        let (fresh, stale) = (file(&format!("{DRAFT}1"), 10), file(&format!("{DRAFT}2"), 100_000));
        tidy_to(folder.path(), &paths[0], 20);
        assert_eq!(paths.each_ref().map(|path| path.exists()), [true, false, true], "what was just made stays");
        assert!(fresh.exists() && !stale.exists());
        touch(&paths[0]);
        tidy_to(folder.path(), &fresh, 10);
        assert_eq!(paths.map(|path| path.exists()), [true, false, false]);
    }
}
