//! What LoRA trains of a model: matrices, and biases, whole modules and rows of single tokens beside them.

use crate::adapters::{LoraShape, PartPlan, TokenTable};
use crate::config::{LoraBias, LoraConfig};
use crate::error::{EngineError, Result};
use crate::loaded_model::LoadedModel;
use crate::models::{LinearName, WeightName, is_shared_table, tied_head};
use crate::{Sentence, sentence};

/// Matrices, and the weights beside them that are trained whole.
///
/// # Errors
/// [`EngineError::Setting`] for layers or modules that the model does not have, or that are named twice.
pub(super) fn lora_parts(
    lora: &LoraConfig,
    architecture: &str,
    linears: &[LinearName],
    weights: &[WeightName],
) -> Result<Vec<PartPlan>> {
    let shape = LoraShape::new(lora, architecture, linears)?;
    let chosen = |weight: &WeightName| match (lora.bias, weight.name.strip_suffix(".bias")) {
        (LoraBias::None, _) | (_, None) => false,
        (LoraBias::All, Some(_)) => true,
        (LoraBias::LoraOnly, Some(module)) => shape.layers.iter().any(|layer| layer.linear.name == module),
    };
    let tied = tied_head(linears, weights);
    let saved = |weight: &WeightName| {
        let module = weight.name.rsplit_once('.').map_or("", |(module, _)| module);
        lora.saves(module)
    };
    let beside: Vec<WeightName> =
        weights.iter().chain(&tied).filter(|&weight| chosen(weight) || saved(weight)).cloned().collect();
    check_saved(lora, &shape, &beside)?;
    let mut parts = vec![PartPlan::Lora(shape)];
    if !beside.is_empty() {
        parts.push(PartPlan::Weights(beside));
    }
    Ok(parts)
}

/// Refuses modules to save that are not there, and those that have matrices too.
fn check_saved(lora: &LoraConfig, shape: &LoraShape, saved: &[WeightName]) -> Result<()> {
    let wrong = |reason: Sentence| EngineError::Setting { field: "lora.modules_to_save", reason };
    for end in &lora.modules_to_save {
        let alone = LoraConfig { modules_to_save: vec![end.clone()], ..LoraConfig::default() };
        let is_it = |weight: &WeightName| weight.name.rsplit_once('.').is_some_and(|(module, _)| alone.saves(module));
        if !saved.iter().any(is_it) {
            return Err(wrong(sentence!("no module of the model is called {end}", end)));
        }
    }
    if let Some(table) = saved.iter().find(|weight| is_shared_table(&weight.name)) {
        let name = &table.name;
        return Err(wrong(sentence!(
            "{name} is read under other names, and PEFT trains a copy that nothing reads",
            name
        )));
    }
    match shape.layers.iter().find(|layer| lora.saves(&layer.linear.name)) {
        Some(layer) => {
            Err(wrong(sentence!("{linear} has matrices and cannot be trained whole too", linear = layer.linear.name)))
        }
        None => Ok(()),
    }
}

/// The base model's own rows of each table whose rows are trained.
///
/// # Errors
/// A table cannot be read.
pub(super) fn rows_of(shape: &LoraShape, model: &LoadedModel) -> Result<Vec<Vec<f32>>> {
    let weights = model.model.weights();
    let of = |TokenTable { table, tokens }: &TokenTable| {
        let name = format!("{}.weight", table.name);
        let missing = || EngineError::WeightMissing { name: name.clone() };
        let weight = weights.iter().find(|weight| weight.name == name).ok_or_else(missing)?;
        let values = model.model.values(weight)?;
        let row = |token: &u32| values[*token as usize * table.d_in..][..table.d_in].to_vec();
        Ok(tokens.iter().flat_map(row).collect())
    };
    shape.tables.iter().map(of).collect()
}
