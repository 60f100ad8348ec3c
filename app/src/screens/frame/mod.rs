//! The frame around every screen: the rail, the bar at the top, banners and toasts, the palette.

pub mod action;
mod banners;
mod commands;
pub mod diagnostics;
mod key_list;
mod leaving;
mod of_queue;
mod palette;
mod rail;
mod toasts;
mod top_bar;

pub use self::banners::banners_ui;
pub use self::leaving::leaving_ui;
pub use self::palette::Palette;
pub use self::rail::rail_ui;
pub use self::toasts::toasts_ui;
pub use self::top_bar::top_bar_ui;
