//! Where tensors live. The only file that names a backend.

mod given;
mod memory;
mod precision;
mod trial;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use burn::tensor::wgpu::{WgpuBackend, wgpu};
use burn::tensor::{Device, DeviceKind};
use serde::{Deserialize, Serialize};

pub use self::memory::peak_memory_bytes;
pub(crate) use self::memory::{MemoryWatch, Room};
pub use self::precision::check_precision;
pub use self::trial::{TRY_DEVICE, Trials, try_out};
use crate::error::{EngineError, Result};
use crate::nn::Precision;
use crate::{Sentence, sentence};

/// The device that a user asks for: `auto`, `cpu`, `wgpu` or `wgpu:1`.
///
/// `wgpu:1:wgsl` is the same as `wgpu:1`: kernels reach every graphics API as WGSL, which wgpu checks and translates.
/// burn's SPIR-V compiler is not built in: it hands kernels to Vulkan unchecked, and on both of Vulkan's software drivers
/// they crashed or computed wrong numbers where the same kernels in WGSL compute right ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The best real GPU, of those that a scheduler gave where `CUDA_VISIBLE_DEVICES` or `ROCR_VISIBLE_DEVICES` say so; else the
    /// CPU. Never a software rasteriser.
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
        let unknown =
            || EngineError::NoSuchDevice { asked: text.to_owned(), found: "auto, cpu, wgpu, wgpu:0 …".to_owned() };
        let adapter = text.strip_suffix(":wgsl").filter(|rest| rest.starts_with("wgpu"));
        match adapter.unwrap_or(text).split_once(':') {
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
    /// The choice that asks for this device.
    pub choice: DeviceChoice,
    /// The maker's name for it.
    pub name: String,
    /// "CPU", "Vulkan", "Metal", "DX12", "OpenGL".
    pub api: String,
    /// The driver and its version, where the system says; empty for the CPU.
    pub driver: String,
    /// Memory in bytes, where it is known: the device's, or for the CPU the machine's.
    pub memory_bytes: Option<u64>,
    /// Largest single binding in bytes, where there is such a limit.
    pub largest_binding_bytes: Option<u64>,
    /// A software rasteriser: slow, chosen only when asked for.
    pub software: bool,
    /// The fault that its trial found, if any.
    pub trouble: Option<Sentence>,
    /// Precisions that it is known not to compute in, with the reason. What is not known is tried at its first use.
    #[serde(default)]
    pub refuses: BTreeMap<Precision, Sentence>,
}

/// Every device of this machine: real GPUs best first, then software rasterisers, then the CPU.
pub fn enumerate(trials: Option<&Trials>) -> Vec<DeviceInfo> {
    let known = |info: DeviceInfo| {
        let mut refuses = trials.map_or_else(BTreeMap::new, |trials| trials.refuses(&info));
        refuses.extend(info.refuses.clone());
        DeviceInfo { trouble: trials.and_then(|trials| trials.trouble(&info)), refuses, ..info }
    };
    let mut devices: Vec<DeviceInfo> = adapters().into_iter().map(|adapter| known(adapter.info)).collect();
    devices.push(known(describe_cpu()));
    devices
}

