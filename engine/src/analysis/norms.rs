//! How large a prefix's keys and values are: where it speaks up.

use crate::adapters::FoldedPrompt;
use crate::error::Result;
use crate::message::PrefixGrid;
use crate::nn::LayerKv;

/// Norms of a prefix over all heads, cell by cell.
///
/// # Shapes
/// - `prefix`: one pair per layer, `[1, n_kv_heads, n_virtual, d_head]`
///
/// # Errors
/// [`EngineError::Computation`](crate::error::EngineError::Computation) when the device fails.
pub fn grid(prefix: &[LayerKv]) -> Result<PrefixGrid> {
    let n_virtual = prefix.first().map_or(0, |slots| slots.key.dims()[2]);
    let (mut key_norm, mut value_norm) = (Vec::new(), Vec::new());
    for slots in prefix {
        for (tensor, norms) in [(&slots.key, &mut key_norm), (&slots.value, &mut value_norm)] {
            let [_, n_kv_heads, n, d_head] = tensor.dims();
            if n > 0 {
                norms.extend(super::rows(tensor)?.chunks_exact(n_kv_heads * d_head).map(norm));
            }
        }
    }
    Ok(PrefixGrid { n_layers: prefix.len(), n_virtual, key_norm, value_norm, ..PrefixGrid::default() })
}

/// Norms of the slots of a soft prompt, as a grid of one row.
pub fn of_prompt(prompt: &FoldedPrompt) -> PrefixGrid {
    let norms: Vec<f32> = prompt.values.chunks_exact(prompt.width).take(prompt.n_virtual).map(norm).collect();
    PrefixGrid {
        n_layers: 1,
        n_virtual: norms.len(),
        key_norm: norms.clone(),
        value_norm: norms,
        is_prompt: true,
        ..PrefixGrid::default()
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
        let grid = super::grid(&prefix).unwrap();
        assert_eq!((grid.n_layers, grid.n_virtual, grid.key_norm.len(), grid.value_norm.len()), (2, 3, 6, 6));
        let cell: Vec<f32> = prefix[1].value.clone().slice([0..1, 0..2, 2..3, 0..4]).into_data().try_to_vec().unwrap();
        let expected = cell.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!((grid.value_norm[5] - expected).abs() < 1e-6);
    }

    #[test]
    fn a_prefix_of_length_zero_has_no_cells() {
        let grid = super::grid(&TinyModel::new(1).prefix(0, 7)).unwrap();
        assert_eq!((grid.n_layers, grid.n_virtual, grid.key_norm.len()), (2, 0, 0));
    }
}
