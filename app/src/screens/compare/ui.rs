//! The screen *Compare*: one prompt, or a set of rows, under the base and any runs of one model beside each other.

use std::collections::BTreeMap;
use std::path::Path;

use egui::{RichText, ScrollArea, Ui};
use engine::data::TokenRow;
use engine::generation::Sampling;
use engine::protocol::Prompt;
use serde::{Deserialize, Serialize};

use super::action::CompareAction;
use super::decoding;
use super::set::SetScreen;
use super::state::{ColumnId, GenerateForm};
use super::turns::{self, Turns};
use crate::action::{Action, Pick};
use crate::format;
use crate::screens::training::phase_line;
use crate::state::State;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui, segmented_ui};
use crate::widgets::containers::{banner_ui, card_ui, failure_ui, heading_ui};
use crate::widgets::field;

/// What is asked of the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// To go on with one prompt.
    #[default]
    Prompt,
    /// To write for a set of rows.
    Rows,
}

/// What a typed prompt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Typed {
    /// The text as the model gets it.
    #[default]
    Text,
    /// A source for the run's template.
    Source,
    /// Turns for the model's chat template.
    Turns,
}

/// The form in which texts are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum View {
    /// As they are.
    Plain,
    /// With the words marked that differ from another text.
    #[default]
    Words,
    /// With the probability of each token.
    Probability,
    /// One text under every column.
    SameText,
}

/// The text that the differing words of a column differ from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Target {
    /// The text that was wanted; where none is known, the base's.
    #[default]
    Wanted,
    /// The text of the base.
    Base,
    /// The text of the first column.
    First,
}

/// The text that is scored under every column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum TextChoice {
    /// The text that was wanted; where none is known, the first column's.
    #[default]
    Wanted,
    /// What a column has written.
    Of(ColumnId),
}

/// Typed texts, decoding settings and views of *Compare*.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Compare {
    mode: Mode,
    prompt: String,
    pub(super) reference: String,
    what: Typed,
    pub(super) turns: Turns,
    row: Option<usize>,
    /// Somebody has typed a prompt: none is put there any more without a click.
    typed: bool,
    sampling: Option<Sampling>,
    /// Texts of each column, where they are drawn; 0 is one.
    samples: usize,
    pub(super) view: View,
    pub(super) target: Target,
    #[serde(skip)]
    pub(super) text: TextChoice,
    /// The column that others are held against; `None` is the base.
    #[serde(skip)]
    pub(super) against: Option<ColumnId>,
    /// The layer whose strength is set exactly, where each has its own.
    #[serde(skip)]
    pub(super) layer: usize,
    /// The column whose own decoding is being set.
    #[serde(skip)]
    pub(super) decides: Option<ColumnId>,
    set: SetScreen,
}

