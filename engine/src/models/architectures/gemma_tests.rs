//! The options of Gemma 1 to 3: what a file says, what it leaves out, and what is refused.

use serde_json::{Value, json};

use super::*;

fn parse(model_type: &str, changes: Value) -> Result<GemmaConfig> {
    let mut json = json!({
        "model_type": model_type, "vocab_size": 50, "hidden_size": 24, "intermediate_size": 30, "num_hidden_layers": 7,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 64,
        "sliding_window": 6,
    });
    for (key, value) in changes.as_object().into_iter().flatten() {
        json[key] = value.clone();
    }
    GemmaConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    let cases = [
        (GEMMA, json!({ "hidden_act": "swiglu" }), "hidden_act = swiglu"),
        (GEMMA, json!({ "hidden_act": "gelu", "hidden_activation": "relu" }), "hidden_activation = relu"),
        (GEMMA2, json!({ "hidden_activation": "silu", "hidden_act": "gelu" }), "hidden_act = gelu"),
        (GEMMA, json!({ "attn_logit_softcapping": 50.0 }), "attn_logit_softcapping = 50"),
        (GEMMA, json!({ "final_logit_softcapping": 30.0 }), "final_logit_softcapping = 30"),
        (GEMMA3, json!({ "attn_logit_softcapping": 50.0 }), "attn_logit_softcapping = 50"),
        (GEMMA2, json!({ "final_logit_softcapping": 0.0 }), "final_logit_softcapping = 0"),
        (GEMMA2, json!({ "use_bidirectional_attention": true }), "use_bidirectional_attention = true"),
        (GEMMA2, json!({ "layer_types": ["chunked_attention"] }), "layer_types = chunked_attention"),
        (GEMMA2, json!({ "layer_types": [SLIDING] }), "each layer's kind"),
        (GEMMA2, json!({ "sliding_window": null }), "and there is none"),
        (GEMMA3, json!({ "sliding_window": 0 }), "sliding_window is 0"),
        (GEMMA3, json!({ "sliding_window_pattern": 0 }), "sliding_window_pattern is 0"),
        (GEMMA, json!({ "partial_rotary_factor": 0.5 }), "partial_rotary_factor = 0.5"),
        (GEMMA2, json!({ "rope_scaling": { "type": "mrope" } }), "rope_type = mrope"),
        (GEMMA3, json!({ "rope_scaling": { "rope_type": "linear" } }), "rope_type = linear"),
        (GEMMA, json!({ "num_key_value_heads": 3 }), "share 3 key and value heads"),
        (GEMMA, json!({ "head_dim": 7 }), "7 of 7 numbers"),
    ];
    for (model_type, changes, said) in cases {
        let error = parse(model_type, changes).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn gelu_is_its_approximation_in_the_first_alone() {
    let of =
        |model_type, changes| parse(model_type, changes).expect("it is a model").activation().expect("it is known");
    assert_eq!(of(GEMMA, json!({ "hidden_act": "gelu", "hidden_activation": null })), Activation::GeluTanh);
    assert_eq!(
        of(GEMMA, json!({ "hidden_act": "gelu", "hidden_activation": "gelu_pytorch_tanh" })),
        Activation::GeluTanh
    );
    assert_eq!(of(GEMMA2, json!({ "hidden_activation": "gelu" })), Activation::Gelu);
    assert_eq!(of(GEMMA3, json!({})), Activation::GeluTanh);
}

#[test]
fn the_layers_with_a_window_are_those_of_the_reference() {
    let local = |model_type, changes| {
        let config = parse(model_type, changes).expect("it is a model");
        (0..7).filter(|&layer| config.is_local(layer)).collect::<Vec<_>>()
    };
    assert!(local(GEMMA, json!({})).is_empty());
    assert_eq!(local(GEMMA2, json!({})), [0, 2, 4, 6]);
    assert_eq!(local(GEMMA3, json!({})), [0, 1, 2, 3, 4, 6]);
    assert_eq!(local(GEMMA3, json!({ "sliding_window_pattern": 3 })), [0, 1, 3, 4, 6]);
    let mut kinds = vec!["full_attention"; 7];
    kinds[5] = SLIDING;
    assert_eq!(local(GEMMA2, json!({ "layer_types": kinds })), [5]);
    let window = |changes| parse(GEMMA2, changes).expect("it is a model").window();
    assert_eq!(window(json!({})).expect("it has one").columns, 6);
    assert_eq!(window(json!({ "sliding_window": 64 })), None, "nothing is that far back");
}

#[test]
fn what_a_file_leaves_out_is_what_transformers_takes() {
    let bare = |model_type: &str| {
        let json = json!({ "model_type": model_type });
        let file = ConfigFile::new(json, std::path::Path::new("config.json"));
        GemmaConfig::parse(&file).expect("it is a model")
    };
    let of = |config: &GemmaConfig| (config.attn_logit_softcapping, config.final_logit_softcapping, config.head_dim);
    assert_eq!(of(&bare(GEMMA)), (None, None, 256));
    assert_eq!(of(&bare(GEMMA2)), (Some(50.0), Some(30.0), 256));
    assert_eq!(of(&bare(GEMMA3)), (None, None, 256));
    assert_eq!(bare(GEMMA3).attention().scale, 1.0 / 16.0);
    assert!(bare(GEMMA).is_tied() && bare(GEMMA3).local_rope.is_some());
    let none = parse(GEMMA2, json!({ "attn_logit_softcapping": null, "final_logit_softcapping": null }));
    assert_eq!(of(&none.expect("it is a model")), (None, None, 8));
}

#[test]
fn what_published_files_say_is_looked_at() {
    let published = json!({
        "architectures": ["Gemma2ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid", "eos_token_id": 1,
        "final_logit_softcapping": 30.0, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 2304, "initializer_range": 0.02,
        "intermediate_size": 9216, "max_position_embeddings": 8192, "model_type": "gemma2", "num_attention_heads": 8,
        "num_hidden_layers": 26, "num_key_value_heads": 4, "pad_token_id": 0, "query_pre_attn_scalar": 256,
        "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096, "torch_dtype": "float32",
        "transformers_version": "4.42.4", "use_cache": true, "vocab_size": 256000,
    });
    let file = ConfigFile::new(published, std::path::Path::new("config.json"));
    assert_eq!(GemmaConfig::parse(&file).expect("it is a model").window().expect("it has one").n_layers(), 13);
    assert_eq!(file.unread(), [""; 0]);
    let published = json!({
        "architectures": ["Gemma3ForCausalLM"], "attention_bias": false, "attention_dropout": 0.0,
        "attn_logit_softcapping": null, "cache_implementation": "hybrid", "final_logit_softcapping": null,
        "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh", "hidden_size": 1152, "intermediate_size": 6912,
        "max_position_embeddings": 32768, "model_type": "gemma3_text", "num_attention_heads": 4,
        "num_hidden_layers": 26, "num_key_value_heads": 1, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 10000, "rope_scaling": null, "rope_theta": 1000000, "sliding_window": 512,
        "sliding_window_pattern": 6, "vocab_size": 262144,
    });
    let file = ConfigFile::new(published, std::path::Path::new("config.json"));
    assert_eq!(GemmaConfig::parse(&file).expect("it is a model").window().expect("it has one").n_layers(), 22);
    assert_eq!(file.unread(), [""; 0]);
}

#[test]
fn the_scale_of_embeddings_is_rounded_as_the_reference_rounds_it() {
    assert_eq!(embedding_scale(3072, Precision::F32), f64::from(3072.0_f32.sqrt()));
    assert_eq!(embedding_scale(3072, Precision::Bf16), 55.5);
    assert_eq!(embedding_scale(2304, Precision::F16), 48.0);
}
