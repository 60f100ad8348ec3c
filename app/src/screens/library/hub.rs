//! The card *From the hub*: a model or a dataset by its id. Looking it up names the files and their sizes; another press fetches them.

use egui::{RichText, Ui};

use super::action::LibraryAction;
use super::hub_work_ui;
use crate::action::Action;
use crate::format;
use crate::state::State;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::{banner_ui, failure_ui};
use crate::widgets::field;

/// Models of the cache that are offered at once.
const OFFERED: usize = 8;

/// Draws the card's inside; `id` is what is being typed.
pub(super) fn hub_ui(ui: &mut Ui, id: &mut String, state: &State, out: &mut Vec<Action>) {
    ui.add(egui::Label::new(RichText::new(t!("hub.note")).color(tokens(ui).muted)).wrap());
    field::field_ui(ui, t!("hub.id"), t!("hub.id_help"), None, |ui| {
        let size = egui::vec2(ui.available_width(), theme::CONTROL_HEIGHT);
        ui.allocate_ui_with_layout(size, egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let ready = !id.trim().is_empty() && !state.hub.is_busy();
            let button = quiet_ui(ui, ready, t!("hub.look_up"));
            if button.on_hover_text(t!("hub.look_up_help", endpoint = state.hub.facts.endpoint)).clicked() {
                out.push(Action::Library(LibraryAction::LookUp(id.trim().to_owned())));
            }
            let width = ui.available_width();
            field::line_ui(ui, id, t!("hub.id_hint"), width);
        });
    });
    hub_work_ui(ui, state, out);
    arrived_ui(ui, state);
    cached_ui(ui, state, out);
}

/// The model or dataset that has just come, or why it cannot be used.
fn arrived_ui(ui: &mut Ui, state: &State) {
    let Some((id, folder)) = &state.hub.arrived else { return };
    match state.model_failure(folder) {
        Some(failure) => failure_ui(ui, failure),
        None => {
            let note = if id.rows().is_some() { t!("hub.arrived_rows_note") } else { t!("hub.arrived_note") };
            banner_ui(ui, Level::Good, &t!("hub.arrived", name = id), note, "", |_| {});
        }
    }
}

/// Models that this or another program fetched before and the library does not have yet.
fn cached_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let known = |folder: &std::path::Path| state.library.models.iter().any(|row| row.folder == folder);
    let others: Vec<_> = state.hub.cached.iter().filter(|model| !known(&model.folder)).take(OFFERED).collect();
    if others.is_empty() {
        return;
    }
    ui.label(RichText::new(t!("hub.cached")).small().color(tokens(ui).muted));
    ui.horizontal_wrapped(|ui| {
        for model in others {
            let label = t!("hub.add", name = model.id, size = format::bytes(model.bytes));
            if quiet_ui(ui, true, &label).on_hover_text(model.folder.display().to_string()).clicked() {
                out.push(Action::Library(LibraryAction::Describe(model.folder.clone())));
            }
        }
    });
}
