//! Workers without a scheduler: a script on each device or host that takes the next run nobody has taken, until none is left.
//! A run is taken by making a folder, which one alone can do, also on a disk that hosts share.

use std::path::Path;

use super::{Batch, Task};
use crate::cli::run_file::shell_word;

/// The script of a worker: its first word says who it is, the others are further flags of `train`.
pub(super) fn script(batch: &Batch) -> String {
    format!(
        "#!/bin/sh
# Trains one run after another, each that no other worker has taken.
worker=$1
shift
cd {folder} || exit 1
trap 'ending=yes; told=yes; [ -z \"$program\" ] || kill -TERM \"$program\"' TERM INT HUP
task=0
for run in $(cat runs); do
    [ -z \"$ending\" ] || break
    if mkdir \"taken-$task\" 2>/dev/null; then
        echo \"$worker\" >\"taken-$task/worker\"
        {train} \"$@\" >>\"$task.log\" 2>&1 &
        program=$!
        told=yes
        while [ \"$told\" ]; do told=; wait \"$program\"; status=$?; done
        program=
        echo \"$status\" >\"taken-$task/status\"
    fi
    task=$((task + 1))
done
",
        folder = shell_word(&batch.folder.to_string_lossy()),
        train = batch.train,
    )
}

/// How the tasks stand, by what the workers wrote; `alive` are the names of workers that are there.
pub(super) fn tasks(batch: &Batch, alive: &[String]) -> Vec<Option<Task>> {
    let read = |task: usize, name: &str| {
        let path = batch.folder.join(format!("taken-{task}")).join(name);
        std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
    };
    let of = |task: usize| {
        let is_taken = batch.folder.join(format!("taken-{task}")).is_dir();
        let worker = read(task, "worker");
        match read(task, "status") {
            Some(status) => {
                let state = if status == "0" { "done" } else { "ended" }.to_owned();
                let reason = (status != "0").then(|| format!("status {status}"));
                Some(Task { state, reason, place: worker, is_coming: false })
            }
            None if is_taken => {
                let is_alive = worker.as_ref().is_none_or(|worker| alive.contains(worker));
                is_alive.then(|| Task { state: "running".to_owned(), reason: None, place: worker, is_coming: true })
            }
            None if alive.is_empty() => None,
            None => Some(Task { state: "waiting".to_owned(), reason: None, place: None, is_coming: true }),
        }
    };
    (0..batch.runs.len()).map(of).collect()
}

/// A worker as it is known: its process on its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Worker {
    pub(super) name: String,
    pub(super) pid: u32,
}

/// The name of a job of workers: `cpu=123 wgpu:0=124`.
pub(super) fn job(workers: &[Worker]) -> String {
    workers.iter().map(|worker| format!("{}={}", worker.name, worker.pid)).collect::<Vec<_>>().join(" ")
}

/// Reads a name of a job again.
pub(super) fn workers(job: &str) -> Vec<Worker> {
    let worker = |word: &str| {
        let (name, pid) = word.rsplit_once('=')?;
        Some(Worker { name: name.to_owned(), pid: pid.parse().ok()? })
    };
    job.split_whitespace().filter_map(worker).collect()
}

/// A line for a shell that succeeds where the process is still that of a worker of this folder: a number is given to another
/// process in time.
pub(super) fn is_there(pid: u32, folder: &Path) -> String {
    let script = shell_word(&folder.join("job.sh").to_string_lossy());
    format!("case \"$(ps -o args= -p {pid})\" in *{script}*) ;; *) exit 1 ;; esac")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(folder: &Path, n: usize) -> Batch {
        Batch {
            folder: folder.to_owned(),
            name: "e".to_owned(),
            runs: (0..n).map(|i| crate::workspace::RunId(format!("e-{i}"))).collect(),
            flags: Vec::new(),
            at_once: None,
            devices: Vec::new(),
            train: "sh ./train.sh \"$run\"".to_owned(),
        }
    }

    #[cfg(unix)]
    #[test]
    fn workers_take_each_run_once_and_write_how_it_ended() {
        let folder = tempfile::tempdir().unwrap();
        let batch = batch(folder.path(), 4);
        std::fs::write(folder.path().join("job.sh"), script(&batch)).unwrap();
        std::fs::write(folder.path().join("runs"), "e-0\ne-1\ne-2\ne-3\n").unwrap();
        let train = "echo \"$1\" >>trained; [ \"$1\" != e-2 ] || exit 3\n";
        std::fs::write(folder.path().join("train.sh"), train).unwrap();
        assert_eq!(tasks(&batch, &[]), [None, None, None, None]);
        let start =
            |name: &str| std::process::Command::new("sh").arg(folder.path().join("job.sh")).arg(name).spawn().unwrap();
        let both = [start("a"), start("b")];
        for mut worker in both {
            assert!(worker.wait().unwrap().success());
        }
        let trained = std::fs::read_to_string(folder.path().join("trained")).unwrap();
        let mut trained: Vec<&str> = trained.lines().collect();
        trained.sort_unstable();
        assert_eq!(trained, ["e-0", "e-1", "e-2", "e-3"]);
        let told: Vec<Task> = tasks(&batch, &[]).into_iter().flatten().collect();
        assert_eq!(told.iter().filter(|task| task.state == "done").count(), 3);
        assert_eq!(told[2].reason.as_deref(), Some("status 3"));
    }

    #[test]
    fn what_nobody_has_taken_waits_as_long_as_there_is_a_worker() {
        let folder = tempfile::tempdir().unwrap();
        let batch = batch(folder.path(), 2);
        let taken = folder.path().join("taken-0");
        std::fs::create_dir(&taken).unwrap();
        std::fs::write(taken.join("worker"), "a\n").unwrap();
        let told = |alive: &[&str]| {
            let alive: Vec<String> = alive.iter().map(|&name| name.to_owned()).collect();
            tasks(&batch, &alive).iter().map(|task| task.as_ref().map(Task::to_string)).collect::<Vec<_>>()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(told(&["a", "b"]), [some("running on a"), some("waiting")]);
        assert_eq!(told(&["b"]), [None, some("waiting")], "a was ended");
        assert_eq!(told(&[]), [None, None]);
        let job = job(&workers("cpu=12 wgpu:0=13 user@b.example=14"));
        assert_eq!(job, "cpu=12 wgpu:0=13 user@b.example=14");
    }
}
