//! The card *Data*: files, columns, templates, and real rows as the model will see them.

use std::path::Path;

use egui::{RichText, Ui};
use engine::config::{LearnedTurns, References, Task, Truncate};
use engine::data::{DataPreview, TokenRow};

use super::candidates::candidates_ui;
use super::check::{Field, Issue};
use super::datasets::{self, Shown};
use super::error_of;
use super::form::RunForm;
use super::hub_rows::{hub_rows_ui, wanted_rows};
use super::vary::{field as listed, several};
use crate::action::{Action, Pick};
use crate::format;
use crate::i18n::{self, help_of};
use crate::state::State;
use crate::state::notices::Level;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::small_ui;
use crate::widgets::containers::{card_ui, chip_ui, chips_ui, failure_ui, plain_chip_ui};
use crate::widgets::field;
use crate::widgets::histogram::histogram_ui;
use crate::widgets::token_strip::{TokenChip, VirtualTokens, legend_ui, token_strip_ui};

/// Classes that are named; the number says how many there are.
const CLASSES_SHOWN: usize = 24;

/// Draws the card.
pub(super) fn data_ui(
    ui: &mut Ui,
    form: &mut RunForm,
    shown: &mut Shown,
    state: &State,
    issues: &[Issue],
    out: &mut Vec<Action>,
) {
    card_ui(ui, t!("data.title"), |ui| {
        files_ui(ui, form, state, issues, out);
        let columns = state.new_run.preview.known().map_or(&[][..], |preview| &preview.columns);
        let task = form.shown_task(state.model_asked(&form.text.model));
        mapping_ui(ui, form, columns, task, state.new_run.preview.known());
        several_texts_ui(ui, form, task, state.new_run.preview.known());
        match task {
            Task::Causal | Task::Seq2Seq | Task::MultipleChoice => templates_ui(ui, form, issues),
            Task::MaskedFill => mask_ui(ui, form),
            Task::SequenceClassification | Task::Regression | Task::QuestionAnswering => {
                second_ui(ui, form, columns, task)
            }
            Task::TokenClassification => {}
        }
        candidates_ui(ui, form, task, state.new_run.preview.known());
        limits_ui(ui, form, state, issues);
        ui.add_space(4.0);
        let data = form.data_config();
        shown.keep_within(&data);
        datasets::switch_ui(ui, &data, shown);
        let preview = if shown.dataset == 0 { &state.new_run.preview } else { &state.new_run.preview_beside };
        match (preview.known(), preview.failure()) {
            (_, Some(failure)) if wanted_rows(form).is_none() => failure_ui(ui, failure),
            (Some(preview), None) => rows_ui(ui, form, &mut shown.row, preview),
            (None, None) if preview.is_open() => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(RichText::new(t!("data.reading")).color(tokens(ui).muted));
                });
            }
            (None, _) | (_, Some(_)) => {
                ui.label(RichText::new(t!("data.no_preview")).color(tokens(ui).muted));
            }
        }
    });
}

fn files_ui(ui: &mut Ui, form: &mut RunForm, state: &State, issues: &[Issue], out: &mut Vec<Action>) {
    let error = error_of(issues, Field::Train).filter(|_| {
        !form.text.train.trim().is_empty() && state.new_run.preview.failure().is_none() && wanted_rows(form).is_none()
    });
    let train = field::field_ui(ui, t!("data.train"), &help_of("data.train"), error, |ui| {
        field::path_ui(ui, &mut form.text.train, t!("data.train_hint"), t!("data.browse_train"))
    });
    if train.browse {
        out.push(Action::Browse(Pick::Train));
    }
    hub_rows_ui(ui, form, state, out);
    known_datasets_ui(ui, form, state);
    several::datasets_ui(ui, form, state);
    let error = error_of(issues, Field::Validation);
    let before = form.text.validation.clone();
    let validation = field::field_ui(ui, t!("data.validation"), &help_of("data.validation"), error, |ui| {
        field::path_ui(ui, &mut form.text.validation, t!("data.validation_hint"), t!("data.browse_validation"))
    });
    if before != form.text.validation {
        form.validation_chosen = !form.text.validation.trim().is_empty();
    }
    if validation.browse {
        out.push(Action::Browse(Pick::Validation));
    }
    if let Some(sentence) = validation_warning(form, state) {
        ui.add(egui::Label::new(RichText::new(sentence).small().color(tokens(ui).warn)).wrap());
    }
}

