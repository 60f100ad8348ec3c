//! Where slots lie: beside each other and another adapter's, on a map, along a run, and near the words of classes.

use std::path::{Path, PathBuf};

use engine::analysis::{Analysis, DriftReport, MapReport, Question, Side, SimilarityReport};
use engine::config::{DataConfig, MethodConfig, PromptConfig, PromptInit};
use engine::device::DeviceChoice;
use engine::nn::MatrixNumbers;
use engine::protocol::{AnalysisRequest, Ask, Report};
use engine::training::run_folder::read_checkpoints;
use tests::{Talk, golden_cases, tiny_run};

/// A question about an adapter that began as it is.
fn request(model: &Path, adapter: &Path, question: Question) -> AnalysisRequest {
    AnalysisRequest {
        model: model.to_owned(),
        device: DeviceChoice::Cpu,
        numbers: MatrixNumbers::default(),
        adapter: adapter.to_owned(),
        other: None,
        initial: Some(adapter.to_owned()),
        question,
        data: DataConfig::new(""),
        text: None,
        rows: 4,
        checkpoints: Vec::new(),
    }
}

fn golden(case: &str, question: Question) -> AnalysisRequest {
    let folder = golden_cases().join(case);
    request(&folder.join("model"), &folder.join("adapter"), question)
}

fn answer(request: AnalysisRequest) -> Analysis {
    let reports = Talk::new().run(Ask::Analyze(Box::new(request)));
    let found =
        reports.into_iter().find_map(|report| if let Report::Analysis(found) = report { Some(*found) } else { None });
    found.expect("an answer")
}

fn similarity(request: AnalysisRequest) -> SimilarityReport {
    match answer(request) {
        Analysis::Similarity(report) => report,
        other => panic!("{other:?}"),
    }
}

fn drift(request: AnalysisRequest) -> DriftReport {
    match answer(request) {
        Analysis::Drift(report) => report,
        other => panic!("{other:?}"),
    }
}

fn map(request: AnalysisRequest) -> MapReport {
    match answer(request) {
        Analysis::Map(report) => *report,
        other => panic!("{other:?}"),
    }
}

/// Prefixes of three kinds of models and a soft prompt, with the names of their first and last layers.
const CASES: [(&str, &str, &str); 4] = [
    ("gpt2-prefix-2x44", "blocks.0", "blocks.1"),
    ("bert-prefix-seq", "blocks.0", "blocks.1"),
    ("bart-prefix-3x32", "decoder.0", "decoder.2"),
    ("gpt2-prompt-2x24", "embeddings", "embeddings"),
];

#[test]
fn an_adapter_is_matched_with_itself_slot_by_slot_on_every_kind_of_model() {
    for (case, first, last) in CASES {
        for centered in [true, false] {
            let mut asked = golden(case, Question::Similarity { side: Side::Value, centered });
            asked.other = Some(asked.adapter.clone());
            let report = similarity(asked);
            let names = (report.layers[0].name.as_str(), report.layers.last().unwrap().name.as_str());
            assert_eq!(names, (first, last), "{case}");
            assert_eq!((report.other.len(), report.across.len()), (report.layers.len(), report.layers.len()), "{case}");
            for layer in &report.other {
                let is_own = layer.pairs.iter().all(|pair| pair.slot == pair.other && (pair.cosine - 1.0).abs() < 1e-6);
                assert!(is_own && (layer.by_position - 1.0).abs() < 1e-6, "{case}: {layer:?}");
                assert!(layer.cka.is_none_or(|cka| (cka - 1.0).abs() < 1e-6), "{case}: {:?}", layer.cka);
                assert!(layer.matched_by_chance.mean < 0.999, "{case}: {:?}", layer.matched_by_chance);
            }
            assert!(report.across.iter().enumerate().all(|(i, row)| (row[i] - 1.0).abs() < 1e-6), "{case}");
        }
    }
}

