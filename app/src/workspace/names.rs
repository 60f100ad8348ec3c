//! Names for people of runs, models and datasets that nobody named.

use std::path::Path;

use engine::config::{FullConfig, MethodConfig, PrefixConfig, PromptEncoderKind, RunConfig};

/// A name for people from what tells runs apart: `prefix 20 · records`.
pub fn default_name(config: &RunConfig) -> String {
    format!("{} · {}", method_summary(config), dataset_name(&config.data.train))
}

/// The method in a few words: `prefix 20`, `prefix 10 + MLP 512`, `prompt 20 + LoRA 8`.
pub fn method_summary(config: &RunConfig) -> String {
    let alone = of_method(&config.method);
    let lora = config.lora.as_ref().map(|lora| format!(" + LoRA {}", lora.rank));
    let weights = config.weights.as_ref().map(|weights| format!(" + {}", of_weights(&weights.full())));
    format!("{alone}{}{}", lora.unwrap_or_default(), weights.unwrap_or_default())
}

fn of_prefix(prefix: &PrefixConfig) -> String {
    let kind = match (prefix.infix, prefix.n_frozen) {
        (true, _) => "infix",
        (false, 0) => "prefix",
        (false, _) => "cartridge",
    };
    let network = match &prefix.reparameterization {
        None => String::new(),
        Some(mlp) => {
            let layers = if mlp.hidden_layers == 1 { String::new() } else { format!(" {}×", mlp.hidden_layers) };
            let space = if layers.is_empty() { " " } else { "" };
            format!(" + MLP{layers}{}", mlp.width.map_or_else(String::new, |width| format!("{space}{width}")))
        }
    };
    let layers = prefix.layers.as_deref().map(|layers| format!(", layers {}", crate::layer_list::to_text(layers)));
    format!("{kind} {}{network}{}", prefix.n_virtual, layers.unwrap_or_default())
}

fn of_method(method: &MethodConfig) -> String {
    match method {
        MethodConfig::Prefix(prefix) => of_prefix(prefix),
        MethodConfig::Prompt(prompt) => match prompt.encoder.as_ref().map(|encoder| encoder.kind) {
            None => format!("prompt {}", prompt.n_virtual),
            Some(PromptEncoderKind::Mlp) => format!("P-tuning {} + MLP", prompt.n_virtual),
            Some(PromptEncoderKind::Lstm) => format!("P-tuning {} + LSTM", prompt.n_virtual),
            Some(PromptEncoderKind::Tanh) => format!("Embeddings {} + MLP", prompt.n_virtual),
        },
        MethodConfig::Lora(lora) => format!("LoRA {}", lora.rank),
        MethodConfig::Full(full) => of_weights(full),
        MethodConfig::FewShot(text) => format!("text, {} examples", text.shots),
    }
}

fn of_weights(full: &FullConfig) -> String {
    let layers = match full.top_layers {
        None => "full".to_owned(),
        Some(0) => "head only".to_owned(),
        Some(n) => format!("top {n}"),
    };
    full.modules.as_ref().map_or(layers.clone(), |modules| format!("{layers}, {}", modules.join(" ")))
}

/// A dataset's name for people: the file's name, or its folder's where the file is just `train`.
pub fn dataset_name(file: &Path) -> String {
    let stem = last_name(&file.with_extension(""));
    match file.parent().map(last_name) {
        Some(folder) if ["train", "training", "data"].contains(&stem.as_str()) && !folder.is_empty() => folder,
        _ => stem,
    }
}

/// A model's name for people: its id where its folder is one of the hub's cache, else the folder's name.
pub fn model_name(folder: &Path) -> String {
    engine::hub::id_of_snapshot(folder).map_or_else(|| last_name(folder), |id| id.to_string())
}

/// The last part of a path, as text.
pub fn last_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_name_tells_runs_apart() {
        let data = engine::config::DataConfig::new("/sets/records/train.jsonl");
        let mut config = RunConfig::new("/models/starter", data);
        assert_eq!(default_name(&config), "prefix 20 · records");
        config.method = MethodConfig::Prefix(engine::config::PrefixConfig {
            n_virtual: 5,
            reparameterization: Some(engine::config::Reparameterization::default()),
            ..Default::default()
        });
        config.data.train = PathBuf::from("/sets/e2e.csv");
        assert_eq!(default_name(&config), "prefix 5 + MLP 512 · e2e");
    }
}
