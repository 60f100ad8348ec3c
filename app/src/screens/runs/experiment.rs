//! What can be done with an experiment, on its line in the table.

use egui::accesskit::Role;
use egui::{Response, Ui, WidgetInfo};

use super::deeds::is_writable;
use crate::action::Action;
use crate::screens::experiment::action::ExperimentAction;
use crate::state::State;
use crate::t;
use crate::widgets::button::small_ui;

/// Draws the buttons that apply: what is under way can pause or stop, what is not done can go on, what failed can be trained
/// again from its checkpoints. A group that somebody made of single runs has none.
pub(super) fn experiment_buttons_ui(ui: &mut Ui, experiment: &str, state: &State, out: &mut Vec<Action>) {
    let Some(plan) = state.experiments.named(experiment) else { return };
    if !is_writable(state) {
        return;
    }
    let mut ask = |action| out.push(Action::Experiment(action));
    let under_way = state.experiments.under_way.get(&plan.id);
    let failed = state.standing(plan).failed;
    if failed > 0 && named(ui, t!("experiment.again"), experiment).on_hover_text(t!("experiment.again_help")).clicked()
    {
        ask(ExperimentAction::Again(plan.id.clone()));
    }
    let is_halted = under_way.is_some_and(|under| under.paused) || state.can_go_on(plan);
    if is_halted && named(ui, t!("experiment.go_on"), experiment).on_hover_text(t!("experiment.go_on_help")).clicked() {
        ask(ExperimentAction::GoOn(plan.id.clone()));
    }
    if under_way.is_some_and(|under| !under.paused) {
        if named(ui, t!("experiment.pause"), experiment).on_hover_text(t!("experiment.pause_help")).clicked() {
            ask(ExperimentAction::Pause(plan.id.clone()));
        }
        if named(ui, t!("experiment.stop"), experiment).on_hover_text(t!("experiment.stop_help")).clicked() {
            ask(ExperimentAction::Stop(plan.id.clone()));
        }
    }
}

/// A button that is called by the experiment's name too, as there may be several on the screen.
fn named(ui: &mut Ui, label: &str, experiment: &str) -> Response {
    let button = small_ui(ui, label);
    let name = format!("{experiment}: {label}");
    button.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    button
}
