//! The screen *Explorer*: the run and its checkpoint, the tabs, and the view that is shown.

use egui::{Align, Label, Layout, RichText, ScrollArea, Ui, vec2};
use engine::analysis::{Metric, Side, Space};
use engine::config::CandidateSource;
use engine::nn::{Precision, Quantization};

use super::action::ExplorerAction;
use super::basis::BasisForm;
use super::changes;
use super::grid::{Measure, Scale};
use super::looking::{Choices, looked_ui};
use super::saved::Part;
use super::state::{Cell, can_be_explored};
use super::views::{Needs, Tab, View};
use crate::action::{Action, Screen};
use crate::screens::saving::Saving;
use crate::screens::training::state::RunView;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::{card_ui, empty_ui, failure_ui, heading_ui};
use crate::widgets::field;

/// Choices and typed text of *Explorer*.
#[derive(Debug)]
pub struct Explorer {
    pub(super) side: Side,
    pub(super) metric: Metric,
    pub(super) space: Space,
    pub(super) measure: Measure,
    pub(super) scale: Scale,
    tab: Tab,
    /// The view that was last chosen in each tab.
    views: [Option<View>; Tab::ALL.len()],
    pub(super) basis: BasisForm,
    pub(super) choices: Choices,
    pub(super) saving: Option<Saving>,
    pub(super) saved_part: Part,
    /// Layers attend to keys and values of the adapter on screen: of the one before, until its grid has come.
    has_prefix: bool,
    /// The adapter on screen has slots, whoever reads them.
    has_slots: bool,
    /// Its run knows classes by name.
    has_classes: bool,
}

impl Default for Explorer {
    fn default() -> Self {
        Self {
            side: Side::Key,
            metric: Metric::Cosine,
            space: Space::default(),
            measure: Measure::Norm,
            scale: Scale::Logarithmic,
            tab: Tab::default(),
            views: [None; Tab::ALL.len()],
            basis: BasisForm::default(),
            choices: Choices::default(),
            saving: None,
            saved_part: Part::default(),
            has_prefix: true,
            has_slots: true,
            has_classes: false,
        }
    }
}

impl Explorer {
    /// Takes in a path that was chosen in a dialog.
    pub fn picked(&mut self, path: &std::path::Path) {
        if let Some(saving) = &mut self.saving {
            saving.to = path.display().to_string();
        }
    }

    /// The views of a tab that the adapter on screen can have.
    fn views_of(&self, tab: Tab) -> Vec<View> {
        let has = |view: &View| match view.needs() {
            Needs::Prefix => self.has_prefix,
            Needs::Slots => self.has_slots,
            Needs::Classes => self.has_slots && self.has_classes,
            Needs::Nothing => true,
        };
        tab.views().iter().copied().filter(has).collect()
    }

    /// The tab that is shown: the chosen one, unless the adapter on screen has no view of it.
    fn shown_tab(&self) -> Tab {
        if self.views_of(self.tab).is_empty() { Tab::default() } else { self.tab }
    }

