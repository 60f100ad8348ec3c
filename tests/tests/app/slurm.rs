//! A Slurm of its own on this machine: an experiment of six with one run put back into the queue in its middle and one that
//! fails and is handed over again, to the bytes of the queue of one program.
//!
//! Where Slurm is not installed there is nothing to try, unless `WORKBENCH_REQUIRE_SLURM` says that it has to be.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command};

use crate::machines::Site;

/// The two daemons, which end with it.
struct Slurm {
    site: Site,
    daemons: Vec<Child>,
}

/// One node with two cores that are there or not; no user is told from another.
const CONFIGURATION: &str = "ClusterName=here
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
SlurmctldPort={port}
SlurmdPort={other_port}
NodeName=localhost NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
";

/// Steps of a run that is met in its middle.
const LONG: usize = 10_000;

impl Slurm {
    /// `None` where it is not installed and need not be.
    fn start(mut site: Site) -> Option<Self> {
        // Debian has daemons where only root looks.
        let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"];
        let daemon =
            |name: &str| places.iter().map(|place| format!("{place}/{name}")).find(|file| fs::exists(file).unwrap());
        let (Some(controller), Some(node)) = (daemon("slurmctld"), daemon("slurmd")) else {
            assert!(std::env::var_os("WORKBENCH_REQUIRE_SLURM").is_none(), "slurmctld and slurmd are not installed");
            return None;
        };
        let folder = site.path("slurm");
        for part in ["state", "spool"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let text = CONFIGURATION
            .replace("{user}", String::from_utf8(user).unwrap().trim())
            .replace("{folder}", &folder.to_string_lossy())
            .replace("{port}", &port())
            .replace("{other_port}", &port());
        let file = folder.join("slurm.conf");
        fs::write(&file, text).unwrap();
        site.says("SLURM_CONF", &file.to_string_lossy());
        let log = |name: &str| File::create(folder.join(name)).unwrap();
        let start = |program: &str, name: &str| {
            let mut command = Command::new(program);
            command.arg("-f").arg(&file).arg("-D").stdout(log(name)).stderr(log(&format!("{name}.errors")));
            command.env("SLURM_CONF", &file).spawn().unwrap()
        };
        let daemons = vec![start(&controller, "slurmctld.log"), start(&node, "slurmd.log")];
        let slurm = Self { site, daemons };
        slurm.until("the node is there", || slurm.says("sinfo", &["-h", "-o", "%T"]).trim() == "idle");
        Some(slurm)
    }

    /// What one of Slurm's programs says.
    fn says(&self, program: &str, words: &[&str]) -> String {
        let file = self.site.path("slurm/slurm.conf");
        let done = Command::new(program).args(words).env("SLURM_CONF", file).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Looks again and again; each question to Slurm between two looks takes some milliseconds.
    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let said = |name: &str| fs::read_to_string(self.site.path("slurm").join(name)).unwrap_or_default();
        let is_so = (0..20_000).any(|_| is_so() || self.says("sinfo", &["-h", "-o", "%T"]) == "never");
        let queue = || self.says("squeue", &["-r"]);
        assert!(is_so, "never: {what}\n{}\n{}\n{}", queue(), said("slurmctld.log"), said("slurmd.log"));
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        self.says("scancel", &["--state=PENDING"]);
        self.says("scancel", &["--state=RUNNING"]);
        for daemon in self.daemons.iter_mut().rev() {
            daemon.kill().unwrap_or_default();
            daemon.wait().map(drop).unwrap_or_default();
        }
    }
}

/// Six seeds, the first of them with more steps than the others, the last on rows of another file.
fn six() -> String {
    let point = |seed: usize| {
        let rows = if seed == 6 { "other" } else { "rows" };
        let steps = if seed == 1 { LONG } else { 40 };
        format!("[[vary.together]]\ndata.train = \"{rows}.jsonl\"\nseed = {seed}\ntraining.steps = {steps}\n")
    };
    (1..=6).map(point).collect()
}

#[test]
fn six_runs_with_one_put_back_and_one_that_failed_are_those_of_the_queue_here() {
    let Some(slurm) = Slurm::start(Site::new(LONG, &six())) else { return };
    let site = &slurm.site;
    let begin = ["experiment", "lengths.toml", "--via", "slurm", "--at-once", "2", "--submit-with", "--hold"];
    let told = site.done("w", &begin);
    let job = told.trim().rsplit(' ').next().unwrap().to_owned();
    assert_eq!(site.status("w"), vec![("-".to_owned(), 0, "PENDING (JobHeldUser)".to_owned()); 6]);
    fs::rename(site.path("other.jsonl"), site.path("lost.jsonl")).unwrap();
    slurm.says("scontrol", &["release", &job]);

    // As Slurm tells the script before its time is up; the script puts the job back.
    let first = site.run_folders("w").remove(0);
    let steps = || fs::read_to_string(first.join("metrics.jsonl")).is_ok_and(|text| text.lines().count() > 20);
    slurm.until("the first run is under way", steps);
    let task = format!("{job}_0");
    slurm.says("scancel", &["--batch", "--signal=TERM", &task]);
    let state = || slurm.says("squeue", &["-h", "-j", &task, "-o", "%T %r"]);
    slurm.until("it is back in the queue", || state().starts_with("PENDING"));
    assert_eq!(site.states("w")[0], "stopped");
    assert!(site.status("w")[0].2.starts_with("PENDING (BeginTime"), "{:?}", site.status("w")[0]);
    slurm.says("scontrol", &["update", &format!("JobId={task}"), "StartTime=now"]);
    let is_over = || {
        let status = site.status("w");
        status[..5].iter().all(|(state, ..)| state == "finished") && status[5].2.starts_with("FAILED")
    };
    slurm.until("five are done and one failed", is_over);
    let log = fs::read_to_string(first.join("log.jsonl")).unwrap();
    assert!(log.contains("Training from step"), "it went on from its checkpoint: {log}");

    fs::rename(site.path("lost.jsonl"), site.path("other.jsonl")).unwrap();
    site.done("w", &["experiment", "resume", "--via", "slurm", "--again"]);
    slurm.until("all are done", || site.states("w") == ["finished"; 6]);
    site.is_as_here("w");
    println!("{}", site.done("w", &["experiment", "status"]));
}
