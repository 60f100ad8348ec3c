//! `gui`: opens the window.

use std::path::PathBuf;

use clap::Args;
use engine::device::DeviceChoice;

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::paths::{absolute, path};
use crate::workspace::{Assets, Workspace};

/// Open the window.
#[derive(Debug, Default, Args)]
pub(in crate::cli) struct GuiArgs {
    /// Show this run: its id, the beginning or end of it, or its name
    #[arg(long)]
    run: Option<String>,
    /// Open this: rows, a model folder, a run file, a run's folder, or an adapter of any form
    #[arg(long, value_name = "PATH", value_parser = path())]
    open: Option<PathBuf>,
}

/// Options of the window.
#[derive(Clone, Debug)]
pub struct WindowOptions {
    /// Use this device instead of what the settings say.
    pub device: Option<DeviceChoice>,
    /// Show this run at first: its id, the beginning or end of it, or its name.
    pub run: Option<String>,
    /// Open what lies here, whatever it is.
    pub open: Option<PathBuf>,
    /// The starter model and datasets.
    pub assets: Assets,
}

pub(in crate::cli) fn run(
    args: GuiArgs,
    global: &Global,
    window: impl FnOnce(Workspace, WindowOptions) -> anyhow::Result<()>,
) -> Result<(), CliError> {
    global.refuse_set()?;
    let open = args.open.as_deref().map(absolute).transpose()?;
    let options = WindowOptions { device: global.device, run: args.run, open, assets: global.assets() };
    window(global.workspace()?, options).map_err(|error| {
        CliError::failed(format!("{error:#}"), "The commands that need no window are listed by: prefix-workbench help")
    })
}
