//! The screen *Compare*: one prompt, or a set of rows, under the base and any runs of one model beside each other.

pub mod action;
mod add;
mod card;
mod columns;
pub(in crate::screens) mod decoding;
mod limits;
mod set;
pub mod state;
mod texts;
mod turns;
mod ui;

pub use self::ui::Compare;
