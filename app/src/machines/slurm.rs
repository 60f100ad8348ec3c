//! Slurm: a job array, which `sbatch` takes, `squeue` tells of and `scancel` ends.
//!
//! Some minutes after its end a job is known to nobody without an accounting database, so that only what waits or runs is
//! asked about.

use std::process::Command;

use engine::error::Failure;
use serde_json::Value;

use super::program::{line, not_understood, output};
use super::{Batch, Machines, Task};
use crate::cli::run_file::shell_word;

/// The system's own Slurm.
pub(super) struct Slurm;

impl Machines for Slurm {
    fn script(&self, batch: &Batch) -> String {
        let most = batch.at_once.map(|n| format!("%{n}")).unwrap_or_default();
        format!(
            "#!/bin/sh
# Each task trains one run, and goes on with it from its last checkpoint when it is begun again.
#SBATCH --array=0-{last}{most}
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
#SBATCH --output=%a.log
cd {folder} || exit 1
run=$(sed -n \"$((SLURM_ARRAY_TASK_ID + 1))p\" runs)
{train} &
program=$!
# Before the time is up the run writes a checkpoint, ends with 75, and the job goes back into the queue.
trap 'told=yes; kill -TERM \"$program\"' TERM
told=yes
while [ \"$told\" ]; do told=; wait \"$program\"; status=$?; done
if [ \"$status\" = 75 ] && [ \"$(squeue -h -j \"$SLURM_JOB_ID\" -o %T)\" = RUNNING ]; then
    scontrol requeue \"$SLURM_JOB_ID\"
fi
exit \"$status\"
",
            last = batch.runs.len().saturating_sub(1),
            folder = shell_word(&batch.folder.to_string_lossy()),
            train = batch.train,
        )
    }

    fn lines(&self, batch: &Batch) -> Vec<String> {
        vec![line(&sbatch(batch))]
    }

    fn submit(&self, batch: &Batch) -> Result<String, Failure> {
        let said = output(sbatch(batch).current_dir(&batch.folder))?;
        // `123`, or `123;cluster`.
        let job = said.lines().last().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let is_number = !job.is_empty() && job.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { Ok(job.to_owned()) } else { Err(not_understood("sbatch", &said)) }
    }

    fn tasks(&self, batch: &Batch, job: &str) -> Result<Vec<Option<Task>>, Failure> {
        let told = output(Command::new("squeue").args(["--json", "--jobs", job]));
        let read = told.and_then(|said| of_json(&said, job, batch.runs.len()));
        // Some were built without JSON, and some no longer know a job that has ended.
        read.or_else(|_| {
            let said = output(Command::new("squeue").args(["-h", "-r", "-o", "%i|%T|%r|%N"]))?;
            Ok(of_lines(&said, job, batch.runs.len()))
        })
    }

    fn cancel(&self, _: &Batch, job: &str) -> Result<(), Failure> {
        output(Command::new("scancel").arg(job)).map(drop)
    }
}

fn sbatch(batch: &Batch) -> Command {
    let mut command = Command::new("sbatch");
    command.args(["--parsable", "--job-name", &batch.name]).args(&batch.flags).arg(batch.folder.join("job.sh"));
    command
}

/// States of a job that is over; it may be seen for some minutes.
const OVER: [&str; 9] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "COMPLETING",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "TIMEOUT",
];

fn task(state: &str, reason: &str, nodes: &str) -> Task {
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty() && text != "None");
    Task { state: state.to_owned(), reason: known(reason), place: known(nodes), is_coming: !OVER.contains(&state) }
}

/// The answer of `squeue --json`: numbers and states stand by themselves, or since Slurm 23 in objects and lists.
fn of_json(said: &str, job: &str, n: usize) -> Result<Vec<Option<Task>>, Failure> {
    let answer: Value = serde_json::from_str(said).map_err(|_json| not_understood("squeue", said))?;
    let jobs = answer.get("jobs").and_then(Value::as_array).ok_or_else(|| not_understood("squeue", said))?;
    let mut tasks = vec![None; n];
    for entry in jobs.iter().filter(|entry| number(&entry["array_job_id"]).is_some_and(|id| id.to_string() == job)) {
        let text = |name: &str| match &entry[name] {
            Value::Array(several) => several.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
            one => one.as_str().unwrap_or_default().to_owned(),
        };
        let told = task(&text("job_state"), &text("state_reason"), &text("nodes"));
        let places = number(&entry["array_task_id"]).map_or_else(|| range(&text("array_task_string")), |id| vec![id]);
        for place in places {
            if let Some(slot) = usize::try_from(place).ok().and_then(|place| tasks.get_mut(place)) {
                *slot = Some(told.clone());
            }
        }
    }
    Ok(tasks)
}

/// `5`, or `{"set": true, "number": 5}`.
fn number(value: &Value) -> Option<u64> {
    let is_set = value.get("set").is_none_or(|set| set == true);
    value.as_u64().or_else(|| value.get("number")?.as_u64().filter(|_| is_set))
}

/// `0,3-5%2`: the tasks of an array that wait.
fn range(text: &str) -> Vec<u64> {
    let text = text.split('%').next().unwrap_or_default().trim_matches(['[', ']']);
    let part = |part: &str| match part.split_once('-') {
        Some((from, to)) => from.parse().ok().zip(to.parse().ok()).map(|(from, to)| from..=to),
        None => part.parse().ok().map(|at| at..=at),
    };
    text.split(',').filter_map(part).flatten().take(10_000).collect()
}

/// `12_3|PENDING|Resources|`.
fn of_lines(said: &str, job: &str, n: usize) -> Vec<Option<Task>> {
    let mut tasks = vec![None; n];
    for line in said.lines() {
        let parts: Vec<&str> = line.split('|').collect();
        let [id, state, reason, nodes] = parts.as_slice() else { continue };
        let place = id.strip_prefix(job).and_then(|rest| rest.strip_prefix('_')).and_then(|place| place.parse().ok());
        if let Some(slot) = place.and_then(|place: usize| tasks.get_mut(place)) {
            *slot = Some(task(state, reason, nodes));
        }
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(tasks: &[Option<Task>]) -> Vec<String> {
        tasks.iter().map(|task| task.as_ref().map_or_else(|| "-".to_owned(), Task::to_string)).collect()
    }

    #[test]
    fn tasks_are_read_in_the_form_of_old_and_of_new_versions() {
        let old = r#"{"jobs": [
            {"array_job_id": 7, "array_task_id": 0, "job_state": "RUNNING", "state_reason": "None", "nodes": "n1"},
            {"array_job_id": 7, "array_task_id": null, "array_task_string": "2,4-5%2", "job_state": "PENDING",
             "state_reason": "Resources", "nodes": ""},
            {"array_job_id": 7, "array_task_id": 3, "job_state": "FAILED", "state_reason": "NonZeroExitCode", "nodes": "n1"},
            {"array_job_id": 8, "array_task_id": 1, "job_state": "RUNNING", "state_reason": "None", "nodes": "n2"}]}"#;
        let new = r#"{"jobs": [
            {"array_job_id": {"set": true, "number": 7}, "array_task_id": {"set": true, "number": 0},
             "job_state": ["RUNNING"], "state_reason": "None", "nodes": "n1"},
            {"array_job_id": {"set": true, "number": 7}, "array_task_id": {"set": false, "number": 0},
             "array_task_string": "2,4-5%2", "job_state": ["PENDING"], "state_reason": "Resources", "nodes": ""},
            {"array_job_id": {"set": true, "number": 7}, "array_task_id": {"set": true, "number": 3},
             "job_state": ["FAILED"], "state_reason": "NonZeroExitCode", "nodes": "n1"}]}"#;
        let lines = "7_0|RUNNING|None|n1\n7_2|PENDING|Resources|\n7_4|PENDING|Resources|\n7_5|PENDING|Resources|\n\
                     7_3|FAILED|NonZeroExitCode|n1\n77_1|RUNNING|None|n2\n";
        let waits = "PENDING (Resources)";
        let expected = ["RUNNING on n1", "-", waits, "FAILED (NonZeroExitCode) on n1", waits, waits];
        for said in [old, new] {
            let tasks = of_json(said, "7", 6).unwrap();
            assert_eq!(told(&tasks), expected);
            assert_eq!(tasks.iter().flatten().filter(|task| task.is_coming).count(), 4);
        }
        assert_eq!(told(&of_lines(lines, "7", 6)), expected);
        assert!(of_json("slurm_load_jobs error", "7", 6).is_err());
    }
}
