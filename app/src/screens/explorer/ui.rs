//! The screen *Explorer*: inside a prefix, position by position and layer by layer.

use egui::{Align, Layout, ScrollArea, Ui, vec2};
use engine::analysis::{Metric, Side, Space};

use super::action::ExplorerAction;
use super::changes;
use super::grid::{Measure, Scale};
use super::state::{Cell, can_be_explored};
use crate::action::{Action, Screen};
use crate::screens::training::state::RunView;
use crate::state::State;
use crate::t;
use crate::theme;
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::{card_ui, empty_ui, failure_ui, heading_ui};
use crate::widgets::field;

/// Choices and typed text of *Explorer*.
#[derive(Debug)]
pub struct Explorer {
    pub(super) side: Side,
    pub(super) metric: Metric,
    pub(super) space: Space,
    pub(super) measure: Measure,
    pub(super) scale: Scale,
    pub(super) csv: String,
}

impl Default for Explorer {
    fn default() -> Self {
        Self {
            side: Side::Key,
            metric: Metric::Cosine,
            space: Space::default(),
            measure: Measure::Norm,
            scale: Scale::Logarithmic,
            csv: String::new(),
        }
    }
}

impl Explorer {
    /// Takes in a path that was chosen in a dialog.
    pub fn picked(&mut self, path: &std::path::Path) {
        self.csv = path.display().to_string();
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        heading_ui(ui, t!("screen.explorer"), t!("explorer.note"), |_| {});
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            self.choices_ui(ui, state, out);
            ui.add_space(theme::SMALL_GAP);
            let Some(view) = state.explored() else {
                empty_ui(ui, t!("explorer.no_run"), t!("explorer.no_run_advice"));
                return;
            };
            if let Some(failure) = state.exploration.failure() {
                failure_ui(ui, failure);
                ui.add_space(theme::SMALL_GAP);
            }
            let Some(grid) = &state.exploration.grid.answer else {
                let waiting = state.exploration.grid.is_open() || view.asked;
                let (what, advice) = if waiting {
                    (t!("explorer.reading"), "")
                } else {
                    (t!("explorer.no_checkpoint"), t!("explorer.no_checkpoint_advice"))
                };
                empty_ui(ui, what, advice);
                return;
            };
            if grid.n_virtual > 0 {
                self.prefix_ui(ui, state, out);
                ui.add_space(theme::SMALL_GAP);
            } else if grid.changes.is_empty() {
                empty_ui(ui, t!("explorer.no_prefix"), t!("explorer.no_prefix_advice"));
            }
            if !grid.changes.is_empty() {
                card_ui(ui, t!("explorer.changes"), |ui| changes::changes_ui(ui, &grid.changes));
            }
            ui.add_space(theme::GAP);
        });
    }

    /// The grid beside the list, which gets the room; below each other where there is little.
    fn prefix_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let width = ui.available_width();
        if width < theme::NARROW_SCREEN {
            self.grid_card_ui(ui, state, out);
            ui.add_space(theme::SMALL_GAP);
            self.list_card_ui(ui, state, out);
            return;
        }
        ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
            let left = (width * 0.42).floor();
            ui.allocate_ui_with_layout(vec2(left, 0.0), Layout::top_down(Align::Min), |ui| {
                ui.set_width(left);
                self.grid_card_ui(ui, state, out);
            });
            ui.vertical(|ui| self.list_card_ui(ui, state, out));
        });
    }

    fn choices_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        card_ui(ui, "", |ui| {
            ui.columns(3, |columns| {
                run_choice_ui(&mut columns[0], state, out);
                checkpoint_choice_ui(&mut columns[1], state, out);
                // A virtual token of a soft prompt is one vector.
                if !state.exploration.grid.answer.as_ref().is_some_and(|grid| grid.is_prompt) {
                    self.side_choice_ui(&mut columns[2], state, out);
                }
            });
        });
    }

    fn side_choice_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        field::field_ui(ui, t!("explorer.side"), t!("explorer.side_help"), None, |ui| {
            let names = [(Side::Key, t!("explorer.keys")), (Side::Value, t!("explorer.values"))];
            if segmented_ui(ui, &mut self.side, &names) {
                self.ask_again(state, out);
            }
        });
    }

    pub(super) fn ask_again(&self, state: &State, out: &mut Vec<Action>) {
        if let Some(cell) = state.exploration.cell {
            out.push(self.ask(cell.layer, cell.position));
        }
    }

    pub(super) fn ask(&self, layer: usize, position: usize) -> Action {
        Action::Explorer(ExplorerAction::Neighbors(Cell {
            layer,
            position,
            side: self.side,
            metric: self.metric,
            space: self.space,
        }))
    }
}

fn run_choice_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let shown = state.explored().map(|view: &RunView| view.id.clone());
    let runs = state.runs.rows().filter(|row| can_be_explored(row) || Some(&row.id) == shown.as_ref());
    let choices: Vec<_> = runs.map(|row| (Some(row.id.clone()), row.title())).collect();
    let mut chosen = shown.clone();
    field::field_ui(ui, t!("explorer.run"), "", None, |ui| {
        if field::choice_ui(ui, "run", &mut chosen, &choices)
            && let Some(run) = chosen
        {
            out.push(Action::Open(run, Screen::Explorer));
        }
    });
}

fn checkpoint_choice_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let checkpoints = state.explored().map_or(&[][..], |view| &view.checkpoints);
    let best = checkpoints.iter().rposition(|checkpoint| checkpoint.best);
    let initial = state.explored().and_then(RunView::initial).filter(|_| !checkpoints.is_empty());
    let before = initial.map(|folder| (Some(folder), t!("explorer.step_zero").to_owned()));
    let written = checkpoints.iter().enumerate().map(|(i, checkpoint)| {
        let name = match checkpoint.step {
            step if best == Some(i) => t!("explorer.best_step", step = step),
            step => t!("explorer.step", step = step),
        };
        (Some(checkpoint.folder.clone()), name)
    });
    let choices: Vec<_> = before.into_iter().chain(written).collect();
    let mut chosen = state.exploration.checkpoint.clone();
    field::field_ui(ui, t!("explorer.checkpoint"), t!("explorer.checkpoint_help"), None, |ui| {
        if field::choice_ui(ui, "checkpoint", &mut chosen, &choices)
            && let Some(checkpoint) = chosen
        {
            out.push(Action::Explorer(ExplorerAction::Explore { checkpoint }));
        }
    });
}