/// Warning about the validation file that somebody chose beside these training rows.
pub(super) fn validation_warning(form: &RunForm, state: &State) -> Option<String> {
    if !form.validation_chosen {
        return None;
    }
    if let Some(failure) = state.new_run.preview_validation.failure() {
        return Some(t!("data.validation_unread", reason = i18n::tell(&failure.what)));
    }
    let (train, validation) = (state.new_run.preview.known()?, state.new_run.preview_validation.known()?);
    let wanted = [&train.source_column, &train.target_column];
    let missing: Vec<&str> = wanted
        .into_iter()
        .filter(|name| !name.is_empty() && !validation.columns.contains(name))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return None;
    }
    Some(t!("data.validation_differs", missing = missing.join(", "), has = validation.columns.join(", ")))
}

/// The starter's rows and those that were used, one click away.
fn known_datasets_ui(ui: &mut Ui, form: &mut RunForm, state: &State) {
    let show = |path: &Path| path.display().to_string();
    let starter = state.env.starter.as_ref().map(|config| &config.data);
    let mut known: Vec<String> = starter.map(|data| show(&data.train)).into_iter().collect();
    for train in state.library.datasets.iter().map(|row| show(&row.train)) {
        if !known.contains(&train) {
            known.push(train);
        }
    }
    known.retain(|train| *train != form.text.train);
    if known.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(t!("data.others")).small().color(tokens(ui).muted));
        for train in known.into_iter().take(5) {
            let name = crate::workspace::dataset_name(Path::new(&train));
            let label = t!("data.use", name = name);
            if small_ui(ui, label).on_hover_text(&train).clicked() {
                (form.text.train, form.validation_chosen) = (train, false);
            }
        }
    });
}

fn mapping_ui(ui: &mut Ui, form: &mut RunForm, columns: &[String], task: Task, preview: Option<&DataPreview>) {
    let (source_name, target_name) = match task {
        Task::Causal | Task::Seq2Seq => (t!("data.source"), t!("data.target")),
        Task::SequenceClassification | Task::TokenClassification => (t!("data.text"), t!("data.label")),
        Task::Regression => (t!("data.text"), t!("data.number")),
        Task::MultipleChoice => (t!("data.source"), t!("data.label")),
        Task::QuestionAnswering => (t!("data.question"), t!("data.answer")),
        Task::MaskedFill => (t!("data.source"), t!("data.answer")),
    };
    let guess = |found: Option<&str>| match found {
        Some(name) if !name.is_empty() => t!("data.guessed", column = name),
        _ => t!("data.guess").to_owned(),
    };
    let choices = |guessed: String| -> Vec<(Option<String>, String)> {
        let named = columns.iter().map(|name| (Some(name.clone()), name.clone()));
        std::iter::once((None, guessed)).chain(named).collect()
    };
    ui.columns(2, |sides| {
        let source = choices(guess(preview.map(|p| p.source_column.as_str())));
        field::field_ui(&mut sides[0], source_name, &help_of("data.source_column"), None, |ui| {
            field::choice_ui(ui, "source", &mut form.config.data.source_column, &source)
        });
        let target = choices(guess(preview.map(|p| p.target_column.as_str())));
        field::field_ui(&mut sides[1], target_name, &help_of("data.target_column"), None, |ui| {
            field::choice_ui(ui, "target", &mut form.config.data.target_column, &target)
        });
    });
}

