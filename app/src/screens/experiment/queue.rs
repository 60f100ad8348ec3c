//! What is computed and what waits, as the bar at the top opens it: runs in their order, those of an experiment under its name.

use egui::accesskit::Role;
use egui::{Align, Color32, Layout, Response, RichText, Sense, Stroke, Ui, WidgetInfo, vec2};

use super::action::ExperimentAction;
use crate::action::{Action, Screen};
use crate::experiments::{ExperimentId, Plan};
use crate::screens::runs::action::RunAction;
use crate::state::State;
use crate::state::live::{Live, QueuedRun};
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::small_ui;
use crate::widgets::containers::{chip_ui, plain_chip_ui};
use crate::workspace::RunId;

/// Experiments that are not under way are looked through from the newest on, and so many are shown.
const LOOKED_THROUGH: usize = 30;
const OFFERED: usize = 5;

/// Draws the queue.
pub fn queue_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    ui.spacing_mut().item_spacing.y = 5.0;
    let is_empty = state.live.running.is_empty() && state.live.queue.is_empty();
    if is_empty && state.experiments.under_way.is_empty() {
        ui.label(t!("frame.queue_empty"));
    } else {
        hold_ui(ui, state, out);
    }
    let mut named: Vec<&ExperimentId> = Vec::new();
    for live in state.live.running.values() {
        let id = state.experiments.of_run(&live.run);
        header_ui(ui, state, id, &mut named, out);
        running_ui(ui, state, live, id.is_some(), out);
    }
    for (place, queued) in state.live.queue.iter().enumerate() {
        header_ui(ui, state, queued.experiment.as_ref(), &mut named, out);
        waiting_ui(ui, state, place, queued, out);
    }
    for id in state.experiments.under_way.keys() {
        header_ui(ui, state, Some(id), &mut named, out);
    }
    open_ui(ui, state, out);
}

/// Nothing new begins, or the queue goes on.
fn hold_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let held = state.live.held;
    ui.horizontal(|ui| {
        let label = if held { t!("queue.go_on") } else { t!("queue.hold") };
        let help = if held { t!("queue.go_on_help") } else { t!("queue.hold_help") };
        if small_ui(ui, label).on_hover_text(help).clicked() {
            out.push(Action::Experiment(ExperimentAction::Hold(!held)));
        }
        if held {
            chip_ui(ui, Level::Warn, t!("queue.held"));
        }
    });
}

/// The name of an experiment with how far it is, and what can be done with it; once.
fn header_ui<'a>(
    ui: &mut Ui,
    state: &State,
    id: Option<&'a ExperimentId>,
    named: &mut Vec<&'a ExperimentId>,
    out: &mut Vec<Action>,
) {
    let Some(id) = id.filter(|id| !named.contains(id)) else { return };
    named.push(id);
    if let Some(plan) = state.experiments.plan(id) {
        experiment_ui(ui, state, plan, out);
    }
}

fn experiment_ui(ui: &mut Ui, state: &State, plan: &Plan, out: &mut Vec<Action>) {
    let standing = state.standing(plan);
    let name = &plan.experiment.name;
    line_ui(ui, |ui| {
        if standing.failed > 0 {
            chip_ui(ui, Level::Bad, &t!("experiment.failed", n = standing.failed));
        }
        plain_chip_ui(ui, &t!("experiment.n_of", n = standing.done, all = standing.runs));
        if name_ui(ui, name, tokens(ui).text) {
            out.push(Action::Show(Screen::Runs));
        }
    });
    let mut act = |ui: &mut Ui, label: &str, help: &str, action: fn(ExperimentId) -> ExperimentAction| {
        let button = small_ui(ui, label).on_hover_text(help);
        if named_for(button, label, name).clicked() {
            out.push(Action::Experiment(action(plan.id.clone())));
        }
    };
    ui.horizontal_wrapped(|ui| {
        match state.experiments.under_way.get(&plan.id) {
            Some(under) => {
                if under.paused {
                    act(ui, t!("experiment.go_on"), t!("experiment.go_on_help"), ExperimentAction::GoOn);
                } else {
                    act(ui, t!("experiment.pause"), t!("experiment.pause_help"), ExperimentAction::Pause);
                    act(ui, t!("experiment.stop_after"), t!("experiment.stop_after_help"), ExperimentAction::StopAfter);
                }
                act(ui, t!("experiment.stop"), t!("experiment.stop_help"), ExperimentAction::Stop);
            }
            None if state.can_go_on(plan) => {
                act(ui, t!("experiment.go_on"), t!("experiment.go_on_help"), ExperimentAction::GoOn);
            }
            None => {}
        }
        if standing.failed > 0 {
            act(ui, t!("experiment.again"), t!("experiment.again_help"), ExperimentAction::Again);
        }
    });
}

/// Experiments that are not under way and not done.
fn open_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let is_open = |plan: &&Plan| {
        let is_under_way = state.experiments.under_way.contains_key(&plan.id);
        !is_under_way && (state.can_go_on(plan) || state.standing(plan).failed > 0)
    };
    let open: Vec<&Plan> = state.experiments.plans().take(LOOKED_THROUGH).filter(is_open).take(OFFERED).collect();
    if open.is_empty() {
        return;
    }
    ui.separator();
    ui.label(RichText::new(t!("experiment.can_go_on")).small().color(tokens(ui).muted));
    for plan in open {
        experiment_ui(ui, state, plan, out);
    }
}

