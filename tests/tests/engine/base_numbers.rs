//! An adapter is looked at, handed on and probed on a base whose matrices are kept as its run kept them.

use std::path::{Path, PathBuf};

use engine::analysis::{Analysis, Decomposition, Metric, NeighborList, Question, Side, Space};
use engine::bundle;
use engine::config::{DataConfig, RunConfig};
use engine::device::DeviceChoice;
use engine::nn::Quantization;
use engine::protocol::{AnalysisRequest, Ask, NeighborRequest, ProbeReport, Report};
use tests::{Talk, golden_cases, tiny_run};

/// A case whose matrices are whole numbers of blocks.
fn case() -> PathBuf {
    golden_cases().join("gpt2-prefix-3x32-layers")
}

fn decomposition(talk: &Talk, quantization: Quantization) -> Decomposition {
    let request = AnalysisRequest {
        model: case().join("model"),
        device: DeviceChoice::Cpu,
        numbers: quantization.into(),
        adapter: case().join("adapter"),
        other: None,
        initial: None,
        question: Question::Decomposition,
        data: DataConfig::new(""),
        text: Some("a b c d".to_owned()),
        rows: 1,
        checkpoints: Vec::new(),
    };
    let found = talk.run(Ask::Analyze(Box::new(request))).into_iter().find_map(|report| match report {
        Report::Analysis(found) => Some(*found),
        _ => None,
    });
    let Some(Analysis::Decomposition(found)) = found else { panic!("a decomposition") };
    found
}

fn nearest(talk: &Talk, quantization: Quantization) -> Vec<NeighborList> {
    let request = NeighborRequest {
        model: case().join("model"),
        device: DeviceChoice::Cpu,
        numbers: quantization.into(),
        adapter: case().join("adapter"),
        initial: None,
        layers: vec![],
        positions: vec![0],
        side: Side::Key,
        metric: Metric::Cosine,
        space: Space::Raw,
        top: 5,
        per_head: false,
        context: None,
    };
    let found = talk.run(Ask::Neighbors(Box::new(request))).into_iter().find_map(|report| match report {
        Report::Neighbors { lists } => Some(lists),
        _ => None,
    });
    found.expect("lists")
}

#[test]
fn an_adapter_is_looked_at_on_the_base_that_its_run_had() {
    let talk = Talk::new();
    let stored = decomposition(&talk, Quantization::Stored);
    let packed = decomposition(&talk, Quantization::Q4_0);
    assert_ne!(stored, packed);
    assert_eq!(stored, decomposition(&talk, Quantization::Stored));
    // What was computed of one vocabulary is not taken for that of the other.
    let stored = nearest(&talk, Quantization::Stored);
    let packed = nearest(&talk, Quantization::Q4_0);
    assert_ne!(stored, packed);
    assert_eq!(stored, nearest(&talk, Quantization::Stored));
    assert_eq!(packed, nearest(&Talk::new(), Quantization::Q4_0));
}

fn probe(adapter: &Path, model: &Path) -> ProbeReport {
    let ask = Ask::Probe { adapter: adapter.to_owned(), model: model.to_owned(), device: DeviceChoice::Cpu };
    let found = Talk::new().run(ask).into_iter().find_map(|report| match report {
        Report::Probed(probe) => Some(probe),
        _ => None,
    });
    found.expect("a probe")
}

#[test]
fn a_file_says_how_its_sender_kept_the_base_and_is_probed_so() {
    let home = tempfile::tempdir().unwrap();
    let mut config =
        RunConfig { model: case().join("model"), quantization: Quantization::Q4_0, ..tiny_run(home.path()) };
    config.training.steps = 2;
    let (run, model, to) = (home.path().join("run"), config.model.clone(), home.path().join("sent.prefix"));
    let talk = Talk::new();
    talk.run(Ask::Train { folder: run.clone(), config: Box::new(config), resume: false, until: None });
    talk.run(Ask::Share {
        adapter: run.clone(),
        model: model.clone(),
        device: DeviceChoice::Cpu,
        card: String::new(),
        with_samples: true,
        to: to.clone(),
    });
    let sent = bundle::read(&to).unwrap();
    assert_eq!(sent.about.quantization, Quantization::Q4_0);
    let found = probe(&to, &model);
    assert_eq!(found.from_sender, Some(0.0), "the same numbers on the same machine");
    assert!(probe(&run.join("adapter"), &model).from_base > 0.0);
}