/// What is learned of a source with several references, and of a conversation, where the rows have them or it was chosen.
fn several_texts_ui(ui: &mut Ui, form: &mut RunForm, task: Task, preview: Option<&DataPreview>) {
    let data = &mut form.config.data;
    let has = |has: fn(&DataPreview) -> bool| task.writes() && preview.is_some_and(has);
    if has(|preview| preview.has_references) || data.references == References::One {
        let choices = [
            (References::Each, t!("data.references_each").to_owned()),
            (References::One, t!("data.references_one").to_owned()),
            (References::First, t!("data.references_first").to_owned()),
        ];
        field::field_ui(ui, t!("data.references"), &help_of("data.references"), None, |ui| {
            field::choice_ui(ui, "references", &mut data.references, &choices)
        });
    }
    if has(|preview| preview.chat) || data.learned_turns == LearnedTurns::Last {
        let choices = [
            (LearnedTurns::All, t!("data.turns_all").to_owned()),
            (LearnedTurns::Last, t!("data.turns_last").to_owned()),
        ];
        field::field_ui(ui, t!("data.learned_turns"), &help_of("data.learned_turns"), None, |ui| {
            field::choice_ui(ui, "learned_turns", &mut data.learned_turns, &choices)
        });
    }
}

/// The second text of a pair.
fn second_ui(ui: &mut Ui, form: &mut RunForm, columns: &[String], task: Task) {
    let (label, none) = match task {
        Task::QuestionAnswering => (t!("data.context"), t!("data.guess")),
        _ => (t!("data.second"), t!("data.no_second")),
    };
    let named = columns.iter().map(|name| (Some(name.clone()), name.clone()));
    let choices: Vec<_> = std::iter::once((None, none.to_owned())).chain(named).collect();
    field::field_ui(ui, label, &help_of("data.second_column"), None, |ui| {
        field::choice_ui(ui, "second", &mut form.config.data.second_column, &choices)
    });
}

/// The text around the mask.
fn mask_ui(ui: &mut Ui, form: &mut RunForm) {
    field::field_ui(ui, t!("data.mask_template"), &help_of("data.prompt_template"), None, |ui| {
        field::code_ui(ui, &mut form.config.data.prompt_template, 2)
    });
}

fn templates_ui(ui: &mut Ui, form: &mut RunForm, issues: &[Issue]) {
    ui.columns(2, |sides| {
        field::field_ui(&mut sides[0], t!("data.prompt_template"), &help_of("data.prompt_template"), None, |ui| {
            field::code_ui(ui, &mut form.config.data.prompt_template, 2)
        });
        let error = error_of(issues, Field::Template);
        field::field_ui(&mut sides[1], t!("data.target_template"), &help_of("data.target_template"), error, |ui| {
            field::code_ui(ui, &mut form.config.data.target_template, 2)
        });
    });
}

