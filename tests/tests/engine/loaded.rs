//! Adapters of PEFT that say more than their matrices: how they began, what was trained beside them, embeddings and heads;
//! and paths that hold no adapter. `tests/golden/loaded.py` wrote what PEFT computes.

use std::path::{Path, PathBuf};

use engine::adapters::{Lookalike, formats};
use engine::bundle::{self, OpenedAdapter};
use engine::config::{DataConfig, LoraConfig, LoraInit, MethodConfig, RunConfig};
use engine::device::DeviceChoice;
use engine::error::EngineError;
use engine::models::ModelFolder;
use engine::nn::Precision;
use engine::protocol::{Ask, Report};
use engine::verify;
use engine::weights::{Floats, read_floats, write_floats};
use serde_json::{Value, json};
use tests::{Talk, golden_cases, tiny_run};

/// LoRA with embeddings, a head, whole modules or rows of tokens beside it, on models with a tied head and without.
const BESIDE: [&str; 6] = [
    "llama-lora-1x16-tables",
    "llama-lora-1x16-lookup",
    "opt-lora-1x16-tables",
    "qwen2-lora-1x16-saved",
    "neox-lora-1x16-saved",
    "gpt2-lora-1x16-tokens",
];

fn loaded_cases() -> PathBuf {
    golden_cases().join("../loaded")
}

fn case(name: &str) -> PathBuf {
    let loaded = loaded_cases().join(name);
    if loaded.is_dir() { loaded } else { golden_cases().join(name) }
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A copy of an adapter with other keys and tensors.
fn changed(name: &str, home: &Path, keys: &Value, tensors: &[(&str, Vec<usize>)]) -> PathBuf {
    let (from, to) = (case(name).join("adapter"), home.join("changed"));
    std::fs::create_dir_all(&to).unwrap();
    let mut config = json_of(&from.join("adapter_config.json"));
    keys.as_object().unwrap().iter().for_each(|(key, value)| config[key] = value.clone());
    std::fs::write(to.join("adapter_config.json"), config.to_string()).unwrap();
    let mut floats: Floats = read_floats(&from.join("adapter_model.safetensors")).unwrap();
    for (name, shape) in tensors {
        floats.insert((*name).to_owned(), (shape.clone(), vec![0.5; shape.iter().product()]));
    }
    write_floats(&to.join("adapter_model.safetensors"), &floats, None).unwrap();
    to
}

fn refusal(adapter: &Path) -> EngineError {
    formats::read(adapter, None).unwrap_err()
}

/// The loss on some rows, and what was said.
fn score(model: &Path, adapter: Option<&Path>, data: &DataConfig) -> Result<(f64, Vec<String>), String> {
    let command = Ask::Evaluate {
        model: model.to_owned(),
        device: DeviceChoice::Cpu,
        numbers: Precision::F32.into(),
        adapter: adapter.map(Path::to_owned),
        data: data.clone(),
        task: None,
    };
    let talk = Talk::new();
    talk.send(command);
    let (mut loss, mut said) = (None, Vec::new());
    for event in talk.until_end() {
        match event {
            Report::Score { loss: found, .. } => loss = Some(found),
            Report::Notice { text } => said.push(text.to_string()),
            Report::Failed(failure) => return Err(format!("{} {}", failure.what, failure.advice)),
            _ => {}
        }
    }
    Ok((loss.unwrap(), said))
}

fn rows(home: &Path) -> DataConfig {
    tiny_run(home).data
}

#[test]
fn adapters_that_began_as_a_part_of_the_model_and_those_of_old_versions_compute_what_peft_computes() {
    let mut cases: Vec<_> = std::fs::read_dir(loaded_cases()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let report = verify::run(&case, None, (DeviceChoice::Cpu, Precision::F32)).unwrap();
        assert_eq!(report.groups.len(), 4, "{}", case.display());
        assert!(report.groups.iter().all(|group| group.ok), "{}: {:#?}", case.display(), report.groups);
    }
}

#[test]
fn what_is_beside_the_matrices_is_taken_into_the_model_and_computes_the_same_there() {
    let home = tempfile::tempdir().unwrap();
    let data = rows(home.path());
    for name in BESIDE.into_iter().chain(["llama-lora-1x16-pissa", "gpt2-lora-1x16-pissa", "llama-lora-1x16-copies"]) {
        let (model, adapter) = (case(name).join("model"), case(name).join("adapter"));
        let to = home.path().join(name);
        let merge = Ask::Merge { adapter: adapter.clone(), model: model.clone(), to: to.clone() };
        Talk::new().run(merge);
        let base = score(&model, None, &data).unwrap().0;
        let beside = score(&model, Some(&adapter), &data).unwrap().0;
        let merged = score(&to, None, &data).unwrap().0;
        assert!((beside - merged).abs() < 1e-4, "{name}: {beside} beside the model, {merged} in it");
        assert!((beside - base).abs() > 1e-3, "{name}: {beside}, and the base model {base}");
        let (before, after) = (json_of(&model.join("config.json")), json_of(&to.join("config.json")));
        assert_eq!(before["architectures"], after["architectures"], "{name}");
        let is_apart = ["lookup", "tables", "saved", "copies"].iter().any(|end| name.ends_with(end));
        let was_tied = before["tie_word_embeddings"] != json!(false);
        assert_eq!(after["tie_word_embeddings"] != json!(false), was_tied && !is_apart, "{name}");
    }
}

#[test]
fn a_run_goes_on_from_embeddings_heads_whole_modules_and_rows_of_peft() {
    let home = tempfile::tempdir().unwrap();
    for name in BESIDE {
        let adapter = case(name).join("adapter");
        let read = formats::read(&adapter, None).unwrap();
        let init = LoraInit::Adapter { path: adapter.clone() };
        let lora = LoraConfig { init, ..read.lora().unwrap().config.clone() };
        let mut config =
            RunConfig { model: case(name).join("model"), method: MethodConfig::Lora(lora), ..tiny_run(home.path()) };
        config.training.steps = 3;
        let folder = home.path().join(name);
        let train = Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None };
        Talk::new().run(train);
        let tensors = |folder: &Path| read_floats(&folder.join("adapter_model.safetensors")).unwrap();
        let (made, begun, trained) =
            (tensors(&adapter), tensors(&folder.join("initial")), tensors(&folder.join("adapter")));
        assert_eq!(made, begun, "{name}");
        assert!(made.keys().eq(trained.keys()), "{name}");
        for (tensor, before) in &made {
            assert_ne!(before, &trained[tensor], "{name}: {tensor} is trained");
        }
    }
}

