//! A stranger's file can do nothing but be read, in time and memory that follow its size. Each input here once ended the
//! program, took all memory, or had no end.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::Command;

use engine::adapters::formats;
use engine::bundle::{self, BaseModel, Manifest, OpenedAdapter};
use engine::config::DataConfig;
use engine::data::{Templates, Tokenizer};
use engine::models::ModelFolder;
use engine::protocol::{Ask, Report};
use engine::training::SampleReport;
use engine::weights::{WeightFiles, read_metadata, write_floats};
use proptest::prelude::*;
use serde_json::{Value, json};
use tests::{Talk, golden_cases, tiny_model, tiny_run};

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    std::fs::write(path, bytes).unwrap();
}

/// A safetensors file whose header says this, without numbers.
fn header_alone(header: &Value) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

/// A folder of PEFT's with this configuration and these bytes as weights, as it is refused.
fn refused(config: &Value, weights: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("adapter_config.json"), config.to_string());
    write(&folder.path().join("adapter_model.safetensors"), weights);
    OpenedAdapter::read(folder.path(), None).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn a_head_that_claims_classes_it_has_no_numbers_for_is_refused() {
    let prefix = json!({"peft_type": "PREFIX_TUNING", "task_type": "SEQ_CLS", "num_virtual_tokens": 1, "num_layers": 1,
        "token_dim": 2, "num_attention_heads": 1});
    let lora = json!({"peft_type": "LORA", "task_type": "SEQ_CLS", "r": 1});
    for classes in [1_u64 << 28, 1 << 36] {
        let said = refused(
            &prefix,
            &header_alone(
                &json!({"base_model.score.weight": {"dtype": "F32", "shape": [classes, 0], "data_offsets": [0, 0]}}),
            ),
        );
        assert!(said.contains("no numbers"), "{said}");
        let head =
            json!({"base_model.model.score.weight": {"dtype": "F32", "shape": [classes, 0], "data_offsets": [0, 0]}});
        assert!(refused(&lora, &header_alone(&head)).contains("no numbers"));
    }
}

#[test]
fn more_classes_than_are_told_apart_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = BTreeMap::from([
        ("prompt_embeddings".to_owned(), (vec![1, 4], vec![0.5; 4])),
        ("base_model.score.weight".to_owned(), (vec![1001, 1], vec![0.0; 1001])),
    ]);
    write_floats(&folder.path().join("adapter_model.safetensors"), &tensors, None).unwrap();
    let config = json!({"peft_type": "PREFIX_TUNING", "task_type": "SEQ_CLS", "num_virtual_tokens": 1, "num_layers": 1,
        "token_dim": 2, "num_attention_heads": 1});
    write(&folder.path().join("adapter_config.json"), config.to_string());
    let said = OpenedAdapter::read(folder.path(), None).map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("1001 classes, more than 1000"), "{said}");
}

#[test]
fn layers_beyond_counting_are_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = BTreeMap::from([("prompt_embeddings".to_owned(), (vec![1, 4], vec![0.5; 4]))]);
    write_floats(&folder.path().join("adapter_model.safetensors"), &tensors, None).unwrap();
    for n_layers in [1_u64 << 63, u64::MAX] {
        let config = json!({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 1, "num_layers": n_layers,
            "num_attention_heads": 1});
        write(&folder.path().join("adapter_config.json"), config.to_string());
        let said = OpenedAdapter::read(folder.path(), None).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains("do not fit the layers"), "{said}");
    }
}

