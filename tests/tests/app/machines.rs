//! Experiments that are handed to Slurm, HyperQueue, hosts by ssh and workers here, by programs of these names that play them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use app::experiments::Plan;
use app::workspace::Workspace;
use serde_json::{Value, json};

/// A home with an experiment file of four short runs, a workspace, and a folder of programs before the system's.
pub(super) struct Site {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

/// Notes what it is asked.
const NOTE: &str = "#!/bin/sh\nhere=$(dirname \"$0\")\necho \"$(basename \"$0\") $*\" >>\"$here/asked\"\n";

impl Site {
    pub(super) fn new(steps: usize, vary: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let mut config = tests::tiny_run(home);
        config.name = String::new();
        config.training.steps = steps;
        config.training.eval_every = steps / 2;
        fs::write(home.join("run.toml"), app::cli::run_file::write(&config)).unwrap();
        fs::copy(home.join("rows.jsonl"), home.join("other.jsonl")).unwrap();
        fs::write(home.join("lengths.toml"), format!("run = \"run.toml\"\n[vary]\n{vary}")).unwrap();
        fs::create_dir(home.join("bin")).unwrap();
        Self { folder, environment: Vec::new() }
    }

    /// Gives the program a variable.
    pub(super) fn says(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A program that notes what it is asked, and then does this.
    fn play(&self, name: &str, script: &str) {
        let file = self.path("bin").join(name);
        fs::write(&file, format!("{NOTE}{script}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What the programs were asked.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("bin/asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Exit code, standard output and standard error of a line in one of the workspaces.
    pub(super) fn line(&self, workspace: &str, words: &[&str]) -> (Option<i32>, String, String) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_workbench-under-test"));
        command.arg("--workspace").arg(self.path(workspace)).args(words).env("PATH", path);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let done = command.current_dir(self.folder.path()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (done.status.code(), text(&done.stdout), text(&done.stderr))
    }

    /// The same, which has to succeed.
    pub(super) fn done(&self, workspace: &str, words: &[&str]) -> String {
        let (code, told, said) = self.line(workspace, words);
        assert_eq!(code, Some(0), "{words:?}: {told}{said}");
        told
    }

    /// State, steps and what is told from elsewhere of each run.
    pub(super) fn status(&self, workspace: &str) -> Vec<(String, u64, String)> {
        let told = self.done(workspace, &["--json", "experiment", "status"]);
        let lines = told.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let runs = lines.filter(|line| line["event"] == "run");
        runs.map(|run| (word(&run["state"]), run["step"].as_u64().unwrap(), word(&run["there"]))).collect()
    }

    pub(super) fn states(&self, workspace: &str) -> Vec<String> {
        self.status(workspace).into_iter().map(|(state, ..)| state).collect()
    }

    pub(super) fn plan(&self, workspace: &str) -> (Workspace, Plan) {
        let workspace = Workspace::open(&self.path(workspace)).unwrap();
        let plan = Plan::list(&workspace).0.swap_remove(0);
        (workspace, plan)
    }

    pub(super) fn run_folders(&self, workspace: &str) -> Vec<PathBuf> {
        let (workspace, plan) = self.plan(workspace);
        plan.runs.iter().map(|planned| workspace.run_folder(&planned.run)).collect()
    }

    fn batch(&self, workspace: &str, n: usize) -> PathBuf {
        let (workspace, plan) = self.plan(workspace);
        workspace.experiment_folder(&plan.id).join("jobs").join(n.to_string())
    }

    /// What came of the runs is what comes of them in the queue of one program.
    pub(super) fn is_as_here(&self, workspace: &str) {
        self.done("here", &["experiment", "lengths.toml"]);
        let both = self.run_folders(workspace).into_iter().zip(self.run_folders("here"));
        for (there, here) in both {
            assert_eq!(tests::curve(&there), tests::curve(&here), "{}", there.display());
            let adapter = |run: &Path| fs::read(run.join("adapter/adapter_model.safetensors")).unwrap();
            assert_eq!(adapter(&there), adapter(&here), "{}", there.display());
        }
    }
}

const SEEDS: &str = "method.n_virtual = [1, 2]\nseed = [1, 2]\n";

/// A Slurm that has no node free.
fn full_slurm(site: &Site) {
    site.play("sbatch", "echo 41\n");
    let waits = json!({ "jobs": [{ "array_job_id": 41, "array_task_id": null, "array_task_string": "0-3%2",
        "job_state": "PENDING", "state_reason": "Resources", "nodes": "" }] });
    fs::write(site.path("bin/queue"), waits.to_string()).unwrap();
    site.play("squeue", "cat \"$here/queue\"\n");
    site.play("scancel", "echo '{\"jobs\": []}' >\"$here/queue\"\n");
}

#[test]
fn slurm_is_given_an_array_and_tells_why_it_waits() {
    let site = Site::new(4, SEEDS);
    full_slurm(&site);
    let begin = [
        "experiment",
        "lengths.toml",
        "--via",
        "slurm",
        "--at-once",
        "2",
        "--submit-with",
        "--partition=gpu --comment 'a b'",
    ];
    let shown = site.done("w", &[&begin[..], &["--dry-run"]].concat());
    for words in ["#SBATCH --array=0-3%2\n", "--requeue\n", "--signal=B:TERM@120\n", "--into", "--resume"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(site.asked().is_empty(), "nothing is handed over by a look");

    let told = site.done("w", &begin);
    assert!(told.contains("4 runs are with slurm as 41"), "{told}");
    let script = site.batch("w", 1).join("job.sh");
    assert_eq!(
        site.asked(),
        [format!("sbatch --parsable --job-name lengths --partition=gpu --comment a b {}", script.display())]
    );
    assert!(fs::read_to_string(&script).unwrap().contains("#SBATCH --array=0-3%2\n"));
    let waits = ("-".to_owned(), 0, "PENDING (Resources)".to_owned());
    assert_eq!(site.status("w"), vec![waits; 4]);

    // What is in its hands is not handed over again.
    let (_, _, said) = site.line("w", &["experiment", "resume", "--via", "slurm"]);
    assert!(said.contains("Nothing is due"), "{said}");
    site.done("w", &["experiment", "cancel"]);
    assert!(site.asked().contains(&"scancel 41".to_owned()), "{:?}", site.asked());
    assert_eq!(site.line("w", &["experiment", "cancel"]).0, Some(1), "nothing is left to end");
    assert!(site.status("w")[0].2.starts_with("no longer with slurm"), "{:?}", site.status("w"));
    site.done("w", &["experiment", "resume", "--via", "slurm"]);
    assert_eq!(site.asked().iter().filter(|line| line.starts_with("sbatch")).count(), 2);

    // A refusal has Slurm's own words.
    site.play("squeue", "echo '{\"jobs\": []}'\n");
    site.play("sbatch", "echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1\n");
    let (code, _, said) = site.line("w", &["experiment", "resume", "--via", "slurm"]);
    assert!(code == Some(1) && said.contains("invalid partition specified: gpu"), "{said}");
}

#[test]
fn what_cannot_be_handed_over_is_refused() {
    let site = Site::new(4, SEEDS);
    fs::write(
        site.path("halving.toml"),
        "run = \"run.toml\"\n[vary]\nseed = [1, 2, 3]\n[strategy]\ntype = \"halving\"\nfactor = 2\nfirst_steps = 2\n",
    )
    .unwrap();
    let refused = |words: &[&str]| {
        let (code, _, said) = site.line("w", words);
        assert!(matches!(code, Some(1 | 2)), "{words:?}: {said}");
        said
    };
    assert!(refused(&["experiment", "halving.toml", "--via", "slurm"]).contains("held against each other"));
    assert!(refused(&["experiment", "lengths.toml", "--via", "hq", "--at-once", "2"]).contains("no number of runs"));
    assert!(refused(&["experiment", "lengths.toml", "--via", "local", "--submit-with", "--x"]).contains("no further"));
    assert!(refused(&["experiment", "lengths.toml", "--via", "ssh:-oProxyCommand=x"]).contains("ssh:host1,host2"));
    assert!(refused(&["experiment", "lengths.toml", "--submit-with", "--x"]).contains("--via"));
}

#[test]
fn the_tasks_of_slurm_train_the_runs_and_one_that_failed_is_handed_over_again() {
    let site = Site::new(4, "data.train = [\"rows.jsonl\", \"other.jsonl\"]\nseed = [1, 2]\n");
    // It runs the tasks of the array one after the other, and what it is not asked for is not begun.
    let runs_all = "for script; do :; done\ncd \"$(dirname \"$script\")\" || exit 1\nn=$(grep -c . runs)\ntask=0\n\
        while [ $task -lt $n ]; do\n    SLURM_JOB_ID=9$task SLURM_ARRAY_TASK_ID=$task sh \"$script\" >>$task.log 2>&1\n    \
        echo \"task $task ended with $?\" >>\"$here/asked\"\n    task=$((task + 1))\ndone\necho 41\n";
    let loses = format!("mv \"$here/../other.jsonl\" \"$here/../lost.jsonl\"\n{runs_all}");
    site.play("sbatch", &loses);
    site.play("squeue", "echo '{\"jobs\": []}'\n");
    site.done("w", &["experiment", "lengths.toml", "--via", "slurm"]);
    let ends: Vec<String> = site.asked().into_iter().filter(|line| line.contains("ended with")).collect();
    let end = |task: usize, status: u8| format!("task {task} ended with {status}");
    assert_eq!(ends, [end(0, 0), end(1, 0), end(2, 1), end(3, 1)]);
    let states = site.states("w");
    assert_eq!(states[..2], ["finished", "finished"]);
    fs::rename(site.path("lost.jsonl"), site.path("other.jsonl")).unwrap();
    site.play("sbatch", runs_all);
    site.done("w", &["experiment", "resume", "--via", "slurm", "--again"]);
    assert_eq!(fs::read_to_string(site.batch("w", 2).join("runs")).unwrap().lines().count(), 2, "those two alone");
    assert_eq!(site.states("w"), ["finished"; 4]);
    site.is_as_here("w");
}

#[test]
fn hyperqueue_trains_the_runs() {
    let site = Site::new(4, SEEDS);
    let each = "for task in 0 1 2 3; do HQ_JOB_ID=3 HQ_TASK_ID=$task sh \"$script\"; done";
    let submits = format!("for script; do :; done\n{each}\necho '{{\"id\": 3}}'\n");
    let lists =
        "echo '{\"3\": [{\"id\": 0, \"state\": \"running\", \"worker\": 2}, {\"id\": 1, \"state\": \"waiting\"}]}'\n";
    site.play("hq", &format!("case \"$*\" in *submit*) {submits} ;; *list*) {lists} ;; esac\n"));
    let told = site.done("w", &["experiment", "lengths.toml", "--via", "hq", "--submit-with", "--cpus 4"]);
    assert!(told.contains("as 3"), "{told}");
    assert!(
        site.asked()[0].contains("submit --array 0-3 --name lengths") && site.asked()[0].contains("--cpus 4 -- sh")
    );
    assert_eq!(site.states("w"), ["finished"; 4]);
    site.done("w", &["experiment", "cancel"]);
    assert!(site.asked().contains(&"hq job cancel 3".to_owned()), "{:?}", site.asked());
    site.is_as_here("w");
}

/// Looks until all runs are at their end.
fn wait_for_all(site: &Site) {
    let all_done = || site.states("w").iter().all(|state| state == "finished");
    assert!((0..2000).any(|_| all_done()), "{:?}", site.status("w"));
}

#[test]
fn hosts_by_ssh_share_the_runs() {
    let site = Site::new(4, SEEDS);
    // The host is the word before the last.
    let gone = "case \"$*\" in *' gone '*) echo 'no route to host' >&2; exit 255 ;; esac";
    site.play("ssh", &format!("for words; do :; done\n{gone}\nsh -c \"$words\"\n"));
    let (code, _, said) = site.line("gone", &["experiment", "lengths.toml", "--via", "ssh:gone"]);
    assert!(code == Some(1) && said.contains("no route to host") && said.contains("without a question"), "{said}");
    let told = site.done("w", &["experiment", "lengths.toml", "--via", "ssh:one,two"]);
    assert!(told.contains("4 runs are with ssh:one,two as one="), "{told}");
    wait_for_all(&site);
    site.is_as_here("w");
}

#[test]
fn workers_here_outlive_the_command_and_are_ended_with_a_checkpoint() {
    let site = Site::new(20_000, SEEDS);
    let told = site.done("w", &["experiment", "lengths.toml", "--via", "local", "--at-once", "2"]);
    assert!(told.contains("4 runs are with local as cpu#1="), "{told}");
    let under_way = |status: &[(String, u64, String)]| {
        status.iter().filter(|(state, step, _)| state == "running" && *step > 0).count()
    };
    assert!((0..2000).any(|_| under_way(&site.status("w")) == 2), "{:?}", site.status("w"));
    let there: Vec<String> = site.status("w").into_iter().map(|(.., there)| there).collect();
    assert!(there.contains(&"running on cpu#1".to_owned()) && there.contains(&"waiting".to_owned()), "{there:?}");
    site.done("w", &["experiment", "cancel"]);
    let ended = || site.states("w").iter().filter(|state| *state == "stopped").count() == 2;
    assert!((0..2000).any(|_| ended()), "{:?}", site.status("w"));
    let log = fs::read_to_string(site.batch("w", 1).join("taken-0/status"));
    assert!(log.is_ok_and(|status| status.trim() == "75") || site.batch("w", 1).join("taken-1/status").exists());
}