#[test]
fn fresh_matrices_rows_and_whole_modules_are_the_base_model_at_first() {
    let home = tempfile::tempdir().unwrap();
    let data = rows(home.path());
    for name in BESIDE {
        let (model, lora) = (case(name).join("model"), formats::read(&case(name).join("adapter"), None).unwrap());
        let method = MethodConfig::Lora(lora.lora().unwrap().config.clone());
        let mut config = RunConfig { model: model.clone(), method, ..tiny_run(home.path()) };
        config.training.steps = 1;
        let folder = home.path().join(name);
        let train = Ask::Train { folder: folder.clone(), config: Box::new(config), resume: false, until: None };
        Talk::new().run(train);
        let base = score(&model, None, &data).unwrap().0;
        let fresh = score(&model, Some(&folder.join("initial")), &data).unwrap().0;
        assert!((base - fresh).abs() < 1e-6, "{name}: {base} {fresh}");
    }
}

#[test]
fn one_file_holds_what_is_beside_the_matrices() {
    let home = tempfile::tempdir().unwrap();
    let data = rows(home.path());
    for name in BESIDE.into_iter().chain(["llama-lora-1x16-pissa"]) {
        let (model, adapter) = (case(name).join("model"), case(name).join("adapter"));
        let to = home.path().join(format!("{name}.prefix"));
        let share = Ask::Share {
            adapter: adapter.clone(),
            model: model.clone(),
            device: DeviceChoice::Cpu,
            card: String::new(),
            with_samples: true,
            to: to.clone(),
        };
        Talk::new().run(share);
        let folder = home.path().join(name);
        formats::write(&bundle::read(&to).unwrap().adapter, &folder, None).unwrap();
        let (there, here) =
            (score(&model, Some(&adapter), &data).unwrap().0, score(&model, Some(&folder), &data).unwrap().0);
        assert!((there - here).abs() < 1e-6, "{name}: {there} {here}");
    }
}

#[test]
fn a_tensor_that_nothing_reads_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let q = "base_model.model.model.layers.0.self_attn.q_proj";
    for (name, tensor, said) in [
        ("llama-lora-1x16-tables", format!("{q}.lora_magnitude_vector"), "q_proj.lora_magnitude_vector"),
        ("llama-lora-1x16-tables", format!("{q}.lora_A.other.weight"), "q_proj.lora_A.other.weight"),
        ("llama-lora-1x16-tables", "base_model.model.score.weight".to_owned(), "score.weight"),
        ("gpt2-prompt-2x24", "base_model.transformer.wte.weight".to_owned(), "base_model.transformer.wte.weight"),
        ("gpt2-prefix-2x44", "base_model.classifier.weight".to_owned(), "classifier.weight"),
    ] {
        let error = refusal(&changed(name, home.path(), &json!({}), &[(&tensor, vec![2, 3])]));
        assert!(matches!(error, EngineError::AdapterTensors { .. }), "{name}, {tensor}: {error}");
        assert!(error.to_string().contains(said), "{name}, {tensor}: {error}");
    }
}

