//! On the card at the right, where something varies: how many runs there are, what they train, and the question before many
//! are started.

use egui::{RichText, Ui};

use super::NewRun;
use super::action::NewRunAction;
use super::vary::Variation;
use crate::action::Action;
use crate::format;
use crate::screens::experiment::action::{ExperimentAction, NewExperiment};
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{link_ui, primary_ui, quiet_ui};
use crate::widgets::containers::{fact_ui, modal_frame};

/// More runs than these are started after a question only.
pub const ASKED_ABOVE: usize = 20;

impl NewRun {
    /// The word on the button, and whether it is that of an experiment.
    pub(super) fn start_label(&self, state: &State) -> String {
        let waits = !state.has_free_seat();
        match &self.checked.varied {
            Some(varied) if waits => t!("vary.queue", n = varied.runs.len()),
            Some(varied) => t!("vary.start", n = varied.runs.len()),
            None if waits => t!("new_run.queue").to_owned(),
            None => t!("new_run.start").to_owned(),
        }
    }

    /// What comes of the button: a run, an experiment, or the question whether so many are meant.
    pub(super) fn start(&mut self, pressed: bool) -> Option<Action> {
        let ready = self.checked.answer.as_ref().filter(|_| pressed)?.as_ref().ok()?;
        match &self.checked.varied {
            None => Some(Action::NewRun(NewRunAction::Start(ready.clone()))),
            Some(varied) if varied.runs.len() > ASKED_ABOVE => {
                self.asks = true;
                None
            }
            Some(varied) => Some(begin(varied)),
        }
    }

    /// The runs of the experiment, and what the fewest and the most train.
    pub(super) fn runs_ui(&mut self, ui: &mut Ui) {
        let Some(varied) = &self.checked.varied else { return };
        fact_ui(ui, t!("vary.runs"), &format::count(varied.runs.len()));
        if let Some((fewest, most)) = varied.costs.trained {
            let (fewest, most) = (format::count(fewest), format::count(most));
            let line = if fewest == most { fewest } else { t!("vary.from_to", from = fewest, to = most) };
            fact_ui(ui, t!("vary.trained"), &line);
        }
        let names = varied.runs.iter().map(|(member, _)| member.name.as_str());
        let shown = names.clone().take(NAMED).collect::<Vec<_>>().join(" · ");
        let more = if varied.runs.len() > NAMED { " · …" } else { "" };
        let label = egui::Label::new(RichText::new(format!("{shown}{more}")).small().color(tokens(ui).muted)).wrap();
        ui.add(label).on_hover_text(names.take(HOVERED).collect::<Vec<_>>().join("\n"));
        self.clear_ui(ui);
    }

    /// The way back to a single run.
    fn clear_ui(&mut self, ui: &mut Ui) {
        self.clears |= link_ui(ui, t!("vary.clear")).on_hover_text(t!("vary.clear_help")).clicked();
    }

    /// The question, if it is asked.
    pub(super) fn many_ui(&mut self, ui: &Ui, state: &State, out: &mut Vec<Action>) {
        let Some(varied) = self.checked.varied.as_ref().filter(|_| self.asks) else {
            self.asks = false;
            return;
        };
        let n = varied.runs.len();
        let mut answered = false;
        let modal = egui::Modal::new(egui::Id::unique("many_runs")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(420.0);
            ui.label(RichText::new(t!("vary.many_title", n = n)).text_style(theme::title()));
            let note = match self.expected_secs(state) {
                Some(secs) => t!("vary.many_time", time = format::duration(secs)),
                None => t!("vary.many_note").to_owned(),
            };
            ui.add(egui::Label::new(RichText::new(note).color(tokens(ui).muted)).wrap());
            ui.add_space(theme::SMALL_GAP);
            ui.horizontal(|ui| {
                if primary_ui(ui, true, &t!("vary.many_yes", n = n)).clicked() {
                    out.push(begin(varied));
                    answered = true;
                }
                answered |= quiet_ui(ui, true, t!("frame.cancel")).clicked();
            });
        });
        if answered || modal.should_close() {
            self.asks = false;
        }
    }
}

/// Runs that are named on the card, and under the pointer.
const NAMED: usize = 4;
const HOVERED: usize = 40;

fn begin(varied: &Variation) -> Action {
    let (experiment, runs) = (varied.experiment.clone(), varied.runs.clone());
    let new = NewExperiment { experiment, runs, source: String::new() };
    Action::Experiment(ExperimentAction::Start(Box::new(new)))
}
