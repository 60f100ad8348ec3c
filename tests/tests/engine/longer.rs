//! A prefix that begins as demonstrations or as a document: its keys and values, the loss of rows that do not see their own, and
//! what a teacher that reads the document says, against transformers (tests/golden/longer.py).

use std::path::Path;

use engine::adapters::{Adapter, AdapterPart, Demonstrations, Place, Prefix, PrefixSource, PrefixSpec};
use engine::config::{
    DistillationConfig, LossReduction, MethodConfig, OptimizerConfig, PrefixConfig, PrefixInit, RunConfig, Task,
};
use engine::data::{Example, Examples, TokenBatch};
use engine::device::DeviceChoice;
use engine::loaded_model::LoadedModel;
use engine::models::ModelFacts;
use engine::nn::{Precision, floats};
use engine::protocol::{Ask, Report};
use engine::training::hidden_slots::HiddenSlots;
use engine::training::loss::weighted;
use engine::training::teacher::Teacher;
use engine::training::trainer::{Gradient, Trainer};
use serde_json::Value;
use tests::{Talk, golden_cases, tiny_run};

/// The parts of tests/golden/longer.json.
fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/longer.json")).unwrap()
}

fn list(value: &Value, key: &str) -> Vec<f32> {
    serde_json::from_value(value[key].clone()).unwrap()
}

