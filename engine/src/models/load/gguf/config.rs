//! The equivalent of `config.json`, from what the metadata says and the tensors show. What the file cannot say, llama.cpp
//! has in its code, and so it stands here.
//!
//! ggml-org/llama.cpp: src/models/*.cpp and src/llama-model.cpp.

use serde_json::{Map, Value, json};

use super::facts::Facts;
use super::rope;
use crate::error::{EngineError, Result};

/// The rows of the table of tokens: its size is the vocabulary's.
const TABLE: &str = "token_embd.weight";
/// A head of its own; without it the table serves.
const HEAD: &str = "output.weight";

/// LLaMA and what llama.cpp calls so: Mistral, SmolLM, TinyLlama, Yi.
pub(super) fn llama(facts: &Facts<'_>) -> Result<Value> {
    if let Some(experts) = facts.size("expert_count")?.filter(|experts| *experts > 0) {
        return Err(facts.refused("expert_count", experts));
    }
    let config = decoder(facts, "llama", "silu")?;
    Ok(with(
        config,
        json!({
            "attention_bias": facts.has("blk.0.attn_output.bias") || facts.has("blk.0.attn_q.bias"),
            "mlp_bias": facts.has("blk.0.ffn_down.bias"),
        }),
    ))
}

/// Qwen2 and Qwen2.5.
pub(super) fn qwen2(facts: &Facts<'_>) -> Result<Value> {
    Ok(with(decoder(facts, "qwen2", "silu")?, json!({ "use_sliding_window": false })))
}

/// Qwen3 without experts.
pub(super) fn qwen3(facts: &Facts<'_>) -> Result<Value> {
    let config = json!({ "use_sliding_window": false, "attention_bias": facts.has("blk.0.attn_q.bias") });
    Ok(with(decoder(facts, "qwen3", "silu")?, config))
}

/// The first Gemma.
pub(super) fn gemma(facts: &Facts<'_>) -> Result<Value> {
    decoder(facts, "gemma", "gelu_pytorch_tanh").map(Value::Object)
}

/// Gemma 2: every other layer has a window, the first one first.
pub(super) fn gemma2(facts: &Facts<'_>) -> Result<Value> {
    let config = decoder(facts, "gemma2", "gelu_pytorch_tanh")?;
    let n_layers = facts.needed("block_count")?;
    let kinds = kinds((0..n_layers).map(|layer| layer % 2 == 0));
    Ok(with(
        config,
        json!({
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": scalar(facts, 46)?,
            "attn_logit_softcapping": facts.float("attn_logit_softcapping")?.unwrap_or(50.0),
            "final_logit_softcapping": facts.float("final_logit_softcapping")?.unwrap_or(30.0),
            "sliding_window": facts.size("attention.sliding_window")?.unwrap_or(4096),
            "layer_types": kinds,
        }),
    ))
}

/// Gemma 3 without its eyes: five layers with a window to one without, which alone are scaled and turn slower.
pub(super) fn gemma3(facts: &Facts<'_>) -> Result<Value> {
    let mut config = decoder(facts, "gemma3_text", "gelu_pytorch_tanh")?;
    let n_layers = facts.needed("block_count")?;
    let kinds = match facts.flags("attention.sliding_window_pattern") {
        Some(windows) => kinds(windows.iter().copied().chain(std::iter::repeat(false)).take(n_layers)),
        None => {
            let every = facts.size("attention.sliding_window_pattern")?.unwrap_or(6);
            kinds((0..n_layers).map(|layer| every > 1 && (layer + 1) % every != 0))
        }
    };
    if facts.float("rope.freq_base")?.is_none() {
        config.insert("rope_theta".into(), json!(1e6));
    }
    Ok(with(
        config,
        json!({
            "hidden_activation": "gelu_pytorch_tanh",
            "query_pre_attn_scalar": scalar(facts, 62)?,
            "attn_logit_softcapping": null,
            "final_logit_softcapping": facts.float("final_logit_softcapping")?,
            "rope_local_base_freq": facts.float("rope.freq_base_swa")?.unwrap_or(1e4),
            "sliding_window": facts.size("attention.sliding_window")?,
            "layer_types": kinds,
        }),
    ))
}

/// Phi-1, Phi-1.5 and Phi-2.
pub(super) fn phi2(facts: &Facts<'_>) -> Result<Value> {
    let mut config = shape(facts, "phi", "gelu_new")?;
    config.extend(rope::settings(facts, d_head(facts)?)?);
    let epsilon = facts.needed_float("attention.layer_norm_epsilon")?;
    Ok(with(config, json!({ "layer_norm_eps": epsilon, "qk_layernorm": false })))
}

