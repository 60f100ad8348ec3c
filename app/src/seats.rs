//! Seats: where runs are computed at the same time. Each is a device with an engine of its own; on the CPU several share its
//! threads.

use std::num::NonZeroUsize;

use engine::device::{DeviceChoice, DeviceInfo};

/// At most so many runs are computed at the same time on the CPU, as the window offers it.
pub const MOST_ON_CPU: usize = 4;

/// The seats to begin with where somebody wants several: each real GPU and the CPU, or the CPU twice.
pub fn suggested(devices: &[DeviceInfo]) -> Vec<DeviceChoice> {
    let is_gpu = |device: &&DeviceInfo| !device.software && device.trouble.is_none();
    let gpus = devices.iter().filter(is_gpu).map(|device| device.choice).filter(|choice| *choice != DeviceChoice::Cpu);
    let mut seats: Vec<DeviceChoice> = gpus.chain([DeviceChoice::Cpu]).collect();
    if seats.len() == 1 {
        seats.push(DeviceChoice::Cpu);
    }
    seats
}

/// Gives a device so many seats; they stand in the order of the devices.
pub fn set(seats: &mut Vec<DeviceChoice>, device: DeviceChoice, n: usize, devices: &[DeviceInfo]) {
    seats.retain(|seat| *seat != device);
    seats.extend(std::iter::repeat_n(device, n));
    seats.sort_by_key(|seat| devices.iter().position(|device| device.choice == *seat));
}

/// How many threads the engine of each seat has for itself; `None` is all of them, without a share.
pub fn threads(seats: &[DeviceChoice]) -> Vec<Option<NonZeroUsize>> {
    shared(seats, std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
}

fn shared(seats: &[DeviceChoice], all: usize) -> Vec<Option<NonZeroUsize>> {
    let on_cpu = seats.iter().filter(|device| **device == DeviceChoice::Cpu).count();
    let mut before = 0;
    let mut of = |device: &DeviceChoice| {
        if on_cpu < 2 || *device != DeviceChoice::Cpu {
            return None;
        }
        before += 1;
        // What is left over goes to the first.
        NonZeroUsize::new((all / on_cpu + usize::from(before <= all % on_cpu)).max(1))
    };
    seats.iter().map(&mut of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_on_the_cpu_share_its_threads_and_those_on_a_gpu_leave_them() {
        let (cpu, gpu) = (DeviceChoice::Cpu, DeviceChoice::Wgpu(Some(0)));
        let told = |seats: &[DeviceChoice], all| {
            shared(seats, all).into_iter().map(|threads| threads.map_or(0, NonZeroUsize::get)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[cpu], 8), [0]);
        assert_eq!(told(&[cpu, gpu], 8), [0, 0]);
        assert_eq!(told(&[cpu, gpu, cpu, cpu], 8), [3, 0, 3, 2]);
        assert_eq!(told(&[cpu; 3], 2), [1, 1, 1]);
    }

    fn device(choice: DeviceChoice, software: bool) -> DeviceInfo {
        DeviceInfo {
            choice,
            name: choice.to_string(),
            api: String::new(),
            driver: String::new(),
            memory_bytes: None,
            largest_binding_bytes: None,
            software,
            trouble: None,
            refuses: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn every_real_gpu_has_a_seat_and_one_processor_alone_has_two() {
        let (cpu, first, second) = (DeviceChoice::Cpu, DeviceChoice::Wgpu(Some(0)), DeviceChoice::Wgpu(Some(1)));
        let devices = [device(first, false), device(second, true), device(cpu, false)];
        assert_eq!(suggested(&devices), [first, cpu]);
        assert_eq!(suggested(&devices[1..]), [cpu, cpu]);
        let mut seats = suggested(&devices);
        set(&mut seats, cpu, 2, &devices);
        set(&mut seats, second, 1, &devices);
        assert_eq!(seats, [first, second, cpu, cpu]);
        set(&mut seats, first, 0, &devices);
        assert_eq!(seats, [second, cpu, cpu]);
    }
}
