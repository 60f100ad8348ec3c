//! What comes from elsewhere: what is held over the window, and the question about an adapter or an experiment that was dropped
//! or opened.

pub mod action;
mod drop_overlay;
mod experiment_card;
pub mod state;
mod ui;

pub use self::drop_overlay::overlay_ui;
pub use self::ui::Incoming;
