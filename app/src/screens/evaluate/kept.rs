//! The evaluations that a run has: shown again, or scored by other metrics without writing a text.

use egui::{RichText, Ui};

use super::action::EvaluateAction;
use super::ui::{label, number};
use crate::action::Action;
use crate::format;
use crate::state::State;
use crate::store::KeptEvaluation;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::small_ui;
use crate::widgets::containers::card_ui;

/// Draws the list; `metrics` are those that are chosen now.
pub(super) fn kept_ui(ui: &mut Ui, state: &State, metrics: &[String], out: &mut Vec<Action>) {
    let kept = state.kept_evaluations();
    if kept.is_empty() {
        return;
    }
    let idle = !state.evaluation.is_open() && !state.env.engine_gone;
    card_ui(ui, t!("evaluate.kept"), |ui| {
        for one in kept {
            ui.separator();
            one_ui(ui, one, (metrics, idle), out);
        }
    });
}

fn one_ui(ui: &mut Ui, kept: &KeptEvaluation, (metrics, idle): (&[String], bool), out: &mut Vec<Action>) {
    let t = tokens(ui);
    let record = &kept.record;
    let name = kept.predictions.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let of = if record.adapter.is_some() { t!("evaluate.adapter") } else { t!("evaluate.base") };
    let figure = |figure: &engine::evaluation::MetricFigure| {
        format!("{} {} ({} … {})", label(&figure.name), number(figure.figure), number(figure.low), number(figure.high))
    };
    let figures: Vec<String> = record.figures.iter().map(figure).collect();
    ui.horizontal_wrapped(|ui| {
        ui.label(&name);
        let line = [of.to_owned(), t!("evaluate.n_rows", n = format::count(record.rows))];
        ui.label(RichText::new(line.join(" · ")).small().color(t.muted));
        if !record.finished {
            ui.label(RichText::new(t!("evaluate.unfinished")).small().color(t.warn));
        }
    });
    ui.add(egui::Label::new(RichText::new(figures.join(" · ")).small()).wrap());
    if !record.finished {
        return;
    }
    let score = |metrics: Vec<String>| {
        Action::Evaluate(EvaluateAction::Score { predictions: kept.predictions.clone(), metrics })
    };
    ui.add_enabled_ui(idle, |ui| {
        ui.horizontal_wrapped(|ui| {
            let known: Vec<String> = record.figures.iter().map(|figure| figure.name.clone()).collect();
            if !known.is_empty() && small_ui(ui, t!("evaluate.show")).clicked() {
                out.push(score(known.clone()));
            }
            let chosen = metrics.iter().map(|name| label(name)).collect::<Vec<_>>().join(", ");
            if !metrics.is_empty()
                && metrics != known
                && small_ui(ui, t!("evaluate.score_with", metrics = chosen)).clicked()
            {
                out.push(score(metrics.to_vec()));
            }
        });
    });
}
