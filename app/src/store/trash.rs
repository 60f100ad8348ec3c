//! Runs that were deleted: their folders are moved aside, out of the list, and can be brought back for some days.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::folder::RunFile;
use crate::workspace::{RunId, Workspace};

/// Seven days, after which what was deleted is gone.
pub(super) const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// A run that was deleted and can be brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrashedRun {
    /// Name of its folder.
    pub id: RunId,
    /// Name for people.
    pub name: String,
    /// When it was deleted; seconds since 1970.
    pub deleted: i64,
}

/// Runs that were deleted and can be brought back, the last one first.
pub fn trashed_runs(workspace: &Workspace) -> Vec<TrashedRun> {
    let mut runs: Vec<(SystemTime, TrashedRun)> = places(workspace)
        .into_iter()
        .filter_map(|(id, folder)| {
            let at = deleted_at(&folder)?;
            let deleted = at.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok());
            let name = RunFile::read(&folder).map_or_else(|| id.0.clone(), |file| file.name);
            Some((at, TrashedRun { id, name, deleted: deleted? }))
        })
        .collect();
    runs.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| other.id.cmp(&one.id)));
    runs.into_iter().map(|(_, run)| run).collect()
}

/// Ids and folders of what is there. Where the runs are on another disk than the workspace, or it has no room for another
/// folder, they stand hidden beside the runs.
fn places(workspace: &Workspace) -> Vec<(RunId, PathBuf)> {
    let folders = |of: PathBuf| fs::read_dir(of).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let named = |name: &str, path: PathBuf| Some((RunId(name.to_owned()), path)).filter(|(run, _)| run.is_a_name());
    let own = folders(workspace.trash()).filter_map(|entry| named(entry.file_name().to_str()?, entry.path()));
    let beside = folders(workspace.runs())
        .filter_map(|entry| named(entry.file_name().to_str()?.strip_prefix(BESIDE)?, entry.path()));
    own.chain(beside).collect()
}

/// Before the id of a run in the trash that stands beside the others.
const BESIDE: &str = ".trash-";

/// Moves the folder of a run into the trash. What was there under its name stays under another.
pub(super) fn put(workspace: &Workspace, run: &RunId) -> io::Result<()> {
    let folder = workspace.run_folder(run);
    // Nobody holds it, and without it the folder's time is that of its deletion.
    fs::remove_file(folder.join("lock")).ok();
    touch(&folder);
    let into = |trash: PathBuf, name: String| {
        let place = trash.join(&name);
        if place.exists() {
            let mut others = (2..).map(|n| trash.join(format!("{name}-{n}"))).filter(|path| !path.exists());
            others.next().map_or(Ok(()), |free| fs::rename(&place, free))?;
        }
        fs::rename(&folder, place)
    };
    let own = fs::create_dir_all(workspace.trash()).and_then(|()| into(workspace.trash(), run.0.clone()));
    own.or_else(|_| into(workspace.runs(), format!("{BESIDE}{run}")))
}

/// Moves a run back to the others; false where it is not in the trash.
pub(super) fn take_out(workspace: &Workspace, run: &RunId) -> io::Result<bool> {
    let Some((_, place)) = places(workspace).into_iter().find(|(id, _)| id == run) else { return Ok(false) };
    fs::rename(place, workspace.run_folder(run)).map(|()| true)
}

/// Removes what was deleted longer ago than that; answers how many runs are gone, and what hindered the others.
pub(super) fn empty(workspace: &Workspace, older: Duration) -> (usize, Option<(PathBuf, io::Error)>) {
    let (mut gone, mut hindered) = (0, None);
    for (_, folder) in places(workspace) {
        let age = deleted_at(&folder).and_then(|at| at.elapsed().ok()).unwrap_or_default();
        if age < older {
            continue;
        }
        match fs::remove_dir_all(&folder) {
            Ok(()) => gone += 1,
            Err(error) => hindered = Some((folder, error)),
        }
    }
    (gone, hindered)
}

fn deleted_at(folder: &Path) -> Option<SystemTime> {
    fs::metadata(folder).and_then(|found| found.modified()).ok()
}

/// The folder's time is now, where the system lets one say so.
fn touch(folder: &Path) {
    let touched = fs::File::open(folder).and_then(|open| open.set_modified(SystemTime::now()));
    if let Err(error) = touched {
        tracing::debug!("{}: {error}", folder.display());
    }
}
