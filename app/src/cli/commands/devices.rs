//! `devices`: what can be computed on; `try-device`: the process in which a GPU is used for the first time.

use clap::Args;
use engine::device::{DeviceChoice, DeviceInfo};
use engine::nn::Precision;
use engine::protocol::{Ask, Report};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json;
use crate::cli::support::out;
use crate::cli::support::session::Session;

pub(in crate::cli) fn run(global: &Global) -> Result<(), CliError> {
    global.refuse_set()?;
    let session = Session::start(&global.workspace()?, None)?;
    let devices = session.ask(Ask::ListDevices, |report| match report {
        Report::Devices { devices } => Some(devices),
        _ => None,
    })?;
    for device in devices {
        if global.json {
            out::result(json::named("device", &device));
        } else {
            out::result(sentence(&device));
        }
    }
    Ok(())
}

/// Compute a little on a device, and hold it against the CPU.
#[derive(Debug, Args)]
pub(in crate::cli) struct TryDeviceArgs {
    /// cpu or wgpu:1
    choice: DeviceChoice,
    /// f32, f16 or bf16
    #[arg(default_value_t)]
    precision: Precision,
}

/// Tries a device; the exit code, or the way it crashes, is the verdict.
pub(in crate::cli) fn try_device(args: &TryDeviceArgs) -> Result<(), CliError> {
    engine::device::try_out(args.choice, args.precision).map_err(|error| {
        // For a program that reads the last line.
        out::note(serde_json::to_string(&error.sentence()).unwrap_or_default());
        CliError::Negative
    })
}

fn sentence(device: &DeviceInfo) -> String {
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let memory = device.memory_bytes.map_or("memory unknown".to_owned(), gib);
    let binding = device.largest_binding_bytes.map(|bytes| format!(", largest tensor {}", gib(bytes)));
    let software = if device.software { " (software, slow)" } else { "" };
    let trouble = device.trouble.as_ref().map(|trouble| format!(" (fails: {trouble})"));
    format!(
        "{:8} {} · {} · {memory}{}{software}{}",
        device.choice.to_string(),
        device.name,
        device.api,
        binding.unwrap_or_default(),
        trouble.unwrap_or_default()
    )
}
