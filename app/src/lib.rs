//! The Prefix Workbench without its engine: the window, the command line, the store of runs and the workspace folder.

pub mod action;
pub mod charts;
pub mod cli;
pub mod desk;
pub mod experiments;
pub mod exports;
pub mod format;
pub mod home;
pub mod i18n;
mod layer_list;
pub mod machines;
pub mod opening;
pub mod report;
pub mod screens;
pub mod seats;
pub mod series;
pub mod settings;
pub mod state;
pub mod store;
pub mod study;
pub mod theme;
pub mod typed_value;
pub mod widgets;
pub mod window;
pub mod workspace;
