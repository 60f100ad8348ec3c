//! Every key of an `adapter_config.json` is accounted for: it is read, or known to change nothing, or refused where it says
//! something that would be computed otherwise here, or named because nobody here knows it.
//! huggingface/peft: src/peft/tuners/*/config.py of 0.21, and the keys that older versions wrote.

use serde_json::Value;

use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// The keys of one `peft_type`.
pub(super) struct Keys {
    /// Looked at by what reads the type.
    pub(super) read: &'static [&'static str],
    /// Change nothing that is computed once there are numbers: how these were initialized, or how they are loaded.
    pub(super) harmless: &'static [&'static str],
    /// Change what is computed unless they are off.
    pub(super) refused: &'static [&'static str],
}

/// Keys of every type.
const COMMON: Keys = Keys {
    read: &["base_model_name_or_path", "modules_to_save", "peft_type", "task_type"],
    harmless: &["auto_mapping", "inference_mode", "peft_version", "revision"],
    refused: &[],
};

/// `PREFIX_TUNING` and `CARTRIDGE`.
pub(super) const PREFIX: Keys = Keys {
    read: &[
        "num_attention_heads",
        "num_frozen_tokens",
        "num_layers",
        "num_transformer_submodules",
        "num_virtual_tokens",
        "token_dim",
    ],
    // The file holds what the network made.
    harmless: &["encoder_hidden_size", "init_weights", "prefix_projection"],
    refused: &["postprocess_past_key_value_function"],
};

/// `PROMPT_TUNING`, `P_TUNING` and `MULTITASK_PROMPT_TUNING`.
pub(super) const PROMPT: Keys = Keys {
    read: &[
        "encoder_hidden_size",
        "encoder_num_layers",
        "encoder_reparameterization_type",
        "num_attention_heads",
        "num_layers",
        "num_ranks",
        "num_tasks",
        "num_transformer_submodules",
        "num_virtual_tokens",
        "token_dim",
    ],
    harmless: &[
        "encoder_dropout",
        "postprocess_past_key_value_function",
        "prompt_tuning_init",
        "prompt_tuning_init_state_dict_path",
        "prompt_tuning_init_task",
        "prompt_tuning_init_text",
        "tokenizer_kwargs",
        "tokenizer_name_or_path",
    ],
    refused: &[],
};

/// `LORA`.
pub(super) const LORA: Keys = Keys {
    read: &[
        "alpha_pattern",
        "bias",
        "ensure_weight_tying",
        "fan_in_fan_out",
        "init_lora_weights",
        "lora_alpha",
        "lora_dropout",
        "r",
        "rank_pattern",
        "target_modules",
        "trainable_token_indices",
        "use_rslora",
    ],
    // Which layers have matrices is in the tensors; the settings of an initialization say nothing once it is done, and
    // VeLoRA's change a backward pass alone.
    harmless: &[
        "corda_config",
        "eva_config",
        "exclude_modules",
        "layers_pattern",
        "layers_to_transform",
        "loftq_config",
        "lora_ga_config",
        "megatron_core",
        "merge_weights",
        "qalora_group_size",
        "runtime_config",
        "velora_config",
    ],
    refused: &[
        "alora_invocation_tokens",
        "arrow_config",
        "enable_lora",
        "kasa_config",
        "layer_replication",
        "lora_bias",
        "megatron_config",
        "monteclora_config",
        "target_parameters",
        "use_bdlora",
        "use_dora",
        "use_qalora",
    ],
};

impl Keys {
    /// Sentences about the keys that nobody here knows.
    ///
    /// # Errors
    /// [`EngineError::AdapterOption`] for one that would be computed otherwise.
    pub(super) fn account(&self, json: &Value) -> Result<Vec<Sentence>> {
        let kind = json.get("peft_type").and_then(Value::as_str).unwrap_or_default();
        let mut unknown = Vec::new();
        for (key, value) in json.as_object().into_iter().flatten().filter(|(_, value)| !is_off(value)) {
            let key = key.as_str();
            if self.refused.contains(&key) {
                return Err(EngineError::AdapterOption {
                    kind: kind.to_owned(),
                    option: sentence!("{key} = {value}", key, value),
                });
            }
            let known = [self.read, self.harmless, COMMON.read, COMMON.harmless];
            if !known.iter().any(|keys| keys.contains(&key)) {
                let value = short(value);
                unknown.push(sentence!(
                    "adapter_config.json says {key} = {value}, which is not known here: it changes nothing",
                    key,
                    value
                ));
            }
        }
        Ok(unknown)
    }
}

/// Whether a value leaves out what its key asks for.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// Longest value that is repeated, in characters.
const LONGEST: usize = 60;

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_that_changes_what_is_computed_is_refused_by_name_and_one_that_is_off_is_not() {
        for key in LORA.refused {
            let json = json!({ "peft_type": "LORA", *key: [[1, 2]] });
            let error = LORA.account(&json).unwrap_err();
            assert!(error.to_string().contains(key) && error.to_string().contains("LORA"), "{error}");
            for off in [json!(null), json!(false), json!([]), json!({})] {
                assert!(LORA.account(&json!({ "peft_type": "LORA", *key: off })).unwrap().is_empty(), "{key}");
            }
        }
    }

    #[test]
    fn a_key_that_nobody_knows_is_named() {
        let said =
            LORA.account(&json!({ "peft_type": "LORA", "r": 4, "use_tomorrow": true, "use_later": null })).unwrap();
        assert_eq!(said.len(), 1);
        assert!(said[0].to_string().contains("use_tomorrow = true"), "{said:?}");
        let said =
            PREFIX.account(&json!({ "peft_type": "PREFIX_TUNING", "num_layers": 2, "r": "x".repeat(99) })).unwrap();
        assert!(said[0].to_string().contains("r = \"xxx") && said[0].to_string().contains('…'), "{said:?}");
    }
}
