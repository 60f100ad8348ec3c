//! Figures of the columns over all rows, with their intervals, and how often each won when it was judged blindly.

use egui::{Grid, RichText, ScrollArea, Ui};

use crate::format;
use crate::screens::compare::state::set::{Measure, RowSet};
use crate::screens::compare::state::votes::WinRate;
use crate::screens::evaluate::ui::{label, number};
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::containers::card_ui;

/// Characters of a column's name above its figures.
const NAME: usize = 28;

/// The name of a figure for people.
pub(super) fn name(set: &RowSet, measure: Measure) -> String {
    match measure {
        Measure::Loss => t!("compare.loss_of_target").to_owned(),
        Measure::Metric(metric) => set.metrics.get(metric).map(|name| label(name)).unwrap_or_default(),
    }
}

/// A win rate in words: `63 % (45 … 78), 19 of 30`.
pub(super) fn rate(rate: WinRate) -> String {
    let Some((share, (low, high))) = rate.share else { return "–".to_owned() };
    let percent = |share: f64| format!("{:.0}", 100.0 * share);
    t!(
        "compare.win_rate",
        share = percent(share),
        low = percent(low),
        high = percent(high),
        wins = rate.wins,
        of = rate.of
    )
}

/// The place of the best column by a figure, where one is better than the others.
pub(super) fn best(set: &RowSet, measure: Measure) -> Option<usize> {
    let figures: Vec<f64> = (0..set.columns.len())
        .map(|column| set.figure_of(column, measure).map(|(figure, _)| figure))
        .collect::<Option<_>>()?;
    let is_less = set.less_is_better(measure);
    let better = |a: f64, b: f64| if is_less { a < b } else { a > b };
    let best =
        (0..figures.len()).reduce(|best, next| if better(figures[next], figures[best]) { next } else { best })?;
    figures.iter().enumerate().all(|(at, &figure)| at == best || better(figures[best], figure)).then_some(best)
}

/// Draws a line for each figure, a column for each column.
pub(super) fn figures_ui(ui: &mut Ui, set: &RowSet) {
    let t = tokens(ui);
    let measures = set.measures();
    let has_votes = set.n_votes() > 0;
    if measures.is_empty() && !has_votes {
        return;
    }
    card_ui(ui, t!("compare.figures"), |ui| {
        let rows = format::count(set.rows.len());
        ui.label(RichText::new(t!("compare.figures_note", n = rows)).small().color(t.muted));
        ui.add_space(4.0);
        ScrollArea::horizontal().id_salt("set figures").show(ui, |ui| {
            Grid::new("set figures").num_columns(set.columns.len() + 1).spacing([24.0, 6.0]).show(ui, |ui| {
                ui.label("");
                for column in &set.columns {
                    let short = format::shortened(&column.name, NAME);
                    ui.label(RichText::new(short).small().color(t.muted)).on_hover_text(&column.name);
                }
                ui.end_row();
                for &measure in &measures {
                    ui.label(name(set, measure));
                    let best = best(set, measure);
                    for column in 0..set.columns.len() {
                        figure_ui(ui, set.figure_of(column, measure), best == Some(column));
                    }
                    ui.end_row();
                }
                if has_votes {
                    ui.label(t!("compare.won")).on_hover_text(t!("compare.won_help"));
                    for of in set.win_rates() {
                        ui.label(RichText::new(rate(of)).text_style(theme::small_number()));
                    }
                    ui.end_row();
                }
            });
        });
    });
}

fn figure_ui(ui: &mut Ui, figure: Option<(f64, Option<(f64, f64)>)>, is_best: bool) {
    let t = tokens(ui);
    let Some((figure, interval)) = figure else {
        ui.label("–");
        return;
    };
    ui.horizontal(|ui| {
        let text = RichText::new(number(figure)).text_style(theme::small_number());
        ui.label(if is_best { text.color(t.good) } else { text });
        if let Some((low, high)) = interval {
            ui.label(RichText::new(format!("{} … {}", number(low), number(high))).small().color(t.faint));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_win_rate_is_told_with_its_interval_and_its_counts() {
        let told = rate(WinRate { wins: 8, of: 10, share: Some((0.8, (0.490, 0.943))) });
        assert!(["80", "49", "94", "8 of 10"].iter().all(|part| told.contains(part)), "{told}");
        assert_eq!(rate(WinRate { wins: 0, of: 0, share: None }), "–");
    }
}
