//! Initial values in the card *Method*: their kinds, what each means, and the text or folder that some need.

use egui::{RichText, Ui};
use engine::config::{PrefixInit, PromptInit};

use super::check::{Field, Issue};
use super::error_of;
use super::form::{InitKind, RunForm};
use super::tuning::MethodKind;
use super::vary::{field as listed, several};
use crate::home::typed;
use crate::i18n::help_of;
use crate::state::State;
use crate::t;
use crate::theme::tokens;
use crate::widgets::field;

impl InitKind {
    /// In the order of the form: those that a method has; the names of classes only where there are some.
    pub(super) fn offered(method: MethodKind, classes: bool) -> impl Iterator<Item = Self> {
        use InitKind::{
            Adapter, Classes, Common, Demonstrations, Frequent, Prefill, Random, Scaled, Uniform, Vocabulary, Words,
            Zero,
        };
        let plain = [Scaled, Random, Uniform, Zero, Vocabulary, Common, Frequent, Classes];
        let read = [Words, Prefill, Demonstrations, Adapter];
        let has = move |kind: &Self| match method {
            MethodKind::Lora => matches!(kind, Random | Adapter),
            MethodKind::Prompt | MethodKind::PTuning => !matches!(kind, Prefill | Demonstrations),
            _ => true,
        };
        plain.into_iter().chain(read).filter(move |kind| has(kind) && (classes || *kind != Classes))
    }

    /// The kind, and its text or folder.
    pub(super) fn of(init: &PrefixInit) -> (Self, String) {
        let kind = match init {
            PrefixInit::ScaledRandom => Self::Scaled,
            PrefixInit::Random => Self::Random,
            PrefixInit::Zero => Self::Zero,
            PrefixInit::Uniform { bound } => return (Self::Uniform, bound.to_string()),
            PrefixInit::Demonstrations { shots } => return (Self::Demonstrations, shots.to_string()),
            PrefixInit::Common { first } => return (Self::Common, first.to_string()),
            PrefixInit::Vocabulary => Self::Vocabulary,
            PrefixInit::Frequent => Self::Frequent,
            PrefixInit::Classes => Self::Classes,
            PrefixInit::Words { text } => return (Self::Words, text.clone()),
            PrefixInit::Prefill { text } => return (Self::Prefill, text.clone()),
            PrefixInit::Adapter { path } => return (Self::Adapter, path.display().to_string()),
        };
        (kind, String::new())
    }

    /// The kind of a soft prompt's; `None` where a prefix has none like them.
    pub(super) fn of_prompt(init: &PromptInit) -> Option<Self> {
        let init: PrefixInit = serde_json::to_value(init).and_then(serde_json::from_value).ok()?;
        Some(Self::of(&init).0)
    }

    /// Initial values of this kind, with the text or folder where it needs one.
    pub(super) fn with(self, text: &str) -> PrefixInit {
        match self {
            Self::Scaled => PrefixInit::ScaledRandom,
            Self::Random => PrefixInit::Random,
            Self::Zero => PrefixInit::Zero,
            // As Lester et al. where it is no number.
            Self::Uniform => PrefixInit::Uniform { bound: text.trim().parse().unwrap_or(0.5) },
            Self::Demonstrations => PrefixInit::Demonstrations { shots: text.trim().parse().unwrap_or(16) },
            Self::Common => PrefixInit::Common { first: text.trim().parse().unwrap_or(5000) },
            Self::Vocabulary => PrefixInit::Vocabulary,
            Self::Frequent => PrefixInit::Frequent,
            Self::Classes => PrefixInit::Classes,
            Self::Words => PrefixInit::Words { text: text.to_owned() },
            Self::Prefill => PrefixInit::Prefill { text: text.to_owned() },
            Self::Adapter => PrefixInit::Adapter { path: typed(text) },
        }
    }

    /// Whether it is made of something that has to be named.
    pub(super) fn needs_text(self) -> bool {
        matches!(self, Self::Words | Self::Prefill | Self::Adapter)
    }

    /// Whether it is made with a number, which stands where the text of others does.
    pub(super) fn needs_number(self) -> bool {
        matches!(self, Self::Uniform | Self::Common | Self::Demonstrations)
    }

