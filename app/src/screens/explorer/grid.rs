//! The grid: a cell for each vector of a prefix, colored by how large it is or how far it has come.

use egui::{RichText, Ui};
use engine::analysis::{PrefixGrid, Side};
use engine::models::Site;

use super::Explorer;
use crate::action::Action;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::segmented_ui;
use crate::widgets::containers::card_ui;
use crate::widgets::field;
use crate::widgets::heatmap::{Heatmap, heatmap_ui, scale_ui};

/// The quantity that a cell's color stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// The norm of its vector.
    Norm,
    /// The norm of what training added to it.
    Change,
}

/// Between which numbers the colors run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// The least and the greatest of all cells, by their logarithms: a few large cells leave the others their colors.
    Logarithmic,
    /// The least and the greatest of each layer.
    PerLayer,
}

impl Explorer {
    pub(super) fn grid_card_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(grid) = &state.exploration.grid.answer else { return };
        card_ui(ui, t!("explorer.grid"), |ui| self.grid_ui(ui, grid, state, out));
    }

    fn grid_ui(&mut self, ui: &mut Ui, grid: &PrefixGrid, state: &State, out: &mut Vec<Action>) {
        self.color_choices_ui(ui, grid);
        let (values, _) = self.measured(grid);
        let is_change = self.is_change(grid);
        let shades = shades(values, grid.n_virtual, self.scale);
        let chosen = state.exploration.cell.map(|cell| (cell.layer, cell.position));
        let map = Heatmap { shades: &shades, rows: grid.n_layers, row_names: &[], columns: grid.n_virtual, chosen };
        // A long prefix has more columns than there is room for.
        let clicked = egui::ScrollArea::horizontal().id_salt("grid").show(ui, |ui| {
            heatmap_ui(ui, &map, |layer, position| {
                let value = values.get(layer * grid.n_virtual + position).copied().unwrap_or(f32::NAN);
                name(grid, is_change, (layer, position), value)
            })
        });
        let note = |ui: &mut Ui, text: &str| {
            ui.add(egui::Label::new(RichText::new(text).small().color(tokens(ui).muted)).wrap());
        };
        note(ui, if grid.is_prompt { t!("explorer.virtual_axes") } else { t!("explorer.axes") });
        if grid.sites.len() > 1 {
            note(ui, &sites_line(&grid.sites));
        }
        let (low, high) = ends(values.iter().copied());
        match self.scale {
            Scale::PerLayer if !grid.is_prompt => scale_ui(ui, t!("explorer.lowest"), t!("explorer.highest")),
            _ => scale_ui(ui, &format!("{low:.2}"), &format!("{high:.2}")),
        }
        note(ui, if is_change { t!("explorer.change_note") } else { t!("explorer.grid_note") });
        if let Some((layer, position)) = clicked.inner {
            out.push(self.ask(layer, position));
        }
    }

    /// Whether the change since the start is shown.
    fn is_change(&self, grid: &PrefixGrid) -> bool {
        self.measure == Measure::Change && !grid.key_change.is_empty()
    }

    /// The numbers that colors stand for, row by row, and their name.
    pub(super) fn measured<'a>(&self, grid: &'a PrefixGrid) -> (&'a [f32], &'static str) {
        let (norms, changes) = match self.side {
            Side::Key => (&grid.key_norm, &grid.key_change),
            Side::Value => (&grid.value_norm, &grid.value_change),
        };
        if self.is_change(grid) { (changes, t!("explorer.change")) } else { (norms, t!("explorer.norm")) }
    }

    fn color_choices_ui(&mut self, ui: &mut Ui, grid: &PrefixGrid) {
        ui.horizontal_wrapped(|ui| {
            if !grid.key_change.is_empty() {
                field::field_ui(ui, t!("explorer.color"), t!("explorer.color_help"), None, |ui| {
                    let names = [(Measure::Norm, t!("explorer.norm")), (Measure::Change, t!("explorer.change"))];
                    segmented_ui(ui, &mut self.measure, &names);
                });
            }
            if !grid.is_prompt {
                field::field_ui(ui, t!("explorer.scale"), t!("explorer.scale_help"), None, |ui| {
                    let names =
                        [(Scale::Logarithmic, t!("explorer.scale_log")), (Scale::PerLayer, t!("explorer.scale_layer"))];
                    segmented_ui(ui, &mut self.scale, &names);
                });
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }
}

/// Name of a cell: its place, counted from 1, and its value.
fn name(grid: &PrefixGrid, is_change: bool, (layer, position): (usize, usize), value: f32) -> String {
    let (layer, position, value) = (layer + 1, position + 1, format!("{value:.2}"));
    match (grid.is_prompt, is_change) {
        (true, false) => t!("explorer.virtual", position = position, norm = value),
        (true, true) => t!("explorer.virtual_change", position = position, norm = value),
        (false, false) => t!("explorer.cell", layer = layer, position = position, norm = value),
        (false, true) => t!("explorer.cell_change", layer = layer, position = position, norm = value),
    }
}

/// From 0 to 1, how deep the color of each cell is; NaN where the value is no number.
fn shades(values: &[f32], columns: usize, scale: Scale) -> Vec<f32> {
    let shade = |row: &[f32]| -> Vec<f32> {
        let (low, high) = ends(row.iter().copied());
        row.iter().map(|value| (value - low) / (high - low).max(1e-12)).collect()
    };
    match scale {
        Scale::PerLayer => values.chunks(columns.max(1)).flat_map(shade).collect(),
        Scale::Logarithmic => {
            // A layer without a prefix has zeros, which have no logarithm.
            let (low, _) = ends(values.iter().copied().filter(|value| *value > 0.0));
            let low = if low.is_finite() { low } else { 1.0 };
            let logarithm = |value: &f32| if value.is_finite() { value.max(low).ln() } else { f32::NAN };
            shade(&values.iter().map(logarithm).collect::<Vec<f32>>())
        }
    }
}

/// The least and the greatest number.
fn ends(values: impl Iterator<Item = f32>) -> (f32, f32) {
    let start = (f32::INFINITY, f32::NEG_INFINITY);
    values.filter(|value| value.is_finite()).fold(start, |(low, high), value| (low.min(value), high.max(value)))
}

/// Ranges of the grid's layers by site: "Encoder 1–6 · Decoder 7–12".
fn sites_line(sites: &[(Site, usize)]) -> String {
    let mut first = 1;
    let of_site = |(site, n_layers): &(Site, usize)| {
        let name = match site {
            Site::Encoder => t!("method.site_encoder"),
            Site::Decoder => t!("method.site_decoder"),
            Site::Cross => t!("method.site_cross"),
        };
        let range = format!("{name} {first}–{}", first + n_layers - 1);
        first += n_layers;
        range
    };
    sites.iter().map(of_site).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_large_cells_leave_the_others_their_colors() {
        let values = [1.0, 2.0, 4.0, 1000.0];
        let all = shades(&values, 2, Scale::Logarithmic);
        assert!(all[0] == 0.0 && all[3] == 1.0 && all[2] > 0.19, "{all:?}");
        assert_eq!(shades(&values, 2, Scale::PerLayer), [0.0, 1.0, 0.0, 1.0]);
    }

    #[test]
    fn zeros_are_the_lowest_and_what_is_no_number_has_no_color() {
        let shades = shades(&[0.0, 3.0, 9.0, f32::NAN], 4, Scale::Logarithmic);
        assert_eq!(shades[..3], [0.0, 0.0, 1.0]);
        assert!(shades[3].is_nan());
        assert!(super::shades(&[0.0; 4], 4, Scale::Logarithmic).iter().all(|shade| shade.is_finite()));
    }
}
