//! A prefix as one file: what a run writes is what another machine reads, the wrong base is told by a reason, a probe tells
//! whether it computes the same, and no file can do more than be refused.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use engine::adapters::{AdapterState, FewShotState, WeightsState, formats};
use engine::bundle::{self, BaseModel, Manifest, OpenedAdapter, PrefixFile};
use engine::config::TaskRecord;
use engine::device::DeviceChoice;
use engine::error::{EngineError, Failure};
use engine::models::ModelFolder;
use engine::nn::positions::PositionConvention;
use engine::protocol::{AdapterFacts, Ask, ProbeReport, ProbeVerdict, Report};
use engine::weights::{read_floats, read_metadata, write_floats};
use proptest::prelude::*;
use tests::{Talk, golden_cases, tiny_model, tiny_run};

fn share(talk: &Talk, adapter: &Path, model: &Path, to: &Path) -> Vec<Report> {
    let (adapter, model, to) = (adapter.to_owned(), model.to_owned(), to.to_owned());
    let card = "Trained on a b c.".to_owned();
    talk.run(Ask::Share { adapter, model, device: DeviceChoice::Cpu, card, with_samples: true, to })
}

/// A file of a case's adapter.
fn of_case(talk: &Talk, case: &str, home: &Path) -> PathBuf {
    let (case, to) = (golden_cases().join(case), home.join("shared.prefix"));
    share(talk, &case.join("adapter"), &case.join("model"), &to);
    to
}

fn probe(talk: &Talk, adapter: &Path, model: &Path) -> Result<ProbeReport, Failure> {
    let (adapter, model) = (adapter.to_owned(), model.to_owned());
    talk.send(Ask::Probe { adapter, model, device: DeviceChoice::Cpu });
    let events = talk.until_end();
    events
        .into_iter()
        .find_map(|event| match event {
            Report::Probed(probe) => Some(Ok(probe)),
            Report::Failed(failure) => Some(Err(failure)),
            _ => None,
        })
        .unwrap()
}

fn inspect(talk: &Talk, adapter: &Path, model: Option<&Path>) -> AdapterFacts {
    let (adapter, model) = (adapter.to_owned(), model.map(Path::to_owned));
    let events = talk.run(Ask::Inspect { adapter, model });
    let found = events.into_iter().find_map(|event| match event {
        Report::Inspected(found) => Some(*found),
        _ => None,
    });
    found.unwrap()
}

fn import(talk: &Talk, adapter: &Path, model: &Path, other_base: bool, to: &Path) -> Result<Vec<String>, Failure> {
    let (adapter, model, to) = (adapter.to_owned(), model.to_owned(), to.to_owned());
    talk.send(Ask::Import { adapter, model, other_base, to });
    let mut said = Vec::new();
    for event in talk.until_end() {
        match event {
            Report::Notice { text } => said.push(text.to_string()),
            Report::Failed(failure) => return Err(failure),
            _ => {}
        }
    }
    Ok(said)
}

/// The tiny model with other weights: one number differs.
fn other_weights(home: &Path) -> PathBuf {
    let to = home.join("retrained");
    std::fs::create_dir(&to).unwrap();
    for entry in std::fs::read_dir(tiny_model()).unwrap() {
        let from = entry.unwrap().path();
        std::fs::copy(&from, to.join(from.file_name().unwrap())).unwrap();
    }
    let weights = to.join("model.safetensors");
    let mut tensors = read_floats(&weights).unwrap();
    tensors.get_mut("transformer.wte.weight").unwrap().1[0] += 0.5;
    write_floats(&weights, &tensors, None).unwrap();
    to
}

