//! The logit lens: what each layer would say next at each position, with the adapter and without.

use egui::{RichText, ScrollArea, Ui};
use engine::analysis::{Analysis, LensCell, LensReport};

use super::super::layer;
use super::super::looking::{Choices, note_ui};
use super::super::shade::Range;
use super::super::views::{Answered, of_kind};
use crate::charts::{HeatMap, Picture};
use crate::format::compact;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::field;
use crate::widgets::heatmap::scale_ui;
use crate::widgets::token_grid::{TokenGrid, token_grid_ui};

/// The answer if it is of this kind.
fn lens(analysis: &Analysis) -> Option<&LensReport> {
    match analysis {
        Analysis::Lens(report) => Some(report),
        _ => None,
    }
}

pub(in crate::screens::explorer) fn choices_ui(ui: &mut Ui, choices: &mut Choices) {
    field::field_ui(ui, t!("insight.lens_shows"), "", None, |ui| {
        let names = [(false, t!("insight.with")), (true, t!("insight.without"))];
        segmented_ui(ui, &mut choices.lens_without, &names);
    });
    ui.add_space(theme::SMALL_GAP);
}

/// The cell of a layer at a position.
fn cell(report: &LensReport, (row, column): (usize, usize)) -> Option<&LensCell> {
    report.layers.get(row)?.cells.get(column)
}

/// Draws the grid, and the cell that was clicked in words.
pub(in crate::screens::explorer) fn lens_ui(
    ui: &mut Ui,
    choices: &mut Choices,
    who: &str,
    report: &LensReport,
    all: &[Answered<'_>],
) {
    let cells = of_kind(all, lens).flat_map(|report| &report.layers).flat_map(|layer| &layer.cells);
    let range = Range::from_zero(cells.map(|cell| cell.kl));
    let shown = |cell: &LensCell| if choices.lens_without { cell.without.0.clone() } else { cell.with.0.clone() };
    let place = |row, column| cell(report, (row, column));
    let every = (0..report.layers.len()).flat_map(|row| (0..report.texts.len()).map(move |column| (row, column)));
    let words: Vec<(String, f32)> = every
        .map(|(row, column)| {
            place(row, column).map_or((String::new(), f32::NAN), |cell| (shown(cell), range.shade(cell.kl)))
        })
        .collect();
    let drawn: Vec<(&str, f32)> = words.iter().map(|(text, shade)| (text.as_str(), *shade)).collect();
    let rows: Vec<String> = report.layers.iter().map(|layer| layer::short(&layer.name)).collect();
    let grid = TokenGrid { cells: &drawn, rows: &rows, columns: &report.texts, chosen: choices.lens_cell };
    let clicked = ScrollArea::horizontal()
        .id_salt("lens")
        .show(ui, |ui| token_grid_ui(ui, &grid, |row, column| format!("{who}{}", sentence(report, (row, column)))));
    choices.lens_cell = clicked.inner.or(choices.lens_cell);
    note_ui(ui, t!("insight.lens_axes"));
    scale_ui(ui, "KL 0", &format!("{} nats", compact(range.high)));
    match choices.lens_cell.filter(|place| cell(report, *place).is_some()) {
        Some(place) => {
            let line = RichText::new(sentence(report, place)).color(tokens(ui).text);
            ui.add(egui::Label::new(line).wrap());
        }
        None => note_ui(ui, t!("insight.click_lens")),
    }
}

/// A cell in words: what is said behind which token, with the adapter and without.
fn sentence(report: &LensReport, place: (usize, usize)) -> String {
    let Some(cell) = cell(report, place) else { return String::new() };
    let probability = |p: f64| format!("{:.1}", 100.0 * p);
    t!(
        "insight.lens_cell",
        layer = layer::long(&report.layers[place.0].name),
        behind = report.texts.get(place.1).map_or("", String::as_str),
        with = cell.with.0,
        p_with = probability(cell.with.1),
        without = cell.without.0,
        p_without = probability(cell.without.1),
        kl = format!("{:.3}", cell.kl)
    )
}

pub(in crate::screens::explorer) fn table(report: &LensReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let head = &["layer", "position", "behind", "kl", "with", "p_with", "without", "p_without"];
    let rows = report.layers.iter().flat_map(|layer| {
        let row = |(at, (cell, text)): (usize, (&LensCell, &String))| {
            vec![
                layer::short(&layer.name),
                (at + 1).to_string(),
                text.clone(),
                number(cell.kl),
                cell.with.0.clone(),
                number(cell.with.1),
                cell.without.0.clone(),
                number(cell.without.1),
            ]
        };
        layer.cells.iter().zip(&report.texts).enumerate().map(row).collect::<Vec<_>>()
    });
    (head, rows.collect())
}

pub(in crate::screens::explorer) fn picture(report: &LensReport, title: String) -> Picture {
    let columns = report.texts.len();
    let of = |layer: &engine::analysis::LensLayer, at: usize| layer.cells.get(at).map_or(f64::NAN, |cell| cell.kl);
    let values = report.layers.iter().flat_map(|layer| (0..columns).map(move |at| of(layer, at)));
    Picture::Heat(HeatMap {
        title: format!("{title} · KL"),
        x: t!("insight.axis_position").to_owned(),
        y: t!("insight.axis_layer").to_owned(),
        columns,
        values: values.collect(),
    })
}
