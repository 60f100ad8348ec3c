//! Where the command line touches the engine's thread and its functions.

use std::num::NonZeroUsize;
use std::path::Path;

use engine::device::DeviceChoice;
use engine::nn::MatrixNumbers;
use engine::protocol::{Command, Event};
use engine::verify::Report;
use engine::worker::Engine;

use crate::cli::support::error::CliError;
use crate::workspace::Workspace;

/// Hands a command over; false when the thread is gone.
pub(in crate::cli) type Send = Box<dyn Fn(Command) -> bool>;

/// Starts the engine's thread.
pub(in crate::cli) fn spawn(
    workspace: &Workspace,
    outbox: impl Fn(Event) + std::marker::Send + 'static,
) -> Result<Send, CliError> {
    spawn_sharing(workspace, None, outbox)
}

/// As [`spawn`], one of several: on the CPU it computes with so many threads of its own.
pub(in crate::cli) fn spawn_sharing(
    workspace: &Workspace,
    threads: Option<NonZeroUsize>,
    outbox: impl Fn(Event) + std::marker::Send + 'static,
) -> Result<Send, CliError> {
    let engine = Engine::spawn_sharing(workspace.cache(), workspace.trials(), threads, outbox)?;
    Ok(Box::new(move |command| engine.send(command).is_ok()))
}

/// Computes a reference case and compares.
pub(in crate::cli) fn verify(
    case: &Path,
    out: Option<&Path>,
    place: (DeviceChoice, MatrixNumbers),
) -> Result<Report, CliError> {
    Ok(engine::verify::run(case, out, place)?)
}