#[test]
fn patterns_that_would_take_all_memory_are_refused() {
    let patterns: Value =
        (0..2000).map(|n| (format!(r"a{n}\w{{60}}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let folder = tempfile::tempdir().unwrap();
    let tensors = BTreeMap::from([
        ("base_model.model.q.lora_A.weight".to_owned(), (vec![1, 2], vec![0.5; 2])),
        ("base_model.model.q.lora_B.weight".to_owned(), (vec![2, 1], vec![0.5; 2])),
    ]);
    let weights = folder.path().join("adapter_model.safetensors");
    write_floats(&weights, &tensors, None).unwrap();
    let weights = std::fs::read(weights).unwrap();
    let said = refused(&json!({"peft_type": "LORA", "r": 1, "alpha_pattern": patterns}), &weights);
    assert!(said.contains("alpha_pattern"), "{said}");
}

/// A file as PyTorch wrote them before 1.6, with so many names for one storage of `n` numbers.
fn amplified(names: usize, n: u32) -> Vec<u8> {
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let number = |n: u32| [b"J", &n.to_le_bytes()[..]].concat();
    let mut file =
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02}(".to_vec();
    for name in 0..names {
        file.extend(text(&format!("name.{name}")));
        file.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        file.extend(text("storage"));
        file.extend(b"ctorch\nFloatStorage\n");
        file.extend(text("0"));
        file.push(b'N');
        file.extend(number(n));
        file.extend(b"tQK\0(");
        file.extend(number(n));
        file.extend(b"t(K\x01ttR");
    }
    file.extend(b"u.\x80\x02](");
    file.extend(text("0"));
    file.extend(b"e.");
    file.extend(u64::from(n).to_le_bytes());
    file.resize(file.len() + 4 * n as usize, 0);
    file
}

#[test]
fn many_names_for_one_storage_are_refused_and_a_few_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapter_model.bin");
    write(&path, amplified(3, 1000));
    assert_eq!(WeightFiles::open_file(&path).unwrap().shapes().count(), 3);
    write(&path, amplified(3000, 100_000));
    let said = WeightFiles::open_file(&path).map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("1200000000 bytes"), "{said}");
    write(
        &folder.path().join("adapter_config.json"),
        json!({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 1}).to_string(),
    );
    assert!(OpenedAdapter::read(folder.path(), None).is_err());
}

/// A `.prefix` file whose JSON was changed.
fn shared(folder: &Path, change: impl Fn(&mut Manifest)) -> std::path::PathBuf {
    let adapter = formats::read(&golden_cases().join("gpt2-prefix-2x44/adapter"), None).unwrap();
    let summary = ModelFolder::open(&tiny_model()).unwrap().summary();
    let mut about = Manifest::new(&adapter, BaseModel::of(&summary, "0123456789abcdef"));
    let path = folder.join("x.prefix");
    bundle::write(&path, &adapter, about.clone(), None).unwrap();
    change(&mut about);
    let metadata = read_metadata(&path).unwrap();
    assert!(metadata.contains_key("prefix_workbench"));
    let json = serde_json::to_string(&about).unwrap();
    let tensors = engine::weights::read_floats(&path).unwrap();
    write_floats(&path, &tensors, Some(HashMap::from([("prefix_workbench".to_owned(), json)]))).unwrap();
    path
}

fn template(prompt: &str) -> bundle::SharedTemplate {
    bundle::SharedTemplate {
        prompt_template: prompt.to_owned(),
        target_template: "{{ target }}".to_owned(),
        begin_token: engine::config::BeginToken::default(),
        chat: false,
    }
}

#[test]
fn a_prefix_file_with_a_template_that_would_overflow_the_stack_is_refused_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let deep = template(&format!("{{{{ {}1 }}}}", "-".repeat(16_000)));
    let path = shared(folder.path(), |about| about.template = Some(deep.clone()));
    let said = bundle::read(&path).map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("stand around each other"), "{said}");
    let path = shared(folder.path(), |about| about.template = Some(template("{{ source }}")));
    bundle::read(&path).unwrap();
}