    /// The view that is shown: the chosen one of its tab, unless the adapter on screen does not have it.
    pub(super) fn view(&self) -> View {
        let tab = self.shown_tab();
        let views = self.views_of(tab);
        let chosen = self.views[tab as usize].filter(|view| views.contains(view));
        chosen.or(views.first().copied()).unwrap_or(View::Vectors)
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        if let Some(grid) = &state.exploration.grid.answer {
            // A soft prompt is embeddings, which every layer reads as text.
            self.has_prefix = grid.n_virtual > 0 && !grid.is_prompt;
            self.has_slots = grid.n_virtual > 0;
        }
        let config = state.explored().and_then(|view| view.config.as_deref());
        self.has_classes = config.is_some_and(|config| {
            config.task.is_some_and(|task| task.has_classes())
                || config.data.candidate_source() == CandidateSource::Classes
        });
        heading_ui(ui, t!("screen.explorer"), t!("explorer.note"), |_| {});
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            self.choices_ui(ui, state, out);
            ui.add_space(theme::SMALL_GAP);
            if state.explored().is_none() {
                empty_ui(ui, t!("explorer.no_run"), t!("explorer.no_run_advice"));
                return;
            }
            self.tabs_ui(ui, state);
            ui.add_space(theme::SMALL_GAP);
            match self.view() {
                View::Vectors => self.vectors_ui(ui, state, out),
                view => looked_ui(ui, state, (view, &self.basis.looked), &mut self.choices, out),
            }
            ui.add_space(theme::GAP);
        });
        self.saving_ui(ui, state, out);
    }

    /// The tabs, the views of the tab that is shown, and the menu *Save*.
    fn tabs_ui(&mut self, ui: &mut Ui, state: &State) {
        let shown = |tab: &Tab| *tab == Tab::default() || !self.views_of(*tab).is_empty();
        let tabs: Vec<(Tab, &str)> = Tab::ALL.into_iter().filter(shown).map(|tab| (tab, tab.name())).collect();
        let mut tab = self.shown_tab();
        ui.horizontal_wrapped(|ui| {
            if segmented_ui(ui, &mut tab, &tabs) {
                self.tab = tab;
            }
            self.save_menu_ui(ui, state);
        });
        let views: Vec<(View, &str)> = self.views_of(tab).into_iter().map(|view| (view, view.name())).collect();
        if views.len() > 1 {
            let mut view = self.view();
            ui.add_space(2.0);
            if segmented_ui(ui, &mut view, &views) {
                self.views[tab as usize] = Some(view);
            }
        }
    }

    /// *Where it lies*: the grid of norms and the tokens nearest to a cell; changed weights.
    fn vectors_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        if let Some(failure) = state.exploration.failure() {
            failure_ui(ui, failure);
            ui.add_space(theme::SMALL_GAP);
        }
        let Some(grid) = &state.exploration.grid.answer else {
            let waiting = state.exploration.grid.is_open() || state.explored().is_some_and(|view| view.asked);
            let (what, advice) = if waiting {
                (t!("explorer.reading"), "")
            } else {
                (t!("explorer.no_checkpoint"), t!("explorer.no_checkpoint_advice"))
            };
            empty_ui(ui, what, advice);
            return;
        };
        if grid.n_virtual > 0 {
            self.prefix_ui(ui, state, out);
            ui.add_space(theme::SMALL_GAP);
        } else if grid.changes.is_empty() {
            empty_ui(ui, t!("explorer.no_prefix"), t!("explorer.no_prefix_advice"));
        }
        if !grid.changes.is_empty() {
            card_ui(ui, t!("explorer.changes"), |ui| changes::changes_ui(ui, &grid.changes));
        }
    }

    /// The grid beside the list, which gets the room; below each other where there is little.
    fn prefix_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let width = ui.available_width();
        if width < theme::NARROW_SCREEN {
            self.grid_card_ui(ui, state, out);
            ui.add_space(theme::SMALL_GAP);
            self.list_card_ui(ui, state, out);
            return;
        }
        ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
            let left = (width * 0.42).floor();
            ui.allocate_ui_with_layout(vec2(left, 0.0), Layout::top_down(Align::Min), |ui| {
                ui.set_width(left);
                self.grid_card_ui(ui, state, out);
            });
            ui.vertical(|ui| self.list_card_ui(ui, state, out));
        });
    }

    /// The run and its checkpoint; in *Where it lies* keys or values, elsewhere the run beside it and what both are looked at on.
    fn choices_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let is_vectors = self.view() == View::Vectors;
        card_ui(ui, "", |ui| {
            ui.columns(3, |columns| {
                run_choice_ui(&mut columns[0], state, out);
                checkpoint_choice_ui(&mut columns[1], state, out);
                // A virtual token of a soft prompt is one vector.
                let is_prompt = state.exploration.grid.answer.as_ref().is_some_and(|grid| grid.is_prompt);
                match is_vectors {
                    true if !is_prompt => self.side_choice_ui(&mut columns[2], state, out),
                    true => {}
                    false => beside_choice_ui(&mut columns[2], state, out),
                }
            });
            if let Some(note) = state.explored().and_then(numbers_note) {
                ui.add(Label::new(RichText::new(note).small().color(tokens(ui).muted)).wrap());
            }
            let question = self.view().question(&self.choices);
            if question.is_some_and(|question| !question.needs_no_rows() && !question.wants_plain_text()) {
                self.basis.ui(ui, state);
            }
        });
    }

    fn side_choice_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        field::field_ui(ui, t!("explorer.side"), t!("explorer.side_help"), None, |ui| {
            let names = [(Side::Key, t!("explorer.keys")), (Side::Value, t!("explorer.values"))];
            if segmented_ui(ui, &mut self.side, &names) {
                self.ask_again(state, out);
            }
        });
    }

    pub(super) fn ask_again(&self, state: &State, out: &mut Vec<Action>) {
        if let Some(cell) = state.exploration.cell {
            out.push(self.ask(cell.layer, cell.position));
        }
    }

    pub(super) fn ask(&self, layer: usize, position: usize) -> Action {
        Action::Explorer(ExplorerAction::Neighbors(Cell {
            layer,
            position,
            side: self.side,
            metric: self.metric,
            space: self.space,
        }))
    }
}