#[test]
fn what_a_run_shares_says_all_that_belongs_to_it_and_computes_the_same_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let (run, file) = (home.path().join("run"), home.path().join("first.prefix"));
    let config = tiny_run(home.path());
    talk.run(Ask::Train { folder: run.clone(), config: Box::new(config.clone()), resume: false, until: None });
    share(&talk, &run, &tiny_model(), &file);
    let found = inspect(&talk, &file, Some(&tiny_model()));
    assert_eq!((found.n_virtual, found.positions, &found.other_base), (4, PositionConvention::Shifted, &None));
    let about = found.about.unwrap();
    let folder = ModelFolder::open(&tiny_model()).unwrap();
    assert_eq!(about.base, BaseModel::of(&folder.summary(), &folder.hash()));
    assert_eq!((about.base.name.as_str(), about.base.d_model), ("model", 44));
    assert_eq!(about.card, "Trained on a b c.");
    assert_eq!(about.template.unwrap().prompt_template, config.data.prompt_template);
    let best = about.figures.unwrap();
    assert!(best.loss.is_finite() && best.step > 0);
    assert_eq!(about.samples.len(), 2);
    assert!(about.samples.iter().all(|sample| sample.step == best.step));
    assert_eq!((about.reference_rows.len(), about.reference_columns.len()), (2, 64));

    let probe = probe(&talk, &file, &tiny_model()).unwrap();
    assert_eq!((probe.rows, probe.from_sender, probe.verdict()), (2, Some(0.0), ProbeVerdict::AsTheSender));
    assert!(probe.from_base > 0.01, "{probe:?}");
    let said = import(&talk, &file, &tiny_model(), false, &home.path().join("imported")).unwrap();
    assert_eq!(
        said,
        ["a prefix of the workbench: 4 virtual tokens at the decoder; the text's positions begin behind it"]
    );
    let imported = formats::read(&home.path().join("imported/adapter"), None).unwrap();
    let shared = bundle::read(&file).unwrap().adapter;
    assert_eq!(imported.hash(), shared.hash());
}

#[test]
fn every_kind_of_model_shares_its_adapter_and_finds_the_same_logits() {
    let talk = Talk::new();
    for case in [
        "llama-prefix-2x48",
        "t5-prefix-2x40",
        "bart-prefix-3x32",
        "bert-prefix-seq",
        "roberta-prefix-tok",
        "gpt2-prefix-3x32-layers",
        "gpt2-prefix-2x32-infix",
        "llama-cartridge-2x32",
        "gpt2-prompt-2x24",
        "gpt2-ptlstm-1x20",
        "bart-lora-1x24",
        "mbart-prompt-1x20",
    ] {
        let home = tempfile::tempdir().unwrap();
        let file = of_case(&talk, case, home.path());
        let model = golden_cases().join(case).join("model");
        let probe = probe(&talk, &file, &model).unwrap();
        assert_eq!(probe.verdict(), ProbeVerdict::AsTheSender, "{case}: {probe:?}");
        assert!(probe.from_base > 0.0, "{case}: {probe:?}");
        let sites = ModelFolder::open(&model).unwrap().sites();
        let before = formats::read(&golden_cases().join(case).join("adapter"), Some(&sites)).unwrap();
        let after = bundle::read(&file).unwrap().adapter;
        assert_eq!((before.hash(), &before.task), (after.hash(), &after.task), "{case}");
        let told = |adapter: &AdapterState| (adapter.n_frozen(), adapter.placement.clone());
        assert_eq!(told(&before), told(&after), "{case}");
    }
}

#[test]
fn a_prompt_of_several_tasks_and_trained_weights_come_back_as_they_went() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.prefix");
    let of_tasks = formats::read(&golden_cases().join("gpt2-multitask-2x32/adapter"), None).unwrap();
    let weights = vec![("transformer.ln_f.bias".to_owned(), vec![3], vec![0.5, -1.0, 2.0])];
    let text = AdapterState::new(TaskRecord::default(), [FewShotState("Say it.".to_owned())]);
    let alone = AdapterState::new(TaskRecord::default(), [WeightsState(weights.clone())]);
    let mut all = of_tasks.clone();
    all.push(WeightsState(weights));
    for adapter in [of_tasks, all, alone, text] {
        let folder = ModelFolder::open(&tiny_model()).unwrap();
        let about = Manifest::new(&adapter, BaseModel::of(&folder.summary(), "0"));
        bundle::write(&path, &adapter, about, None).unwrap();
        let back = bundle::read(&path).unwrap().adapter;
        assert_eq!(back, AdapterState { base_model: back.base_model.clone(), ..adapter });
    }
}

