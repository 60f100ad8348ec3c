//! The screen *New run*: one page, Model · Data · Method · Schedule, with a card at the right that says what the run
//! will cost and whether it can begin.

pub mod action;
mod batch_size;
pub mod budget;
mod candidates;
pub mod check;
mod data;
mod datasets;
mod experiment_card;
pub mod form;
pub mod further;
mod hub_rows;
mod init_comparison;
mod lr_range_test;
mod method;
mod model;
mod optimizer;
mod presets;
mod preview_card;
mod rows;
mod schedule;
mod start;
pub mod state;
mod timing;
pub mod tuning;
mod ui;
pub mod vary;

pub use self::experiment_card::ASKED_ABOVE;
pub use self::ui::NewRun;
use self::ui::{LengthCache, error_of};