fn tokens(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn count(golden: &Value, key: &str) -> usize {
    golden[key].as_u64().unwrap() as usize
}

fn rows(golden: &Value) -> Vec<Example> {
    let row = |row: &Value| Example {
        tokens: tokens(&row["tokens"]),
        n_prompt: count(row, "n_prompt"),
        ..Example::default()
    };
    golden["rows"].as_array().unwrap().iter().map(row).collect()
}

/// Whether a loss is the reference's.
#[track_caller]
fn is_loss(ours: f64, theirs: &Value) {
    assert!((ours - theirs.as_f64().unwrap()).abs() < 1e-4, "{ours} {theirs}");
}

fn load(case: &str) -> LoadedModel {
    let folder = golden_cases().join(case).join("model");
    LoadedModel::load(&folder, (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(())).unwrap()
}

/// A trainer of a prefix that begins with the first of these tokens' keys and values.
fn trainer(loaded: &LoadedModel, init: PrefixInit, words: Vec<u32>, n_virtual: usize) -> Trainer {
    let config = PrefixConfig { n_virtual, init, ..PrefixConfig::default() };
    let (site, shape) = config.sites_of(&loaded.model.prefix_sites()).unwrap()[0];
    let source = PrefixSource { words, ..PrefixSource::default() };
    let place = Place { model: &loaded.model, device: &loaded.device };
    let prefix = Prefix::initialize(PrefixSpec { site, shape, config }, &source, place, 1).unwrap();
    Trainer::new(Adapter::causal(AdapterPart::Prefix(prefix)), OptimizerConfig::default())
}

fn start(trainer: &Trainer) -> Vec<f32> {
    trainer.adapter.parameters().next().unwrap().to_vec().unwrap()
}

fn gradient(trainer: &Trainer, loaded: &LoadedModel, golden: &Value) -> (f64, Vec<f32>) {
    let batch = TokenBatch::new(&rows(golden), &[0, 1, 2], 1, Task::Causal);
    let batches = weighted(LossReduction::TokenMean, vec![batch]);
    let Gradient { loss, of_parameters, .. } = trainer.gradient(&loaded.model, &batches, 1, &loaded.device).unwrap();
    (loss, floats(of_parameters[0].clone()).unwrap())
}

#[track_caller]
fn near(ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len());
    let scale = theirs.iter().fold(0.1_f32, |most, x| most.max(x.abs()));
    let far = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(far <= tolerance * scale, "{far} where numbers reach {scale}");
}

#[test]
fn demonstrations_are_read_as_one_text_and_a_row_does_not_see_its_own() {
    let golden = golden();
    let (shots, n_slots) = (count(&golden, "shots"), count(&golden, "slots"));
    let demonstrations = Demonstrations::read(&Examples::from(rows(&golden)), shots, &[]).unwrap();
    assert_eq!(demonstrations.spans, [0..6, 6..10]);
    for (name, case) in golden["cases"].as_object().unwrap() {
        let (loaded, expected) = (load(name), &case["leave_one_out"]);
        let init = PrefixInit::Demonstrations { shots };
        let mut trainer = trainer(&loaded, init, demonstrations.tokens.clone(), n_slots);
        near(&start(&trainer), &list(case, "demonstrations"), 1e-5);
        is_loss(gradient(&trainer, &loaded, &golden).0, &expected["seeing_all"]);
        trainer.hidden_slots = HiddenSlots { n_slots, own: demonstrations.spans.clone(), dropout: 0.0 };
        for gradient_checkpointing in [false, true] {
            trainer.gradient_checkpointing = gradient_checkpointing;
            let (loss, found) = gradient(&trainer, &loaded, &golden);
            is_loss(loss, &expected["loss"]);
            near(&found, &list(expected, "gradient"), 1e-4);
        }
    }
}

#[test]
fn what_is_learned_of_a_teacher_is_what_torch_learns_of_one_that_reads_the_document() {
    let golden = golden();
    let document = tokens(&golden["document"]);
    for (name, case) in golden["cases"].as_object().unwrap() {
        let (loaded, expected) = (load(name), &case["distillation"]);
        let init = PrefixInit::Prefill { text: String::new() };
        let mut trainer = trainer(&loaded, init, document.clone(), count(&golden, "cartridge"));
        near(&start(&trainer), &list(case, "document"), 1e-5);
        let teacher = Teacher::new(&loaded.model, &document, count(&golden, "top_k"), &loaded.device);
        let batch = TokenBatch::new(&rows(&golden), &[0, 1, 2], 1, Task::Causal);
        let taught = teacher.teach(&loaded.model, &batch, &loaded.device).unwrap().taught.unwrap();
        assert_eq!(serde_json::to_value(&taught.tokens).unwrap(), expected["tokens"], "{name}");
        near(&taught.probabilities, &list(expected, "probabilities"), 1e-4);
        trainer.teacher = Some(teacher);
        for gradient_checkpointing in [false, true] {
            trainer.gradient_checkpointing = gradient_checkpointing;
            let (loss, found) = gradient(&trainer, &loaded, &golden);
            is_loss(loss, &expected["loss"]);
            near(&found, &list(expected, "gradient"), 1e-4);
        }
    }
}

/// A run that begins as its first rows, as CT-KV trains it.
pub(crate) fn context_tuned(home: &Path) -> RunConfig {
    let init = PrefixInit::Demonstrations { shots: 3 };
    let prefix = PrefixConfig { n_virtual: 8, init, leave_one_out: true, slot_dropout: 0.2, ..PrefixConfig::default() };
    RunConfig { method: MethodConfig::Prefix(prefix), ..tiny_run(home) }
}

/// A run that learns what a teacher says which reads a document.
pub(crate) fn distilled(home: &Path) -> RunConfig {
    let document = home.join("document.txt");
    std::fs::write(&document, "a e b f c g d e").unwrap();
    let mut config = tiny_run(home);
    let init = PrefixInit::Prefill { text: "a e b f c g d e".to_owned() };
    config.method = MethodConfig::Prefix(PrefixConfig { n_virtual: 4, n_frozen: 1, init, ..PrefixConfig::default() });
    config.training.distillation = Some(DistillationConfig { document, ..DistillationConfig::default() });
    config
}

fn ask(folder: &Path, config: &RunConfig, resume: bool) -> Ask {
    Ask::Train { folder: folder.to_owned(), config: Box::new(config.clone()), resume, until: None }
}

fn train(folder: &Path, config: &RunConfig) -> Vec<Report> {
    Talk::new().run(ask(folder, config, false))
}

fn refusal(folder: &Path, config: &RunConfig, resume: bool) -> String {
    let talk = Talk::new();
    talk.send(ask(folder, config, resume));
    match talk.until_end().pop() {
        Some(Report::Failed(failure)) => failure.what.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_of_demonstrations_begins_near_what_it_learns_and_hides_what_it_says() {
    let home = tempfile::tempdir().unwrap();
    let config = context_tuned(home.path());
    let losses = |folder: &Path| -> Vec<f64> {
        let step = |record: engine::training::run_folder::Record| match record {
            engine::training::run_folder::Record::Step(step) => Some(step.loss),
            _ => None,
        };
        tests::curve(folder).into_iter().filter_map(step).collect()
    };
    train(&home.path().join("hidden"), &config);
    let mut seeing = config.clone();
    let MethodConfig::Prefix(prefix) = &mut seeing.method else { panic!("it is a prefix") };
    (prefix.leave_one_out, prefix.slot_dropout) = (false, 0.0);
    train(&home.path().join("seeing"), &seeing);
    let (hidden, seeing) = (losses(&home.path().join("hidden")), losses(&home.path().join("seeing")));
    assert!(hidden.len() == 12 && hidden[11] < hidden[0], "{hidden:?}");
    assert_ne!(hidden[0], seeing[0], "the first batch has slots that it does not see");
}

#[test]
fn demonstrations_that_are_too_few_and_slots_of_no_rows_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut PrefixConfig)| {
        let mut config = context_tuned(home.path());
        let MethodConfig::Prefix(prefix) = &mut config.method else { panic!("it is a prefix") };
        change(prefix);
        refusal(&home.path().join("refused"), &config, false)
    };
    assert!(refused(&|prefix| prefix.n_virtual = 30).contains("read more rows"));
    assert!(refused(&|prefix| prefix.init = PrefixInit::Zero).contains("method.leave_one_out"));
    assert!(refused(&|prefix| prefix.init = PrefixInit::Demonstrations { shots: 0 }).contains("method.init.shots"));
}

#[test]
fn a_document_that_is_not_there_too_long_or_another_one_is_said() {
    let home = tempfile::tempdir().unwrap();
    let config = distilled(home.path());
    let folder = home.path().join("run");
    let mut short = config.clone();
    short.training.steps = 4;
    train(&folder, &short);
    let document = home.path().join("document.txt");
    std::fs::write(&document, "another").unwrap();
    assert!(refusal(&folder, &config, true).contains("the document that the teacher reads"));
    std::fs::write(&document, "a ".repeat(5000)).unwrap();
    assert!(refusal(&home.path().join("long"), &config, false).contains("positions"));
    std::fs::remove_file(&document).unwrap();
    assert!(refusal(&home.path().join("none"), &config, false).contains("document.txt"));
    let mut unnamed = config;
    unnamed.training.distillation = Some(DistillationConfig::default());
    assert!(refusal(&home.path().join("unnamed"), &unnamed, false).contains("training.distillation.document"));
}