#[test]
fn sizes_of_other_parts_are_held_against_their_tensors() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.prefix");
    let folder = ModelFolder::open(&tiny_model()).unwrap();
    let lora = formats::read(&golden_cases().join("gpt2-lora-2x24-rs/adapter"), None).unwrap();
    let of_tasks = formats::read(&golden_cases().join("gpt2-multitask-2x32/adapter"), None).unwrap();
    let both = AdapterState::new(of_tasks.task.clone(), [of_tasks.parts[0].clone(), lora.parts[0].clone()]);
    let about = Manifest::new(&both, BaseModel::of(&folder.summary(), "0"));
    bundle::write(&path, &both, about, None).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for (why, change) in [
        (
            "no tensor prompt.cols",
            (|_, tensors| drop(tensors.remove("prompt.cols")))
                as fn(&mut serde_json::Value, &mut engine::weights::Floats),
        ),
        ("prompt.cols is", |json, _| json["prompt"]["ranks"] = 7.into()),
        ("soft tokens in", |json, _| json["prompt"]["n_virtual"] = 99.into()),
        ("prompt.embeddings is", |json, _| json["prompt"]["width"] = u64::MAX.into()),
        ("and it says", |json, _| json["lora"]["layers"][0]["rank"] = 99.into()),
        ("no tensor lora.", |json, _| json["lora"]["layers"][0]["name"] = "elsewhere".into()),
        ("not finite", |_, tensors| tensors.get_mut("prompt.embeddings").unwrap().1[0] = f32::NAN),
        ("elsewhere, which no part of it accounts for", |json, tensors| {
            json["prompt"] = serde_json::Value::Null;
            json["lora"] = serde_json::Value::Null;
            tensors.clear();
            tensors.insert("elsewhere".into(), (vec![1], vec![0.0]));
        }),
        ("up to 2: take a newer one", |json, _| json["format"] = 3.into()),
    ] {
        std::fs::write(&path, &whole).unwrap();
        let mut json = serde_json::from_str(&read_metadata(&path).unwrap()["prefix_workbench"]).unwrap();
        let mut tensors = read_floats(&path).unwrap();
        change(&mut json, &mut tensors);
        let metadata = HashMap::from([("prefix_workbench".to_owned(), json.to_string())]);
        write_floats(&path, &tensors, Some(metadata)).unwrap();
        let said = bundle::read(&path).unwrap_err().to_string();
        assert!(said.contains(why), "{why}: {said}");
    }
}

#[test]
fn the_wrong_base_is_refused_with_what_differs_unless_it_is_wished() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let file = of_case(&talk, "gpt2-prefix-2x44", home.path());
    let retrained = other_weights(home.path());
    let failure = import(&talk, &file, &retrained, false, &home.path().join("a")).unwrap_err();
    assert!(failure.what.to_string().contains("weights with the fingerprint"), "{failure:?}");
    assert!(failure.advice.to_string().contains("accept this one explicitly"), "{failure:?}");
    assert!(!home.path().join("a").exists(), "nothing was written");
    let found = inspect(&talk, &file, Some(&retrained));
    assert!(found.other_base.unwrap().to_string().starts_with("it belongs to model: weights with the fingerprint"));
    let said = import(&talk, &file, &retrained, true, &home.path().join("a")).unwrap();
    assert!(said[0].contains("fingerprint"), "{said:?}");
    // The sender's logits tell too.
    let probe = probe(&talk, &file, &retrained).unwrap();
    assert_eq!(probe.verdict(), ProbeVerdict::NotAsTheSender, "{probe:?}");
    // What does not fit cannot be wished for.
    let other = golden_cases().join("gpt2-prefix-2x32-bf16/model");
    let failure = import(&talk, &file, &other, true, &home.path().join("b")).unwrap_err();
    assert!(
        failure.what.to_string().contains("176 numbers for each virtual token, the model needs 128"),
        "{failure:?}"
    );
}

