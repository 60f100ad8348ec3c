//! The settings of a soft prompt, and of the network behind it in P-tuning.

use egui::{RichText, Ui};
use engine::config::{PromptEncoder, PromptEncoderKind, PromptInit};

use super::super::check::{Field, Issue};
use super::super::error_of;
use super::super::form::{InitKind, RunForm};
use super::super::tuning::{MethodKind, Tuning};
use super::super::vary::{Lists, Vary, field as listed, several};
use super::note_ui;
use crate::i18n::{help_of, zero_help_of};
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::segmented_ui;
use crate::widgets::field;

/// Draws them.
pub(super) fn prompt_ui(ui: &mut Ui, form: &mut RunForm, has_names: bool, issues: &[Issue]) {
    let (tuning, vary) = (&mut form.tuning, &mut form.vary);
    let error = error_of(issues, Field::Prefix);
    if tuning.kind == MethodKind::PTuning {
        ui.columns(2, |sides| {
            length_ui(&mut sides[0], tuning, &mut vary.lists, error);
            network_ui(&mut sides[1], &mut tuning.encoder);
        });
        sizes_ui(ui, &mut tuning.encoder, &mut vary.lists);
        note_ui(ui, t!("method.p_tuning_note"));
    } else {
        length_ui(ui, tuning, &mut vary.lists, error);
        init_ui(ui, tuning, vary, has_names, issues);
    }
}

fn length_ui(ui: &mut Ui, tuning: &mut Tuning, lists: &mut Lists, error: Option<&str>) {
    field::field_ui(ui, t!("method.prompt_length"), &help_of("method.n_virtual"), error, |ui| {
        listed::count_ui(ui, (lists, "method.n_virtual"), &mut tuning.prompt.n_virtual, 1..=4096)
    });
}

fn network_ui(ui: &mut Ui, encoder: &mut PromptEncoder) {
    field::field_ui(ui, t!("method.network"), &help_of("method.encoder.type"), None, |ui| {
        let names = [
            (PromptEncoderKind::Mlp, "MLP"),
            (PromptEncoderKind::Lstm, "LSTM"),
            (PromptEncoderKind::Tanh, t!("method.network_tanh")),
        ];
        segmented_ui(ui, &mut encoder.kind, &names)
    });
}

/// Width 0 is that of the embeddings.
fn sizes_ui(ui: &mut Ui, encoder: &mut PromptEncoder, lists: &mut Lists) {
    ui.columns(2, |sides| {
        let mut width = encoder.width.unwrap_or(0);
        field::field_ui(&mut sides[0], t!("method.encoder_width"), &zero_help_of("method.encoder.width"), None, |ui| {
            listed::count_ui(ui, (lists, "method.encoder.width"), &mut width, 0..=65_536)
        });
        encoder.width = Some(width).filter(|width| *width > 0);
        if encoder.kind == PromptEncoderKind::Lstm {
            field::field_ui(&mut sides[1], t!("method.encoder_layers"), "", None, |ui| {
                listed::count_ui(ui, (lists, "method.encoder.layers"), &mut encoder.layers, 1..=8)
            });
        }
    });
}

fn init_ui(ui: &mut Ui, tuning: &mut Tuning, vary: &mut Vary, has_names: bool, issues: &[Issue]) {
    let words = PromptInit::Words { text: tuning.prompt_words.clone() };
    // A run file can say other numbers; the form keeps them while they hold.
    let uniform = match &tuning.prompt.init {
        init @ PromptInit::Uniform { .. } => init.clone(),
        _ => PromptInit::Uniform { bound: 0.5 },
    };
    let common = match &tuning.prompt.init {
        init @ PromptInit::Common { .. } => init.clone(),
        _ => PromptInit::Common { first: 5000 },
    };
    let mut choices = vec![
        (PromptInit::ScaledRandom, t!("method.init_scaled")),
        (PromptInit::Vocabulary, t!("method.init_vocabulary")),
        (common, t!("method.init_common")),
        (PromptInit::Frequent, t!("method.init_frequent")),
        (words, t!("method.init_words")),
        (PromptInit::Random, t!("method.init_random")),
        (uniform, t!("method.init_uniform")),
        (PromptInit::Zero, t!("method.init_zero")),
    ];
    if has_names || tuning.prompt.init == PromptInit::Classes {
        choices.insert(3, (PromptInit::Classes, t!("method.init_classes")));
    }
    // A run file can ask for it; the form keeps what it says.
    if matches!(tuning.prompt.init, PromptInit::Adapter { .. }) {
        choices.push((tuning.prompt.init.clone(), t!("method.init_adapter")));
    }
    let choices: Vec<_> = choices.into_iter().map(|(init, name)| (init, name.to_owned())).collect();
    field::field_ui(ui, t!("method.init"), &help_of("method.init.type"), None, |ui| {
        field::choice_ui(ui, "prompt_init", &mut tuning.prompt.init, &choices)
    });
    if let Some(present) = InitKind::of_prompt(&tuning.prompt.init) {
        several::inits_ui(ui, &mut vary.inits, present, (MethodKind::Prompt, has_names));
    }
    let note = match &tuning.prompt.init {
        PromptInit::Adapter { .. } => t!("method.adapter_note"),
        PromptInit::ScaledRandom => t!("method.prompt_scaled_note"),
        PromptInit::Random => t!("method.prompt_random_note"),
        PromptInit::Zero => t!("method.prompt_zero_note"),
        PromptInit::Uniform { .. } => t!("method.prompt_uniform_note"),
        PromptInit::Common { .. } => t!("method.prompt_common_note"),
        PromptInit::Vocabulary => t!("method.prompt_vocabulary_note"),
        PromptInit::Frequent => t!("method.prompt_frequent_note"),
        PromptInit::Classes => t!("method.prompt_classes_note"),
        PromptInit::Words { .. } => t!("method.prompt_words_note"),
    };
    ui.add(egui::Label::new(RichText::new(note).small().color(tokens(ui).muted)).wrap());
    match &mut tuning.prompt.init {
        PromptInit::Uniform { bound } => {
            field::field_ui(ui, t!("method.bound"), &help_of("method.init.bound"), None, |ui| {
                listed::number_ui(ui, (&mut vary.lists, "method.init.bound"), bound, 0.001..=100.0, 0.01)
            });
        }
        PromptInit::Common { first } => {
            field::field_ui(ui, t!("method.first_tokens"), &help_of("method.init.first"), None, |ui| {
                listed::count_ui(ui, (&mut vary.lists, "method.init.first"), first, 1..=1_000_000)
            });
        }
        _ => {}
    }
    let error = error_of(issues, Field::Words);
    if let PromptInit::Words { text } = &mut tuning.prompt.init {
        field::field_ui(ui, t!("method.words"), "", error, |ui| field::text_ui(ui, text, t!("method.words_hint")));
        tuning.prompt_words.clone_from(text);
    } else if let Some(error) = error {
        ui.add(egui::Label::new(RichText::new(error).small().color(tokens(ui).bad)).wrap());
    }
}
