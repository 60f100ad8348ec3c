//! Encoders from the outside: classes of texts and words, masks, heads that are kept, and what does not apply to them.

use std::path::{Path, PathBuf};

use engine::adapters::{AdapterState, formats};
use engine::analysis::{Metric, Side, Space};
use engine::config::{
    DataConfig, HeadRecord, Heads, MethodConfig, MoreData, PrefixConfig, PrefixInit, PromptConfig, RunConfig, Task,
};
use engine::data::{IGNORE_INDEX, TokenBatch};
use engine::device::DeviceChoice;
use engine::generation::Sampling;
use engine::loaded_model::LoadedModel;
use engine::nn::{MatrixNumbers, Precision};
use engine::protocol::{Ask, NeighborRequest, Prompt, Report, Stream};
use engine::tokens::SOFT;
use engine::training::loss::score;
use engine::training::run_folder::{Record, read_records};
use engine::training::{ClassificationMetrics, EvaluationReport, SampleReport};
use tests::{Talk, generation, golden_cases, tiny_run};

fn model_of(case: &str) -> PathBuf {
    golden_cases().join(case).join("model")
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Texts whose first letter decides the class, and a second text that does not matter.
fn texts(folder: &Path) -> PathBuf {
    let row = |i: usize| {
        let (class, letter) = [("yes", "a"), ("no", "b")][i % 2];
        let rest = ["c", "d d", "e e e"][i % 3];
        serde_json::json!({"text": format!("{letter} {rest}"), "other": "f", "label": class}).to_string()
    };
    write(folder, "texts.jsonl", &(0..24).map(row).collect::<Vec<_>>().join("\n"))
}

/// Sentences in which `ab` begins an entity that `ac` goes on with.
fn sentences(folder: &Path) -> PathBuf {
    let sentence = |i: usize| match i % 3 {
        0 => "the O\nab B-x\nac I-x\nis O\n\n",
        1 => "ab B-x\nis O\nthe O\n\n",
        _ => "the O\nis O\n\n",
    };
    write(folder, "words.conll", &(0..24).map(sentence).collect::<String>())
}

fn run_of(case: &str, task: Task, data: DataConfig, home: &Path) -> RunConfig {
    let mut config = tiny_run(home);
    config.model = model_of(case);
    config.task = Some(task);
    config.data = DataConfig { validation_share: 0.25, ..data };
    config.training.steps = 24;
    config.training.eval_every = 8;
    config.training.learning_rate = 0.03;
    config
}

fn train(folder: &Path, config: &RunConfig, resume: bool) -> Vec<Report> {
    let config = Box::new(config.clone());
    Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume, until: None })
}

fn evaluations(folder: &Path) -> Vec<EvaluationReport> {
    let records = read_records(&folder.join("metrics.jsonl")).unwrap();
    records.into_iter().filter_map(|r| if let Record::Evaluation(report) = r { Some(report) } else { None }).collect()
}

fn samples(folder: &Path) -> Vec<SampleReport> {
    let records = read_records(&folder.join("metrics.jsonl")).unwrap();
    records.into_iter().filter_map(|r| if let Record::Sample(report) = r { Some(report) } else { None }).collect()
}

/// Loss and figures of an adapter on all rows of a file.
fn score_of(config: &RunConfig, adapter: Option<PathBuf>) -> (f64, Option<ClassificationMetrics>) {
    Talk::new().score(config, adapter)
}

#[test]
fn classes_of_texts_are_learned_and_kept_with_their_head() {
    let home = tempfile::tempdir().unwrap();
    for case in ["bert-prefix-seq", "roberta-prefix-seq"] {
        let folder = home.path().join(case);
        let mut config = run_of(case, Task::SequenceClassification, DataConfig::new(texts(home.path())), home.path());
        // Frozen random layers take their time.
        config.training.steps = 120;
        config.training.eval_every = 40;
        config.training.learning_rate = 0.1;
        train(&folder, &config, false);
        let found = evaluations(&folder);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(last.loss < first.loss / 2.0, "{case}: {first:?} {last:?}");
        let figures = last.figures.clone().unwrap();
        assert!((figures.accuracy.unwrap() - 1.0).abs() < 1e-9 && figures.macro_f1 == Some(1.0), "{case}: {figures:?}");
        let adapter = formats::read(&folder.join("adapter"), None).unwrap();
        assert_eq!(adapter.task.classes, ["no", "yes"]);
        assert!(!adapter.head().is_empty(), "{case}");
        let said = samples(&folder);
        assert_eq!((said.len(), said[said.len() - 1].text.as_str()), (8, said[said.len() - 1].reference.as_str()));
        let (loss, figures) = score_of(&config, Some(folder.join("adapter")));
        assert!(loss < first.loss && figures.unwrap().accuracy.unwrap() > 0.9, "{case}: {loss}");
    }
}