/// Opens the device that a choice stands for on this machine: a description and the device itself.
///
/// `largest_tensor_bytes` is checked against the device's largest binding before anything is allocated. With `trials`
/// an adapter that is new here is tried first.
///
/// # Errors
/// The device is not there, does not start, fails its trial, or cannot bind the largest tensor.
pub fn open(choice: DeviceChoice, largest_tensor_bytes: u64, trials: Option<&Trials>) -> Result<(DeviceInfo, Device)> {
    let tried = |info: &DeviceInfo| trials.map_or(Ok(()), |trials| trials.check(info));
    let adapters = match choice {
        DeviceChoice::Cpu => Vec::new(),
        DeviceChoice::Auto | DeviceChoice::Wgpu(_) => adapters(),
    };
    let chosen = match choice {
        DeviceChoice::Cpu => None,
        DeviceChoice::Auto => {
            let fits = |info: &DeviceInfo| info.largest_binding_bytes.is_none_or(|most| most >= largest_tensor_bytes);
            let real = of_given(adapters.into_iter().filter(|adapter| !adapter.info.software).collect());
            let mut fitting = real.into_iter().filter(|adapter| fits(&adapter.info));
            fitting.find(|adapter| tried(&adapter.info).inspect_err(|error| tracing::warn!(%error, "not used")).is_ok())
        }
        DeviceChoice::Wgpu(index) => {
            let found = adapters.iter().map(|a| format!("{} ({})", a.info.choice, a.info.name));
            let found = found.chain(["cpu".to_owned()]).collect::<Vec<_>>().join(", ");
            let adapter = adapters.into_iter().nth(index.unwrap_or(0));
            let adapter = adapter.ok_or_else(|| EngineError::NoSuchDevice { asked: choice.to_string(), found })?;
            tried(&adapter.info)?;
            Some(adapter)
        }
    };
    let Some(adapter) = chosen else {
        return Ok((describe_cpu(), cpu()));
    };
    if let Some(limit) = adapter.info.largest_binding_bytes
        && largest_tensor_bytes > limit
    {
        return Err(EngineError::TensorTooLarge {
            name: sentence!("the token embeddings"),
            bytes: largest_tensor_bytes,
            device: adapter.info.name,
            limit,
        });
    }
    let device = started(&adapter)?;
    Ok((adapter.info, device))
}

/// Why the GPU that a scheduler gave could only be counted.
static COUNTED: OnceLock<Sentence> = OnceLock::new();

/// What there is to say of the choice that `auto` has made in this process.
pub fn notice_on_auto() -> Option<Sentence> {
    COUNTED.get().cloned()
}

/// The adapters that a scheduler gave this process, in the order in which it names them; all where it says nothing.
fn of_given(adapters: Vec<Adapter>) -> Vec<Adapter> {
    let Some(given) = given::given() else { return adapters };
    let places: Vec<given::Place> = adapters.iter().map(|adapter| adapter.place.clone()).collect();
    let (chosen, counted) = given.among(&places, given::bus_of);
    if counted && !chosen.is_empty() {
        COUNTED.get_or_init(|| {
            sentence!(
                "{said}: the driver tells no places on the bus, so GPUs were counted in its order",
                said = given.said
            )
        });
    }
    let mut adapters: Vec<Option<Adapter>> = adapters.into_iter().map(Some).collect();
    chosen.into_iter().filter_map(|index| adapters.get_mut(index)?.take()).collect()
}

/// Devices by their number: what burn keeps of one lasts as long as the process, so it is started once.
static STARTED: [OnceLock<Device>; 16] = [const { OnceLock::new() }; 16];

fn started(adapter: &Adapter) -> Result<Device> {
    let slot = match adapter.info.choice {
        DeviceChoice::Wgpu(Some(index)) => STARTED.get(index),
        _ => None,
    };
    if let Some(device) = slot.and_then(OnceLock::get) {
        return Ok(device.clone());
    }
    let device =
        Device::wgpu_options().device_kind(adapter.kind.clone()).graphics_api(adapter.api).init().map_err(|error| {
            EngineError::Computation(sentence!(
                "{device} does not start: {error}",
                device = adapter.info.name,
                error = error.to_string()
            ))
        })?;
    Ok(slot.map_or(device.clone(), |slot| slot.get_or_init(|| device).clone()))
}

/// The CPU.
pub fn cpu() -> Device {
    Device::flex()
}

/// Memory of the machine in bytes; 0 where the system does not say.
pub fn machine_memory_bytes() -> u64 {
    sysinfo::System::new().map_or(0, |mut system| {
        system.refresh_memory();
        system.total_memory()
    })
}

