//! Texts for whole files of rows from the outside: written line by line, gone on with, scored, and choosing the best.

use std::path::{Path, PathBuf};

use engine::config::{DataConfig, Sampling};
use engine::device::DeviceChoice;
use engine::evaluation::{PredictedRow, ScoredPredictions, kept_evaluations, read_predictions};
use engine::generation::Beams;
use engine::nn::Precision;
use engine::protocol::{Ask, Outcome, Prompt, Report, RowsRequest, Stream};
use engine::training::run_folder::{Record, read_checkpoints};
use serde_json::json;
use tests::{Talk, curve, generation, tiny_model, tiny_run};

fn rows(home: &Path) -> PathBuf {
    let path = home.join("test.jsonl");
    let rows = [("a b", "b a", "seen"), ("c d", "d c", "unseen"), ("a b", "a b", "seen"), ("e", "e", "seen")];
    let lines =
        rows.map(|(source, target, kind)| json!({"source": source, "target": target, "kind": kind}).to_string());
    std::fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn request(home: &Path, n_beams: usize) -> RowsRequest {
    let mut data = DataConfig::new(rows(home));
    data.prompt_template = "{{ source }} ->".to_owned();
    let beams = Beams { n_beams, ..Beams::default() };
    RowsRequest {
        model: tiny_model(),
        device: DeviceChoice::Cpu,
        numbers: Precision::F32.into(),
        adapter: None,
        data,
        task: None,
        generation: Sampling { max_new_tokens: 6, beams, ..Sampling::default() },
        metrics: vec!["exact_match".to_owned()],
        by: Some("kind".to_owned()),
        limit: None,
        predictions: Some(home.join("out.jsonl")),
        keep: None,
        wordnet: None,
    }
}

fn evaluated(talk: &Talk, request: &RowsRequest) -> (Vec<PredictedRow>, ScoredPredictions) {
    let (mut written, mut scored) = (Vec::new(), None);
    for report in talk.run(Ask::GenerateRows(Box::new(request.clone()))) {
        match report {
            Report::Prediction { row, .. } => written.push(*row),
            Report::Metrics { scored: found, .. } => scored = Some(*found),
            _ => {}
        }
    }
    (written, scored.expect("they were scored"))
}

#[test]
fn each_source_gets_the_text_that_generate_writes_and_all_its_references() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    for n_beams in [1, 3] {
        let mut request = request(home.path(), n_beams);
        request.predictions = Some(home.path().join(format!("{n_beams}.jsonl")));
        let (_, scored) = evaluated(&talk, &request);
        let rows: Vec<_> = scored.rows.iter().map(|row| (row.row.row, row.row.references.join("|"))).collect();
        assert_eq!(rows, [(1, "b a|a b".to_owned()), (2, "d c".to_owned()), (4, "e".to_owned())]);
        for found in &scored.rows {
            let stream = Stream::of_base(Prompt::Text(found.row.source.clone()));
            let alone = talk.generate(generation(&tiny_model(), vec![stream], request.generation.clone()));
            assert_eq!(found.row.prediction, alone[0].text.trim(), "{n_beams} beams, row {}", found.row.row);
        }
        let by: Vec<_> = scored.by.iter().map(|group| (group.value.as_str(), group.rows)).collect();
        assert_eq!(by, [("seen", 2), ("unseen", 1)]);
        let kept = read_predictions(request.predictions.as_ref().unwrap()).unwrap();
        assert!(kept.iter().eq(scored.rows.iter().map(|row| &row.row)), "the file says the same");
    }
}

#[test]
fn what_was_written_is_kept_and_only_the_rest_is_written() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let request = request(home.path(), 1);
    let (first, scored) = evaluated(&talk, &request);
    assert_eq!(first.len(), 3);
    // As a program that was killed leaves it.
    let path = request.predictions.clone().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let (line, rest) = text.split_once('\n').unwrap();
    std::fs::write(&path, format!("{line}\n{}", &rest[..9])).unwrap();
    let (again, same) = evaluated(&talk, &request);
    assert_eq!((again.len(), same.clone()), (2, scored));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let other = RowsRequest { generation: Sampling { max_new_tokens: 5, ..request.generation.clone() }, ..request };
    talk.send(Ask::GenerateRows(Box::new(other)));
    let heard = talk.until_end();
    assert!(
        matches!(heard.last(), Some(Report::Failed(failure)) if failure.what.to_string().contains("other settings"))
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing was lost");
}

