//! The screen *Settings*: language, theme, size, devices, the hub, where things are kept.

pub mod action;
mod hub;
mod ui;

pub use self::hub::HubSettings;
pub use self::ui::settings_ui;
