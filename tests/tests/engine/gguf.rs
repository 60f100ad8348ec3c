//! A file in GGUF is a model as a folder is one: opened by path, trained on, merged, and no more believed.

use std::path::{Path, PathBuf};

use engine::config::{DataConfig, LoraConfig, MethodConfig, RunConfig, TrainingConfig};
use engine::data::Tokenizer;
use engine::device::cpu;
use engine::models::{GenerationConfig, ModelFolder};
use engine::protocol::{Ask, Report};
use proptest::prelude::*;
use tests::{Talk, curve, golden_cases, tiny_run};

fn file(case: &str) -> PathBuf {
    golden_cases().join(case).join("model/model.gguf")
}

/// A run on a file, of rows that fit into its 41 positions.
fn run(home: &Path, case: &str, method: MethodConfig) -> RunConfig {
    let tiny = tiny_run(home);
    let rows = home.join("rows.jsonl");
    let row = |n: usize| format!("{{\"source\": \"{}\", \"target\": \"{}\"}}", ["a", "b"][n % 2], ["b", "a"][n % 2]);
    std::fs::write(&rows, (0..8).map(row).collect::<Vec<_>>().join("\n")).unwrap();
    let data = DataConfig { validation_share: 0.25, ..DataConfig::new(rows) };
    let training = TrainingConfig { steps: 6, eval_every: 3, sample_rows: 1, ..tiny.training.clone() };
    RunConfig { method, training, data, model: file(case), ..tiny }
}

#[test]
fn a_file_is_opened_by_its_path_and_by_the_folder_that_has_it_alone() {
    let by_path = ModelFolder::open(&file("gguf-q4_k-prefix")).unwrap();
    let by_folder = ModelFolder::open(file("gguf-q4_k-prefix").parent().unwrap()).unwrap();
    assert_eq!(by_path.hash(), by_folder.hash());
    assert_eq!((by_path.path.as_path(), by_path.options_notice()), (file("gguf-q4_k-prefix").as_path(), None));
    let summary = by_path.summary();
    assert_eq!((summary.architecture.as_str(), summary.dtype.as_str()), ("llama", "Q4_K"));
    assert_eq!((summary.d_model, summary.n_kv_heads, summary.d_head), (256, 1, 32));
    assert!(
        summary.linears.iter().any(|linear| linear.name == "model.layers.0.self_attn.q_proj"),
        "Hugging Face's names"
    );
    let tokenizer = Tokenizer::from_folder(&file("gguf-q4_k-prefix")).unwrap().fitting(summary.vocab_size).unwrap();
    assert_eq!(tokenizer.decode(&tokenizer.encode("the prefix").unwrap()).unwrap(), "the prefix");
    assert_eq!(GenerationConfig::read(&file("gguf-q4_k-prefix")).unwrap().end_tokens, [3]);
}

#[test]
fn a_run_on_a_file_learns_and_goes_on_where_it_was_stopped() {
    let home = tempfile::tempdir().unwrap();
    let config = run(home.path(), "gguf-q4_0-lora", tiny_run(home.path()).method);
    let (whole, parts) = (home.path().join("whole"), home.path().join("parts"));
    let train = |folder: &Path, resume: bool, until: Option<usize>| {
        let config = Box::new(config.clone());
        Talk::new().run(Ask::Train { folder: folder.to_owned(), config, resume, until })
    };
    let losses: Vec<f64> = train(&whole, false, None)
        .iter()
        .filter_map(|report| if let Report::Step(step) = report { Some(step.loss) } else { None })
        .collect();
    assert!(losses.last() < losses.first(), "{losses:?}");
    train(&parts, false, Some(3));
    train(&parts, true, None);
    assert_eq!(curve(&whole), curve(&parts));
}

#[test]
fn a_merged_file_is_a_folder_that_writes_the_same() {
    let home = tempfile::tempdir().unwrap();
    let method = MethodConfig::Lora(LoraConfig { rank: 2, ..LoraConfig::default() });
    let (config, folder) = (run(home.path(), "gguf-q8_0-prefix", method), home.path().join("run"));
    Talk::new().run(Ask::Train {
        folder: folder.clone(),
        config: Box::new(config.clone()),
        resume: false,
        until: None,
    });
    let to = home.path().join("merged");
    Talk::new().run(Ask::Merge { adapter: folder, model: config.model.clone(), to: to.clone() });
    let (merged, packed) = (ModelFolder::open(&to).unwrap(), ModelFolder::open(&config.model).unwrap());
    assert_eq!((merged.shape(), merged.options_notice()), (packed.shape(), None));
    let same = "model.layers.0.mlp.up_proj.weight";
    assert_eq!(merged.files().floats(same).unwrap(), packed.files().floats(same).unwrap());
    let changed = "model.layers.0.self_attn.q_proj.weight";
    assert_ne!(merged.files().floats(changed).unwrap(), packed.files().floats(changed).unwrap());
    let tokenizers = [&to, &config.model].map(|model| Tokenizer::from_folder(model).unwrap().digest().unwrap());
    assert_eq!(tokenizers[0], tokenizers[1]);
    merged.load(&cpu(), &mut |_| Ok(())).unwrap();
}

#[test]
fn what_no_architecture_takes_of_a_file_is_named() {
    // A head for a table that is one already: a weight of the file, and of no place in the model.
    let bytes = std::fs::read(file("gguf-bloom-prefix")).unwrap();
    let at = bytes.windows(16).position(|part| part == b"output_norm.bias").unwrap();
    let mut changed = bytes.clone();
    changed[at..at + 16].copy_from_slice(b"output_norm.bios");
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("changed.gguf");
    std::fs::write(&path, &changed).unwrap();
    let error = ModelFolder::open(&path).unwrap().load(&cpu(), &mut |_| Ok(())).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("ln_f.bias"), "{error}");
    let mut changed = bytes;
    let at = changed.windows(26).position(|part| part == b"bloom.attention.head_count").unwrap();
    changed[at + 6] = b'X';
    std::fs::write(&path, &changed).unwrap();
    let error = ModelFolder::open(&path).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("it does not say bloom.attention.head_count"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_file_with_other_bytes_in_its_header_makes_no_panic(
        changes in prop::collection::vec((0_usize..12_000, any::<u8>()), 1..6),
        cut in prop_oneof![Just(0_usize), 0_usize..40_000],
    ) {
        let mut bytes = std::fs::read(file("gguf-q4_1-prompt")).unwrap();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("model.gguf");
        std::fs::write(&path, &bytes).unwrap();
        drop(Tokenizer::from_folder(&path));
        if let Ok(model) = ModelFolder::open(&path) {
            drop(model.load(&cpu(), &mut |_| Ok(())));
        }
    }
}
