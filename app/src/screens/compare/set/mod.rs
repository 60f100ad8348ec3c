//! A set of rows under every column: what is asked, how far it is, figures, the rows beside each other or judged blindly, and
//! where they are written.

mod blind;
mod detail;
mod export;
mod figures;
mod form;
mod table;

use std::path::{Path, PathBuf};

use egui::{Key, RichText, Ui};
use serde::{Deserialize, Serialize};

use self::form::RowsForm;
use super::action::CompareAction;
use super::state::GenerateForm;
use super::state::set::{Measure, RowSet};
use super::state::set_order::{SetFilter, SetSort};
use crate::action::{Action, Pick};
use crate::format;
use crate::screens::training::phase_line;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui, segmented_ui};
use crate::widgets::containers::{card_ui, empty_ui, failure_ui, progress_ui};
use crate::widgets::field;

/// All that the order of the rows depends on.
type Ordering = (u64, SetSort, SetFilter, String, Measure);

/// Typed settings of a set, and the place in its rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SetScreen {
    form: RowsForm,
    sort: SetSort,
    filter: SetFilter,
    #[serde(skip)]
    find: String,
    #[serde(skip)]
    measure: Measure,
    /// The row that is shown whole, by its number.
    #[serde(skip)]
    selected: Option<usize>,
    /// The table is to show that row.
    #[serde(skip)]
    goes_there: bool,
    /// Names are hidden.
    #[serde(skip)]
    is_blind: bool,
    /// The row that is judged, among those that are.
    #[serde(skip)]
    judged: usize,
    #[serde(skip)]
    to: String,
    #[serde(skip)]
    ordered: Option<(Ordering, Vec<usize>)>,
}

impl SetScreen {
    /// The buttons of the heading.
    pub(super) fn buttons_ui(&mut self, ui: &mut Ui, asked: &GenerateForm, state: &State, out: &mut Vec<Action>) {
        let request = &state.comparison.set.request;
        if request.is_open() {
            if quiet_ui(ui, true, t!("compare.stop_rows")).on_hover_text(t!("compare.stop_rows_help")).clicked() {
                out.push(Action::Compare(CompareAction::StopRows));
            }
            ui.spinner();
            return;
        }
        let is_ready = !state.env.engine_gone && state.compared_model().is_some() && self.form.is_ready();
        if primary_ui(ui, is_ready, t!("compare.start_rows")).clicked() {
            (self.is_blind, self.selected, self.judged) = (false, None, 0);
            out.push(Action::Compare(CompareAction::CompareRows(Box::new(self.form.asked(asked)))));
        }
    }

