//! The Prefix Workbench without its engine: the window, the command line, the store of runs and the workspace folder.

pub mod cli;
pub mod store;
pub mod workspace;
