//! What can be done with an experiment, on its line in the table.

use egui::Ui;

use super::action::RunAction;
use super::deeds::{can_resume, is_writable};
use crate::action::Action;
use crate::state::State;
use crate::store::{RunRow, RunState};
use crate::t;
use crate::widgets::button::small_ui;

/// Draws the buttons that apply: those of its runs that are computed can be paused, those that wait can go on, those that
/// failed can be trained again from their checkpoints.
pub(super) fn experiment_buttons_ui(
    ui: &mut Ui,
    _experiment: &str,
    rows: &[&RunRow],
    state: &State,
    out: &mut Vec<Action>,
) {
    if !is_writable(state) {
        return;
    }
    let paused = |row: &&&RunRow| state.live_of(&row.id).map(|(_, live)| live.paused);
    let runs =
        |wanted: &dyn Fn(&&&RunRow) -> bool| rows.iter().filter(wanted).map(|row| row.id.clone()).collect::<Vec<_>>();
    let moving = runs(&|row| paused(row) == Some(false));
    let halted = runs(&|row| paused(row) == Some(true));
    let left = runs(&|row| can_resume(row) && row.state != RunState::Failed);
    let failed = runs(&|row| can_resume(row) && row.state == RunState::Failed);
    if !failed.is_empty() && small_ui(ui, t!("runs.again", n = failed.len())).clicked() {
        out.extend(failed.into_iter().map(|run| Action::Run(RunAction::Resume(run))));
    }
    if !(halted.is_empty() && left.is_empty()) && small_ui(ui, t!("runs.go_on")).clicked() {
        out.extend(halted.into_iter().map(|run| Action::Run(RunAction::Pause(run, false))));
        out.extend(left.into_iter().map(|run| Action::Run(RunAction::Resume(run))));
    }
    if !moving.is_empty() && small_ui(ui, t!("runs.pause")).clicked() {
        out.extend(moving.into_iter().map(|run| Action::Run(RunAction::Pause(run, true))));
    }
}
