//! Attention on the prefix under a text: its tokens, each as deep as the share that it pays to the slots.

use egui::Ui;
use engine::analysis::Decomposition;

use super::super::layer;
use super::super::looking::{Choices, note_ui, small_field_ui};
use super::super::shade::Range;
use super::super::views::{Answered, of_kind};
use super::heads::decomposition;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::screens::saving::sheet::number;
use crate::t;
use crate::widgets::field;
use crate::widgets::heatmap::scale_ui;
use crate::widgets::shaded_tokens::shaded_tokens_ui;

pub(in crate::screens::explorer) fn choices_ui(ui: &mut Ui, choices: &mut Choices, report: &Decomposition) {
    let mut layers = vec![(None, t!("insight.all_layers").to_owned())];
    layers.extend(report.layers.iter().enumerate().map(|(at, found)| (Some(at), layer::long(&found.name))));
    small_field_ui(ui, t!("insight.of_layer"), |ui| {
        field::choice_ui(ui, "layer of the tokens", &mut choices.token_layer, &layers);
    });
}

/// The mass at each token of the first row; of a layer that is not there, and of none, the mean over layers.
fn masses(layer: Option<usize>, report: &Decomposition) -> Vec<f64> {
    let one = layer.and_then(|layer| report.layers.get(layer));
    if let Some(layer) = one {
        return layer.mass_of_tokens.clone();
    }
    let n = report.layers.len().max(1) as f64;
    let mean = |token: usize| report.layers.iter().filter_map(|layer| layer.mass_of_tokens.get(token)).sum::<f64>() / n;
    (0..report.texts.len()).map(mean).collect()
}

/// Draws the tokens.
pub(in crate::screens::explorer) fn tokens_ui(
    ui: &mut Ui,
    choices: &Choices,
    who: &str,
    report: &Decomposition,
    all: &[Answered<'_>],
) {
    let of = |report: &Decomposition| masses(choices.token_layer, report);
    let range = Range::from_zero(of_kind(all, decomposition).flat_map(of));
    let values = of(report);
    let shaded = |(text, value): (&String, &f64)| (text.clone(), range.shade(*value));
    let owned: Vec<(String, f32)> = report.texts.iter().zip(&values).map(shaded).collect();
    let tokens: Vec<(&str, f32)> = owned.iter().map(|(text, shade)| (text.as_str(), *shade)).collect();
    shaded_tokens_ui(ui, &tokens, |at| {
        let share = format!("{:.1}", 100.0 * values[at]);
        format!("{who}{}", t!("insight.token_share", token = report.texts[at], share = share))
    });
    scale_ui(ui, "0 %", &format!("{:.1} %", 100.0 * range.high));
    note_ui(ui, &t!("insight.tokens_chance", slots = report.n_virtual));
}

pub(in crate::screens::explorer) fn table(report: &Decomposition) -> (&'static [&'static str], Vec<Vec<String>>) {
    let rows = report.layers.iter().flat_map(|layer| {
        let tokens = report.texts.iter().zip(&layer.mass_of_tokens).enumerate();
        let row = |(at, (text, mass)): (usize, (&String, &f64))| {
            vec![layer::short(&layer.name), (at + 1).to_string(), text.clone(), number(*mass)]
        };
        tokens.map(row).collect::<Vec<_>>()
    });
    (&["layer", "token", "text", "mass"], rows.collect())
}

pub(in crate::screens::explorer) fn picture(choices: &Choices, report: &Decomposition, title: String) -> Picture {
    let points = masses(choices.token_layer, report).into_iter().enumerate();
    let series = Series {
        name: String::new(),
        points: points.map(|(at, mass)| [at as f64, 100.0 * mass]).collect(),
        band: Vec::new(),
        mark: Mark::Bars,
    };
    let x = Axis { names: report.texts.clone(), ..Axis::default() };
    let y = Axis { label: t!("insight.axis_mass").to_owned(), ..Axis::default() };
    Picture::Chart(Chart { title, x, y, series: vec![series] })
}

#[cfg(test)]
mod tests {
    use engine::analysis::LayerDecomposition;

    use super::*;

    #[test]
    fn without_a_layer_the_mean_over_layers_is_shown() {
        let layer =
            |mass: [f64; 2]| LayerDecomposition { mass_of_tokens: mass.to_vec(), ..LayerDecomposition::default() };
        let layers = vec![layer([0.5, 1.0]), layer([0.25, 0.0])];
        let report = Decomposition { layers, texts: vec!["a".into(), "b".into()], ..Decomposition::default() };
        assert_eq!(masses(Some(1), &report), [0.25, 0.0]);
        assert_eq!(masses(None, &report), [0.375, 0.5]);
        assert_eq!(masses(Some(9), &report), [0.375, 0.5], "another model has fewer layers");
    }
}
