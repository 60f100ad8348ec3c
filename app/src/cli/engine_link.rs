//! Where the command line touches the engine's thread and its functions.

use std::path::Path;

use engine::device::DeviceChoice;
use engine::message::{Command, Event};

use super::error::CliError;

/// Hands a command over; false when the thread is gone.
pub(super) type Send = Box<dyn Fn(Command) -> bool>;

/// Starts the engine's thread.
pub(super) fn spawn(_cache: &Path, outbox: impl Fn(Event) + std::marker::Send + 'static) -> Result<Send, CliError> {
    drop(outbox);
    Err(CliError::failed("this build has no engine", "Merge the engine"))
}

/// One compared group of a reference case: its JSON line, and whether it is within tolerance.
pub(super) fn verify(
    _case: &Path,
    _out: Option<&Path>,
    _device: DeviceChoice,
) -> Result<Vec<(serde_json::Value, bool)>, CliError> {
    Err(CliError::failed("this build has no engine", "Merge the engine"))
}

/// What is measured, for how many steps.
pub(super) fn bench(_what: &str, _steps: usize, _device: DeviceChoice) -> Result<Vec<serde_json::Value>, CliError> {
    Err(CliError::failed("this build has no engine", "Merge the engine"))
}
