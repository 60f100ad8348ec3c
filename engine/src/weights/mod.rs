//! Weights of a Hugging Face folder: `model.safetensors` or its shards, memory-mapped, tensor by tensor onto the device.

mod safetensors;

pub(crate) use self::safetensors::write_whole;
pub use self::safetensors::{Floats, WeightFiles, read_floats, write_floats, write_json};
