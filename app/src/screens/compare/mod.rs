//! The screen *Compare*: one prompt, the base and any runs of one model beside each other.

pub mod action;
mod columns;
pub(in crate::screens) mod decoding;
mod limits;
pub mod state;
mod ui;

pub use self::ui::Compare;