#[test]
fn a_prefix_file_whose_texts_nobody_could_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let long = "a".repeat(2_000_000);
    let sample = SampleReport { step: 1, row: 0, prompt: long.clone(), reference: String::new(), text: String::new() };
    for (change, word) in [
        (Box::new(|about: &mut Manifest| about.card.clone_from(&long)) as Box<dyn Fn(&mut Manifest)>, "card"),
        (Box::new(|about: &mut Manifest| about.card = long.repeat(10)), "bytes"),
        (Box::new(|about: &mut Manifest| about.base.name.clone_from(&long)), "base model"),
        (Box::new(|about: &mut Manifest| about.samples = vec![sample.clone()]), "samples"),
        (
            Box::new(|about: &mut Manifest| {
                about.samples = vec![SampleReport { prompt: "a".into(), ..sample.clone() }; 101]
            }),
            "samples",
        ),
    ] {
        let said = bundle::read(&shared(folder.path(), change)).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn a_terminal_is_shown_what_a_strangers_file_says_and_does_not_obey_it() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2Jcard";
    let path = shared(folder.path(), |about| {
        about.card = hostile.to_owned();
        about.base.name = format!("{hostile}\nforged");
        about.base.architecture = hostile.to_owned();
    });
    let shown = Command::new(env!("CARGO_BIN_EXE_workbench-under-test"))
        .arg("--workspace")
        .arg(folder.path())
        .arg("open")
        .arg(path)
        .output()
        .unwrap();
    let all = [shown.stdout, shown.stderr].concat();
    let text = String::from_utf8(all).unwrap();
    assert!(text.contains("card") && text.contains("\\u001b]52"), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("forged")), "{text:?}");
}

#[test]
fn ten_thousand_added_tokens_get_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(tiny_model()).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "model.safetensors" {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    let known = Tokenizer::from_folder(folder.path()).unwrap();
    let first = (0..).find(|&id| known.token_text(id) == format!("[{id}]")).unwrap();
    let added: serde_json::Map<String, Value> =
        (0..10_000).map(|n| (format!("<added_{n}>"), json!(first + n))).collect();
    write(&folder.path().join("added_tokens.json"), Value::from(added).to_string());
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(tokenizer.encode("<added_0><added_9999>").unwrap(), [first, first + 9999]);
}

