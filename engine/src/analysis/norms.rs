//! Norms of a prefix's keys and values: where it speaks up.

use burn::tensor::Tensor;

use crate::adapters::PromptState;
use crate::analysis::PrefixGrid;
use crate::error::Result;
use crate::nn::LayerKv;

/// Norms of a prefix over all heads, cell by cell, and of what was added to the values before training.
///
/// # Shapes
/// - `prefix` and `initial`: one pair per layer, `[1, n_kv_heads, n_virtual, d_head]`; an `initial` of another shape is
///   passed over
///
/// # Errors
/// [`EngineError::Computation`](crate::error::EngineError::Computation) when the device fails.
pub fn grid(prefix: &[LayerKv], initial: Option<&[LayerKv]>) -> Result<PrefixGrid> {
    let n_virtual = prefix.first().map_or(0, |slots| slots.key.dims()[2]);
    let mut grid = PrefixGrid { n_layers: prefix.len(), n_virtual, ..PrefixGrid::default() };
    for slots in prefix {
        grid.key_norm.extend(norms(&slots.key)?);
        grid.value_norm.extend(norms(&slots.value)?);
    }
    let is_like = |initial: &&[LayerKv]| {
        n_virtual > 0
            && initial.len() == prefix.len()
            && initial.iter().zip(prefix).all(|(a, b)| a.key.dims() == b.key.dims())
    };
    for (slots, before) in prefix.iter().zip(initial.filter(is_like).unwrap_or_default()) {
        grid.key_change.extend(norms(&(slots.key.clone() - before.key.clone()))?);
        grid.value_change.extend(norms(&(slots.value.clone() - before.value.clone()))?);
    }
    Ok(grid)
}

/// Norms of the slots of a soft prompt, as a grid of one row, and of what was added to them.
pub fn of_prompt(prompt: &PromptState, initial: Option<&PromptState>) -> PrefixGrid {
    let cells =
        |values: &[f32]| -> Vec<f32> { values.chunks_exact(prompt.width).take(prompt.n_virtual).map(norm).collect() };
    let norms = cells(&prompt.values);
    let initial = initial.filter(|before| before.width == prompt.width && before.values.len() == prompt.values.len());
    let change = initial.map_or(Vec::new(), |before| {
        let added: Vec<f32> = prompt.values.iter().zip(&before.values).map(|(now, before)| now - before).collect();
        cells(&added)
    });
    PrefixGrid {
        n_layers: 1,
        n_virtual: norms.len(),
        key_norm: norms.clone(),
        value_norm: norms,
        key_change: change.clone(),
        value_change: change,
        is_prompt: true,
        ..PrefixGrid::default()
    }
}

fn norms(slots: &Tensor<4>) -> Result<Vec<f32>> {
    let [_, n_kv_heads, n, d_head] = slots.dims();
    match n {
        0 => Ok(Vec::new()),
        _ => Ok(super::rows(slots)?.chunks_exact(n_kv_heads * d_head).map(norm).collect()),
    }
}

fn norm(vector: &[f32]) -> f32 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32
}

#[cfg(test)]
mod tests {
    use crate::generation::tiny::TinyModel;

    #[test]
    fn each_cell_is_the_norm_over_heads() {
        let prefix = TinyModel::new(1).prefix(3, 7);
        let grid = super::grid(&prefix, None).unwrap();
        assert_eq!((grid.n_layers, grid.n_virtual, grid.key_norm.len(), grid.value_norm.len()), (2, 3, 6, 6));
        let cell: Vec<f32> = prefix[1].value.clone().slice([0..1, 0..2, 2..3, 0..4]).into_data().try_to_vec().unwrap();
        let expected = cell.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((grid.value_norm[5] - expected).abs() < 1e-6);
    }

    #[test]
    fn a_change_is_measured_from_the_values_before_training() {
        let model = TinyModel::new(1);
        let (prefix, initial) = (model.prefix(3, 7), model.prefix(3, 8));
        let grid = super::grid(&prefix, Some(&initial)).unwrap();
        let added = prefix[1].key.clone() - initial[1].key.clone();
        let cell: Vec<f32> = added.slice([0..1, 0..2, 2..3, 0..4]).into_data().try_to_vec().unwrap();
        let expected = cell.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((grid.key_change[5] - expected).abs() < 1e-6);
        assert!(super::grid(&prefix, Some(&prefix)).unwrap().value_change.iter().all(|change| *change == 0.0));
        assert!(super::grid(&prefix, Some(&model.prefix(2, 7))).unwrap().key_change.is_empty(), "another length");
    }

    #[test]
    fn a_prefix_of_length_zero_has_no_cells() {
        let grid = super::grid(&TinyModel::new(1).prefix(0, 7), None).unwrap();
        assert_eq!((grid.n_layers, grid.n_virtual, grid.key_norm.len()), (2, 0, 0));
    }
}
