//! The nonlinearities between linear layers, under the names of Hugging Face's `config.json`.

use burn::backend::Dispatch;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::ops::FrozenOps;

/// An elementwise nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activation {
    /// Gelu in its tanh approximation.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    /// Gelu with the error function.
    #[serde(rename = "gelu")]
    Gelu,
    /// `max(x, 0)`
    #[serde(rename = "relu")]
    Relu,
    /// `x · sigmoid(x)`
    #[serde(rename = "silu", alias = "swish")]
    Silu,
    /// Hyperbolic tangent.
    #[serde(rename = "tanh")]
    Tanh,
}

impl Activation {
    /// The activation that a `config.json` names, if we have it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_accurate" | "gelu_python_tanh" => {
                Some(Self::GeluTanh)
            }
            "gelu" | "gelu_python" => Some(Self::Gelu),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            "tanh" => Some(Self::Tanh),
            _ => None,
        }
    }
}

/// The first half of each row through `kind`, times the second half: a gated feed-forward whose two parts are one matrix.
///
/// # Shapes
/// - `gate_up`: `[batch, seq, 2 * d_ff]`
/// - returns `[batch, seq, d_ff]`
pub fn gated(gate_up: Tensor<3>, kind: Activation) -> Tensor<3> {
    let [batch, seq, width] = gate_up.dims();
    let gate = gate_up.clone().slice([0..batch, 0..seq, 0..width / 2]);
    let up = gate_up.slice([0..batch, 0..seq, width / 2..width]);
    activation(gate, kind) * up
}

/// Applies `kind` to every element. The backward keeps the input alone.
///
/// # Shapes
/// - `x`: `[batch, seq, d_ff]`
/// - returns `[batch, seq, d_ff]`
pub fn activation(x: Tensor<3>, kind: Activation) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::frozen_activation(x.into_dispatch(), kind))
}
