//! Numbers from a device to the host.

use burn::tensor::Tensor;

use crate::Sentence;
use crate::error::{EngineError, Result};

/// The numbers of a tensor on the host, in row order.
///
/// # Errors
/// The device failed.
pub fn floats<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    tensor.try_into_vec_as().map_err(|error| EngineError::Computation(Sentence::verbatim(error)))
}
