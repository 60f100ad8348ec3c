//! What can be put into a column: runs of the compared model, their checkpoints, words, mixtures of two.

use egui::{ScrollArea, Ui};

use super::action::CompareAction;
use super::state::{Column, ColumnId, ColumnSetup, Mix};
use crate::action::Action;
use crate::format;
use crate::state::State;
use crate::store::RunRow;
use crate::t;

/// Height of a list in a menu.
const MENU_HEIGHT: f32 = 360.0;

/// Draws the button with what can be added. Only runs of one model can stand beside each other.
pub(super) fn add_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let model = state.comparison.runs().next().and_then(|run| state.row(run)).map(|row| row.model_folder.clone());
    let free: Vec<&RunRow> = state
        .runs
        .rows()
        .filter(|row| !row.files_missing && has_adapter(row))
        .filter(|row| model.as_ref().is_none_or(|model| row.model_folder == *model))
        .filter(|row| !state.comparison.columns.iter().any(|column| column.setup.run.as_ref() == Some(&row.id)))
        .collect();
    let is_open = state.comparison.generation.is_open();
    let has_model = state.compared_model().is_some();
    ui.add_enabled_ui(!is_open && has_model, |ui| {
        ui.menu_button(t!("compare.add"), |ui| {
            if ui.button(t!("compare.add_words")).on_hover_text(t!("compare.add_words_help")).clicked() {
                let setup = ColumnSetup { words: Some(String::new()), ..ColumnSetup::default() };
                out.push(Action::Compare(CompareAction::AddColumn(Box::new(setup), None)));
                ui.close();
            }
            if !free.is_empty() {
                ui.separator();
            }
            ScrollArea::vertical().max_height(MENU_HEIGHT).show(ui, |ui| {
                for row in free {
                    let loss = row.best_loss.map(format::figure).unwrap_or_default();
                    if ui.button(format!("{}   {loss}", row.title())).clicked() {
                        out.push(Action::Compare(CompareAction::ToggleColumn(row.id.clone())));
                        ui.close();
                    }
                }
            });
        });
    });
}

/// A run that has done a step, or an adapter that was imported.
fn has_adapter(row: &RunRow) -> bool {
    row.step > 0 || row.best_loss.is_some() || row.state == crate::store::RunState::Finished
}

/// Draws what can be done with a column: its place, columns like it, and decoding of its own. Answers with `true` if that is
/// to be set.
pub(super) fn column_menu_ui(
    ui: &mut Ui,
    (place, column): (usize, &Column),
    state: &State,
    out: &mut Vec<Action>,
) -> bool {
    let mut decides = false;
    let last = state.comparison.columns.len() - 1;
    for (enabled, to_the_left, label) in
        [(place > 0, true, t!("compare.move_left")), (place < last, false, t!("compare.move_right"))]
    {
        if ui.add_enabled(enabled, egui::Button::new(label)).clicked() {
            out.push(Action::Compare(CompareAction::ShiftColumn { column: column.id, to_the_left }));
            ui.close();
        }
    }
    ui.separator();
    let add = |setup: ColumnSetup| Action::Compare(CompareAction::AddColumn(Box::new(setup), Some(column.id)));
    if !column.setup.is_base() && ui.button(t!("compare.another_strength")).clicked() {
        let is_whole = column.setup.strength == 1.0 && column.setup.layer_strengths.is_empty();
        let strength = if is_whole { 0.5 } else { 1.0 };
        out.push(add(ColumnSetup { strength, layer_strengths: Vec::new(), ..column.setup.clone() }));
        ui.close();
    }
    checkpoints_ui(ui, &column.setup, state, &add, out);
    mixtures_ui(ui, column, state, &add, out);
    if ui.button(t!("compare.decide_own")).clicked() {
        decides = true;
        ui.close();
    }
    decides
}

/// Other checkpoints of the column's run.
fn checkpoints_ui(
    ui: &mut Ui,
    setup: &ColumnSetup,
    state: &State,
    add: &dyn Fn(ColumnSetup) -> Action,
    out: &mut Vec<Action>,
) {
    let Some(run) = &setup.run else { return };
    let checkpoints = state.runs.checkpoints.get(run).map_or(&[][..], Vec::as_slice);
    if checkpoints.len() < 2 {
        return;
    }
    ui.menu_button(t!("compare.another_checkpoint"), |ui| {
        ScrollArea::vertical().max_height(MENU_HEIGHT).show(ui, |ui| {
            for checkpoint in checkpoints {
                if ui.button(t!("compare.checkpoint", step = checkpoint.step)).clicked() {
                    let folder = Some(checkpoint.folder.clone());
                    out.push(add(ColumnSetup { checkpoint: folder, mix: None, ..setup.clone() }));
                    ui.close();
                }
            }
        });
    });
}

/// Runs of other columns that it can be mixed with.
fn mixtures_ui(
    ui: &mut Ui,
    column: &Column,
    state: &State,
    add: &dyn Fn(ColumnSetup) -> Action,
    out: &mut Vec<Action>,
) {
    let Some(run) = &column.setup.run else { return };
    let others = state.comparison.columns.iter().filter(|other| other.setup.mix.is_none());
    let mut others: Vec<_> =
        others.filter_map(|other| other.setup.run.as_ref()).filter(|&other| other != run).collect();
    others.sort();
    others.dedup();
    if others.is_empty() || column.setup.mix.is_some() {
        return;
    }
    ui.menu_button(t!("compare.mix_with"), |ui| {
        for other in others {
            let name = state.row(other).map_or_else(|| other.to_string(), RunRow::title);
            if ui.button(name).clicked() {
                let mix = Some(Mix { run: other.clone(), share: Some(0.5) });
                out.push(add(ColumnSetup { mix, ..column.setup.clone() }));
                ui.close();
            }
        }
    });
}

/// The action that changes what stands in a column.
pub(super) fn set(id: ColumnId, setup: ColumnSetup) -> Action {
    Action::Compare(CompareAction::SetColumn(id, Box::new(setup)))
}
