//! Settings and figures of the rows, and figures over the steps.

use std::collections::BTreeMap;

use app::store::Curve;
use engine::evaluation::{EvaluationRecord, EvaluationSettings, FOLDER, MetricFigure};
use engine::training::{BestFigure, ClassificationMetrics};

use super::*;

fn figures(bench: &Bench) -> BTreeMap<String, f64> {
    bench.runs()[0].figures.as_ref().clone()
}

fn evaluated(bench: &Bench, step: usize, figures: Option<ClassificationMetrics>, metric: Option<BestFigure>) {
    let report = EvaluationReport { step, loss: 0.5, best: true, elapsed_secs: 0.5, figures, metric };
    bench.tell(Report::Evaluated(report));
}

fn kept(bench: &Bench, run: &RunId, step: usize) {
    let folder = bench.workspace.run_folder(run).join(format!("checkpoints/step-{step:06}"));
    bench.tell(Report::CheckpointWritten { step, folder, best: true });
}

#[test]
fn the_figures_of_a_row_are_those_of_the_evaluation_that_is_kept() {
    let bench = Bench::new();
    let run = bench.begin(20);
    let classes = RunFacts { task: Task::SequenceClassification, ..facts(20, 0) };
    bench.tell(Report::RunStarted(Box::new(classes)));
    let right = |accuracy| {
        Some(ClassificationMetrics {
            accuracy: Some(accuracy),
            macro_f1: Some(0.25),
            ..ClassificationMetrics::default()
        })
    };
    evaluated(&bench, 10, right(0.5), None);
    assert!(figures(&bench).is_empty(), "nothing is kept yet that computes it");
    kept(&bench, &run, 10);
    let expected = |accuracy| BTreeMap::from([("accuracy".to_owned(), accuracy), ("macro_f1".to_owned(), 0.25)]);
    assert_eq!(figures(&bench), expected(0.5), "and no perplexity of classes");
    evaluated(&bench, 20, right(0.75), None);
    assert_eq!(figures(&bench), expected(0.5));
    kept(&bench, &run, 20);
    assert_eq!(figures(&bench), expected(0.75));
}

#[test]
fn texts_have_a_perplexity_and_the_figures_of_files_their_name() {
    let mut bench = Bench::new();
    let run = bench.begin(10);
    bench.tell(Report::RunStarted(Box::new(facts(10, 0))));
    evaluated(&bench, 10, None, Some(BestFigure { name: "bleu".to_owned(), value: 31.0 }));
    kept(&bench, &run, 10);
    let folder = bench.workspace.run_folder(&run).join(FOLDER);
    fs::create_dir_all(&folder).unwrap();
    let record = |at, file: &str, limit, figure| EvaluationRecord {
        at,
        finished: true,
        adapter: Some("/runs/a".into()),
        settings: EvaluationSettings {
            data: Some(DataConfig::new(format!("/sets/{file}.jsonl"))),
            limit,
            ..EvaluationSettings::default()
        },
        figures: vec![
            MetricFigure { name: "bleu".to_owned(), figure, low: 0.0, high: 1.0, signature: None },
            MetricFigure { name: "nist".to_owned(), figure: f64::NAN, low: 0.0, high: 1.0, signature: None },
        ],
        ..EvaluationRecord::default()
    };
    let base = EvaluationRecord { adapter: None, ..record(9, "test", None, 1.0) };
    let begun = EvaluationRecord { finished: false, ..record(9, "other", None, 1.0) };
    let records =
        [record(1, "test", None, 40.0), record(2, "test", None, 42.0), record(3, "test", Some(5), 90.0), base, begun];
    for (index, record) in records.iter().enumerate() {
        let predictions = folder.join(format!("{index}.jsonl"));
        fs::write(&predictions, "").unwrap();
        record.write(&predictions).unwrap();
    }
    bench.send(Request::Evaluated(run.clone()));
    let expected = BTreeMap::from([
        ("bleu".to_owned(), 31.0),
        ("perplexity".to_owned(), 0.5_f64.exp()),
        ("test/bleu".to_owned(), 42.0),
    ]);
    assert_eq!(figures(&bench), expected);
    bench.reopen();
    assert_eq!(figures(&bench), expected);
}

