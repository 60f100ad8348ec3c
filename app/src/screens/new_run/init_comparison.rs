//! The init comparison: several initial values held against each other on the first steps of the run, in a window
//! of its own.

use egui::{Grid, RichText, ScrollArea, Ui};
use engine::config::RunConfig;
use engine::training::{InitComparisonPlan, InitRow, Spread};

use super::action::NewRunAction;
use super::form::{InitKind, RunForm};
use super::state::init_comparison::InitComparison;
use super::tuning::MethodKind;
use crate::action::Action;
use crate::format::figure;
use crate::i18n::told;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui, small_ui};
use crate::widgets::containers::{modal_frame, progress_ui};
use crate::widgets::field;
use crate::widgets::sparkline::sparkline_in;

/// Starts, steps and seeds of the comparison as they are typed.
#[derive(Debug)]
pub(super) struct InitComparisonForm {
    open: bool,
    kinds: Vec<InitKind>,
    words: String,
    adapter: String,
    steps: usize,
    seeds: usize,
    /// The start that the buttons are about; the best until one is chosen.
    chosen: Option<usize>,
}

impl Default for InitComparisonForm {
    fn default() -> Self {
        let InitComparisonPlan { starts, seeds, steps, .. } = InitComparisonPlan::default();
        Self {
            open: false,
            kinds: starts.iter().map(|init| InitKind::of(init).0).collect(),
            words: String::new(),
            adapter: String::new(),
            steps,
            seeds: seeds.len(),
            chosen: None,
        }
    }
}

impl InitComparisonForm {
    /// The button that opens the comparison; what the form says of a prefix's start is ticked there too.
    pub(super) fn button_ui(&mut self, ui: &mut Ui, form: &RunForm) {
        if !small_ui(ui, t!("lab.open")).on_hover_text(t!("lab.open_help")).clicked() {
            return;
        }
        self.open = true;
        if form.tuning.kind != MethodKind::Prefix {
            return;
        }
        if !self.kinds.contains(&form.tuning.prefix.init) {
            self.kinds.push(form.tuning.prefix.init);
        }
        match form.tuning.prefix.init {
            InitKind::Adapter => self.adapter.clone_from(&form.tuning.prefix.words),
            _ if form.tuning.prefix.init.needs_text() => self.words.clone_from(&form.tuning.prefix.words),
            _ => {}
        }
    }

