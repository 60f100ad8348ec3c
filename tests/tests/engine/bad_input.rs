//! Bad files and settings of users, and the sentence each gets: never a panic, nothing lost.

use std::path::{Path, PathBuf};

use engine::config::{AdamConfig, MethodConfig, OptimizerConfig, PrefixConfig, RunConfig};
use engine::device::{DeviceChoice, enumerate};
use engine::nn::Precision;
use engine::protocol::{Ask, Report};
use tests::{Talk, tiny_model, tiny_run};

/// A copy of the tiny model that a test may damage.
fn model_copy(home: &Path) -> PathBuf {
    let folder = home.join("model");
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(tiny_model()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    folder
}

/// Trains and returns the sentence it fails with.
fn failure(config: &RunConfig, home: &Path) -> String {
    let talk = Talk::new();
    let (folder, config) = (home.join("run"), Box::new(config.clone()));
    talk.send(Ask::Train { folder, config, resume: false, until: None });
    match talk.until_end().pop() {
        Some(Report::Failed(failure)) => {
            assert!(!failure.advice.to_string().is_empty());
            assert!(!failure.what.to_string().contains("panicked"), "{}", failure.what);
            failure.what.to_string()
        }
        other => panic!("it should have failed: {other:?}"),
    }
}

/// Damages a copy of the model and returns the sentence.
fn with_damaged_model(damage: impl Fn(&Path)) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.model = model_copy(home.path());
    damage(&config.model);
    failure(&config, home.path())
}

fn edit_config(folder: &Path, from: &str, to: &str) {
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from));
    std::fs::write(path, text.replace(from, to)).unwrap();
}

#[test]
fn a_model_folder_without_its_files_says_which() {
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        let sentence = with_damaged_model(|folder| std::fs::remove_file(folder.join(file)).unwrap());
        let stem = file.split('.').next().unwrap();
        assert!(sentence.contains(stem), "{file}: {sentence}");
    }
}

