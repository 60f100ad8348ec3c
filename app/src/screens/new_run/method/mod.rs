//! The card *Method*: what is trained, and the settings of that.

mod lora;
mod prefix;
mod prompt;

use egui::{CollapsingHeader, RichText, Ui};
use engine::models::ModelSummary;

use super::check::{Field, Issue};
use super::draft::Draft;
use super::error_of;
use super::lab::LabForm;
use super::tuning::Kind;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::field;
use crate::widgets::option::{Choice, options_ui};
use crate::widgets::surface::card_ui;

/// Draws the card.
pub(super) fn method_ui(ui: &mut Ui, draft: &mut Draft, state: &State, issues: &[Issue], lab: &mut LabForm) {
    let model = state.model_asked(&draft.model);
    card_ui(ui, t!("method.title"), |ui| {
        chooser_ui(ui, draft, model);
        if let Some(error) = error_of(issues, Field::Method) {
            ui.add(egui::Label::new(RichText::new(error).small().color(tokens(ui).bad)).wrap());
        }
        ui.add_space(theme::SMALL_GAP);
        match draft.tuning.kind {
            Kind::Prefix => prefix::prefix_ui(ui, draft, state, issues),
            Kind::Prompt | Kind::PTuning => {
                let task = draft.shown_task(model);
                prompt::prompt_ui(ui, &mut draft.tuning, task, issues);
            }
            Kind::Lora => lora::lora_ui(ui, &mut draft.tuning.lora, model, issues),
            Kind::TopLayers => top_layers_ui(ui, draft, model),
            Kind::Text => text_ui(ui, draft, issues),
            Kind::Full => note_ui(ui, t!("method.full_note")),
            Kind::HeadOnly => note_ui(ui, t!("method.head_note")),
        }
        if matches!(draft.tuning.kind, Kind::Prefix | Kind::Prompt | Kind::PTuning | Kind::Lora) {
            lab.button_ui(ui, draft);
        }
        if draft.tuning.kind.takes_lora() {
            beside_ui(ui, draft, model, issues);
        }
    });
}

/// One sentence for each method. What is of no use for the task says why.
fn chooser_ui(ui: &mut Ui, draft: &mut Draft, model: Option<&ModelSummary>) {
    let task = draft.shown_task(model);
    let choices = Kind::ALL.map(|kind| {
        let (title, note) = words(kind);
        Choice { value: kind, title, note, why_not: kind.why_not(task) }
    });
    if options_ui(ui, &mut draft.tuning.kind, &choices) {
        draft.follow_method();
    }
}

fn words(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Prefix => (t!("method.prefix"), t!("method.prefix_is")),
        Kind::Prompt => (t!("method.prompt"), t!("method.prompt_is")),
        Kind::PTuning => (t!("method.p_tuning"), t!("method.p_tuning_is")),
        Kind::Lora => (t!("method.lora"), t!("method.lora_is")),
        Kind::Full => (t!("method.full"), t!("method.full_is")),
        Kind::TopLayers => (t!("method.top"), t!("method.top_is")),
        Kind::HeadOnly => (t!("method.head"), t!("method.head_is")),
        Kind::Text => (t!("method.text"), t!("method.text_is")),
    }
}

fn top_layers_ui(ui: &mut Ui, draft: &mut Draft, model: Option<&ModelSummary>) {
    let most = model.map_or(1000, |model| model.n_layers.max(1));
    field::field_ui(ui, t!("method.top_layers"), t!("method.top_layers_help"), None, |ui| {
        field::count_ui(ui, &mut draft.tuning.top_layers, 1..=most)
    });
    note_ui(ui, t!("method.full_note"));
}

fn text_ui(ui: &mut Ui, draft: &mut Draft, issues: &[Issue]) {
    let text = &mut draft.tuning.text;
    let error = error_of(issues, Field::Text);
    field::field_ui(ui, t!("method.instruction"), t!("method.instruction_help"), error, |ui| {
        field::code_ui(ui, &mut text.instruction, 4)
    });
    field::field_ui(ui, t!("method.shots"), t!("method.shots_help"), None, |ui| {
        field::count_ui(ui, &mut text.shots, 0..=1000)
    });
    note_ui(ui, t!("method.text_note"));
}

/// Matrices of low rank that are trained together with what stands in the text.
fn beside_ui(ui: &mut Ui, draft: &mut Draft, model: Option<&ModelSummary>, issues: &[Issue]) {
    let title = if draft.tuning.with_lora { t!("method.beside_on") } else { t!("method.beside") };
    CollapsingHeader::new(title).id_salt("beside").show(ui, |ui| {
        ui.add_space(6.0);
        field::check_ui(ui, &mut draft.tuning.with_lora, t!("method.with_lora"), t!("method.lora_is"));
        if draft.tuning.with_lora {
            lora::lora_ui(ui, &mut draft.tuning.lora, model, issues);
        }
    });
}

fn note_ui(ui: &mut Ui, note: &str) {
    ui.add(egui::Label::new(RichText::new(note).small().color(tokens(ui).muted)).wrap());
}
