//! Every number against transformers + PEFT, on the CPU and through wgpu.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the answer")]

mod activations;
mod cpu;
mod wgpu;
