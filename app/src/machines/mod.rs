//! Machines that the runs of an experiment are handed to: Slurm, HyperQueue, hosts by ssh, workers on this one.
//!
//! Nothing here schedules or moves anything. A batch is a folder in that of the experiment with a script that trains one run
//! with `train --into`; the user's own programs (`sbatch`, `hq`, `ssh`, `sh`) run it. Where a run stands is read from its
//! folder; what is asked here is only why one has not begun, and where it is.

mod batch;
mod hyperqueue;
mod local;
mod program;
mod slurm;
mod ssh;
mod workers;

use std::fmt;
use std::str::FromStr;

use engine::device::DeviceChoice;
use engine::error::Failure;
use engine::experiment::Strategy;
use engine::sentence;
use serde::{Deserialize, Serialize};

pub use self::batch::{Batch, Submission};
use self::hyperqueue::HyperQueue;
use self::local::Local;
pub use self::program::words;
use self::slurm::Slurm;
use self::ssh::Ssh;
use crate::experiments::{Due, Plan};
use crate::workspace::Workspace;

/// Machines that can be named: `local`, `slurm`, `hq`, `ssh:host1,host2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Via {
    /// Workers on this machine, one for each device, which outlive this program.
    Local,
    /// `sbatch`, `squeue` and `scancel`.
    Slurm,
    /// `hq`.
    HyperQueue,
    /// A worker on each of these hosts, which see the workspace under the same path.
    Ssh(Vec<String>),
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Slurm => f.write_str("slurm"),
            Self::HyperQueue => f.write_str("hq"),
            Self::Ssh(hosts) => write!(f, "ssh:{}", hosts.join(",")),
        }
    }
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A name that begins with a minus would be an option of ssh.
        let is_host = |host: &&str| !host.is_empty() && !host.starts_with('-') && !host.contains(char::is_whitespace);
        match text.split_once(':') {
            None if text == "local" => Ok(Self::Local),
            None if text == "slurm" => Ok(Self::Slurm),
            None if text == "hq" => Ok(Self::HyperQueue),
            Some(("ssh", hosts)) if hosts.split(',').all(|host| is_host(&host)) => {
                Ok(Self::Ssh(hosts.split(',').map(str::to_owned).collect()))
            }
            _ => Err("there are local, slurm, hq, and ssh:host1,host2".to_owned()),
        }
    }
}

impl Serialize for Via {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Via {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A task as its scheduler tells it; the words are the scheduler's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Task {
    /// `PENDING`, `running`.
    pub state: String,
    /// Why it waits, or what went wrong: `Resources`.
    pub reason: Option<String>,
    /// The node or host.
    pub place: Option<String>,
    /// It will be begun, or is under way.
    pub is_coming: bool,
}

/// `PENDING (Resources)`, `RUNNING on node3`.
impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.state)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        match &self.place {
            Some(place) => write!(f, " on {place}"),
            None => Ok(()),
        }
    }
}

/// What is handed a batch. A run is tried again as a task of another batch.
pub trait Machines {
    /// The script that is handed over: `job.sh`.
    fn script(&self, batch: &Batch) -> String;

    /// The lines that hand it over, for people to see.
    fn lines(&self, batch: &Batch) -> Vec<String>;

    /// Hands over what lies in the batch's folder; answers with the name that the job then has.
    ///
    /// # Errors
    /// The program is not there, or refuses; its words are passed on.
    fn submit(&self, batch: &Batch) -> Result<String, Failure>;

    /// Its tasks, in the order of the runs; `None` is one that the scheduler does not know any more.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    fn tasks(&self, batch: &Batch, job: &str) -> Result<Vec<Option<Task>>, Failure>;

    /// Ends all of it: what runs writes a checkpoint, what waits is not begun.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    fn cancel(&self, batch: &Batch, job: &str) -> Result<(), Failure>;
}

