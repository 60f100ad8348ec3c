//! Precisions of 16 bits that a device computes in.

use std::collections::BTreeMap;

use burn::backend::{Backend, DTypeUsage, Dispatch};
use burn::tensor::wgpu::wgpu;
use burn::tensor::{Device, Tensor, TensorData};
use half::{bf16, f16};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{DeviceInfo, Trials, cpu};
use crate::error::{EngineError, Result};
use crate::nn::{FrozenLinear, FrozenMatrix, Precision, floats, multiplies_bf16};
use crate::{Sentence, sentence};

/// Why no CPU is offered in f16.
const NO_F16: Sentence = sentence!("on the CPU products of 16 bits are in bf16");

/// Why a CPU is not offered in bf16.
const NO_PAIRS: Sentence = sentence!("this processor has neither AMX nor AVX512-BF16");

const NO_TYPE: Sentence = sentence!("its driver does not have such numbers");

/// Why no GPU is offered in bf16.
const NO_BF16: Sentence = sentence!("kernels are written in WGSL, which has no bf16");

/// Precisions that an adapter is known to refuse before it is started.
pub(super) fn refused_by(adapter: &wgpu::Adapter) -> BTreeMap<Precision, Sentence> {
    let mut refused = BTreeMap::from([(Precision::Bf16, NO_BF16)]);
    if !adapter.features().contains(wgpu::Features::SHADER_F16) {
        refused.insert(Precision::F16, NO_TYPE);
    }
    refused
}

/// Precisions that this processor refuses.
pub(super) fn refused_by_cpu() -> BTreeMap<Precision, Sentence> {
    let mut refused = BTreeMap::from([(Precision::F16, NO_F16)]);
    if !multiplies_bf16() {
        refused.insert(Precision::Bf16, NO_PAIRS);
    }
    refused
}

/// Asks a device for a precision: what it has, and what came of trying it. With `trials` that is done once, in a process
/// of its own.
///
/// # Errors
/// [`EngineError::NoPrecision`].
pub fn check_precision(
    info: &DeviceInfo,
    device: &Device,
    precision: Precision,
    trials: Option<&Trials>,
) -> Result<()> {
    if precision == Precision::F32 {
        return Ok(());
    }
    let refused = |reason: Sentence| {
        let device = format!("{} ({})", info.name, info.api);
        Err(EngineError::NoPrecision { device, precision, reason })
    };
    if let Some(reason) = info.refuses.get(&precision) {
        return refused(reason.clone());
    }
    // Numbers are stored, converted and multiplied in kernels that widen them; nothing else is done with them.
    if !Dispatch::dtype_usage(device.as_dispatch(), precision.dtype()).contains(DTypeUsage::Storage) {
        return refused(NO_TYPE);
    }
    match trials {
        Some(trials) => trials.check_precision(info, precision),
        None if multiplies(device, precision)? => Ok(()),
        None => refused(sentence!("its products are wrong")),
    }
}

/// Rows and columns of what is multiplied in a trial: no multiple of a tile, and many tiles.
const SIZES: [usize; 3] = [70, 130, 90];

/// Whether a linear layer and its gradient are what f32 gives, but for the rounding of the operands.
fn multiplies(device: &Device, precision: Precision) -> Result<bool> {
    let [rows, d_in, d_out] = SIZES;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut matrix = |rows: usize, columns: usize, magnitude: &dyn Fn(usize) -> f32| {
        let value = |at: usize| random.random_range(-1.0..1.0_f32) * magnitude(at / columns);
        TensorData::new((0..rows * columns).map(value).collect::<Vec<_>>(), [rows, columns])
    };
    // Rows of activations from 1e-9 to 1e6, gradients around 1e-7: beyond f16 on both sides.
    let x = matrix(rows, d_in, &|row| 10_f32.powi(row as i32 % 16 - 9));
    let weight = matrix(d_in, d_out, &|_| 1.0);
    let grad = matrix(rows, d_out, &|row| 10_f32.powi(-(row as i32 % 3) - 6));
    let found = layer([&x, &weight, &grad], device, precision)?;
    let expected = layer([&x, &weight, &grad], &cpu(), Precision::F32)?;
    let size = layer([&magnitudes(&x), &magnitudes(&weight), &magnitudes(&grad)], &cpu(), Precision::F32)?;
    // Both operands are off by at most one unit in their last place, whichever way a driver rounds.
    let unit = if precision == Precision::F16 { f16::EPSILON.to_f32() } else { bf16::EPSILON.to_f32() };
    let close = |((found, expected), size): ((&f32, &f32), &f32)| (found - expected).abs() <= 2.1 * unit * size;
    Ok(found.iter().zip(&expected).zip(&size).all(close))
}

fn magnitudes(data: &TensorData) -> TensorData {
    let values: Vec<f32> = data.iter::<f32>().map(f32::abs).collect();
    TensorData::new(values, data.shape().clone())
}

/// Output of a layer for `x`, then the gradient that comes back of `grad`.
fn layer([x, weight, grad]: [&TensorData; 3], device: &Device, precision: Precision) -> Result<Vec<f32>> {
    let values = Tensor::<2>::from_data(weight.clone(), device).cast(precision.dtype());
    let layer = FrozenLinear::new(FrozenMatrix::new(values, precision), None);
    let x = Tensor::<2>::from_data(x.clone(), &device.clone().autodiff()).require_grad();
    let out = layer.forward(x.clone().unsqueeze_dim(0)).squeeze_dim::<2>(0);
    let grad = Tensor::from_inner(Tensor::<2>::from_data(grad.clone(), device));
    let mut gradients = (out.clone() * grad).sum().backward();
    let gradient = x.grad_remove(&mut gradients).map(floats).transpose()?;
    Ok([floats(out)?, gradient.unwrap_or_default()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_are_told_from_wrong_numbers() {
        for precision in Precision::NARROW {
            assert!(multiplies(&cpu(), precision).expect("the CPU computes"), "{precision}");
        }
    }
}