#[test]
fn a_base_of_other_sizes_is_told_by_each_that_differs() {
    let base = |case: &str| {
        let folder = ModelFolder::open(&golden_cases().join(case).join("model")).unwrap();
        BaseModel::of(&folder.summary(), &folder.hash())
    };
    let (gpt2, llama) = (base("gpt2-prefix-2x44"), base("llama-prefix-2x48"));
    assert_eq!(gpt2.difference(&gpt2), None);
    let differs = gpt2.difference(&llama).unwrap();
    for part in ["architecture gpt2 there and llama here", "width 44 there and 48 here", "heads 4 there and 2 here"] {
        assert!(differs.to_string().contains(part), "{differs}");
    }
    assert!(!differs.to_string().contains("layers"), "{differs}");
}

#[test]
fn an_adapter_without_reference_logits_is_probed_against_the_base() {
    let talk = Talk::new();
    let case = golden_cases().join("gpt2-prefix-2x44");
    let report = probe(&talk, &case.join("adapter"), &case.join("model")).unwrap();
    assert_eq!((report.rows, report.from_sender, report.verdict()), (3, None, ProbeVerdict::DoesSomething));
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/foreign_files");
    assert_eq!(probe(&talk, &foreign.join("chatglm"), &tiny_model()).unwrap().verdict(), ProbeVerdict::DoesSomething);
    let prompt = probe(&talk, &foreign.join("google/rows.npy"), &tiny_model()).unwrap();
    assert_eq!(prompt.verdict(), ProbeVerdict::DoesSomething);
    // Its sizes are nowhere but in a model.
    let (adapter, model) = (foreign.join("chatglm"), None);
    talk.send(Ask::Inspect { adapter, model });
    match talk.until_end().pop() {
        Some(Report::Failed(failure)) => {
            assert!(failure.what.to_string().contains("THUDM/ChatGLM"), "{failure:?}")
        }
        other => panic!("{other:?}"),
    }
}

/// A file whose JSON and tensors were changed, read.
fn changed(change: impl Fn(&mut serde_json::Value, &mut engine::weights::Floats)) -> String {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.prefix");
    std::fs::write(&path, small_file()).unwrap();
    let mut json = serde_json::from_str(&read_metadata(&path).unwrap()["prefix_workbench"]).unwrap();
    let mut tensors = read_floats(&path).unwrap();
    change(&mut json, &mut tensors);
    let metadata = HashMap::from([("prefix_workbench".to_owned(), json.to_string())]);
    write_floats(&path, &tensors, Some(metadata)).unwrap();
    bundle::read(&path).unwrap_err().to_string()
}

/// The adapter of the tiny model with a probe.
fn small_file() -> Vec<u8> {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.prefix");
    let adapter = formats::read(&golden_cases().join("gpt2-prefix-2x44/adapter"), None).unwrap();
    let folder = ModelFolder::open(&tiny_model()).unwrap();
    let about = Manifest::new(&adapter, BaseModel::of(&folder.summary(), "0123456789abcdef"));
    let reference = bundle::ReferenceLogits {
        rows: vec![vec![4, 5, 6], vec![7]],
        columns: vec![0, 9],
        logits: vec![0.5, -1.0, 2.0, 0.25],
    };
    bundle::write(&path, &adapter, about, Some(&reference)).unwrap();
    let PrefixFile { adapter: back, reference: found, .. } = bundle::read(&path).unwrap();
    assert_eq!((back.hash(), found), (adapter.hash(), Some(reference)));
    std::fs::read(path).unwrap()
}

