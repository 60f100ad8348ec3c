//! The screen *Library*: models and datasets that were used or chosen, and models of the hub.

use std::path::PathBuf;

use egui::{RichText, ScrollArea, Ui};

use super::action::LibraryAction;
use super::hub;
use super::statistics::statistics_ui;
use super::suggested::suggested_ui;
use crate::action::{Action, Pick};
use crate::format;
use crate::home::typed;
use crate::screens::new_run::action::NewRunAction;
use crate::state::State;
use crate::store::{DatasetRow, ModelRow};
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::{card_frame, card_ui, empty_ui, failure_ui, heading_ui, plain_chip_ui};
use crate::widgets::field;

/// Typed names and paths of *Library*.
#[derive(Debug, Default)]
pub struct Library {
    model: String,
    hub_id: String,
    dataset: String,
    adapter: String,
    /// The folder that was asked for last: what is wrong with it is shown.
    asked: Option<PathBuf>,
}

impl Library {
    /// Takes in a path that was chosen in a dialog.
    pub fn picked(&mut self, pick: Pick, path: &std::path::Path) {
        let text = path.display().to_string();
        match pick {
            Pick::LibraryModel => self.model = text,
            Pick::Adapter => self.adapter = text,
            _ => self.dataset = text,
        }
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        heading_ui(ui, t!("screen.library"), t!("library.note"), |_| {});
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            card_ui(ui, t!("hub.title"), |ui| hub::hub_ui(ui, &mut self.hub_id, state, out));
            ui.add_space(theme::SMALL_GAP);
            card_ui(ui, "", |ui| suggested_ui(ui, state, out));
            ui.add_space(theme::SMALL_GAP);
            card_ui(ui, t!("library.models"), |ui| self.models_ui(ui, state, out));
            ui.add_space(theme::SMALL_GAP);
            card_ui(ui, t!("library.datasets"), |ui| self.datasets_ui(ui, state, out));
            ui.add_space(theme::SMALL_GAP);
            card_ui(ui, t!("library.adapters"), |ui| self.adapter_ui(ui, out));
            ui.add_space(theme::GAP);
        });
    }

    fn adapter_ui(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        let edit = field::field_ui(ui, t!("library.adapter"), t!("library.adapter_help"), None, |ui| {
            field::path_ui(ui, &mut self.adapter, t!("library.adapter_hint"), t!("library.browse_adapter"))
        });
        if edit.browse {
            out.push(Action::Browse(Pick::Adapter));
        }
        if quiet_ui(ui, !self.adapter.trim().is_empty(), t!("library.open_adapter")).clicked() {
            out.push(Action::OpenPaths(vec![typed(&self.adapter)]));
        }
    }

    fn models_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let edit = field::field_ui(ui, t!("library.add_model"), "", None, |ui| {
            field::path_ui(ui, &mut self.model, t!("model.hint"), t!("library.browse_model"))
        });
        if edit.browse {
            out.push(Action::Browse(Pick::LibraryModel));
        }
        if quiet_ui(ui, !self.model.trim().is_empty(), t!("library.read_model")).clicked() {
            let folder = typed(&self.model);
            self.asked = Some(folder.clone());
            out.push(Action::Library(LibraryAction::Describe(folder)));
        }
        if let Some(failure) = self.asked.as_ref().and_then(|folder| state.model_failure(folder)) {
            failure_ui(ui, failure);
        }
        if state.library.models.is_empty() {
            empty_ui(ui, t!("library.no_models"), t!("library.no_models_advice"));
        }
        for row in &state.library.models {
            model_ui(ui, row, out);
        }
    }

    fn datasets_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let edit = field::field_ui(ui, t!("library.add_dataset"), "", None, |ui| {
            field::path_ui(ui, &mut self.dataset, t!("data.train_hint"), t!("library.browse_dataset"))
        });
        if edit.browse {
            out.push(Action::Browse(Pick::LibraryDataset));
        }
        if quiet_ui(ui, !self.dataset.trim().is_empty(), t!("library.keep_dataset")).clicked() {
            out.push(Action::Library(LibraryAction::AddDataset(typed(&self.dataset))));
            self.dataset.clear();
        }
        if state.library.datasets.is_empty() {
            empty_ui(ui, t!("library.no_datasets"), t!("library.no_datasets_advice"));
        }
        for row in &state.library.datasets {
            dataset_ui(ui, row, out);
            if let Some(counted) = state.library.counted.as_ref().filter(|counted| counted.train == row.train) {
                statistics_ui(ui, counted, out);
            }
        }
    }
}

fn entry_ui(ui: &mut Ui, name: &str, path: &str, facts: &[String], buttons: impl FnOnce(&mut Ui)) {
    let t = tokens(ui);
    card_frame(ui).fill(t.background).inner_margin(12).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 3.0;
                ui.label(RichText::new(name).color(t.text));
                ui.add(egui::Label::new(RichText::new(path).small().color(t.muted)).truncate().selectable(true));
            });
        });
        ui.horizontal_wrapped(|ui| {
            for fact in facts.iter().filter(|fact| !fact.is_empty()) {
                plain_chip_ui(ui, fact);
            }
            buttons(ui);
        });
    });
}

fn model_ui(ui: &mut Ui, row: &ModelRow, out: &mut Vec<Action>) {
    let facts = [
        row.architecture.clone().unwrap_or_default(),
        row.parameters.map(|n| t!("model.parameters", n = format::short_count(n as usize))).unwrap_or_default(),
        row.hash
            .as_ref()
            .map(|hash| t!("library.hash", hash = hash.chars().take(10).collect::<String>()))
            .unwrap_or_default(),
        t!("library.runs", n = row.runs),
    ];
    entry_ui(ui, &row.name, &row.folder.display().to_string(), &facts, |ui| {
        if ui.button(t!("library.use_model", name = row.name)).clicked() {
            out.push(Action::NewRun(NewRunAction::UseModel(row.folder.clone())));
        }
        let forget = t!("library.forget", name = row.name);
        if ui.add_enabled(row.runs == 0, egui::Button::new(forget)).on_hover_text(t!("library.forget_help")).clicked() {
            out.push(Action::Library(LibraryAction::ForgetModel(row.folder.clone())));
        }
    });
}

fn dataset_ui(ui: &mut Ui, row: &DatasetRow, out: &mut Vec<Action>) {
    let facts = [
        row.rows.map(|n| t!("data.train_rows", n = format::count(n as usize))).unwrap_or_default(),
        row.validation.as_ref().map(|_| t!("library.has_validation").to_owned()).unwrap_or_default(),
        t!("library.runs", n = row.runs),
    ];
    entry_ui(ui, &row.name, &row.train.display().to_string(), &facts, |ui| {
        if ui.button(t!("library.use_dataset", name = row.name)).clicked() {
            out.push(Action::NewRun(NewRunAction::UseDataset(row.train.clone(), row.validation.clone())));
        }
        if ui.button(t!("library.count")).on_hover_text(t!("library.count_help")).clicked() {
            out.push(Action::Library(LibraryAction::Count(row.train.clone(), row.validation.clone())));
        }
        let forget = t!("library.forget", name = row.name);
        if ui.add_enabled(row.runs == 0, egui::Button::new(forget)).on_hover_text(t!("library.forget_help")).clicked() {
            out.push(Action::Library(LibraryAction::ForgetDataset(row.train.clone())));
        }
    });
}
