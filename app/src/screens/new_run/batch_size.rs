//! Below the batch size: the largest that memory has room for, tried on the run's longest rows.

use egui::{Color32, Label, RichText, Ui};
use engine::config::RunConfig;

use super::action::NewRunAction;
use super::form::RunForm;
use crate::action::Action;
use crate::format;
use crate::i18n::told;
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::{link_ui, small_ui};

/// The button, what is found out meanwhile, and what fits.
pub(super) fn batch_size_ui(
    ui: &mut Ui,
    form: &mut RunForm,
    ready: Option<&RunConfig>,
    state: &State,
    out: &mut Vec<Action>,
) {
    let search = &state.new_run.batch_size;
    let (muted, bad) = (tokens(ui).muted, tokens(ui).bad);
    if search.request.is_open() {
        ui.horizontal(|ui| {
            ui.spinner();
            let tried = search.tried.map_or_else(
                || t!("batch_size.preparing").to_owned(),
                |trial| t!("batch_size.tried", n = trial.rows, memory = format::bytes(trial.memory_bytes)),
            );
            ui.label(RichText::new(tried).small().color(muted));
            if small_ui(ui, t!("batch_size.stop")).clicked() {
                out.push(Action::NewRun(NewRunAction::EndFindBatchSize));
            }
        });
        return;
    }
    ui.add_enabled_ui(ready.is_some() && !state.env.engine_gone, |ui| {
        let button = small_ui(ui, t!("batch_size.find")).on_hover_text(t!("batch_size.help"));
        if let Some(config) = ready.filter(|_| button.clicked()) {
            out.push(Action::NewRun(NewRunAction::FindBatchSize(Box::new(config.clone()))));
        }
    });
    if !ready.is_some_and(|run| search.is_about(run)) {
        return;
    }
    let line = |ui: &mut Ui, text: String, color: Color32| {
        ui.add(Label::new(RichText::new(text).small().color(color)).wrap());
    };
    if let Some(failure) = &search.request.failure {
        line(ui, told(&failure.what), bad);
    }
    let Some(fit) = search.request.answer else { return };
    let limit = format::bytes(fit.limit_bytes);
    if fit.rows == 0 {
        line(ui, t!("batch_size.none", limit = limit), bad);
        return;
    }
    let memory = format::bytes(fit.memory_bytes);
    line(ui, t!("batch_size.fits", n = fit.rows, tokens = fit.longest, memory = memory, limit = limit), muted);
    if fit.tried < fit.rows {
        line(ui, t!("batch_size.reckoned", n = fit.tried), muted);
    }
    if form.config.training.batch_size != fit.rows && link_ui(ui, &t!("batch_size.take", n = fit.rows)).clicked() {
        form.config.training.batch_size = fit.rows;
    }
}
