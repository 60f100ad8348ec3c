//! On the card at the right: the time that the run takes, or the experiment, once a few steps were timed.

use egui::{RichText, Ui};
use engine::config::RunConfig;

use super::NewRun;
use super::action::NewRunAction;
use super::preview_card::section_ui;
use super::vary::cost::secs_of;
use crate::action::Action;
use crate::format;
use crate::i18n::told;
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::small_ui;
use crate::widgets::containers::fact_ui;

impl NewRun {
    /// Seconds that what the form stands for takes, as far as that was measured.
    pub(super) fn expected_secs(&self, state: &State) -> Option<f64> {
        let runs = self.timed_runs()?;
        let (timed, times) = state.new_run.step_times.of(&runs)?;
        match &self.checked.varied {
            Some(varied) => varied.costs.secs(&varied.experiment, &varied.runs, times),
            None => Some(secs_of(runs.first()?, timed.first()?, times.first()?)),
        }
    }

    /// The runs whose steps are timed; none where nothing can be started, or has no steps.
    fn timed_runs(&self) -> Option<Vec<RunConfig>> {
        let config = self.checked.answer.as_ref()?.as_ref().ok()?;
        let runs = match &self.checked.varied {
            Some(varied) => varied.costs.timed(),
            None => vec![config.as_ref().clone()],
        };
        let has_steps = |run: &RunConfig| !matches!(run.method, engine::config::MethodConfig::FewShot(_));
        runs.iter().all(has_steps).then_some(runs)
    }

    pub(super) fn time_ui(&self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(runs) = self.timed_runs() else { return };
        let muted = tokens(ui).muted;
        let measured = &state.new_run.step_times;
        section_ui(ui, t!("timing.title"));
        let expected = self.expected_secs(state);
        let shown = expected.map_or_else(|| "–".to_owned(), |secs| t!("timing.about", time = format::duration(secs)));
        fact_ui(ui, t!("timing.expected"), &shown);
        if let Some((done, all)) = measured.progress() {
            ui.horizontal(|ui| {
                ui.spinner();
                let line = t!("timing.measuring", n = done + 1, all = all);
                ui.label(RichText::new(line).small().color(muted));
                if small_ui(ui, t!("timing.stop")).clicked() {
                    out.push(Action::NewRun(NewRunAction::EndTimeSteps));
                }
            });
            return;
        }
        if let Some(failure) = measured.failure(&runs) {
            ui.add(egui::Label::new(RichText::new(told(&failure.what)).small().color(tokens(ui).bad)).wrap());
        }
        let label = if expected.is_some() { t!("timing.again") } else { t!("timing.measure") };
        ui.add_enabled_ui(!state.env.engine_gone, |ui| {
            if small_ui(ui, label).on_hover_text(t!("timing.help")).clicked() {
                out.push(Action::NewRun(NewRunAction::TimeSteps(runs)));
            }
        });
    }
}