#[test]
fn every_size_is_held_against_every_other() {
    for (why, change) in [
        ("up to 2: take a newer one", (|json, _| json["format"] = 3.into()) as fn(&mut serde_json::Value, &mut _)),
        ("hypernetwork", |json, _| json["method"] = "hypernetwork".into()),
        ("it says 4 tokens", |json, _| json["sites"][0]["n_virtual"] = 4.into()),
        ("99 layers", |json, _| json["sites"][0]["n_layers"] = 99.into()),
        ("and it says", |json, _| json["sites"][0]["d_head"] = u64::MAX.into()),
        ("no tensor decoder.prompt_embeddings", |json, _| {
            let twice = json["sites"][0].clone();
            json["sites"].as_array_mut().unwrap().push(twice);
        }),
        ("names no site", |json, _| json["sites"] = serde_json::json!([])),
        ("sideways", |json, _| json["positions"] = "sideways".into()),
        ("for 1 rows and 2 columns", |json, _| json["reference_rows"] = serde_json::json!([[4]])),
        ("rows of 1 to 4096", |json, _| json["reference_rows"][1] = serde_json::json!([])),
        ("no tensor encoder", |json, _| json["sites"][0]["site"] = "encoder".into()),
    ] {
        let said = changed(change);
        assert!(said.contains(why), "{why}: {said}");
    }
    let lost = changed(|_, tensors| drop(tensors.remove("reference.logits")));
    assert!(lost.contains("and no reference.logits"), "{lost}");
    let nan = changed(|_, tensors| tensors.get_mut("reference.logits").unwrap().1[0] = f32::NAN);
    assert!(nan.contains("not finite"), "{nan}");
    let nan = changed(|_, tensors| tensors.get_mut("decoder.prompt_embeddings").unwrap().1[0] = f32::INFINITY);
    assert!(nan.contains("not finite"), "{nan}");
}

#[test]
fn a_probe_with_tokens_or_columns_of_another_vocabulary_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a.prefix");
    let talk = Talk::new();
    for (column, token, why) in [(9000, 4, "logit 9000"), (0, 9000, "token 9000")] {
        let read = OpenedAdapter::read(&golden_cases().join("gpt2-prefix-2x44/adapter"), None).unwrap();
        let folder = ModelFolder::open(&tiny_model()).unwrap();
        let about = Manifest::new(&read.adapter, BaseModel::of(&folder.summary(), "0"));
        let reference = bundle::ReferenceLogits { rows: vec![vec![token]], columns: vec![column], logits: vec![0.0] };
        bundle::write(&path, &read.adapter, about, Some(&reference)).unwrap();
        let failure = probe(&talk, &path, &tiny_model()).unwrap_err();
        assert!(failure.what.to_string().contains(why), "{failure:?}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    let (path, whole) = (home.path().join("a.prefix"), small_file());
    for end in (0..whole.len()).step_by(13) {
        std::fs::write(&path, &whole[..end]).unwrap();
        assert!(OpenedAdapter::read(&path, None).is_err(), "cut at {end}");
    }
    std::fs::write(&path, "").unwrap();
    assert!(matches!(bundle::read(&path), Err(EngineError::Malformed { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes are changed anywhere: a sentence or a sound prefix, and no panic.
    #[test]
    fn no_change_of_bytes_makes_the_reader_panic(
        changes in prop::collection::vec((0.0..1.0_f64, prop_oneof![any::<u8>(), Just(b'9'), Just(0xFF), Just(0)]), 1..6),
    ) {
        let mut bytes = small_file();
        // Most of it is numbers: the header is where a change tells.
        for (at, byte) in changes {
            let at = (at * at * (bytes.len() - 1) as f64) as usize;
            bytes[at] = byte;
        }
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a.prefix");
        std::fs::write(&path, &bytes).unwrap();
        match bundle::read(&path) {
            Ok(file) => {
                for prefix in file.adapter.prefixes() {
                    prop_assert_eq!(prefix.flat.len(), prefix.shape.stored());
                    prop_assert!(prefix.flat.len() * 4 <= bytes.len());
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
