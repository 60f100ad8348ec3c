//! What fewer slots of a prefix cost: the most important ones alone, and as many that are fitted to do what all did.

use egui::Ui;
use engine::analysis::{Shortened, ShorterReport};

use super::super::lines::{legend_ui, sentence_ui, signed, title_ui};
use super::super::looking::note_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::tokens;
use crate::widgets::chart_plot::{Look, Plotted, chart_ui};

const HEIGHT: f32 = 220.0;

/// Draws the losses by the number of slots, and the fewest fitted ones that cost little in words.
pub(in crate::screens::explorer) fn shorter_ui(ui: &mut Ui, who: &str, report: &ShorterReport) {
    let t = tokens(ui);
    if let Some(size) = cheapest(report) {
        let loss = format::figure(size.matched);
        sentence_ui(ui, &t!("insight.shorter_cheap", n = size.slots, of = report.n_slots, loss = loss));
    }
    title_ui(ui, t!("insight.shorter_plot"));
    ui.horizontal_wrapped(|ui| {
        legend_ui(ui, t.accent, t!("insight.fitted_slots"));
        legend_ui(ui, t.second, t!("insight.best_slots"));
    });
    let look = |color, dashed| Look { color, width: 2.0, radius: 4.0, dashed, found: true };
    let chart = chart(report, String::new());
    let label = format!("{who}{}", t!("insight.shorter_plot"));
    let looks = [look(t.accent, false), look(t.second, true)];
    let plotted = Plotted { label: &label, key: "", chart: &chart, looks: &looks, height: HEIGHT, empty: "" };
    chart_ui(ui, plotted, |_, at| by_slots(report).get(at).map_or(String::new(), |size| said(report, size)));
    for size in &report.sizes {
        note_ui(ui, &said(report, size));
    }
    let (loss, rows) = (format::figure(report.loss), format::count(report.rows));
    note_ui(ui, &t!("insight.shorter_rows", loss = loss, rows = rows, labels = format::count(report.labels)));
}

/// The fewest fitted slots whose loss is at most 1 % above that of all.
fn cheapest(report: &ShorterReport) -> Option<&Shortened> {
    let costs_little = |size: &&Shortened| size.matched - report.loss <= 0.01 * report.loss.abs();
    report.sizes.iter().filter(costs_little).min_by_key(|size| size.slots)
}

/// The sizes with all slots at the end, as the chart has them.
fn by_slots(report: &ShorterReport) -> Vec<Shortened> {
    let all = Shortened { slots: report.n_slots, pruned: report.loss, matched: report.loss, ..Shortened::default() };
    let mut sizes: Vec<Shortened> = report.sizes.iter().cloned().chain([all]).collect();
    sizes.sort_by_key(|size| size.slots);
    sizes
}

fn said(report: &ShorterReport, size: &Shortened) -> String {
    t!(
        "insight.shorter_point",
        n = size.slots,
        fitted = format::figure(size.matched),
        change = signed(size.matched - report.loss),
        best = format::figure(size.pruned),
        best_change = signed(size.pruned - report.loss)
    )
}

fn chart(report: &ShorterReport, title: String) -> Chart {
    let sizes = by_slots(report);
    let series = |name: &str, of: fn(&Shortened) -> f64| {
        let points = sizes.iter().map(|size| [size.slots as f64, of(size)]).collect();
        Series { name: name.to_owned(), points, mark: Mark::LineAndPoints, ..Series::default() }
    };
    let fitted = series(t!("insight.fitted_slots"), |size| size.matched);
    let best = series(t!("insight.best_slots"), |size| size.pruned);
    Chart {
        title,
        x: Axis { label: t!("insight.axis_slots_kept").to_owned(), ..Axis::default() },
        y: Axis { label: t!("insight.axis_loss").to_owned(), ..Axis::default() },
        series: vec![fitted, best],
    }
}

pub(in crate::screens::explorer) fn table(report: &ShorterReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let row = |size: &Shortened| {
        let mut row = vec![size.slots.to_string()];
        row.extend([size.matched, size.pruned, report.loss, size.error, size.error_unfitted].map(number));
        row
    };
    (&["slots", "fitted", "best", "all", "error", "error_unfitted"], report.sizes.iter().map(row).collect())
}

pub(in crate::screens::explorer) fn picture(report: &ShorterReport, title: String) -> Picture {
    Picture::Chart(chart(report, title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_that_cost_little_are_named_and_the_chart_ends_with_all() {
        let size = |slots, matched| Shortened { slots, matched, pruned: 4.0, ..Shortened::default() };
        let report = ShorterReport {
            loss: 2.0,
            n_slots: 16,
            sizes: vec![size(8, 2.01), size(4, 2.015), size(2, 2.5)],
            ..ShorterReport::default()
        };
        assert_eq!(cheapest(&report).map(|size| size.slots), Some(4));
        let chart = chart(&report, String::new());
        assert_eq!((chart.series[0].points[0], chart.series[1].points[3]), ([2.0, 2.5], [16.0, 2.0]));
        let (head, rows) = table(&report);
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows[2][..4], ["2", "2.5", "4", "2"]);
    }
}
