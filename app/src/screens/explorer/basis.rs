//! What adapters are looked at on: rows of their runs, or a text that somebody types.

use egui::{Key, TextStyle, Ui};

use super::action::validation_rows;
use super::state::Basis;
use crate::state::State;
use crate::t;
use crate::widgets::button::{quiet_ui, segmented_ui};
use crate::widgets::field;

/// Most rows: an answer should come soon.
const MOST_ROWS: usize = 4096;

/// The choice as it is typed, and as it was last looked at.
#[derive(Clone, Debug)]
pub(super) struct BasisForm {
    is_text: bool,
    text: String,
    rows: usize,
    /// What is looked at.
    pub(super) looked: Basis,
}

impl Default for BasisForm {
    fn default() -> Self {
        let looked = Basis::default();
        Self { is_text: false, text: String::new(), rows: looked.rows, looked }
    }
}

impl BasisForm {
    /// What would be looked at; `None` without a text.
    fn typed(&self) -> Option<Basis> {
        match self.is_text {
            false => Some(Basis { text: None, rows: self.rows }),
            // A text is the one row.
            true => (!self.text.trim().is_empty()).then(|| Basis { text: Some(self.text.clone()), rows: 1 }),
        }
    }

    /// Draws the choice. Nothing is asked before *Look*, or Enter in the text.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State) {
        let mut is_entered = false;
        ui.columns(3, |columns| {
            let [kind, rows, look] = columns else { return };
            field::field_ui(kind, t!("insight.looked_on"), t!("insight.looked_on_help"), None, |ui| {
                segmented_ui(ui, &mut self.is_text, &[(false, t!("insight.rows")), (true, t!("insight.a_text"))]);
            });
            if !self.is_text {
                let config = state.explored().and_then(|view| view.config.as_deref());
                let file = config.map(validation_rows).and_then(|data| Some(data.train.file_name()?.to_owned()));
                let file = file.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let help = t!("insight.n_rows_help", file = file);
                field::field_ui(rows, t!("insight.n_rows"), &help, None, |ui| {
                    field::count_ui(ui, &mut self.rows, 1..=MOST_ROWS);
                });
            }
            // As far down as the controls beside it, which have a name above them.
            look.vertical(|ui| {
                ui.add_space(ui.text_style_height(&TextStyle::Small) + 4.0);
                let is_new = self.typed().is_some_and(|typed| typed != self.looked);
                is_entered = quiet_ui(ui, is_new, t!("insight.look")).clicked();
            });
        });
        if self.is_text {
            is_entered |= field::field_ui(ui, t!("insight.text"), t!("insight.text_help"), None, |ui| {
                let width = ui.available_width();
                let line = field::line_ui(ui, &mut self.text, t!("insight.text_hint"), width);
                line.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter))
            });
        }
        if let Some(typed) = self.typed().filter(|_| is_entered) {
            self.looked = typed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_row_whatever_number_was_chosen_and_none_is_nothing_to_look_at() {
        let form = BasisForm { is_text: true, text: "a text".into(), rows: 7, ..BasisForm::default() };
        assert_eq!(form.typed(), Some(Basis { text: Some("a text".into()), rows: 1 }));
        assert_eq!(BasisForm { text: "  ".into(), ..form.clone() }.typed(), None);
        assert_eq!(BasisForm { is_text: false, ..form }.typed(), Some(Basis { text: None, rows: 7 }));
    }
}
