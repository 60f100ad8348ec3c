//! The screen *Evaluate*: texts for a whole file of rows, their figures, and each row with what was wanted.

pub mod action;
pub(in crate::screens) mod form;
mod kept;
mod rows;
pub mod state;
pub(in crate::screens) mod ui;

pub use self::ui::Evaluate;
