//! Files with a header alone, as each family has it.

use serde_json::{Value as Json, json};

use super::*;
use crate::weights::gguf::written::{Written, floats};
use crate::weights::gguf::{Change, Value};

/// The metadata of a small model: two layers, four heads, two of them for keys.
fn model(architecture: &str) -> Written {
    let entry = |key: &str| format!("{architecture}.{key}");
    let mut file = Written::new().with("general.architecture", Value::Text(architecture.into()));
    for (key, size) in [
        ("context_length", 64),
        ("embedding_length", 16),
        ("feed_forward_length", 24),
        ("block_count", 2),
        ("attention.head_count", 4),
        ("attention.head_count_kv", if ["gpt2", "bloom"].contains(&architecture) { 4 } else { 2 }),
    ] {
        file = file.with(&entry(key), Value::Unsigned(size));
    }
    file.with(&entry("attention.layer_norm_rms_epsilon"), Value::Float(1e-5))
        .with(&entry("attention.layer_norm_epsilon"), Value::Float(1e-5))
        .with("tokenizer.ggml.eos_token_id", Value::Unsigned(2))
        .with("tokenizer.ggml.padding_token_id", Value::Unsigned(3))
        .tensor(floats("token_embd.weight", &[10, 16], &[0.0; 160]))
}

fn translated(file: &Written) -> Result<(Json, BTreeMap<String, View>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, file.bytes()).expect("a file");
    translate(&GgufFile::open(&path)?)
}

fn config(file: &Written) -> Json {
    translated(file).expect("it is a model").0
}

fn refusal(file: &Written) -> String {
    translated(file).expect_err("it is none").to_string()
}

#[test]
fn what_the_metadata_says_is_said_as_config_json_says_it() {
    let file = model("llama").with("llama.rope.freq_base", Value::Float(5e5));
    let found = config(&file);
    for (option, value) in [
        ("model_type", json!("llama")),
        ("vocab_size", json!(10)),
        ("hidden_size", json!(16)),
        ("intermediate_size", json!(24)),
        ("num_hidden_layers", json!(2)),
        ("num_attention_heads", json!(4)),
        ("num_key_value_heads", json!(2)),
        ("head_dim", json!(4)),
        ("max_position_embeddings", json!(64)),
        ("rms_norm_eps", json!(f64::from(1e-5_f32))),
        ("rope_theta", json!(5e5)),
        ("tie_word_embeddings", json!(true)),
        ("attention_bias", json!(false)),
        ("eos_token_id", json!(2)),
        ("pad_token_id", json!(3)),
        ("bos_token_id", Json::Null),
    ] {
        assert_eq!(found[option], value, "{option}");
    }
    let ends = file.with("tokenizer.ggml.eot_token_id", Value::Unsigned(7));
    let with_head = ends.tensor(floats("output.weight", &[10, 16], &[0.0; 160]));
    let found = config(&with_head);
    assert_eq!((&found["eos_token_id"], &found["tie_word_embeddings"]), (&json!([2, 7]), &json!(false)));
}

#[test]
fn what_llama_cpp_has_in_its_code_stands_in_the_configuration() {
    let gemma2 = config(&model("gemma2").with("gemma2.attention.key_length", Value::Unsigned(8)));
    assert_eq!((&gemma2["head_dim"], &gemma2["query_pre_attn_scalar"]), (&json!(8), &json!(8)));
    assert_eq!(gemma2["layer_types"], json!(["sliding_attention", "full_attention"]));
    assert_eq!((&gemma2["attn_logit_softcapping"], &gemma2["final_logit_softcapping"]), (&json!(50.0), &json!(30.0)));
    let gemma3 = config(&model("gemma3").with("gemma3.attention.sliding_window", Value::Unsigned(8)));
    assert_eq!((&gemma3["model_type"], &gemma3["rope_theta"]), (&json!("gemma3_text"), &json!(1e6)));
    assert_eq!(gemma3["layer_types"], json!(["sliding_attention", "sliding_attention"]));
    let pattern = Value::Bools(vec![false, true]);
    let gemma3 = config(&model("gemma3").with("gemma3.attention.sliding_window_pattern", pattern));
    assert_eq!(gemma3["layer_types"], json!(["full_attention", "sliding_attention"]));
    let phi3 = config(&model("phi3").with("phi3.attention.sliding_window", Value::Unsigned(0)));
    assert_eq!((&phi3["sliding_window"], &phi3["original_max_position_embeddings"]), (&Json::Null, &json!(64)));
    let neox = config(&model("gptneox").with("gptneox.rope.dimension_count", Value::Unsigned(1)));
    assert_eq!((&neox["partial_rotary_factor"], &neox["use_parallel_residual"]), (&json!(0.25), &json!(true)));
    let glm = config(&model("chatglm").with("chatglm.rope.freq_base", Value::Float(5e6)));
    assert_eq!((&glm["model_type"], &glm["rope_theta"]), (&json!("glm"), &json!(5e6)));
    assert_eq!(config(&model("chatglm"))["model_type"], "chatglm");
}