#[test]
fn a_weight_that_has_no_place_in_the_model_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let data = rows(home.path());
    let model = case("llama-lora-1x16-tables").join("model");
    for (tensor, shape, said) in [
        ("base_model.model.model.layers.7.input_layernorm.weight", vec![16], "layers.7.input_layernorm.weight, which"),
        ("base_model.model.model.norm.weight", vec![17], "model.norm.weight has shape [17] there, [16] here"),
        ("base_model.model.model.embed_tokens.weight", vec![400, 16], "has rows for 400 tokens there and for 2"),
    ] {
        let adapter = changed("llama-lora-1x16-tables", home.path(), &json!({}), &[(tensor, shape)]);
        let error = score(&model, Some(&adapter), &data).unwrap_err();
        assert!(error.contains(said), "{tensor}: {error}");
    }
}

#[test]
fn an_option_that_changes_what_is_computed_is_refused_by_name_with_true_words() {
    let home = tempfile::tempdir().unwrap();
    for (key, value) in [
        ("init_lora_weights", json!("pissa_niter_4")),
        ("init_lora_weights", json!("corda")),
        ("init_lora_weights", json!("loftq")),
        ("use_dora", json!(true)),
        ("alora_invocation_tokens", json!([5, 6])),
        ("arrow_config", json!({"top_k": 2})),
        ("layer_replication", json!([[0, 1], [0, 1]])),
        ("ensure_weight_tying", json!(true)),
    ] {
        let error = refusal(&changed("llama-lora-1x16-tables", home.path(), &json!({ key: value }), &[]));
        assert!(error.to_string().contains(key), "{error}");
        assert!(error.advice().to_string().contains("merge"), "{}", error.advice());
    }
    for harmless in [json!(true), json!(false), json!("gaussian"), json!("eva"), json!("lora_ga"), json!("orthogonal")]
    {
        let adapter = changed("llama-lora-1x16-tables", home.path(), &json!({ "init_lora_weights": harmless }), &[]);
        formats::read(&adapter, None).unwrap();
    }
}

#[test]
fn a_key_that_nobody_knows_is_told_once_where_the_adapter_is_used() {
    let home = tempfile::tempdir().unwrap();
    let keys = json!({ "use_something_new": 3, "use_nothing_new": null });
    let adapter = changed("llama-lora-1x16-tables", home.path(), &keys, &[]);
    let model = case("llama-lora-1x16-tables").join("model");
    let (_, said) = score(&model, Some(&adapter), &rows(home.path())).unwrap();
    assert_eq!(said.iter().filter(|text| text.contains("use_something_new = 3")).count(), 1, "{said:?}");
    assert!(!said.iter().any(|text| text.contains("use_nothing_new")), "{said:?}");
}

#[test]
fn a_path_that_holds_no_adapter_is_told_for_what_it_is() {
    let home = tempfile::tempdir().unwrap();
    let sites = ModelFolder::open(&case("llama-lora-1x16-tables").join("model")).unwrap().sites();
    let trainer = home.path().join("output/checkpoint-15");
    std::fs::create_dir_all(&trainer).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(case("llama-lora-1x16-tables").join("adapter").join(file), trainer.join(file)).unwrap();
    }
    std::fs::write(home.path().join("rows.jsonl"), "{}\n").unwrap();
    for (path, is) in [
        (home.path().join("output"), Lookalike::Above(vec!["checkpoint-15".to_owned()])),
        (case("llama-lora-1x16-tables").join("model"), Lookalike::Model),
        (home.path().join("rows.jsonl"), Lookalike::Rows),
        (home.path().join("nothing"), Lookalike::Absent),
    ] {
        for like in [None, Some(sites.as_slice())] {
            match OpenedAdapter::read(&path, like) {
                Err(EngineError::Lookalike { is: found, .. }) => assert_eq!(found, is),
                other => panic!("{}: {other:?}", path.display()),
            }
        }
        assert!(matches!(refusal(&path), EngineError::Lookalike { .. }), "{}", path.display());
    }
    let error = ModelFolder::open(&trainer).err().unwrap();
    assert!(
        error.to_string().starts_with(&format!("{} is no model: it is an adapter for model", trainer.display())),
        "{error}"
    );
}

#[test]
fn a_prefix_of_a_model_that_takes_no_keys_and_values_says_that_peft_cannot_load_it() {
    let home = tempfile::tempdir().unwrap();
    for name in ["distilbert-prefix-seq", "albert-prefix-seq", "deberta-prefix-seq", "bert-prefix-seq"] {
        let mut adapter = formats::read(&case(name).join("adapter"), None).unwrap();
        adapter.base_model = Some(case(name).join("model").display().to_string());
        let (folder, to) = (home.path().join(name), home.path().join("exported").join(name));
        formats::write(&adapter, &folder, None).unwrap();
        let events = Talk::new().run(Ask::Export { adapter: folder, to });
        let is_said =
            |event: &Report| matches!(event, Report::Notice { text } if text.to_string().contains("PEFT cannot load"));
        assert_eq!(events.iter().any(is_said), !name.starts_with("bert"), "{name}");
    }
}
