//! How much an adapter changes of the model's weights: the norm of what it adds, beside the norm of what was there.

use crate::adapters::{AdapterState, LoraMatrices};
use crate::analysis::WeightChange;
use crate::error::Result;
use crate::models::folder::ModelFolder;

/// One entry for each layer with matrices and each trained weight; a weight that the files do not hold counts as zeros.
///
/// # Errors
/// A weight has another shape, or cannot be read.
pub fn weight_changes(adapter: &AdapterState, model: &ModelFolder) -> Result<Vec<WeightChange>> {
    let weights = model.known_weights();
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
        changes.push(change(&layer.name, norm_of_product(layer), &weight));
    }
    for (name, _, values) in adapter.weights() {
        let weight = own(name)?;
        let before = weight.iter().copied().chain(std::iter::repeat(0.0));
        let added = squares(values.iter().zip(before).map(|(&now, before)| f64::from(now) - f64::from(before))).sqrt();
        changes.push(change(name, added, &weight));
    }
    Ok(changes)
}

/// `‖scale · B A‖`, from the small matrices `Bᵀ B` and `A Aᵀ`: the product itself is never made.
fn norm_of_product(layer: &LoraMatrices) -> f64 {
    let LoraMatrices { rank, d_in, d_out, a, b, scale, .. } = layer;
    let mut sum = 0.0;
    for r in 0..*rank {
        for s in 0..*rank {
            let of_a: f64 = (0..*d_in).map(|i| f64::from(a[r * d_in + i]) * f64::from(a[s * d_in + i])).sum();
            let of_b: f64 = (0..*d_out).map(|o| f64::from(b[o * rank + r]) * f64::from(b[o * rank + s])).sum();
            sum += of_a * of_b;
        }
    }
    scale.abs() * sum.max(0.0).sqrt()
}

fn squares(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|x| x * x).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_of_a_product_is_that_of_the_matrix_it_makes() {
        let (rank, d_in, d_out) = (2, 3, 4);
        let a: Vec<f32> = (0..rank * d_in).map(|i| 0.5 - i as f32 * 0.3).collect();
        let b: Vec<f32> = (0..d_out * rank).map(|i| i as f32 * 0.2 - 0.7).collect();
        let entry = |o: usize, i: usize| (0..rank).map(|r| 2.0 * b[o * rank + r] * a[r * d_in + i]).sum::<f32>();
        let made = (0..d_out).flat_map(|o| (0..d_in).map(move |i| (o, i)));
        let expected = made.map(|(o, i)| entry(o, i).powi(2)).sum::<f32>().sqrt();
        let layer = LoraMatrices {
            name: "q".into(),
            rank,
            d_in,
            d_out,
            a: a.clone(),
            b: b.clone(),
            scale: 2.0,
            is_embeddings: false,
        };
        assert!((norm_of_product(&layer) - f64::from(expected)).abs() < 1e-5);
    }
}
