//! Every number against transformers + PEFT: the cases of `tests/golden`, on the CPU.

use std::collections::BTreeMap;

use engine::device::DeviceChoice;
use engine::models::ModelFolder;
use engine::nn::Precision;
use engine::verify;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

#[test]
fn every_golden_case_is_within_tolerance() {
    let mut cases: Vec<_> =
        std::fs::read_dir(tests::golden_cases()).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 10, "the golden cases are there");
    let mut far = Vec::new();
    for case in &cases {
        let report = verify::run(case, None, (DeviceChoice::Cpu, Precision::F32)).unwrap();
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        // Of an encoder as it is there are losses and logits alone.
        let least = if name.ends_with("-full-masked") { 4 } else { 8 };
        assert!(report.groups.len() >= least, "{name} computes its groups");
        // What writes has searched with beams, too.
        let has_beams = report.groups.iter().any(|group| group.group == "gen/beam4_eos_scores");
        assert_eq!(has_beams, report.groups.iter().any(|group| group.group == "gen/greedy"), "{name} has beams");
        far.extend(report.groups.into_iter().filter(|group| !group.ok).map(|group| (name.clone(), group)));
    }
    assert!(far.is_empty(), "{far:#?}");
}

/// A copy of a case whose files are changed.
fn changed(name: &str, change: impl Fn(&mut serde_json::Value, &mut Tensors)) -> tempfile::TempDir {
    let (from, to) = (tests::golden_cases().join(name), tempfile::tempdir().unwrap());
    for inside in ["model", "adapter"] {
        let Ok(files) = std::fs::read_dir(from.join(inside)) else { continue };
        std::fs::create_dir(to.path().join(inside)).unwrap();
        for file in files.map(|file| file.unwrap().path()) {
            std::fs::copy(&file, to.path().join(inside).join(file.file_name().unwrap())).unwrap();
        }
    }
    let text = std::fs::read_to_string(from.join("case.json")).unwrap();
    let mut case: serde_json::Value = serde_json::from_str(&text).unwrap();
    let bytes = std::fs::read(from.join("tensors.safetensors")).unwrap();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let owned =
        |(name, view): (String, TensorView<'_>)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec()));
    let mut tensors: Tensors = read.tensors().into_iter().map(owned).collect();
    change(&mut case, &mut tensors);
    std::fs::write(to.path().join("case.json"), case.to_string()).unwrap();
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, data))| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    std::fs::write(to.path().join("tensors.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    to
}

/// Format, shape and bytes by name.
type Tensors = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

/// The groups of a case, all of which must be within tolerance.
fn groups(folder: &std::path::Path) -> Vec<String> {
    let report = verify::run(folder, None, (DeviceChoice::Cpu, Precision::F32)).unwrap();
    assert!(report.ok(), "{report:#?}");
    report.groups.into_iter().map(|group| group.group).collect()
}

#[test]
fn what_a_case_calls_its_architecture_and_method_are_labels() {
    for (name, architecture, method) in [
        ("gpt2-lora-1x24-biases", "gpt2_small", "lora_all"),
        ("bert-prefix-seq", "bert_seq", "prefix"),
        ("opt-prefixproj-2x32-post", "opt350", "prefixproj_post"),
        ("t5-full-1x10-gated", "t5v11", "full_base"),
    ] {
        let case = changed(name, |case, _| {
            case["architecture"] = architecture.into();
            case["method"] = method.into();
        });
        assert_eq!(groups(case.path()), groups(&tests::golden_cases().join(name)), "{name}");
    }
    let case = changed("bert-prefix-seq", |case, _| case["task"] = "sentences".into());
    assert!(groups(case.path()).contains(&"train/losses".to_owned()), "the model says what it was saved for");
}

#[test]
fn a_case_that_trains_the_model_itself_begins_with_the_checkpoint_s_weights() {
    let case = changed("gpt2-full-1x24", |_, tensors| tensors.retain(|name, _| !name.starts_with("param/")));
    let found = groups(case.path());
    assert!(found.contains(&"train/losses".to_owned()) && found.iter().any(|name| name.starts_with("param_after/")));
}

#[test]
fn texts_of_beams_are_as_long_as_the_longest_of_them() {
    let name = "gpt2-prefix-2x44";
    let case = changed(name, |_, tensors| {
        for (name, (_, shape, data)) in tensors {
            let &[texts, width] = shape.as_slice() else { continue };
            if !name.starts_with("gen/beam") {
                continue;
            }
            let tokens: Vec<i64> = data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect();
            // The golden cases fill up with 1, which is their padding token.
            let longest = |row: &[i64]| row.iter().rposition(|&token| token != 1).map_or(0, |last| last + 1);
            let n = tokens.chunks_exact(width).map(longest).max().unwrap();
            *data = tokens.chunks_exact(width).flat_map(|row| row[..n].iter().flat_map(|t| t.to_le_bytes())).collect();
            *shape = vec![texts, n];
        }
    });
    assert_eq!(groups(case.path()), groups(&tests::golden_cases().join(name)));
}

#[test]
fn a_case_whose_model_is_of_another_architecture_is_refused_by_its_name() {
    let case = changed("gpt2-prefix-2x44", |_, _| ());
    let config = case.path().join("model/config.json");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"model_type\": \"gpt2\"", "\"model_type\": \"mamba\"")).unwrap();
    let error = verify::run(case.path(), None, (DeviceChoice::Cpu, Precision::F32)).unwrap_err();
    assert!(error.to_string().contains("mamba"), "{error}");
}

