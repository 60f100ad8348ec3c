//! How probable the token that comes is to each layer, with the adapter and without.

use egui::{RichText, Ui};
use engine::analysis::{LensLayer, LensReport};

use super::super::layer;
use super::super::lines::legend_ui;
use super::super::looking::note_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::tokens;
use crate::widgets::chart_plot::{Look, Plotted, chart_ui};

const HEIGHT: f32 = 260.0;

/// Draws the plot; the pointer finds a layer and its numbers.
pub(in crate::screens::explorer) fn layers_ui(ui: &mut Ui, who: &str, report: &LensReport) {
    let t = tokens(ui);
    let chart = chart(report, String::new());
    let look = |color| Look { color, width: 2.0, radius: 4.0, dashed: false, found: true };
    let label = format!("{who}{}", t!("insight.layers_plot"));
    let plotted = Plotted {
        label: &label,
        key: "",
        chart: &chart,
        looks: &[look(t.accent), look(t.second)],
        height: HEIGHT,
        empty: t!("insight.no_layers"),
    };
    ui.horizontal_wrapped(|ui| {
        legend_ui(ui, t.accent, t!("insight.with"));
        legend_ui(ui, t.second, t!("insight.without"));
    });
    chart_ui(ui, plotted, |_, at| report.layers.get(at).map_or(String::new(), sentence));
    note_ui(ui, &t!("insight.positions", n = format::count(report.positions)));
    if let Some(last) = report.layers.last() {
        ui.add(egui::Label::new(RichText::new(sentence(last)).color(t.text)).wrap());
    }
}

fn sentence(found: &LensLayer) -> String {
    let place = layer::long(&found.name);
    let (with, without, kl) =
        (format!("{:.3}", found.with), format!("{:.3}", found.without), format!("{:.3}", found.kl));
    t!("insight.layer_words", layer = place, with = with, without = without, kl = kl)
}

fn chart(report: &LensReport, title: String) -> Chart {
    let points = |of: fn(&LensLayer) -> f64| {
        report.layers.iter().enumerate().map(|(at, layer)| [(at + 1) as f64, of(layer)]).collect::<Vec<_>>()
    };
    let series =
        |name: &str, points| Series { name: name.into(), points, mark: Mark::LineAndPoints, ..Series::default() };
    Chart {
        title,
        x: Axis { label: t!("insight.axis_layer").to_owned(), ..Axis::default() },
        y: Axis { label: t!("insight.axis_log_probability").to_owned(), ..Axis::default() },
        series: vec![
            series(t!("insight.with"), points(|layer| layer.with)),
            series(t!("insight.without"), points(|layer| layer.without)),
        ],
    }
}

pub(in crate::screens::explorer) fn table(report: &LensReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let row = |found: &LensLayer| {
        vec![layer::short(&found.name), number(found.with), number(found.without), number(found.kl)]
    };
    (&["layer", "with", "without", "kl"], report.layers.iter().map(row).collect())
}

pub(in crate::screens::explorer) fn picture(report: &LensReport, title: String) -> Picture {
    Picture::Chart(chart(report, title))
}
