//! The question about an experiment file that was dropped or opened: which runs there would be, and whether they are trained.

use egui::{RichText, ScrollArea, Ui};

use super::action::IncomingAction;
use crate::action::Action;
use crate::experiments::OpenedExperiment;
use crate::format;
use crate::i18n;
use crate::screens::new_run::ASKED_ABOVE;
use crate::state::State;
use crate::store::Access;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::{fact_ui, modal_frame};

/// Draws the question, if there is one.
pub(super) fn experiment_ui(ui: &Ui, state: &State, out: &mut Vec<Action>) {
    let Some(opened) = &state.incoming.experiment else { return };
    let modal = egui::Modal::new(egui::Id::unique("opened_experiment")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
        ui.set_width(520.0);
        ui.label(RichText::new(&opened.experiment.name).text_style(theme::title()));
        let path = RichText::new(opened.path.display().to_string()).small().color(tokens(ui).muted);
        ui.add(egui::Label::new(path).truncate());
        if !opened.about.is_empty() {
            ui.add(egui::Label::new(&opened.about).wrap());
        }
        ui.add_space(theme::SMALL_GAP);
        body_ui(ui, opened);
        if let Access::ReadOnly(why) = &state.env.access {
            ui.label(RichText::new(i18n::tell(why)).color(tokens(ui).muted));
        }
        ui.add_space(theme::SMALL_GAP);
        buttons_ui(ui, state, opened, out);
    });
    if modal.should_close() {
        out.push(Action::Incoming(IncomingAction::PutExperimentAway));
    }
}

fn body_ui(ui: &mut Ui, opened: &OpenedExperiment) {
    let runs = &opened.runs;
    fact_ui(ui, t!("vary.runs"), &format::count(runs.len()));
    if let Some((fewest, most)) = opened.trained {
        let (fewest, most) = (format::count(fewest), format::count(most));
        let line = if fewest == most { fewest } else { t!("vary.from_to", from = fewest, to = most) };
        fact_ui(ui, t!("vary.trained"), &line);
    }
    let names = runs.iter().map(|(member, _)| member.name.as_str());
    ScrollArea::vertical().max_height(220.0).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 2.0;
        for name in names {
            ui.add(egui::Label::new(RichText::new(name).small().color(tokens(ui).muted)).truncate());
        }
    });
    let note = if runs.len() > ASKED_ABOVE { t!("incoming.many_runs") } else { t!("incoming.runs_note") };
    ui.add(egui::Label::new(RichText::new(note).small().color(tokens(ui).muted)).wrap());
}

fn buttons_ui(ui: &mut Ui, state: &State, opened: &OpenedExperiment, out: &mut Vec<Action>) {
    let n = opened.runs.len();
    let label = match (n > ASKED_ABOVE, state.has_free_seat()) {
        (true, _) => t!("vary.many_yes", n = n),
        (false, true) => t!("vary.start", n = n),
        (false, false) => t!("vary.queue", n = n),
    };
    let writable = matches!(state.env.access, Access::ReadWrite);
    ui.horizontal(|ui| {
        if primary_ui(ui, writable, &label).clicked() {
            out.push(Action::Incoming(IncomingAction::TrainExperiment));
        }
        if quiet_ui(ui, true, t!("frame.cancel")).clicked() {
            out.push(Action::Incoming(IncomingAction::PutExperimentAway));
        }
    });
}
