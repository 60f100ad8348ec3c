//! How many numbers a run trains and keeps, known before a weight is read.

use crate::adapters::{HeadShape, PartPlan, PrefixShape};
use crate::config::{LoraConfig, MethodConfig, PrefixConfig, Task};
use crate::error::Result;
use crate::models::ModelSummary;
use crate::models::Site;
use crate::models::known::{head_kind, head_width};
use crate::training::matrices::lora_parts;
use crate::training::prepare::{prompt_shape, trained_weights};

/// Numbers trained and numbers kept by a method, what stands beside it, and the head of a task with so many classes.
///
/// # Errors
/// [`crate::error::EngineError::Setting`] where matrices are asked for beside layers that the model does not have.
pub fn count_parameters(
    method: &MethodConfig,
    beside: Option<&LoraConfig>,
    (task, n_classes): (Task, usize),
    model: &ModelSummary,
) -> Result<(usize, usize)> {
    let is_seq2seq = model.encoder_layers > 0;
    let matrices = |lora: &LoraConfig| lora_parts(lora, &model.architecture, &model.linears, &model.weights);
    let mut parts = match method {
        MethodConfig::Prefix(prefix) => prefixes(prefix, model),
        MethodConfig::Prompt(prompt) => {
            vec![PartPlan::Prompt(prompt_shape(prompt, model.embedding_width, is_seq2seq, 1, None))]
        }
        MethodConfig::Lora(lora) => matrices(lora)?,
        MethodConfig::Full(full) => {
            let reads = model.tasks.contains(&Task::TokenClassification).then_some(task);
            vec![PartPlan::Weights(trained_weights(full, model.weights.clone(), model.n_layers, is_seq2seq, reads))]
        }
        MethodConfig::FewShot(_) => Vec::new(),
    };
    if let Some(lora) = beside {
        parts.extend(matrices(lora)?);
    }
    if let Some(kind) = head_kind(&model.architecture, task) {
        let d_model = head_width(&model.tasks, model.embedding_width, model.d_model);
        parts.push(PartPlan::Head(HeadShape { kind, d_model, n_classes, blocks: Vec::new() }));
    }
    Ok(parts.iter().map(PartPlan::count).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1)))
}

/// A prefix at each of the model's places that was chosen.
fn prefixes(prefix: &PrefixConfig, model: &ModelSummary) -> Vec<PartPlan> {
    let places: &[Site] = if model.encoder_layers > 0 { &Site::ALL } else { &[Site::Decoder] };
    let chosen = |site: &&Site| places.len() == 1 || prefix.sites.as_ref().is_none_or(|sites| sites.contains(site));
    let at = |&site: &Site| {
        let n_layers = if site == Site::Encoder { model.encoder_layers } else { model.n_layers };
        let (n_virtual, n_kv_heads, d_head) = (prefix.n_virtual, model.n_kv_heads, model.d_head);
        let shape = PrefixShape { n_virtual, n_layers, n_kv_heads, d_head };
        PartPlan::Prefix { site, shape, config: prefix.clone() }
    };
    places.iter().filter(chosen).map(at).collect()
}