fn running_ui(ui: &mut Ui, state: &State, live: &Live, within: bool, out: &mut Vec<Action>) {
    line_ui(ui, |ui| {
        plain_chip_ui(ui, &format!("{:.0} %", live.share() * 100.0));
        if live.seat.is_some() {
            let name = state.device(live.device).map(|device| device.name.as_str());
            plain_chip_ui(ui, &live.device.to_string()).on_hover_text(name.unwrap_or_default());
        }
        run_ui(ui, state, &live.run, within, out);
    });
}

/// A run that waits: it is dragged to another place, or moved by the two presses.
fn waiting_ui(ui: &mut Ui, state: &State, place: usize, queued: &QueuedRun, out: &mut Vec<Action>) {
    let name = run_name(state, &queued.run);
    let row = line_ui(ui, |ui| {
        match &queued.experiment {
            None => {
                let button = small_ui(ui, t!("frame.take_out"));
                if button.clicked() {
                    out.push(Action::Run(RunAction::Withdraw(queued.run.clone())));
                }
                plain_chip_ui(ui, t!("state.queued"));
            }
            Some(_) => {
                plain_chip_ui(ui, t!("queue.next"));
            }
        }
        let last = state.live.queue.len().saturating_sub(1);
        let moves =
            [("↓", t!("queue.down"), place + 1, place < last), ("↑", t!("queue.up"), place.wrapping_sub(1), place > 0)];
        for (arrow, label, to, enabled) in moves {
            let button =
                ui.add_enabled(enabled, egui::Button::new(RichText::new(arrow).small()).min_size(vec2(24.0, 24.0)));
            if named_for(button.on_hover_text(label), label, &name).clicked() {
                out.push(Action::Experiment(ExperimentAction::Move(queued.run.clone(), to)));
            }
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let handle = handle_ui(ui);
            named_for(handle.on_hover_text(t!("queue.drag")), t!("queue.drag"), &name)
                .dnd_set_drag_payload(queued.run.clone());
            run_ui(ui, state, &queued.run, queued.experiment.is_some(), out);
        });
    });
    // What is dragged over the line is let go there.
    let target = ui.interact(row.rect, row.id.with("target"), Sense::HOVER);
    if target.dnd_hover_payload::<RunId>().is_some_and(|dragged| *dragged != queued.run) {
        ui.painter().hline(row.rect.x_range(), row.rect.top() - 2.0, Stroke::new(2.0, tokens(ui).accent));
    }
    if let Some(dropped) = target.dnd_release_payload::<RunId>() {
        out.push(Action::Experiment(ExperimentAction::Move(dropped.as_ref().clone(), place)));
    }
}

/// Six dots to drag a line by.
fn handle_ui(ui: &mut Ui) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(14.0, 20.0), Sense::DRAG);
    let ink = if response.hovered() || response.dragged() { tokens(ui).accent } else { tokens(ui).faint };
    for (x, y) in [(-2.5, -5.0), (2.5, -5.0), (-2.5, 0.0), (2.5, 0.0), (-2.5, 5.0), (2.5, 5.0)] {
        ui.painter().circle_filled(rect.center() + vec2(x, y), 1.3, ink);
    }
    response.on_hover_cursor(egui::CursorIcon::Grab)
}

fn run_ui(ui: &mut Ui, state: &State, run: &RunId, within: bool, out: &mut Vec<Action>) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        if within {
            ui.add_space(12.0);
        }
        // A run that has not begun is nowhere to be seen yet.
        if name_ui(ui, &run_name(state, run), tokens(ui).accent) && state.row(run).is_some() {
            out.push(Action::Open(run.clone(), Screen::Training));
        }
    });
}

/// The name of a run, begun or planned.
fn run_name(state: &State, run: &RunId) -> String {
    let queued = || state.live.queue.iter().find(|queued| queued.run == *run);
    let row = state.row(run).map(|row| row.name.clone());
    row.or_else(|| queued().map(|queued| queued.config.name.clone())).unwrap_or_else(|| run.to_string())
}

/// One line; what stands at the right comes first, since the name takes what is left.
fn line_ui(ui: &mut Ui, add: impl FnOnce(&mut Ui)) -> Response {
    let size = vec2(ui.available_width(), theme::CONTROL_HEIGHT);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), add).response
}

/// A name that is cut where there is no room, whole under the pointer. `true` if it was pressed.
fn name_ui(ui: &mut Ui, name: &str, ink: Color32) -> bool {
    let layout = Layout::left_to_right(Align::Center);
    ui.with_layout(layout, |ui| {
        let label = egui::Label::new(RichText::new(name).color(ink)).truncate().show_tooltip_when_elided(false);
        let link = ui.add(label.sense(Sense::click())).on_hover_text(name);
        link.widget_info(|| WidgetInfo::labeled(Role::Link, true, name));
        link.clicked()
    })
    .inner
}

/// A press that is called by its word and by whose it is: there are several of them.
fn named_for(response: Response, label: &str, name: &str) -> Response {
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, format!("{label}: {name}")));
    response
}
