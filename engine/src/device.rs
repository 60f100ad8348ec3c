//! Where tensors live. The only file that names a backend.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::{EngineError, Result};

/// Which device a user asks for: `auto`, `cpu`, `wgpu` or `wgpu:1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The best real GPU, else the CPU. Never a software rasteriser.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The adapter of this number in [`enumerate`]'s list, or the first.
    Wgpu(Option<usize>),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Wgpu(None) => f.write_str("wgpu"),
            Self::Wgpu(Some(index)) => write!(f, "wgpu:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || EngineError::NoSuchDevice { asked: text.to_owned(), found: "auto, cpu, wgpu, wgpu:0 …".into() };
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "wgpu" => Ok(Self::Wgpu(None)),
            Some(("wgpu", index)) => index.parse().map(|i| Self::Wgpu(Some(i))).ok().ok_or_else(unknown),
            _ => Err(unknown()),
        }
    }
}

impl Serialize for DeviceChoice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A device as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceInfo {
    /// What to ask for to get it.
    pub choice: DeviceChoice,
    /// The maker's name for it.
    pub name: String,
    /// "CPU", "Vulkan", "Metal", "DX12", "OpenGL".
    pub api: String,
    /// Memory in bytes, where it is known: the device's, or for the CPU the machine's.
    pub memory_bytes: Option<u64>,
    /// Largest single binding in bytes, where there is such a limit.
    pub largest_binding_bytes: Option<u64>,
    /// A software rasteriser: slow, chosen only when asked for.
    pub software: bool,
}