#[test]
fn a_pattern_that_gives_up_on_a_text_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = json!({"version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null, "decoder": null,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": false},
        "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1, "</s>": 2}, "unk_token": "<unk>"}});
    write(&folder.path().join("tokenizer.json"), file.to_string());
    write(&folder.path().join("tokenizer_config.json"), r#"{"eos_token": "</s>"}"#);
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let said = tokenizer.encode(&("a".repeat(40) + "c")).unwrap_err().to_string();
    assert!(said.contains("give up on a text"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_device_in_place_of_a_file_is_named_and_nobody_waits_for_it() {
    let home = tempfile::tempdir().unwrap();
    let model = home.path().join("model");
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "added_tokens.json"] {
        std::fs::create_dir_all(&model).unwrap();
        for file in std::fs::read_dir(tiny_model()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), model.join(file.file_name())).unwrap();
        }
        std::fs::remove_file(model.join(name)).ok();
        assert!(Command::new("mkfifo").arg(model.join(name)).status().unwrap().success());
        let opened = ModelFolder::open(&model).map(|_| ()).and_then(|()| Tokenizer::from_folder(&model).map(|_| ()));
        let said = opened.unwrap_err().to_string();
        assert!(said.contains("not a file") || said.contains("has no config.json"), "{name}: {said}");
        std::fs::remove_file(model.join(name)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", model.join(name)).unwrap();
        let opened = ModelFolder::open(&model).map(|_| ()).and_then(|()| Tokenizer::from_folder(&model).map(|_| ()));
        assert!(opened.is_err(), "{name}");
        std::fs::remove_dir_all(&model).unwrap();
    }
    let adapter = home.path().join("adapter");
    std::fs::create_dir_all(&adapter).unwrap();
    assert!(Command::new("mkfifo").arg(adapter.join("adapter_config.json")).status().unwrap().success());
    write(&adapter.join("adapter_model.safetensors"), header_alone(&json!({})));
    assert!(OpenedAdapter::read(&adapter, None).is_err());
    let rows = home.path().join("rows.jsonl");
    assert!(Command::new("mkfifo").arg(&rows).status().unwrap().success());
    assert!(engine::data::read_table(&rows).unwrap_err().to_string().contains("a device or a pipe"));
}

#[test]
fn what_goes_out_names_nobody_and_carries_no_rows_unless_they_are_wished() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let run = home.path().join("run");
    let config = Box::new(tiny_run(home.path()));
    talk.run(Ask::Train { folder: run.clone(), config, resume: false, until: None });
    let notices = |events: Vec<Report>| -> Vec<String> {
        let text = |event| if let Report::Notice { text } = event { Some(text.to_string()) } else { None };
        events.into_iter().filter_map(text).collect()
    };
    let mut probed = Vec::new();
    for with_samples in [true, false] {
        let to = home.path().join("x.prefix");
        let said = notices(talk.run(Ask::Share {
            adapter: run.clone(),
            model: tiny_model(),
            device: engine::device::DeviceChoice::Cpu,
            card: String::new(),
            with_samples,
            to: to.clone(),
        }));
        let about = bundle::read(&to).unwrap().about;
        assert_eq!(about.samples.len(), if with_samples { 2 } else { 0 });
        assert_eq!(said.iter().any(|text| text.contains("2 rows of the validation data")), with_samples, "{said:?}");
        probed.push(about.reference_rows);
    }
    assert_ne!(probed[0], probed[1], "without samples the check is computed with texts of ours");
    let folder = home.path().join("peft");
    talk.run(Ask::Export { adapter: run, to: folder.clone() });
    let config = std::fs::read_to_string(folder.join("adapter_config.json")).unwrap();
    let json: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(json["base_model_name_or_path"], "model");
    assert!(!config.contains(&*tiny_model().to_string_lossy()), "{config}");
}

/// Parts of templates, put together in any way.
const PIECES: &[&str] = &[
    "{{ ",
    " }}",
    "{% for i in source %}",
    "{% for i in x %}",
    "{% endfor %}",
    "{% if ",
    " %}",
    "{% endif %}",
    "{% set x = ",
    "{% set x %}",
    "{% endset %}",
    "{% elif source %}",
    "source",
    "source",
    "x",
    "i",
    " ~ ",
    " + ",
    "|upper",
    "|sort",
    "|split('')",
    "|tojson",
    "|replace('a', source)",
    "|join(source)",
    "|reverse",
    "|length",
    "[1:]",
    "[::-1]",
    "[0]",
    ".a",
    " in ",
    " == ",
    " not ",
    "-",
    "(",
    ")",
    "[",
    "]",
    ", ",
    "1",
    " if 1 else ",
    " is string",
    "{% macro m(x) %}",
    "{% endmacro %}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_row_template_panics_or_goes_on_for_ever(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24),
        repeats in 0..3_usize,
    ) {
        let prompt = pieces.concat().repeat(repeats);
        let config = DataConfig { prompt_template: prompt, ..DataConfig::new("x") };
        let tokenizer = Tokenizer::from_folder(&tiny_model()).unwrap();
        if let Ok(templates) = Templates::new(&config) {
            let text = templates.prompt_for_source(&"a b ".repeat(20_000), &BTreeMap::new(), &tokenizer);
            prop_assert!(text.map_or(true, |text| text.len() <= 4 << 20));
        }
    }

    #[test]
    fn no_adapter_config_makes_the_reader_panic(
        key in prop::sample::select(vec!["r", "lora_alpha", "alpha_pattern", "rank_pattern", "target_modules", "num_layers", "token_dim",
            "num_attention_heads", "num_virtual_tokens", "task_type", "peft_type", "num_transformer_submodules", "num_ranks", "num_tasks"]),
        value in prop_oneof![
            Just(json!(u64::MAX)), Just(json!(1_u64 << 63)), Just(json!(-1)), Just(json!(0)), Just(json!(1e300)), Just(json!(null)),
            Just(json!("(((((")), Just(json!({"(a+)+$": 1})), Just(json!({"\\w{90}": 1})), Just(json!([[[]]])), Just(json!("SEQ_CLS")),
            Just(json!("MULTITASK_PROMPT_TUNING")), Just(json!("LORA")),
        ],
        case in prop::sample::select(vec!["gpt2-prefix-2x44", "gpt2-lora-2x24-rs", "gpt2-prompt-2x24", "gpt2-multitask-2x32"]),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let from = golden_cases().join(case).join("adapter");
        for file in std::fs::read_dir(&from).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        let path = folder.path().join("adapter_config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        config[key] = value;
        write(&path, config.to_string());
        if let Err(error) = OpenedAdapter::read(folder.path(), None) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