#[test]
fn a_second_text_of_a_pair_has_a_type_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let data = DataConfig { second_column: Some("other".to_owned()), ..DataConfig::new(texts(home.path())) };
    let folder = home.path().join("run");
    let config = run_of("bert-prefix-seq", Task::SequenceClassification, data, home.path());
    train(&folder, &config, false);
    assert!(samples(&folder)[0].prompt.ends_with("\nf"));
    let mut alone = config.clone();
    alone.data.second_column = None;
    assert_ne!(score_of(&config, Some(folder.join("adapter"))), score_of(&alone, Some(folder.join("adapter"))));
}

#[test]
fn a_causal_model_classifies_by_its_last_token() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let data = DataConfig::new(texts(home.path()));
    let config = run_of("gpt2-prefix-2x44", Task::SequenceClassification, data, home.path());
    train(&folder, &config, false);
    let found = evaluations(&folder);
    assert!(found[found.len() - 1].loss < found[0].loss, "{found:?}");
    let adapter = formats::read(&folder.join("adapter"), None).unwrap();
    assert_eq!(adapter.head()[0].0, "score.weight");
}

#[test]
fn words_are_classified_and_entities_counted() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let data = DataConfig::new(sentences(home.path()));
    let config = run_of("electra-prefix-tok", Task::TokenClassification, data, home.path());
    train(&folder, &config, false);
    let last = evaluations(&folder).pop().unwrap();
    assert_eq!(last.figures.as_ref().unwrap().entity_f1, Some(1.0), "{last:?}");
    let said = samples(&folder).pop().unwrap();
    assert_eq!(said.text, said.reference, "each word has its class");
    assert_eq!(formats::read(&folder.join("adapter"), None).unwrap().task.classes, ["B-x", "I-x", "O"]);
}

#[test]
fn a_mask_is_filled_by_the_checkpoints_own_head() {
    let home = tempfile::tempdir().unwrap();
    let row = |i: usize| {
        let (x, y) = [("a", "b"), ("c", "d")][i % 2];
        serde_json::json!({"subject": x, "object": y}).to_string()
    };
    let path = write(home.path(), "facts.jsonl", &(0..16).map(row).collect::<Vec<_>>().join("\n"));
    let data = DataConfig {
        prompt_template: "{{ subject }} is {{ mask }} .".to_owned(),
        target_column: Some("object".to_owned()),
        ..DataConfig::new(path)
    };
    for case in ["bert-full-masked", "albert-full-masked", "deberta-full-masked"] {
        let folder = home.path().join(case);
        let config = run_of(case, Task::MaskedFill, data.clone(), home.path());
        train(&folder, &config, false);
        let found = evaluations(&folder);
        let (first, last) = (&found[0], &found[found.len() - 1]);
        assert!(last.loss < first.loss, "{case}: {first:?} {last:?}");
        assert!(formats::read(&folder.join("adapter"), None).unwrap().head().is_empty());
        assert!(score_of(&config, None).1.is_some(), "the base fills masks too");
    }
    let config = run_of("bert-prefix-seq", Task::MaskedFill, data, home.path());
    let refused = Ask::Train { folder: home.path().join("x"), config: Box::new(config), resume: false, until: None };
    let talk = Talk::new();
    talk.send(refused);
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => {
            assert!(failure.what.to_string().contains("bert cannot do masked_fill"), "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_with_a_head_goes_on_as_if_nothing_had_happened() {
    let home = tempfile::tempdir().unwrap();
    let data = DataConfig::new(texts(home.path()));
    let alone = run_of("roberta-prefix-seq", Task::SequenceClassification, data, home.path());
    for (name, mut config) in [("one", alone), ("two", run_of_two(home.path()))] {
        config.training.steps = 12;
        config.training.eval_every = 4;
        goes_on(&home.path().join(name), &config);
    }
}

fn goes_on(home: &Path, config: &RunConfig) {
    let whole = home.join("whole");
    train(&whole, config, false);
    for step in [5, 8] {
        let folder = home.join(format!("at-{step}"));
        let talk = Talk::new();
        let first = Box::new(config.clone());
        talk.send(Ask::Train { folder: folder.clone(), config: first, resume: false, until: None });
        talk.until(|event| matches!(event, Report::Step(report) if report.step == step));
        drop(talk);
        train(&folder, config, true);
        for file in
            ["adapter/adapter_model.safetensors", "checkpoints/step-000012/state.safetensors", "adapter/task.json"]
        {
            let bytes = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
            assert_eq!(bytes(&whole), bytes(&folder), "interrupted at {step}: {file}");
        }
    }
}

#[test]
fn a_head_of_peft_goes_in_and_comes_out_unchanged() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let adapter = golden_cases().join("roberta-prefix-seq/adapter");
    let (run, out) = (home.path().join("run"), home.path().join("out"));
    let model = model_of("roberta-prefix-seq");
    talk.run(Ask::Import { adapter: adapter.clone(), model, other_base: false, to: run.clone() });
    talk.run(Ask::Export { adapter: run, to: out.clone() });
    let (before, after) = (formats::read(&adapter, None).unwrap(), formats::read(&out, None).unwrap());
    assert_eq!((flat(&before), before.head(), &before.task), (flat(&after), after.head(), &after.task));
    let config = |folder: &Path| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join("adapter_config.json")).unwrap()).unwrap()
    };
    for key in ["task_type", "modules_to_save", "token_dim"] {
        assert_eq!(config(&adapter)[key], config(&out)[key], "{key}");
    }
}

