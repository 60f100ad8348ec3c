//! Text of what somebody needs to know who helps: version, system, devices. Nothing of what is trained on what.

use crate::state::State;

/// One fact a line.
pub fn text(state: &State) -> String {
    let devices: Vec<String> = state.devices().iter().map(|device| format!("{device:?}")).collect();
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    format!("Prefix Workbench {}\n{system}\n{}", env!("CARGO_PKG_VERSION"), devices.join("\n"))
}
