//! What is shown, as a file: the menu *Save*, and the tables and pictures behind it.

use egui::Ui;
use engine::analysis::{PrefixGrid, Side};

use super::Explorer;
use super::looking::{answers, looked_at};
use super::views::View;
use crate::action::{Action, Pick};
use crate::charts::{HeatMap, Picture};
use crate::screens::saving::sheet::{Sheet, number};
use crate::screens::saving::{Content, Form, Saving, saving_ui};
use crate::state::State;
use crate::t;

/// The part of what is shown that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// The numbers of all adapters, or the picture of the first.
    #[default]
    First,
    /// The picture of the adapter beside it.
    Beside,
    /// Lists of nearest tokens that were shown.
    Lists,
}

impl Explorer {
    /// Draws the menu.
    pub(super) fn save_menu_ui(&mut self, ui: &mut Ui, state: &State) {
        let view = self.view();
        let looked = looked_at(state);
        let question = view.question(&self.choices);
        let n_answers = answers(&looked, state, question.as_ref(), &self.basis.looked).len();
        let has_grid = state.exploration.grid.answer.as_ref().is_some_and(|grid| grid.n_virtual > 0);
        let can = if view == View::Vectors { has_grid } else { n_answers > 0 };
        let mut entries = vec![
            (Form::Picture, Part::First, t!("views.save_picture").to_owned(), can),
            (Form::Csv, Part::First, t!("views.save_csv").to_owned(), can),
        ];
        if n_answers > 1 {
            let name = t!("insight.save_picture_of", name = looked[1].name);
            entries.insert(1, (Form::Picture, Part::Beside, name, true));
        }
        if view == View::Vectors {
            let has_lists = !state.exploration.lists.is_empty();
            entries.push((Form::Csv, Part::Lists, t!("insight.save_lists").to_owned(), has_lists));
        }
        ui.menu_button(t!("views.save"), |ui| {
            for (form, part, name, can) in entries {
                if ui.add_enabled(can, egui::Button::new(name)).clicked() {
                    (self.saving, self.saved_part) = (Some(Saving::new(form)), part);
                    ui.close();
                }
            }
        });
    }

    /// Draws the question where to write, if it is open.
    pub(super) fn saving_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let mut saving = self.saving.take();
        saving_ui(ui, &mut saving, Pick::ExplorerCsv, |form| self.content(state, form), out);
        self.saving = saving;
    }

    fn content(&self, state: &State, form: Form) -> Option<Content> {
        if self.saved_part == Part::Lists {
            return Some(Content::Text(state.exploration.to_csv()));
        }
        let view = self.view();
        let looked = looked_at(state);
        if view == View::Vectors {
            let grid = state.exploration.grid.answer.as_deref()?;
            let name = looked.first().map_or("", |looked| looked.name.as_str());
            return Some(match form {
                Form::Csv => Content::Sheet(grid_sheet(grid)),
                Form::Picture => Content::Picture(self.grid_picture(grid, name)),
            });
        }
        let question = view.question(&self.choices);
        let all = answers(&looked, state, question.as_ref(), &self.basis.looked);
        let at = if self.saved_part == Part::Beside { 1 } else { 0 };
        match form {
            Form::Csv => Some(Content::Sheet(view.sheet(&self.choices, &all))),
            Form::Picture => view.picture(&self.choices, *all.get(at)?).map(Content::Picture),
        }
    }

    fn grid_picture(&self, grid: &PrefixGrid, run: &str) -> Picture {
        let (values, name) = self.measured(grid);
        let side = match self.side {
            _ if grid.is_prompt => String::new(),
            Side::Key => format!("{} · ", t!("explorer.keys")),
            Side::Value => format!("{} · ", t!("explorer.values")),
        };
        Picture::Heat(HeatMap {
            title: format!("{side}{name} · {run}"),
            x: t!("insight.axis_position").to_owned(),
            y: t!("insight.axis_layer").to_owned(),
            columns: grid.n_virtual,
            values: values.iter().map(|value| f64::from(*value)).collect(),
        })
    }
}

/// Every number of the grid; what is not known is empty.
fn grid_sheet(grid: &PrefixGrid) -> Sheet {
    let mut sheet = Sheet::new(["layer", "position", "key_norm", "value_norm", "key_change", "value_change"]);
    for at in 0..grid.n_layers * grid.n_virtual {
        let columns = [&grid.key_norm, &grid.value_norm, &grid.key_change, &grid.value_change];
        let numbers = columns.map(|values| values.get(at).map_or(String::new(), |value| number(f64::from(*value))));
        let place = [at / grid.n_virtual + 1, at % grid.n_virtual + 1].map(|n| n.to_string());
        sheet.rows.push(place.into_iter().chain(numbers).collect());
    }
    sheet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_the_grid_has_each_cell_and_nothing_where_the_start_is_not_known() {
        let norms: Vec<f32> = (1..=6).map(|n| n as f32 / 2.0).collect();
        let grid = PrefixGrid {
            n_layers: 2,
            n_virtual: 3,
            key_norm: norms.clone(),
            value_norm: norms,
            ..PrefixGrid::default()
        };
        let sheet = grid_sheet(&grid);
        assert_eq!(sheet.rows.len(), 6);
        assert_eq!(sheet.rows[4], ["2", "2", "2.5", "2.5", "", ""]);
    }
}
