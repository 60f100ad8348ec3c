//! The workspace folder: `experiments.db`, `runs/<id>/`, `experiments/<id>/`, `trash/<id>/`, `cache/`, `settings.toml`.
//!
//! In order: what `--workspace` says, what the environment says, the checkout when the program is started in one, the
//! platform's data folder.

mod adopted;
mod assets;
mod clock;
mod error;
mod imported;
mod names;
mod run_id;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use engine::device::Trials;

pub use self::adopted::run_folders;
pub use self::assets::{ASSETS_VARIABLE, Assets};
use self::clock::stamp;
pub use self::clock::{date_and_time, now, start_of_day};
pub use self::error::WorkspaceError;
pub use self::imported::imported_config;
pub use self::names::{dataset_name, default_name, last_name, method_summary, model_name};
pub use self::run_id::RunId;
use crate::experiments::ExperimentId;

/// Environment variable that names the workspace folder.
pub const WORKSPACE_VARIABLE: &str = "PREFIX_WORKBENCH_WORKSPACE";

/// A folder that can be written, with everything the program keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    root: PathBuf,
    /// The folder that one run's folder is in, where nothing but that run is written and there is no index.
    around: Option<PathBuf>,
}

impl Workspace {
    /// Chooses the folder (see the module) and makes it ready.
    ///
    /// # Errors
    /// [`WorkspaceError`] when there is none or it cannot be written.
    pub fn locate(asked: Option<&Path>) -> Result<Self, WorkspaceError> {
        Self::open(&choose_root(asked)?)
    }

    /// Makes the folder and its parts if need be. One that has runs can be looked at, whether or not it can be written.
    ///
    /// # Errors
    /// [`WorkspaceError::Unwritable`] names the folder.
    pub fn open(root: &Path) -> Result<Self, WorkspaceError> {
        let unwritable = |source| WorkspaceError::Unwritable { path: root.to_owned(), source };
        let root = std::path::absolute(root).map_err(unwritable)?;
        let made = [root.join("runs"), root.join("cache")].iter().try_for_each(fs::create_dir_all);
        match made {
            Err(_) if root.join("runs").is_dir() => Ok(Self { root, around: None }),
            made => made.map(|()| Self { root, around: None }).map_err(unwritable),
        }
    }

    /// One run's folder, wherever it is: nothing but that run is written, and no database, so that any number of programs may
    /// do so on a disk that they share. What can be computed again is kept in the cache of the workspace that
    /// [`locate`](Self::locate) would choose, as far as it can be.
    ///
    /// # Errors
    /// [`WorkspaceError::Unwritable`] when the folder cannot be made, or its name is none.
    pub fn around(folder: &Path, asked: Option<&Path>) -> Result<(Self, RunId), WorkspaceError> {
        let unwritable = |source| WorkspaceError::Unwritable { path: folder.to_owned(), source };
        let path = std::path::absolute(folder).map_err(unwritable)?;
        let name = path.file_name().and_then(|name| name.to_str()).map(|name| RunId(name.to_owned()));
        let (Some(parent), Some(run)) = (path.parent(), name.filter(RunId::is_a_name)) else {
            return Err(unwritable(io::ErrorKind::InvalidFilename.into()));
        };
        fs::create_dir_all(parent).map_err(unwritable)?;
        let root = choose_root(asked).unwrap_or_else(|_| std::env::temp_dir().join("prefix-workbench"));
        if let Err(error) = fs::create_dir_all(root.join("cache")) {
            tracing::debug!("no cache: {error}");
        }
        Ok((Self { root, around: Some(parent.to_owned()) }, run))
    }

