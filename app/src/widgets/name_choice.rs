//! A choice among many names: a list with a line that finds some of them.

use egui::{ComboBox, PopupCloseBehavior, RichText, ScrollArea, Ui};

use super::field;
use crate::theme::tokens;

/// A name that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Kept.
    pub value: String,
    /// Shown.
    pub text: String,
}

/// Lists that are longer have a line that finds.
const SHORT: usize = 12;

/// Draws a label and the list beside it. `true` if another was taken.
pub fn name_choice_ui(ui: &mut Ui, label: &str, find: &str, value: &mut String, choices: &[Choice]) -> bool {
    let shown = choices.iter().find(|choice| choice.value == *value).map_or(value.as_str(), |choice| &choice.text);
    let shown = crate::format::shortened(shown, 26);
    let mut taken = None;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 5.0;
        let name = ui.label(RichText::new(label).small().color(tokens(ui).muted)).id;
        ui.label_inputs_by(name, |ui| {
            let list = ComboBox::from_id_salt(label)
                .width(96.0)
                .selected_text(shown)
                .close_behavior(PopupCloseBehavior::CloseOnClickOutside);
            list.show_ui(ui, |ui| taken = list_ui(ui, find, value, choices));
        });
    });
    taken.is_some_and(|taken| {
        let changed = taken != *value;
        *value = taken;
        changed
    })
}

fn list_ui(ui: &mut Ui, find: &str, value: &str, choices: &[Choice]) -> Option<String> {
    let place = ui.unique_id().with("find");
    let mut wanted = ui.data(|data| data.get_temp::<String>(place)).unwrap_or_default();
    ui.set_min_width(190.0);
    if choices.len() > SHORT {
        ui.name_inputs(find, |ui| field::line_ui(ui, &mut wanted, find, 200.0));
        ui.data_mut(|data| data.insert_temp(place, wanted.clone()));
    }
    let mut taken = None;
    ScrollArea::vertical().max_height(260.0).show(ui, |ui| {
        for choice in choices.iter().filter(|choice| is_found(choice, &wanted)) {
            let line = ui.selectable_label(choice.value == value, &choice.text);
            let line = if choice.text == choice.value { line } else { line.on_hover_text(&choice.value) };
            if line.clicked() {
                taken = Some(choice.value.clone());
                ui.data_mut(|data| data.remove::<String>(place));
                ui.close();
            }
        }
    });
    taken
}

/// Whether all words are in the name, wherever.
fn is_found(choice: &Choice, wanted: &str) -> bool {
    let name = format!("{} {}", choice.text, choice.value).to_lowercase();
    wanted.to_lowercase().split_whitespace().all(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_parts_of_it_in_any_order() {
        let choice = Choice { value: "training.learning_rate".into(), text: "learning_rate".into() };
        assert!(["", "rate", "RATE train", "learning_rate"].iter().all(|wanted| is_found(&choice, wanted)));
        assert!(!is_found(&choice, "rank"));
    }
}
