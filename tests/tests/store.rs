//! The store of runs: what the engine tells comes back to the screens, whatever happens to the database in between.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::Receiver;

use app::store::{Access, Answer, Cursor, Request, RunDetail, RunRow, RunState, Store, StoreError};
use app::workspace::{RunId, Workspace, new_config};
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
                let evaluation =
                    EvaluationReport { step, loss: 4.0 / step as f64, best: true, elapsed_secs: 0.5, figures: None };
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
    let mut config = new_config(PathBuf::from("/models/tiny"), DataConfig::new("/sets/records/train.jsonl"));
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
        labelled_tokens: 100,
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

#[test]
fn a_run_comes_back_as_it_was() {
    let mut bench = Bench::new();
    let run = bench.begin(20);
    assert_eq!(bench.runs()[0].state, RunState::Preparing);
    bench.train(&run, 1, 20, 20);
    let row = bench.runs().remove(0);
    assert_eq!((row.state, row.step, row.total_steps), (RunState::Running, 20, 20));
    assert!(matches!(row.phase, Some(Phase::LoadingModel { .. })));
    finish(&bench, Outcome::Completed);
    let (before, detail) = (bench.runs(), bench.detail(&run, Cursor::default()));
    bench.reopen();
    let row = &bench.runs()[0];
    assert_eq!(row, &before[0]);
    assert_eq!((row.state, row.name.as_str()), (RunState::Finished, "prefix 20 · records"));
    assert_eq!((row.best_loss, row.best_step, row.last_loss), (Some(0.2), Some(20), Some(3.0 / 1_048_576.0)));
    assert_eq!((row.trained_parameters, row.stored_parameters), (Some(9_857_024), Some(184_320)));
    assert_eq!(row.duration_secs, 20.0 * 0.25 + 2.0 * 0.5);
    assert_eq!(row.sparkline.len(), 20);
    let again = bench.detail(&run, Cursor::default());
    assert!(again.replace && !again.more);
    assert_eq!(again.series, detail.series);
    assert_eq!(again.series.len(), 6);
    assert_eq!(again.evaluations.len(), 2);
    assert_eq!(again.samples[1].text, "咖啡 20");
    assert_eq!(again.checkpoints.iter().map(|c| (c.step, c.best)).collect::<Vec<_>>(), [(10, false), (20, true)]);
    assert_eq!(again.config.unwrap().training.steps, 20);
    assert_eq!(again.facts.unwrap().n_layers, 2);
    assert_eq!(again.log, detail.log);
    assert!(again.log.iter().any(|line| line.text.to_string().contains("1 row was cut")), "{:?}", again.log);
}

#[test]
fn only_what_is_new_is_read() {
    let bench = Bench::new();
    let run = bench.begin(40);
    bench.train(&run, 1, 10, 40);
    let first = bench.detail(&run, Cursor::default());
    let nothing = bench.detail(&run, first.cursor);
    assert!(nothing.series.is_empty() && nothing.evaluations.is_empty() && nothing.log.is_empty() && !nothing.replace);
    bench.tell(Report::Step(step_report(11)));
    let news = bench.detail(&run, nothing.cursor);
    assert!(!news.replace);
    let loss = news.series.iter().find(|series| series.name == "loss").unwrap();
    assert_eq!(loss.points, [[11.0, 3.0 / 2048.0]]);
}

#[test]
fn a_resumed_run_drops_the_steps_after_its_checkpoint() {
    let bench = Bench::new();
    let run = bench.begin(30);
    bench.train(&run, 1, 15, 30);
    let before = bench.detail(&run, Cursor::default());
    finish(&bench, Outcome::Stopped);
    assert_eq!(bench.runs()[0].state, RunState::Stopped);
    bench.send(Request::Begin { job: JOB, run: run.clone() });
    bench.tell(Report::RunStarted(Box::new(facts(30, 10))));
    let row = bench.runs().remove(0);
    assert_eq!((row.step, row.state, row.last_loss), (10, RunState::Running, Some(3.0 / 1024.0)));
    assert_eq!(row.duration_secs, 10.0 * 0.25 + 0.5);
    bench.tell(Report::Step(step_report(11)));
    let after = bench.detail(&run, before.cursor);
    assert!(after.replace, "the reader must drop steps 11 to 15");
    assert_eq!(after.series[0].points.len(), 11);
    assert_eq!(after.evaluations.len(), 1);
}