fn limits_ui(ui: &mut Ui, form: &mut RunForm, state: &State, issues: &[Issue]) {
    ui.columns(3, |sides| {
        let share = form.text.validation.trim().is_empty();
        sides[0].add_enabled_ui(share, |ui| {
            let mut percent = form.config.data.validation_share * 100.0;
            field::field_ui(ui, t!("data.share"), &help_of("data.validation_share"), None, |ui| {
                if field::number_ui(ui, &mut percent, 0.0..=90.0, 0.5) {
                    form.config.data.validation_share = percent / 100.0;
                }
            });
        });
        field::field_ui(&mut sides[1], t!("data.validation_rows"), &help_of("data.validation_rows"), None, |ui| {
            let (lists, rows) = (&mut form.vary.lists, &mut form.config.data.validation_rows);
            listed::count_ui(ui, (lists, "data.validation_rows"), rows, 1..=100_000)
        });
        let error = error_of(issues, Field::MaxTokens);
        field::field_ui(&mut sides[2], t!("data.max_tokens"), &help_of("data.max_tokens"), error, |ui| {
            if form.memory.max_tokens.on {
                let (lists, most) = (&mut form.vary.lists, &mut form.memory.max_tokens.value);
                listed::count_ui(ui, (lists, "data.max_tokens"), most, 1..=1_000_000);
            } else {
                let model = state.model_asked(&form.text.model);
                let mut room =
                    model.map_or(form.memory.max_tokens.value, |m| m.n_positions.saturating_sub(form.n_before()));
                ui.add_enabled_ui(false, |ui| field::count_ui(ui, &mut room, 0..=1_000_000));
            }
        });
    });
    ui.columns(2, |sides| {
        let (lists, data) = (&mut form.vary.lists, &mut form.config.data);
        field::field_ui(&mut sides[0], t!("data.split_seed"), &help_of("data.split_seed"), None, |ui| {
            let mut seed = data.split_seed.unwrap_or(form.config.seed);
            if listed::seed_ui(ui, (lists, "data.split_seed"), &mut seed) {
                data.split_seed = Some(seed);
            }
        });
        field::field_ui(&mut sides[1], t!("data.fewer_rows"), &help_of("data.train_rows"), None, |ui| {
            let mut rows = data.train_rows.unwrap_or_default();
            if listed::number_ui(ui, (lists, "data.train_rows"), &mut rows, 0.0..=1e9, 1.0) {
                data.train_rows = (rows > 0.0).then_some(if rows < 1.0 { rows } else { rows.round() });
            }
        });
    });
    let rules = [
        (Truncate::LongestFirst, t!("data.cut_longest_first").to_owned()),
        (Truncate::PromptStart, t!("data.cut_prompt_start").to_owned()),
        (Truncate::PromptEnd, t!("data.cut_prompt_end").to_owned()),
        (Truncate::End, t!("data.cut_end").to_owned()),
        (Truncate::Skip, t!("data.cut_skip").to_owned()),
    ];
    field::field_ui(ui, t!("data.truncate"), &help_of("data.truncate"), None, |ui| {
        field::choice_ui(ui, "truncate", &mut form.config.data.truncate, &rules)
    });
    ui.horizontal_wrapped(|ui| {
        ui.checkbox(&mut form.memory.max_tokens.on, t!("data.limit"));
        if form.shown_task(state.model_asked(&form.text.model)).writes() {
            ui.add_space(12.0);
            field::check_ui(
                ui,
                &mut form.config.data.append_end_token,
                t!("data.append_end"),
                &help_of("data.append_end_token"),
            );
        }
        let preview = state.new_run.preview.known();
        if form.config.data.chat || preview.is_some_and(|preview| preview.has_chat_template) {
            ui.add_space(12.0);
            field::check_ui(ui, &mut form.config.data.chat, t!("data.chat"), &help_of("data.chat"));
        }
    });
    for note in state.new_run.preview.known().iter().flat_map(|preview| &preview.tokenizer_notes) {
        ui.label(RichText::new(i18n::tell(note)).small().color(tokens(ui).muted));
    }
}

/// The tokens of a row, each class behind its token, and what the row loses where it stood.
fn chips_of(row: &TokenRow) -> Vec<TokenChip> {
    let class = |at: usize| row.classes.get(at).filter(|class| !class.is_empty());
    let kept = |at: usize, token: &String| {
        let text = match class(at) {
            Some(class) => format!("{token} {class}"),
            None => token.clone(),
        };
        TokenChip { text, is_labeled: row.labeled.get(at).copied().unwrap_or(false), is_lost: false }
    };
    let lost = |text: String| TokenChip { text, is_labeled: false, is_lost: true };
    let mut chips = Vec::new();
    for at in 0..=row.tokens.len() {
        for group in row.lost.iter().filter(|group| group.at == at) {
            chips.extend(group.tokens.iter().cloned().map(lost));
            let more = group.n.saturating_sub(group.tokens.len());
            chips.extend((more > 0).then(|| lost(t!("data.more_lost", n = format::count(more)))));
        }
        chips.extend(row.tokens.get(at).map(|token| kept(at, token)));
    }
    chips
}

