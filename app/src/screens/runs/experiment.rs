//! What can be done with an experiment, on its line in the table.

use egui::Ui;

use super::deeds::is_writable;
use crate::action::Action;
use crate::screens::experiment::action::ExperimentAction;
use crate::state::State;
use crate::t;
use crate::widgets::button::small_ui;

/// Draws the buttons that apply: what is under way can pause or stop, what is not done can go on, what failed can be trained
/// again from its checkpoints. A group that somebody made of single runs has none.
pub(super) fn experiment_buttons_ui(ui: &mut Ui, experiment: &str, state: &State, out: &mut Vec<Action>) {
    let Some(plan) = state.experiments.plans().find(|plan| plan.experiment.name == experiment) else { return };
    if !is_writable(state) {
        return;
    }
    let mut ask = |action| out.push(Action::Experiment(action));
    let under_way = state.experiments.under_way.get(&plan.id);
    let failed = state.standing(plan).failed;
    if failed > 0 && small_ui(ui, t!("experiment.again")).on_hover_text(t!("experiment.again_help")).clicked() {
        ask(ExperimentAction::Again(plan.id.clone()));
    }
    let is_halted = under_way.is_some_and(|under| under.paused) || state.can_go_on(plan);
    if is_halted && small_ui(ui, t!("experiment.go_on")).on_hover_text(t!("experiment.go_on_help")).clicked() {
        ask(ExperimentAction::GoOn(plan.id.clone()));
    }
    if under_way.is_some_and(|under| !under.paused) {
        if small_ui(ui, t!("experiment.pause")).on_hover_text(t!("experiment.pause_help")).clicked() {
            ask(ExperimentAction::Pause(plan.id.clone()));
        }
        if small_ui(ui, t!("experiment.stop")).on_hover_text(t!("experiment.stop_help")).clicked() {
            ask(ExperimentAction::Stop(plan.id.clone()));
        }
    }
}
