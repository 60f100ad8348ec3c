//! The experiments that come with the program: files in `assets/experiments/`, each with a sentence on what it answers.

use std::path::PathBuf;

use crate::cli::run_file;
use crate::workspace::Assets;

/// An experiment that comes with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyMade {
    /// As the command line names it: the file's name.
    pub name: String,
    /// What it answers, a sentence.
    pub about: String,
    /// The file.
    pub file: PathBuf,
}

/// All of them, in the order of their names.
pub fn ready_made(assets: &Assets) -> Vec<ReadyMade> {
    let entries = std::fs::read_dir(assets.root().join("experiments")).into_iter().flatten();
    let read = |file: PathBuf| {
        let name = file.file_name()?.to_str()?.strip_suffix(".toml")?.to_owned();
        let tree = run_file::parse(&file).ok()?;
        let about = tree.get("about").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        Some(ReadyMade { name, about, file })
    };
    let mut found: Vec<ReadyMade> = entries.filter_map(|entry| read(entry.ok()?.path())).collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}
