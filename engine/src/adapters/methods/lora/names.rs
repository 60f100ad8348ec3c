//! Names of layers that LoRA chooses among.

use crate::models::LinearName;

/// Every linear layer; no embeddings, no heads.
pub const ALL_LINEAR: &str = "all-linear";

/// The layers that PEFT chooses, and for architectures that it has no choice for those of the same names.
/// huggingface/peft: src/peft/utils/constants.py.
pub fn default_targets(architecture: &str) -> &'static [&'static str] {
    match architecture {
        "gpt2" => &["c_attn"],
        "bloom" | "chatglm" | "gpt_neox" => &["query_key_value"],
        "t5" | "mt5" => &["q", "v"],
        "bert" | "roberta" | "electra" | "albert" => &["query", "value"],
        "distilbert" => &["q_lin", "v_lin"],
        _ => &["q_proj", "v_proj"],
    }
}

/// Whether a module is one of a head that fills masks: it stands outside of the model proper.
pub fn is_of_a_head(name: &str) -> bool {
    ["cls.", "lm_head.", "predictions.", "generator_", "vocab_"].iter().any(|start| name.starts_with(start))
}

/// The last parts of the names of linear layers, each once.
pub fn last_names<'a>(linears: impl IntoIterator<Item = &'a LinearName>) -> Vec<&'a str> {
    let mut names: Vec<&str> = linears.into_iter().filter_map(|linear| linear.name.rsplit('.').next()).collect();
    names.sort_unstable();
    names.dedup();
    names
}
