//! Looking at adapters with a question: the answers of one or two of them, beside each other where there is room.

use std::path::PathBuf;

use egui::{RichText, Ui};
use engine::analysis::{Analysis, Question};

use super::action::ExplorerAction;
use super::does::heads::HeadMeasure;
use super::lies::drift::DriftMeasure;
use super::lies::similarity::Compared;
use super::matters::importance::Cut;
use super::state::{Basis, Inquiry};
use super::views::{Answered, View};
use crate::action::Action;
use crate::screens::training::phase_line;
use crate::screens::training::state::RunView;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::small_ui;
use crate::widgets::containers::{card_ui, empty_ui, failure_ui};
use crate::widgets::field;
use crate::workspace::RunId;

/// All of the texts that come with the program.
const NEUTRAL_TEXTS: usize = 64;

/// Choices and clicked cells of the views: they stay when the tab, the checkpoint or the run changes. What another adapter
/// does not have is passed over while it is shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    pub(super) measure: HeadMeasure,
    /// Row and head.
    pub(super) head: Option<(usize, usize)>,
    /// The layer whose attention colors the tokens; the mean of all if none.
    pub(super) token_layer: Option<usize>,
    /// The lens shows what is said without the adapter.
    pub(super) lens_without: bool,
    /// Row and position.
    pub(super) lens_cell: Option<(usize, usize)>,
    /// The head whose attention colors the slots; the mean of all if none.
    pub(super) slot_head: Option<usize>,
    /// Row and slot.
    pub(super) slot: Option<(usize, usize)>,
    /// The part that is left out to see what it does.
    pub(super) cut: Option<Cut>,
    /// Places of values are looked at, not of keys.
    pub(super) of_values: bool,
    /// Similarity is that of vectors as they are, not from the vocabulary's mean.
    pub(super) is_raw: bool,
    pub(super) compared: Compared,
    /// The row of the layer whose slots are compared.
    pub(super) similar_row: usize,
    /// Two slots, or two layers.
    pub(super) similar: Option<(usize, usize)>,
    /// The layer of the map, from 0.
    pub(super) map_layer: usize,
    /// The checkpoint on the map by its place among them; now if none.
    pub(super) map_at: Option<usize>,
    pub(super) drift: DriftMeasure,
    /// Row and checkpoint.
    pub(super) drifted: Option<(usize, usize)>,
}

impl Choices {
    /// Keys or values.
    pub(super) fn side(&self) -> engine::analysis::Side {
        if self.of_values { engine::analysis::Side::Value } else { engine::analysis::Side::Key }
    }
}

/// An adapter that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    run: RunId,
    /// Name of its run.
    pub(super) name: String,
    /// Stands before the labels of its controls where there are two.
    who: String,
    adapter: Option<PathBuf>,
    /// The adapter that it can be held against: that of the other run, if both are of one model.
    other: Option<PathBuf>,
    /// Its run is still being read.
    is_read: bool,
}

/// The adapters that are looked at: the one of the screen, then the one beside it.
pub(super) fn looked_at(state: &State) -> Vec<Looked> {
    let of = |view: &RunView, adapter: Option<PathBuf>| {
        let name = state.row(&view.id).map_or_else(|| view.id.to_string(), |row| row.name.clone());
        let is_read = view.row.is_none() || view.asked;
        Looked { run: view.id.clone(), who: String::new(), name, adapter, other: None, is_read }
    };
    let shown = state.explored().map(|view| of(view, state.exploration.checkpoint.clone()));
    let beside = state.exploration.beside.as_ref().map(|view| of(view, view.adapter()));
    let mut all: Vec<Looked> = shown.into_iter().chain(beside).collect();
    if all.len() > 1 {
        all.iter_mut().for_each(|looked| looked.who = format!("{}: ", looked.name));
        let model = |looked: &Looked| state.row(&looked.run).map(|row| row.model_folder.clone());
        if model(&all[0]).is_some_and(|folder| model(&all[1]) == Some(folder)) {
            let adapters = [all[1].adapter.clone(), all[0].adapter.clone()];
            all.iter_mut().zip(adapters).for_each(|(looked, other)| looked.other = other);
        }
    }
    all
}

impl Looked {
    fn inquiry(&self, question: &Question, basis: &Basis) -> Option<Inquiry> {
        let adapter = self.adapter.clone()?;
        let basis = match question {
            _ if question.wants_plain_text() => Basis { rows: NEUTRAL_TEXTS, ..Basis::default() },
            // One answer for all rows.
            _ if question.needs_no_rows() => Basis::default(),
            _ => basis.clone(),
        };
        let takes_other = matches!(question, Question::Similarity { .. } | Question::Map { .. });
        let other = self.other.clone().filter(|_| takes_other);
        Some(Inquiry { run: self.run.clone(), adapter, question: question.clone(), basis, other })
    }
}

/// The answers that a view has so far.
pub(super) fn answers<'a>(
    looked: &'a [Looked],
    state: &'a State,
    question: Option<&Question>,
    basis: &Basis,
) -> Vec<Answered<'a>> {
    let Some(question) = question else { return Vec::new() };
    let answered = |looked: &'a Looked| {
        let known = state.exploration.analyses.find(&looked.inquiry(question, basis)?)?;
        let analysis: &Analysis = known.answer.as_deref()?;
        Some(Answered { run: &looked.name, who: &looked.who, analysis })
    };
    looked.iter().filter_map(answered).collect()
}

