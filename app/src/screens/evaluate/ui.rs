//! The screen *Evaluate*: what is asked, how far it is, figures, rows, and the evaluations that are kept.

use egui::{Grid, RichText, ScrollArea, Ui};
use engine::evaluation::MetricFigure;
use engine::metrics::Metric;
use serde::{Deserialize, Serialize};

use super::action::EvaluateAction;
use super::form::Form;
use super::kept::kept_ui;
use super::rows::Rows;
use super::state::Evaluated;
use crate::action::{Action, Screen};
use crate::format;
use crate::i18n::tell;
use crate::screens::training::phase_line;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::{card_ui, empty_ui, failure_ui, heading_ui, progress_ui};
use crate::workspace::RunId;

/// Typed settings, the run that they are for, and the place in the rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluate {
    form: Form,
    #[serde(skip)]
    rows: Rows,
    of: Option<RunId>,
}

impl Evaluate {
    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let view = state.runs.view.as_ref();
        let run = view.map(|view| view.id.clone());
        if self.of != run {
            *self = Self { of: run, ..Self::default() };
        }
        let name = view.and_then(|view| view.row.as_ref()).map(|row| row.name.clone()).unwrap_or_default();
        self.form.follow(view.and_then(|view| view.config.as_deref()));
        let evaluation = &state.evaluation;
        let note = if name.is_empty() { t!("evaluate.note").to_owned() } else { t!("evaluate.note_of", name = name) };
        heading_ui(ui, t!("screen.evaluate"), &note, |ui| {
            if evaluation.is_open() {
                if quiet_ui(ui, true, t!("evaluate.stop")).clicked() {
                    out.push(Action::Evaluate(EvaluateAction::Stop));
                }
                ui.spinner();
                return;
            }
            let ready = view.is_some_and(|view| view.config.is_some()) && !state.env.engine_gone;
            if primary_ui(ui, ready && self.form.is_ready(), t!("evaluate.start")).clicked() {
                out.push(Action::Evaluate(EvaluateAction::Start(Box::new(self.form.asked()))));
            }
        });
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            if view.is_none() {
                empty_ui(ui, t!("evaluate.no_run"), t!("evaluate.no_run_advice"));
                if quiet_ui(ui, true, t!("screen.runs")).clicked() {
                    out.push(Action::Show(Screen::Runs));
                }
                return;
            }
            let failures = [&evaluation.adapter, &evaluation.base];
            for failure in failures.into_iter().filter_map(|side| side.request.failure.as_ref()) {
                failure_ui(ui, failure);
                ui.add_space(theme::SMALL_GAP);
            }
            self.form.ui(ui, out);
            ui.add_space(theme::SMALL_GAP);
            at_work_ui(ui, state);
            if let Some((evaluated, base)) = evaluation.shown() {
                figures_ui(ui, evaluated, base);
                ui.add_space(theme::SMALL_GAP);
                self.rows.ui(ui, &evaluated.scored, base.map(|base| &base.scored));
                ui.add_space(theme::SMALL_GAP);
            }
            kept_ui(ui, state, &self.form.metrics, out);
            ui.add_space(theme::GAP);
        });
    }

    /// Takes in a file of rows that was chosen in a dialog.
    pub fn picked(&mut self, path: &std::path::Path) {
        self.form.picked(path);
    }
}

/// How far the texts are, and the last one.
fn at_work_ui(ui: &mut Ui, state: &State) {
    let Some(side) = state.evaluation.at_work() else { return };
    let t = tokens(ui);
    card_ui(ui, "", |ui| {
        let what = side.request.phase.map(phase_line).unwrap_or_default();
        let rows = side
            .done
            .map(|(done, total)| t!("evaluate.progress", done = format::count(done), total = format::count(total)));
        let line = [what, rows.unwrap_or_default()].into_iter().filter(|part| !part.is_empty());
        ui.label(RichText::new(line.collect::<Vec<_>>().join(" · ")).color(t.muted));
        progress_ui(ui, side.share().unwrap_or(0.0), t!("evaluate.progress_name"));
        if let Some(row) = &side.last {
            ui.add_space(4.0);
            let source = format::shortened(&row.source.replace('\n', " "), 120);
            ui.add(egui::Label::new(RichText::new(source).small().color(t.faint)).wrap());
            ui.add(egui::Label::new(row.prediction.as_str()).wrap().selectable(true));
        }
    });
    ui.add_space(theme::SMALL_GAP);
}

/// The name of a metric for people.
pub(in crate::screens) fn label(name: &str) -> String {
    Metric::named(name).map_or_else(|_| name.to_owned(), |metric| tell(&metric.label_sentence()))
}

/// `27.41`, or `0.2741` of a share.
pub(in crate::screens) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let digits = if value.abs() <= 1.0 { 4 } else { 2 };
    format!("{value:.digits$}")
}

fn cell_ui(ui: &mut Ui, figure: Option<&MetricFigure>) {
    let t = tokens(ui);
    let Some(MetricFigure { figure, low, high, signature, .. }) = figure else {
        ui.label("–");
        return;
    };
    ui.horizontal(|ui| {
        let shown = ui.label(RichText::new(number(*figure)).text_style(theme::small_number()));
        ui.label(RichText::new(format!("{} … {}", number(*low), number(*high))).small().color(t.faint));
        if let Some(signature) = signature {
            shown.on_hover_text(signature);
        }
    });
}

/// Metrics in lines, the adapter and the base in columns; then the same of the values of a column.
fn figures_ui(ui: &mut Ui, evaluated: &Evaluated, base: Option<&Evaluated>) {
    let t = tokens(ui);
    card_ui(ui, t!("evaluate.figures"), |ui| {
        let rows = evaluated.scored.total;
        ui.label(RichText::new(t!("evaluate.interval", n = format::count(rows))).small().color(t.muted));
        ui.add_space(4.0);
        ScrollArea::horizontal().id_salt("figures").show(ui, |ui| {
            Grid::new("figures").num_columns(3).spacing([28.0, 6.0]).show(ui, |ui| {
                if base.is_some() {
                    ui.label("");
                    ui.label(RichText::new(t!("evaluate.adapter")).small().color(t.muted));
                    ui.label(RichText::new(t!("evaluate.base")).small().color(t.muted));
                    ui.end_row();
                }
                for figure in &evaluated.scored.figures {
                    ui.label(label(&figure.name));
                    cell_ui(ui, Some(figure));
                    if let Some(base) = base {
                        cell_ui(ui, base.scored.figures.iter().find(|other| other.name == figure.name));
                    }
                    ui.end_row();
                }
                for group in &evaluated.scored.by {
                    let value = format::shortened(&group.value, 40);
                    let n = t!("evaluate.group", value = value, n = format::count(group.rows));
                    ui.label(RichText::new(n).color(t.muted));
                    ui.end_row();
                    let beside = base.and_then(|base| base.scored.by.iter().find(|of| of.value == group.value));
                    for figure in &group.figures {
                        ui.label(format!("  {}", label(&figure.name)));
                        cell_ui(ui, Some(figure));
                        if base.is_some() {
                            cell_ui(ui, beside.and_then(|of| of.figures.iter().find(|o| o.name == figure.name)));
                        }
                        ui.end_row();
                    }
                }
            });
        });
    });
}
