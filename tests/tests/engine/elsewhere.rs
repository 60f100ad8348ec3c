//! What was trained, for other programs: states and adapters of llama.cpp, models in GGUF, prompt embeddings of vLLM. What
//! these programs compute with it: tests/golden/llama_cpp.mjs.

use std::path::{Path, PathBuf};

use engine::adapters::{CacheForm, GgufNumbers, Program};
use engine::data::Tokenizer;
use engine::device::cpu;
use engine::models::{ModelFolder, Role};
use engine::protocol::{Ask, Report};
use engine::weights::gguf::{GgufFile, Value, read_metadata};
use engine::weights::{Floats, read_floats, write_floats};
use tests::{Talk, golden_cases};

fn file(case: &str) -> PathBuf {
    golden_cases().join(case).join("model/model.gguf")
}

fn adapter(case: &str) -> PathBuf {
    golden_cases().join(case).join("adapter")
}

/// Matrices of rank 1 beside the first linear layer of a model, which add this to each of its weights.
fn beside(home: &Path, model: &Path, added: f32) -> PathBuf {
    let folder = home.join("adapter");
    std::fs::create_dir_all(&folder).unwrap();
    let linears = ModelFolder::open(model).unwrap().summary().linears;
    let layer = linears.iter().find(|linear| linear.role == Role::Layer).unwrap();
    let tensors = Floats::from([
        (format!("base_model.model.{}.lora_A.weight", layer.name), (vec![1, layer.d_in], vec![1.0; layer.d_in])),
        (format!("base_model.model.{}.lora_B.weight", layer.name), (vec![layer.d_out, 1], vec![added; layer.d_out])),
    ]);
    write_floats(&folder.join("adapter_model.safetensors"), &tensors, None).unwrap();
    let config = format!(
        r#"{{"peft_type": "LORA", "r": 1, "lora_alpha": 1, "task_type": "CAUSAL_LM", "fan_in_fan_out": {},
            "target_modules": [{:?}]}}"#,
        layer.is_in_out, layer.name
    );
    std::fs::write(folder.join("adapter_config.json"), config).unwrap();
    folder
}