    /// Whether there is one run in it, and no index.
    pub fn is_of_one_run(&self) -> bool {
        self.around.is_some()
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The database: an index of the runs.
    pub fn database(&self) -> PathBuf {
        self.root.join("experiments.db")
    }

    /// Locked by the program that writes the database.
    pub fn database_lock(&self) -> PathBuf {
        self.root.join("cache").join("experiments.lock")
    }

    /// The file with a note of how the database looked when it was closed last.
    pub fn database_closed(&self) -> PathBuf {
        self.root.join("cache").join("experiments.closed")
    }

    /// The folder with a folder for each run.
    pub fn runs(&self) -> PathBuf {
        self.around.clone().unwrap_or_else(|| self.root.join("runs"))
    }

    /// The folder of one run.
    pub fn run_folder(&self, run: &RunId) -> PathBuf {
        self.runs().join(&run.0)
    }

    /// The folder with a folder for each experiment.
    pub fn experiments(&self) -> PathBuf {
        self.root.join("experiments")
    }

    /// The folder of one experiment.
    pub fn experiment_folder(&self, experiment: &ExperimentId) -> PathBuf {
        self.experiments().join(&experiment.0)
    }

    /// The folder of runs that were deleted, for as long as that can be taken back.
    pub fn trash(&self) -> PathBuf {
        self.root.join("trash")
    }

    /// Whether the folder of a run, or what it was set up with, is not there.
    pub fn misses_files(&self, run: &RunId) -> bool {
        !self.run_folder(run).join("config.json").is_file()
    }

    /// The folder of what can be computed again.
    pub fn cache(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// The trials of GPUs before their first use: by this program, in a process of its own.
    pub fn trials(&self) -> Option<Trials> {
        std::env::current_exe().ok().map(|program| Trials::new(program, &self.cache()))
    }

    /// The file of the window's settings.
    pub fn settings(&self) -> PathBuf {
        self.root.join("settings.toml")
    }

    /// Where one was and what was typed.
    pub fn desk(&self) -> PathBuf {
        self.root.join("desk.json")
    }

    /// A new id, with its empty folder.
    ///
    /// # Errors
    /// [`WorkspaceError::Unwritable`] when the folder cannot be made.
    pub fn new_run(&self) -> Result<RunId, WorkspaceError> {
        new_folder(&self.runs()).map(RunId)
    }

    /// A new id, with its empty folder.
    ///
    /// # Errors
    /// [`WorkspaceError::Unwritable`] when the folder cannot be made.
    pub fn new_experiment(&self) -> Result<ExperimentId, WorkspaceError> {
        let folder = self.experiments();
        fs::create_dir_all(&folder).map_err(|source| WorkspaceError::Unwritable { path: folder.clone(), source })?;
        new_folder(&folder).map(ExperimentId)
    }

    /// The folder of a run whose id was chosen before; it may be there.
    ///
    /// # Errors
    /// [`WorkspaceError::Unwritable`] when the folder cannot be made.
    pub fn make_run_folder(&self, run: &RunId) -> Result<PathBuf, WorkspaceError> {
        let folder = self.run_folder(run);
        match private_folder(&folder) {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
                Err(WorkspaceError::Unwritable { path: folder, source })
            }
            _ => Ok(folder),
        }
    }
}

/// A new folder there; its name is the present second and what makes it the only one.
fn new_folder(parent: &Path) -> Result<String, WorkspaceError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut moment = now.subsec_nanos() / 15_259; // 65,536 parts of a second
    loop {
        let name = format!("{}-{moment:04x}", stamp(now.as_secs()));
        moment += 1;
        let folder = parent.join(&name);
        match private_folder(&folder) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(WorkspaceError::Unwritable { path: folder, source }),
        }
    }
}

/// Makes a folder that others on the machine cannot look into: samples of one's rows are in it. What is inside has the usual
/// modes, so that a copy of it is as any other file.
fn private_folder(path: &Path) -> io::Result<()> {
    let mut folder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
    folder.create(path)
}

/// Where this program keeps a token for the hub: outside of the workspace, so that no copy of one carries it along.
pub fn kept_token() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "prefix-workbench").map(|dirs| dirs.config_dir().join("hub-token"))
}

fn choose_root(asked: Option<&Path>) -> Result<PathBuf, WorkspaceError> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    if let Some(named) = std::env::var_os(WORKSPACE_VARIABLE).filter(|v| !v.is_empty()) {
        return Ok(PathBuf::from(named));
    }
    if let Ok(current) = std::env::current_dir()
        && is_checkout(&current)
    {
        return Ok(current);
    }
    directories::ProjectDirs::from("", "", "prefix-workbench")
        .map(|dirs| dirs.data_dir().to_owned())
        .ok_or(WorkspaceError::NoDataFolder)
}

fn is_checkout(folder: &Path) -> bool {
    folder.join("Cargo.toml").is_file() && folder.join("assets").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_sortable_and_unique() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let ids: std::collections::BTreeSet<RunId> = (0..50).map(|_| workspace.new_run().unwrap()).collect();
        assert_eq!(ids.len(), 50);
        assert!(ids.iter().all(|id| id.0.len() == 20 && workspace.run_folder(id).is_dir()));
    }

    #[test]
    fn around_a_run_there_is_its_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (place, home) = (folder.path().join("shared/lengths-1"), folder.path().join("home"));
        let (workspace, run) = Workspace::around(&place, Some(&home)).unwrap();
        assert!(workspace.is_of_one_run() && workspace.run_folder(&run) == place && run.0 == "lengths-1");
        assert!(workspace.cache().is_dir() && !home.join("runs").exists() && !place.exists());
        assert!(Workspace::around(Path::new("/"), Some(&home)).is_err());
    }

    #[test]
    fn a_workspace_in_place_of_a_file_is_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("occupied");
        fs::write(&file, "x").unwrap();
        let error = Workspace::open(&file).unwrap_err();
        assert!(error.to_string().contains("cannot be written") && error.to_string().ends_with("occupied"));
    }
}
