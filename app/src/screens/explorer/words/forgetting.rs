//! What an adapter costs on texts that have nothing to do with its task: loss and KL by its strength.

use egui::Ui;
use engine::analysis::{AtStrength, Forgetting};

use super::super::lines::{legend_ui, sentence_ui, signed, title_ui};
use super::super::looking::note_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::tokens;
use crate::widgets::chart_plot::{Look, Plotted, chart_ui};

const HEIGHT: f32 = 220.0;

/// Draws the loss, then KL, by strength; the adapter as it was trained in words.
pub(in crate::screens::explorer) fn forgetting_ui(ui: &mut Ui, who: &str, report: &Forgetting) {
    let t = tokens(ui);
    let trained = report.points.iter().find(|point| (point.strength - 1.0).abs() < 1e-9);
    if let Some(point) = trained {
        sentence_ui(ui, &format!("{who}{}", said(point)));
        sentence_ui(ui, verdict(point));
    }
    title_ui(ui, t!("insight.loss_by_strength"));
    ui.horizontal_wrapped(|ui| {
        legend_ui(ui, t.accent, t!("insight.with"));
        legend_ui(ui, t.second, t!("insight.base_loss"));
    });
    let line = Look { color: t.accent, width: 2.0, radius: 4.0, dashed: false, found: true };
    let base = Look { color: t.second, width: 1.5, radius: 0.0, dashed: true, found: false };
    let words = |at: usize| report.points.get(at).map_or(String::new(), said);
    let loss = loss_chart(report, String::new());
    let label = format!("{who}{}", t!("insight.loss_by_strength"));
    let plotted = Plotted { label: &label, key: "", chart: &loss, looks: &[line, base], height: HEIGHT, empty: "" };
    chart_ui(ui, plotted, |_, at| words(at));
    title_ui(ui, t!("insight.kl_by_strength"));
    let kl = kl_chart(report);
    let label = format!("{who}{}", t!("insight.kl_by_strength"));
    let plotted = Plotted { label: &label, key: "", chart: &kl, looks: &[line], height: HEIGHT, empty: "" };
    chart_ui(ui, plotted, |_, at| words(at));
    if !report.left_out.is_empty() {
        let strengths: Vec<String> = report.left_out.iter().map(f64::to_string).collect();
        note_ui(ui, &t!("insight.no_strength", strengths = strengths.join(", ")));
    }
    let (base, tokens) = (format::figure(report.base_loss), format::count(report.tokens));
    note_ui(ui, &t!("insight.forgetting_texts", texts = report.texts, tokens = tokens, base = base));
}

fn said(point: &AtStrength) -> String {
    t!(
        "insight.at_strength",
        strength = point.strength,
        loss = format::figure(point.loss),
        rise = signed(point.rise),
        se = format::figure(point.rise_se),
        kl = format::figure(point.kl)
    )
}

/// What two standard errors allow to say.
fn verdict(point: &AtStrength) -> &'static str {
    match point.rise {
        rise if rise > 2.0 * point.rise_se => t!("insight.costs"),
        rise if rise < -2.0 * point.rise_se => t!("insight.gains_elsewhere"),
        _ => t!("insight.costs_nothing"),
    }
}

fn strength_axis() -> Axis {
    Axis { label: t!("insight.axis_strength").to_owned(), ..Axis::default() }
}

/// The loss with two standard errors of its rise, and the base model's.
fn loss_chart(report: &Forgetting, title: String) -> Chart {
    let points = report.points.iter().map(|point| [point.strength, point.loss]).collect();
    let band = report.points.iter().map(|point| {
        let reach = 2.0 * point.rise_se;
        [point.loss - reach, point.loss + reach]
    });
    let band = band.collect();
    let with = Series { name: t!("insight.with").into(), points, band, mark: Mark::LineAndPoints };
    let base = report.points.iter().map(|point| [point.strength, report.base_loss]).collect();
    let base = Series { name: t!("insight.base_loss").into(), points: base, ..Series::default() };
    let y = Axis { label: t!("insight.axis_loss_per_token").to_owned(), ..Axis::default() };
    Chart { title, x: strength_axis(), y, series: vec![with, base] }
}

fn kl_chart(report: &Forgetting) -> Chart {
    let points = report.points.iter().map(|point| [point.strength, point.kl]).collect();
    let series = Series { name: "KL".into(), points, mark: Mark::LineAndPoints, ..Series::default() };
    let y = Axis { label: t!("insight.axis_kl").to_owned(), ..Axis::default() };
    Chart { x: strength_axis(), y, series: vec![series], ..Chart::default() }
}

pub(in crate::screens::explorer) fn table(report: &Forgetting) -> (&'static [&'static str], Vec<Vec<String>>) {
    let row = |point: &AtStrength| {
        let numbers = [point.strength, point.loss, point.rise, point.rise_se, point.kl, report.base_loss];
        numbers.map(number).to_vec()
    };
    (&["strength", "loss", "rise", "rise_se", "kl", "base_loss"], report.points.iter().map(row).collect())
}

pub(in crate::screens::explorer) fn picture(report: &Forgetting, title: String) -> Picture {
    Picture::Chart(loss_chart(report, title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_within_two_standard_errors_is_none() {
        let at = |rise| AtStrength { strength: 1.0, loss: 3.0, rise, rise_se: 0.1, kl: 0.2 };
        assert_eq!(verdict(&at(0.15)), verdict(&at(-0.15)));
        assert_ne!(verdict(&at(0.25)), verdict(&at(0.15)));
        assert_ne!(verdict(&at(0.25)), verdict(&at(-0.25)));
        let report = Forgetting { points: vec![at(0.25)], base_loss: 2.75, ..Forgetting::default() };
        let chart = loss_chart(&report, String::new());
        assert_eq!((chart.series[0].band[0], chart.series[1].points[0]), ([2.8, 3.2], [1.0, 2.75]));
        assert_eq!(table(&report).1, [["1", "3", "0.25", "0.1", "0.2", "2.75"]]);
    }
}
