//! Facts about a model's weights that are known without reading one: the names and shapes that its files list.

use crate::config::Task;
use crate::models::registry::Architecture;
use crate::models::{HeadKind, LinearName, ModelFolder, Role, WeightName};

/// Heads of tasks that a checkpoint was once trained for: they are no weights of the model.
pub(crate) const HEADS: [&str; 5] = ["classifier.", "pre_classifier.", "classification_head.", "score.", "qa_outputs."];

/// Whether a tensor, or a module with the dot behind it, is one of a head that names classes.
pub(crate) fn is_class_head(name: &str) -> bool {
    HEADS.iter().any(|head| name.starts_with(head))
}

/// Whether a weight is the table that an encoder and a decoder read under names of their own.
pub(crate) fn is_shared_table(name: &str) -> bool {
    ["shared.weight", "model.shared.weight", "transformer.shared.weight"].contains(&name)
}

/// Ends of the names of tensors that older checkpoints keep beside the weights.
const NO_WEIGHTS: [&str; 3] = ["position_ids", "masked_bias", "inv_freq"];

/// Whether a stored tensor is a weight: older checkpoints keep masks, of four axes, and positions beside them.
pub(super) fn is_weight(name: &str, shape: &[usize]) -> bool {
    shape.len() <= 3 && !NO_WEIGHTS.iter().any(|part| name.ends_with(part))
}

impl ModelFolder {
    /// Every weight, as adapters and files know it.
    pub fn list_weights(&self) -> Vec<WeightName> {
        let Architecture { module_root: root, classifier_root, .. } = *self.architecture();
        let files = self.files().shapes().filter(|(name, shape)| is_weight(name, shape) && !is_class_head(name));
        let known = |(stored, shape): (&str, &[usize])| WeightName {
            name: module_name(stored.strip_prefix(classifier_root).unwrap_or(stored), root),
            stored: stored.to_owned(),
            shape: shape.to_vec(),
        };
        files.map(known).collect()
    }

    /// Every linear layer of the blocks, the table of token embeddings and the head, tied or not.
    pub fn list_linears(&self) -> Vec<LinearName> {
        let is_in_out = self.architecture().is_conv1d;
        let linear = |weight: WeightName| {
            let [rows, columns] = *weight.shape.as_slice() else { return None };
            let name = weight.name.strip_suffix(".weight")?;
            if !is_in_block(name) || name.ends_with("relative_attention_bias") {
                return None;
            }
            let (d_in, d_out) = if is_in_out { (rows, columns) } else { (columns, rows) };
            Some(LinearName { name: name.to_owned(), d_in, d_out, is_in_out, role: Role::Layer })
        };
        let layers = self.list_weights().into_iter().filter_map(linear);
        layers.chain(self.known_tables()).collect()
    }

    /// The table of token embeddings, where one place alone reads it, and the head that makes logits.
    fn known_tables(&self) -> impl Iterator<Item = LinearName> {
        let (shape, width) = (self.shape(), self.embedding_width());
        let table = move |name: &str, role: Role| LinearName {
            name: name.to_owned(),
            d_in: width,
            d_out: shape.vocab_size,
            is_in_out: false,
            role,
        };
        let writes = self.tasks().iter().any(|task| task.writes());
        let architecture = self.architecture();
        let words = architecture.embeddings.map(|weight| {
            let module = weight.strip_suffix(".weight").unwrap_or(weight);
            table(&format!("{}{module}", architecture.module_root), Role::Embeddings)
        });
        words.into_iter().chain(writes.then(|| table(architecture.head, Role::Head)))
    }

    /// Width of the embeddings, which some models have narrower than what runs through their blocks.
    pub fn embedding_width(&self) -> usize {
        let shape = self.shape();
        let of_tokens = |(_, dims): (&str, &[usize])| match *dims {
            [tokens, width] if tokens == shape.vocab_size => Some(width),
            _ => None,
        };
        self.files().shapes().filter_map(of_tokens).min().unwrap_or(shape.d_model)
    }

    /// Width of what a head that names classes reads: as [`Model::head_width`](crate::models::Model::head_width).
    pub fn head_width(&self) -> usize {
        head_width(self.tasks(), self.embedding_width(), self.shape().d_model)
    }
}

/// The layers of a head that names classes; `None` for a task without.
pub(crate) fn head_kind(architecture: &str, task: Task) -> Option<HeadKind> {
    Architecture::find(architecture)?.head_kind(task)
}

/// A head of an encoder reads the width of the model; a causal model's is as wide as its embeddings.
pub(crate) fn head_width(tasks: &[Task], embedding_width: usize, d_model: usize) -> usize {
    let is_causal = !tasks.contains(&Task::TokenClassification) && !tasks.contains(&Task::Seq2Seq);
    if is_causal { embedding_width } else { d_model }
}

/// Blocks are numbered, what stands before and behind them is not.
pub(crate) fn is_in_block(name: &str) -> bool {
    name.split('.').any(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Name of a weight under the root. What is in no block may stand outside of it: it is called as it is stored.
fn module_name(stored: &str, root: &str) -> String {
    if stored.starts_with(root) || !is_in_block(stored) {
        return stored.to_owned();
    }
    let bare = root.split('.').rev().find_map(|part| stored.strip_prefix(&format!("{part}."))).unwrap_or(stored);
    format!("{root}{bare}")
}
