//! Hosts by the system's ssh, with its agent, its jump hosts and its configuration: a worker on each. They see the workspace
//! and this program under the paths that they have here.

use std::process::Command;

use engine::error::Failure;
use engine::sentence;

use super::program::{line, not_understood, output};
use super::workers::{self, Worker};
use super::{Batch, Machines, Task};
use crate::cli::run_file::shell_word;

/// These hosts.
pub(super) struct Ssh(pub(super) Vec<String>);

/// The remote shell's status where the folder is not there.
const NOT_SEEN: i32 = 66;

impl Machines for Ssh {
    fn script(&self, batch: &Batch) -> String {
        workers::script(batch)
    }

    fn lines(&self, batch: &Batch) -> Vec<String> {
        self.0.iter().enumerate().map(|(at, host)| line(&ssh(host, &begin(batch, host, at)))).collect()
    }

    fn submit(&self, batch: &Batch) -> Result<String, Failure> {
        let mut begun = Vec::new();
        for (at, host) in self.0.iter().enumerate() {
            let said = output(&mut ssh(host, &begin(batch, host, at))).map_err(|failure| Failure {
                advice: sentence!(
                    "The host {host} needs to be reached without a question, and to see this folder: {path}",
                    host,
                    path = batch.folder
                ),
                ..failure
            });
            let said = match said {
                Ok(said) => said,
                // Those that have begun need not wait for the others.
                Err(failure) if begun.is_empty() => return Err(failure),
                Err(failure) => {
                    self.cancel(batch, &workers::job(&begun)).ok();
                    return Err(failure);
                }
            };
            let pid = said.lines().last().and_then(|line| line.trim().parse().ok());
            begun.push(Worker { name: host.clone(), pid: pid.ok_or_else(|| not_understood("ssh", &said))? });
        }
        Ok(workers::job(&begun))
    }

    fn tasks(&self, batch: &Batch, job: &str) -> Result<Vec<Option<Task>>, Failure> {
        let is_alive =
            |worker: &Worker| output(&mut ssh(&worker.name, &workers::is_there(worker.pid, &batch.folder))).is_ok();
        let alive: Vec<String> = workers::workers(job).into_iter().filter(is_alive).map(|worker| worker.name).collect();
        Ok(workers::tasks(batch, &alive))
    }

    fn cancel(&self, batch: &Batch, job: &str) -> Result<(), Failure> {
        for worker in workers::workers(job) {
            let end = format!(
                "({}) && kill -TERM {pid} || true",
                workers::is_there(worker.pid, &batch.folder),
                pid = worker.pid
            );
            output(&mut ssh(&worker.name, &end))?;
        }
        Ok(())
    }
}

fn ssh(host: &str, words: &str) -> Command {
    let mut command = Command::new("ssh");
    command.args(["-o", "BatchMode=yes", "--", host, words]);
    command
}

/// The words for the shell over there: begin the worker, leave it, say its process.
fn begin(batch: &Batch, host: &str, at: usize) -> String {
    let folder = shell_word(&batch.folder.to_string_lossy());
    format!(
        "cd {folder} || exit {NOT_SEEN}; nohup sh {script} {host} </dev/null >worker-{at}.log 2>&1 & echo $!",
        script = shell_word(&batch.folder.join("job.sh").to_string_lossy()),
        host = shell_word(host),
    )
}