#[test]
fn a_scaling_is_said_and_one_that_is_not_known_is_refused() {
    let kind = |kind: &str| model("qwen2").with("qwen2.rope.scaling.type", Value::Text(kind.into()));
    let linear = kind("linear").with("qwen2.rope.scaling.factor", Value::Float(4.0));
    assert_eq!(config(&linear)["rope_scaling"], json!({"rope_type": "linear", "factor": 4.0}));
    assert_eq!(config(&kind("none")).get("rope_scaling"), None);
    let yarn = kind("yarn").with("qwen2.rope.scaling.factor", Value::Float(4.0));
    let yarn = config(&yarn.with("qwen2.rope.scaling.original_context_length", Value::Unsigned(32)));
    let expected = json!({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32});
    assert_eq!(yarn["rope_scaling"], expected);
    let old = config(&model("llama").with("llama.rope.scale_linear", Value::Float(2.0)));
    assert_eq!(old["rope_scaling"], json!({"rope_type": "linear", "factor": 2.0}));
    let strange = refusal(&model("llama").tensor(floats("rope_freqs.weight", &[2], &[3.0, 7.0])));
    assert!(strange.contains("rope_freqs.weight"), "{strange}");
    let long = model("phi3").tensor(floats("rope_factors_long.weight", &[2], &[2.0, 3.0]));
    let long = config(&long.tensor(floats("rope_factors_short.weight", &[2], &[1.0, 1.5])));
    let expected = json!({"rope_type": "longrope", "long_factor": [2.0, 3.0], "short_factor": [1.0, 1.5]});
    assert_eq!(long["rope_scaling"], expected);
}

#[test]
fn weights_have_hugging_faces_names_and_their_order_is_undone() {
    let file = model("llama")
        .tensor(floats("blk.1.attn_q.weight", &[16, 16], &[0.0; 256]))
        .tensor(floats("blk.1.attn_k.weight", &[8, 16], &[0.0; 128]))
        .tensor(floats("blk.1.ffn_gate.weight", &[24, 16], &[0.0; 384]))
        .tensor(floats("blk.01.ffn_gate.weight", &[1], &[0.0]))
        .tensor(floats("mystery", &[1], &[0.0]));
    let (_, views) = translated(&file).unwrap();
    let view = |weight: &str| &views[weight];
    assert_eq!(view("model.embed_tokens.weight").tensor, "token_embd.weight");
    assert_eq!(view("model.layers.1.mlp.gate_proj.weight").change, Change::Nothing);
    let Change::Rows(rows) = &view("model.layers.1.self_attn.k_proj.weight").change else { panic!("no order") };
    assert_eq!(**rows, [0, 2, 1, 3, 4, 6, 5, 7]);
    assert!(views.contains_key("mystery") && views.contains_key("blk.01.ffn_gate.weight"), "what is not known is told");
    let gemma = model("gemma").tensor(floats("output_norm.weight", &[16], &[1.0; 16]));
    assert_eq!(translated(&gemma).unwrap().1["model.norm.weight"].change, Change::LessOne);
    let gpt2 = model("gpt2").tensor(floats("blk.0.attn_qkv.weight", &[48, 16], &[0.0; 768]));
    let gpt2 = translated(&gpt2.tensor(floats("blk.0.attn_qkv.bias", &[48], &[0.0; 48]))).unwrap().1;
    assert_eq!(gpt2["transformer.h.0.attn.c_attn.weight"].change, Change::Transposed);
    assert_eq!(gpt2["transformer.h.0.attn.c_attn.bias"].change, Change::Nothing);
    let phi2 = model("phi2").tensor(floats("blk.0.attn_qkv.weight", &[32, 16], &[0.0; 512]));
    let phi2 = translated(&phi2).unwrap().1;
    let Change::Rows(rows) = &phi2["model.layers.0.self_attn.v_proj.weight"].change else { panic!("no part") };
    assert_eq!(**rows, [24, 25, 26, 27, 28, 29, 30, 31]);
}

#[test]
fn what_is_not_known_is_named() {
    let said = refusal(&model("mamba"));
    assert!(said.contains("mamba") && said.contains("gptneox") && said.contains("qwen3"), "{said}");
    assert!(refusal(&Written::new()).contains("general.architecture"));
    let bare = Written::new().with("general.architecture", Value::Text("llama".into()));
    assert!(refusal(&bare).contains("llama."), "a size is missing");
    assert!(refusal(&model("llama").with("llama.expert_count", Value::Unsigned(8))).contains("llama.expert_count = 8"));
    let uneven = model("llama").with("llama.attention.value_length", Value::Unsigned(3));
    assert!(refusal(&uneven).contains("attention.value_length"));
    let odd = model("llama").tensor(floats("blk.0.attn_q.weight", &[6, 16], &[0.0; 96]));
    assert!(refusal(&odd).contains("blk.0.attn_q.weight of shape [6, 16]"));
    let twice = model("llama").tensor(floats("model.embed_tokens.weight", &[1], &[0.0]));
    assert!(refusal(&twice).contains("the same weight"));
    let further = config(&model("llama").with("llama.logit_scale", Value::Float(8.0)));
    assert_eq!(further["llama.logit_scale"], 8.0, "what nobody asked for is left to be told");
}