    /// Sentence shown when that is not named.
    pub(super) fn without_text(self) -> &'static str {
        if self == Self::Adapter { t!("issue.no_adapter") } else { t!("issue.no_words") }
    }

    /// Name of the start on the screen.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scaled => t!("method.init_scaled"),
            Self::Random => t!("method.init_random"),
            Self::Zero => t!("method.init_zero"),
            Self::Uniform => t!("method.init_uniform"),
            Self::Common => t!("method.init_common"),
            Self::Vocabulary => t!("method.init_vocabulary"),
            Self::Frequent => t!("method.init_frequent"),
            Self::Classes => t!("method.init_classes"),
            Self::Words => t!("method.init_words"),
            Self::Prefill => t!("method.init_prefill"),
            Self::Demonstrations => t!("method.init_demonstrations"),
            Self::Adapter => t!("method.init_adapter"),
        }
    }

    fn note(self) -> &'static str {
        match self {
            Self::Scaled => t!("method.scaled_note"),
            Self::Random => t!("method.random_note"),
            Self::Zero => t!("method.zero_note"),
            Self::Uniform => t!("method.uniform_note"),
            Self::Common => t!("method.common_note"),
            Self::Vocabulary => t!("method.vocabulary_note"),
            Self::Frequent => t!("method.frequent_note"),
            Self::Classes => t!("method.classes_note"),
            Self::Words => t!("method.words_note"),
            Self::Prefill => t!("method.prefill_note"),
            Self::Demonstrations => t!("method.demonstrations_note"),
            Self::Adapter => t!("method.adapter_note"),
        }
    }
}

/// Draws the choice.
pub(super) fn start_ui(ui: &mut Ui, form: &mut RunForm, state: &State, issues: &[Issue]) {
    let has_names = form.has_class_names(state.model_asked(&form.text.model));
    let kinds = InitKind::offered(MethodKind::Prefix, has_names || form.tuning.prefix.init == InitKind::Classes);
    let choices: Vec<(InitKind, String)> = kinds.map(|kind| (kind, kind.name().to_owned())).collect();
    field::field_ui(ui, t!("method.init"), &help_of("method.init.type"), None, |ui| {
        field::choice_ui(ui, "init", &mut form.tuning.prefix.init, &choices)
    });
    let present = form.tuning.prefix.init;
    several::inits_ui(ui, &mut form.vary.inits, present, (MethodKind::Prefix, has_names));
    let note = match form.tuning.prefix.init {
        // The network gives values of its own; those sizes are the flat prefix's.
        InitKind::Random if form.tuning.prefix.network.on => t!("method.random_network_note"),
        init => init.note(),
    };
    ui.add(egui::Label::new(RichText::new(note).small().color(tokens(ui).muted)).wrap());
    if form.tuning.prefix.init.needs_number() {
        let (name, help, hint) = match form.tuning.prefix.init {
            InitKind::Uniform => (t!("method.bound"), help_of("method.init.bound"), "0.5"),
            InitKind::Demonstrations => (t!("method.demonstrations"), help_of("method.init.shots"), "16"),
            _ => (t!("method.first_tokens"), help_of("method.init.first"), "5000"),
        };
        field::field_ui(ui, name, &help, None, |ui| field::text_ui(ui, &mut form.tuning.prefix.words, hint));
    }
    if form.tuning.prefix.init == InitKind::Demonstrations {
        hidden_slots_ui(ui, form);
    }
    if form.tuning.prefix.init.needs_text() {
        let (name, hint) = match form.tuning.prefix.init {
            InitKind::Adapter => (t!("method.adapter_folder"), ""),
            _ => (t!("method.words"), t!("method.words_hint")),
        };
        let error = error_of(issues, Field::Words);
        field::field_ui(ui, name, "", error, |ui| field::text_ui(ui, &mut form.tuning.prefix.words, hint));
    }
}

/// What is hidden from rows while they are learned.
fn hidden_slots_ui(ui: &mut Ui, form: &mut RunForm) {
    let (lists, prefix) = (&mut form.vary.lists, &mut form.tuning.prefix.config);
    ui.columns(2, |sides| {
        field::field_ui(&mut sides[0], t!("method.slot_dropout"), &help_of("method.slot_dropout"), None, |ui| {
            listed::number_ui(ui, (lists, "method.slot_dropout"), &mut prefix.slot_dropout, 0.0..=0.95, 0.005)
        });
        let (name, help) = (t!("method.leave_one_out"), help_of("method.leave_one_out"));
        field::check_ui(&mut sides[1], &mut prefix.leave_one_out, name, &help);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back_from_its_initial_values() {
        for kind in InitKind::offered(MethodKind::Prefix, true) {
            let said = if kind.needs_number() { "7" } else { "some words" };
            let text = if kind.needs_text() || kind.needs_number() { said } else { "" };
            assert_eq!(InitKind::of(&kind.with(said)), (kind, text.to_owned()));
        }
        assert!(InitKind::offered(MethodKind::Prefix, false).all(|kind| kind != InitKind::Classes));
        assert!(
            InitKind::offered(MethodKind::Prompt, true)
                .all(|kind| !matches!(kind, InitKind::Prefill | InitKind::Demonstrations))
        );
        assert_eq!(
            InitKind::offered(MethodKind::Lora, true).collect::<Vec<_>>(),
            [InitKind::Random, InitKind::Adapter]
        );
    }
}
