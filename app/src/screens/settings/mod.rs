//! The screen *Settings*: language, theme, size, devices, the hub, machines, where things are kept.

pub mod action;
mod hub;
mod machines;
mod ui;

pub use self::hub::HubSettings;
pub use self::machines::MachinesSettings;
pub use self::ui::settings_ui;
