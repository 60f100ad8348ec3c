//! What stands around every screen: the rail, the bar at the top, the palette.

mod palette;
mod rail;
mod top_bar;

pub use self::palette::Palette;
pub use self::rail::rail_ui;
pub use self::top_bar::{notice_ui, top_bar_ui};
