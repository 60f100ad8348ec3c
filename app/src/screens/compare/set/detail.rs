//! The row that is chosen, whole: its source, what was wanted, the text of each column, and a note.

use egui::{RichText, Ui};

use super::{SetScreen, figures};
use crate::action::Action;
use crate::screens::compare::action::CompareAction;
use crate::screens::compare::state::set::{RowSet, SetRow};
use crate::screens::evaluate::ui::number;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::containers::card_ui;
use crate::widgets::diff::{diff_job, words_that_differ};
use crate::widgets::field;

/// References that are shown of a row.
const REFERENCES: usize = 4;

impl SetScreen {
    /// Draws it, with the words marked that the base does not have there.
    pub(super) fn detail_ui(&mut self, ui: &mut Ui, set: &RowSet, out: &mut Vec<Action>) {
        let found = self.selected.and_then(|number| set.rows.iter().find(|row| row.row.row == number));
        let Some(row) = found else {
            ui.label(RichText::new(t!("compare.choose_row")).small().color(tokens(ui).muted));
            ui.add_space(theme::SMALL_GAP);
            return;
        };
        let number_of_row = row.row.row;
        card_ui(ui, &t!("compare.row", row = number_of_row), |ui| {
            source_ui(ui, row);
            let base = set.base().and_then(|base| row.row.texts.get(base));
            for (column, of) in set.columns.iter().enumerate() {
                let text = row.row.texts.get(column).map_or("", String::as_str);
                ui.separator();
                ui.horizontal_wrapped(|ui| {
                    ui.label(RichText::new(&of.name).color(tokens(ui).text).strong());
                    for measure in set.measures() {
                        let figure = set.figure(row, column, measure).map_or_else(|| "–".to_owned(), number);
                        let line = format!("{} {figure}", figures::name(set, measure));
                        ui.label(RichText::new(line).small().color(tokens(ui).muted));
                    }
                });
                let pieces = match base.filter(|_| !of.is_base) {
                    Some(base) => words_that_differ(base.trim(), text.trim()),
                    None => vec![(text.trim().to_owned(), false)],
                };
                let job = diff_job(ui, &pieces);
                ui.add(egui::Label::new(job).wrap().selectable(true));
            }
            ui.add_space(theme::SMALL_GAP);
            let mut note = row.note.clone();
            let label = t!("compare.note_of_row", row = number_of_row);
            let is_changed = ui.name_inputs(label, |ui| field::text_ui(ui, &mut note, t!("compare.note_hint")));
            if is_changed {
                out.push(Action::Compare(CompareAction::NoteRow(number_of_row, note)));
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }
}

/// The source of a row and what was wanted.
pub(super) fn source_ui(ui: &mut Ui, row: &SetRow) {
    let t = tokens(ui);
    let source = RichText::new(row.row.source.trim()).color(t.muted);
    ui.add(egui::Label::new(source).wrap().selectable(true));
    for reference in row.row.references.iter().take(REFERENCES) {
        let line = RichText::new(t!("compare.reference", text = reference.trim())).color(t.good);
        ui.add(egui::Label::new(line).wrap().selectable(true));
    }
}
