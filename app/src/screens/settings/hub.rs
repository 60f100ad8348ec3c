//! The card *Hub* of *Settings*: address, token, and where downloaded models lie.

use egui::{RichText, Ui};
use engine::hub::TokenSource;

use super::action::Secret;
use super::action::SettingsAction;
use crate::action::Action;
use crate::settings::Settings;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::{fact_ui, failure_ui};
use crate::widgets::field;

/// Typed address and token of the hub.
#[derive(Default)]
pub struct HubSettings {
    /// While the field has the focus: an address that is half typed is none.
    endpoint: Option<String>,
    token: String,
}

impl HubSettings {
    /// Draws the card's inside.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, settings: &mut Settings, out: &mut Vec<Action>) {
        let facts = &state.hub.facts;
        ui.add(egui::Label::new(RichText::new(t!("hub.settings_note")).color(tokens(ui).muted)).wrap());
        field::field_ui(ui, t!("hub.endpoint"), t!("hub.endpoint_help"), None, |ui| {
            let text = self.endpoint.get_or_insert_with(|| settings.hub_endpoint.clone());
            let width = ui.available_width();
            let edit = field::line_ui(ui, text, &facts.endpoint, width);
            if edit.lost_focus() {
                text.trim().clone_into(&mut settings.hub_endpoint);
            }
            if !edit.has_focus() {
                self.endpoint = None;
            }
        });
        if let Some(failure) = &state.hub.trouble {
            failure_ui(ui, failure);
        }
        let said = match facts.token {
            TokenSource::None => t!("hub.token_none"),
            TokenSource::Own => t!("hub.token_own"),
            TokenSource::Environment => t!("hub.token_environment"),
            TokenSource::Shared => t!("hub.token_shared"),
        };
        field::field_ui(ui, t!("hub.token"), t!("hub.token_help"), None, |ui| {
            let size = egui::vec2(ui.available_width(), theme::CONTROL_HEIGHT);
            ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let forget = facts.token == TokenSource::Own;
                if quiet_ui(ui, forget, t!("hub.forget_token")).clicked() {
                    out.push(Action::Settings(SettingsAction::KeepToken(Secret(String::new()))));
                }
                if quiet_ui(ui, !self.token.trim().is_empty(), t!("hub.keep_token")).clicked() {
                    out.push(Action::Settings(SettingsAction::KeepToken(Secret(std::mem::take(&mut self.token)))));
                }
                let width = ui.available_width();
                field::secret_ui(ui, &mut self.token, said, width);
            });
        });
        fact_ui(ui, t!("hub.cache"), &facts.cache.display().to_string());
    }
}

/// A token that is half typed is nobody's to read.
impl std::fmt::Debug for HubSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubSettings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