impl Compare {
    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let comparison = &state.comparison;
        let mut generate = false;
        let form = self.generate_form(state);
        heading_ui(ui, t!("screen.compare"), t!("compare.note"), |ui| {
            match self.mode {
                Mode::Rows => self.set.buttons_ui(ui, &form, state, out),
                Mode::Prompt if comparison.generation.is_open() => stop_ui(ui, state, out),
                Mode::Prompt => generate = primary_ui(ui, self.is_ready(state), t!("compare.generate")).clicked(),
            }
            // From right to left.
            let modes = [(Mode::Rows, t!("compare.set_of_rows")), (Mode::Prompt, t!("compare.one_prompt"))];
            segmented_ui(ui, &mut self.mode, &modes);
        });
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            if let Some(failure) = &comparison.generation.failure {
                failure_ui(ui, failure);
                ui.add_space(theme::SMALL_GAP);
            }
            let reads_only = state.compared_model().and_then(|folder| state.model(&folder));
            let reads_only =
                reads_only.is_some_and(|m| !m.tasks.is_empty() && !m.tasks.iter().any(|task| task.writes()));
            if reads_only {
                banner_ui(ui, Level::Info, t!("compare.encoder"), t!("compare.encoder_advice"), "", |_| {});
                ui.add_space(theme::SMALL_GAP);
            }
            match self.mode {
                Mode::Prompt => {
                    // Another row is another question, and whoever comes here wants to see what the run says.
                    generate |= self.prompt_ui(ui, state, out);
                    generate |= self.row.is_some() && comparison.is_unasked() && state.can_ask();
                    ui.add_space(theme::SMALL_GAP);
                    generate |= self.columns_ui(ui, state, out);
                }
                Mode::Rows => {
                    self.decoding_ui(ui);
                    ui.add_space(theme::SMALL_GAP);
                    self.set_columns_ui(ui, state, out);
                    ui.add_space(theme::SMALL_GAP);
                    self.set.ui(ui, state, out);
                }
            }
            ui.add_space(theme::GAP);
        });
        self.own_decoding_ui(ui, state, out);
        if generate && self.is_askable(state) {
            out.push(Action::Compare(CompareAction::Generate(Box::new(self.generate_form(state)))));
        }
    }

    /// Takes in a path that was chosen in a dialog.
    pub fn picked(&mut self, pick: Pick, path: &Path) {
        self.set.picked(pick, path);
    }

    fn is_ready(&self, state: &State) -> bool {
        !state.comparison.generation.is_open() && self.is_askable(state)
    }

    /// Another question takes the place of one that is under way.
    fn is_askable(&self, state: &State) -> bool {
        !state.env.engine_gone && state.can_be_asked(&self.generate_form(state))
    }

    pub(super) fn is_chat(&self) -> bool {
        self.what == Typed::Turns
    }

    /// All that is typed.
    pub(super) fn generate_form(&self, state: &State) -> GenerateForm {
        let text = self.prompt.clone();
        let prompt = match (self.what, state.compared()) {
            (Typed::Turns, _) => self.turns.prompt(),
            (Typed::Source, Some(config)) => Prompt::Source {
                text,
                columns: BTreeMap::new(),
                template: config.data.prompt_template.clone(),
                begin_token: config.data.begin_token,
                chat: config.data.chat,
            },
            (Typed::Source | Typed::Text, _) => Prompt::Text(text),
        };
        let sampling = self.sampling.clone().unwrap_or_default();
        GenerateForm { prompt, sampling, samples: self.samples.max(1) }
    }

    /// `true` if another row was taken.
    fn prompt_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) -> bool {
        card_ui(ui, "", |ui| {
            if self.is_chat() {
                turns::refusal_ui(ui, state);
                self.turns.ui(ui);
            } else {
                field::field_ui(ui, t!("compare.prompt"), "", None, |ui| {
                    if field::code_ui(ui, &mut self.prompt, 2) {
                        self.row = None;
                        self.typed = true;
                        self.reference.clear();
                    }
                });
            }
            let moved = ui.horizontal_wrapped(|ui| {
                let moved = if self.is_chat() {
                    self.turns.add_ui(ui);
                    false
                } else {
                    self.row_ui(ui, state, out)
                };
                ui.add_space(12.0);
                self.what_ui(ui, state);
                moved
            });
            if !self.reference.is_empty() {
                let line = t!("compare.reference", text = self.reference.trim());
                ui.add(egui::Label::new(RichText::new(line).color(tokens(ui).muted)).wrap().selectable(true));
            }
            self.decoding_ui(ui);
            moved.inner
        })
    }

    /// Decoding of all columns that have none of their own.
    fn decoding_ui(&mut self, ui: &mut Ui) {
        let sampling = self.sampling.get_or_insert_default();
        let title = t!("compare.decoding", how = decoding::in_words(sampling));
        egui::CollapsingHeader::new(RichText::new(title).small()).id_salt("decoding").show(ui, |ui| {
            ui.add_space(4.0);
            decoding::settings_ui(ui, sampling);
            let draws = !sampling.greedy && self.mode == Mode::Prompt;
            if draws {
                self.samples = self.samples.max(1);
                ui.allocate_ui(egui::vec2(180.0, 0.0), |ui| {
                    field::field_ui(ui, t!("compare.samples"), t!("compare.samples_help"), None, |ui| {
                        field::count_ui(ui, &mut self.samples, 1..=16)
                    });
                });
            }
        });
    }

    /// Typed text is a source in most cases, and a run knows only prompts that its template has made; a model that holds
    /// conversations knows turns.
    fn what_ui(&mut self, ui: &mut Ui, state: &State) {
        let all = [
            (Typed::Text, t!("compare.as_text")),
            (Typed::Source, t!("compare.as_source")),
            (Typed::Turns, t!("compare.as_turns")),
        ];
        let can = |typed: Typed| typed != Typed::Source || state.compared().is_some();
        let choices: Vec<(Typed, &str)> = all.into_iter().filter(|(typed, _)| can(*typed)).collect();
        if segmented_ui(ui, &mut self.what, &choices) && self.what == Typed::Turns {
            // A row's wanted text is none of a conversation.
            (self.row, self.typed) = (None, true);
            self.reference.clear();
        }
        let template = || state.compared().map(|config| config.data.prompt_template.replace('\n', " "));
        let note = match self.what {
            Typed::Text => t!("compare.as_text_help").to_owned(),
            Typed::Source => {
                let template = format::shortened(&template().unwrap_or_default(), 80);
                t!("compare.as_source_help", template = template)
            }
            Typed::Turns => t!("compare.as_turns_help").to_owned(),
        };
        field::help_ui(ui, &note);
    }

    /// `true` if another row was taken.
    fn row_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) -> bool {
        let rows = state.comparison.rows();
        if rows.is_empty() {
            let waiting = state.comparison.prompts.is_open();
            let possible = !waiting && (state.comparison.runs().next().is_some() || state.env.starter.is_some());
            if quiet_ui(ui, possible, t!("compare.load_rows")).on_hover_text(t!("compare.load_rows_help")).clicked() {
                out.push(Action::Compare(CompareAction::FindPrompts));
            }
            if waiting {
                ui.spinner();
            }
            return false;
        }
        let last = rows.len() - 1;
        // Rows of other runs have come.
        if self.row.is_some_and(|row| rows.get(row).is_none_or(|row| row.prompt != self.prompt)) {
            self.row = None;
        }
        if self.row.is_none() && !self.typed {
            self.take_row(rows, 0);
        }
        let mut moved = false;
        if ui.add_enabled(self.row != Some(0), egui::Button::new(t!("compare.previous"))).clicked() {
            self.take_row(rows, self.row.map_or(0, |row| row.saturating_sub(1)));
            moved = true;
        }
        if ui.add_enabled(self.row != Some(last), egui::Button::new(t!("compare.next"))).clicked() {
            self.take_row(rows, self.row.map_or(0, |row| (row + 1).min(last)));
            moved = true;
        }
        if let Some(row) = self.row.and_then(|row| rows.get(row)) {
            ui.label(RichText::new(t!("compare.row", row = row.row)).small().color(tokens(ui).muted));
        }
        moved
    }

    fn take_row(&mut self, rows: &[TokenRow], index: usize) {
        if let Some(row) = rows.get(index) {
            self.row = Some(index);
            self.prompt.clone_from(&row.prompt);
            self.reference.clone_from(&row.target);
            (self.what, self.typed) = (Typed::Text, false);
        }
    }
}

fn stop_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let comparison = &state.comparison;
    if quiet_ui(ui, true, t!("compare.stop")).clicked() {
        out.push(Action::Compare(CompareAction::StopGenerating));
    }
    let phase = comparison.generation.phase.map(phase_line).unwrap_or_default();
    ui.label(RichText::new(phase).color(tokens(ui).muted));
    ui.spinner();
}