/// Phi-3, Phi-3.5 and Phi-4.
pub(super) fn phi3(facts: &Facts<'_>) -> Result<Value> {
    let config = decoder(facts, "phi3", "silu")?;
    let window = facts.size("attention.sliding_window")?.filter(|window| *window > 0);
    let context = facts.size("rope.scaling.original_context_length")?;
    let context = context.map_or_else(|| facts.needed("context_length"), Ok)?;
    Ok(with(config, json!({ "sliding_window": window, "original_max_position_embeddings": context })))
}

/// StableLM 2 and StableLM 3B.
pub(super) fn stablelm(facts: &Facts<'_>) -> Result<Value> {
    let mut config = shape(facts, "stablelm", "silu")?;
    config.remove("head_dim");
    config.extend(rope::settings(facts, d_head(facts)?)?);
    Ok(with(
        config,
        json!({
            "layer_norm_eps": facts.needed_float("attention.layer_norm_epsilon")?,
            "use_parallel_residual": facts.flag("use_parallel_residual").unwrap_or(!facts.has("blk.0.ffn_norm.weight")),
            "use_qkv_bias": facts.has("blk.0.attn_q.bias"),
            "qk_layernorm": facts.has("blk.0.attn_q_norm.weight"),
        }),
    ))
}

/// GPT-2.
pub(super) fn gpt2(facts: &Facts<'_>) -> Result<Value> {
    own_keys(facts, facts.needed("attention.head_count")?)?;
    Ok(with(
        ends(facts, "gpt2")?,
        json!({
            "n_positions": facts.needed("context_length")?,
            "n_embd": facts.needed("embedding_length")?,
            "n_layer": facts.needed("block_count")?,
            "n_head": facts.needed("attention.head_count")?,
            "n_inner": facts.size("feed_forward_length")?,
            "layer_norm_epsilon": facts.needed_float("attention.layer_norm_epsilon")?,
            "activation_function": "gelu_new",
        }),
    ))
}

/// Refuses key heads that query heads share, in a family that has none.
fn own_keys(facts: &Facts<'_>, n_heads: usize) -> Result<()> {
    match facts.size("attention.head_count_kv")?.filter(|kv_heads| *kv_heads != n_heads) {
        Some(kv_heads) => Err(facts.refused("attention.head_count_kv", kv_heads)),
        None => Ok(()),
    }
}

/// GPT-NeoX and Pythia.
pub(super) fn gptneox(facts: &Facts<'_>) -> Result<Value> {
    let mut config = shape(facts, "gpt_neox", "gelu")?;
    config.extend(rope::settings(facts, d_head(facts)?)?);
    config.remove("head_dim");
    config.remove("num_key_value_heads");
    Ok(with(
        config,
        json!({
            "layer_norm_eps": facts.needed_float("attention.layer_norm_epsilon")?,
            "use_parallel_residual": facts.flag("use_parallel_residual").unwrap_or(true),
            "attention_bias": facts.has("blk.0.attn_qkv.bias"),
        }),
    ))
}

/// BLOOM, whose files may repeat the table as a head.
pub(super) fn bloom(facts: &Facts<'_>) -> Result<Value> {
    // What follows from the architecture, or must be what it always is.
    let (d_model, d_ff) = (facts.needed("embedding_length")?, facts.size("feed_forward_length")?);
    if let Some(d_ff) = d_ff.filter(|d_ff| *d_ff != 4 * d_model) {
        return Err(facts.refused("feed_forward_length", d_ff));
    }
    let n_heads = facts.needed("attention.head_count")?;
    own_keys(facts, n_heads)?;
    Ok(with(
        ends(facts, "bloom")?,
        json!({
            "hidden_size": d_model,
            "n_layer": facts.needed("block_count")?,
            "n_head": n_heads,
            "seq_length": facts.needed("context_length")?,
            "layer_norm_epsilon": facts.needed_float("attention.layer_norm_epsilon")?,
            "apply_residual_connection_post_layernorm": false,
            "tie_word_embeddings": true,
        }),
    ))
}

/// ChatGLM2 and ChatGLM3 in their own words.
pub(super) fn chatglm(facts: &Facts<'_>) -> Result<Value> {
    let config = shape(facts, "chatglm", "silu")?;
    let of = |name: &str| config.get(name).cloned().unwrap_or_default();
    // Half of a head turns, and 10,000 is the base: `is_glm` and this see to it.
    if let Some(turned) = facts.size("rope.dimension_count")?.filter(|turned| Some(2 * *turned) != d_head(facts).ok()) {
        return Err(facts.refused("rope.dimension_count", turned));
    }
    Ok(json!({
        "model_type": "chatglm",
        "padded_vocab_size": of("vocab_size"),
        "hidden_size": of("hidden_size"),
        "ffn_hidden_size": of("intermediate_size"),
        "num_layers": of("num_hidden_layers"),
        "num_attention_heads": of("num_attention_heads"),
        "multi_query_attention": of("num_key_value_heads") != of("num_attention_heads"),
        "multi_query_group_num": of("num_key_value_heads"),
        "kv_channels": of("head_dim"),
        "seq_length": of("max_position_embeddings"),
        "layernorm_epsilon": facts.needed_float("attention.layer_norm_rms_epsilon")?,
        "add_qkv_bias": facts.has("blk.0.attn_qkv.bias"),
        "tie_word_embeddings": of("tie_word_embeddings"),
        "bos_token_id": of("bos_token_id"),
        "eos_token_id": of("eos_token_id"),
        "pad_token_id": of("pad_token_id"),
    }))
}

