//! Judging blindly: one row after the other, its texts without names and in an order of their own; the best is chosen by key.

use egui::{Key, RichText, Ui};

use super::SetScreen;
use super::detail::source_ui;
use crate::action::Action;
use crate::screens::compare::action::CompareAction;
use crate::screens::compare::state::set::RowSet;
use crate::screens::compare::state::votes::SetVote;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{bold_ui, quiet_ui};
use crate::widgets::containers::{card_ui, progress_ui};

/// Keys of the texts in the order in which they are shown.
const KEYS: [Key; 9] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

impl SetScreen {
    pub(super) fn blind_ui(&mut self, ui: &mut Ui, set: &RowSet, out: &mut Vec<Action>) {
        let rows = set.judged_rows();
        let Some(last) = rows.len().checked_sub(1) else {
            self.is_blind = false;
            return;
        };
        self.judged = self.judged.min(last);
        let row = &set.rows[rows[self.judged]];
        let order = set.blind_order(row.row.row);
        let mut vote = None;
        card_ui(ui, "", |ui| {
            ui.horizontal_wrapped(|ui| {
                let line = t!("compare.judged", n = set.n_votes(), of = rows.len());
                ui.label(RichText::new(line).color(tokens(ui).muted));
                if quiet_ui(ui, true, t!("compare.show_names")).on_hover_text(t!("compare.show_names_help")).clicked() {
                    self.is_blind = false;
                }
            });
            progress_ui(ui, set.n_votes() as f32 / rows.len() as f32, t!("compare.judged_progress"));
            ui.add_space(theme::SMALL_GAP);
            source_ui(ui, row);
        });
        ui.add_space(theme::SMALL_GAP);
        ui.columns(order.len().max(2), |sides| {
            for (place, (&column, ui)) in order.iter().zip(sides).enumerate() {
                card_ui(ui, &letter(place), |ui| {
                    ui.set_min_height(120.0);
                    let text = row.row.texts.get(column).map_or("", |text| text.trim());
                    ui.add(egui::Label::new(text).wrap().selectable(true));
                    ui.add_space(theme::SMALL_GAP);
                    let label = t!("compare.best_is", letter = letter(place), key = place + 1);
                    let is_chosen = row.vote == Some(SetVote::Best(column));
                    let pressed = if is_chosen { bold_ui(ui, true, &label) } else { quiet_ui(ui, true, &label) };
                    if pressed.clicked() {
                        vote = Some(SetVote::Best(column));
                    }
                });
            }
        });
        ui.add_space(theme::SMALL_GAP);
        ui.horizontal_wrapped(|ui| {
            let tie = t!("compare.tie");
            let is_tie = row.vote == Some(SetVote::Tie);
            if if is_tie { bold_ui(ui, true, tie) } else { quiet_ui(ui, true, tie) }.clicked() {
                vote = Some(SetVote::Tie);
            }
            if quiet_ui(ui, self.judged > 0, t!("compare.previous")).clicked() {
                self.judged -= 1;
            }
            if quiet_ui(ui, self.judged < last, t!("compare.next")).clicked() {
                self.judged += 1;
            }
            ui.label(RichText::new(t!("compare.blind_keys")).small().color(tokens(ui).muted));
        });
        vote = vote.or_else(|| pressed(ui, &order));
        if let Some(vote) = vote {
            out.push(Action::Compare(CompareAction::VoteRow(row.row.row, Some(vote))));
            self.judged = (self.judged + 1).min(last);
        }
    }
}

/// The letter of a text by its place.
fn letter(place: usize) -> String {
    char::from_u32('A' as u32 + place as u32).map(String::from).unwrap_or_default()
}

/// The judgment by key: a digit for a text, 0 for none.
fn pressed(ui: &Ui, order: &[usize]) -> Option<SetVote> {
    if ui.memory(|memory| memory.focused().is_some()) {
        return None;
    }
    ui.input(|input| {
        if input.modifiers.any() {
            return None;
        }
        let best = KEYS.iter().zip(order).find(|(key, _)| input.key_pressed(**key));
        best.map(|(_, &column)| SetVote::Best(column)).or_else(|| input.key_pressed(Key::Num0).then_some(SetVote::Tie))
    })
}
