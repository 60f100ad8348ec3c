//! Weights of a Hugging Face folder, safetensors or PyTorch's own files, or of a file in GGUF: memory-mapped, tensor by
//! tensor onto the device.

mod composed;
mod entry;
mod files;
pub mod gguf;
mod npy;
mod numbers;
mod pickle;
mod safetensors;
mod shards;
mod torch;
mod torch_writer;

pub(crate) use self::composed::PackedBy;
pub use self::files::WeightFiles;
pub(crate) use self::files::{BlockMatrix, hex};
pub(crate) use self::npy::{is_npy, read_npy};
/// A tensor's name below the model, its shape, its numbers.
pub type NamedTensor = (String, Vec<usize>, Vec<f32>);

pub use self::safetensors::{Floats, read_floats, read_metadata, write_bf16, write_floats};
pub use self::torch_writer::{write_torch, write_torch_tensor};
