//! The screen *Runs*: all runs in a table, with what can be done with them. Without runs: where to begin.

pub mod action;
mod filter;
pub mod send;
pub mod table;
mod ui;
mod welcome;

pub use self::ui::{Deed, Kept, Runs, can_resume};
