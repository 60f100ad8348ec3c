//! Actions of *Settings*.

use crate::settings::Settings;
use crate::state::State;

/// Something to be done about settings.
#[derive(Clone, Debug)]
pub enum SettingsAction {
    /// Keep these.
    Keep(Box<Settings>),
    /// Look for devices again.
    ListDevices,
    /// Keep a token for gated models; empty takes it away.
    KeepToken(Secret),
}

/// The text of a field for a secret: it prints as dots.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl State {
    pub(crate) fn perform_settings(&mut self, action: SettingsAction) {
        match action {
            SettingsAction::Keep(settings) => self.keep(*settings),
            SettingsAction::ListDevices => self.list_devices(),
            SettingsAction::KeepToken(text) => self.keep_token(&text.0),
        }
    }

    fn keep(&mut self, settings: Settings) {
        let is_moved = settings.hub_endpoint != self.settings.hub_endpoint;
        self.settings = settings;
        if is_moved {
            self.describe_hub();
        }
    }
}
