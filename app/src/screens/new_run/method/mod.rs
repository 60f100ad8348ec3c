//! The card *Method*: what is trained, and the settings of that.

mod lora;
mod prefix;
mod prompt;

use egui::{CollapsingHeader, RichText, Ui};
use engine::models::ModelSummary;

use super::check::{Field, Issue};
use super::error_of;
use super::form::RunForm;
use super::init_comparison::InitComparisonForm;
use super::tuning::{Beside, MethodKind};
use super::vary::{Lists, field as listed, several};
use crate::i18n::{help_of, zero_help_of};
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::card_ui;
use crate::widgets::field;
use crate::widgets::option_cards::{Choice, options_ui};

/// Draws the card.
pub(super) fn method_ui(
    ui: &mut Ui,
    form: &mut RunForm,
    state: &State,
    issues: &[Issue],
    comparison: &mut InitComparisonForm,
) {
    let model = state.model_asked(&form.text.model);
    card_ui(ui, t!("method.title"), |ui| {
        chooser_ui(ui, form, model);
        several::methods_ui(ui, form, state);
        if let Some(error) = error_of(issues, Field::Method) {
            ui.add(egui::Label::new(RichText::new(error).small().color(tokens(ui).bad)).wrap());
        }
        ui.add_space(theme::SMALL_GAP);
        match form.tuning.kind {
            MethodKind::Prefix => prefix::prefix_ui(ui, form, state, issues),
            MethodKind::Prompt | MethodKind::PTuning => {
                let has_names = form.has_class_names(model);
                prompt::prompt_ui(ui, form, has_names, issues);
            }
            MethodKind::Lora => lora::lora_ui(ui, form, model, issues),
            MethodKind::TopLayers => top_layers_ui(ui, form, model),
            MethodKind::Text => text_ui(ui, form, issues),
            MethodKind::Full => note_ui(ui, t!("method.full_note")),
            MethodKind::HeadOnly => note_ui(ui, t!("method.head_note")),
        }
        if matches!(form.tuning.kind, MethodKind::Prefix | MethodKind::Prompt | MethodKind::PTuning | MethodKind::Lora)
        {
            comparison.button_ui(ui, form);
        }
        if form.tuning.kind.takes_lora() {
            beside_ui(ui, form, model, issues);
        }
    });
}

/// One sentence for each method. What is of no use for the task says why.
fn chooser_ui(ui: &mut Ui, form: &mut RunForm, model: Option<&ModelSummary>) {
    let task = form.shown_task(model);
    let choices = MethodKind::ALL.map(|kind| {
        let (title, note) = words(kind);
        Choice { value: kind, title, note, why_not: kind.why_not(task) }
    });
    if options_ui(ui, &mut form.tuning.kind, &choices) {
        form.follow_method();
    }
}

pub(super) fn words(kind: MethodKind) -> (&'static str, &'static str) {
    match kind {
        MethodKind::Prefix => (t!("method.prefix"), t!("method.prefix_is")),
        MethodKind::Prompt => (t!("method.prompt"), t!("method.prompt_is")),
        MethodKind::PTuning => (t!("method.p_tuning"), t!("method.p_tuning_is")),
        MethodKind::Lora => (t!("method.lora"), t!("method.lora_is")),
        MethodKind::Full => (t!("method.full"), t!("method.full_is")),
        MethodKind::TopLayers => (t!("method.top"), t!("method.top_is")),
        MethodKind::HeadOnly => (t!("method.head"), t!("method.head_is")),
        MethodKind::Text => (t!("method.text"), t!("method.text_is")),
    }
}

fn top_layers_ui(ui: &mut Ui, form: &mut RunForm, model: Option<&ModelSummary>) {
    let most = model.map_or(1000, |model| model.n_layers.max(1));
    field::field_ui(ui, t!("method.top_layers"), &help_of("method.top_layers"), None, |ui| {
        let (lists, layers) = (&mut form.vary.lists, &mut form.tuning.top_layers);
        listed::count_ui(ui, (lists, "method.top_layers"), layers, 1..=most)
    });
    note_ui(ui, t!("method.full_note"));
}

fn text_ui(ui: &mut Ui, form: &mut RunForm, issues: &[Issue]) {
    let (lists, text) = (&mut form.vary.lists, &mut form.tuning.text);
    let error = error_of(issues, Field::Text);
    field::field_ui(ui, t!("method.instruction"), &help_of("method.instruction"), error, |ui| {
        field::code_ui(ui, &mut text.instruction, 4)
    });
    field::field_ui(ui, t!("method.shots"), &help_of("method.shots"), None, |ui| {
        listed::count_ui(ui, (lists, "method.shots"), &mut text.shots, 0..=1000)
    });
    note_ui(ui, t!("method.text_note"));
}

/// What of the model is trained together with what stands in the text, and its rate.
fn beside_ui(ui: &mut Ui, form: &mut RunForm, model: Option<&ModelSummary>, issues: &[Issue]) {
    let is_on = form.tuning.beside != Beside::Nothing;
    let title = if is_on { t!("method.beside_on") } else { t!("method.beside") };
    CollapsingHeader::new(title).id_salt("beside").show(ui, |ui| {
        ui.add_space(6.0);
        let choices = [
            (Beside::Nothing, t!("method.beside_nothing")),
            (Beside::TopLayers, t!("method.beside_top")),
            (Beside::Full, t!("method.beside_full")),
            (Beside::Lora, t!("method.beside_lora")),
        ];
        field::field_ui(ui, t!("method.also_train"), &help_of("weights"), None, |ui| {
            segmented_ui(ui, &mut form.tuning.beside, &choices)
        });
        if form.tuning.beside == Beside::Nothing {
            return;
        }
        ui.columns(2, |sides| {
            let (lists, tuning) = (&mut form.vary.lists, &mut form.tuning);
            let (rate, key) = match tuning.beside {
                Beside::Lora => (&mut tuning.lora.config.learning_rate, "lora.learning_rate"),
                _ => (&mut tuning.weights.learning_rate, "weights.learning_rate"),
            };
            rate_ui(&mut sides[0], rate, (lists, key));
            if tuning.beside == Beside::TopLayers {
                let most = model.map_or(1000, |model| model.n_layers.max(1));
                field::field_ui(&mut sides[1], t!("method.top_layers"), &help_of("weights.top_layers"), None, |ui| {
                    listed::count_ui(ui, (lists, "weights.top_layers"), &mut tuning.top_layers, 1..=most)
                });
            }
        });
        match form.tuning.beside {
            Beside::Lora => lora::lora_ui(ui, form, model, issues),
            _ => note_ui(ui, t!("method.beside_note")),
        }
    });
}

/// A learning rate of its own; 0 is that of the run.
fn rate_ui(ui: &mut Ui, rate: &mut Option<f64>, (lists, key): (&mut Lists, &'static str)) {
    let mut shown = rate.unwrap_or(0.0);
    field::field_ui(ui, t!("method.own_rate"), &zero_help_of(key), None, |ui| {
        listed::small_ui(ui, (lists, key), &mut shown, 0.0..=999.0)
    });
    *rate = Some(shown).filter(|rate| *rate > 0.0);
}

fn note_ui(ui: &mut Ui, note: &str) {
    ui.add(egui::Label::new(RichText::new(note).small().color(tokens(ui).muted)).wrap());
}