    /// Draws the comparison, if it is open. `ready` is the form's run.
    pub(super) fn ui(
        &mut self,
        ui: &Ui,
        form: &mut RunForm,
        ready: Option<&RunConfig>,
        state: &State,
        out: &mut Vec<Action>,
    ) {
        if !self.open {
            return;
        }
        let modal = egui::Modal::new(egui::Id::unique("lab")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(640.0);
            ui.label(RichText::new(t!("lab.title")).text_style(theme::title()));
            let room = (ui.ctx().content_rect().height() - 190.0).max(160.0);
            ScrollArea::vertical().max_height(room).show(ui, |ui| {
                ui.add(egui::Label::new(RichText::new(t!("lab.note")).color(tokens(ui).muted)).wrap());
                ui.add_space(theme::SMALL_GAP);
                ui.add_enabled_ui(!state.new_run.init_comparison.request.is_open(), |ui| self.plan_ui(ui, form, state));
                ui.add_space(theme::SMALL_GAP);
                progress_line_ui(ui, &state.new_run.init_comparison);
                if let Some(failure) = &state.new_run.init_comparison.request.failure {
                    let text = RichText::new(told(&failure.what)).color(tokens(ui).bad);
                    ui.add(egui::Label::new(text).wrap());
                }
                if !ready.is_none_or(|run| state.new_run.init_comparison.is_about(run)) {
                    ui.label(RichText::new(t!("lab.other")).small().color(tokens(ui).warn));
                }
                self.table_ui(ui, &state.new_run.init_comparison);
            });
            ui.add_space(theme::SMALL_GAP);
            self.buttons_ui(ui, form, ready, state, out);
        });
        // A click beside a comparison under way would lose its table.
        if modal.should_close() && !state.new_run.init_comparison.request.is_open() {
            self.open = false;
        }
    }

    /// Draws the fields for the starts, the number of steps and the number of seeds.
    fn plan_ui(&mut self, ui: &mut Ui, form: &RunForm, state: &State) {
        let has_names = form.has_class_names(state.model_asked(&form.text.model));
        ui.horizontal_wrapped(|ui| {
            for kind in InitKind::offered(form.tuning.kind, has_names) {
                let mut ticked = self.kinds.contains(&kind);
                if ui.checkbox(&mut ticked, kind.name()).changed() {
                    self.kinds.retain(|other| *other != kind);
                    self.kinds.extend(ticked.then_some(kind));
                }
            }
        });
        if [InitKind::Words, InitKind::Prefill].iter().any(|kind| self.kinds.contains(kind)) {
            field::field_ui(ui, t!("lab.words"), "", None, |ui| {
                field::text_ui(ui, &mut self.words, t!("method.words_hint"))
            });
        }
        if self.kinds.contains(&InitKind::Adapter) {
            field::field_ui(ui, t!("lab.adapter"), "", None, |ui| field::text_ui(ui, &mut self.adapter, ""));
        }
        ui.columns(2, |sides| {
            field::field_ui(&mut sides[0], t!("lab.steps"), t!("lab.steps_help"), None, |ui| {
                field::count_ui(ui, &mut self.steps, 1..=100_000)
            });
            field::field_ui(&mut sides[1], t!("lab.seeds"), t!("lab.seeds_help"), None, |ui| {
                field::count_ui(ui, &mut self.seeds, 1..=100)
            });
        });
    }

    /// The plan that was asked for, unless a text is missing.
    fn plan(&self, config: &RunConfig, method: MethodKind, classes: bool) -> Option<InitComparisonPlan> {
        let text = |kind: InitKind| if kind == InitKind::Adapter { &self.adapter } else { &self.words };
        let kinds = InitKind::offered(method, classes).filter(|kind| self.kinds.contains(kind));
        let starts: Option<Vec<_>> = kinds
            .map(|kind| (!kind.needs_text() || !text(kind).trim().is_empty()).then(|| kind.with(text(kind))))
            .collect();
        let seeds = (0..self.seeds as u64).map(|index| config.seed.wrapping_add(index)).collect();
        let starts = starts.filter(|starts| !starts.is_empty())?;
        Some(InitComparisonPlan { starts, seeds, steps: self.steps, ..InitComparisonPlan::default() })
    }

    /// A line for each start, the best first; a click chooses it.
    fn table_ui(&mut self, ui: &mut Ui, comparison: &InitComparison) {
        let Some(plan) = &comparison.plan else { return };
        let t = tokens(ui);
        let chosen = self.chosen(comparison).map(|row| row.start);
        Grid::new("lab").num_columns(4).spacing([18.0, 6.0]).striped(true).show(ui, |ui| {
            let after = t!("lab.after", n = plan.steps);
            for head in [t!("lab.start"), t!("lab.before"), after.as_str(), t!("lab.curve")] {
                ui.label(RichText::new(head).small().color(t.muted));
            }
            ui.end_row();
            for (place, row) in comparison.rows.iter().enumerate() {
                let name = format!("{}. {}", place + 1, InitKind::of(&row.init).0.name());
                if ui.selectable_label(chosen == Some(row.start), name).clicked() {
                    self.chosen = Some(row.start);
                }
                let number =
                    |spread: Option<Spread>| RichText::new(spread_text(spread)).text_style(theme::small_number());
                ui.label(number(row.before));
                match (&row.failure, row.diverged) {
                    (Some(failure), _) => {
                        let text = RichText::new(told(&failure.what)).small().color(t.bad);
                        ui.add_sized([200.0, 18.0], egui::Label::new(text).wrap());
                    }
                    (None, 0) => {
                        ui.label(number(row.after));
                    }
                    (None, n) => {
                        ui.label(RichText::new(t!("lab.diverged", n = n)).color(t.bad));
                    }
                }
                let (rect, _) = ui.allocate_exact_size(egui::vec2(110.0, 20.0), egui::Sense::empty());
                sparkline_in(ui, rect.shrink(2.0), &comparison.curves[row.start], t.accent);
                ui.end_row();
            }
        });
    }

    fn buttons_ui(
        &mut self,
        ui: &mut Ui,
        form: &mut RunForm,
        ready: Option<&RunConfig>,
        state: &State,
        out: &mut Vec<Action>,
    ) {
        let comparison = &state.new_run.init_comparison;
        let classes = form.has_class_names(state.model_asked(&form.text.model));
        let applies = ready.is_none_or(|run| comparison.is_about(run));
        let chosen = self.chosen(comparison).filter(|row| row.after.is_some() && applies).cloned();
        ui.horizontal(|ui| {
            if comparison.request.is_open() {
                if quiet_ui(ui, true, t!("lab.stop")).clicked() {
                    out.push(Action::NewRun(NewRunAction::EndInitComparison));
                }
            } else {
                let plan = ready.and_then(|config| Some((config, self.plan(config, form.tuning.kind, classes)?)));
                if primary_ui(ui, plan.is_some(), t!("lab.compare")).clicked()
                    && let Some((config, plan)) = plan
                {
                    self.chosen = None;
                    out.push(Action::NewRun(NewRunAction::CompareStarts(Box::new(config.clone()), Box::new(plan))));
                }
            }
            let idle = !comparison.request.is_open();
            if quiet_ui(ui, idle && chosen.is_some(), t!("lab.use")).clicked()
                && let Some(row) = &chosen
            {
                take(row, form);
                self.open = false;
            }
            if quiet_ui(ui, idle && chosen.is_some(), t!("lab.train")).clicked()
                && let (Some(row), Some(config)) = (&chosen, &comparison.config)
                && let Ok(method) = config.method.with_init(&row.init)
            {
                take(row, form);
                out.push(Action::NewRun(NewRunAction::Start(Box::new(RunConfig {
                    method,
                    ..config.as_ref().clone()
                }))));
                self.open = false;
            }
            if quiet_ui(ui, idle, t!("lab.close")).clicked() {
                self.open = false;
            }
        });
    }

    /// The row that is chosen, or the best.
    fn chosen<'a>(&self, comparison: &'a InitComparison) -> Option<&'a InitRow> {
        let own = comparison.rows.iter().find(|row| Some(row.start) == self.chosen);
        own.or_else(|| comparison.rows.first())
    }
}

/// Puts a start into the form.
fn take(row: &InitRow, form: &mut RunForm) {
    if let Ok(method) = form.method(0).with_init(&row.init) {
        form.tuning.take(&method);
    }
}

fn progress_line_ui(ui: &mut Ui, comparison: &InitComparison) {
    let Some(plan) = comparison.plan.as_ref().filter(|_| comparison.request.is_open()) else { return };
    let text = match comparison.curves.iter().all(Vec::is_empty) && comparison.done == 0 {
        true => t!("lab.preparing").to_owned(),
        false => t!("lab.trial", n = comparison.done + 1, all = plan.starts.len() * plan.seeds.len()),
    };
    ui.label(RichText::new(text).small().color(tokens(ui).muted));
    progress_ui(ui, comparison.share(), t!("lab.progress"));
}

fn spread_text(spread: Option<Spread>) -> String {
    match spread {
        None => "–".to_owned(),
        Some(Spread { mean, deviation: None }) => figure(mean),
        Some(Spread { mean, deviation: Some(deviation) }) => format!("{} ± {}", figure(mean), figure(deviation)),
    }
}
