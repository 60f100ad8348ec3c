//! The metadata of a file from what `config.json` says: `config.rs`, backwards. What llama.cpp would compute otherwise is
//! refused.
//!
//! ggml-org/llama.cpp: conversion/*.py, gguf-py/gguf/constants.py.

use serde::Deserialize;

use super::layout::GgufLayout;
use crate::Sentence;
use crate::error::{EngineError, Result};
use crate::models::load::{ConfigFile, RopeSettings};
use crate::sentence;
use crate::weights::gguf::{Metadata, Value};

/// What a file says beside sizes and positions.
#[derive(Deserialize)]
struct Options {
    rms_norm_eps: Option<f64>,
    layer_norm_eps: Option<f64>,
    layer_norm_epsilon: Option<f64>,
    hidden_act: Option<String>,
    hidden_activation: Option<String>,
    activation_function: Option<String>,
    use_parallel_residual: Option<bool>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
}

/// Families whose metadata is written, and the activations that llama.cpp has for them: transformers' names for each.
const WRITTEN: [(&str, &[&str]); 9] = [
    ("llama", &["silu"]),
    ("qwen2", &["silu"]),
    ("qwen3", &["silu"]),
    ("stablelm", &["silu"]),
    ("gemma", GELU_TANH),
    ("phi2", GELU_TANH),
    ("gpt2", GELU_TANH),
    ("gptneox", &["gelu", "gelu_new", "gelu_pytorch_tanh"]),
    ("bloom", &[]),
];
const GELU_TANH: &[&str] = &["gelu_new", "gelu_pytorch_tanh", "gelu_fast"];

/// Families without rotary positions.
const WITHOUT_ROPE: [&str; 2] = ["gpt2", "bloom"];

/// The metadata of a model, without a tokenizer, and the factors of its frequencies where they are a tensor of the file.
///
/// # Errors
/// [`EngineError::NoPlace`] for a family whose metadata is not written here, or an option that llama.cpp does not compute.
pub(crate) fn metadata(layout: &GgufLayout, config: &ConfigFile) -> Result<(Metadata, Option<Vec<f32>>)> {
    let (family, shape) = (layout.architecture(), layout.shape());
    let Some((_, activations)) = WRITTEN.iter().find(|(name, _)| *name == family) else {
        let known = WRITTEN.map(|(name, _)| name).join(", ");
        return refused(sentence!(
            "the metadata of {family} is not written here; written are {known}: merge into a model in GGUF, whose metadata is \
             kept",
            family,
            known
        ));
    };
    let options: Options = config.read(&[])?;
    options.check(activations, shape.n_positions)?;
    let mut metadata = Metadata::from([("general.architecture".to_owned(), Value::Text(family.to_owned()))]);
    let mut say = |key: &str, value: Value| metadata.insert(format!("{family}.{key}"), value);
    let size = |n: usize| Value::Unsigned(n as u64);
    say("context_length", size(shape.n_positions));
    say("embedding_length", size(shape.d_model));
    say("block_count", size(shape.n_layers));
    say("feed_forward_length", size(shape.d_ff));
    say("attention.head_count", size(shape.n_heads));
    say("attention.head_count_kv", size(shape.n_kv_heads));
    say("vocab_size", size(shape.vocab_size));
    if let Some(epsilon) = options.rms_norm_eps {
        say("attention.layer_norm_rms_epsilon", Value::Float(epsilon));
    }
    if let Some(epsilon) = options.layer_norm_eps.or(options.layer_norm_epsilon) {
        say("attention.layer_norm_epsilon", Value::Float(epsilon));
    }
    if let Some(is_parallel) = options.use_parallel_residual {
        say("use_parallel_residual", Value::Bool(is_parallel));
    }
    if WITHOUT_ROPE.contains(&family) {
        return Ok((metadata, None));
    }
    if shape.d_head * shape.n_heads != shape.d_model {
        say("attention.key_length", size(shape.d_head));
        say("attention.value_length", size(shape.d_head));
    }
    let rope = RopeSettings::read(config)?;
    let d_rotary = (shape.d_head as f64 * rope.share(share_of(family))) as usize;
    say("rope.dimension_count", size(d_rotary));
    say("rope.freq_base", Value::Float(rope.theta()));
    let factors = match rope.kind() {
        "default" => None,
        "llama3" => Some(rope.factors(d_rotary)),
        "linear" => {
            say("rope.scaling.type", Value::Text("linear".to_owned()));
            say("rope.scaling.factor", Value::Float(rope.linear_factor()));
            None
        }
        kind => return refused(sentence!("positions scaled by {kind} are not written here", kind)),
    };
    Ok((metadata, factors))
}

/// The share of a head that turns where nothing is said.
fn share_of(family: &str) -> f64 {
    match family {
        "phi2" => 0.5,
        "gptneox" | "stablelm" => 0.25,
        _ => 1.0,
    }
}