/// Texts whose first letter decides one of three classes.
fn kinds(folder: &Path) -> PathBuf {
    let row = |i: usize| {
        let (kind, letter) = [("x", "a"), ("y", "b"), ("z", "c")][i % 3];
        serde_json::json!({"sentence": format!("{letter} {}", ["d", "e e"][i % 2]), "kind": kind}).to_string()
    };
    write(folder, "kinds.jsonl", &(0..24).map(row).collect::<Vec<_>>().join("\n"))
}

/// A run on the texts and on others with three classes.
fn run_of_two(home: &Path) -> RunConfig {
    let more = serde_json::json!({"train": kinds(home), "source_column": "sentence", "target_column": "kind"});
    let data = DataConfig { more: vec![serde_json::from_value(more).unwrap()], ..DataConfig::new(texts(home)) };
    run_of("bert-prefix-seq", Task::SequenceClassification, data, home)
}

fn head(name: &str, n_classes: usize) -> HeadRecord {
    HeadRecord { name: name.to_owned(), n_classes }
}

fn named(config: &RunConfig, more: &MoreData, name: Option<&str>) -> RunConfig {
    let data = DataConfig { name: name.map(str::to_owned), ..more.over(&config.data) };
    RunConfig { data, ..config.clone() }
}

#[test]
fn datasets_with_other_classes_have_heads_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let mut config = run_of_two(home.path());
    config.training.steps = 160;
    config.training.eval_every = 80;
    config.training.learning_rate = 0.1;
    let folder = home.path().join("run");
    train(&folder, &config, false);
    let adapter = folder.join("adapter");
    let kept = formats::read(&adapter, None).unwrap();
    assert_eq!(kept.task.classes, ["no", "yes", "x", "y", "z"]);
    assert_eq!(kept.task.heads, [head("texts", 2), head("kinds", 3)]);
    let figures = evaluations(&folder).pop().unwrap().figures.unwrap();
    let names: Vec<_> = figures.datasets.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["texts", "kinds"]);
    assert!(figures.datasets.iter().all(|of| of.figures.accuracy.unwrap() > 0.99), "{figures:?}");
    let said = samples(&folder);
    let kinds_of = |text: &str| ["x", "y", "z"].contains(&text);
    assert!(said.iter().all(|said| kinds_of(&said.text) == kinds_of(&said.reference)), "a row has its own classes");
    assert!(said.iter().any(|said| kinds_of(&said.reference)), "rows of both are shown");
    let other = &config.data.more[0];
    for name in [None, Some("kinds")] {
        let (_, figures) = score_of(&named(&config, other, name), Some(adapter.clone()));
        assert!(figures.unwrap().accuracy.unwrap() > 0.9, "the head of the rows' name is taken, {name:?}");
    }
    assert!(score_of(&config, Some(adapter.clone())).1.unwrap().accuracy.unwrap() > 0.9);
    let unknown = kept.clone().with_head(Some("none")).unwrap_err().to_string();
    assert!(unknown.contains("texts, kinds"), "{unknown}");
    // Next to each other or alone, a head gives its rows the same loss.
    let model = LoadedModel::load(&config.model, (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(())).unwrap();
    let row: &[i32] = &[2, 9, 14, 30, 41, 3];
    let alone = losses(&model, &kept.clone().with_head(Some("kinds")).unwrap(), &[(row, 1)], row.len());
    let beside = losses(&model, &kept, &[(row, 3)], row.len());
    assert!((alone - beside).abs() < 1e-6, "{alone} {beside}");
}

