//! What packed the weights of a folder into fewer bits, by the name of its method.
//!
//! huggingface/transformers: src/transformers/utils/quantization_config.py.

use std::path::Path;

use serde_json::Value;

use crate::error::{EngineError, Result};
use crate::files::{self, Kind};
use crate::sentence;
use crate::weights::PackedBy;

/// Options of `config.json` that say how its weights were packed.
pub(crate) const PACKED_OPTIONS: [&str; 2] = ["quantization_config", "compression_config"];

/// Files that say it beside `config.json`, and the method of those that name none: AutoGPTQ's, AutoAWQ's.
pub(crate) const PACKED_FILES: [(&str, &str); 2] = [("quantize_config.json", "gptq"), ("quant_config.json", "awq")];

/// What packed the weights of a folder; `None` where nothing did.
///
/// # Errors
/// [`EngineError::Quantized`] for a method that is not computed.
pub(super) fn packed_by(folder: &Path, config: &Value) -> Result<Option<PackedBy>> {
    let said = PACKED_OPTIONS.into_iter().find_map(|key| config.get(key));
    let said = said.filter(|said| said.as_object().is_some_and(|said| !said.is_empty())).cloned();
    let Some(packed) = said.or_else(|| PACKED_FILES.iter().find_map(|file| said_beside(folder, *file))) else {
        return Ok(None);
    };
    let method = Method::of(&packed);
    let refused = || EngineError::Quantized { method: method.name(), path: folder.join("config.json") };
    method.packed_by().map(Some).ok_or_else(refused)
}

/// What older folders say in a file of its own.
fn said_beside(folder: &Path, (file, method): (&str, &str)) -> Option<Value> {
    match files::read_json(&folder.join(file), Kind::Settings, sentence!("quantize_config.json")) {
        Ok(Value::Object(mut said)) => {
            said.entry("quant_method").or_insert(method.into());
            Some(Value::Object(said))
        }
        _ => None,
    }
}

/// A method as its library is called, its bits, and which of its forms.
struct Method<'a> {
    name: &'a str,
    bits: Option<u64>,
    form: Option<&'a str>,
}

impl<'a> Method<'a> {
    fn of(packed: &'a Value) -> Self {
        let is = |key: &str| packed.get(key).and_then(Value::as_bool) == Some(true);
        let word = |keys: &[&str]| keys.iter().find_map(|key| packed.get(*key)?.as_str());
        let name = match word(&["quant_method"]) {
            None if is("load_in_4bit") || is("load_in_8bit") => "bitsandbytes",
            None => "an unnamed method",
            Some(name) => name,
        };
        let bits = match packed.get("bits").or_else(|| packed.get("w_bit")).and_then(Value::as_u64) {
            Some(bits) => Some(bits),
            None if is("load_in_4bit") => Some(4),
            None if is("load_in_8bit") => Some(8),
            None => None,
        };
        let form = match name {
            "gptq" if is("is_marlin_format") => Some("marlin"),
            "gptq" => word(&["checkpoint_format", "format"]),
            "awq" if word(&["backend"]) == Some("llm-awq") => Some("llm-awq"),
            "awq" => word(&["version", "format", "checkpoint_format"]),
            _ => None,
        };
        Self { name, bits, form }
    }

    /// `None` where it is not computed.
    fn packed_by(&self) -> Option<PackedBy> {
        let form = self.form.map(str::to_lowercase);
        let gptq = |bits: u64, has_zeros_less_one| PackedBy::Gptq { bits: bits as usize, has_zeros_less_one };
        match (self.name, self.bits, form.as_deref()) {
            ("bitsandbytes", ..) => Some(PackedBy::Bitsandbytes),
            ("gptq", Some(bits @ (4 | 8)), None | Some("gptq")) => Some(gptq(bits, true)),
            ("gptq", Some(bits @ (4 | 8)), Some("gptq_v2")) => Some(gptq(bits, false)),
            ("awq", Some(4), None | Some("gemm")) => Some(PackedBy::Awq),
            _ => None,
        }
    }

    fn name(&self) -> String {
        let name = match self.name {
            "gptq" => "GPTQ",
            "awq" => "AWQ",
            name => name,
        };
        let bits = self.bits.map(|bits| format!(" in {bits} bits")).unwrap_or_default();
        let form = self.form.map(|form| format!(", {form}")).unwrap_or_default();
        format!("{name}{bits}{form}")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn packed_weights_are_known_or_refused_by_the_name_of_their_method() {
        let folder = tempfile::tempdir().unwrap();
        let by = |config: Value| packed_by(folder.path(), &json!({ "quantization_config": config }));
        let gptq = |bits, has_zeros_less_one| PackedBy::Gptq { bits, has_zeros_less_one };
        for (config, known) in [
            (json!({"quant_method": "bitsandbytes", "load_in_4bit": true}), PackedBy::Bitsandbytes),
            (json!({"load_in_8bit": true}), PackedBy::Bitsandbytes),
            (json!({"quant_method": "gptq", "bits": 4}), gptq(4, true)),
            (json!({"quant_method": "gptq", "bits": 8, "checkpoint_format": "gptq"}), gptq(8, true)),
            (json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "gptq_v2"}), gptq(4, false)),
            (json!({"quant_method": "awq", "bits": 4, "version": "GEMM"}), PackedBy::Awq),
            (json!({"quant_method": "awq", "w_bit": 4, "zero_point": true}), PackedBy::Awq),
        ] {
            assert_eq!(by(config).unwrap(), Some(known));
        }
        for (config, word) in [
            (json!({"quant_method": "gptq", "bits": 3}), "GPTQ in 3 bits"),
            (json!({"quant_method": "gptq", "bits": 2, "checkpoint_format": "gptq"}), "GPTQ in 2 bits, gptq"),
            (json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}), "GPTQ in 4 bits, marlin"),
            (json!({"quant_method": "gptq", "bits": 4, "is_marlin_format": true}), "GPTQ in 4 bits, marlin"),
            (json!({"quant_method": "gptq"}), "GPTQ"),
            (json!({"quant_method": "awq", "bits": 4, "version": "gemv"}), "AWQ in 4 bits, gemv"),
            (json!({"quant_method": "awq", "bits": 4, "backend": "llm-awq"}), "AWQ in 4 bits, llm-awq"),
            (json!({"quant_method": "fp8"}), "fp8"),
            (json!({"quant_method": "compressed-tensors"}), "compressed-tensors"),
        ] {
            let error = by(config).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        let alone = |config: Value| packed_by(folder.path(), &config).unwrap();
        assert_eq!((alone(json!({})), alone(json!({"quantization_config": null}))), (None, None));
        fs::write(folder.path().join("quantize_config.json"), r#"{"bits": 4, "group_size": 128}"#).unwrap();
        assert_eq!(alone(json!({})), Some(gptq(4, true)));
        fs::remove_file(folder.path().join("quantize_config.json")).unwrap();
        fs::write(folder.path().join("quant_config.json"), r#"{"w_bit": 4, "version": "GEMM"}"#).unwrap();
        assert_eq!(alone(json!({})), Some(PackedBy::Awq));
    }
}
