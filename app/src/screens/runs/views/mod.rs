//! Pictures of the runs that are chosen, beside the table.

use egui::{RichText, Ui};
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::state::State;
use crate::store::RunRow;
use crate::t;
use crate::theme::tokens;

/// Choices of the pictures: kept from one start to the next.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::screens::runs) struct Views {}

/// Draws what several runs have to say together.
pub(super) fn selection_ui(ui: &mut Ui, rows: &[&RunRow], _views: &mut Views, _state: &State, _out: &mut Vec<Action>) {
    for row in rows {
        let line = RichText::new(&row.name).color(tokens(ui).muted);
        ui.add(egui::Label::new(line).truncate());
    }
    ui.label(t!("runs.chosen", n = rows.len()));
}
