//! Changes of the model's weights by an adapter: the norm of what it adds, beside the norm of what was there.

use crate::adapters::AdapterState;
use crate::analysis::WeightChange;
use crate::error::Result;
use crate::models::ModelFolder;

/// One entry for each layer with matrices and each trained weight; a weight that the files do not hold counts as zeros.
///
/// # Errors
/// A weight has another shape, or cannot be read.
pub fn weight_changes(adapter: &AdapterState, model: &ModelFolder) -> Result<Vec<WeightChange>> {
    let weights = model.list_weights();
    let own = |name: &str| -> Result<Vec<f32>> {
        let Some(weight) = weights.iter().find(|weight| weight.name == name) else { return Ok(Vec::new()) };
        model.files().values(&weight.stored, &weight.shape)
    };
    let change = |name: &str, norm: f64, weight: &[f32]| {
        let base = squares(weight.iter().map(|&x| f64::from(x))).sqrt();
        let share = if base > 0.0 { norm / base } else { 0.0 };
        WeightChange { name: name.to_owned(), norm: norm as f32, share: share as f32 }
    };
    let mut changes = Vec::new();
    for rows in adapter.lora().iter().flat_map(|lora| &lora.rows) {
        let weight = own(&format!("{}.weight", rows.table))?;
        let mut now = weight.clone();
        rows.put_in(&mut now);
        let added = squares(now.iter().zip(&weight).map(|(&now, &before)| f64::from(now) - f64::from(before))).sqrt();
        changes.push(change(&rows.table, added, &weight));
    }
    for layer in adapter.lora().iter().flat_map(|lora| &lora.layers) {
        let weight = own(&format!("{}.weight", layer.name))?;
        changes.push(change(&layer.name, layer.norm(), &weight));
    }
    for (name, _, values) in adapter.weights() {
        let weight = own(name)?;
        let before = weight.iter().copied().chain(std::iter::repeat(0.0));
        let added = squares(values.iter().zip(before).map(|(&now, before)| f64::from(now) - f64::from(before))).sqrt();
        changes.push(change(name, added, &weight));
    }
    Ok(changes)
}

fn squares(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|x| x * x).sum()
}
