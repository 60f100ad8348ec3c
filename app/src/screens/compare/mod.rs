//! The screen *Compare*: one prompt, the base and any runs of one model beside each other.

mod decoding;
pub mod state;
mod ui;

pub use self::ui::Compare;
