//! The folder of an experiment: `experiment.json` has what was asked and its runs with their ids, `experiment.toml` the file
//! that it was read from, and `lock` is held by the program that trains it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use engine::config::RunConfig;
use engine::error::{EngineError, IoAction};
use engine::experiment::{Experiment, Member};
use engine::files::{self, Kind};
use engine::sentence;
use serde::{Deserialize, Serialize};

use super::{ExperimentId, Plan, PlannedRun};
use crate::workspace::{RunId, Workspace, WorkspaceError};

/// The file with everything that decides an experiment.
const RECORD: &str = "experiment.json";
/// The file as it was given.
const SOURCE: &str = "experiment.toml";

/// The content of `experiment.json`.
#[derive(Serialize, Deserialize)]
struct Record {
    experiment: Experiment,
    runs: Vec<PlannedRun>,
}

/// An experiment that this program trains: others wait as long as it is there.
#[derive(Debug)]
pub struct Held {
    /// `None` where the file system knows no locks.
    _lock: Option<File>,
}

impl Plan {
    /// Makes the folder of an experiment, with an id for each run. A run without a name is named after what differs.
    ///
    /// # Errors
    /// A sentence and what to do, where the folder cannot be written.
    pub fn create(
        workspace: &Workspace,
        experiment: Experiment,
        configs: Vec<(Member, RunConfig)>,
    ) -> Result<Self, WorkspaceError> {
        let mut plan = Self::named(&workspace.new_experiment()?.0, experiment, configs);
        plan.name_first(workspace);
        let record = Record { experiment: plan.experiment.clone(), runs: plan.runs.clone() };
        let folder = workspace.experiment_folder(&plan.id);
        files::write_json(&folder.join(RECORD), &record).map_err(|error| unwritable(&folder, error))?;
        Ok(plan)
    }

    /// The experiment as it would be under an id; nothing is written.
    pub fn named(id: &str, experiment: Experiment, configs: Vec<(Member, RunConfig)>) -> Self {
        let id = ExperimentId(id.to_owned());
        let digits = configs.len().to_string().len();
        let planned = |(index, (member, mut config)): (usize, (Member, RunConfig))| {
            if config.name.trim().is_empty() {
                config.name.clone_from(&member.name);
            }
            PlannedRun {
                run: RunId(format!("{id}-{:0digits$}", index + 1)),
                name: member.name,
                values: member.values,
                config: Box::new(config),
            }
        };
        let runs = configs.into_iter().enumerate().map(planned).collect();
        Self { id, experiment, runs }
    }

    /// Keeps the file that the experiment was read from.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_source(&self, workspace: &Workspace, text: &str) -> Result<(), WorkspaceError> {
        let folder = workspace.experiment_folder(&self.id);
        files::write_whole(&folder.join(SOURCE), text.as_bytes()).map_err(|error| unwritable(&folder, error))
    }

    /// All experiments of a workspace, newest first; those that cannot be read are named.
    pub fn list(workspace: &Workspace) -> (Vec<Self>, Vec<PathBuf>) {
        let entries = fs::read_dir(workspace.experiments()).into_iter().flatten().filter_map(Result::ok);
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        let (mut plans, mut unread) = (Vec::new(), Vec::new());
        // A folder without the file was being made when the program ended: nothing was begun.
        for folder in folders.into_iter().rev().filter(|folder| folder.join(RECORD).exists()) {
            match Self::read(&folder) {
                Some(plan) => plans.push(plan),
                None => unread.push(folder),
            }
        }
        (plans, unread)
    }

    fn read(folder: &Path) -> Option<Self> {
        let id = ExperimentId(folder.file_name()?.to_str()?.to_owned());
        let record: Record =
            files::read_json(&folder.join(RECORD), Kind::RunRecord, sentence!("experiment.json")).ok()?;
        let Record { experiment, runs } = record;
        // A stranger's file leads to no folder outside.
        runs.iter().all(|planned| planned.run.is_a_name()).then_some(Self { id, experiment, runs })
    }

    /// Takes the experiment, so that no other program trains it at the same time; `None` while another does.
    ///
    /// # Errors
    /// The file of the lock cannot be made.
    pub fn hold(&self, workspace: &Workspace) -> Result<Option<Held>, EngineError> {
        let path = workspace.experiment_folder(&self.id).join("lock");
        let file = files::lock_file(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Held { _lock: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(Some(Held { _lock: None }))
            }
            Err(TryLockError::Error(source)) => Err(EngineError::Io { action: IoAction::Lock, path, source }),
        }
    }

    /// A name that no other experiment of the workspace has: the one asked for, or with a number behind it.
    pub fn free_name(workspace: &Workspace, asked: &str) -> String {
        let taken: Vec<String> = Self::list(workspace).0.into_iter().map(|plan| plan.experiment.name).collect();
        let numbered = (2..).map(|n| format!("{asked} {n}"));
        std::iter::once(asked.to_owned()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or_default()
    }
}

