//! A batch on disk: `experiments/<id>/jobs/<n>/` with the settings of each run, their ids in order, the script, and, once it
//! was handed over, to whom and under which name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use engine::device::DeviceChoice;
use engine::error::{EngineError, Failure, IoAction};
use engine::files::{self, Kind};
use engine::sentence;
use serde::{Deserialize, Serialize};

use super::program::at;
use super::{How, Task, Via};
use crate::cli::run_file::{self, shell_word};
use crate::experiments::{ExperimentId, Plan};
use crate::workspace::{RunId, Workspace, now};

/// The record of a batch that was handed over.
const RECORD: &str = "submission.json";

/// Runs that are handed over together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its folder.
    pub folder: PathBuf,
    /// The experiment's name.
    pub name: String,
    /// The runs; a task is known by its place among them, from 0.
    pub runs: Vec<RunId>,
    /// Further words for `sbatch` or `hq submit`.
    pub flags: Vec<String>,
    /// Tasks that are under way at the same time, at most.
    pub at_once: Option<usize>,
    /// Devices of workers on this machine.
    pub devices: Vec<Option<DeviceChoice>>,
    /// The words that train `$run`, but for what a worker adds.
    pub train: String,
}

impl Batch {
    /// A batch as it would be, in a folder that need not be there.
    pub fn of(plan: &Plan, runs: &[usize], folder: PathBuf, workspace: &Workspace, how: &How) -> Self {
        let program = std::env::current_exe().unwrap_or_else(|_| "prefix-workbench".into());
        let word = |path: &Path| shell_word(&path.to_string_lossy());
        let train = format!(
            "{} --workspace {} train \"$run.toml\" --into {}/\"$run\" --resume --experiment {}",
            word(&program),
            word(workspace.root()),
            word(&workspace.runs()),
            shell_word(&plan.experiment.name),
        );
        Self {
            folder,
            name: plan.experiment.name.clone(),
            runs: runs.iter().map(|&index| plan.runs[index].run.clone()).collect(),
            flags: how.flags.clone(),
            at_once: how.at_once,
            devices: how.devices.clone(),
            train,
        }
    }

    /// Writes the folder of a new batch, but for who has it.
    pub(super) fn write(plan: &Plan, runs: &[usize], workspace: &Workspace, how: &How) -> Result<Self, Failure> {
        let jobs = jobs(workspace, &plan.id);
        let written = || -> Result<Self, EngineError> {
            fs::create_dir_all(&jobs).map_err(at(IoAction::Create, &jobs))?;
            let folder = new_folder(&jobs).map_err(at(IoAction::Create, &jobs))?;
            let batch = Self::of(plan, runs, folder, workspace, how);
            for &index in runs {
                let planned = &plan.runs[index];
                let file = batch.folder.join(format!("{}.toml", planned.run));
                files::write_whole(&file, run_file::write(&planned.config).as_bytes())?;
            }
            let ids: String = batch.runs.iter().map(|run| format!("{run}\n")).collect();
            files::write_whole(&batch.folder.join("runs"), ids.as_bytes())?;
            files::write_whole(&batch.folder.join("job.sh"), how.via.machines().script(&batch).as_bytes())?;
            Ok(batch)
        };
        written().map_err(|error| Failure::from(&error))
    }

    /// Keeps who has it.
    pub(super) fn note(self, how: &How, job: String) -> Result<Submission, Failure> {
        let record = Record { via: how.via.clone(), job, at: now(), runs: self.runs.clone() };
        files::write_json(&self.folder.join(RECORD), &record).map_err(|error| Failure::from(&error))?;
        Ok(Submission { folder: self.folder, name: self.name, record })
    }

    /// The file to which a task's own words are added.
    pub(super) fn log(&self, task: usize) -> PathBuf {
        self.folder.join(format!("{task}.log"))
    }
}

/// The content of `submission.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    via: Via,
    job: String,
    /// Seconds since 1970.
    at: i64,
    runs: Vec<RunId>,
}

/// A batch that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    folder: PathBuf,
    name: String,
    record: Record,
}

impl Submission {
    /// Those of an experiment, oldest first.
    pub fn of(plan: &Plan, workspace: &Workspace) -> Vec<Self> {
        let entries = fs::read_dir(jobs(workspace, &plan.id)).into_iter().flatten().flatten();
        let read = |folder: PathBuf| {
            let number: u32 = folder.file_name()?.to_str()?.parse().ok()?;
            let record: Record =
                files::read_json(&folder.join(RECORD), Kind::RunRecord, sentence!("submission.json")).ok()?;
            Some((number, Self { folder, name: plan.experiment.name.clone(), record }))
        };
        let mut found: Vec<(u32, Self)> = entries.filter_map(|entry| read(entry.path())).collect();
        found.sort_by_key(|(number, _)| *number);
        found.into_iter().map(|(_, submission)| submission).collect()
    }

    /// To whom it was handed.
    pub fn via(&self) -> &Via {
        &self.record.via
    }

    /// The name that it has there.
    pub fn job(&self) -> &str {
        &self.record.job
    }

    /// Its runs, in order.
    pub fn runs(&self) -> &[RunId] {
        &self.record.runs
    }

    /// The words of the task of this place.
    pub fn log(&self, task: usize) -> PathBuf {
        self.batch().log(task)
    }

    /// Its tasks, in the order of the runs.
    ///
    /// # Errors
    /// The scheduler cannot be asked.
    pub fn tasks(&self) -> Result<Vec<Option<Task>>, Failure> {
        self.via().machines().tasks(&self.batch(), self.job())
    }

    /// Ends all of it.
    ///
    /// # Errors
    /// The scheduler cannot be asked.
    pub fn cancel(&self) -> Result<(), Failure> {
        self.via().machines().cancel(&self.batch(), self.job())
    }

    /// Places in the plan of runs that a scheduler has and will begin, or has begun.
    pub(super) fn runs_in_hand(plan: &Plan, workspace: &Workspace) -> Result<BTreeSet<usize>, Failure> {
        let mut taken = BTreeSet::new();
        for submission in Self::of(plan, workspace) {
            let coming = submission.tasks()?.into_iter().map(|task| task.is_some_and(|task| task.is_coming));
            let runs = submission.runs().iter().zip(coming).filter(|(_, coming)| *coming).map(|(run, _)| run);
            taken.extend(runs.filter_map(|run| plan.runs.iter().position(|planned| planned.run == *run)));
        }
        Ok(taken)
    }

    fn batch(&self) -> Batch {
        Batch {
            folder: self.folder.clone(),
            name: self.name.clone(),
            runs: self.record.runs.clone(),
            flags: Vec::new(),
            at_once: None,
            devices: Vec::new(),
            train: String::new(),
        }
    }
}

fn jobs(workspace: &Workspace, experiment: &ExperimentId) -> PathBuf {
    workspace.experiment_folder(experiment).join("jobs")
}

/// The first number that no batch has.
fn new_folder(jobs: &Path) -> std::io::Result<PathBuf> {
    let mut numbers = 1_u32..;
    loop {
        let folder = jobs.join(numbers.next().unwrap_or(u32::MAX).to_string());
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| folder),
        }
    }
}
