//! Where there are several: tasks of one prompt, datasets of one run, adapters that vote.

use app::action::{Action, Screen};
use app::screens::compare::action::CompareAction;
use app::state::outbox::Fill;
use app::store::{Answer, RunRow, RunState};
use egui_kittest::kittest::Queryable as _;
use engine::config::{MethodConfig, PromptConfig, PromptTasks, RunConfig};
use engine::protocol::{AdapterFacts, Ask, Command, GeneratedStream, JobId, Report};

use crate::fixtures::{config, detail, preview_rows, row};
use crate::scenes::{click, perform, picture};
use crate::world::{Bench, Start};

fn run(id: &str, name: &str) -> RunRow {
    row(id, name, RunState::Finished)
}

/// A window that compares these runs, which have that method.
fn comparing(runs: &[RunRow], method: &MethodConfig) -> Bench {
    let bench = Bench::with_runs(Start::default(), runs.to_vec());
    let mut bench = perform(bench, Action::Open(runs[0].id.clone(), Screen::Compare));
    for other in &runs[1..] {
        bench = perform(bench, Action::Compare(CompareAction::ToggleColumn(other.id.clone())));
    }
    for run in runs {
        let mut detail = detail(run.clone(), 40);
        detail.config = Some(Box::new(RunConfig { method: method.clone(), ..config() }));
        bench.answer(Answer::Detail(Box::new(detail)));
    }
    let rows =
        bench.last(|command| if let Command { job, ask: Ask::Preview { .. } } = command { Some(*job) } else { None });
    bench.event(rows.expect("rows were asked for"), Report::Preview(Box::new(preview_rows())));
    bench
}

/// The job of the generation that is under way or begins, and the task of each of its streams.
fn generation(bench: &mut Bench) -> (JobId, Vec<Option<String>>) {
    let window = bench.harness.state().as_ref().expect("the window is open");
    if !window.state.comparison.generation.is_open() {
        click(bench, "Generate");
    }
    let sent = bench.last(|command| match command {
        Command { job, ask: Ask::Generate(request) } => {
            Some((*job, request.streams.iter().map(|stream| stream.task.clone()).collect()))
        }
        _ => None,
    });
    sent.expect("the generation was sent")
}

#[test]
fn a_column_writes_for_the_task_that_is_chosen() {
    let tasks = Some(PromptTasks::default());
    let method = MethodConfig::Prompt(PromptConfig { tasks, ..PromptConfig::default() });
    let mut bench = comparing(&[run("20261121-020000-0002", "The run")], &method);
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::Inspect { adapter, .. } } => Some((*job, adapter.clone())),
        _ => None,
    });
    let (job, path) = asked.expect("its tasks were asked for");
    let tasks = ["turn", "copy"].map(str::to_owned).to_vec();
    let found = AdapterFacts { path, tasks, ..*crate::sent::facts(None) };
    bench.event(job, Report::Inspected(Box::new(found)));
    let (job, first) = generation(&mut bench);
    assert_eq!(first, [None, Some("turn".to_owned())], "the first where none was chosen");
    bench.event(job, Report::Generated { streams: Vec::new() });
    bench.harness.check_accessibility();
    click(&mut bench, "Task of The run");
    click(&mut bench, "Task copy");
    assert_eq!(generation(&mut bench).1, [None, Some("copy".to_owned())]);
}

#[test]
fn short_answers_are_voted_on() {
    let runs = [1, 2, 3].map(|n| run(&format!("20261121-02000{n}-000{n}"), &format!("Run {n}")));
    let mut bench = comparing(&runs, &MethodConfig::default());
    let mut answers = |said: [(&str, f64); 4]| {
        let (job, _) = generation(&mut bench);
        let stream = |(text, log_probability): (&str, f64)| GeneratedStream {
            text: text.to_owned(),
            tokens: vec![1; 3],
            adapter_hash: "9f3ac1d2e4".to_owned(),
            proven_base: None,
            elapsed_secs: 0.1,
            log_probability,
            beams: Vec::new(),
            ..GeneratedStream::default()
        };
        bench.event(job, Report::Generated { streams: said.map(stream).to_vec() });
        let window = bench.harness.state().as_ref().expect("the window is open");
        let vote = window.state.comparison.vote();
        vote.map(|vote| (vote.text.to_owned(), vote.votes, vote.by_score))
    };
    let long = "a long text ".repeat(10);
    assert_eq!(answers([("", 0.0), (&long, -1.0), (&long, -1.0), (&long, -1.0)]), None, "long texts are no answers");
    let tied = answers([("no", 0.0), ("yes", -2.0), ("no", -1.0), ("maybe", -3.0)]);
    assert_eq!(tied, Some(("no".to_owned(), 1, true)), "the base has no voice");
    let most = answers([("no", 0.0), ("yes", -2.0), ("no", -1.0), (" yes", -3.0)]);
    assert_eq!(most, Some(("yes".to_owned(), 2, false)));
    bench.harness.get_by_label("Vote of the adapters");
    bench.harness.get_by_label("2 of 3");
    picture(&mut bench, "compare_vote");
}

#[test]
fn the_rows_of_each_dataset_can_be_looked_at() {
    let size = [1280.0, 1500.0];
    let mut bench = Bench::with_runs(Start { size, ..Start::default() }, Vec::new());
    let mut several = config();
    let more = serde_json::json!({"train": "/sets/others.csv", "name": "reviews", "source_column": "body"});
    several.data.more = vec![serde_json::from_value(more).expect("a dataset")];
    let window = bench.harness.state_mut().as_mut().expect("the window is open");
    window.state.fill(Fill::Run(Box::new(several)));
    bench = perform(bench, Action::Show(Screen::NewRun));
    bench.answer_form();
    bench.harness.get_by_label_contains("1,196");
    click(&mut bench, "Dataset");
    click(&mut bench, "reviews");
    for _ in 0..8 {
        bench.harness.run_steps(10);
    }
    let asked = bench.last(|command| match command {
        Command { job, ask: Ask::Preview { data, .. } } => Some((*job, data.train.clone(), data.source_column.clone())),
        _ => None,
    });
    let (job, train, source) = asked.expect("its rows were asked for");
    assert_eq!((train, source), ("/sets/others.csv".into(), Some("body".to_owned())));
    let mut preview = preview_rows();
    preview.train_rows = 77;
    bench.event(job, Report::Preview(Box::new(preview)));
    bench.harness.get_by_label_contains("77 training rows");
    bench.harness.check_accessibility();
    let window = bench.harness.state().as_ref().expect("the window is open");
    let first = window.state.new_run.preview.known().expect("the first is still known");
    assert_eq!(first.train_rows, 1196, "the form goes by the first dataset");
    picture(&mut bench, "new_run_datasets");
}
