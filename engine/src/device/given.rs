//! The GPUs that a scheduler gave this process: it says so in the variables of CUDA and ROCm, which wgpu does not read.
//!
//! CUDA C++ Programming Guide, "CUDA Environment Variables"; a number counts GPUs by their place on the PCI bus, as with
//! `CUDA_DEVICE_ORDER=PCI_BUS_ID` and among equal GPUs, and where a job sees its own GPUs alone it counts those.

use std::fs;

/// PCI's numbers of the makers.
const NVIDIA: u32 = 0x10de;
const AMD: u32 = 0x1002;

/// The content of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// `CUDA_VISIBLE_DEVICES=1`, to be shown.
    pub(super) said: String,
    vendor: u32,
    devices: Vec<Named>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Named {
    Number(usize),
    /// `GPU-8932f937-…`, or its beginning.
    Uuid(String),
}

/// An adapter, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) vendor: u32,
    /// `0000:01:00.0`; empty where the graphics API does not say.
    pub(super) pci: String,
    pub(super) api: String,
}

/// What the environment says of GPUs; `None` where it says nothing.
pub(super) fn given() -> Option<Given> {
    let variables = [("CUDA_VISIBLE_DEVICES", NVIDIA), ("ROCR_VISIBLE_DEVICES", AMD)];
    variables.into_iter().find_map(|(name, vendor)| Some(read(name, &std::env::var(name).ok()?, vendor)))
}

/// What is behind something that names no device is not seen either.
fn read(name: &str, value: &str, vendor: u32) -> Given {
    let named = |word: &str| match word.parse() {
        Ok(number) => Some(Named::Number(number)),
        Err(_) => word.starts_with("GPU-").then(|| Named::Uuid(word.to_owned())),
    };
    let devices = value.split(',').map_while(|word| named(word.trim())).collect();
    Given { said: format!("{name}={value}"), vendor, devices }
}

impl Given {
    /// Which of these adapters are given, in the order in which they are named, and whether they could only be counted, because
    /// no place on the bus is known.
    pub(super) fn among(&self, all: &[Place], bus_of: impl Fn(&str) -> Option<String>) -> (Vec<usize>, bool) {
        let vendor = self.vendor;
        let ours = || all.iter().enumerate().filter(move |(_, place)| place.vendor == vendor);
        let mut on_bus: Vec<(usize, &Place)> = ours().filter(|(_, place)| !place.pci.is_empty()).collect();
        // A GPU that two graphics APIs offer is one.
        on_bus.sort_by(|(_, a), (_, b)| a.pci.cmp(&b.pci));
        on_bus.dedup_by(|(_, later), (_, first)| later.pci == first.pci);
        let counted = on_bus.is_empty();
        if counted {
            let api = ours().next().map(|(_, place)| place.api.as_str());
            on_bus = ours().filter(|(_, place)| Some(place.api.as_str()) == api).collect();
        }
        let find = |named: &Named| match named {
            Named::Number(number) => on_bus.get(*number).map(|(index, _)| *index),
            Named::Uuid(uuid) => {
                let bus = bus_of(uuid)?;
                on_bus.iter().find(|(_, place)| place.pci.eq_ignore_ascii_case(&bus)).map(|(index, _)| *index)
            }
        };
        (self.devices.iter().filter_map(find).collect(), counted)
    }
}

/// The place of a GPU on the bus, as NVIDIA's driver tells it on Linux.
pub(super) fn bus_of(uuid: &str) -> Option<String> {
    let mut entries = fs::read_dir("/proc/driver/nvidia/gpus").ok()?.flatten();
    entries.find_map(|entry| {
        let facts = fs::read_to_string(entry.path().join("information")).ok()?;
        let has = |line: &str| line.split_once("GPU UUID:").is_some_and(|(_, id)| id.trim().starts_with(uuid));
        facts.lines().any(has).then(|| entry.file_name().into_string().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(vendor: u32, pci: &str, api: &str) -> Place {
        Place { vendor, pci: pci.to_owned(), api: api.to_owned() }
    }

    #[test]
    fn a_number_counts_along_the_bus_and_an_id_is_looked_up() {
        let all = [
            place(NVIDIA, "0000:41:00.0", "Vulkan"),
            place(AMD, "0000:03:00.0", "Vulkan"),
            place(NVIDIA, "0000:01:00.0", "Vulkan"),
            place(NVIDIA, "", "OpenGL"),
        ];
        let bus_of = |uuid: &str| (uuid == "GPU-89").then(|| "0000:41:00.0".to_owned());
        let given = |value: &str| read("CUDA_VISIBLE_DEVICES", value, NVIDIA).among(&all, bus_of);
        assert_eq!(given("0"), (vec![2], false));
        assert_eq!(given("1,0"), (vec![0, 2], false));
        assert_eq!(given(" GPU-89 , 0"), (vec![0, 2], false));
        assert_eq!(given("0,-1,1"), (vec![2], false), "what is behind no device is not seen");
        for none in ["", "-1", "NoDevFiles", "7", "GPU-00", "MIG-GPU-89/1/0"] {
            assert_eq!(given(none), (vec![], false), "{none}");
        }
        assert_eq!(read("ROCR_VISIBLE_DEVICES", "0", AMD).among(&all, bus_of), (vec![1], false));
    }

    #[test]
    fn without_a_bus_adapters_of_one_api_are_counted() {
        let all = [place(NVIDIA, "", "DX12"), place(NVIDIA, "", "DX12"), place(NVIDIA, "", "OpenGL")];
        let given = |value: &str| read("CUDA_VISIBLE_DEVICES", value, NVIDIA).among(&all, |_| None);
        assert_eq!(given("1"), (vec![1], true));
        assert_eq!(given("2"), (vec![], true));
    }
}
