//! The tokens that the bias of each layer points to, beside what random vectors of its length reach.

use egui::{RichText, Ui};
use engine::analysis::{Decomposition, LayerDecomposition};

use super::super::layer;
use super::super::looking::note_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::format::compact;
use crate::screens::saving::sheet::number;
use crate::state::notices::Level;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::containers::{chip_ui, chips_ui, plain_chip_ui};

/// The logit that the first token of a random vector exceeds in about one of forty layers.
fn limit(layer: &LayerDecomposition) -> f64 {
    layer.lens_by_chance + 2.0 * layer.lens_by_chance_sd
}

/// Draws a layer after the other: its length and its tokens, gray where chance does as much.
pub(in crate::screens::explorer) fn bias_ui(ui: &mut Ui, who: &str, report: &Decomposition) {
    let t = tokens(ui);
    if report.layers.iter().all(|layer| layer.lens.is_empty()) {
        return note_ui(ui, t!("insight.no_lens"));
    }
    let beyond = |layer: &&LayerDecomposition| layer.lens.iter().any(|token| token.logit > limit(layer));
    let layers = report.layers.iter().filter(|layer| !layer.lens.is_empty());
    let (n, of) = (layers.clone().filter(beyond).count(), layers.clone().count());
    let ink = if n == 0 { t.warn } else { t.text };
    ui.add(egui::Label::new(RichText::new(t!("insight.beyond_chance", n = n, of = of)).color(ink)).wrap());
    ui.add_space(theme::SMALL_GAP);
    for layer in layers {
        let name = layer::long(&layer.name);
        let about = t!(
            "insight.bias_of",
            bias = compact(layer.bias_norm),
            out = compact(layer.out_norm),
            chance = format!("{:.1} ± {:.1}", layer.lens_by_chance, layer.lens_by_chance_sd)
        );
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().interact_size.y = 18.0;
            ui.label(RichText::new(&name).color(t.text));
            ui.label(RichText::new(about).small().color(t.muted));
        });
        chips_ui(ui, |ui| {
            for token in &layer.lens {
                let words = format!("{} {:.1}", token.text, token.logit);
                let is_beyond = token.logit > limit(layer);
                let chip = if is_beyond { chip_ui(ui, Level::Info, &words) } else { plain_chip_ui(ui, &words) };
                let help = if is_beyond { t!("insight.is_beyond") } else { t!("insight.is_within") };
                chip.on_hover_text(format!("{who}{name}: {words} · {help}"));
            }
        });
        ui.add_space(4.0);
    }
}

pub(in crate::screens::explorer) fn table(report: &Decomposition) -> (&'static [&'static str], Vec<Vec<String>>) {
    let head =
        &["layer", "bias_norm", "out_norm", "rank", "token", "text", "logit", "by_chance", "by_chance_sd", "beyond"];
    let rows = report.layers.iter().flat_map(|layer| {
        let row = |(rank, token): (usize, &engine::analysis::LensToken)| {
            vec![
                layer::short(&layer.name),
                number(layer.bias_norm),
                number(layer.out_norm),
                (rank + 1).to_string(),
                token.id.to_string(),
                token.text.clone(),
                number(token.logit),
                number(layer.lens_by_chance),
                number(layer.lens_by_chance_sd),
                (token.logit > limit(layer)).to_string(),
            ]
        };
        layer.lens.iter().enumerate().map(row).collect::<Vec<_>>()
    });
    (head, rows.collect())
}

/// The first token of each layer beside chance.
pub(in crate::screens::explorer) fn picture(report: &Decomposition, title: String) -> Picture {
    let layers: Vec<&LayerDecomposition> = report.layers.iter().filter(|layer| !layer.lens.is_empty()).collect();
    let at = |of: &dyn Fn(&LayerDecomposition) -> f64| {
        layers.iter().enumerate().map(|(at, layer)| [at as f64, of(layer)]).collect::<Vec<_>>()
    };
    let first = |layer: &LayerDecomposition| layer.lens.first().map_or(f64::NAN, |token| token.logit);
    let ends = |layer: &&LayerDecomposition| {
        let reach = 2.0 * layer.lens_by_chance_sd;
        [layer.lens_by_chance - reach, layer.lens_by_chance + reach]
    };
    let names = layers.iter().map(|layer| {
        let token = layer.lens.first().map_or("", |token| token.text.as_str());
        format!("{} {token}", layer::short(&layer.name))
    });
    let series = vec![
        Series { name: t!("insight.first_token").into(), points: at(&first), mark: Mark::Points, ..Series::default() },
        Series {
            name: t!("insight.random_vectors").into(),
            points: at(&|layer| layer.lens_by_chance),
            band: layers.iter().map(ends).collect(),
            mark: Mark::Points,
        },
    ];
    let y = Axis { names: names.collect(), ..Axis::default() };
    let x = Axis { label: t!("insight.axis_logit").to_owned(), ..Axis::default() };
    // Names stand beside each other downward: numbers go to the right.
    let turned =
        |series: Series| Series { points: series.points.iter().map(|[at, value]| [*value, *at]).collect(), ..series };
    Picture::Chart(Chart { title, x, y, series: series.into_iter().map(turned).collect() })
}

#[cfg(test)]
mod tests {
    use engine::analysis::LensToken;

    use super::*;

    #[test]
    fn a_token_is_beyond_chance_above_two_deviations_of_random_vectors() {
        let token = |logit| LensToken { text: "a".into(), id: 7, logit };
        let layer = LayerDecomposition {
            name: "blocks.0.attn.hook_pattern".into(),
            lens: vec![token(5.1), token(4.9)],
            lens_by_chance: 4.0,
            lens_by_chance_sd: 0.5,
            ..LayerDecomposition::default()
        };
        let report = Decomposition { layers: vec![layer], ..Decomposition::default() };
        let (head, rows) = table(&report);
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows.iter().map(|row| row[9].as_str()).collect::<Vec<_>>(), ["true", "false"]);
        let Picture::Chart(chart) = picture(&report, String::new()) else { panic!("a chart") };
        assert_eq!((chart.series[0].points[0], chart.series[1].band[0]), ([5.1, 0.0], [3.0, 5.0]));
    }
}
