//! Checkpoints that classify: what their own heads say is what transformers computes, and a run may begin with them.

use std::path::{Path, PathBuf};

use engine::adapters::{AdapterState, HeadState, formats};
use engine::config::{
    DataConfig, FullConfig, HeadInit, LoraConfig, MethodConfig, PrefixConfig, PromptConfig, RunConfig, Task, TaskRecord,
};
use engine::data::{Dataset, TokenBatch};
use engine::device::DeviceChoice;
use engine::generation::Sampling;
use engine::loaded_model::LoadedModel;
use engine::models::{ModelFolder, PretrainedHead};
use engine::nn::Precision;
use engine::protocol::{Ask, Prompt, Report, Stream};
use engine::training::loss;
use engine::weights::NamedTensor;
use serde_json::{Value, json};
use tests::{Talk, generation, tiny_run};

fn heads() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/heads")
}

/// The names of a head's classes, and its logits for each labeled place of the rows.
fn expected(folder: &Path) -> (Vec<String>, Vec<Vec<f64>>) {
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let classes = serde_json::from_value(value["classes"].clone()).unwrap();
    let rows: Vec<Vec<Vec<f64>>> = serde_json::from_value(value["logits"].clone()).unwrap();
    (classes, rows.into_iter().flatten().collect())
}

/// The weights of a head by name, as files have them.
fn sorted(mut head: Vec<NamedTensor>) -> Vec<NamedTensor> {
    head.sort_by(|a, b| a.0.cmp(&b.0));
    head
}

fn data(folder: &Path) -> DataConfig {
    let second = folder.ends_with("bert-texts").then(|| "second".to_owned());
    DataConfig { second_column: second, validation_share: 0.0, ..DataConfig::new(folder.join("rows.jsonl")) }
}

fn task(folder: &Path) -> Task {
    if folder.to_str().unwrap().ends_with("words") { Task::TokenClassification } else { Task::SequenceClassification }
}

/// Each model folder is one of the checkpoints.
fn all() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(heads()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert_eq!(folders.len(), 20);
    folders
}

#[test]
fn every_logit_of_a_checkpoints_own_head_is_transformers() {
    for folder in all() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        let (classes, expected) = expected(&folder);
        let model =
            LoadedModel::load(&folder.join("model"), (DeviceChoice::Cpu, Precision::F32), None, &mut |_| Ok(()))
                .unwrap();
        let own = model.summary.own_head.clone().unwrap();
        assert_eq!(own, PretrainedHead::Names { task: task(&folder), classes: classes.clone() }, "{name}");
        let asked = TaskRecord::of(task(&folder));
        let start = model.model.target_start();
        let dataset = Dataset::load(&data(&folder), &asked, start, &model.tokenizer, 23, 0).unwrap();
        // The rows name the classes in another order than the head.
        let order = own.scores_of(dataset.task.task, &dataset.task.classes).unwrap();
        let head = model.model.folder().head_weights(dataset.task.task, &order).unwrap();
        let adapter = AdapterState::new(dataset.task.clone(), [HeadState(head)]);
        let conditioning = model.conditioning(&adapter).unwrap();
        let rows: Vec<usize> = (0..dataset.train.len()).collect();
        let batch = TokenBatch::new(dataset.train.held().unwrap(), &rows, model.tokenizer.pad(), dataset.task.task);
        let logits = loss::logits(&model.model, &conditioning, &batch, &model.device).unwrap();
        let [n, width] = logits.dims();
        assert_eq!((n, width), (expected.len(), classes.len()), "{name}");
        let logits: Vec<f32> = logits.into_data().try_to_vec().unwrap();
        for (row, expected) in logits.chunks_exact(width).zip(&expected) {
            for (logit, &score) in row.iter().zip(&order) {
                assert!(
                    (f64::from(*logit) - expected[score]).abs() < 2e-5,
                    "{name}: {row:?}, {order:?} of {expected:?}"
                );
            }
        }
    }
}

fn evaluated(talk: &Talk, folder: &Path, data: DataConfig) -> Result<(f64, f64), String> {
    let model = folder.to_owned();
    let task = None;
    talk.send(Ask::Evaluate {
        model,
        device: DeviceChoice::Cpu,
        numbers: Precision::F32.into(),
        adapter: None,
        data,
        task,
    });
    let mut events = talk.until_end();
    match (events.pop(), events.pop()) {
        (Some(Report::Failed(failure)), _) => Err(failure.what.to_string()),
        (_, Some(Report::Score { loss, figures, .. })) => Ok((loss, figures.unwrap().accuracy.unwrap())),
        (last, _) => panic!("{last:?}"),
    }
}