#[test]
fn a_failed_run_says_what_to_do() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 3, 10);
    let mut diverged = step_report(4);
    diverged.loss = f64::NAN;
    bench.tell(Report::Step(diverged));
    let failure = Failure {
        what: engine::Sentence::verbatim("the loss is no longer a number at step 4"),
        advice: engine::Sentence::verbatim("Lower the rate"),
    };
    bench.tell(Report::Failed(failure.clone()));
    bench.tell(Report::Step(step_report(5)));
    let row = bench.runs().remove(0);
    assert_eq!((row.state, row.step, row.last_loss), (RunState::Failed, 4, None));
    assert_eq!(row.failure, Some(failure));
    let detail = bench.detail(&run, Cursor::default());
    assert!(detail.series.iter().find(|series| series.name == "loss").unwrap().points[3][1].is_nan());
}

#[test]
fn a_lost_database_is_made_again_from_the_folders() {
    let mut bench = Bench::new();
    let finished = bench.begin(20);
    bench.train(&finished, 1, 20, 20);
    finish(&bench, Outcome::StoppedEarly);
    let stopped = bench.begin(30);
    bench.train(&stopped, 1, 13, 30);
    finish(&bench, Outcome::Stopped);
    bench.send(Request::Rename { run: stopped.clone(), name: "mine".into() });
    bench.send(Request::Experiment { run: stopped.clone(), name: Some("lengths".into()) });
    let rows = bench.runs();
    let details = [&finished, &stopped].map(|run| bench.detail(run, Cursor::default()));
    bench.store.close();
    fs::remove_file(bench.workspace.database()).unwrap();
    bench.reopen();
    assert_eq!(bench.runs(), rows);
    for (before, run) in details.iter().zip([&finished, &stopped]) {
        let after = bench.detail(run, Cursor::default());
        assert_eq!(after.series, before.series);
        assert_eq!(after.evaluations, before.evaluations);
        assert_eq!(after.samples, before.samples);
        assert_eq!(after.checkpoints, before.checkpoints);
        assert_eq!(after.log, before.log);
        assert_eq!((after.config, after.facts), (before.config.clone(), before.facts.clone()));
    }
}

#[test]
fn a_broken_database_is_set_aside() {
    let mut bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    let garbage = b"this is no database, whatever its name says".repeat(100);
    fs::write(bench.workspace.database(), &garbage).unwrap();
    bench.reopen();
    let notice = bench.answer(|answer| match answer {
        Answer::Notice(text) => Some(text.to_string()),
        _ => None,
    });
    assert!(notice.to_string().contains("damaged"), "{notice}");
    assert_eq!(bench.runs()[0].id, run);
    assert_eq!(fs::read(bench.workspace.root().join("experiments.db.broken")).unwrap(), garbage);
}

#[test]
fn damaged_pages_are_found_at_the_start() {
    let mut bench = Bench::new();
    let run = bench.begin(200);
    bench.train(&run, 1, 200, 200);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    let mut bytes = fs::read(bench.workspace.database()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0xa5);
    fs::write(bench.workspace.database(), bytes).unwrap();
    bench.reopen();
    assert_eq!(bench.runs()[0].step, 200);
    assert!(bench.workspace.root().join("experiments.db.broken").exists());
}

#[test]
fn a_newer_database_is_refused_and_left_alone() {
    let bench = Bench::new();
    bench.begin(10);
    bench.store.close();
    let path = bench.workspace.database();
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let bytes = fs::read(&path).unwrap();
    let error = Store::open(&bench.workspace, || {}).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 99, known: 2, .. }));
    assert!(error.to_string().contains("version 99") && error.to_string().contains("up to 2"), "{error}");
    assert!(error.advice().to_string().contains("experiments.db.version-99"), "{}", error.advice());
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let aside = app::store::set_aside(&bench.workspace).unwrap();
    assert_eq!(fs::read(aside).unwrap(), bytes);
    let (store, answers) = Store::open(&bench.workspace, || {}).unwrap();
    store.send(Request::ListRuns);
    assert_eq!(pick_from(&answers, runs).len(), 1);
}

