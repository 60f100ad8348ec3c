//! The screen *Explorer*: inside a prefix, its norms and the tokens nearest to its cells.

pub mod action;
mod changes;
mod grid;
mod list;
pub mod state;
mod ui;

pub use self::ui::Explorer;