/// Name of this machine among others; "localhost" where the system does not say.
pub fn host_name() -> String {
    sysinfo::System::host_name().ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

fn describe_cpu() -> DeviceInfo {
    DeviceInfo {
        choice: DeviceChoice::Cpu,
        name: cpu_name(),
        api: "CPU".to_owned(),
        driver: String::new(),
        memory_bytes: Some(machine_memory_bytes()).filter(|&bytes| bytes > 0),
        largest_binding_bytes: None,
        software: false,
        trouble: None,
        refuses: precision::refused_by_cpu(),
    }
}

fn cpu_name() -> String {
    let brand = sysinfo::System::new().ok().and_then(|mut system| {
        system.refresh_cpu_list(sysinfo::CpuRefreshKind::nothing());
        system.cpus().first().map(|cpu| cpu.brand().trim().to_owned()).filter(|brand| !brand.is_empty())
    });
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{}, {threads} threads", brand.unwrap_or_else(|| std::env::consts::ARCH.to_owned()))
}

/// An adapter as burn is asked for it.
struct Adapter {
    info: DeviceInfo,
    kind: DeviceKind,
    api: WgpuBackend,
    place: given::Place,
}

/// The adapters of every graphics API this platform has, best first. A GPU that two APIs offer is listed twice.
fn adapters() -> Vec<Adapter> {
    const APIS: [(wgpu::Backends, WgpuBackend, &str); 4] = [
        (wgpu::Backends::METAL, WgpuBackend::Metal, "Metal"),
        (wgpu::Backends::VULKAN, WgpuBackend::Vulkan, "Vulkan"),
        (wgpu::Backends::DX12, WgpuBackend::Dx12, "DX12"),
        (wgpu::Backends::GL, WgpuBackend::Gl, "OpenGL"),
    ];
    let mut found = Vec::new();
    for (rank, (backends, api, name)) in APIS.into_iter().enumerate() {
        let descriptor =
            wgpu::InstanceDescriptor { backends, ..wgpu::InstanceDescriptor::new_without_display_handle() };
        let instance = wgpu::Instance::new(descriptor);
        let mut of_kind = [0; 4];
        for adapter in pollster::block_on(instance.enumerate_adapters(backends)) {
            let info = adapter.get_info();
            // burn counts the adapters of a kind within one API, in wgpu's order.
            let (order, kind) = match info.device_type {
                wgpu::DeviceType::DiscreteGpu => (0, DeviceKind::DiscreteGpu(of_kind[0])),
                wgpu::DeviceType::IntegratedGpu => (1, DeviceKind::IntegratedGpu(of_kind[1])),
                wgpu::DeviceType::VirtualGpu => (2, DeviceKind::VirtualGpu(of_kind[2])),
                wgpu::DeviceType::Cpu => (3, DeviceKind::Cpu),
                // OpenGL calls a GPU it knows nothing about "other"; burn cannot be asked for those by number.
                wgpu::DeviceType::Other => continue,
            };
            of_kind[order] += 1;
            let (vendor, pci) = (info.vendor, info.device_pci_bus_id);
            let place = given::Place { vendor, pci, api: name.to_owned() };
            let info = DeviceInfo {
                choice: DeviceChoice::Wgpu(None),
                name: info.name,
                api: name.to_owned(),
                driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
                memory_bytes: None,
                largest_binding_bytes: Some(adapter.limits().max_storage_buffer_binding_size),
                software: order == 3,
                trouble: None,
                refuses: precision::refused_by(&adapter),
            };
            found.push(((order, rank), Adapter { info, kind, api, place }));
        }
    }
    found.sort_by_key(|(order, _)| *order);
    let numbered = found.into_iter().enumerate().map(|(index, (_, mut adapter))| {
        adapter.info.choice = DeviceChoice::Wgpu(Some(index));
        adapter
    });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_as_it_is_shown() {
        for name in ["auto", "cpu", "wgpu", "wgpu:1"] {
            assert_eq!(name.parse::<DeviceChoice>().expect("a device").to_string(), name);
        }
        assert_eq!(
            "wgpu:1:wgsl".parse::<DeviceChoice>().expect("its shaders may be named"),
            DeviceChoice::Wgpu(Some(1))
        );
        for name in ["wgpu:1:spirv", "cpu:wgsl", "cuda", "wgpu:x", ""] {
            assert!(name.parse::<DeviceChoice>().is_err(), "{name}");
        }
    }
}
