//! How alike slots are: to each other in a layer, to themselves in other layers, to those of the adapter beside.

use egui::{ScrollArea, Ui};
use engine::analysis::{Analysis, LayerMatch, LayerSimilarity, PrefixGrid, SimilarityReport};

use super::super::layer;
use super::super::lines::{Line, line_ui, sentence_ui, title_ui};
use super::super::looking::{Choices, note_ui};
use super::super::shade::Range;
use super::super::views::{Answered, of_kind};
use super::side_ui;
use crate::charts::{HeatMap, Picture};
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::field;
use crate::widgets::heatmap::{Heatmap, heatmap_ui, scale_ui};

/// The two that a cosine is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::screens::explorer) enum Compared {
    /// Two slots of a layer.
    #[default]
    Slots,
    /// A slot and itself, in two layers.
    Layers,
    /// A slot and one of the other adapter.
    Other,
}

/// Draws what vectors are compared, and from where they are measured.
pub(in crate::screens::explorer) fn asking_ui(ui: &mut Ui, choices: &mut Choices, grid: &PrefixGrid) {
    ui.horizontal_wrapped(|ui| {
        side_ui(ui, choices, grid);
        field::field_ui(ui, t!("insight.origin"), t!("insight.origin_help"), None, |ui| {
            let names = [(false, t!("insight.from_mean")), (true, t!("insight.as_is"))];
            segmented_ui(ui, &mut choices.is_raw, &names);
        });
    });
    ui.add_space(theme::SMALL_GAP);
}

pub(in crate::screens::explorer) fn choices_ui(ui: &mut Ui, choices: &mut Choices, report: &SimilarityReport) {
    let mut names = vec![(Compared::Slots, t!("insight.two_slots")), (Compared::Layers, t!("insight.two_layers"))];
    if !report.other.is_empty() {
        names.push((Compared::Other, t!("insight.with_other")));
    }
    if report.layers.len() > 1 || names.len() > 2 {
        field::field_ui(ui, t!("insight.compared"), "", None, |ui| segmented_ui(ui, &mut choices.compared, &names));
        ui.add_space(theme::SMALL_GAP);
    }
}

/// The answer if it is of this kind.
fn similarity(analysis: &Analysis) -> Option<&SimilarityReport> {
    match analysis {
        Analysis::Similarity(report) => Some(report),
        _ => None,
    }
}

/// The cosines that are shown, row by row. Those of something with itself, which are 1 whatever there is, have no number.
fn shown<'a>(choices: &Choices, report: &'a SimilarityReport) -> (&'a [Vec<f64>], bool) {
    match choices.compared {
        Compared::Layers => (&report.across, true),
        Compared::Other if !report.other.is_empty() => {
            (matched(choices, report).map_or(&[][..], |found| &found.cosines), false)
        }
        Compared::Slots | Compared::Other => (own(choices, report).map_or(&[][..], |layer| &layer.cosines), true),
    }
}

fn own<'a>(choices: &Choices, report: &'a SimilarityReport) -> Option<&'a LayerSimilarity> {
    report.layers.get(choices.similar_row).or(report.layers.last())
}

fn matched<'a>(choices: &Choices, report: &'a SimilarityReport) -> Option<&'a LayerMatch> {
    let name = &own(choices, report)?.name;
    report.other.iter().find(|found| found.name == *name)
}

/// The numbers that color is over: all but those of something with itself.
fn flat(choices: &Choices, report: &SimilarityReport) -> Vec<f64> {
    let (rows, is_square) = shown(choices, report);
    let at = |(row, values): (usize, &Vec<f64>)| {
        let value = |(column, value): (usize, &f64)| if is_square && row == column { f64::NAN } else { *value };
        values.iter().enumerate().map(value).collect::<Vec<_>>()
    };
    rows.iter().enumerate().flat_map(at).collect()
}