/// GLM-4 and GLM-Edge, which llama.cpp calls ChatGLM too.
pub(super) fn glm(facts: &Facts<'_>) -> Result<Value> {
    let config = decoder(facts, "glm", "silu")?;
    let bias = facts.has("blk.0.attn_q.bias") || facts.has("blk.0.attn_qkv.bias");
    Ok(with(config, json!({ "attention_bias": bias })))
}

/// Whether a file of `chatglm` is computed as GLM.
///
/// # Errors
/// The base of its frequencies is no number.
pub(super) fn is_glm(facts: &Facts<'_>) -> Result<bool> {
    let is_other_base = facts.float("rope.freq_base")?.is_some_and(|base| base != 10_000.0);
    Ok(is_other_base || facts.has("blk.0.attn_q.weight"))
}

/// What decoders with RMS norms and rotary positions have in common.
fn decoder(facts: &Facts<'_>, model_type: &str, activation: &str) -> Result<Map<String, Value>> {
    let mut config = shape(facts, model_type, activation)?;
    config.extend(rope::settings(facts, d_head(facts)?)?);
    config.insert("rms_norm_eps".into(), json!(facts.needed_float("attention.layer_norm_rms_epsilon")?));
    Ok(config)
}

/// The sizes, under the names that most architectures have for them.
fn shape(facts: &Facts<'_>, model_type: &str, activation: &str) -> Result<Map<String, Value>> {
    let d_head = d_head(facts)?;
    if let Some(value) = facts.size("attention.value_length")?.filter(|value| *value != d_head) {
        return Err(facts.refused("attention.value_length", value));
    }
    let n_heads = facts.needed("attention.head_count")?;
    let Value::Object(shape) = with(
        ends(facts, model_type)?,
        json!({
            "hidden_size": facts.needed("embedding_length")?,
            "intermediate_size": facts.needed("feed_forward_length")?,
            "num_hidden_layers": facts.needed("block_count")?,
            "num_attention_heads": n_heads,
            "num_key_value_heads": facts.size("attention.head_count_kv")?.unwrap_or(n_heads),
            "head_dim": d_head,
            "max_position_embeddings": facts.needed("context_length")?,
            "hidden_act": activation,
        }),
    ) else {
        return Ok(Map::new());
    };
    Ok(shape)
}

/// The vocabulary, its special tokens, the head, and what nothing was made of.
fn ends(facts: &Facts<'_>, model_type: &str) -> Result<Map<String, Value>> {
    let mut ends: Vec<u64> = ["eos", "eot", "eom"].into_iter().filter_map(|role| facts.token(role)).collect();
    ends.dedup();
    let n_tokens = facts.file.shape(TABLE).and_then(|shape| shape.first());
    let n_tokens = n_tokens.ok_or_else(|| EngineError::WeightMissing { name: TABLE.to_owned() })?;
    let config = json!({
        "model_type": model_type,
        "vocab_size": n_tokens,
        "tie_word_embeddings": !facts.has(HEAD),
        "bos_token_id": facts.token("bos"),
        "eos_token_id": if let [one] = ends.as_slice() { json!(one) } else { json!(ends) },
        "pad_token_id": facts.token("padding"),
    });
    Ok(match config {
        Value::Object(config) => config,
        _ => Map::new(),
    })
}

/// Width of a head.
fn d_head(facts: &Facts<'_>) -> Result<usize> {
    let (d_model, n_heads) = (facts.needed("embedding_length")?, facts.needed("attention.head_count")?);
    Ok(facts.size("attention.key_length")?.unwrap_or(d_model / n_heads.max(1)))
}

/// What scores are divided by the root of: the width of a head, but in the largest Gemma, by the number of its layers.
fn scalar(facts: &Facts<'_>, layers_of_the_largest: usize) -> Result<usize> {
    if facts.needed("block_count")? != layers_of_the_largest {
        return d_head(facts);
    }
    Ok(facts.needed("embedding_length")? / facts.needed("attention.head_count")?.max(1))
}

fn kinds(has_window: impl Iterator<Item = bool>) -> Vec<&'static str> {
    has_window.map(|window| if window { "sliding_attention" } else { "full_attention" }).collect()
}

fn with(mut config: Map<String, Value>, further: Value) -> Value {
    if let Value::Object(further) = further {
        config.extend(further);
    }
    Value::Object(config)
}