/// Draws a view of each adapter, and asks for what is not known yet.
pub(super) fn looked_ui(
    ui: &mut Ui,
    state: &State,
    (view, basis): (View, &Basis),
    choices: &mut Choices,
    out: &mut Vec<Action>,
) {
    note_ui(ui, view.note());
    ui.add_space(theme::SMALL_GAP);
    view.asking_ui(ui, choices, state.exploration.grid.answer.as_deref());
    let Some(question) = view.question(choices) else { return };
    let looked = looked_at(state);
    let all = answers(&looked, state, Some(&question), basis);
    if let Some(first) = all.first() {
        view.choices_ui(ui, choices, first.analysis);
    }
    // Before the grid has come, nobody knows whether there is a prefix, and so which view it will be.
    let may_ask = !state.exploration.grid.is_open();
    let mut side_ui = |ui: &mut Ui, side: &Looked| {
        let title = if looked.len() > 1 { side.name.as_str() } else { view.name() };
        card_ui(ui, title, |ui| match side.inquiry(&question, basis) {
            Some(inquiry) => {
                let one = Side { looked: side, inquiry, may_ask };
                let mut next = None;
                one.ui(ui, state, out, |ui, analysis| {
                    view.ui(ui, choices, Answered { run: &side.name, who: &side.who, analysis }, &all);
                    next = view.next_question(choices, analysis);
                });
                if let Some(inquiry) = next.and_then(|question| side.inquiry(&question, basis)) {
                    let one = Side { looked: side, inquiry, may_ask };
                    one.ui(ui, state, out, |ui, analysis| view.next_ui(ui, &side.who, analysis));
                }
            }
            None if side.is_read => empty_ui(ui, t!("explorer.reading"), ""),
            None => empty_ui(ui, t!("explorer.no_checkpoint"), t!("explorer.no_checkpoint_advice")),
        });
    };
    if looked.len() > 1 && ui.available_width() >= theme::NARROW_SCREEN {
        ui.columns(looked.len(), |columns| {
            for (at, (ui, side)) in columns.iter_mut().zip(&looked).enumerate() {
                // Columns have one id.
                ui.push_id(at, |ui| side_ui(ui, side));
            }
        });
        return;
    }
    for (at, side) in looked.iter().enumerate() {
        ui.push_id(at, |ui| side_ui(ui, side));
        ui.add_space(theme::SMALL_GAP);
    }
}

/// A question about one of the adapters.
struct Side<'a> {
    looked: &'a Looked,
    inquiry: Inquiry,
    /// It is known that the question has an answer.
    may_ask: bool,
}

impl Side<'_> {
    /// Draws the answer, or how far it is, or why there is none. What was never asked is asked.
    fn ui(&self, ui: &mut Ui, state: &State, out: &mut Vec<Action>, answer_ui: impl FnOnce(&mut Ui, &Analysis)) {
        let act = |action: fn(Box<Inquiry>) -> ExplorerAction| Action::Explorer(action(Box::new(self.inquiry.clone())));
        let named = |words: &str| format!("{}{words}", self.looked.who);
        let muted = tokens(ui).muted;
        let Some(request) = state.exploration.analyses.find(&self.inquiry) else {
            if state.analysis_request(&self.inquiry).is_none() {
                let (what, advice) = match self.looked.is_read {
                    true => (t!("explorer.reading"), ""),
                    false if self.inquiry.question.wants_plain_text() => {
                        (t!("insight.no_neutral"), t!("insight.no_neutral_advice"))
                    }
                    false => (t!("insight.no_rows"), t!("insight.no_rows_advice")),
                };
                return empty_ui(ui, what, advice);
            }
            if !self.may_ask {
                return empty_ui(ui, t!("explorer.reading"), "");
            }
            // A search for a text takes long: nobody should have asked for it by opening a tab.
            let is_long = matches!(self.inquiry.question, Question::Words { .. });
            if is_long {
                note_ui(ui, t!("insight.takes_long"));
                ui.add_space(theme::SMALL_GAP);
            }
            if !state.env.engine_gone && (!is_long || small_ui(ui, named(t!("insight.put_into_words"))).clicked()) {
                out.push(act(ExplorerAction::Look));
                ui.ctx().request_repaint();
            }
            return;
        };
        if let Some(analysis) = &request.answer {
            return answer_ui(ui, analysis);
        }
        if request.is_open() {
            ui.horizontal_wrapped(|ui| {
                ui.spinner();
                let line = request.phase.map_or_else(|| t!("explorer.asking").to_owned(), phase_line);
                ui.label(RichText::new(line).color(muted));
                if small_ui(ui, named(t!("insight.stop"))).clicked() {
                    out.push(act(ExplorerAction::StopLooking));
                }
            });
            return;
        }
        match &request.failure {
            Some(failure) => failure_ui(ui, failure),
            None => note_ui(ui, t!("insight.stopped")),
        }
        ui.add_space(theme::SMALL_GAP);
        ui.add_enabled_ui(!state.env.engine_gone, |ui| {
            if small_ui(ui, named(t!("insight.ask_again"))).clicked() {
                out.push(act(ExplorerAction::Look));
            }
        });
    }
}

/// A quiet sentence.
pub(super) fn note_ui(ui: &mut Ui, text: &str) {
    ui.add(egui::Label::new(RichText::new(text).small().color(tokens(ui).muted)).wrap());
}

/// A named control that needs little room.
pub(super) fn small_field_ui(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui)) {
    ui.scope(|ui| {
        ui.set_max_width(260.0);
        field::field_ui(ui, name, "", None, add);
    });
    ui.add_space(theme::SMALL_GAP);
}
