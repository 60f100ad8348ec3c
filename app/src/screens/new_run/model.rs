//! The card *Model*: a folder, and what is in it.

use std::path::Path;

use egui::{RichText, Ui};
use engine::config::{HeadInit, Task};
use engine::hub::ModelId;
use engine::models::ModelSummary;
use engine::models::PretrainedHead;

use super::check::{Field, Issue};
use super::error_of;
use super::form::RunForm;
use super::vary::several;
use crate::action::{Action, Pick};
use crate::format;
use crate::home::typed;
use crate::i18n::{self, help_of};
use crate::screens::library::action::LibraryAction;
use crate::screens::library::hub_work_ui;
use crate::state::State;
use crate::state::hub::HubWork;
use crate::state::library::ModelLookup;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::{quiet_ui, segmented_ui, small_ui};
use crate::widgets::containers::{card_ui, chips_ui, plain_chip_ui};
use crate::widgets::field;

/// Draws the card.
pub(super) fn model_ui(ui: &mut Ui, form: &mut RunForm, state: &State, issues: &[Issue], out: &mut Vec<Action>) {
    card_ui(ui, t!("model.title"), |ui| {
        // A field that was not touched yet is not wrong, only empty: the card at the right says what is missing.
        let id = wanted_id(form, state);
        let error = error_of(issues, Field::Model).filter(|_| !form.text.model.trim().is_empty() && id.is_none());
        let edit = field::field_ui(ui, t!("model.folder"), &help_of("model"), error, |ui| {
            let buttons = [t!("model.browse"), t!("model.browse_file")];
            field::folder_or_file_ui(ui, &mut form.text.model, t!("model.ask_hint"), buttons)
        });
        if edit.browse {
            out.push(Action::Browse(Pick::Model));
        }
        if edit.browse_file {
            out.push(Action::Browse(Pick::ModelFile));
        }
        known_models_ui(ui, form, state);
        several::models_ui(ui, form, state);
        let folder = state.model_folder(&form.text.model);
        match state.library.lookups.get(&folder) {
            Some(lookup) if lookup.is_open() => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(RichText::new(t!("model.reading")).color(tokens(ui).muted));
                });
            }
            Some(ModelLookup { answer: Some(model), .. }) => {
                chips_ui(ui, |ui| {
                    for fact in [
                        model.architecture.clone(),
                        t!("model.parameters", n = format::short_count(model.parameters)),
                        layers(model),
                        t!("model.width", n = model.d_model),
                        heads(model),
                        t!("model.positions", n = format::count(model.n_positions)),
                        t!("model.vocabulary", n = format::count(model.vocab_size)),
                        format!("{} · {}", model.dtype, format::bytes(model.file_bytes)),
                    ] {
                        plain_chip_ui(ui, &fact);
                    }
                });
                if let Some(notice) = &model.notice {
                    let notice = RichText::new(i18n::told(notice)).small().color(tokens(ui).muted);
                    ui.add(egui::Label::new(notice).wrap());
                }
                if folder != typed(&form.text.model) {
                    let note = t!("model.from_cache", folder = folder.display());
                    ui.add(egui::Label::new(RichText::new(note).small().color(tokens(ui).muted)).truncate());
                }
                task_ui(ui, form, model);
                head_ui(ui, form, model, state);
            }
            Some(ModelLookup { failure: Some(_), .. }) if let Some(id) = id => hub_ui(ui, &id, state, out),
            Some(ModelLookup { failure: Some(failure), .. }) => {
                ui.add(egui::Label::new(RichText::new(i18n::tell(&failure.advice)).color(tokens(ui).muted)).wrap());
            }
            _ => {}
        }
    });
}

/// The model of the hub that could be meant by what is typed: there is no such folder, and the cache does not have it.
pub(super) fn wanted_id(form: &RunForm, state: &State) -> Option<ModelId> {
    let is_missing = state.model_failure(&state.model_folder(&form.text.model)).is_some();
    let id = ModelId::parse(&form.text.model).ok().filter(|id| id.rows().is_none())?;
    let is_known = state.hub.cached.iter().any(|model| id.may_mean(&model.id));
    (is_missing && !is_known).then_some(id)
}

/// Asks for the model on the hub: names and sizes first, then the files.
fn hub_ui(ui: &mut Ui, id: &ModelId, state: &State, out: &mut Vec<Action>) {
    let concerned = match &state.hub.work {
        HubWork::Idle => None,
        HubWork::LookingUp(other) => Some(other),
        HubWork::Listed(listing) | HubWork::Fetching { listing, .. } => Some(&listing.id),
    };
    if concerned != Some(id) {
        ui.add(egui::Label::new(RichText::new(t!("model.not_here", name = id)).color(tokens(ui).muted)).wrap());
        let button = quiet_ui(ui, !state.hub.is_busy(), &t!("model.look_up", name = id));
        if button.on_hover_text(t!("hub.look_up_help", endpoint = state.hub.facts.endpoint)).clicked() {
            out.push(Action::Library(LibraryAction::LookUp(id.to_string())));
        }
    }
    if concerned == Some(id) || state.hub.failure.is_some() {
        hub_work_ui(ui, state, out);
    }
}

