//! The evaluation of a run: asked for, followed, shown row by row, kept, and scored again.

use app::action::Screen;
use app::i18n::Language;
use app::store::{Answer, KeptEvaluation, Request};
use app::theme::ThemeChoice;
use egui_kittest::kittest::Queryable as _;
use engine::evaluation::{EvaluationRecord, MetricFigure, PredictedRow, ScoredPredictions, ScoredRow};
use engine::protocol::{Ask, Command, JobId, Phase, Report, RowsRequest};

use crate::fixtures::detail;
use crate::scenes::{chosen, click, failure, pictures, runs};
use crate::world::{Bench, Start, settings};

fn figure(name: &str, figure: f64) -> MetricFigure {
    MetricFigure { name: name.into(), figure, low: figure - 0.03, high: figure + 0.03, signature: None }
}

fn row(number: usize, prediction: &str) -> PredictedRow {
    let references = ["Blue Spice serves Chinese food by the riverside.", "By the river, Blue Spice has Chinese food."];
    PredictedRow {
        row: number,
        source: "name: Blue Spice | food: Chinese | area: riverside".into(),
        prediction: prediction.into(),
        references: references.map(str::to_owned).into(),
        ..PredictedRow::default()
    }
}

fn scored(share: f64) -> ScoredPredictions {
    let texts =
        ["Blue Spice serves Chinese food by the riverside.", "Blue Spice is a cheap pub.", "The river was cold."];
    let one =
        |(n, text): (usize, &str)| ScoredRow { row: row(n, text), figures: vec![Some(f64::from(u8::from(n == 1)))] };
    let rows = (1..).zip(texts).map(one).collect();
    ScoredPredictions { figures: vec![figure("exact_match", share)], by: Vec::new(), rows, total: 3 }
}

fn kept() -> KeptEvaluation {
    let record = EvaluationRecord {
        finished: true,
        adapter: Some("/workspace/runs/x/adapter".into()),
        rows: 3,
        figures: vec![figure("bleu", 0.25)],
        ..EvaluationRecord::default()
    };
    KeptEvaluation { predictions: "/workspace/runs/x/evaluations/validation-0a1b2c3d.jsonl".into(), record }
}

/// The second run on the screen, with one evaluation that is kept.
fn opened(start: Start) -> Bench {
    let mut bench = chosen(start, Screen::Evaluate);
    let mut known = detail(runs().remove(2), 400);
    known.kept = vec![kept()];
    known.replace = true;
    bench.answer(Answer::RunsChanged { rows: vec![runs().remove(2)], gone: Vec::new() });
    bench.answer(Answer::Detail(Box::new(known)));
    bench
}

fn asked(bench: &Bench) -> Vec<(JobId, RowsRequest)> {
    let commands = &bench.world.borrow().commands;
    let rows = commands.iter().filter_map(|command| match command {
        Command { job, ask: Ask::GenerateRows(request) } => Some((*job, RowsRequest::clone(request))),
        _ => None,
    });
    rows.collect()
}

#[test]
fn a_run_is_evaluated_on_its_validation_rows_beside_the_base() {
    let mut bench = opened(Start::default());
    bench.harness.get_by_label("The base model beside it").click();
    bench.settle();
    click(&mut bench, "Evaluate this");
    let asked = asked(&bench);
    assert_eq!(asked.len(), 2);
    let of = |adapter: bool| asked.iter().find(|(_, request)| request.adapter.is_some() == adapter).cloned().unwrap();
    let ((job, request), (base, _)) = (of(true), of(false));
    assert!(request.data.train.ends_with("validation.jsonl") && request.data.validation.is_none());
    assert_eq!(request.metrics, engine::evaluation::usual_metrics());
    assert!(request.keep.as_ref().is_some_and(|folder| folder.ends_with("evaluations")));
    bench.event(job, Report::Phase(Phase::Predicting { share: 0.3 }));
    bench.event(job, Report::Prediction { done: 1, total: 3, row: Box::new(row(1, "Blue Spice is")) });
    bench.harness.get_by_label_contains("1 of 3 rows");
    bench.event(job, Report::Metrics { predictions: None, scored: Box::new(scored(0.33)) });
    bench.event(base, Report::Metrics { predictions: None, scored: Box::new(scored(0.01)) });
    let told = |request: &&Request| matches!(request, Request::Evaluated(_));
    assert_eq!(bench.world.borrow().requests.iter().filter(told).count(), 2, "the store reads the folder again");
    bench.harness.get_by_label("0.3300");
    bench.harness.get_by_label("0.0100");
}

