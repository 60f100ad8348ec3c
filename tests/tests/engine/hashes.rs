//! Names of adapters: run folders and databases keep them, so what an adapter is called never changes.

use std::path::Path;

use engine::adapters::formats;
use engine::weights::{Floats, write_floats};
use tests::golden_cases;

/// Golden adapters of every method and what they are called.
const GOLDEN: [(&str, &str); 17] = [
    ("gpt2-prefix-2x44", "af133dd26236"),
    ("gpt2-prefixproj-2x44", "05bb1811efcb"),
    ("gpt2-prefix-3x32-layers", "5e3c49b5805d"),
    ("gpt2-prefix-2x32-infix", "e8f8e89ce3dd"),
    ("llama-cartridge-2x32", "2c197ff0d827"),
    ("bert-prefix-seq", "6784b970220c"),
    ("t5-prefix-2x40", "3fa15607d65e"),
    ("gpt2-prompt-2x24", "7c22e00dc531"),
    ("t5-prompt-1x24", "46bb5b000efb"),
    ("gpt2-ptlstm-1x20", "ae5b7c703ae3"),
    ("gpt2-multitask-2x32", "b0c774a7356e"),
    ("gpt2-lora-2x24-rs", "a2749b88a4b0"),
    ("gpt2-lora-1x16-tokens", "90d0cc7efed8"),
    ("gpt2-lora-1x24-biases", "9509070a91cf"),
    ("bert-lora-seq", "92c227e5834c"),
    ("../loaded/llama-lora-1x16-pissa", "47e1cb8acabb"),
    ("../loaded/llama-lora-1x16-copies", "c24efcfd9b94"),
];

/// Folders of our own forms and what they are called.
const OURS: [(&str, &str); 6] = [
    ("by_site", "973111c3aab8"),
    ("unshifted", "56ced052f604"),
    ("few_shot", "988629782b6f"),
    ("weights", "d7ea36e460ca"),
    ("combined", "fc18194132aa"),
    ("head", "d7ea36e460ca"),
];

#[test]
fn an_adapter_is_called_as_it_always_was() {
    for (case, name) in GOLDEN {
        assert_eq!(hash(&golden_cases().join(case).join("adapter")), name, "{case}");
    }
}

#[test]
fn an_adapter_of_our_own_forms_is_called_as_it_always_was() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let by_site = r#"{"num_virtual_tokens": 2, "peft_type": "PREFIX_BY_SITE", "prefix_projection": false, "sites": {
        "encoder": {"head_dim": 2, "num_attention_heads": 1, "num_layers": 1},
        "decoder": {"head_dim": 2, "num_attention_heads": 1, "num_layers": 2},
        "cross": {"head_dim": 2, "num_attention_heads": 1, "num_layers": 2}}}"#;
    let sites = [("encoder", 4), ("decoder", 8), ("cross", 8)];
    let sites = sites.map(|(site, row)| tensor(&format!("{site}.prompt_embeddings"), &[2, row]));
    folder(&home.join("by_site"), by_site, sites);
    let prefix = r#"{"num_attention_heads": 1, "num_layers": 2, "num_virtual_tokens": 2, "peft_type": "PREFIX_TUNING",
        "task_type": "CAUSAL_LM", "token_dim": 2}"#;
    let embeddings = || [tensor("prompt_embeddings", &[2, 8])];
    folder(&home.join("unshifted"), prefix, embeddings());
    std::fs::write(home.join("unshifted/positions.json"), r#"{"positions": "unshifted", "layers": [1]}"#).unwrap();
    folder(&home.join("few_shot"), r#"{"peft_type": "TEXT", "text": "Say it."}"#, []);
    let weights = [tensor("ln_f.bias", &[3]), tensor("wte.weight", &[2, 3])];
    folder(&home.join("weights"), r#"{"peft_type": "WEIGHTS"}"#, weights);
    let task = r#"{"peft_type": "WEIGHTS", "task": {"task": "sequence_classification", "classes": ["no", "yes"]}}"#;
    folder(&home.join("head"), task, [tensor("head:score.weight", &[2, 3]), tensor("ln_f.bias", &[3])]);
    let parts = r#"{"parts": ["prefix", "lora"], "peft_type": "COMBINED", "task": {"task": "causal"}}"#;
    folder(&home.join("combined"), parts, []);
    folder(&home.join("combined/prefix"), prefix, embeddings());
    let lora = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "all", "task_type": "CAUSAL_LM"}"#;
    let beside = ["h.0.attn.c_attn.lora_A.weight", "h.0.attn.c_attn.lora_B.weight", "h.0.ln_1.bias"];
    let shapes: [&[usize]; 3] = [&[2, 3], &[9, 2], &[3]];
    let tensors = [0, 1, 2].map(|at| tensor(&format!("base_model.model.{}", beside[at]), shapes[at]));
    folder(&home.join("combined/lora"), lora, tensors);
    for (form, name) in OURS {
        assert_eq!(hash(&home.join(form)), name, "{form}");
    }
}

fn hash(folder: &Path) -> String {
    formats::read(folder, None).unwrap().hash()
}

/// Numbers that all differ.
fn tensor(name: &str, shape: &[usize]) -> (String, (Vec<usize>, Vec<f32>)) {
    let values = (0..shape.iter().product()).map(|i: usize| i as f32 / 4.0 - 1.0).collect();
    (name.to_owned(), (shape.to_vec(), values))
}

fn folder(path: &Path, config: &str, tensors: impl IntoIterator<Item = (String, (Vec<usize>, Vec<f32>))>) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::write(path.join("adapter_config.json"), config).unwrap();
    let tensors: Floats = tensors.into_iter().collect();
    if !tensors.is_empty() {
        write_floats(&path.join("adapter_model.safetensors"), &tensors, None).unwrap();
    }
}
