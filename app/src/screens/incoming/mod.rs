//! An adapter from elsewhere: what is held over the window, and the question about what was dropped or opened.

pub mod action;
mod drop_overlay;
pub mod state;
mod ui;

pub use self::drop_overlay::overlay_ui;
pub use self::ui::Incoming;
