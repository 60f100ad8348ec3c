//! Welcome in *Runs* as long as there are none: where to begin.

use egui::{RichText, Ui};
use engine::config::RunConfig;

use crate::action::{Action, Pick, Screen};
use crate::screens::new_run::action::NewRunAction;
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::link_ui;
use crate::widgets::containers::{big_choice_height, big_choice_ui};
use crate::widgets::icon::Icon;

/// Draws it.
pub(super) fn welcome_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    ui.add_space(36.0);
    ui.label(RichText::new(t!("runs.welcome")).heading());
    ui.add(egui::Label::new(RichText::new(t!("runs.welcome_note")).color(tokens(ui).muted)).wrap());
    ui.add_space(20.0);
    let note = match &state.env.starter {
        Some(_) => t!("runs.starter_note"),
        None => t!("runs.starter_missing"),
    };
    let width = (ui.available_width() - 2.0 * ui.spacing().item_spacing.x) / 3.0;
    let height = big_choice_height(ui, width, &[note, t!("runs.open_model_note"), t!("runs.new_note")]);
    ui.columns(3, |columns| {
        let [first, second, third] = columns else { return };
        if big_choice_ui(first, Icon::Curve, (t!("runs.starter"), note), height).clicked() {
            match &state.env.starter {
                Some(config) => out.push(Action::NewRun(NewRunAction::Start(config.clone()))),
                None => out.push(Action::Show(Screen::NewRun)),
            }
        }
        if big_choice_ui(second, Icon::Shelf, (t!("runs.open_model"), t!("runs.open_model_note")), height).clicked() {
            out.push(Action::Show(Screen::NewRun));
            out.push(Action::Browse(Pick::Model));
        }
        if big_choice_ui(third, Icon::Plus, (t!("runs.new"), t!("runs.new_note")), height).clicked() {
            out.push(Action::Show(Screen::NewRun));
        }
    });
    ui.add_space(18.0);
    if !state.env.other_starters.is_empty() {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(t!("runs.other_starters")).color(tokens(ui).muted));
            for config in &state.env.other_starters {
                other_ui(ui, config, out);
            }
        });
    }
    if !state.env.ready_experiments.is_empty() {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(t!("runs.ready_experiments")).color(tokens(ui).muted));
            for ready in &state.env.ready_experiments {
                if link_ui(ui, &ready.name).on_hover_text(&ready.about).clicked() {
                    out.push(Action::OpenPaths(vec![ready.file.clone()]));
                }
            }
        });
    }
    ui.add_space(8.0);
    ui.label(RichText::new(t!("runs.drop_note")).color(tokens(ui).muted));
    let place = t!("runs.workspace", path = state.env.workspace.display());
    ui.label(RichText::new(place).small().color(tokens(ui).faint));
}

/// A run that is as ready as the first one.
fn other_ui(ui: &mut Ui, config: &RunConfig, out: &mut Vec<Action>) {
    if link_ui(ui, &config.name).clicked() {
        out.push(Action::NewRun(NewRunAction::Start(Box::new(config.clone()))));
    }
}
