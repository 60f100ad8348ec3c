//! `gui`: opens the window.

use clap::Args;
use engine::device::DeviceChoice;

use super::Global;
use super::error::CliError;
use crate::workspace::{Assets, Workspace};

/// Open the window.
#[derive(Debug, Default, Args)]
pub(super) struct GuiArgs {
    /// Show this run: its id, the beginning or end of it, or its name
    #[arg(long)]
    run: Option<String>,
}

/// What the command line says about the window.
#[derive(Clone, Debug)]
pub struct WindowOptions {
    /// Use this device instead of what the settings say.
    pub device: Option<DeviceChoice>,
    /// Show this run at first: its id, the beginning or end of it, or its name.
    pub run: Option<String>,
    /// The starter model and datasets.
    pub assets: Assets,
}

pub(super) fn run(
    args: GuiArgs,
    global: &Global,
    window: impl FnOnce(Workspace, WindowOptions) -> anyhow::Result<()>,
) -> Result<(), CliError> {
    global.refuse_set()?;
    let options = WindowOptions { device: global.device, run: args.run, assets: global.assets() };
    window(global.workspace()?, options).map_err(|error| {
        CliError::failed(format!("{error:#}"), "The commands that need no window are listed by: prefix-workbench help")
    })
}
