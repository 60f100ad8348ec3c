//! The card at the right: whether the run can begin, what it trains and keeps, what it needs.

use egui::{RichText, Ui};
use engine::models::ModelSummary;
use engine::nn::{MatrixNumbers, Precision};

use super::form::RunForm;
use super::tuning::MethodKind;
use super::{NewRun, budget};
use crate::action::Action;
use crate::format;
use crate::i18n::as_sentence;
use crate::state::State;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, primary_wide_ui};
use crate::widgets::containers::{card_frame, card_ui, chip_ui, fact_ui, progress_ui};

impl NewRun {
    pub(super) fn preview_card_ui(&mut self, ui: &mut Ui, form: &RunForm, state: &State, out: &mut Vec<Action>) {
        card_ui(ui, "", |ui| {
            let missing = self.missing(state);
            ui.horizontal(|ui| {
                ui.label(RichText::new(self.title()).text_style(theme::title()));
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| match &missing {
                    None => chip_ui(ui, Level::Good, t!("new_run.ready")),
                    Some(_) => chip_ui(ui, Level::Warn, t!("new_run.not_ready")),
                });
            });
            if let Some(sentence) = &missing {
                ui.add(egui::Label::new(RichText::new(as_sentence(sentence)).color(tokens(ui).warn)).wrap());
            }
            if let Some(sentence) = super::data::validation_warning(form, state) {
                ui.add(egui::Label::new(RichText::new(sentence).color(tokens(ui).warn)).wrap());
            }
            ui.add_space(4.0);
            let pressed = primary_wide_ui(ui, missing.is_none(), &self.start_label(state)).clicked();
            out.extend(self.start(pressed));
            ui.add_space(6.0);
            self.costs_or_why_ui(ui, form, state, out);
        });
    }

    fn title(&self) -> &'static str {
        if self.checked.varied.is_some() { t!("vary.this") } else { t!("new_run.this_run") }
    }

    /// The same in one line, for a window that has little room: the costs stand behind the form.
    pub(super) fn start_line_ui(&mut self, ui: &mut Ui, form: &RunForm, state: &State, out: &mut Vec<Action>) {
        let missing = self.missing(state);
        let warning = super::data::validation_warning(form, state);
        card_frame(ui).inner_margin(egui::Margin::symmetric(14, 8)).show(ui, |ui| {
            let room = egui::vec2(ui.available_width(), theme::CONTROL_HEIGHT + 4.0);
            ui.allocate_ui_with_layout(room, egui::Layout::right_to_left(egui::Align::Center), |ui| {
                let pressed = primary_ui(ui, missing.is_none(), &self.start_label(state)).clicked();
                out.extend(self.start(pressed));
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    match &missing {
                        None => chip_ui(ui, Level::Good, t!("new_run.ready")),
                        Some(_) => chip_ui(ui, Level::Warn, t!("new_run.not_ready")),
                    };
                    let (line, ink) = match (missing.as_deref(), warning) {
                        (Some(sentence), _) => (as_sentence(sentence), tokens(ui).warn),
                        (None, Some(sentence)) => (sentence, tokens(ui).warn),
                        (None, None) => (self.costs_line(form, state), tokens(ui).muted),
                    };
                    ui.add(egui::Label::new(RichText::new(line).small().color(ink)).truncate());
                });
            });
        });
        ui.add_space(theme::SMALL_GAP);
    }

    /// Costs of the run, as a card of their own.
    pub(super) fn costs_card_ui(&mut self, ui: &mut Ui, form: &RunForm, state: &State, out: &mut Vec<Action>) {
        card_ui(ui, self.title(), |ui| self.costs_or_why_ui(ui, form, state, out));
    }

    /// Trained parameters and memory of training, in a few words.
    fn costs_line(&mut self, form: &RunForm, state: &State) -> String {
        self.sum_up_lengths(state);
        let largest = self.checked.varied.as_ref().and_then(|varied| varied.costs.largest.clone());
        let form = largest.as_deref().unwrap_or(form);
        let Some(model) = state.model_asked(&form.text.model) else { return t!("new_run.no_model_yet").to_owned() };
        let n_classes = state.new_run.preview.known().map_or(0, |preview| preview.classes.len());
        let counts = budget::parameters(form, model, n_classes);
        let need = counts.map(|counts| (counts, budget::training(form, counts, model, self.usual_length(model))));
        need.map_or_else(String::new, |(counts, need)| {
            let line =
                t!("new_run.line", trained = format::short_count(counts.trained), memory = format::bytes(need.total()));
            match self.expected_secs(state) {
                Some(secs) => format!("{line} · {}", t!("timing.about", time = format::duration(secs))),
                None => line,
            }
        })
    }

    /// Why the run cannot begin.
    fn missing(&self, state: &State) -> Option<String> {
        match &self.checked.answer {
            Some(Err(issues)) => issues.first().map(|issue| issue.sentence.clone()),
            _ if matches!(state.env.access, crate::store::Access::ReadOnly(_)) => {
                Some(t!("new_run.read_only").to_owned())
            }
            _ if state.env.engine_gone => Some(t!("banner.engine").to_owned()),
            _ if state.experiments.is_being_made() => Some(t!("vary.being_made").to_owned()),
            _ => None,
        }
    }

    fn costs_or_why_ui(&mut self, ui: &mut Ui, form: &RunForm, state: &State, out: &mut Vec<Action>) {
        self.runs_ui(ui);
        self.time_ui(ui, state, out);
        // Of several runs it is the largest that has to fit.
        let largest = self.checked.varied.as_ref().and_then(|varied| varied.costs.largest.clone());
        let form = largest.as_deref().unwrap_or(form);
        match state.model_asked(&form.text.model) {
            None => {
                ui.add(egui::Label::new(RichText::new(t!("new_run.no_model_yet")).color(tokens(ui).muted)).wrap());
            }
            Some(model) => self.costs_ui(ui, form, model, state),
        }
    }

    fn costs_ui(&mut self, ui: &mut Ui, form: &RunForm, model: &ModelSummary, state: &State) {
        self.sum_up_lengths(state);
        let n_classes = state.new_run.preview.known().map_or(0, |preview| preview.classes.len());
        if let Some(counts) = budget::parameters(form, model, n_classes) {
            let is_one_of_many = self.checked.varied.is_some();
            section_ui(ui, if is_one_of_many { t!("vary.largest") } else { t!("new_run.parameters") });
            fact_ui(ui, t!("new_run.trained"), &format::count(counts.trained));
            let percent = counts.trained_percent(model.parameters);
            fact_ui(ui, t!("new_run.trained_share"), &format!("{percent:.4} %"));
            fact_ui(ui, t!("new_run.stored"), &format::count(counts.stored));
            let share = 100.0 * counts.stored as f64 / model.parameters.max(1) as f64;
            fact_ui(ui, t!("new_run.share"), &format!("{share:.3} %"));
            if counts.trained != counts.stored {
                ui.add(egui::Label::new(RichText::new(t!("new_run.folded")).small().color(tokens(ui).muted)).wrap());
            }
            self.memory_ui(ui, form, counts, model, state);
        }
        self.context_ui(ui, form, model);
        self.length_ui(ui, form, state);
    }

    fn sum_up_lengths(&mut self, state: &State) {
        let Some(preview) = state.new_run.preview.known() else {
            self.lengths = super::LengthCache::default();
            return;
        };
        let sum = preview.lengths.iter().map(|&length| length as usize).sum();
        let key = (preview.lengths.len(), preview.max_tokens, sum);
        if self.lengths.key != key {
            let usual = budget::quantile(&preview.lengths, 0.95).min(preview.max_tokens);
            let longest = preview.lengths.iter().copied().max().unwrap_or(0) as usize;
            self.lengths = super::LengthCache { key, usual, longest };
        }
    }

    fn memory_ui(&self, ui: &mut Ui, form: &RunForm, counts: budget::Parameters, model: &ModelSummary, state: &State) {
        let generating = MatrixNumbers { precision: Precision::F32, ..form.config.numbers() };
        let needs = [
            (t!("new_run.training"), budget::training(form, counts, model, self.usual_length(model))),
            (t!("new_run.generating"), budget::generating(counts, model, generating)),
        ];
        section_ui(ui, t!("new_run.memory"));
        memory_table_ui(ui, &needs);
        if self.lengths.longest == 0 {
            let line = t!("new_run.assumed", n = self.usual_length(model));
            ui.add(egui::Label::new(RichText::new(line).small().color(tokens(ui).muted)).wrap());
        }
        let device = state.device(form.config.device);
        if let Some((device, limit)) = device.and_then(|device| device.memory_bytes.map(|bytes| (device, bytes))) {
            for (name, need) in &needs {
                fit_ui(ui, name, need.total(), limit, &device.name);
            }
            if !fits(needs[0].1.total(), limit) && fits(needs[1].1.total(), limit) {
                let ink = tokens(ui).warn;
                ui.add(egui::Label::new(RichText::new(t!("new_run.too_large")).small().color(ink)).wrap());
            }
        }
        if let Some(limit) = device.and_then(|device| device.largest_binding_bytes)
            && model.largest_tensor_bytes > limit
        {
            let line =
                t!("new_run.binding", tensor = format::bytes(model.largest_tensor_bytes), limit = format::bytes(limit));
            ui.add(egui::Label::new(RichText::new(line).small().color(tokens(ui).warn)).wrap());
        }
    }

    /// Nineteen of twenty rows are at most as long, in tokens; a guess before they are read.
    fn usual_length(&self, model: &ModelSummary) -> usize {
        let usual = if self.lengths.longest == 0 { ASSUMED_TOKENS } else { self.lengths.usual };
        usual.min(model.n_positions)
    }

    fn context_ui(&self, ui: &mut Ui, form: &RunForm, model: &ModelSummary) {
        section_ui(ui, t!("new_run.context"));
        let longest = if form.memory.max_tokens.on {
            self.lengths.longest.min(form.memory.max_tokens.value)
        } else {
            self.lengths.longest
        };
        let used = form.n_before() + longest;
        progress_ui(ui, used as f32 / model.n_positions.max(1) as f32, t!("new_run.context"));
        let shown = if longest == 0 { "–".to_owned() } else { longest.to_string() };
        let line = t!("new_run.context_line", prefix = form.n_before(), longest = shown, positions = model.n_positions);
        let ink = if used > model.n_positions { tokens(ui).warn } else { tokens(ui).muted };
        ui.add(egui::Label::new(RichText::new(line).small().color(ink)).wrap());
        if used > model.n_positions {
            ui.add(egui::Label::new(RichText::new(t!("new_run.context_cut")).small().color(ink)).wrap());
        }
    }

    fn length_ui(&self, ui: &mut Ui, form: &RunForm, state: &State) {
        if form.tuning.kind == MethodKind::Text {
            return;
        }
        let t = &form.config.training;
        let rows = state.new_run.preview.known().map(|preview| preview.train_rows).filter(|&rows| rows > 0);
        let per_epoch = rows.map(|rows| rows.div_ceil(t.batch_size.max(1)).div_ceil(t.gradient_accumulation.max(1)));
        let steps = match form.memory.length_unit {
            super::form::LengthUnit::Steps => Some(t.steps),
            super::form::LengthUnit::Epochs => per_epoch.map(|steps| (steps as f64 * t.epochs).ceil() as usize),
        };
        let shown = |steps: Option<usize>| steps.map_or_else(|| "–".to_owned(), format::count);
        section_ui(ui, t!("new_run.length"));
        fact_ui(ui, t!("new_run.steps"), &shown(steps));
        fact_ui(ui, t!("new_run.per_epoch"), &shown(per_epoch));
    }
}