#[test]
fn a_map_has_slots_tokens_and_the_share_that_it_shows() {
    for (case, first, _) in CASES {
        let report = map(golden(case, Question::Map { layer: 0, side: Side::Key, vocabulary: 40 }));
        assert_eq!((report.name.as_str(), report.cloud.len()), (first, 40), "{case}");
        assert_eq!(report.start.as_ref(), Some(&report.slots), "{case}: it began where it is");
        assert!(report.slots.iter().all(|slot| slot.len() == 3 && slot.iter().all(|x| x.is_finite())), "{case}");
        let shown: f64 = report.explained_of_slots.iter().sum();
        assert!(shown > 0.0 && shown <= 1.0 + 1e-9, "{case}: {shown}");
        assert!(report.explained_by_chance.mean > 0.0, "{case}");
    }
    let talk = Talk::new();
    let asked = golden("gpt2-prefix-2x44", Question::Map { layer: 9, side: Side::Key, vocabulary: 40 });
    talk.send(Ask::Analyze(Box::new(asked)));
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => {
            assert!(failure.what.to_string().contains("number 10 is asked for"), "{}", failure.what)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_moves_from_its_start_checkpoint_by_checkpoint() {
    let home = tempfile::tempdir().unwrap();
    let (run, config) = (home.path().join("run"), tiny_run(home.path()));
    let model = config.model.clone();
    let ask = Ask::Train { folder: run.clone(), config: Box::new(config), resume: false, until: None };
    Talk::new().run(ask);
    let of = |name: &String| -> (usize, PathBuf) {
        (name.trim_start_matches("step-").parse().unwrap(), run.join("checkpoints").join(name))
    };
    let checkpoints: Vec<_> = read_checkpoints(&run).unwrap().all.iter().map(of).collect();
    assert!(checkpoints.len() > 1, "{checkpoints:?}");
    let last = checkpoints.last().unwrap().1.clone();
    let asked = |question| AnalysisRequest {
        initial: Some(run.join("initial")),
        checkpoints: checkpoints.clone(),
        ..request(&model, &last, question)
    };

    let report = drift(asked(Question::Drift));
    let steps: Vec<Option<usize>> = report.checkpoints.iter().map(|there| there.step).collect();
    let known: Vec<Option<usize>> = checkpoints.iter().map(|(step, _)| Some(*step)).chain([None]).collect();
    assert_eq!((report.has_start, report.is_prompt, steps), (true, false, known));
    assert!(report.checkpoints.iter().all(|there| there.layers.len() == 4), "two layers, keys and values");
    let trained = report.checkpoints.iter().find(|there| there.step != Some(0)).unwrap();
    let first = &trained.layers[0].slots[0];
    let start = first.start.unwrap();
    assert!(start.distance > 0.0 && start.cosine < 1.0 && first.before == first.start);
    let now = report.checkpoints.last().unwrap();
    assert!(now.layers.iter().flat_map(|layer| &layer.slots).all(|slot| slot.last.distance == 0.0));

    let report = map(asked(Question::Map { layer: 1, side: Side::Value, vocabulary: 30 }));
    assert_eq!(report.trajectory.len(), checkpoints.len());
    assert_eq!(report.trajectory.last().unwrap().slots, report.slots);
    assert_ne!(report.start.as_ref(), Some(&report.slots));
}

#[test]
fn words_that_a_prompt_began_from_are_found_before_and_after() {
    let home = tempfile::tempdir().unwrap();
    let (run, mut config) = (home.path().join("run"), tiny_run(home.path()));
    config.method = MethodConfig::Prompt(PromptConfig {
        n_virtual: 2,
        init: PromptInit::Words { text: "ae".to_owned() },
        ..PromptConfig::default()
    });
    config.training.steps = 4;
    config.training.learning_rate = 1e-6;
    let model = config.model.clone();
    let ask = Ask::Train { folder: run.clone(), config: Box::new(config), resume: false, until: None };
    Talk::new().run(ask);
    let mut asked = request(&model, &run.join("adapter"), Question::LabelWords);
    asked.initial = Some(run.join("initial"));
    asked.data.verbalizer = [("no", "a"), ("yes", "e")].map(|(class, word)| (class.to_owned(), word.to_owned())).into();
    let Analysis::LabelWords(report) = answer(asked.clone()) else { panic!("an answer about words") };
    assert_eq!((report.cells, report.has_start, report.classes.len()), (2, true, 2));
    for class in &report.classes {
        assert!(class.is_whole && class.by_chance > 0.0 && class.by_chance < 1.0, "{class:?}");
        for place in [&class.before, &class.after] {
            let place = place.as_ref().expect("it began from the word and hardly moved");
            assert_eq!((place.rank, place.side, &place.text), (1, None, &class.word), "{class:?}");
        }
    }

    // Without words there is nothing to look for.
    asked.data.verbalizer.clear();
    let talk = Talk::new();
    talk.send(Ask::Analyze(Box::new(asked)));
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => assert!(failure.what.to_string().contains("no classes"), "{}", failure.what),
        other => panic!("{other:?}"),
    }
}