/// Draws the matrix, and the layers beside chance, one of which is clicked to see its matrix.
pub(in crate::screens::explorer) fn similarity_ui(
    ui: &mut Ui,
    choices: &mut Choices,
    who: &str,
    report: &SimilarityReport,
    all: &[Answered<'_>],
) {
    let range = Range::over(of_kind(all, similarity).flat_map(|report| flat(choices, report)));
    let (rows, is_square) = shown(choices, report);
    let columns = rows.first().map_or(0, Vec::len);
    let is_layers = choices.compared == Compared::Layers;
    let place = own(choices, report).map_or(String::new(), |layer| layer::long(&layer.name));
    if !is_layers {
        title_ui(ui, &place);
    }
    let shades: Vec<f32> = flat(choices, report).iter().map(|value| range.shade(*value)).collect();
    // The deepest is what is the same.
    let shades: Vec<f32> = shades
        .iter()
        .enumerate()
        .map(|(at, shade)| if is_square && at / columns.max(1) == at % columns.max(1) { 1.0 } else { *shade })
        .collect();
    let row_names: Vec<String> = match is_layers {
        true => report.layers.iter().map(|layer| layer::short(&layer.name)).collect(),
        false => (0..rows.len()).map(|slot| (slot + 1).to_string()).collect(),
    };
    let map = Heatmap { shades: &shades, rows: rows.len(), row_names: &row_names, columns, chosen: choices.similar };
    let said = |row: usize, column: usize| {
        let cosine = cosine(rows.get(row).and_then(|row| row.get(column)).copied());
        match is_layers {
            true => {
                let name = |at: usize| report.layers.get(at).map_or(String::new(), |layer| layer::long(&layer.name));
                t!("insight.layers_cosine", first = name(row), second = name(column), cosine = cosine)
            }
            false if is_square => t!("insight.slots_cosine", first = row + 1, second = column + 1, cosine = cosine),
            false => t!("insight.other_cosine", first = row + 1, second = column + 1, cosine = cosine),
        }
    };
    let clicked = ScrollArea::horizontal()
        .id_salt("similarity")
        .show(ui, |ui| heatmap_ui(ui, &map, |row, column| format!("{who}{}", said(row, column))));
    choices.similar = clicked.inner.or(choices.similar);
    note_ui(ui, if is_layers { t!("insight.similar_layers_axes") } else { t!("insight.similar_axes") });
    scale_ui(ui, &cosine(Some(range.low)), &cosine(Some(range.high)));
    if let Some((row, column)) = choices.similar.filter(|(row, column)| *row < rows.len() && *column < columns) {
        sentence_ui(ui, &said(row, column));
    }
    if is_layers {
        let chance = report.across_by_chance;
        note_ui(ui, &t!("insight.across_chance", mean = cosine(Some(chance.mean)), sd = spread(chance.sd)));
        return;
    }
    if !is_square {
        other_ui(ui, choices, report);
    }
    layers_ui(ui, choices, who, report);
}

/// The layers beside what two tokens have; a click shows its matrix.
fn layers_ui(ui: &mut Ui, choices: &mut Choices, who: &str, report: &SimilarityReport) {
    title_ui(ui, t!("insight.by_layer_and_chance"));
    let most = report.layers.iter().map(|layer| layer.pairs.mean.abs()).fold(1e-9, f64::max);
    let chosen = own(choices, report).map(|layer| layer.layer);
    let (accent, faint) = (tokens(ui).accent, tokens(ui).faint);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for (row, found) in report.layers.iter().enumerate() {
            let (mean, sd) = (cosine(Some(found.pairs.mean)), spread(found.pairs.sd));
            let (token, token_sd) = (cosine(Some(found.by_chance.mean)), spread(found.by_chance.sd));
            let is_beyond = (found.pairs.mean - found.by_chance.mean).abs() > 2.0 * found.by_chance.sd;
            let numbers = format!("{mean} ± {sd}  {token} ± {token_sd}");
            let name = layer::long(&found.name);
            let label =
                t!("insight.similar_layer", layer = name, mean = mean, sd = sd, token = token, token_sd = token_sd);
            let line = Line {
                name: &name,
                wide: 110.0,
                share: (found.pairs.mean.abs() / most) as f32,
                numbers: &numbers,
                room: 260.0,
                color: if is_beyond { accent } else { faint },
                is_chosen: chosen == Some(found.layer),
                is_button: true,
                label: &format!("{who}{label}"),
            };
            if line_ui(ui, &line).clicked() {
                choices.similar_row = row;
            }
        }
    });
    note_ui(ui, t!("insight.similar_layer_note"));
}

