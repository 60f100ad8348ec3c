//! A prompt as turns of a conversation: who says what, and an answer that becomes the next turn.

use egui::{Align, Layout, RichText, Ui, vec2};
use engine::data::Message;
use engine::protocol::Prompt;

use super::state::Column;
use super::ui::Compare;
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::{quiet_ui, small_ui};
use crate::widgets::field;

/// Points of the choice of whose turn it is.
const ROLE_WIDTH: f32 = 116.0;

/// The turns that are typed; an empty conversation begins with the user's.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub(super) struct Turns(Vec<Message>);

impl Default for Turns {
    fn default() -> Self {
        Self(vec![Message::user("")])
    }
}

impl Turns {
    /// The prompt that they make. Empty turns are none, as long as somebody types the first.
    pub(super) fn prompt(&self) -> Prompt {
        let turns = self.0.iter().filter(|turn| !turn.content.trim().is_empty()).cloned().collect();
        Prompt::Chat { turns }
    }

    /// Takes over what the model has said, and leaves room for what is said to it.
    pub(super) fn answer(&mut self, text: &str) {
        self.0.retain(|turn| !turn.content.trim().is_empty());
        self.0.extend([Message::assistant(text.trim()), Message::user("")]);
    }

    /// Draws them, one below the other.
    pub(super) fn ui(&mut self, ui: &mut Ui) {
        let roles = [
            ("user".to_owned(), t!("compare.role_user").to_owned()),
            ("assistant".to_owned(), t!("compare.role_assistant").to_owned()),
            ("system".to_owned(), t!("compare.role_system").to_owned()),
        ];
        let mut gone = None;
        let is_alone = self.0.len() == 1;
        for (place, turn) in self.0.iter_mut().enumerate() {
            let n = place + 1;
            ui.push_id(place, |ui| {
                ui.horizontal_top(|ui| {
                    ui.allocate_ui(vec2(ROLE_WIDTH, 0.0), |ui| {
                        let label = t!("compare.role_of", n = n);
                        ui.name_inputs(label, |ui| field::choice_ui(ui, "role", &mut turn.role, &roles));
                    });
                    ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
                        let remove = ui.add_enabled(!is_alone, egui::Button::new(t!("compare.remove_turn")));
                        remove.widget_info(|| {
                            let label = t!("compare.remove_turn_n", n = n);
                            egui::WidgetInfo::labeled(egui::accesskit::Role::Button, !is_alone, label)
                        });
                        if remove.clicked() {
                            gone = Some(place);
                        }
                        ui.with_layout(Layout::top_down(Align::Min), |ui| {
                            let label = t!("compare.turn_n", n = n);
                            ui.name_inputs(label, |ui| field::code_ui(ui, &mut turn.content, 1));
                        });
                    });
                });
            });
        }
        if let Some(place) = gone {
            self.0.remove(place);
        }
    }

    /// The button that adds one.
    pub(super) fn add_ui(&mut self, ui: &mut Ui) {
        if quiet_ui(ui, true, t!("compare.add_turn")).clicked() {
            let is_asked = self.0.last().is_some_and(|turn| turn.role != "assistant");
            self.0.push(if is_asked { Message::assistant("") } else { Message::user("") });
        }
    }
}

impl Compare {
    /// The button that makes a column's answer the next turn of all.
    pub(super) fn take_over_ui(&mut self, ui: &mut Ui, column: &Column, name: &str, state: &State) {
        let is_ended = column.done().is_some() && !state.comparison.generation.is_open();
        if !self.is_chat() || !is_ended || column.text().trim().is_empty() {
            return;
        }
        let button = small_ui(ui, t!("compare.take_over")).on_hover_text(t!("compare.take_over_help"));
        button.widget_info(|| {
            let label = t!("compare.take_over_of", name = name);
            egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, label)
        });
        if button.clicked() {
            self.turns.answer(column.text());
        }
    }
}

/// Why no turns can be typed, where that is known.
pub(super) fn refusal_ui(ui: &mut Ui, state: &State) {
    if state.holds_conversations() == Some(false) {
        let line = RichText::new(t!("compare.no_chat_template")).small().color(tokens(ui).warn);
        ui.add(egui::Label::new(line).wrap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_a_turn_and_leaves_room_for_the_next() {
        let mut turns = Turns(vec![Message::user("hi"), Message::user(" ")]);
        assert_eq!(turns.prompt(), Prompt::Chat { turns: vec![Message::user("hi")] });
        turns.answer(" Hello. ");
        assert_eq!(turns.0, [Message::user("hi"), Message::assistant("Hello."), Message::user("")]);
        let Prompt::Chat { turns } = turns.prompt() else { panic!("turns") };
        assert_eq!(turns.last().unwrap().role, "assistant", "there is nothing to answer before somebody types");
    }
}