#[test]
fn a_second_instance_looks_and_takes_over_nothing() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    bench.store.flush();
    let (second, answers) = Store::open(&bench.workspace, || {}).unwrap();
    assert!(matches!(second.access(), Access::ReadOnly(why) if why.to_string().contains("Another")));
    second.send(Request::ListRuns);
    let seen = pick_from(&answers, runs);
    assert_eq!((seen[0].state, seen[0].step), (RunState::Running, 10), "a live run is not called interrupted");
    second.send(Request::Star { run: run.clone(), starred: true });
    second.send(Request::Delete(run.clone()));
    for _ in 0..2 {
        let failure = pick_from(&answers, |answer| match answer {
            Answer::Refused(failure) => Some(failure),
            _ => None,
        });
        assert!(failure.what.to_string().contains("another Prefix Workbench"), "{failure:?}");
    }
    assert!(!bench.runs()[0].starred);
}

#[test]
fn a_run_of_a_second_instance_reaches_the_first() {
    let mut first = Bench::new();
    let (store, answers) = Store::open(&first.workspace, || {}).unwrap();
    let second = Bench { _folder: tempfile::tempdir().unwrap(), workspace: first.workspace.clone(), store, answers };
    let run = second.begin(20);
    second.train(&run, 1, 10, 20);
    second.store.flush();
    first.send(Request::Rescan);
    let row = first.runs().remove(0);
    assert_eq!((row.state, row.step, row.best_loss), (RunState::Running, 10, Some(0.4)));
    first.send(Request::Delete(run.clone()));
    assert!(first.refusal().what.to_string().contains("being computed"));
    let seen = first.detail(&run, Cursor::default());
    // The engine goes on in its file; the first instance reads on where it was.
    let mut file =
        fs::OpenOptions::new().append(true).open(first.workspace.run_folder(&run).join("metrics.jsonl")).unwrap();
    line(&mut file, "step", serde_json::to_value(step_report(11)).unwrap());
    first.send(Request::Rescan);
    let news = first.detail(&run, seen.cursor);
    assert!(!news.replace);
    assert_eq!(news.series[0].points.len(), 1);
    finish(&second, Outcome::Stopped);
    second.store.close();
    first.send(Request::Rescan);
    assert_eq!(first.runs()[0].state, RunState::Stopped);
    first.reopen();
    assert_eq!(first.runs()[0].step, 11);
}

#[test]
fn a_run_is_deleted_with_its_files() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    bench.send(Request::Delete(run.clone()));
    assert_eq!(bench.refusal().advice, "Stop it first, then delete it");
    finish(&bench, Outcome::Stopped);
    bench.send(Request::Delete(run.clone()));
    let left = bench.answer(|answer| match answer {
        Answer::Deleted { run: gone, left } => (gone == run).then_some(left),
        _ => None,
    });
    assert_eq!(left, None);
    assert!(bench.runs().is_empty());
    assert!(!bench.workspace.run_folder(&run).exists());
    bench.send(Request::Detail { run, since: Cursor::default() });
    assert!(bench.refusal().what.to_string().contains("there is no run"));
}

#[test]
fn a_run_without_files_stays_until_it_is_forgotten() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    finish(&bench, Outcome::Completed);
    bench.store.flush();
    fs::remove_dir_all(bench.workspace.run_folder(&run)).unwrap();
    assert!(bench.runs()[0].files_missing);
    bench.send(Request::Delete(run));
    assert!(bench.runs().is_empty());
}

#[test]
fn stars_tags_and_notes_stay() {
    let mut bench = Bench::new();
    let run = bench.begin(10);
    bench.send(Request::Star { run: run.clone(), starred: true });
    bench.send(Request::Tags {
        run: run.clone(),
        tags: vec!["paper".into(), " ".into(), "首选".into(), "paper".into()],
    });
    bench.send(Request::Notes { run: run.clone(), text: "two lines\nof notes".into() });
    bench.send(Request::Rename { run: run.clone(), name: "  Aurora ".into() });
    bench.send(Request::Rename { run: run.clone(), name: " ".into() });
    assert!(bench.refusal().what.to_string().contains("needs a name"));
    bench.reopen();
    let row = &bench.runs()[0];
    assert_eq!((row.starred, row.name.as_str()), (true, "Aurora"));
    assert_eq!(row.tags, ["paper", "首选"]);
    assert_eq!(bench.detail(&run, Cursor::default()).notes, "two lines\nof notes");
}