/// Tokens of a row, as long as nothing is known of the rows.
const ASSUMED_TOKENS: usize = 128;

/// The parts of training and of generating side by side.
fn memory_table_ui(ui: &mut Ui, needs: &[(&str, budget::Memory)]) {
    type Part = (&'static str, fn(&budget::Memory) -> u64);
    let parts: [Part; 5] = [
        (t!("new_run.weights"), |need| need.weights),
        (t!("new_run.adapter"), |need| need.adapter),
        (t!("new_run.activations"), |need| need.activations),
        (t!("new_run.logits"), |need| need.logits),
        (t!("new_run.total"), |need| need.total()),
    ];
    let ink = tokens(ui).muted;
    let muted = |words: &str| RichText::new(words).color(ink);
    row_ui(ui, muted(""), needs.iter().map(|(name, _)| muted(name).small()));
    for (name, bytes) in parts {
        row_ui(ui, muted(name), needs.iter().map(|(_, need)| RichText::new(format::bytes(bytes(need))).monospace()));
    }
}

/// Width of a figure's column.
const FIGURE_WIDTH: f32 = 82.0;

/// A name, and figures in columns at the right.
fn row_ui(ui: &mut Ui, name: RichText, figures: impl DoubleEndedIterator<Item = RichText>) {
    let height = ui.text_style_height(&egui::TextStyle::Body);
    let row = egui::vec2(ui.available_width(), height);
    ui.allocate_ui_with_layout(row, egui::Layout::right_to_left(egui::Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let cell = egui::vec2(FIGURE_WIDTH, height);
        for figure in figures.rev() {
            ui.allocate_ui_with_layout(cell, *ui.layout(), |ui| {
                ui.set_min_size(cell);
                ui.label(figure);
            });
        }
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(name).truncate());
        });
    });
}

/// A tenth of a device's memory is left to others.
fn fits(need: u64, limit: u64) -> bool {
    need < limit / 10 * 9
}

/// A bar and a sentence: what is needed of which memory.
fn fit_ui(ui: &mut Ui, name: &str, need: u64, limit: u64, device: &str) {
    let memory = format::bytes(limit);
    let (line, ink) = if fits(need, limit) {
        (t!("new_run.fits", what = name, limit = memory, device = device), tokens(ui).muted)
    } else {
        (t!("new_run.does_not_fit", what = name, limit = memory, device = device), tokens(ui).warn)
    };
    progress_ui(ui, need as f32 / limit.max(1) as f32, name);
    ui.add(egui::Label::new(RichText::new(line).small().color(ink)).wrap());
}

pub(super) fn section_ui(ui: &mut Ui, name: &str) {
    ui.add_space(8.0);
    ui.label(RichText::new(name).small().color(tokens(ui).accent));
}
