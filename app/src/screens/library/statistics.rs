//! Statistics of a dataset, below its entry: lengths, what a context cuts, what repeats, what is empty.

use egui::{Grid, RichText, Ui};
use engine::data::{DataStatistics, Spread, TokenStatistics};

use super::action::LibraryAction;
use crate::action::Action;
use crate::format;
use crate::i18n;
use crate::state::library::Counted;
use crate::state::notices::Level;
use crate::t;
use crate::theme::tokens;
use crate::widgets::button::quiet_ui;
use crate::widgets::containers::{card_frame, chip_ui, chips_ui, failure_ui, plain_chip_ui};
use crate::widgets::histogram::histogram_ui;

/// Most targets that are named as classes.
const CLASSES: usize = 24;
/// Points of the column of names.
const NAME_WIDTH: f32 = 180.0;
/// Columns in the table; a stranger's file may have thousands.
const COLUMNS: usize = 40;

/// Draws the statistics, or that they are under way.
pub(super) fn statistics_ui(ui: &mut Ui, counted: &Counted, out: &mut Vec<Action>) {
    card_frame(ui).inner_margin(12).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.label(RichText::new(t!("library.statistics")).color(tokens(ui).text));
            if quiet_ui(ui, true, t!("library.hide_statistics")).clicked() {
                out.push(Action::Library(LibraryAction::HideStatistics));
            }
        });
        match (&counted.request.answer, &counted.request.failure) {
            (_, Some(failure)) => failure_ui(ui, failure),
            (Some(statistics), None) => found_ui(ui, statistics, counted.model.as_deref()),
            (None, None) => {
                ui.horizontal(|ui| {
                    ui.spinner();
                    ui.label(RichText::new(t!("library.counting")).color(tokens(ui).muted));
                });
            }
        }
    });
}

fn found_ui(ui: &mut Ui, statistics: &DataStatistics, model: Option<&str>) {
    chips_ui(ui, |ui| {
        plain_chip_ui(ui, &t!("library.rows", n = format::count(statistics.rows)));
        let odd = [
            (statistics.unreadable, t!("library.unreadable", n = format::count(statistics.unreadable))),
            (statistics.duplicates, t!("library.duplicates", n = format::count(statistics.duplicates))),
            (statistics.other_targets, t!("library.other_targets", n = format::count(statistics.other_targets))),
        ];
        for (_, text) in odd.iter().filter(|(n, _)| *n > 0) {
            chip_ui(ui, Level::Warn, text);
        }
        if let Some(overlap) = &statistics.overlap {
            let text = t!("library.overlap", n = format::count(overlap.same), of = format::count(overlap.rows));
            if overlap.same > 0 {
                chip_ui(ui, Level::Warn, &text)
            } else {
                plain_chip_ui(ui, &text)
            };
        }
    });
    if !statistics.target_column.is_empty() {
        let line = match statistics.source_column.as_str() {
            "" => t!("library.learned", target = statistics.target_column),
            source => t!("library.learned_from", target = statistics.target_column, source = source),
        };
        ui.label(RichText::new(line).small().color(tokens(ui).muted));
    }
    for note in &statistics.notes {
        ui.add(egui::Label::new(RichText::new(i18n::told(note)).small().color(tokens(ui).muted)).wrap());
    }
    columns_ui(ui, statistics);
    if let Some(counted) = &statistics.tokens {
        tokens_ui(ui, counted, model.unwrap_or_default());
    }
    classes_ui(ui, &statistics.classes);
    for of in &statistics.left_out {
        let reason = i18n::tell(&of.reason);
        let line = t!("library.left_out", n = format::count(of.rows), row = of.first, reason = reason);
        ui.add(egui::Label::new(RichText::new(line).small().color(tokens(ui).warn)).wrap());
    }
}

/// Lengths by column and together.
fn columns_ui(ui: &mut Ui, statistics: &DataStatistics) {
    ui.add_space(6.0);
    Grid::new(("statistics", &statistics.target_column)).striped(true).num_columns(7).spacing([18.0, 4.0]).show(
        ui,
        |ui| {
            let head = [
                t!("library.characters"),
                t!("library.empty"),
                t!("library.least"),
                t!("library.median"),
                "90 %",
                "99 %",
                t!("library.most"),
            ];
            for name in head {
                ui.label(RichText::new(name).small().color(tokens(ui).muted));
            }
            ui.end_row();
            for column in statistics.columns.iter().take(COLUMNS) {
                spread_ui(ui, &column.name, &format::count(column.empty), &column.characters);
            }
            spread_ui(ui, t!("library.together"), "", &statistics.characters);
            let columns = statistics.columns.iter().take(COLUMNS);
            for (column, spread) in columns.filter_map(|column| column.tokens.map(|spread| (column, spread))) {
                spread_ui(ui, &t!("library.in_tokens", name = column.name), "", &spread);
            }
        },
    );
    if let Some(more) = statistics.columns.len().checked_sub(COLUMNS).filter(|more| *more > 0) {
        ui.label(RichText::new(t!("library.more_columns", n = more)).small().color(tokens(ui).muted));
    }
}

fn spread_ui(ui: &mut Ui, name: &str, empty: &str, spread: &Spread) {
    ui.scope(|ui| {
        ui.set_min_width(NAME_WIDTH);
        ui.set_max_width(NAME_WIDTH);
        ui.add(egui::Label::new(RichText::new(name).color(tokens(ui).text)).truncate());
    });
    let Spread { min, median, p90, p99, max, .. } = *spread;
    ui.label(RichText::new(empty).monospace());
    for number in [min, median, p90, p99, max] {
        ui.label(RichText::new(format::count(number as usize)).monospace());
    }
    ui.end_row();
}

/// Lengths of rows as they are trained, and the line of the context.
fn tokens_ui(ui: &mut Ui, counted: &TokenStatistics, model: &str) {
    ui.add_space(6.0);
    let name = t!("library.lengths", model = model);
    ui.label(RichText::new(&name).small().color(tokens(ui).muted));
    histogram_ui(ui, &counted.drawn, counted.limit, &name);
    let (cut, used) = (format::count(counted.cut), format::count(counted.used));
    let share = format!("{:.1}", 100.0 * counted.cut as f64 / counted.used.max(1) as f64);
    let mut line = t!("library.cut", n = cut, of = used, share = share, limit = format::count(counted.limit));
    if counted.lost_prompts > 0 {
        line += &t!("library.lost_prompts", n = format::count(counted.lost_prompts));
    }
    let ink = if counted.cut > 0 { tokens(ui).warn } else { tokens(ui).muted };
    ui.add(egui::Label::new(RichText::new(line).small().color(ink)).wrap());
}

fn classes_ui(ui: &mut Ui, classes: &[(String, usize)]) {
    if classes.is_empty() {
        return;
    }
    ui.label(RichText::new(t!("library.classes", n = classes.len())).small().color(tokens(ui).muted));
    // More are texts, not classes.
    if classes.len() > CLASSES {
        return;
    }
    chips_ui(ui, |ui| {
        for (class, n) in classes {
            plain_chip_ui(ui, &format!("{class} {}", format::count(*n)));
        }
    });
}
