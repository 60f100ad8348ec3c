//! The columns of *Compare* beside each other: what can be added, how their texts are shown, and what the adapters say
//! together.

use egui::{RichText, ScrollArea, Ui};

use super::action::CompareAction;
use super::add::add_ui;
use super::card::Old;
use super::state::{Asked, ColumnId, SharedText};
use super::ui::{Compare, Target, TextChoice, View};
use crate::action::Action;
use crate::screens::training::phase_line;
use crate::state::State;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{segmented_ui, small_ui};
use crate::widgets::containers::{card_ui, chip_ui, chips_ui, failure_ui, plain_chip_ui};
use crate::widgets::field;

/// A column is no narrower: more of them are scrolled to.
const LEAST_WIDTH: f32 = 190.0;
/// Points of the choice of a column.
const CHOICE_WIDTH: f32 = 190.0;

/// The columns as they would be asked now.
pub(super) struct Now {
    pub(super) names: Vec<String>,
    pub(super) questions: Vec<Asked>,
    /// Their texts are of another question.
    pub(super) old: Vec<bool>,
    /// The text that every column scores.
    pub(super) shared: Option<SharedText>,
    /// The column that others are held against.
    pub(super) against: Option<ColumnId>,
}

impl Compare {
    /// Draws them, and what can be done with all of them; `true` if they are to be asked anew.
    pub(super) fn columns_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) -> bool {
        let columns = &state.comparison.columns;
        let now = self.now(state);
        ui.horizontal_wrapped(|ui| {
            add_ui(ui, state, out);
            ui.add_space(12.0);
            self.view_ui(ui, state, &now);
            if columns.len() == 1 {
                ui.label(RichText::new(t!("compare.add_advice")).color(tokens(ui).muted));
            }
        });
        self.explanation_ui(ui, state, &now);
        if !now.old.contains(&true) {
            vote_ui(ui, state);
        }
        let mut generate = false;
        let n = columns.len().max(2);
        ScrollArea::horizontal().id_salt("columns").show(ui, |ui| {
            ui.set_width(ui.available_width().max(n as f32 * LEAST_WIDTH));
            ui.columns(n, |sides| {
                for (i, (ui, column)) in sides.iter_mut().zip(columns).enumerate() {
                    let asked = column.asked.as_ref().filter(|_| now.old[i]);
                    let old = asked.map(|asked| Old { prompt: asked.prompt != now.questions[i].prompt });
                    ui.push_id(column.id.0, |ui| {
                        generate |= self.column_ui(ui, (i, old), &now, state, out);
                    });
                }
            });
        });
        self.serving_ui(ui, state, out);
        self.ask_for_scores(state, &now, out);
        generate
    }

    fn now(&self, state: &State) -> Now {
        let columns = &state.comparison.columns;
        let questions = state.questions(&self.generate_form(state));
        let old = columns
            .iter()
            .zip(&questions)
            .map(|(column, question)| column.asked.as_ref().is_some_and(|asked| asked != question));
        let base = || state.comparison.base().or(columns.first()).map(|column| column.id);
        let against = self.against.filter(|id| state.comparison.column(*id).is_some()).or_else(base);
        Now { names: state.column_names(), old: old.collect(), shared: self.shared_text(state), against, questions }
    }

    /// The text that every column scores: what was wanted, or what a column has written.
    fn shared_text(&self, state: &State) -> Option<SharedText> {
        let columns = &state.comparison.columns;
        let written = |id: ColumnId| {
            let tokens = &state.comparison.column(id)?.done()?.tokens;
            (!tokens.is_empty()).then(|| SharedText::Of(id, tokens.clone()))
        };
        let end = state.compared().is_some_and(|config| config.data.append_end_token);
        match self.text {
            TextChoice::Wanted if !self.reference.trim().is_empty() => {
                Some(SharedText::Wanted { text: self.reference.clone(), end })
            }
            TextChoice::Wanted => columns.first().and_then(|column| written(column.id)),
            TextChoice::Of(id) => written(id),
        }
    }

    /// The choice of a view, and of what belongs to it.
    fn view_ui(&mut self, ui: &mut Ui, state: &State, now: &Now) {
        let views = [
            (View::Plain, t!("compare.view_plain")),
            (View::Words, t!("compare.view_words")),
            (View::Probability, t!("compare.view_probability")),
            (View::SameText, t!("compare.view_same_text")),
        ];
        segmented_ui(ui, &mut self.view, &views);
        match self.view {
            View::Plain | View::Probability => {}
            View::Words => {
                ui.label(RichText::new(t!("compare.marks")).small().color(tokens(ui).muted));
                let targets = [
                    (Target::Wanted, t!("compare.marks_wanted").to_owned()),
                    (Target::Base, t!("compare.marks_base").to_owned()),
                    (Target::First, t!("compare.marks_first").to_owned()),
                ];
                narrow_ui(ui, t!("compare.marks"), |ui| field::choice_ui(ui, "target", &mut self.target, &targets));
            }
            View::SameText => {
                let columns = state.comparison.columns.iter().map(|column| column.id).zip(&now.names);
                let mut texts = vec![(TextChoice::Wanted, t!("compare.marks_wanted").to_owned())];
                texts
                    .extend(columns.clone().map(|(id, name)| (TextChoice::Of(id), t!("compare.text_of", name = name))));
                narrow_ui(ui, t!("compare.scored_text"), |ui| field::choice_ui(ui, "text", &mut self.text, &texts));
                ui.label(RichText::new(t!("compare.against")).small().color(tokens(ui).muted));
                let others: Vec<(Option<ColumnId>, String)> =
                    columns.map(|(id, name)| (Some(id), name.clone())).collect();
                let mut chosen = now.against;
                narrow_ui(ui, t!("compare.against"), |ui| field::choice_ui(ui, "against", &mut chosen, &others));
                self.against = chosen;
            }
        }
    }

    /// A line on what the colors are, and why there are none.
    fn explanation_ui(&self, ui: &mut Ui, state: &State, now: &Now) {
        let comparison = &state.comparison;
        let (line, request) = match self.view {
            View::Plain | View::Words => return,
            View::Probability => (t!("compare.probability_note").to_owned(), comparison.written.failure.as_ref()),
            View::SameText if now.shared.is_none() => (t!("compare.no_same_text").to_owned(), None),
            View::SameText => {
                let place = comparison.columns.iter().position(|column| Some(column.id) == now.against);
                let name = place.map_or("", |place| now.names[place].as_str());
                let note = t!("compare.same_text_note", name = name);
                (note, comparison.same_text.request.failure.as_ref())
            }
        };
        ui.add(egui::Label::new(RichText::new(line).small().color(tokens(ui).muted)).wrap());
        if let Some(failure) = request {
            failure_ui(ui, failure);
        }
    }

    /// What a view needs is asked for once the texts are there.
    fn ask_for_scores(&self, state: &State, now: &Now, out: &mut Vec<Action>) {
        let comparison = &state.comparison;
        let is_settled = !comparison.generation.is_open()
            && !state.env.engine_gone
            && !now.old.contains(&true)
            && comparison.columns.iter().all(|column| column.asked.is_some());
        match (self.view, &now.shared) {
            _ if !is_settled => {}
            (View::Probability, _) if comparison.lacks_scores() => {
                out.push(Action::Compare(CompareAction::ScoreWritten));
            }
            (View::SameText, Some(text)) => {
                let form = self.generate_form(state);
                if !comparison.same_text.is_asked(text, &state.bare_questions(&form)) {
                    out.push(Action::Compare(CompareAction::ScoreSameText(Box::new(form), text.clone())));
                }
            }
            _ => {}
        }
    }

    /// The button that has each column timed alone.
    fn serving_ui(&self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let request = &state.comparison.serving.request;
        ui.add_space(theme::SMALL_GAP);
        ui.horizontal_wrapped(|ui| {
            let is_busy = request.is_open() || state.comparison.generation.is_open();
            let form = self.generate_form(state);
            let is_ready = !is_busy && !state.env.engine_gone && state.can_be_asked(&form);
            ui.add_enabled_ui(is_ready, |ui| {
                if small_ui(ui, t!("compare.time_serving")).on_hover_text(t!("compare.time_serving_help")).clicked() {
                    out.push(Action::Compare(CompareAction::TimeServing(Box::new(form))));
                }
            });
            if request.is_open() {
                ui.spinner();
                let phase = request.phase.map(phase_line).unwrap_or_default();
                ui.label(RichText::new(phase).small().color(tokens(ui).muted));
            }
        });
        if let Some(failure) = &request.failure {
            failure_ui(ui, failure);
        }
    }

    /// The columns of a set, as chips: there is no room for cards above a table.
    pub(super) fn set_columns_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        ui.horizontal_wrapped(|ui| {
            add_ui(ui, state, out);
            for (column, name) in state.comparison.columns.iter().zip(state.column_names()) {
                plain_chip_ui(ui, &crate::format::shortened(&name, 36)).on_hover_text(&name);
                if column.setup.sampling.is_some() {
                    chip_ui(ui, Level::Warn, t!("compare.own_decoding"));
                }
            }
        });
    }
}

/// A choice that is no wider than it has to be.
fn narrow_ui(ui: &mut Ui, label: &str, add: impl FnOnce(&mut Ui) -> bool) {
    let size = egui::vec2(CHOICE_WIDTH.min(ui.available_width()), ui.spacing().interact_size.y);
    ui.allocate_ui(size, |ui| ui.name_inputs(label, add));
}

/// Draws the vote of the adapters, where there are several with short answers.
fn vote_ui(ui: &mut Ui, state: &State) {
    let Some(vote) = state.comparison.vote() else { return };
    card_ui(ui, t!("compare.vote"), |ui| {
        ui.add(egui::Label::new(RichText::new(vote.text).color(tokens(ui).text)).wrap().selectable(true));
        chips_ui(ui, |ui| {
            plain_chip_ui(ui, &t!("compare.voices", n = vote.votes, of = vote.voters));
            if vote.by_score {
                chip_ui(ui, Level::Warn, t!("compare.by_score")).on_hover_text(t!("compare.by_score_help"));
            }
        });
    });
    ui.add_space(theme::SMALL_GAP);
}
