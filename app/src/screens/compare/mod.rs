//! The screen *Compare*: one prompt, the base and any runs of one model beside each other.

pub mod action;
mod columns;
mod decoding;
pub mod state;
mod ui;

pub use self::ui::Compare;