fn refusal(ask: Ask) -> String {
    let talk = Talk::new();
    talk.send(ask);
    match talk.until_end().pop() {
        Some(Report::Failed(failure)) => failure.what.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Whether two numbers are the same in 16 bits.
fn is_near(a: f32, b: f32) -> bool {
    (a - b).abs() <= a.abs() / 1024.0 + 1e-6
}

#[test]
fn a_folder_that_was_made_of_a_file_is_the_file_again() {
    for case in [
        "gguf-llama-prefix",
        "gguf-qwen2-lora",
        "gguf-qwen3-prefix",
        "gguf-gpt2-lora",
        "gguf-neox-prefix",
        "gguf-bloom-prefix",
        "gguf-phi2-prefix",
        "gguf-stablelm-prefix",
        "gguf-gemma-prefix",
    ] {
        let home = tempfile::tempdir().unwrap();
        let (folder, again) = (home.path().join("folder"), home.path().join("again.gguf"));
        let nothing = beside(home.path(), &file(case), 0.0);
        Talk::new().run(Ask::Merge { adapter: nothing.clone(), model: file(case), to: folder.clone() });
        let numbers = GgufNumbers::F16;
        Talk::new().run(Ask::MergeGguf { adapter: nothing, model: folder, numbers, to: again.clone() });
        let (before, after) = (ModelFolder::open(&file(case)).unwrap(), ModelFolder::open(&again).unwrap());
        assert_eq!((after.shape(), after.options_notice()), (before.shape(), None), "{case}");
        for (name, shape) in before.files().shapes() {
            let [one, other] = [&before, &after].map(|model| model.files().floats(name).unwrap());
            let ((found, one), (_, other)) = (one.unwrap(), other.unwrap_or_else(|| panic!("{case}: no {name}")));
            assert_eq!(found, shape, "{case}: {name}");
            assert!(one.iter().zip(&other).all(|(a, b)| is_near(*a, *b)), "{case}: {name}");
        }
        let ids = |model: &Path| Tokenizer::from_folder(model).unwrap().encode("the prefix's 12 words").unwrap();
        assert_eq!(ids(&again), ids(&file(case)), "{case}");
        after.load(&cpu(), &mut |_| Ok(())).unwrap();
    }
}

#[test]
fn a_merged_file_keeps_what_was_not_changed_and_has_what_the_merged_folder_has() {
    let home = tempfile::tempdir().unwrap();
    let (model, folder) = (file("gguf-q8_0-prefix"), home.path().join("folder"));
    let adapter = beside(home.path(), &model, 0.25);
    Talk::new().run(Ask::Merge { adapter: adapter.clone(), model: model.clone(), to: folder.clone() });
    let [base, merged] = [&model, &folder].map(|model| ModelFolder::open(model).unwrap());
    for (numbers, near) in [(GgufNumbers::F16, 1e-3), (GgufNumbers::Q8_0, 0.02), (GgufNumbers::Q4_0, 0.2)] {
        let to = home.path().join(format!("{numbers}/tuned.gguf"));
        let (adapter, model, to_write) = (adapter.clone(), model.clone(), to.clone());
        Talk::new().run(Ask::MergeGguf { adapter, model, numbers, to: to_write });
        let tuned = ModelFolder::open(&to).unwrap();
        let mut n_changed = 0;
        for (name, _) in base.files().shapes() {
            let [was, wanted, is] =
                [&base, &merged, &tuned].map(|model| model.files().floats(name).unwrap().unwrap().1);
            if was == wanted {
                assert_eq!(is, was, "{numbers}: {name}");
            } else {
                n_changed += 1;
                assert!(is.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < near), "{numbers}: {name}");
            }
        }
        assert_eq!(n_changed, 1);
        let kept = |key: &str| [&file("gguf-q8_0-prefix"), &to].map(|file| read_metadata(file).unwrap()[key].clone());
        let [one, other] = kept("tokenizer.ggml.tokens");
        assert_eq!(one, other);
    }
    let (model, to) = (file("gguf-q8_0-prefix"), home.path().join("f16/tuned.gguf"));
    let said = refusal(Ask::MergeGguf { adapter, model, numbers: GgufNumbers::F16, to });
    assert!(said.contains("is there already"), "{said}");
}

#[test]
fn low_ranks_are_an_adapter_by_llama_cpps_names() {
    let home = tempfile::tempdir().unwrap();
    for (case, tensor, shapes) in [
        ("gguf-qwen2-lora", "blk.0.attn_q.weight", [[2, 32], [32, 2]]),
        ("gguf-gpt2-lora", "blk.0.attn_qkv.weight", [[2, 32], [96, 2]]),
        ("gguf-neox-q4_0-lora", "blk.0.attn_qkv.weight", [[2, 64], [192, 2]]),
    ] {
        let to = home.path().join(format!("{case}.gguf"));
        let program = Program::LlamaCpp(CacheForm::default());
        Talk::new().run(Ask::ExportFor { adapter: adapter(case), model: file(case), program, to: to.clone() });
        let written = GgufFile::open(&to).unwrap();
        assert_eq!(written.metadata["adapter.type"], Value::Text("lora".to_owned()));
        assert!(written.shapes().all(|(name, _)| name.ends_with(".lora_a") || name.ends_with(".lora_b")));
        for (end, shape) in ["a", "b"].into_iter().zip(shapes) {
            let found = written.shape(&format!("{tensor}.lora_{end}"));
            assert_eq!(found, Some(shape.as_slice()), "{case}: {tensor}");
        }
    }
}

#[test]
fn a_prefix_is_the_state_of_as_many_tokens() {
    let home = tempfile::tempdir().unwrap();
    let (case, to) = ("gguf-qwen3-prefix", home.path().join("states/prefix.ggsq"));
    let program = Program::LlamaCpp(CacheForm::default());
    Talk::new().run(Ask::ExportFor { adapter: adapter(case), model: file(case), program, to: to.clone() });
    let bytes = std::fs::read(&to).unwrap();
    let shape = ModelFolder::open(&file(case)).unwrap().shape();
    let (n, row) = (3, shape.n_kv_heads * shape.d_head * 2);
    assert_eq!(bytes[..12], *b"qsgg\x03\0\0\0\x03\0\0\0");
    let cells = 12 + 4 * n + 8 + 12 * n + 8;
    assert_eq!(bytes.len(), cells + 2 * shape.n_layers * (12 + n * row));
}

#[test]
fn a_soft_prompt_is_one_tensor_of_pytorch() {
    let home = tempfile::tempdir().unwrap();
    let (case, to) = ("gguf-q4_1-prompt", home.path().join("prompt.pt"));
    let program = Program::Vllm;
    Talk::new().run(Ask::ExportFor { adapter: adapter(case), model: file(case), program, to: to.clone() });
    let bytes = std::fs::read(&to).unwrap();
    let tensors = read_floats(&adapter(case).join("adapter_model.safetensors")).unwrap();
    let (_, values) = &tensors["prompt_embeddings"];
    let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(has(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n") && has(&values));
}

#[test]
fn what_another_program_has_no_place_for_is_refused_and_nothing_is_written() {
    let home = tempfile::tempdir().unwrap();
    let folder = |case: &str| golden_cases().join(case).join("model");
    let llama_cpp = Program::LlamaCpp(CacheForm::default());
    for (case, model, program, name, said) in [
        ("bert-prefix-seq", folder("bert-prefix-seq"), llama_cpp, "a.ggsq", "a prefix alone"),
        ("t5-prefix-2x40", folder("t5-prefix-2x40"), llama_cpp, "a.ggsq", "goes on with a text"),
        ("gptneo-prefix-2x32", folder("gptneo-prefix-2x32"), llama_cpp, "a.ggsq", "gpt_neo is not known"),
        ("gguf-gemma2-prefix", file("gguf-gemma2-prefix"), llama_cpp, "a.ggsq", "cache of their own"),
        ("gguf-q4_1-prompt", file("gguf-q4_1-prompt"), llama_cpp, "a.ggsq", "a prefix alone"),
        ("gguf-llama-prefix", file("gguf-llama-prefix"), llama_cpp, "a.gguf", ".ggsq"),
        ("gguf-qwen2-lora", file("gguf-qwen2-lora"), llama_cpp, "a.ggsq", ".gguf"),
        ("gguf-llama-prefix", file("gguf-llama-prefix"), Program::Vllm, "a.pt", "a soft prompt alone"),
    ] {
        let to = home.path().join(name);
        let found = refusal(Ask::ExportFor { adapter: adapter(case), model, program, to: to.clone() });
        assert!(found.contains(said), "{case}: {found}");
        assert!(!to.exists(), "{case}");
    }
    let model = folder("gemma2-prefix-2x32");
    let adapter = beside(home.path(), &model, 0.0);
    let to = home.path().join("gemma2.gguf");
    let said = refusal(Ask::MergeGguf { adapter, model, numbers: GgufNumbers::F16, to });
    assert!(said.contains("gemma2"), "{said}");
}
