//! The screen *Training*: one run, live, finished or reopened.

mod curve_plot;
mod figures;
mod plots;
pub mod state;
mod tabs;
mod tiles;
mod ui;

pub use self::tiles::Arrangement;
pub use self::ui::{Training, about_run, phase_line};
