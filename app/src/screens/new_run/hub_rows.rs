//! Rows that are named by their dataset on the hub: looked up and fetched where a run asks for them.

use std::path::PathBuf;

use egui::{RichText, Ui};
use engine::hub::ModelId;

use super::form::RunForm;
use crate::action::Action;
use crate::screens::library::action::LibraryAction;
use crate::screens::library::hub_work_ui;
use crate::state::State;
use crate::state::hub::HubWork;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::quiet_ui;

/// Begins the name of a dataset on the hub.
const DATASETS: &str = "hf://datasets/";

/// The dataset of the hub that is typed in place of a path.
pub(super) fn wanted_rows(form: &RunForm) -> Option<ModelId> {
    let typed = form.text.train.trim();
    typed.starts_with(DATASETS).then(|| ModelId::parse(typed).ok())?
}

/// Offers to fetch the dataset that is typed; once it is here, its folder takes the place of its name.
pub(super) fn hub_rows_ui(ui: &mut Ui, form: &mut RunForm, state: &State, out: &mut Vec<Action>) {
    let Some(id) = wanted_rows(form) else { return };
    if let Some(folder) = arrived(&id, state) {
        (form.text.train, form.validation_chosen) = (folder.display().to_string(), false);
        return;
    }
    let concerned = match &state.hub.work {
        HubWork::Idle => None,
        HubWork::LookingUp(other) => Some(other),
        HubWork::Listed(listing) | HubWork::Fetching { listing, .. } => Some(&listing.id),
    };
    if concerned != Some(&id) {
        ui.add(egui::Label::new(RichText::new(t!("data.on_hub", name = id)).color(tokens(ui).muted)).wrap());
        let button = quiet_ui(ui, !state.hub.is_busy(), &t!("data.look_up", name = id));
        if button.on_hover_text(t!("hub.look_up_help", endpoint = state.hub.facts.endpoint)).clicked() {
            out.push(Action::Library(LibraryAction::LookUp(id.to_string())));
        }
    }
    if concerned == Some(&id) || state.hub.failure.is_some() {
        hub_work_ui(ui, state, out);
    }
}

fn arrived(id: &ModelId, state: &State) -> Option<PathBuf> {
    state.hub.arrived.as_ref().filter(|(known, _)| known == id).map(|(_, folder)| folder.clone())
}