/// A copy of a case whose model's configuration has other options too.
fn with_options(name: &str, options: &serde_json::Value) -> tempfile::TempDir {
    let case = changed(name, |_, _| ());
    let path = case.path().join("model/config.json");
    let mut config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for (key, value) in options.as_object().unwrap() {
        config[key] = value.clone();
    }
    std::fs::write(&path, config.to_string()).unwrap();
    case
}

#[test]
fn a_roberta_of_another_language_is_a_roberta() {
    for model_type in ["xlm-roberta", "camembert"] {
        let case = with_options("roberta-full-fill", &serde_json::json!({ "model_type": model_type }));
        assert_eq!(groups(case.path()), groups(&tests::golden_cases().join("roberta-full-fill")), "{model_type}");
    }
}

#[test]
fn options_under_their_other_names_too_change_nothing() {
    let cases: [(&str, &[(&str, &str)]); 3] = [
        ("neox-prefix-2x48", &[]),
        ("gptneo-prefix-2x32", &[("num_layers", "num_hidden_layers"), ("num_heads", "num_attention_heads")]),
        ("gpt2-prefix-2x44", &[("n_embd", "hidden_size"), ("n_positions", "max_position_embeddings")]),
    ];
    for (name, both) in cases {
        let path = tests::golden_cases().join(name).join("model/config.json");
        let config: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let other = |(own, other): &(&str, &str)| ((*other).to_owned(), config[*own].clone());
        let mut options: serde_json::Map<_, _> = both.iter().map(other).collect();
        if let Some(rope) = config.get("rope_parameters") {
            options.insert("rotary_emb_base".to_owned(), rope["rope_theta"].clone());
            options.insert("rotary_pct".to_owned(), rope["partial_rotary_factor"].clone());
        }
        let case = with_options(name, &options.into());
        assert_eq!(groups(case.path()), groups(&tests::golden_cases().join(name)), "{name}");
    }
    let two = with_options("gpt2-prefix-2x44", &serde_json::json!({ "hidden_size": 45 }));
    let error = verify::run(two.path(), None, (DeviceChoice::Cpu, Precision::F32)).unwrap_err().to_string();
    assert!(error.contains("n_embd is 44") && error.contains("hidden_size 45"), "{error}");
}

#[test]
fn what_a_model_folder_has_and_nobody_reads_is_named_and_nothing_else() {
    for case in std::fs::read_dir(tests::golden_cases()).unwrap().map(|entry| entry.unwrap().path()) {
        let folder = ModelFolder::open(&case.join("model")).unwrap();
        assert_eq!(folder.options_notice(), None, "{}", case.display());
        let model = folder.load(&engine::device::cpu(), &mut |_| Ok(())).unwrap();
        assert_eq!(model.weights_notice(), None, "{}", case.display());
    }
    let case = with_options("gpt2-prefix-2x44", &serde_json::json!({ "attn_logit_softcapping": 30.0 }));
    let path = case.path().join("model/model.safetensors");
    let mut weights = engine::weights::read_floats(&path).unwrap();
    weights.insert("transformer.h.0.attn.bias".to_owned(), (vec![1], vec![1.0]));
    weights.insert("transformer.h.0.attn.relative.weight".to_owned(), (vec![2, 2], vec![1.0; 4]));
    engine::weights::write_floats(&path, &weights, None).unwrap();
    let folder = ModelFolder::open(&case.path().join("model")).unwrap();
    assert!(folder.options_notice().unwrap().to_string().contains("attn_logit_softcapping = 30.0"));
    let notice = folder.load(&engine::device::cpu(), &mut |_| Ok(())).unwrap().weights_notice().unwrap();
    assert!(
        notice.to_string().ends_with("attn.relative.weight"),
        "the constants of old checkpoints are no weights: {notice}"
    );
}
