//! The options of BART, mBART and Pegasus, and the bias of their logits.

use serde_json::{Value, json};

use super::*;
use crate::nn::{Head, head_logits};

fn parse(changes: Value) -> Result<BartConfig> {
    let mut json = json!({
        "model_type": "bart", "vocab_size": 50, "d_model": 24, "encoder_layers": 2, "decoder_layers": 3,
        "encoder_attention_heads": 4, "decoder_attention_heads": 2, "encoder_ffn_dim": 30, "decoder_ffn_dim": 20,
        "max_position_embeddings": 64,
    });
    for (key, value) in changes.as_object().into_iter().flatten() {
        json[key] = value.clone();
    }
    BartConfig::parse(&ConfigFile::new(json, std::path::Path::new("config.json")))
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    let cases = [
        (json!({ "normalize_before": true }), "normalize_before = true is not supported for bart"),
        (json!({ "model_type": "mbart", "add_final_layer_norm": false }), "add_final_layer_norm = false"),
        (json!({ "static_position_embeddings": true }), "static_position_embeddings = true"),
        (json!({ "model_type": "pegasus", "normalize_embedding": true }), "normalize_embedding = true"),
        (json!({ "activation_function": "swiglu" }), "activation_function = swiglu"),
        (json!({ "decoder_attention_heads": 5 }), "5 heads"),
        (json!({ "encoder_layers": 0 }), "encoder_layers is 0"),
    ];
    for (changes, said) in cases {
        let error = parse(changes).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(parse(json!({ "normalize_before": false, "normalize_embedding": true })).is_ok());
}

#[test]
fn encoder_and_decoder_may_differ_in_layers_and_heads() {
    let config = parse(json!({})).unwrap();
    let (encoder, decoder) = (config.sizes_of_encoder(), config.shape());
    assert_eq!((encoder.n_layers, encoder.n_heads, encoder.d_head, encoder.d_ff), (2, 4, 6, 30));
    assert_eq!((decoder.n_layers, decoder.n_heads, decoder.d_head, decoder.d_ff), (3, 2, 12, 20));
}

#[test]
fn a_target_starts_as_its_architecture_says() {
    let start = |changes| parse(changes).unwrap().target_tokens().before_labels().token;
    assert_eq!(start(json!({})), Some(2));
    assert_eq!(start(json!({ "model_type": "pegasus" })), Some(0));
    assert_eq!(start(json!({ "model_type": "mbart", "decoder_start_token_id": 5 })), None, "its last token does");
}

#[test]
fn a_bias_beside_a_head_keeps_its_bits_if_both_have_16() {
    let device = crate::device::cpu();
    let head = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device).cast(DType::BF16);
    let bias = Tensor::<2>::from_data([[0.5, 0.25]], &device);
    for (bias, kept) in [(bias.clone().cast(DType::BF16), DType::BF16), (bias, DType::F32)] {
        let both = with_column(&(&head).into(), &bias.transpose().into());
        assert_eq!(both.dtype(), Some(kept));
        let hidden = Tensor::<2>::ones([1, 3], &device);
        let logits: Vec<f32> = head_logits(hidden, Head::new(both)).try_into_vec_as().unwrap();
        assert_eq!(logits, [3.5, 7.25]);
    }
}