fn classes_ui(ui: &mut Ui, classes: &[String]) {
    if classes.is_empty() {
        return;
    }
    ui.label(RichText::new(t!("data.classes", n = classes.len())).small().color(tokens(ui).muted));
    chips_ui(ui, |ui| {
        for class in classes.iter().take(CLASSES_SHOWN) {
            plain_chip_ui(ui, class);
        }
    });
}

fn rows_ui(ui: &mut Ui, form: &RunForm, shown: &mut usize, preview: &DataPreview) {
    chips_ui(ui, |ui| {
        plain_chip_ui(ui, &t!("data.train_rows", n = format::count(preview.train_rows)));
        plain_chip_ui(ui, &t!("data.valid_rows", n = format::count(preview.validation_rows)));
        if preview.truncated_rows > 0 {
            let share = 100.0 * preview.truncated_rows as f64 / preview.total_rows.max(1) as f64;
            chip_ui(
                ui,
                Level::Warn,
                &t!("data.truncated", n = format::count(preview.truncated_rows), share = format!("{share:.1}")),
            );
        }
        if preview.skipped_rows > 0 {
            chip_ui(ui, Level::Warn, &t!("data.skipped", n = format::count(preview.skipped_rows)));
        }
    });
    classes_ui(ui, &preview.classes);
    for notice in &preview.notices {
        ui.add(egui::Label::new(RichText::new(i18n::told(notice)).small().color(tokens(ui).muted)).wrap());
    }
    for (row, reason) in preview.skipped.iter().take(4) {
        let line = t!("data.skipped_row", row = row, reason = i18n::tell(reason));
        ui.add(egui::Label::new(RichText::new(line).small().color(tokens(ui).warn)).wrap());
    }
    let Some(last) = preview.rows.len().checked_sub(1) else { return };
    *shown = (*shown).min(last);
    let row = &preview.rows[*shown];
    ui.add_space(6.0);
    ui.horizontal(|ui| {
        ui.label(RichText::new(t!("data.token_view", row = row.row)).color(tokens(ui).text));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if ui.add_enabled(*shown < last, egui::Button::new(t!("data.next_row"))).clicked() {
                *shown += 1;
            }
            if ui.add_enabled(*shown > 0, egui::Button::new(t!("data.previous_row"))).clicked() {
                *shown -= 1;
            }
            if row.truncated {
                chip_ui(ui, Level::Warn, t!("data.row_truncated"));
            }
        });
    });
    let is_infix = form.is_infix(preview.task);
    let chips = chips_of(row);
    let learned = chips.iter().position(|chip| chip.is_labeled).unwrap_or(chips.len());
    let before = if is_infix { learned.saturating_sub(1) } else { 0 };
    token_strip_ui(ui, VirtualTokens { n: form.n_before(), before }, &chips);
    let before_text = if is_infix { t!("data.legend_infix") } else { t!("data.legend_prefix") };
    // A method that changes weights, or writes words, has no virtual tokens to explain.
    let before_text = (form.n_before() > 0).then_some(before_text);
    let lost = (!row.lost.is_empty()).then_some(t!("data.legend_lost"));
    legend_ui(ui, before_text, [t!("data.legend_prompt"), t!("data.legend_target")], lost);
    if !preview.task.writes() {
        let line = t!("data.row_label", label = row.target);
        ui.add(egui::Label::new(RichText::new(line).small().color(tokens(ui).good)).wrap());
    }
    ui.add_space(6.0);
    ui.label(RichText::new(t!("data.lengths")).small().color(tokens(ui).muted));
    histogram_ui(ui, &preview.lengths, preview.max_tokens, t!("data.lengths"));
}