#[test]
fn datasets_of_the_same_classes_share_a_head_unless_each_wants_one() {
    let home = tempfile::tempdir().unwrap();
    let mut config = run_of_two(home.path());
    config.training.steps = 2;
    let again = write(home.path(), "again.jsonl", &std::fs::read_to_string(texts(home.path())).unwrap());
    config.data.more[0] = serde_json::from_value(serde_json::json!({"train": again})).unwrap();
    let heads = |config: &RunConfig, name: &str| {
        let folder = home.path().join(name);
        train(&folder, config, false);
        let figures = evaluations(&folder).pop().unwrap().figures.unwrap();
        assert_eq!(figures.datasets.len(), 2, "{figures:?}");
        formats::read(&folder.join("adapter"), None).unwrap().task
    };
    let shared = heads(&config, "shared");
    assert!(shared.heads.is_empty() && shared.classes == ["no", "yes"], "{shared:?}");
    config.data.heads = Heads::Each;
    let each = heads(&config, "each");
    assert_eq!((each.heads, each.classes.len()), (vec![head("texts", 2), head("again", 2)], 4));
    config.data.more[0].name = Some("texts".to_owned());
    let talk = Talk::new();
    let command = Ask::Train { folder: home.path().join("x"), config: Box::new(config), resume: false, until: None };
    talk.send(command);
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => {
            assert!(failure.what.to_string().contains("called \"texts\""), "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn words_of_two_datasets_have_heads_too() {
    let home = tempfile::tempdir().unwrap();
    let others = "the O\nab B-y\nac B-z\nis O\n\nab B-y\nthe O\n\n".repeat(12);
    let more = serde_json::json!({"train": write(home.path(), "others.conll", &others)});
    let data =
        DataConfig { more: vec![serde_json::from_value(more).unwrap()], ..DataConfig::new(sentences(home.path())) };
    let mut config = run_of("electra-prefix-tok", Task::TokenClassification, data, home.path());
    config.training.steps = 48;
    let folder = home.path().join("run");
    train(&folder, &config, false);
    let figures = evaluations(&folder).pop().unwrap().figures.unwrap();
    assert!(figures.entity_f1.unwrap() > 0.9, "{figures:?}");
    assert!(figures.datasets.iter().all(|of| of.figures.entity_f1.unwrap() > 0.9), "{figures:?}");
    let task = formats::read(&folder.join("adapter"), None).unwrap().task;
    assert_eq!(task.classes, ["B-x", "I-x", "O", "B-y", "B-z", "O"]);
}

#[test]
fn a_target_takes_the_prefix_of_several_and_the_head_of_its_classes() {
    let home = tempfile::tempdir().unwrap();
    let config = run_of_two(home.path());
    let source = home.path().join("source");
    train(&source, &config, false);
    let given = formats::read(&source.join("adapter"), None).unwrap();
    let begun = |config: &RunConfig, name: &str| {
        let folder = home.path().join(name);
        let init = PrefixInit::Adapter { path: source.clone() };
        let method = MethodConfig::Prefix(PrefixConfig { n_virtual: 4, init, ..PrefixConfig::default() });
        let mut config = RunConfig { method, ..config.clone() };
        config.training.steps = 1;
        train(&folder, &config, false);
        let begun = formats::read(&folder.join("initial"), None).unwrap();
        assert_eq!(flat(&begun), flat(&given), "{name}");
        begun
    };
    let kinds = named(&config, &config.data.more[0], None);
    let same = begun(&kinds, "same classes");
    assert_eq!(same.head(), given.clone().with_head(Some("kinds")).unwrap().head());
    let row = |i: usize| {
        let (text, label) = [("a", "p"), ("b", "q")][i % 2];
        serde_json::json!({"text": text, "label": label}).to_string()
    };
    let others = write(home.path(), "others.jsonl", &(0..8).map(row).collect::<Vec<_>>().join("\n"));
    let fresh = begun(&RunConfig { data: DataConfig::new(others), ..config.clone() }, "other classes");
    assert_eq!(fresh.task.classes, ["p", "q"]);
    assert!(fresh.head().iter().all(|tensor| !given.head().contains(tensor)), "a head for them is drawn");
    assert_eq!(begun(&config, "the same datasets").head(), given.head(), "all heads come along");
}

/// The loss of each row's class, alone or padded to this many columns.
fn losses(model: &LoadedModel, adapter: &AdapterState, rows: &[(&[i32], i32)], seq: usize) -> f64 {
    let pad = |values: &[i32], fill| -> Vec<i32> {
        values.iter().copied().chain(std::iter::repeat_n(fill, seq - values.len())).collect()
    };
    let batch = TokenBatch {
        rows: (0..rows.len()).collect(),
        batch: rows.len(),
        seq,
        tokens: rows.iter().flat_map(|(tokens, _)| pad(tokens, 1)).collect(),
        mask: rows.iter().flat_map(|(tokens, _)| (0..seq).map(|at| f32::from(u8::from(at < tokens.len())))).collect(),
        labels: rows.iter().flat_map(|(_, class)| pad(&[*class], IGNORE_INDEX)).collect(),
        targets: Vec::new(),
        types: None,
        source: None,
        task: Task::SequenceClassification,
        contest: None,
        starts: None,
        taught: None,
    };
    let conditioning = model.conditioning(adapter).unwrap();
    score(&model.model, &conditioning, &batch, &model.device).unwrap().nll
}

#[test]
fn padding_changes_no_class_logit() {
    let rows: [(&[i32], i32); 2] = [(&[2, 9, 14, 30, 41, 3], 0), (&[2, 11, 3], 2)];
    for case in ["bert", "roberta", "electra", "distilbert", "albert", "deberta", "xlmr"] {
        let folder = golden_cases().join(format!("{case}-prefix-seq"));
        let model =
            LoadedModel::load(&folder.join("model"), (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(()))
                .unwrap();
        let adapter = model.adapter(&folder.join("adapter")).unwrap();
        let alone: f64 = rows.iter().map(|row| losses(&model, &adapter, &[*row], row.0.len())).sum();
        let padded = losses(&model, &adapter, &rows, 9);
        assert!((alone - padded).abs() < 1e-5, "{case}: {alone} {padded}");
    }
}

/// PEFT's prompt methods take GPT-2's classes from the last column, padding or not; here it is the last real token.
#[test]
fn padding_changes_no_class_of_gpt2_behind_a_soft_prompt() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("run");
    let data = DataConfig::new(texts(home.path()));
    let mut config = run_of("gpt2-prefix-2x44", Task::SequenceClassification, data, home.path());
    config.method = MethodConfig::Prompt(PromptConfig { n_virtual: 3, ..PromptConfig::default() });
    train(&folder, &config, false);
    let model = LoadedModel::load(&config.model, (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(())).unwrap();
    let adapter = model.adapter(&folder.join("adapter")).unwrap();
    let behind =
        |row: &[i32]| -> Vec<i32> { (0..3).map(|slot| SOFT.cast_signed() + slot).chain(row.to_vec()).collect() };
    let (long, short) = (behind(&[20, 9, 14, 30, 41, 33]), behind(&[20, 11]));
    let rows: [(&[i32], i32); 2] = [(&long, 0), (&short, 1)];
    let alone: f64 = rows.iter().map(|row| losses(&model, &adapter, &[*row], row.0.len())).sum();
    let padded = losses(&model, &adapter, &rows, 14);
    assert!((alone - padded).abs() < 1e-5, "{alone} {padded}");
}

#[test]
fn an_encoder_does_not_generate_and_says_so() {
    let stream = Stream::of_base(Prompt::Text("a".to_owned()));
    let ask = generation(&model_of("bert-prefix-seq"), vec![stream], Sampling::default());
    let talk = Talk::new();
    talk.send(ask);
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => {
            assert!(failure.what.to_string().contains("does not go on with it"), "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_prefix_of_an_encoder_has_neighbors_too() {
    let folder = golden_cases().join("roberta-prefix-seq");
    let request = NeighborRequest {
        model: folder.join("model"),
        device: DeviceChoice::Cpu,
        numbers: MatrixNumbers::default(),
        adapter: folder.join("adapter"),
        initial: None,
        layers: vec![],
        positions: vec![],
        side: Side::Key,
        metric: Metric::Cosine,
        space: Space::Whitened,
        top: 3,
        per_head: false,
        context: None,
    };
    let events = Talk::new().run(Ask::Neighbors(Box::new(request)));
    let lists = events.into_iter().find_map(|event| match event {
        Report::Neighbors { lists } => Some(lists),
        _ => None,
    });
    assert_eq!(lists.unwrap().len(), 8, "two layers of four positions");
}

/// The numbers of an adapter's only prefix.
fn flat(adapter: &AdapterState) -> Vec<f32> {
    adapter.prefixes().next().unwrap().flat.clone()
}