/// The numbers that everything is computed in, where they are not those of every run.
fn numbers_note(view: &RunView) -> Option<String> {
    let config = view.config.as_ref()?;
    let kept = (config.quantization != Quantization::Stored)
        .then(|| t!("explorer.kept_as", quantization = config.quantization));
    let computed =
        (config.precision != Precision::F32).then(|| t!("explorer.computed_in", precision = config.precision));
    let notes: Vec<String> = kept.into_iter().chain(computed).collect();
    (!notes.is_empty()).then(|| notes.join(" · "))
}

fn run_choice_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let shown = state.explored().map(|view: &RunView| view.id.clone());
    let runs = state.runs.rows().filter(|row| can_be_explored(row) || Some(&row.id) == shown.as_ref());
    let choices: Vec<_> = runs.map(|row| (Some(row.id.clone()), row.title())).collect();
    let mut chosen = shown.clone();
    field::field_ui(ui, t!("explorer.run"), "", None, |ui| {
        if field::choice_ui(ui, "run", &mut chosen, &choices)
            && let Some(run) = chosen
        {
            out.push(Action::Open(run, Screen::Explorer));
        }
    });
}

fn beside_choice_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let shown = state.explored().map(|view| &view.id);
    let runs = state.runs.rows().filter(|row| can_be_explored(row) && Some(&row.id) != shown);
    let mut choices = vec![(None, t!("insight.nothing_beside").to_owned())];
    choices.extend(runs.map(|row| (Some(row.id.clone()), row.name.clone())));
    let mut chosen = state.exploration.beside.as_ref().map(|view| view.id.clone());
    field::field_ui(ui, t!("insight.beside"), t!("insight.beside_help"), None, |ui| {
        if field::choice_ui(ui, "beside", &mut chosen, &choices) {
            out.push(Action::Explorer(ExplorerAction::Beside(chosen)));
        }
    });
}

fn checkpoint_choice_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    let checkpoints = state.explored().map_or(&[][..], |view| &view.checkpoints);
    let best = checkpoints.iter().rposition(|checkpoint| checkpoint.best);
    let initial = state.explored().and_then(RunView::initial).filter(|_| !checkpoints.is_empty());
    let before = initial.map(|folder| (Some(folder), t!("explorer.step_zero").to_owned()));
    let written = checkpoints.iter().enumerate().map(|(i, checkpoint)| {
        let name = match checkpoint.step {
            step if best == Some(i) => t!("explorer.best_step", step = step),
            step => t!("explorer.step", step = step),
        };
        (Some(checkpoint.folder.clone()), name)
    });
    let choices: Vec<_> = before.into_iter().chain(written).collect();
    let mut chosen = state.exploration.checkpoint.clone();
    field::field_ui(ui, t!("explorer.checkpoint"), t!("explorer.checkpoint_help"), None, |ui| {
        if field::choice_ui(ui, "checkpoint", &mut chosen, &choices)
            && let Some(checkpoint) = chosen
        {
            out.push(Action::Explorer(ExplorerAction::Explore { checkpoint }));
        }
    });
}