#[test]
fn a_model_is_scored_by_its_own_head_before_anything_is_trained() {
    let (talk, home) = (Talk::new(), tempfile::tempdir().unwrap());
    for folder in all() {
        let (classes, logits) = expected(&folder);
        let rows = std::fs::read_to_string(folder.join("rows.jsonl")).unwrap();
        let label = |name: &str| classes.iter().position(|class| class == name || name == other(class)).unwrap();
        let labels: Vec<usize> = rows
            .lines()
            .map(|row| serde_json::from_str::<Value>(row).unwrap())
            .flat_map(|row| match &row["labels"] {
                Value::Array(labels) => labels.iter().map(|name| label(name.as_str().unwrap())).collect(),
                _ => vec![label(row["label"].as_str().unwrap())],
            })
            .collect();
        let nll = |(row, &label): (&Vec<f64>, &usize)| row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[label];
        let loss = logits.iter().zip(&labels).map(nll).sum::<f64>() / labels.len() as f64;
        let is_best = |row: &[f64], label: usize| row.iter().all(|x| *x <= row[label]);
        let n_right = logits.iter().zip(&labels).filter(|(row, label)| is_best(row, **label)).count();
        let right = n_right as f64 / labels.len() as f64;
        let (found, accuracy) = evaluated(&talk, &folder.join("model"), data(&folder)).unwrap();
        assert!((found - loss).abs() < 1e-5 && (accuracy - right).abs() < 1e-9, "{folder:?}: {found}, {loss}");
    }
    let rows = home.path().join("rows.jsonl");
    std::fs::write(&rows, "{\"text\": \"a\", \"label\": \"good\"}\n{\"text\": \"b\", \"label\": \"bad\"}").unwrap();
    let model = heads().join("roberta-texts/model");
    let refused = evaluated(&talk, &model, DataConfig::new(rows)).unwrap_err();
    assert!(refused.contains("\"positive\"") && refused.contains("\"good\""), "{refused}");
}

/// The number that a row has for a name that transformers made up.
fn other(class: &str) -> &str {
    match class {
        "LABEL_0" => "1",
        "LABEL_1" => "2",
        name => name,
    }
}

#[test]
fn a_causal_model_without_the_head_that_writes_classifies_and_says_so() {
    let qwen2 = heads().join("qwen2-texts/model");
    let tasks = |model: &Path| ModelFolder::open(model).unwrap().tasks().to_vec();
    assert_eq!(tasks(&qwen2), [Task::SequenceClassification, Task::Regression]);
    // Its embeddings are what it writes with.
    assert_eq!(
        tasks(&heads().join("gpt2-texts/model")),
        [Task::SequenceClassification, Task::Causal, Task::MultipleChoice, Task::Regression]
    );
    let talk = Talk::new();
    let stream = Stream::of_base(Prompt::Text("the".to_owned()));
    let ask = generation(&qwen2, vec![stream], Sampling::default());
    talk.send(ask);
    match talk.until_end().last() {
        Some(Report::Failed(failure)) => {
            assert!(failure.what.to_string().contains("a head for classes and none for tokens"), "{failure:?}");
        }
        other => panic!("{other:?}"),
    }
}

fn run_of(folder: &Path, home: &Path) -> RunConfig {
    let mut config = tiny_run(home);
    config.model = folder.join("model");
    config.task = Some(task(folder));
    config.data = DataConfig { validation_share: 0.25, ..data(folder) };
    config.method = MethodConfig::Full(FullConfig::top(0));
    config.training.steps = 2;
    config
}

/// The head before the first step, and what was said of it.
fn begun(config: &RunConfig, folder: &Path) -> (AdapterState, String) {
    let config = Box::new(config.clone());
    let events = Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume: false, until: None });
    let said = events.into_iter().filter_map(|event| match event {
        Report::Notice { text } => Some(text),
        _ => None,
    });
    let said = said.map(|text| text.to_string()).collect::<Vec<_>>().join("\n");
    (formats::read(&folder.join("initial"), None).unwrap(), said)
}

#[test]
fn a_run_begins_with_the_checkpoints_head_or_says_why_not() {
    let home = tempfile::tempdir().unwrap();
    let checkpoint = heads().join("roberta-texts");
    let mut config = run_of(&checkpoint, home.path());
    let (own, said) = begun(&config, &home.path().join("own"));
    assert_eq!(said, "the head begins as the checkpoint's own, for 3 classes");
    assert_eq!(own.task.classes, ["negative", "neutral", "positive"]);
    let model = ModelFolder::open(&config.model).unwrap();
    let weights = |order: [usize; 3]| sorted(model.head_weights(Task::SequenceClassification, &order).unwrap());
    assert!(own.head() == weights([1, 2, 0]) && own.head() != weights([0, 1, 2]));

    config.head = HeadInit::New;
    let (new, said) = begun(&config, &home.path().join("new"));
    assert_eq!(said, "a new head for 3 classes is trained; the checkpoint's own is not used: a new one is asked for");
    assert_ne!(new.head(), own.head());

    config.head = HeadInit::Checkpoint;
    config.data = DataConfig { validation_share: 0.25, ..data(&heads().join("albert-texts")) };
    let (new, said) = begun(&config, &home.path().join("others"));
    let why = "its classes are \"positive\", \"negative\", \"neutral\", those of the rows \"1\", \"2\"";
    assert_eq!(said, format!("a new head for 2 classes is trained; the checkpoint's own is not used: {why}"));
    assert_eq!(new.task.classes, ["1", "2"]);
}

