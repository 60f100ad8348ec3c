//! Models to begin with: a short list with what each is good for. A press looks one up, which names its files first.

use std::sync::LazyLock;

use egui::{RichText, Ui};
use engine::hub::ModelId;
use serde::Deserialize;

use super::action::LibraryAction;
use crate::action::Action;
use crate::format;
use crate::i18n::{Language, language};
use crate::screens::new_run::action::NewRunAction;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::small_ui;
use crate::widgets::containers::{chips_ui, plain_chip_ui};

/// A model to begin with.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct SuggestedModel {
    /// On the hub.
    pub id: String,
    /// Size of its weights.
    pub bytes: u64,
    /// Numbers in it.
    pub parameters: usize,
    /// As its card says.
    pub license: String,
    good_for: String,
    good_for_zh: String,
}

#[derive(Deserialize)]
struct List {
    model: Vec<SuggestedModel>,
}

static MODELS: LazyLock<Vec<SuggestedModel>> = LazyLock::new(|| {
    let list: List = toml::from_str(include_str!("../../../../assets/models/suggested.toml"))
        .expect("the list is part of the program and tested");
    list.model
});

/// All of them, as they are offered.
pub fn suggested_models() -> &'static [SuggestedModel] {
    &MODELS
}

impl SuggestedModel {
    /// What it is good for, in the language spoken here.
    pub fn good_for(&self) -> &str {
        match language() {
            Language::Chinese => &self.good_for_zh,
            Language::English | Language::System => &self.good_for,
        }
    }
}

/// Draws the card's inside; folded once there are models to train with.
pub(super) fn suggested_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let title = RichText::new(t!("hub.suggested")).text_style(theme::title());
    let is_new = state.library.models.len() < 2;
    egui::CollapsingHeader::new(title).id_salt("suggested").default_open(is_new).show_unindented(ui, |ui| {
        ui.add(egui::Label::new(RichText::new(t!("hub.suggested_note")).color(tokens(ui).muted)).wrap());
        let columns = if ui.available_width() < theme::NARROW_SCREEN { 1 } else { 2 };
        for line in suggested_models().chunks(columns) {
            ui.add_space(4.0);
            ui.columns(columns, |columns| {
                for (ui, model) in columns.iter_mut().zip(line) {
                    model_ui(ui, model, state, out);
                }
            });
        }
    });
}

fn model_ui(ui: &mut Ui, model: &SuggestedModel, state: &State, out: &mut Vec<Action>) {
    ui.spacing_mut().item_spacing.y = 3.0;
    let short = model.id.rsplit('/').next().unwrap_or(&model.id);
    ui.add(egui::Label::new(RichText::new(short).color(tokens(ui).text)).truncate());
    ui.add(egui::Label::new(RichText::new(model.good_for()).small().color(tokens(ui).muted)).wrap());
    chips_ui(ui, |ui| {
        plain_chip_ui(ui, &t!("model.parameters", n = format::short_count(model.parameters)));
        plain_chip_ui(ui, &format::bytes(model.bytes));
        plain_chip_ui(ui, &t!("hub.license", name = model.license));
        press_ui(ui, model, short, state, out);
    });
}

/// The press that uses it, or looks it up where it is not here yet.
fn press_ui(ui: &mut Ui, model: &SuggestedModel, short: &str, state: &State, out: &mut Vec<Action>) {
    let Ok(id) = ModelId::parse(&model.id) else { return };
    let arrived = state.hub.arrived.iter().filter(|(known, _)| *known == id).map(|(_, folder)| folder);
    let here =
        state.hub.cached.iter().filter(|cached| cached.id == id).map(|cached| &cached.folder).chain(arrived).next();
    match here {
        Some(folder) => {
            if small_ui(ui, t!("hub.use_suggested", name = short)).on_hover_text(folder.display().to_string()).clicked()
            {
                out.push(Action::NewRun(NewRunAction::UseModel(folder.clone())));
            }
        }
        None => {
            let label = t!("hub.get_suggested", name = short);
            let help = t!("hub.look_up_help", endpoint = state.hub.facts.endpoint);
            ui.add_enabled_ui(!state.hub.is_busy(), |ui| {
                if small_ui(ui, label).on_hover_text(help).clicked() {
                    out.push(Action::Library(LibraryAction::LookUp(model.id.clone())));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_is_a_name_of_the_hub_with_all_that_one_wants_to_know_in_both_languages() {
        let ids: BTreeSet<&str> = suggested_models().iter().map(|model| model.id.as_str()).collect();
        assert_eq!(ids.len(), suggested_models().len());
        assert_eq!(ids.len(), 10);
        for model in suggested_models() {
            let id = ModelId::parse(&model.id).unwrap();
            assert_eq!(id.to_string(), model.id, "as the hub writes it");
            // 16 or 32 bits for each number; a head that repeats the embeddings may be stored beside them.
            let each = model.bytes as f64 / model.parameters as f64;
            assert!((1.9..4.6).contains(&each), "{}: {each} bytes for each parameter", model.id);
            assert!(!model.license.is_empty() && !model.good_for.ends_with('.'), "{}", model.id);
            let chinese = model.good_for_zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
            assert!(chinese && model.good_for.is_ascii(), "{}", model.id);
        }
    }
}
