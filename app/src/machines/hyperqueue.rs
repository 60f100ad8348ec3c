//! HyperQueue: a task array, which `hq` takes, tells of and ends.

use std::process::Command;

use engine::error::Failure;
use serde_json::Value;

use super::program::{line, not_understood, output};
use super::{Batch, Machines, Task};
use crate::cli::run_file::shell_word;

/// The server that `hq` finds.
pub(super) struct HyperQueue;

impl Machines for HyperQueue {
    fn script(&self, batch: &Batch) -> String {
        format!(
            "#!/bin/sh
# Each task trains one run, and goes on with it from its last checkpoint when it is begun again.
cd {folder} || exit 1
run=$(sed -n \"$((HQ_TASK_ID + 1))p\" runs)
exec {train} >>\"$HQ_TASK_ID.log\" 2>&1
",
            folder = shell_word(&batch.folder.to_string_lossy()),
            train = batch.train,
        )
    }

    fn lines(&self, batch: &Batch) -> Vec<String> {
        vec![line(&hq_submit(batch))]
    }

    fn submit(&self, batch: &Batch) -> Result<String, Failure> {
        let said = output(&mut hq_submit(batch))?;
        let answer: Option<Value> = serde_json::from_str(&said).ok();
        let job = answer.as_ref().and_then(|answer| answer.get("id")).and_then(Value::as_u64);
        job.map(|job| job.to_string()).ok_or_else(|| not_understood("hq", &said))
    }

    fn tasks(&self, batch: &Batch, job: &str) -> Result<Vec<Option<Task>>, Failure> {
        let said = output(Command::new("hq").args(["--output-mode", "json", "task", "list", job]))?;
        of_json(&said, job, batch.runs.len())
    }

    fn cancel(&self, _: &Batch, job: &str) -> Result<(), Failure> {
        output(Command::new("hq").args(["job", "cancel", job])).map(drop)
    }
}

fn hq_submit(batch: &Batch) -> Command {
    let last = batch.runs.len().saturating_sub(1);
    let mut command = Command::new("hq");
    command.args(["--output-mode", "json", "submit", "--array", &format!("0-{last}"), "--name", &batch.name]);
    command.args(["--stdout", "none", "--stderr", "none"]).args(&batch.flags);
    command.args(["--", "sh"]).arg(batch.folder.join("job.sh"));
    command
}

/// `{"1": [{"id": 0, "state": "running", "worker": 2}, …]}`.
fn of_json(said: &str, job: &str, n: usize) -> Result<Vec<Option<Task>>, Failure> {
    let answer: Value = serde_json::from_str(said).map_err(|_json| not_understood("hq", said))?;
    let told = answer.get(job).and_then(Value::as_array).ok_or_else(|| not_understood("hq", said))?;
    let mut tasks = vec![None; n];
    for entry in told {
        let state = entry["state"].as_str().unwrap_or_default().to_owned();
        let place = entry["id"].as_u64().and_then(|id| usize::try_from(id).ok());
        let (reason, worker) = (entry["error"].as_str().map(str::to_owned), entry["worker"].as_u64());
        let is_coming = ["waiting", "running"].contains(&state.as_str());
        let place = place.and_then(|place| tasks.get_mut(place));
        if let Some(slot) = place {
            *slot = Some(Task { state, reason, place: worker.map(|worker| format!("worker {worker}")), is_coming });
        }
    }
    Ok(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_read_with_their_worker_and_their_error() {
        let said = r#"{"3": [{"id": 0, "state": "running", "worker": 2}, {"id": 1, "state": "waiting"},
            {"id": 2, "state": "failed", "worker": 1, "error": "Program terminated with exit code 75"}]}"#;
        let tasks = of_json(said, "3", 4).unwrap();
        let told: Vec<String> = tasks.iter().flatten().map(Task::to_string).collect();
        let failed = "failed (Program terminated with exit code 75) on worker 1";
        assert_eq!(told, ["running on worker 2", "waiting", failed]);
        assert!(tasks[3].is_none() && tasks[1].as_ref().is_some_and(|task| task.is_coming));
        assert!(!tasks[2].as_ref().unwrap().is_coming && of_json(said, "4", 4).is_err());
    }
}
