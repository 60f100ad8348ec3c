//! `heartbeat.json` in the folder of a run that has no index: which host computes it, and when it last said so. Locks do not
//! reach over every disk that hosts share, and say nothing of where.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use engine::device::host_name;
use engine::files::write_json;
use serde::{Deserialize, Serialize};

use super::folder;
use super::index::Right;
use super::thread::StoreThread;
use crate::workspace::now;

/// Name of the file.
const FILE: &str = "heartbeat.json";

/// Between two beats.
pub(super) const BEAT: Duration = Duration::from_secs(15);

/// Seconds without a beat, either way as clocks differ, after which nobody computes the run.
const SILENCE: u64 = 90;

/// Who computes a run, and when that was last so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heartbeat {
    pub(super) host: String,
    pid: u32,
    /// Seconds since 1970.
    at: i64,
    /// The scheduler's name for the job, which stays when it puts the job back into its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

impl Heartbeat {
    /// Of this program, at a time.
    pub(super) fn ours(at: i64) -> Self {
        Self { host: host_name(), pid: std::process::id(), at, job: job() }
    }

    pub(super) fn read(folder: &Path) -> Option<Self> {
        folder::read_json(&folder.join(FILE))
    }

    /// Whether it says that another host computes the run. On the same host the lock is known to say so, and a job that is
    /// begun again has ended where it was.
    pub(super) fn is_elsewhere(&self, ours: &Self) -> bool {
        let is_same_job = self.job.is_some() && self.job == ours.job;
        self.at.abs_diff(ours.at) <= SILENCE && self.host != ours.host && !is_same_job
    }

    /// Seconds since the last beat.
    pub(super) fn age(&self, ours: &Self) -> u64 {
        self.at.abs_diff(ours.at)
    }
}

/// The job that a scheduler gave this program.
fn job() -> Option<String> {
    let named = |names: &[&str]| {
        let values: Option<Vec<String>> = names.iter().map(|name| env::var(name).ok()).collect();
        values.map(|values| format!("{} {}", names[0], values.join("_")))
    };
    named(&["HQ_JOB_ID", "HQ_TASK_ID"]).or_else(|| named(&["SLURM_JOB_ID"]))
}

/// Whether a program computes the run now: ours, another here, or one on another host.
pub(super) fn is_computed(folder: &Path) -> bool {
    let elsewhere = || Heartbeat::read(folder).is_some_and(|beat| beat.is_elsewhere(&Heartbeat::ours(now())));
    folder::is_locked(folder) || elsewhere()
}

/// The computation has ended.
pub(super) fn end(folder: &Path) {
    fs::remove_file(folder.join(FILE)).ok();
}

impl StoreThread {
    /// Says of the runs that this program computes that it does, where there is no index to ask.
    pub(super) fn beat(&self) {
        if !matches!(self.index.right, Right::Alone) {
            return;
        }
        let ours = Heartbeat::ours(now());
        for folder in self.live.keys().map(|run| self.workspace.run_folder(run)).filter(|folder| folder.is_dir()) {
            if let Err(error) = write_json(&folder.join(FILE), &ours) {
                tracing::warn!("no heartbeat: {error}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(host: &str, at: i64, job: Option<&str>) -> Heartbeat {
        Heartbeat { host: host.to_owned(), pid: 7, at, job: job.map(str::to_owned) }
    }

    #[test]
    fn a_heartbeat_counts_until_it_stops_and_not_for_the_job_that_is_begun_again() {
        let (limit, ours) = (i64::try_from(SILENCE).unwrap(), beat("here", 10_000, Some("SLURM_JOB_ID 5")));
        let elsewhere = |host, at, job| beat(host, at, job).is_elsewhere(&ours);
        assert!(elsewhere("there", 10_000, None) && elsewhere("there", 10_000 - limit, Some("SLURM_JOB_ID 6")));
        assert!(elsewhere("there", 10_000 + limit, None), "a clock may be ahead");
        assert!(!elsewhere("there", 10_000 - limit - 1, None) && !elsewhere("there", 10_001 + limit, None));
        assert!(!elsewhere("here", 10_000, None), "here the lock says it");
        assert!(!elsewhere("there", 10_000, Some("SLURM_JOB_ID 5")));
    }

    #[test]
    fn a_heartbeat_that_is_a_link_or_cut_short_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{\"host\": \"the").unwrap();
        assert_eq!(Heartbeat::read(folder.path()), None);
        write_json(&folder.path().join(FILE), &beat("there", now(), None)).unwrap();
        assert!(is_computed(folder.path()));
        end(folder.path());
        assert!(!is_computed(folder.path()));
    }
}