fn unwritable(folder: &Path, error: EngineError) -> WorkspaceError {
    let source = match error {
        EngineError::Io { source, .. } => source,
        other => io::Error::other(other.to_string()),
    };
    WorkspaceError::Unwritable { path: folder.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use engine::config::DataConfig;
    use engine::experiment::{Axis, Strategy};
    use serde_json::json;

    use super::*;

    fn made(workspace: &Workspace, name: &str, lengths: &[u64]) -> Plan {
        let points = lengths.iter().map(|&n| vec![json!(n)]).collect();
        let axis = Axis { keys: vec!["method.n_virtual".to_owned()], points };
        let experiment = Experiment {
            name: name.to_owned(),
            base: json!({}),
            axes: vec![axis],
            strategy: Strategy::Grid,
            first: None,
        };
        let members = lengths.iter().map(|n| {
            let values = vec![("method.n_virtual".to_owned(), json!(n))];
            let member = Member { name: format!("n_virtual {n}"), values, settings: json!({}) };
            (member, RunConfig::new("/m", DataConfig::new("/d.jsonl")))
        });
        Plan::create(workspace, experiment, members.collect()).unwrap()
    }

    #[test]
    fn an_experiment_is_found_again_with_the_ids_of_its_runs() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        assert_eq!(Plan::list(&workspace), (Vec::new(), Vec::new()));
        let first = made(&workspace, "lengths", &[1, 5]);
        let second = made(&workspace, "others", &[10; 12]);
        assert_eq!(Plan::list(&workspace).0, [second.clone(), first.clone()], "newest first");
        assert_eq!(first.runs[1].run.0, format!("{}-2", first.id));
        assert_eq!(second.runs[2].run.0, format!("{}-03", second.id), "in the order of their names");
        assert_eq!(first.runs[1].config.name, "n_virtual 5");
        assert!(!workspace.run_folder(&first.runs[0].run).exists(), "nothing was begun");
        assert_eq!(Plan::free_name(&workspace, "lengths"), "lengths 2");
        assert_eq!(Plan::free_name(&workspace, "new"), "new");
    }

    #[test]
    fn what_cannot_be_read_is_named_and_what_was_never_made_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let good = made(&workspace, "good", &[1]);
        workspace.new_experiment().unwrap();
        let bad = workspace.experiment_folder(&workspace.new_experiment().unwrap());
        fs::write(bad.join(RECORD), "{").unwrap();
        let outside = workspace.experiment_folder(&made(&workspace, "outside", &[1]).id);
        let text = fs::read_to_string(outside.join(RECORD)).unwrap();
        let id = outside.file_name().unwrap().to_string_lossy().into_owned();
        fs::write(outside.join(RECORD), text.replace(&format!("{id}-1"), "../../elsewhere")).unwrap();
        assert_eq!(Plan::list(&workspace), (vec![good], vec![outside, bad]));
    }

    #[test]
    fn one_program_trains_it_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let plan = made(&workspace, "one", &[1]);
        let held = plan.hold(&workspace).unwrap();
        assert!(held.is_some() && plan.hold(&workspace).unwrap().is_none());
        drop(held);
        assert!(plan.hold(&workspace).unwrap().is_some());
    }
}
