//! The screen *Evaluate*: texts for a whole file of rows, their figures, and each row with what was wanted.

pub mod action;
mod form;
mod kept;
mod rows;
pub mod state;
mod ui;

pub use self::ui::Evaluate;
