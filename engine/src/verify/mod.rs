//! Holds this program against transformers + PEFT: reads a reference case, computes what it asks for, says how far off.
//!
//! A case is a folder with a small checkpoint, an adapter, inputs and the reference's results (`tests/golden`).

mod case;
mod compute;
mod generate;
mod plan;
mod report;
mod targets;

use std::path::Path;

use crate::device::DeviceChoice;
use crate::error::Result;
use crate::nn::MatrixNumbers;

pub use self::report::{Group, Report};

/// Computes a case on a device and in a precision, writes the results under the reference's names, and compares. The
/// tolerances are those of f32.
///
/// # Errors
/// The case is damaged, or its model or its adapter is not supported, or the
/// device does not compute in the precision.
pub fn run(
    folder: &Path,
    out: Option<&Path>,
    (device, numbers): (DeviceChoice, impl Into<MatrixNumbers>),
) -> Result<Report> {
    let case = case::Case::read(folder)?;
    let computed = compute::compute(&case, (device, numbers.into()))?;
    if let Some(path) = out {
        case::write_tensors(path, &computed)?;
    }
    Ok(report::compare(&case, &computed))
}
