//! Names of layers that LoRA chooses among.

use crate::models::LinearName;

/// Every linear layer; no embeddings, no heads.
pub const ALL_LINEAR: &str = "all-linear";

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