    /// Draws the set.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let set = &state.comparison.set;
        self.form.follow(state.compared());
        if let Some(failure) = &set.request.failure {
            failure_ui(ui, failure);
            ui.add_space(theme::SMALL_GAP);
        }
        self.form.ui(ui, out);
        ui.add_space(theme::SMALL_GAP);
        at_work_ui(ui, set);
        if set.is_empty() {
            if !set.request.is_open() {
                empty_ui(ui, t!("compare.no_rows"), t!("compare.no_rows_advice"));
            }
            return;
        }
        if !set.measures().contains(&self.measure) {
            self.measure = set.measures().first().copied().unwrap_or_default();
        }
        if self.is_blind {
            self.blind_ui(ui, set, out);
            return;
        }
        figures::figures_ui(ui, set);
        ui.add_space(theme::SMALL_GAP);
        card_ui(ui, "", |ui| {
            self.order_ui(ui, set);
            let rows = self.rows(set);
            self.keys(ui, set, &rows);
            self.table_ui(ui, set, &rows, out);
        });
        ui.add_space(theme::SMALL_GAP);
        self.detail_ui(ui, set, out);
        self.export_ui(ui, set, out);
    }

    /// Takes in a path that was chosen in a dialog.
    pub(super) fn picked(&mut self, pick: Pick, path: &Path) {
        match pick {
            Pick::ComparisonFile => self.to = path.display().to_string(),
            _ => self.form.picked(path),
        }
    }

    /// Places of the rows that are shown, in order.
    fn rows(&mut self, set: &RowSet) -> Vec<usize> {
        let key = (set.revision, self.sort, self.filter, self.find.clone(), self.measure);
        match &self.ordered {
            Some((known, rows)) if *known == key => rows.clone(),
            _ => {
                let rows = set.ordered(self.sort, (self.filter, &self.find), self.measure);
                self.ordered = Some((key, rows.clone()));
                rows
            }
        }
    }

    /// Order, filters, and the way to the blind judgment.
    fn order_ui(&mut self, ui: &mut Ui, set: &RowSet) {
        ui.horizontal_wrapped(|ui| {
            let sorts = [
                (SetSort::File, t!("compare.sort_file")),
                (SetSort::Disagreement, t!("compare.sort_disagreement")),
                (SetSort::Figure, t!("compare.sort_figure")),
            ];
            segmented_ui(ui, &mut self.sort, &sorts);
            let measures: Vec<(Measure, String)> =
                set.measures().into_iter().map(|measure| (measure, figures::name(set, measure))).collect();
            if measures.len() > 1 {
                let size = egui::vec2(150.0, ui.spacing().interact_size.y);
                ui.allocate_ui(size, |ui| {
                    ui.name_inputs(t!("compare.measure"), |ui| {
                        field::choice_ui(ui, "measure", &mut self.measure, &measures)
                    });
                });
            }
        });
        ui.horizontal_wrapped(|ui| {
            let filters = [
                (SetFilter::All, t!("compare.filter_all")),
                (SetFilter::Changed, t!("compare.filter_changed")),
                (SetFilter::Worse, t!("compare.filter_worse")),
                (SetFilter::Starred, t!("compare.filter_starred")),
            ];
            segmented_ui(ui, &mut self.filter, &filters);
            ui.name_inputs(t!("compare.find"), |ui| field::line_ui(ui, &mut self.find, t!("compare.find"), 150.0));
            let judges = !set.judged_rows().is_empty();
            if quiet_ui(ui, judges, t!("compare.blind")).on_hover_text(t!("compare.blind_help")).clicked() {
                self.is_blind = true;
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }

    /// Up and down through the rows, while nothing is typed.
    fn keys(&mut self, ui: &Ui, set: &RowSet, rows: &[usize]) {
        if rows.is_empty() || ui.memory(|memory| memory.focused().is_some()) {
            return;
        }
        let (down, up) = ui.input(|input| (input.key_pressed(Key::ArrowDown), input.key_pressed(Key::ArrowUp)));
        if !down && !up {
            return;
        }
        let here = self.selected.and_then(|number| rows.iter().position(|&row| set.rows[row].row.row == number));
        let place = match (here, down) {
            (None, _) => 0,
            (Some(place), true) => (place + 1).min(rows.len() - 1),
            (Some(place), false) => place.saturating_sub(1),
        };
        self.selected = Some(set.rows[rows[place]].row.row);
        self.goes_there = true;
    }

    fn export_ui(&mut self, ui: &mut Ui, set: &RowSet, out: &mut Vec<Action>) {
        card_ui(ui, "", |ui| {
            let edit = field::field_ui(ui, t!("compare.export"), t!("compare.export_help"), None, |ui| {
                field::path_ui(ui, &mut self.to, t!("compare.export_hint"), t!("compare.export_browse"))
            });
            if edit.browse {
                out.push(Action::Browse(Pick::ComparisonFile));
            }
            let path = PathBuf::from(self.to.trim());
            let form = export::Form::of(&path);
            if quiet_ui(ui, form.is_some(), t!("compare.export_write")).clicked()
                && let Some(form) = form
            {
                out.push(Action::Write { path: crate::home::typed(self.to.trim()), text: export::written(set, form) });
            }
        });
    }
}

/// How far the texts are.
fn at_work_ui(ui: &mut Ui, set: &RowSet) {
    if !set.request.is_open() {
        return;
    }
    card_ui(ui, "", |ui| {
        let what = set.request.phase.map(phase_line).unwrap_or_default();
        let rows = set
            .done
            .map(|(done, total)| t!("evaluate.progress", done = format::count(done), total = format::count(total)));
        let line = [what, rows.unwrap_or_default()].into_iter().filter(|part| !part.is_empty());
        ui.label(RichText::new(line.collect::<Vec<_>>().join(" · ")).color(tokens(ui).muted));
        let share = set.done.map_or(0.0, |(done, total)| done as f32 / total.max(1) as f32);
        progress_ui(ui, share, t!("compare.progress_name"));
    });
    ui.add_space(theme::SMALL_GAP);
}
