//! Where the slots of an adapter lie.

pub(super) mod drift;
pub(super) mod label_words;
pub(super) mod map;
pub(super) mod similarity;

use egui::Ui;
use engine::analysis::PrefixGrid;

use super::looking::Choices;
use crate::t;
use crate::widgets::button::segmented_ui;
use crate::widgets::field;

/// Draws the choice of keys or values; a virtual token of a soft prompt is one vector.
fn side_ui(ui: &mut Ui, choices: &mut Choices, grid: &PrefixGrid) {
    if grid.is_prompt {
        return;
    }
    field::field_ui(ui, t!("explorer.side"), t!("explorer.side_help"), None, |ui| {
        let names = [(false, t!("explorer.keys")), (true, t!("explorer.values"))];
        segmented_ui(ui, &mut choices.of_values, &names);
    });
}
