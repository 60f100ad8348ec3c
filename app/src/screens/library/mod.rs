//! The screen *Library*: models and datasets that were used or chosen, and models of the hub.

pub mod action;
mod hub;
mod hub_work;
mod statistics;
pub mod suggested;
mod ui;

pub use self::hub_work::hub_work_ui;
pub use self::ui::Library;
