//! The store of runs: what the engine tells comes back to the screens, whatever happens to the database in between.

mod changes;
mod database;
mod figures;
mod instances;
mod many;
mod recorded;
mod shelf;
mod trash;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;

use app::store::{Access, Answer, Cursor, Request, RunDetail, RunRow, RunState, Store, StoreError};
use app::workspace::{RunId, Workspace};
use engine::config::{DataConfig, RunConfig, Task};
use engine::error::Failure;
use engine::protocol::{Event, JobId, Outcome, Phase, Report};
use engine::training::{EvaluationReport, RunFacts, SampleReport, StepReport};
use serde_json::{Value, json};
use tempfile::TempDir;

const JOB: JobId = JobId(7);

/// A workspace, its store, and an engine played by hand: it tells events and writes the files that the engine writes.
struct Bench {
    _folder: TempDir,
    workspace: Workspace,
    store: Store,
    answers: Receiver<Answer>,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let (store, answers) = Store::open(&workspace, || {}).unwrap();
        Self { _folder: folder, workspace, store, answers }
    }

    fn reopen(&mut self) {
        self.store.close();
        (self.store, self.answers) = Store::open(&self.workspace, || {}).unwrap();
    }

    fn send(&self, request: Request) {
        assert!(self.store.send(request));
    }

    /// The first answer that `pick` wants; others are passed over.
    fn answer<T>(&self, pick: impl Fn(Answer) -> Option<T>) -> T {
        pick_from(&self.answers, pick)
    }

    fn runs(&self) -> Vec<RunRow> {
        self.send(Request::ListRuns);
        self.answer(runs)
    }

    fn detail(&self, run: &RunId, since: Cursor) -> RunDetail {
        self.send(Request::Detail { run: run.clone(), since });
        self.answer(|answer| match answer {
            Answer::Detail(detail) => Some(*detail),
            _ => None,
        })
    }

    fn refusal(&self) -> Failure {
        self.answer(|answer| match answer {
            Answer::Refused(failure) => Some(failure),
            _ => None,
        })
    }

    /// A run in the list, about to be trained.
    fn begin(&self, steps: usize) -> RunId {
        let run = self.workspace.new_run().unwrap();
        self.send(Request::Register { run: run.clone(), config: Box::new(config(steps)), experiment: None });
        self.send(Request::Begin { job: JOB, run: run.clone() });
        run
    }

    fn tell(&self, what: Report) {
        self.send(Request::Record(Event { job: JOB, what }));
    }

    /// Steps `from..=to` of a run of `total`, with an evaluation and a sample after every tenth, as event and as file.
    fn train(&self, run: &RunId, from: usize, to: usize, total: usize) {
        let folder = self.workspace.run_folder(run);
        let facts = facts(total, from - 1);
        fs::write(folder.join("facts.json"), serde_json::to_string(&facts).unwrap()).unwrap();
        self.tell(Report::Phase(Phase::LoadingModel { share: 0.5 }));
        self.tell(Report::RunStarted(Box::new(facts)));
        let mut file = fs::OpenOptions::new().create(true).append(true).open(folder.join("metrics.jsonl")).unwrap();
        for step in from..=to {
            let report = step_report(step);
            self.tell(Report::Step(report));
            line(&mut file, "step", serde_json::to_value(report).unwrap());
            if step % 10 == 0 {
                let evaluation = EvaluationReport {
                    step,
                    loss: 4.0 / step as f64,
                    best: true,
                    elapsed_secs: 0.5,
                    figures: None,
                    metric: None,
                };
                self.tell(Report::Evaluated(evaluation.clone()));
                line(&mut file, "evaluation", serde_json::to_value(evaluation).unwrap());
                let sample = sample(step);
                line(&mut file, "sample", serde_json::to_value(&sample).unwrap());
                self.tell(Report::Sample(Box::new(sample)));
                self.tell(checkpoint(&folder, step));
            }
        }
    }
}

fn pick_from<T>(answers: &Receiver<Answer>, pick: impl Fn(Answer) -> Option<T>) -> T {
    loop {
        if let Some(found) = pick(answers.recv().expect("the store is alive")) {
            return found;
        }
    }
}

fn runs(answer: Answer) -> Option<Vec<RunRow>> {
    match answer {
        Answer::Runs(runs) => Some(runs),
        _ => None,
    }
}

fn config(steps: usize) -> RunConfig {
    let mut config = RunConfig::new("/models/tiny", DataConfig::new("/sets/records/train.jsonl"));
    config.training.steps = steps;
    config
}

fn facts(total_steps: usize, done_steps: usize) -> RunFacts {
    RunFacts {
        device: "CPU".to_owned(),
        architecture: "gpt2".to_owned(),
        n_layers: 2,
        model_hash: "ab".repeat(32),
        trained_parameters: 9_857_024,
        stored_parameters: 184_320,
        base_parameters: 124_439_808,
        all_parameters: 0,
        total_steps,
        done_steps,
        steps_per_epoch: 10,
        train_rows: 80,
        validation_rows: 8,
        truncated_rows: 1,
        skipped_rows: 0,
        task: Task::Causal,
        classes: Vec::new(),
    }
}

fn step_report(step: usize) -> StepReport {
    StepReport {
        step,
        loss: 3.0 / (1 << step.min(20)) as f64, // exact in JSON too
        learning_rate: 1e-3,
        grad_norm: 1.0,
        labeled_tokens: 100,
        tokens: 200,
        elapsed_secs: 0.25,
    }
}

fn sample(step: usize) -> SampleReport {
    SampleReport {
        step,
        row: 0,
        prompt: "name: Aurora".to_owned(),
        reference: "The café Aurora.".to_owned(),
        text: format!("咖啡 {step}"),
    }
}

/// Writes what the engine writes with a checkpoint.
fn checkpoint(folder: &Path, step: usize) -> Report {
    let name = format!("step-{step:06}");
    let checkpoint = folder.join("checkpoints").join(&name);
    fs::create_dir_all(&checkpoint).unwrap();
    fs::write(checkpoint.join("adapter_config.json"), "{}").unwrap();
    let all: Vec<String> = (1..=step / 10).map(|n| format!("step-{:06}", n * 10)).collect();
    let listed = json!({"last": name, "best": name, "all": all});
    fs::write(folder.join("checkpoints.json"), listed.to_string()).unwrap();
    Report::CheckpointWritten { step, folder: checkpoint, best: true }
}

fn line(file: &mut fs::File, kind: &str, mut value: Value) {
    value["kind"] = json!(kind);
    writeln!(file, "{value}").unwrap();
}

fn finish(bench: &Bench, outcome: Outcome) {
    bench.tell(Report::Finished { outcome });
}

fn notice(bench: &Bench) -> String {
    bench.answer(|answer| match answer {
        Answer::Notice(text) => Some(text.to_string()),
        _ => None,
    })
}

/// A finished run of ten steps.
fn finished(bench: &Bench) -> RunId {
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    finish(bench, Outcome::Completed);
    run
}