#[test]
fn an_evaluation_can_be_stopped_and_says_why_it_failed() {
    let mut bench = opened(Start::default());
    click(&mut bench, "Evaluate this");
    let (job, _) = asked(&bench).remove(0);
    click(&mut bench, "Stop");
    let stopped =
        bench.last(|c| matches!(c, Command { job: stopped, ask: Ask::Stop } if *stopped == job).then_some(()));
    assert!(stopped.is_some());
    click(&mut bench, "Evaluate this");
    let (job, _) = asked(&bench).pop().unwrap();
    bench.event(job, Report::Failed(failure()));
    bench.harness.get_by_label_contains("no tokenizer.json");
}

#[test]
fn predictions_that_are_kept_are_scored_again_without_a_text() {
    let mut bench = opened(Start::default());
    bench.harness.get_by_label("validation-0a1b2c3d");
    let button = bench.harness.get_by_label_contains("Score again with");
    button.click();
    bench.settle();
    let (job, predictions, metrics) = bench
        .last(|command| match command {
            Command { job, ask: Ask::ScorePredictions { predictions, metrics, .. } } => {
                Some((*job, predictions.clone(), metrics.clone()))
            }
            _ => None,
        })
        .expect("they are scored");
    assert_eq!((predictions, metrics), (kept().predictions, engine::evaluation::usual_metrics()));
    bench.event(job, Report::Metrics { predictions: None, scored: Box::new(scored(0.5)) });
    bench.harness.get_by_label("0.5000");
    assert!(asked(&bench).is_empty());
}

/// A window with the figures of both sides.
fn evaluated(start: Start, words: [&str; 2]) -> Bench {
    let mut bench = opened(start);
    bench.harness.get_by_label(words[0]).click();
    bench.settle();
    click(&mut bench, words[1]);
    for (job, request) in asked(&bench) {
        let share = if request.adapter.is_some() { 0.33 } else { 0.01 };
        bench.event(job, Report::Metrics { predictions: None, scored: Box::new(scored(share)) });
    }
    bench.harness.check_accessibility();
    bench
}

#[test]
fn evaluate_in_both_languages_and_narrow() {
    let english = ["The base model beside it", "Evaluate this"];
    let dark = evaluated(Start::default(), english);
    let narrow = evaluated(Start { size: [900.0, 800.0], ..Start::default() }, english);
    let settings = app::settings::Settings { theme: ThemeChoice::Light, language: Language::Chinese, ..settings() };
    let chinese = evaluated(Start { settings, ..Start::default() }, ["同时评估基础模型", "开始评估"]);
    pictures([(dark, "evaluate"), (narrow, "evaluate_narrow"), (chinese, "evaluate_chinese")]);
}

#[test]
fn the_form_is_found_as_it_was_left_and_is_of_its_run_alone() {
    let mut bench = opened(Start::default());
    bench.harness.get_by_label("The base model beside it").click();
    bench.settle();
    bench.world.borrow_mut().now += 5.0;
    bench.settle();
    let kept = bench.world.borrow().desks.last().cloned().expect("the desk is kept");
    let desk: app::desk::Desk = serde_json::from_str(&kept).expect("a desk");
    let again = |run: usize| {
        let mut bench = Bench::new(Start::default());
        let mut desk = desk.clone();
        desk.run = Some(runs()[run].id.clone());
        bench.harness.state_mut().as_mut().expect("the window is open").restore(desk);
        bench.answer(Answer::Runs(runs()));
        bench.answer(Answer::Detail(Box::new(detail(runs().remove(run), 400))));
        click(&mut bench, "Evaluate this");
        asked(&bench).len()
    };
    assert_eq!(again(2), 2, "the base is asked too, as it was ticked");
    assert_eq!(again(3), 1, "another run begins with what it says itself");
}