/// Layers, and those of the encoder where there is one before them.
fn layers(model: &ModelSummary) -> String {
    match model.encoder_layers {
        0 => t!("model.layers", n = model.n_layers),
        encoder => t!("model.both_layers", encoder = encoder, n = model.n_layers),
    }
}

/// Heads, and those of keys and values where they are fewer.
fn heads(model: &ModelSummary) -> String {
    if model.n_kv_heads == model.n_heads {
        t!("model.heads", n = model.n_heads)
    } else {
        t!("model.shared_heads", n = model.n_heads, kv = model.n_kv_heads)
    }
}

/// Choice of the task to learn with the model, where there are several.
fn task_ui(ui: &mut Ui, form: &mut RunForm, model: &ModelSummary) {
    if form.config.task.is_some_and(|task| !model.tasks.contains(&task)) {
        form.config.task = None;
    }
    if model.tasks.len() < 2 {
        return;
    }
    let mut task = form.shown_task(Some(model));
    let choices: Vec<(Task, &str)> = model.tasks.iter().map(|task| (*task, task_name(*task))).collect();
    field::field_ui(ui, t!("task.title"), &help_of("task"), None, |ui| {
        if segmented_ui(ui, &mut task, &choices) {
            form.config.task = Some(task);
        }
    });
    ui.add(egui::Label::new(RichText::new(task_note(task)).small().color(tokens(ui).muted)).wrap());
}

/// The head that the checkpoint brings along, and whether a run begins with it.
fn head_ui(ui: &mut Ui, form: &mut RunForm, model: &ModelSummary, state: &State) {
    let note_ui = |ui: &mut Ui, words: String| {
        ui.add(egui::Label::new(RichText::new(words).small().color(tokens(ui).muted)).wrap());
    };
    let Some(own) = &model.own_head else { return };
    let (its, classes) = match own {
        PretrainedHead::Names { task, classes } => (*task, classes),
        PretrainedHead::Unused(reason) => return note_ui(ui, t!("head.unused", reason = reason)),
    };
    let more = if classes.len() > CLASSES_SHOWN { ", …" } else { "" };
    let names = format!("{}{more}", classes[..classes.len().min(CLASSES_SHOWN)].join(", "));
    let named = match its {
        Task::Regression => t!("head.number").to_owned(),
        _ => t!("head.classes", n = classes.len(), names = names),
    };
    let task = form.shown_task(Some(model));
    if task != its {
        return note_ui(ui, t!("head.other_task", task = task_name(its), classes = named));
    }
    field::field_ui(ui, t!("head.title"), &help_of("head"), None, |ui| {
        let choices = [(HeadInit::Checkpoint, t!("head.checkpoint")), (HeadInit::New, t!("head.new"))];
        segmented_ui(ui, &mut form.config.head, &choices)
    });
    let of_rows = state.new_run.preview.known().map(|preview| &preview.classes).filter(|classes| !classes.is_empty());
    let mismatch = of_rows.and_then(|classes| own.scores_of(task, classes).err());
    match mismatch.filter(|_| form.config.head == HeadInit::Checkpoint) {
        Some(reason) => note_ui(ui, t!("head.mismatch", reason = reason)),
        None => note_ui(ui, named),
    }
}

/// Number of class names that are shown of many.
const CLASSES_SHOWN: usize = 6;

fn task_name(task: Task) -> &'static str {
    match task {
        Task::Causal => t!("task.causal"),
        Task::Seq2Seq => t!("task.seq2seq"),
        Task::SequenceClassification => t!("task.sequence"),
        Task::TokenClassification => t!("task.token"),
        Task::Regression => t!("task.regression"),
        Task::MaskedFill => t!("task.masked"),
        Task::MultipleChoice => t!("task.choice"),
        Task::QuestionAnswering => t!("task.question"),
    }
}

fn task_note(task: Task) -> &'static str {
    match task {
        Task::Causal => t!("task.causal_note"),
        Task::Seq2Seq => t!("task.seq2seq_note"),
        Task::SequenceClassification => t!("task.sequence_note"),
        Task::TokenClassification => t!("task.token_note"),
        Task::Regression => t!("task.regression_note"),
        Task::MaskedFill => t!("task.masked_note"),
        Task::MultipleChoice => t!("task.choice_note"),
        Task::QuestionAnswering => t!("task.question_note"),
    }
}

/// The starter and the models that were used, one click away.
fn known_models_ui(ui: &mut Ui, form: &mut RunForm, state: &State) {
    let starter = state.env.starter.as_ref().map(|config| config.model.display().to_string());
    let used = state.library.models.iter().map(|row| row.folder.display().to_string());
    let others: Vec<String> = starter
        .clone()
        .into_iter()
        .chain(used.filter(|path| Some(path) != starter.as_ref()))
        .filter(|path| *path != form.text.model)
        .collect();
    if others.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(t!("model.others")).small().color(tokens(ui).muted));
        for path in others.into_iter().take(5) {
            let name = crate::workspace::model_name(Path::new(&path));
            let label = t!("model.use", name = name);
            if small_ui(ui, label).on_hover_text(&path).clicked() {
                form.text.model = path;
            }
        }
    });
}
