//! The screen *Explorer*: where a prefix lies, what it does and what of it matters, each beside what chance makes.

pub mod action;
mod basis;
mod changes;
mod does;
mod grid;
mod layer;
mod lies;
mod lines;
mod list;
mod looking;
mod matters;
mod saved;
mod shade;
pub mod state;
mod ui;
mod views;
mod words;

pub use self::ui::Explorer;
