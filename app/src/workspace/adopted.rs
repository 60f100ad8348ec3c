//! Runs whose folders are elsewhere, such as on the disk of a cluster: a link among the runs leads there, so that a run is seen
//! while it is computed. Who deletes it here takes the link away, and nothing of what it leads to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use engine::Sentence;
use engine::files::{self, Kind};
use serde::Deserialize;

use super::clock::stamp;
use super::{RunId, Workspace, WorkspaceError, now};

/// The folders of runs that are meant by a folder: itself, or those in it.
///
/// # Errors
/// [`WorkspaceError::NoRun`] when there is none.
pub fn run_folders(folder: &Path) -> Result<Vec<PathBuf>, WorkspaceError> {
    let is_run = |folder: &Path| ["config.json", "run.json"].iter().all(|name| folder.join(name).is_file());
    if is_run(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    found.sort();
    if found.is_empty() { Err(WorkspaceError::NoRun(folder.to_owned())) } else { Ok(found) }
}

#[derive(Deserialize)]
struct Created {
    created: i64,
}

impl Workspace {
    /// Takes a run's folder into the list, by a link; answers with its id, the same each time.
    ///
    /// # Errors
    /// The link cannot be made.
    pub fn adopt(&self, folder: &Path) -> Result<RunId, WorkspaceError> {
        let unwritable = |source| WorkspaceError::Unwritable { path: self.runs(), source };
        let target = std::path::absolute(folder).map_err(unwritable)?;
        if target.parent() == Some(&self.runs())
            && let Some(name) = target.file_name().and_then(|name| name.to_str())
        {
            return Ok(RunId(name.to_owned()));
        }
        let kept = files::read_json(&target.join("run.json"), Kind::RunRecord, Sentence::default());
        let created = kept.map_or_else(|_| now(), |Created { created }| created);
        let mut moment = crc32c::crc32c(target.to_string_lossy().as_bytes()) & 0xffff;
        loop {
            let run = RunId(format!("{}-{moment:04x}", stamp(u64::try_from(created).unwrap_or(0))));
            let link = self.run_folder(&run);
            match link_to(&target, &link) {
                Ok(()) => return Ok(run),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if fs::read_link(&link).is_ok_and(|leads| leads == target) {
                        return Ok(run);
                    }
                    moment = (moment + 1) & 0xffff;
                }
                Err(error) => return Err(unwritable(error)),
            }
        }
    }
}

#[cfg(unix)]
fn link_to(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn link_to(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_dir(target, link)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_elsewhere_has_one_id_and_stays_where_it_is() {
        let home = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(&home.path().join("w")).unwrap();
        let run = |name: &str| {
            let folder = home.path().join("disk").join(name);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("config.json"), "{}").unwrap();
            fs::write(folder.join("run.json"), "{\"created\": 951782399}").unwrap();
            folder
        };
        let (one, other) = (run("one"), run("other"));
        assert_eq!(run_folders(&home.path().join("disk")).unwrap(), [one.clone(), other.clone()]);
        assert!(matches!(run_folders(home.path()), Err(WorkspaceError::NoRun(_))));
        let id = workspace.adopt(&one).unwrap();
        assert!(id.0.starts_with("20000228-235959-") && workspace.run_folder(&id).join("config.json").is_file());
        assert_eq!(workspace.adopt(&one).unwrap(), id);
        assert_ne!(workspace.adopt(&other).unwrap(), id);
        assert_eq!(workspace.adopt(&workspace.run_folder(&id)).unwrap(), id, "it is in the list already");
        fs::remove_dir_all(workspace.run_folder(&id)).unwrap();
        assert!(one.join("run.json").is_file());
    }
}