impl Via {
    /// Speaks to them.
    pub fn machines(&self) -> Box<dyn Machines> {
        match self {
            Self::Local => Box::new(Local),
            Self::Slurm => Box::new(Slurm),
            Self::HyperQueue => Box::new(HyperQueue),
            Self::Ssh(hosts) => Box::new(Ssh(hosts.clone())),
        }
    }
}

/// The way a batch is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct How {
    /// To whom.
    pub via: Via,
    /// Further words for `sbatch` or `hq submit`.
    pub flags: Vec<String>,
    /// Tasks that are under way at the same time, at most.
    pub at_once: Option<usize>,
    /// A worker on this machine for each, `None` being that of the run.
    pub devices: Vec<Option<DeviceChoice>>,
}

impl How {
    /// Refuses what they cannot do.
    ///
    /// # Errors
    /// Somebody who decides by figures as runs go on is needed, or flags and numbers are given that mean nothing there.
    pub fn check(&self, strategy: &Strategy) -> Result<(), Failure> {
        if matches!(strategy, Strategy::Halving { .. }) {
            return Err(Failure {
                what: sentence!("runs that are held against each other as they go on cannot be handed over"),
                advice: sentence!("Train them by this program, or take the strategy \"grid\" or \"random\""),
            });
        }
        if self.at_once.is_some() && matches!(self.via, Via::HyperQueue | Via::Ssh(_)) {
            return Err(Failure {
                what: sentence!("{via} knows no number of runs at once", via = self.via.to_string()),
                advice: sentence!("With hq ask for resources of each run; by ssh there is one run on each host"),
            });
        }
        if !self.flags.is_empty() && matches!(self.via, Via::Local | Via::Ssh(_)) {
            return Err(Failure {
                what: sentence!("{via} takes no further flags", via = self.via.to_string()),
                advice: sentence!("Leave them out: they belong to sbatch or hq"),
            });
        }
        Ok(())
    }
}

/// Hands over the runs that are due and in no scheduler's hands already; `None` where there are none.
///
/// # Errors
/// As [`How::check`]; or another program trains the experiment, a file cannot be written, the scheduler refuses.
pub fn submit(plan: &Plan, due: &[Due], workspace: &Workspace, how: &How) -> Result<Option<Submission>, Failure> {
    how.check(plan.strategy())?;
    let held = plan.hold(workspace).map_err(|error| Failure::from(&error))?;
    let Some(_held) = held else {
        return Err(Failure {
            what: sentence!("the experiment {name} is being trained by another program", name = plan.experiment.name),
            advice: sentence!("Wait until it has ended, or stop it there"),
        });
    };
    let taken = Submission::runs_in_hand(plan, workspace)?;
    let runs: Vec<usize> = due.iter().map(|due| due.index).filter(|index| !taken.contains(index)).collect();
    if runs.is_empty() {
        return Ok(None);
    }
    let batch = Batch::write(plan, &runs, workspace, how)?;
    let job = how.via.machines().submit(&batch)?;
    batch.note(how, job).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_named_as_they_are_written() {
        for name in ["local", "slurm", "hq", "ssh:a", "ssh:a,user@b.example"] {
            assert_eq!(name.parse::<Via>().unwrap().to_string(), name);
        }
        for name in ["", "pbs", "ssh", "ssh:", "ssh:a,,b", "ssh:-oProxyCommand=x", "ssh:a b"] {
            assert!(name.parse::<Via>().is_err(), "{name}");
        }
    }

    #[test]
    fn a_task_is_told_in_the_words_of_its_scheduler() {
        let task = |reason: Option<&str>, place: Option<&str>| Task {
            state: "PENDING".to_owned(),
            reason: reason.map(str::to_owned),
            place: place.map(str::to_owned),
            is_coming: true,
        };
        assert_eq!(task(Some("Resources"), None).to_string(), "PENDING (Resources)");
        assert_eq!(task(None, Some("node3")).to_string(), "PENDING on node3");
    }
}