#[test]
fn the_library_knows_what_was_used() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 1, 10);
    let file = |name: &str| bench.workspace.root().join(name);
    fs::write(file("e2e.csv"), "source,target\n").unwrap();
    bench.send(Request::RememberDataset { train: file("e2e.csv"), validation: None });
    fs::write(file("rows.parquet"), "PAR1").unwrap();
    for (name, word) in [("rows.parquet", "a Parquet file"), ("none.csv", "no such file")] {
        bench.send(Request::RememberDataset { train: file(name), validation: None });
        let refused = bench.refusal().what;
        assert!(refused.to_string().contains(word), "{refused}");
    }
    bench.send(Request::ForgetModel(PathBuf::from("/models/tiny")));
    assert!(bench.refusal().what.to_string().contains("there are runs of this model"));
    bench.send(Request::ListLibrary);
    let (models, datasets) = bench.answer(|answer| match answer {
        Answer::Library { models, datasets } => Some((models, datasets)),
        _ => None,
    });
    assert_eq!((models[0].name.as_str(), models[0].architecture.as_deref(), models[0].runs), ("tiny", Some("gpt2"), 1));
    let names: Vec<&str> = datasets.iter().map(|dataset| dataset.name.as_str()).collect();
    assert_eq!((names.len(), names.contains(&"e2e"), names.contains(&"records")), (2, true, true));
}

#[test]
fn a_dataset_that_no_run_could_read_is_not_offered() {
    let bench = Bench::new();
    let datasets = || {
        bench.send(Request::ListLibrary);
        bench.answer(|answer| match answer {
            Answer::Library { datasets, .. } => Some(datasets.len()),
            _ => None,
        })
    };
    bench.begin(10);
    assert_eq!(datasets(), 1, "a run that begins is on it");
    let failure =
        Failure { what: engine::Sentence::verbatim("no such file"), advice: engine::Sentence::verbatim("check") };
    bench.tell(Report::Failed(failure.clone()));
    assert_eq!(datasets(), 0);
    let run = bench.begin(10);
    bench.train(&run, 1, 1, 10);
    bench.tell(Report::Failed(failure));
    assert_eq!(datasets(), 1, "its rows were read, whatever came afterwards");
}

#[test]
fn a_hundred_thousand_figures_go_in_and_come_out_in_pieces() {
    let bench = Bench::new();
    let run = bench.begin(60_000);
    bench.tell(Report::RunStarted(Box::new(facts(60_000, 0))));
    (1..=60_000).for_each(|step| bench.tell(Report::Step(step_report(step))));
    let (mut cursor, mut points, mut answers) = (Cursor::default(), 0, 0);
    loop {
        let detail = bench.detail(&run, cursor);
        points += detail.series.iter().map(|series| series.points.len()).sum::<usize>();
        assert_eq!(detail.replace, answers == 0);
        answers += 1;
        cursor = detail.cursor;
        if !detail.more {
            break;
        }
    }
    assert_eq!(points, 360_000);
    assert!(answers > 1);
    let row = bench.runs().remove(0);
    assert!(row.sparkline.len() <= 64 && row.step == 60_000);
}