#[test]
fn a_classifier_of_an_encoder_with_a_decoder_is_used_as_it_was_trained() {
    let home = tempfile::tempdir().unwrap();
    let methods = [
        ("prefix", MethodConfig::Prefix(PrefixConfig { n_virtual: 3, ..PrefixConfig::default() })),
        ("prompt", MethodConfig::Prompt(PromptConfig { n_virtual: 3, ..PromptConfig::default() })),
        ("lora", MethodConfig::Lora(LoraConfig::default())),
    ];
    for name in ["bart-texts", "t5-texts"] {
        let checkpoint = heads().join(name);
        for (method, config) in &methods {
            let mut run = run_of(&checkpoint, home.path());
            run.method = config.clone();
            let folder = home.path().join(name).join(method);
            begun(&run, &folder);
            let (model, device, precision, task) = (run.model.clone(), DeviceChoice::Cpu, Precision::F32, None);
            let scored = |adapter: Option<PathBuf>| {
                let (model, data) = (model.clone(), data(&checkpoint));
                let events =
                    Talk::new().run(Ask::Evaluate { model, device, numbers: precision.into(), adapter, data, task });
                let loss = |event: &Report| match event {
                    Report::Score { loss, .. } => Some(*loss),
                    _ => None,
                };
                events.iter().find_map(loss).unwrap_or_else(|| panic!("{name}, {method}: {events:?}"))
            };
            // Matrices begin as nothing, a prompt does not: the head is the checkpoint's own in all of them.
            let (own, begin) = (scored(None), scored(Some(folder.join("initial"))));
            assert_eq!((own - begin).abs() < 1e-6, *method == "lora", "{name}, {method}: {own} {begin}");
            // The last one: the best may be the beginning.
            let end = scored(Some(folder.join("checkpoints/step-000002")));
            assert!(end.is_finite() && begin != end, "{name}, {method}: {begin} {end}");
        }
    }
}

#[test]
fn a_merged_head_is_the_next_checkpoints_own() {
    let home = tempfile::tempdir().unwrap();
    for name in ["distilbert-texts", "bert-words", "qwen2-texts"] {
        let checkpoint = heads().join(name);
        let run = home.path().join(name);
        begun(&run_of(&checkpoint, home.path()), &run);
        let (adapter, to) = (run.join("adapter"), home.path().join("merged").join(name));
        let model = checkpoint.join("model");
        Talk::new().run(Ask::Merge { adapter: adapter.clone(), model, to: to.clone() });
        let trained = formats::read(&adapter, None).unwrap();
        let merged = ModelFolder::open(&to).unwrap();
        let order = merged.own_head().unwrap().scores_of(task(&checkpoint), &trained.task.classes).unwrap();
        assert_eq!(order, [0, 1, 2], "{name}");
        assert!(sorted(merged.head_weights(task(&checkpoint), &order).unwrap()) == trained.head(), "{name}");
    }
}

#[test]
fn a_head_of_another_kind_is_refused_by_name() {
    type Change = fn(&mut Value);
    let home = tempfile::tempdir().unwrap();
    let why = |name: &str, change: Change| {
        let model = heads().join(name).join("model");
        let mut config: Value =
            serde_json::from_str(&std::fs::read_to_string(model.join("config.json")).unwrap()).unwrap();
        change(&mut config);
        std::fs::copy(model.join("model.safetensors"), home.path().join("model.safetensors")).unwrap();
        std::fs::write(home.path().join("config.json"), config.to_string()).unwrap();
        match ModelFolder::open(home.path()).unwrap().own_head() {
            Some(PretrainedHead::Unused(reason)) => reason.clone(),
            other => panic!("{other:?}"),
        }
    };
    let cases: [(Change, &str); 6] = [
        (|config| config["architectures"] = json!(["BertForMultipleChoice"]), "BertForMultipleChoice"),
        (|config| config["architectures"] = Value::Null, "does not say what the checkpoint's head is for"),
        (|config| config["problem_type"] = json!("multi_label_classification"), "multi_label_classification"),
        (|config| config["id2label"] = json!({"0": "a", "1": "b"}), "does not name its 3 classes"),
        (|config| config["id2label"] = json!({"0": "a", "1": "b", "2": "a"}), "the same name"),
        (|config| config["id2label"] = json!({"0": "a", "1": "b", "3": "c"}), "does not name its 3 classes"),
    ];
    for (change, reason) in cases {
        let said = why("bert-texts", change);
        assert!(said.to_string().contains(reason), "{said}");
    }
    let said = why("roberta-words", |config| config["architectures"] = json!(["RobertaForSequenceClassification"]));
    assert!(said.to_string().contains("classifier.dense.weight"), "{said}");
    let said = why("gpt2-texts", |config| config["architectures"] = json!(["GPT2ForTokenClassification"]));
    assert!(said.to_string().contains("gpt2 cannot do token_classification"), "{said}");
}