#[test]
fn weights_cut_short_or_lying_about_their_size_are_refused() {
    let sentence = with_damaged_model(|folder| {
        let path = folder.join("model.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(sentence.contains("cut short"), "{sentence}");
    let sentence = with_damaged_model(|folder| {
        let path = folder.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
    });
    assert!(sentence.contains("cannot be understood"), "{sentence}");
}

#[test]
fn a_folder_with_a_broken_model_of_sentences_says_so() {
    let sentence = with_damaged_model(|folder| {
        std::fs::remove_file(folder.join("tokenizer.json")).unwrap();
        std::fs::write(folder.join("tokenizer.model"), b"\x0a\xFF\xFF\xFF\xFF\x0F").unwrap();
    });
    assert!(sentence.contains("tokenizer.model") && sentence.contains("cut short"), "{sentence}");
}

/// A file as PyTorch wrote them before 1.6: a number, a version, the system, and a pickle that calls the system.
const HOSTILE: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.\
    \x80\x02cposix\nsystem\nX\x0b\0\0\0touch ownedq\0\x85R.";

#[test]
fn a_pickle_that_would_run_something_is_refused_by_name() {
    let sentence = with_damaged_model(|folder| {
        std::fs::remove_file(folder.join("model.safetensors")).unwrap();
        std::fs::write(folder.join("pytorch_model.bin"), HOSTILE).unwrap();
    });
    assert!(sentence.contains("posix.system") && sentence.contains("refused"), "{sentence}");
    assert!(!Path::new("owned").exists());
}

#[test]
fn weights_of_another_shape_are_named() {
    let sentence = with_damaged_model(|folder| edit_config(folder, "\"n_positions\": 41", "\"n_positions\": 42"));
    assert!(sentence.contains("wpe.weight") && sentence.contains("42"), "{sentence}");
}

#[test]
fn weights_that_are_not_numbers_are_named() {
    let sentence = with_damaged_model(|folder| {
        let path = folder.join("model.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        let n = bytes.len();
        bytes[n - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
    });
    assert!(sentence.contains("not a number"), "{sentence}");
}

#[test]
fn an_unknown_architecture_or_option_is_refused_by_name() {
    let sentence =
        with_damaged_model(|folder| edit_config(folder, "\"model_type\": \"gpt2\"", "\"model_type\": \"mamba\""));
    assert!(sentence.contains("mamba") && sentence.contains("gpt2"), "{sentence}");
    let sentence = with_damaged_model(|folder| edit_config(folder, "gelu_new", "softsign"));
    assert!(sentence.contains("activation_function") && sentence.contains("softsign"), "{sentence}");
    let sentence = with_damaged_model(|folder| edit_config(folder, "\"n_head\": 4", "\"n_head\": 0"));
    assert!(sentence.contains("config.json"), "{sentence}");
}

#[test]
fn a_prefix_that_leaves_no_room_is_refused_with_the_numbers() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.method = MethodConfig::Prefix(PrefixConfig { n_virtual: 40, ..PrefixConfig::default() });
    let sentence = failure(&config, home.path());
    assert!(sentence.contains("40") && sentence.contains("41"), "{sentence}");
}

#[test]
fn settings_that_cannot_work_are_named() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.training.learning_rate = f64::NAN;
    assert!(failure(&config, home.path()).contains("learning_rate"));
    let mut config = tiny_run(home.path());
    config.training.batch_size = 0;
    assert!(failure(&config, home.path()).contains("batch_size"));
}

#[test]
fn rows_that_cannot_be_used_get_a_sentence() {
    let home = tempfile::tempdir().unwrap();
    for (text, word) in [("", "row"), ("not json\nat all", "row"), ("{\"other\": 1}\n", "column")] {
        let mut config = tiny_run(home.path());
        config.data.target_column = Some("target".to_owned());
        std::fs::write(&config.data.train, text).unwrap();
        let sentence = failure(&config, home.path());
        assert!(sentence.to_lowercase().contains(word), "{text:?}: {sentence}");
    }
}

#[test]
fn a_rate_that_diverges_ends_the_run_and_keeps_its_checkpoints() {
    let home = tempfile::tempdir().unwrap();
    let mut config = tiny_run(home.path());
    config.training.steps = 400;
    config.training.eval_every = 1;
    config.training.sample_rows = 0;
    config.training.max_grad_norm = None;
    config.training.learning_rate = 900.0;
    config.training.optimizer = OptimizerConfig::AdamW(AdamConfig { weight_decay: 10.0, ..AdamConfig::default() });
    let sentence = failure(&config, home.path());
    assert!(sentence.contains("no longer a number"), "{sentence}");
    assert!(home.path().join("run/checkpoints.json").is_file());
}

#[test]
fn an_adapter_for_another_model_or_damaged_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let talk = Talk::new();
    let import = |adapter: PathBuf| {
        talk.send(Ask::Import { adapter, model: tiny_model(), other_base: false, to: home.path().join("imported") });
        match talk.until_end().pop() {
            Some(Report::Failed(failure)) => failure.what,
            other => panic!("it should have failed: {other:?}"),
        }
    };
    let other = tests::golden_cases().join("gpt2-prefix-3x64-f16/adapter");
    assert!(import(other.clone()).to_string().contains("does not fit"));
    let damaged = home.path().join("damaged");
    std::fs::create_dir_all(&damaged).unwrap();
    std::fs::copy(other.join("adapter_config.json"), damaged.join("adapter_config.json")).unwrap();
    std::fs::write(damaged.join("adapter_model.safetensors"), b"\x08\0\0\0\0\0\0\0not json").unwrap();
    assert!(import(damaged.clone()).to_string().contains("cannot be understood"));
    std::fs::write(damaged.join("adapter_config.json"), r#"{"peft_type": "IA3"}"#).unwrap();
    assert!(import(damaged).to_string().contains("IA3"));
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    // A file where the run's folder should be: also refused for users who may write anywhere.
    std::fs::write(home.path().join("run"), "").unwrap();
    let sentence = failure(&tiny_run(home.path()), home.path());
    assert!(sentence.contains("run: a part of its path is a file"), "{sentence}");
}

#[test]
fn a_precision_that_the_device_does_not_compute_in_is_refused_by_name() {
    let devices = enumerate(None);
    let cpu = devices.iter().find(|device| device.choice == DeviceChoice::Cpu).unwrap();
    assert!(cpu.refuses.contains_key(&Precision::F16));
    for (&precision, reason) in &cpu.refuses {
        let home = tempfile::tempdir().unwrap();
        let config = RunConfig { precision, ..tiny_run(home.path()) };
        let sentence = failure(&config, home.path());
        assert!(sentence.starts_with("precision: ") && sentence.contains(precision.name()), "{sentence}");
        assert!(sentence.contains(&reason.to_string()), "{sentence}");
        assert!(!home.path().join("run/config.json").exists(), "nothing was begun");
        // As it is kept, and as older runs are read.
        let mut kept = serde_json::to_value(&config).unwrap();
        assert_eq!(kept["precision"], precision.name());
        kept.as_object_mut().unwrap().remove("precision");
        assert_eq!(serde_json::from_value::<RunConfig>(kept).unwrap().precision, Precision::F32);
    }
}
