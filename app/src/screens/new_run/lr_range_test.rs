//! Below the card *Schedule*: a learning-rate range test, from its button to the rate that is taken over.

use egui::{RichText, Ui};
use engine::config::RunConfig;
use engine::training::RateRange;

use super::action::NewRunAction;
use super::form::RunForm;
use crate::action::Action;
use crate::format::scientific;
use crate::i18n::told;
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::small_ui;
use crate::widgets::lr_range_plot::{LrRangeCanvas, Mark, lr_range_plot_ui};

/// The button; a test needs a form that could be started.
pub(super) fn button_ui(ui: &mut Ui, ready: Option<&RunConfig>, state: &State, out: &mut Vec<Action>) {
    let idle = !state.new_run.lr_range_test.request.is_open();
    ui.add_enabled_ui(idle && ready.is_some(), |ui| {
        let button = small_ui(ui, t!("range.test")).on_hover_text(t!("range.test_help"));
        if let Some(config) = ready.filter(|_| button.clicked()) {
            out.push(Action::NewRun(NewRunAction::TestLrRange(Box::new(config.clone()))));
        }
    });
}

/// The curve of the last test and what it suggests.
pub(super) fn lr_range_test_ui(
    ui: &mut Ui,
    form: &mut RunForm,
    ready: Option<&RunConfig>,
    state: &State,
    out: &mut Vec<Action>,
) {
    let test = &state.new_run.lr_range_test;
    if test.is_empty() {
        return;
    }
    let t = tokens(ui);
    ui.separator();
    ui.horizontal(|ui| {
        ui.label(RichText::new(t!("range.title")).strong());
        let label = if test.request.is_open() { t!("range.stop") } else { t!("range.close") };
        if small_ui(ui, label).clicked() {
            out.push(Action::NewRun(NewRunAction::EndLrRange));
        }
        if test.request.is_open() {
            let (done, all) = (test.points.len(), RateRange::default().steps);
            let text = if done == 0 { t!("range.preparing").to_owned() } else { t!("range.step", n = done, all = all) };
            ui.label(RichText::new(text).small().color(t.muted));
        }
    });
    if let Some(failure) = &test.request.failure {
        ui.add(egui::Label::new(RichText::new(told(&failure.what)).color(t.bad)).wrap());
        return;
    }
    let findings = test.request.answer.unwrap_or_default();
    let suggestions = [
        findings.steepest.map(|rate| (rate, t!("range.steepest", rate = scientific(round(rate))))),
        findings.tenth().map(|rate| (rate, t!("range.tenth", rate = scientific(round(rate))))),
    ];
    let marks: Vec<Mark> =
        suggestions.iter().flatten().map(|(rate, _)| Mark { rate: *rate, color: t.accent }).collect();
    let canvas = LrRangeCanvas { label: t!("range.plot"), raw: t!("range.raw"), smoothed: t!("range.smoothed") };
    lr_range_plot_ui(ui, canvas, &test.points, &marks);
    // A rate that suits one method may ruin another.
    let applies = ready.is_none_or(|run| test.is_about(run));
    if !applies {
        ui.label(RichText::new(t!("range.other")).small().color(t.warn));
    }
    ui.add_enabled_ui(applies, |ui| suggestions_ui(ui, form, &suggestions));
    if test.request.answer.is_some_and(|found| found.steepest.is_none() && found.diverged.is_none()) {
        ui.label(RichText::new(t!("range.nothing")).color(t.muted));
    }
}

/// The rates that can be taken over.
fn suggestions_ui(ui: &mut Ui, form: &mut RunForm, suggestions: &[Option<(f64, String)>]) {
    ui.horizontal_wrapped(|ui| {
        for (rate, label) in suggestions.iter().flatten() {
            if ui.button(label.as_str()).clicked() {
                form.text.learning_rate = scientific(round(*rate));
                form.rate_edited = true;
            }
        }
    });
}

/// To two digits: a test says no more.
fn round(rate: f64) -> f64 {
    format!("{rate:.1e}").parse().unwrap_or(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suggestion_has_two_digits() {
        assert_eq!([round(0.012_345), round(3.96e-4), round(9.99)], [0.012, 4e-4, 10.0]);
    }
}
