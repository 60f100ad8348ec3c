//! The rows of an evaluation: the worst or the best first, each prediction beside what was wanted.

use egui::{RichText, Ui};
use engine::evaluation::{ScoredPredictions, ScoredRow};
use engine::metrics::Metric;

use super::state::{Order, ordered};
use super::ui::{label, number};
use crate::format;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{quiet_ui, segmented_ui};
use crate::widgets::containers::card_ui;
use crate::widgets::diff::{diff_job, words_that_differ};
use crate::widgets::field;

/// Rows on one page.
const PAGE: usize = 20;
/// References that are shown of a row.
const REFERENCES: usize = 8;
/// Points of the choice of a metric.
const METRIC_WIDTH: f32 = 180.0;

/// Number of rows, their figures, the figure that orders them, and how.
type Sorting = (usize, Vec<String>, usize, Order);

/// Order and page.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    metric: usize,
    order: Order,
    page: usize,
    /// The order, and what it is the order of: number of rows and their figures.
    sorted: Option<(Sorting, Vec<usize>)>,
}

impl Rows {
    pub(super) fn ui(&mut self, ui: &mut Ui, scored: &ScoredPredictions, base: Option<&ScoredPredictions>) {
        let names: Vec<String> = scored.figures.iter().map(|figure| figure.name.clone()).collect();
        self.metric = self.metric.min(names.len().saturating_sub(1));
        card_ui(ui, t!("evaluate.rows"), |ui| {
            self.order_ui(ui, &names);
            if scored.total > scored.rows.len() {
                let (n, of) = (format::count(scored.rows.len()), format::count(scored.total));
                ui.label(RichText::new(t!("evaluate.shown", n = n, of = of)).small().color(tokens(ui).muted));
            }
            let key = (scored.rows.len(), names.clone(), self.metric, self.order);
            if self.sorted.as_ref().is_none_or(|(known, _)| *known != key) {
                let less = names.get(self.metric).and_then(|name| Metric::named(name).ok());
                let less = less.is_some_and(|metric| !metric.higher_is_better);
                self.sorted = Some((key, ordered(scored, self.metric, self.order, less)));
                self.page = 0;
            }
            let order = self.sorted.as_ref().map_or(&[][..], |(_, order)| order);
            let pages = order.len().div_ceil(PAGE).max(1);
            self.page = self.page.min(pages - 1);
            for row in order.iter().skip(self.page * PAGE).take(PAGE).filter_map(|&row| scored.rows.get(row)) {
                let beside = base.and_then(|base| base.rows.iter().find(|other| other.row.row == row.row.row));
                row_ui(ui, row, beside, &names);
            }
            if pages > 1 {
                ui.add_space(theme::SMALL_GAP);
                ui.horizontal(|ui| {
                    if quiet_ui(ui, self.page > 0, t!("evaluate.previous")).clicked() {
                        self.page -= 1;
                    }
                    if quiet_ui(ui, self.page + 1 < pages, t!("evaluate.next")).clicked() {
                        self.page += 1;
                    }
                    let line = t!("evaluate.page", n = self.page + 1, of = pages);
                    ui.label(RichText::new(line).small().color(tokens(ui).muted));
                });
            }
        });
    }

    fn order_ui(&mut self, ui: &mut Ui, names: &[String]) {
        ui.horizontal(|ui| {
            let choices = [
                (Order::Worst, t!("evaluate.worst")),
                (Order::Best, t!("evaluate.best")),
                (Order::File, t!("evaluate.in_file")),
            ];
            segmented_ui(ui, &mut self.order, &choices);
            if names.len() > 1 {
                let choices: Vec<_> = names.iter().enumerate().map(|(i, name)| (i, label(name))).collect();
                let size = egui::vec2(METRIC_WIDTH, ui.spacing().interact_size.y);
                ui.allocate_ui(size, |ui| {
                    ui.name_inputs(t!("evaluate.order_by"), |ui| {
                        field::choice_ui(ui, "evaluate order", &mut self.metric, &choices)
                    });
                });
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }
}

fn row_ui(ui: &mut Ui, row: &ScoredRow, base: Option<&ScoredRow>, names: &[String]) {
    let t = tokens(ui);
    ui.separator();
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(t!("evaluate.row", row = row.row.row)).small().color(t.muted));
        for (name, figure) in names.iter().zip(&row.figures) {
            let figure = figure.map_or_else(|| "–".to_owned(), number);
            ui.label(RichText::new(format!("{} {figure}", label(name))).small().color(t.muted));
        }
        if let Some(group) = &row.row.group {
            ui.label(RichText::new(format::shortened(group, 40)).small().color(t.faint));
        }
    });
    let source = format::shortened(&row.row.source, 600);
    ui.add(egui::Label::new(RichText::new(source.trim()).color(t.muted)).wrap().selectable(true));
    text_ui(ui, t!("evaluate.prediction"), &row.row.prediction, &row.row.references);
    if let Some(base) = base {
        text_ui(ui, t!("evaluate.base"), &base.row.prediction, &row.row.references);
    }
    for reference in row.row.references.iter().take(REFERENCES) {
        line_ui(ui, t!("evaluate.wanted"), |ui| {
            ui.add(egui::Label::new(RichText::new(reference).color(t.good)).wrap().selectable(true));
        });
    }
    let more = row.row.references.len().saturating_sub(REFERENCES);
    if more > 0 {
        ui.label(RichText::new(t!("evaluate.more_references", n = more)).small().color(t.faint));
    }
    ui.add_space(4.0);
}

/// A text with the words marked that the nearest reference does not have.
fn text_ui(ui: &mut Ui, name: &str, text: &str, references: &[String]) {
    let marked = references.iter().map(|reference| words_that_differ(reference, text));
    let differing = |pieces: &Vec<(String, bool)>| -> usize {
        pieces.iter().filter(|(_, differs)| *differs).map(|(piece, _)| piece.len()).sum()
    };
    let pieces = marked.min_by_key(differing).unwrap_or_else(|| vec![(text.to_owned(), false)]);
    line_ui(ui, name, |ui| {
        let job = diff_job(ui, &pieces);
        ui.add(egui::Label::new(job).wrap().selectable(true));
    });
}

fn line_ui(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui)) {
    ui.horizontal_top(|ui| {
        let width = 84.0;
        ui.allocate_ui(egui::vec2(width, 18.0), |ui| {
            ui.set_min_width(width);
            ui.label(RichText::new(name).small().color(tokens(ui).faint));
        });
        ui.vertical(add);
    });
}