#[test]
fn kept_predictions_are_scored_again_and_an_evaluation_can_be_stopped() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let request =
        RowsRequest { keep: Some(home.path().join("evaluations")), predictions: None, ..request(home.path(), 1) };
    evaluated(&talk, &request);
    let kept = kept_evaluations(home.path());
    let (predictions, record) = kept.first().expect("it is kept");
    assert!(record.finished && record.rows == 3 && record.figures[0].name == "exact_match");
    let metrics = vec!["exact_match".to_owned()];
    let heard = talk.run(Ask::ScorePredictions { predictions: predictions.clone(), metrics, wordnet: None });
    assert!(heard.iter().any(|report| matches!(report, Report::Metrics { scored, .. } if scored.rows.len() == 3)));
    assert!(!heard.iter().any(|report| matches!(report, Report::Prediction { .. })));
    let unknown = vec!["blue".to_owned()];
    talk.send(Ask::GenerateRows(Box::new(RowsRequest { metrics: unknown, ..request.clone() })));
    assert!(matches!(talk.until_end().last(), Some(Report::Failed(_))), "before a text is written");
    talk.send(Ask::GenerateRows(Box::new(RowsRequest { limit: Some(2), ..request })));
    talk.until(|report| matches!(report, Report::Phase(_)));
    talk.send(Ask::Stop);
    let heard = talk.until_end();
    assert!(matches!(heard.last(), Some(Report::Finished { outcome: Outcome::Stopped })), "{heard:?}");
}

#[test]
fn a_figure_of_texts_chooses_the_best_and_stops_early() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    let mut config = tiny_run(home.path());
    config.training.best_metric = "eval_exact_match".to_owned();
    (config.training.metric_rows, config.training.patience) = (4, Some(2));
    config.generation = Sampling { max_new_tokens: 4, ..Sampling::default() };
    // Too little is learned for a text to be right, so the start stays the best.
    config.training.learning_rate = 1e-6;
    let folder = home.path().join("run");
    let heard = talk.run(Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None });
    assert!(matches!(heard.last(), Some(Report::Finished { outcome: Outcome::StoppedEarly })));
    let records = curve(&folder);
    let evaluations: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Evaluation(report) => Some(report.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(evaluations.len(), 3, "the start, and two that are no better");
    let metric = evaluations[0].metric.clone().expect("it is said");
    assert_eq!((metric.name.as_str(), metric.value), ("exact_match", 0.0));
    assert!(evaluations[0].best && evaluations[1..].iter().all(|report| !report.best), "as good is no better");
    let best = read_checkpoints(&folder).unwrap().best.expect("there is one");
    let adapter = |folder: PathBuf| std::fs::read(folder.join("adapter_model.safetensors")).unwrap();
    assert_eq!(best, "step-000000");
    assert_eq!(adapter(folder.join("adapter")), adapter(folder.join("checkpoints").join(best)), "what is kept is it");
}

#[test]
fn a_figure_that_the_task_does_not_have_is_refused_before_the_first_step() {
    let (home, talk) = (tempfile::tempdir().unwrap(), Talk::new());
    for metric in ["blue", "accuracy"] {
        let mut config = tiny_run(home.path());
        config.training.best_metric = metric.to_owned();
        talk.send(Ask::Train {
            folder: home.path().join(metric),
            config: Box::new(config),
            resume: false,
            until: None,
        });
        let heard = talk.until_end();
        let Some(Report::Failed(failure)) = heard.last() else { panic!("{metric}: {heard:?}") };
        assert!(failure.what.to_string().contains("training.best_metric"), "{failure:?}");
        assert!(!heard.iter().any(|report| matches!(report, Report::Step(_))), "{metric}");
    }
}
