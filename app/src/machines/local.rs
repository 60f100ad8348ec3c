//! Workers on this machine, one for each device: processes of their own, which go on when this program ends.

use std::fs::File;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};

use engine::device::DeviceChoice;
use engine::error::{Failure, IoAction};

use super::program::{at, line, not_started, output};
use super::workers::{self, Worker};
use super::{Batch, Machines, Task};
use crate::seats;

/// This machine.
pub(super) struct Local;

impl Machines for Local {
    fn script(&self, batch: &Batch) -> String {
        workers::script(batch)
    }

    fn lines(&self, batch: &Batch) -> Vec<String> {
        commands(batch).iter().map(|(_, command)| line(command)).collect()
    }

    fn submit(&self, batch: &Batch) -> Result<String, Failure> {
        let mut begun = Vec::new();
        for (name, mut command) in commands(batch) {
            let log = batch.folder.join(format!("worker-{}.log", begun.len()));
            let file = File::create(&log).map_err(at(IoAction::Create, &log));
            let file = file.map_err(|error| Failure::from(&error))?;
            let both = file.try_clone().map_err(|error| not_started("nohup", &error))?;
            // A group of its own: Ctrl-C at this program is none at it.
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
            let child = command.stdin(Stdio::null()).stdout(file).stderr(both).spawn();
            begun.push(Worker { name, pid: child.map_err(|error| not_started("nohup", &error))?.id() });
        }
        Ok(workers::job(&begun))
    }

    fn tasks(&self, batch: &Batch, job: &str) -> Result<Vec<Option<Task>>, Failure> {
        let is_alive = |worker: &Worker| ask(batch, worker, "").is_ok();
        let alive: Vec<String> = workers::workers(job).into_iter().filter(is_alive).map(|worker| worker.name).collect();
        Ok(workers::tasks(batch, &alive))
    }

    fn cancel(&self, batch: &Batch, job: &str) -> Result<(), Failure> {
        for worker in workers::workers(job) {
            if ask(batch, &worker, "").is_ok() {
                ask(batch, &worker, &format!("; kill -TERM {}", worker.pid))?;
            }
        }
        Ok(())
    }
}

/// A worker's name and its command, for each device; several on the processor share its threads.
fn commands(batch: &Batch) -> Vec<(String, Command)> {
    let devices: Vec<DeviceChoice> = batch.devices.iter().map(|device| device.unwrap_or_default()).collect();
    let threads = seats::threads(&devices);
    let command = |(at, (device, threads)): (usize, (&Option<DeviceChoice>, Option<NonZeroUsize>))| {
        let name = format!("{}#{}", device.map_or_else(|| "run".to_owned(), |device| device.to_string()), at + 1);
        let mut command = Command::new("nohup");
        command.arg("sh").arg(batch.folder.join("job.sh")).arg(&name);
        if let Some(device) = device {
            command.args(["--device", &device.to_string()]);
        }
        if let Some(threads) = threads {
            command.env("RAYON_NUM_THREADS", threads.to_string());
        }
        (name, command)
    };
    batch.devices.iter().zip(threads).enumerate().map(command).collect()
}

fn ask(batch: &Batch, worker: &Worker, then: &str) -> Result<String, Failure> {
    let words = workers::is_there(worker.pid, &batch.folder) + then;
    output(Command::new("sh").args(["-c", &words]))
}
