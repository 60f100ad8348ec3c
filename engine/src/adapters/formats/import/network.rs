//! The folded prefix: the output of an embedding and the network behind it.

use burn::tensor::{Device, Tensor, TensorData, activation};

use super::Stored;
use crate::adapters::methods::prefix::{PrefixShape, PrefixState};
use crate::device;
use crate::error::{EngineError, Result};
use crate::models::{ModelShape, Site};
use crate::nn::floats;
use crate::{Sentence, sentence};

/// Virtual tokens at most, as in our own runs.
const MAX_VIRTUAL: usize = 4096;
/// Numbers between two layers at most: far more than any prefix has, far less than memory.
const MAX_HIDDEN: usize = 1 << 26;

/// The prefix of one site: `layers` names a tensor of one axis that is the prefix itself, or the linear layers
/// (`<layers>.0`, `.2`, …) with tanh between them behind the embedding; without either the embedding is the prefix.
pub(super) fn prefix(
    stored: &Stored,
    (site, model): (Site, &ModelShape),
    embedding: &str,
    layers: &str,
) -> Result<PrefixState> {
    let row = PrefixShape::new(1, model).row();
    let (n_virtual, flat) = match stored.shape(layers) {
        Some(_) => {
            let ([n], values) = stored.numbers::<1>(layers)?;
            if !n.is_multiple_of(row) {
                return Err(mismatch(model, row, |wanted| {
                    sentence!("it has {n} numbers, which are no multiple of {wanted}", n, wanted)
                }));
            }
            (n / row, values)
        }
        None => through(stored, embedding, layers)?,
    };
    let found = flat.len() / n_virtual.max(1);
    if found != row {
        return Err(mismatch(model, row, |wanted| {
            sentence!("it has {found} numbers for each virtual token, and not {wanted}", found, wanted)
        }));
    }
    if n_virtual > MAX_VIRTUAL {
        return Err(stored.malformed(sentence!(
            "{n_virtual} virtual tokens are more than {max_virtual}",
            n_virtual,
            max_virtual = MAX_VIRTUAL
        )));
    }
    if flat.iter().any(|x| !x.is_finite()) {
        return Err(stored.malformed(sentence!(
            "what {layers:?} makes of {embedding:?} is not finite",
            layers,
            embedding
        )));
    }
    Ok(PrefixState::new(site, PrefixShape::new(n_virtual, model), flat))
}

fn mismatch(model: &ModelShape, row: usize, found: impl FnOnce(Sentence) -> Sentence) -> EngineError {
    let PrefixShape { n_layers, .. } = PrefixShape::new(1, model);
    let d_kv = row / (2 * n_layers.max(1));
    let wanted = sentence!("the model's {row} ({n_layers} layers × 2 × {d_kv})", row, n_layers, d_kv);
    EngineError::AdapterMismatch { reason: found(wanted) }
}

/// The rows of the embedding, and what the layers make of them.
fn through(stored: &Stored, embedding: &str, layers: &str) -> Result<(usize, Vec<f32>)> {
    let ([n_virtual, mut width], mut values) = stored.numbers::<2>(embedding)?;
    let device = device::cpu();
    for index in (0..).step_by(2) {
        let (weight, bias) = (format!("{layers}.{index}.weight"), format!("{layers}.{index}.bias"));
        if index > 0 && !stored.contains(&weight) && !stored.contains(&bias) {
            break;
        }
        if index == 0 && !stored.contains(&weight) {
            return Ok((n_virtual, values));
        }
        let ([d_out, d_in], matrix) = stored.numbers::<2>(&weight)?;
        let ([n_bias], shift) = stored.numbers::<1>(&bias)?;
        if (d_in, n_bias) != (width, d_out) {
            return Err(stored.malformed(sentence!(
                "{weight:?} is [{d_out}, {d_in}] with {n_bias} biases, behind {width} numbers",
                weight,
                d_out,
                d_in,
                n_bias,
                width
            )));
        }
        if n_virtual.checked_mul(d_out).is_none_or(|n| n > MAX_HIDDEN) {
            return Err(stored.malformed(sentence!(
                "{weight:?} makes {d_out} numbers of each of {n_virtual} rows",
                weight,
                d_out,
                n_virtual
            )));
        }
        let mut x = matrix_of(values, [n_virtual, width], &device);
        if index > 0 {
            x = activation::tanh(x);
        }
        let x = x.matmul(matrix_of(matrix, [d_out, d_in], &device).transpose()) + matrix_of(shift, [1, d_out], &device);
        (width, values) = (d_out, floats(x)?); // [n_virtual, d_out]
    }
    Ok((n_virtual, values))
}

fn matrix_of(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), device)
}