/// The pairs with the other adapter, in words.
fn other_ui(ui: &mut Ui, choices: &Choices, report: &SimilarityReport) {
    let Some(found) = matched(choices, report) else { return };
    let chance = found.matched_by_chance;
    let line = t!(
        "insight.matched",
        matched = cosine(Some(found.matched)),
        chance = cosine(Some(chance.mean)),
        sd = spread(chance.sd),
        position = cosine(Some(found.by_position))
    );
    sentence_ui(ui, &line);
    if let (Some(cka), Some(matched)) = (found.cka, found.cka_matched) {
        let chance = found
            .cka_by_chance
            .map_or("–".to_owned(), |chance| format!("{} ± {}", spread(chance.mean), spread(chance.sd)));
        sentence_ui(ui, &t!("insight.cka", cka = spread(cka), matched = spread(matched), chance = chance));
    }
    let pairs: Vec<String> = found.pairs.iter().map(|pair| format!("{} → {}", pair.slot + 1, pair.other + 1)).collect();
    note_ui(ui, &t!("insight.matched_pairs", pairs = pairs.join(", ")));
}

fn cosine(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or("–".to_owned(), |value| format!("{value:+.2}"))
}

fn spread(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "–".to_owned() }
}

pub(in crate::screens::explorer) fn table(
    choices: &Choices,
    report: &SimilarityReport,
) -> (&'static [&'static str], Vec<Vec<String>>) {
    let (cosines, _) = shown(choices, report);
    let is_layers = choices.compared == Compared::Layers;
    let layer = own(choices, report).filter(|_| !is_layers).map_or("all".to_owned(), |one| layer::short(&one.name));
    let named = |at: usize| match report.layers.get(at).filter(|_| is_layers) {
        Some(one) => layer::short(&one.name),
        None => (at + 1).to_string(),
    };
    let rows = cosines.iter().enumerate().flat_map(|(row, values)| {
        let cell = |(column, value): (usize, &f64)| vec![layer.clone(), named(row), named(column), number(*value)];
        values.iter().enumerate().map(cell).collect::<Vec<_>>()
    });
    (&["layer", "first", "second", "cosine"], rows.collect())
}

pub(in crate::screens::explorer) fn picture(choices: &Choices, report: &SimilarityReport, title: String) -> Picture {
    let (rows, _) = shown(choices, report);
    let is_layers = choices.compared == Compared::Layers;
    let axis = if is_layers { t!("insight.axis_layer") } else { t!("insight.axis_slot") };
    let place = own(choices, report).filter(|_| !is_layers).map_or(String::new(), |layer| layer::long(&layer.name));
    Picture::Heat(HeatMap {
        title: if place.is_empty() { title } else { format!("{title} · {place}") },
        x: axis.to_owned(),
        y: axis.to_owned(),
        columns: rows.first().map_or(0, Vec::len),
        values: rows.concat(),
    })
}

#[cfg(test)]
mod tests {
    use engine::analysis::{Side, Spread};

    use super::*;

    fn report() -> SimilarityReport {
        let layer = |layer: usize, cosine: f64| LayerSimilarity {
            layer,
            name: format!("blocks.{layer}"),
            cosines: vec![vec![1.0, cosine], vec![cosine, 1.0]],
            pairs: Spread::default(),
            by_chance: Spread::default(),
        };
        SimilarityReport {
            side: Side::Key,
            is_prompt: false,
            is_centered: true,
            layers: vec![layer(0, 0.25), layer(1, 0.5)],
            across: vec![vec![1.0, 0.75], vec![0.75, 1.0]],
            across_by_chance: Spread::default(),
            other: Vec::new(),
        }
    }

    #[test]
    fn what_is_the_same_has_no_part_in_the_colors_and_a_layer_that_is_not_there_is_the_last() {
        let choices = Choices { similar_row: 7, ..Choices::default() };
        let values = flat(&choices, &report());
        assert!(values[0].is_nan() && values[3].is_nan());
        assert_eq!(values[1..3], [0.5, 0.5]);
        assert_eq!(table(&choices, &report()).1[1], ["2", "1", "2", "0.5"]);
    }

    #[test]
    fn without_another_adapter_slots_are_compared_with_each_other() {
        let choices = Choices { compared: Compared::Other, ..Choices::default() };
        assert_eq!(shown(&choices, &report()).0[0][1], 0.25);
        let choices = Choices { compared: Compared::Layers, ..Choices::default() };
        assert_eq!(table(&choices, &report()).1[1], ["all", "1", "2", "0.75"]);
    }
}
