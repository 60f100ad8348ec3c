//! The card *Model*: a folder, and what is in it.

use std::path::Path;

use egui::{RichText, Ui};
use engine::config::Task;
use engine::message::ModelSummary;

use super::draft::{Draft, Field, Issue};
use super::error_of;
use crate::action::{Action, Pick};
use crate::say;
use crate::state::{Described, State};
use crate::text;
use crate::theme::tokens;
use crate::widgets::button::{segmented_ui, small_ui};
use crate::widgets::field;
use crate::widgets::surface::{card_ui, chips_ui, plain_chip_ui};

/// Draws the card.
pub(super) fn model_ui(ui: &mut Ui, draft: &mut Draft, state: &State, issues: &[Issue], out: &mut Vec<Action>) {
    card_ui(ui, say!("model.title"), |ui| {
        // A field that was not touched yet is not wrong, only empty: the card at the right says what is missing.
        let error = error_of(issues, Field::Model).filter(|_| !draft.model.trim().is_empty());
        let edit = field::field_ui(ui, say!("model.folder"), say!("model.folder_help"), error, |ui| {
            field::path_ui(ui, &mut draft.model, say!("model.hint"), say!("model.browse"))
        });
        if edit.browse {
            out.push(Action::Browse(Pick::Model));
        }
        known_models_ui(ui, draft, state);
        match state.models.get(Path::new(draft.model.trim())) {
            Some(Described::Asked) => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(RichText::new(say!("model.reading")).color(tokens(ui).muted));
                });
            }
            Some(Described::Known(model)) => {
                chips_ui(ui, |ui| {
                    for fact in [
                        model.architecture.clone(),
                        say!("model.parameters", n = text::short_count(model.parameters)),
                        say!("model.layers", n = model.n_layers),
                        say!("model.width", n = model.d_model),
                        heads(model),
                        say!("model.positions", n = text::count(model.n_positions)),
                        say!("model.vocabulary", n = text::count(model.vocab_size)),
                        format!("{} · {}", model.dtype, text::bytes(model.file_bytes)),
                    ] {
                        plain_chip_ui(ui, &fact);
                    }
                });
                task_ui(ui, draft, model);
            }
            Some(Described::Failed(failure)) => {
                ui.add(egui::Label::new(RichText::new(&failure.advice).color(tokens(ui).muted)).wrap());
            }
            None => {}
        }
    });
}

/// Heads, and those of keys and values where they are fewer.
fn heads(model: &ModelSummary) -> String {
    if model.n_kv_heads == model.n_heads {
        say!("model.heads", n = model.n_heads)
    } else {
        say!("model.shared_heads", n = model.n_heads, kv = model.n_kv_heads)
    }
}

/// What can be learned with the model, where there is a choice.
fn task_ui(ui: &mut Ui, draft: &mut Draft, model: &ModelSummary) {
    if draft.task.is_some_and(|task| !model.tasks.contains(&task)) {
        draft.task = None;
    }
    if model.tasks.len() < 2 {
        return;
    }
    let mut task = draft.shown_task(Some(model));
    let choices: Vec<(Task, &str)> = model.tasks.iter().map(|task| (*task, task_name(*task))).collect();
    field::field_ui(ui, say!("task.title"), say!("task.help"), None, |ui| {
        if segmented_ui(ui, &mut task, &choices) {
            draft.task = Some(task);
        }
    });
    ui.add(egui::Label::new(RichText::new(task_note(task)).small().color(tokens(ui).muted)).wrap());
}

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Causal => say!("task.causal"),
        Task::Seq2Seq => say!("task.seq2seq"),
        Task::SequenceClassification => say!("task.sequence"),
        Task::TokenClassification => say!("task.token"),
        Task::MaskedFill => say!("task.masked"),
    }
}

fn task_note(task: Task) -> &'static str {
    match task {
        Task::Causal => say!("task.causal_note"),
        Task::Seq2Seq => say!("task.seq2seq_note"),
        Task::SequenceClassification => say!("task.sequence_note"),
        Task::TokenClassification => say!("task.token_note"),
        Task::MaskedFill => say!("task.masked_note"),
    }
}

/// The starter and the models that were used, one click away.
fn known_models_ui(ui: &mut Ui, draft: &mut Draft, state: &State) {
    let starter = state.starter.as_ref().map(|config| config.model.display().to_string());
    let used = state.model_rows.iter().map(|row| row.folder.display().to_string());
    let others: Vec<String> = starter
        .clone()
        .into_iter()
        .chain(used.filter(|path| Some(path) != starter.as_ref()))
        .filter(|path| *path != draft.model)
        .collect();
    if others.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(say!("model.others")).small().color(tokens(ui).muted));
        for path in others.into_iter().take(5) {
            let name = crate::workspace::model_name(Path::new(&path));
            let label = say!("model.use", name = name);
            if small_ui(ui, label).on_hover_text(&path).clicked() {
                draft.model = path;
            }
        }
    });
}