#[test]
fn settings_are_shared_until_they_change_and_have_the_names_of_today() {
    let bench = Bench::new();
    let run = finished(&bench);
    let (first, second) = (bench.runs().remove(0), bench.runs().remove(0));
    assert_eq!(first.settings["training"]["steps"], 10);
    assert_eq!(first.settings["method"]["type"], "prefix");
    assert!(
        std::sync::Arc::ptr_eq(&first.settings, &second.settings)
            && std::sync::Arc::ptr_eq(&first.figures, &second.figures)
    );
    bench.send(Request::Star { run: run.clone(), starred: true });
    let told = bench.answer(|answer| match answer {
        Answer::RunsChanged { rows, .. } => rows.into_iter().find(|row| row.starred),
        _ => None,
    });
    assert!(std::sync::Arc::ptr_eq(&first.settings, &told.settings), "not told anew with a star");
    bench.send(Request::Register { run, config: Box::new(config(30)), experiment: None });
    assert_eq!(bench.runs()[0].settings["training"]["steps"], 30);
}

fn curves(bench: &Bench, runs: &[&RunId], name: &str) -> Vec<Curve> {
    bench.send(Request::Curves { runs: runs.iter().map(|&run| run.clone()).collect(), name: name.to_owned() });
    bench.answer(|answer| match answer {
        Answer::Curves(curves) => Some(curves),
        _ => None,
    })
}

#[test]
fn a_figure_of_several_runs_is_told_over_steps_tokens_seconds_and_epochs() {
    let bench = Bench::new();
    let run = bench.begin(20);
    bench.train(&run, 1, 20, 20);
    finish(&bench, Outcome::Completed);
    let other = finished(&bench);
    let all = curves(&bench, &[&run, &RunId("nobody".into()), &other], "loss");
    assert_eq!(
        all.iter().map(|curve| (&curve.run, curve.points.len())).collect::<Vec<_>>(),
        [(&run, 20), (&other, 10)]
    );
    let at = |curve: &Curve, index: usize| {
        let point = curve.points[index];
        (point.step, point.tokens, point.secs, point.epoch)
    };
    assert_eq!(at(&all[0], 0), (1, 200, 0.25, 0.1));
    assert_eq!(at(&all[0], 9), (10, 2000, 2.5, 1.0));
    assert_eq!(at(&all[0], 10), (11, 2200, 3.25, 1.1), "behind the evaluation");
    assert!((all[0].points[0].value - 1.5).abs() < 1e-12);
    let validation = &curves(&bench, &[&run], "validation loss")[0];
    assert_eq!(validation.points.len(), 2);
    assert_eq!((at(validation, 0), at(validation, 1)), ((10, 2000, 3.0, 1.0), (20, 4000, 6.0, 2.0)));
    assert_eq!(validation.points[1].value, 0.2);
    assert!((curves(&bench, &[&run], "perplexity")[0].points[1].value - 0.2_f64.exp()).abs() < 1e-12);
    assert_eq!(curves(&bench, &[&run], "tokens")[0].points[4].value, 200.0);
    assert!(curves(&bench, &[&run], "accuracy")[0].points.is_empty());
}

#[test]
fn a_figure_of_evaluations_before_the_first_step_has_its_point() {
    let bench = Bench::new();
    let run = bench.begin(10);
    bench.tell(Report::RunStarted(Box::new(facts(10, 0))));
    evaluated(&bench, 0, None, Some(BestFigure { name: "bleu".to_owned(), value: 3.0 }));
    bench.tell(Report::Step(step_report(1)));
    evaluated(&bench, 1, None, Some(BestFigure { name: "bleu".to_owned(), value: 5.0 }));
    let curve = curves(&bench, &[&run], "eval_bleu").remove(0);
    let points: Vec<(u64, f64, f64)> = curve.points.iter().map(|point| (point.step, point.secs, point.value)).collect();
    assert_eq!((curve.name.as_str(), points), ("eval_bleu", vec![(0, 0.5, 3.0), (1, 1.25, 5.0)]));
}
