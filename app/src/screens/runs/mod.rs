//! The screen *Runs*: all runs in a table, with what can be done with them. Without runs: where to begin.

pub mod action;
mod baseline;
mod cells;
mod chooser;
mod columns;
mod deeds;
mod experiment;
mod filter_line;
mod group_row;
mod groups;
mod header;
mod report;
mod select;
pub mod send;
mod sheet;
mod side;
pub mod table;
mod tags;
mod ui;
mod views;
mod welcome;

pub use self::deeds::{Deed, can_resume};
pub use self::ui::{Kept, Runs};