/// Not a test by itself: the process that is killed below.
#[test]
#[ignore = "started by killed_in_mid_transaction_loses_nothing_committed"]
fn the_process_to_kill() {
    let root = std::env::var_os("STORE_TEST_WORKSPACE").expect("the parent names the workspace");
    let workspace = Workspace::open(Path::new(&root)).unwrap();
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let bench = Bench { _folder: tempfile::tempdir().unwrap(), workspace, store, answers };
    let run = bench.begin(1000);
    bench.train(&run, 1, 30, 1000);
    bench.store.flush();
    let mut other = rusqlite::Connection::open(bench.workspace.database()).unwrap();
    let torn = other.transaction().unwrap();
    torn.execute("INSERT INTO metrics SELECT run, step + 5000, name, value FROM metrics", []).unwrap();
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn killed_in_mid_transaction_loses_nothing_committed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_process_to_kill", "--ignored", "--nocapture"])
        .env("STORE_TEST_WORKSPACE", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let ready = std::io::BufRead::lines(output).map_while(Result::ok).any(|line| line.contains("ready"));
    assert!(ready, "the child reached its transaction");
    child.kill().unwrap();
    child.wait().unwrap();
    let workspace = Workspace::open(folder.path()).unwrap();
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let bench = Bench { _folder: folder, workspace, store, answers };
    let interrupted = bench.answer(|answer| match answer {
        Answer::Interrupted(n) => Some(n),
        _ => None,
    });
    assert_eq!(interrupted, 1);
    let row = bench.runs().remove(0);
    assert_eq!((row.state, row.step, row.best_step), (RunState::Interrupted, 30, Some(30)));
    let detail = bench.detail(&row.id, Cursor::default());
    assert!(detail.series.iter().all(|series| series.points.len() == 30));
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

#[cfg(unix)]
#[test]
fn one_run_folder_that_cannot_be_read_is_named_and_keeps_nobody_from_the_others() {
    let mut bench = Bench::new();
    let (good, profile) = (finished(&bench), bench.workspace.root().join("profile"));
    fs::write(&profile, "mine\n").unwrap();
    let pipe = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let spoil: [&dyn Fn(&Path); 6] = [
        &|run| std::os::unix::fs::symlink(&profile, run.join("log.jsonl")).unwrap(),
        &|run| std::os::unix::fs::symlink("nowhere", run.join("lock")).unwrap(),
        &|run| pipe(&run.join("lock")),
        &|run| pipe(&run.join("metrics.jsonl")),
        &|run| fs::create_dir(run.join("metrics.jsonl")).unwrap(),
        &|run| fs::write(run.join("checkpoints.json"), r#"{"all": ["../../../profile"]}"#).unwrap(),
    ];
    bench.store.close();
    for (index, spoil) in spoil.iter().enumerate() {
        let bad = bench.workspace.runs().join("20260101-000000-0000");
        fs::create_dir(&bad).unwrap();
        fs::copy(bench.workspace.run_folder(&good).join("config.json"), bad.join("config.json")).unwrap();
        spoil(&bad);
        bench.reopen();
        let told = notice(&bench);
        assert!(told.contains("20260101-000000-0000 is left out"), "{index}: {told}");
        assert_eq!(bench.runs().iter().map(|row| &row.id).collect::<Vec<_>>(), [&good], "{index}");
        assert_eq!(bench.detail(&good, Cursor::default()).evaluations.len(), 1);
        bench.store.close();
        fs::remove_dir_all(&bad).unwrap();
    }
    assert_eq!(fs::read_to_string(&profile).unwrap(), "mine\n");
}

#[test]
fn without_a_database_runs_can_be_looked_at_and_deleted() {
    let mut bench = Bench::new();
    let (run, other) = (finished(&bench), finished(&bench));
    bench.store.close();
    // As little to be opened as one on a full disk.
    fs::remove_file(bench.workspace.database()).unwrap();
    fs::create_dir(bench.workspace.database()).unwrap();
    bench.reopen();
    assert!(notice(&bench).contains("kept in memory only"));
    assert_eq!(bench.runs().len(), 2);
    assert_eq!(bench.detail(&run, Cursor::default()).evaluations.len(), 1);
    bench.send(Request::Star { run: run.clone(), starred: true });
    assert!(bench.refusal().what.to_string().contains("kept nowhere else"));
    bench.send(Request::Delete(run.clone()));
    assert_eq!(bench.runs().remove(0).id, other);
    assert!(!bench.workspace.run_folder(&run).exists());
    // As soon as there is room again, the database is made.
    fs::remove_dir(bench.workspace.database()).unwrap();
    bench.send(Request::Delete(other));
    assert!(bench.runs().is_empty());
    assert!(bench.workspace.database().is_file());
}

#[test]
fn many_may_begin_at_once_in_a_new_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::open(folder.path()).unwrap();
    // Another instance has the lock, and its database is not there yet.
    let held = fs::File::create(workspace.database_lock()).unwrap();
    held.lock().unwrap();
    let (store, answers) = Store::open(&workspace, || {}).unwrap();
    let bench = Bench { _folder: folder, workspace, store, answers };
    let run = bench.begin(10);
    bench.train(&run, 1, 10, 10);
    assert_eq!(bench.runs()[0].step, 10);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    drop(held);
    let (store, answers) = Store::open(&bench.workspace, || {}).unwrap();
    store.send(Request::ListRuns);
    assert_eq!(pick_from(&answers, runs)[0].state, RunState::Finished);
}

/// Changes the database as nobody should, while no store has it open.
fn tamper(bench: &Bench, sql: &str) {
    bench.store.close();
    let database = rusqlite::Connection::open(bench.workspace.database()).unwrap();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    database.execute_batch(sql).unwrap();
}

#[test]
fn a_database_whose_tables_are_wrong_is_made_again_with_what_people_wrote() {
    for sql in [
        "DROP TABLE metrics",
        "ALTER TABLE runs RENAME COLUMN synced TO sunk",
        "PRAGMA user_version = 0",
        "PRAGMA user_version = 1",
        "UPDATE runs SET name = x'00'",
        "UPDATE runs SET created = 'yesterday'",
        "UPDATE runs SET id = '../../victim'",
        "UPDATE checkpoints SET folder = '../../victim'",
    ] {
        let mut bench = Bench::new();
        let run = finished(&bench);
        let victim = bench.workspace.root().join("victim");
        fs::create_dir(&victim).unwrap();
        bench.send(Request::Notes { run: run.clone(), text: "mine".into() });
        tamper(&bench, sql);
        bench.reopen();
        let row = bench.runs().remove(0);
        assert_eq!((&row.id, row.name.as_str(), row.step), (&run, "prefix 20 · records", 10), "{sql}");
        let detail = bench.detail(&run, Cursor::default());
        assert_eq!(detail.series[0].points.len(), 10, "{sql}");
        assert!(bench.workspace.root().join("experiments.db.broken").exists(), "{sql}");
        if !sql.contains("SET id") {
            assert_eq!(detail.notes, "mine", "{sql}");
        }
        assert!(victim.exists());
    }
}

#[test]
fn a_run_goes_on_while_its_database_is_made_again() {
    let bench = Bench::new();
    let run = bench.begin(20);
    bench.train(&run, 1, 10, 20);
    bench.store.flush();
    let database = rusqlite::Connection::open(bench.workspace.database()).unwrap();
    database.execute_batch("UPDATE runs SET name = x'00'").unwrap();
    drop(database);
    assert_eq!((bench.runs()[0].step, bench.runs()[0].state), (10, RunState::Running));
    bench.train(&run, 11, 20, 20);
    finish(&bench, Outcome::Completed);
    let row = bench.runs().remove(0);
    assert_eq!((row.step, row.state, row.best_step), (20, RunState::Finished, Some(20)));
    assert_eq!(bench.detail(&run, Cursor::default()).series[0].points.len(), 20);
}

#[test]
fn a_database_that_was_closed_is_not_read_whole_and_damage_is_found_where_it_is_read() {
    let mut bench = Bench::new();
    let run = bench.begin(3000);
    bench.train(&run, 1, 3000, 3000);
    finish(&bench, Outcome::Completed);
    bench.store.close();
    let path = bench.workspace.database();
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let (from, to) = (bytes.len() / 4, bytes.len() / 4 * 3);
    bytes[from..to].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    bench.reopen();
    let detail = bench.detail(&run, Cursor::default());
    assert_eq!((detail.row.step, detail.series[0].points.len()), (3000, 3000));
    assert!(bench.workspace.root().join("experiments.db.broken").exists());
}

#[test]
fn what_killed_programs_left_is_removed() {
    let mut bench = Bench::new();
    let run = bench.begin(20);
    bench.train(&run, 1, 10, 20);
    finish(&bench, Outcome::Stopped);
    bench.store.close();
    let folder = bench.workspace.run_folder(&run);
    let text = fs::read_to_string(folder.join("run.json")).unwrap();
    fs::write(folder.join("run.json"), text.replace("stopped", "running")).unwrap();
    let draft = folder.join("checkpoints/.draft-abc");
    fs::create_dir(&draft).unwrap();
    let (empty, young) = (bench.workspace.runs().join("old"), bench.workspace.runs().join("young"));
    let half = bench.workspace.runs().join(".deleted-20260101-000000-0000");
    for folder in [&empty, &young, &half] {
        fs::create_dir(folder).unwrap();
    }
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(48 * 3600);
    fs::File::open(&empty).unwrap().set_modified(yesterday).unwrap();
    bench.reopen();
    assert_eq!(bench.runs()[0].state, RunState::Interrupted);
    assert!(!draft.exists() && !empty.exists() && !half.exists());
    assert!(young.exists(), "a run that is just beginning");
}

#[test]
fn a_run_that_could_not_go_on_is_as_it_was() {
    let bench = Bench::new();
    let run = bench.begin(20);
    bench.train(&run, 1, 10, 20);
    finish(&bench, Outcome::Stopped);
    let before = bench.runs().remove(0);
    bench.send(Request::Begin { job: JOB, run: run.clone() });
    let failure = Failure {
        what: engine::Sentence::verbatim("the model folder has no config.json"),
        advice: engine::Sentence::verbatim("Choose another"),
    };
    bench.tell(Report::Failed(failure));
    assert_eq!(bench.runs().remove(0), before);
    assert!(
        bench.detail(&run, Cursor::default()).log.iter().any(|line| line.text.to_string().contains("no config.json"))
    );
}

#[test]
fn a_dataset_that_could_not_be_read_is_not_offered_again() {
    let bench = Bench::new();
    bench.begin(10);
    let failure = Failure {
        what: engine::Sentence::verbatim("no row can be trained on"),
        advice: engine::Sentence::verbatim("Check the columns"),
    };
    bench.tell(Report::Failed(failure));
    bench.send(Request::ListLibrary);
    let known = bench.answer(|answer| match answer {
        Answer::Library { models, datasets } => Some((models.len(), datasets.len())),
        _ => None,
    });
    assert_eq!(known, (0, 0));
}

#[test]
fn a_deleted_folder_does_not_come_back_with_the_end_of_its_run() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.train(&run, 1, 5, 10);
    bench.store.flush();
    fs::remove_dir_all(bench.workspace.run_folder(&run)).unwrap();
    let failure = Failure {
        what: engine::Sentence::verbatim("cannot create a checkpoint"),
        advice: engine::Sentence::verbatim("Check"),
    };
    bench.tell(Report::Failed(failure));
    let row = bench.runs().remove(0);
    assert!(row.files_missing && row.state == RunState::Failed);
    assert!(!bench.workspace.run_folder(&run).exists());
    bench.send(Request::Delete(run));
    assert!(bench.runs().is_empty());
}

#[test]
fn the_best_is_the_evaluation_whose_adapter_is_kept() {
    let bench = Bench::new();
    let run = bench.begin(20);
    let folder = bench.workspace.run_folder(&run);
    bench.tell(Report::RunStarted(Box::new(facts(20, 0))));
    let evaluated = |step, loss, best| {
        let evaluation = EvaluationReport { step, loss, best, elapsed_secs: 0.5, figures: None };
        bench.tell(Report::Evaluated(evaluation));
    };
    let kept = |step, best| {
        let folder = folder.join("checkpoints").join(format!("step-{step:06}"));
        bench.tell(Report::CheckpointWritten { step, folder, best });
    };
    evaluated(0, 0.5, true);
    assert_eq!(bench.runs()[0].best_loss, None, "nothing is kept yet that computes it");
    kept(0, true);
    evaluated(10, 0.75, false);
    kept(10, false);
    assert_eq!((bench.runs()[0].best_loss, bench.runs()[0].best_step), (Some(0.5), Some(0)));
    // Other validation rows: a higher loss is the best of them.
    evaluated(20, 0.625, true);
    kept(20, true);
    assert_eq!((bench.runs()[0].best_loss, bench.runs()[0].best_step), (Some(0.625), Some(20)));
}

#[cfg(unix)]
#[test]
fn runs_and_database_are_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let run = finished(&bench);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.workspace.run_folder(&run)), 0o700);
    assert_eq!(mode(&bench.workspace.database()), 0o600);
}