impl Options {
    fn check(&self, activations: &[&str], n_positions: usize) -> Result<()> {
        let named = [&self.hidden_activation, &self.hidden_act, &self.activation_function];
        let named = named.into_iter().flatten().next();
        if let Some(name) = named.filter(|name| !activations.is_empty() && !activations.contains(&name.as_str())) {
            return refused(sentence!("it does not compute the activation {name} in this architecture", name));
        }
        let is_used = self.use_sliding_window.unwrap_or(true);
        if let Some(window) = self.sliding_window.filter(|window| is_used && *window < n_positions) {
            return refused(sentence!("it has no window of {window} tokens in this architecture", window));
        }
        Ok(())
    }
}

fn refused<T>(reason: Sentence) -> Result<T> {
    Err(EngineError::NoPlace { program: "llama.cpp", reason })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::models::ModelShape;
    use crate::models::load::gguf::translate;
    use crate::weights::gguf::{GgufFile, GgufTensor, write_gguf};

    fn said(architecture: &'static str, options: Json) -> Result<(Metadata, Option<Vec<f32>>)> {
        let shape = ModelShape {
            architecture,
            n_layers: 2,
            d_model: 16,
            n_heads: 4,
            n_kv_heads: if ["gpt2", "bloom"].contains(&architecture) { 4 } else { 2 },
            d_head: 8,
            d_ff: 64,
            vocab_size: 10,
            n_positions: 64,
        };
        let mut all = json!({ "model_type": architecture });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        metadata(&GgufLayout::of(&shape)?, &ConfigFile::new(all, Path::new("config.json")))
    }

    /// What is read again of what is said, with a table of ten tokens and the factors of the frequencies.
    fn read_again((metadata, factors): (Metadata, Option<Vec<f32>>)) -> Json {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let form = crate::weights::gguf::Form::Plain(safetensors::Dtype::F32);
        let mut numbers = vec![("token_embd.weight", vec![10, 16], vec![0.0; 160])];
        numbers.extend(factors.map(|factors| ("rope_freqs.weight", vec![factors.len()], factors)));
        let tensors: Vec<GgufTensor> = numbers
            .iter()
            .map(|(name, shape, _)| GgufTensor { name: (*name).to_owned(), form, shape: shape.clone() })
            .collect();
        write_gguf(&path, &metadata, &tensors, |tensor| {
            let (.., values) = numbers.iter().find(|(name, ..)| *name == tensor.name).unwrap();
            Ok(std::borrow::Cow::Owned(values.iter().flat_map(|x: &f32| x.to_le_bytes()).collect()))
        })
        .unwrap();
        translate(&GgufFile::open(&path).unwrap()).unwrap().0
    }

    #[test]
    fn what_is_said_is_read_again() {
        let llama3 = json!({
            "rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        });
        for (architecture, options, expected) in [
            (
                "llama",
                json!({"rms_norm_eps": 0.25}),
                json!({"rms_norm_eps": 0.25, "head_dim": 8, "rope_theta": 10000.0}),
            ),
            (
                "llama",
                json!({"rope_theta": 5e5, "rope_scaling": llama3}),
                json!({"rope_theta": 5e5, "rope_scaling": llama3}),
            ),
            (
                "qwen2",
                json!({"rope_scaling": {"type": "linear", "factor": 4.0}}),
                json!({"rope_scaling": {"rope_type": "linear", "factor": 4.0}}),
            ),
            (
                "gpt2",
                json!({"layer_norm_epsilon": 0.5}),
                json!({"layer_norm_epsilon": 0.5, "n_embd": 16, "n_positions": 64}),
            ),
            (
                "gpt_neox",
                json!({"use_parallel_residual": false, "rotary_pct": 0.5}),
                json!({"use_parallel_residual": false, "partial_rotary_factor": 0.5}),
            ),
            ("phi", json!({"layer_norm_eps": 0.5}), json!({"layer_norm_eps": 0.5, "partial_rotary_factor": 0.5})),
            ("bloom", json!({"hidden_size": 16}), json!({"n_head": 4, "hidden_size": 16})),
        ] {
            let found = read_again(said(architecture, options).unwrap());
            for (option, value) in expected.as_object().unwrap() {
                assert_eq!(found[option], *value, "{architecture}: {option}");
            }
            let unread = found.as_object().unwrap().keys().find(|key| key.contains('.'));
            assert_eq!(unread, None, "{architecture} says what its reader does not look at");
        }
    }

    #[test]
    fn what_llama_cpp_would_compute_otherwise_is_refused() {
        let refusal = |architecture, options| said(architecture, options).map(|_| ()).unwrap_err().to_string();
        assert!(refusal("gpt2", json!({"activation_function": "gelu"})).contains("gelu"));
        assert!(refusal("mistral", json!({"sliding_window": 32})).contains("32"));
        assert!(said("mistral", json!({"sliding_window": 4096})).is_ok(), "wider than any text");
        assert!(refusal("gemma2", json!({})).contains("qwen3"));
        let dynamic = json!({"rope_scaling": {"type": "dynamic", "factor": 2.0}});
        assert!(refusal("llama", dynamic).contains("dynamic"));
    }
}
