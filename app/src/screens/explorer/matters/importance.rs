//! How much each slot and each head matters in each layer, by gates; a part that is clicked is left out.

use egui::{ScrollArea, Ui};
use engine::analysis::{Analysis, ImportanceReport, LayerImportance, LeftOut, Question};

use super::super::layer;
use super::super::lines::title_ui;
use super::super::looking::{Choices, note_ui};
use super::super::shade::Range;
use super::super::views::{Answered, of_kind};
use super::weighed;
use crate::charts::{HeatMap, Picture};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme;
use crate::widgets::button::segmented_ui;
use crate::widgets::heatmap::{Heatmap, heatmap_ui, scale_ui};

/// Slots that are left out, one at a time, beside what gates tell.
const LEAVE_ONE_OUT: usize = 32;
/// Maps and list stand beside each other where there is so much room.
const BESIDE: f32 = 760.0;

/// A part of an adapter that was clicked, and how much of it is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::screens::explorer) struct Cut {
    /// The row of a layer; `None` in the list of slots.
    pub(super) row: Option<usize>,
    pub(super) slot: Option<usize>,
    pub(super) head: Option<usize>,
    pub(super) reach: Reach,
}

/// How much is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reach {
    /// The slot in all layers; of a head there is no such thing.
    #[default]
    Slot,
    /// The slot or the head in the layer that was clicked.
    There,
    /// All slots in that layer.
    Layer,
}

impl Cut {
    /// What the engine leaves out; `None` for what this adapter does not have.
    pub(super) fn left_out(self, report: &ImportanceReport) -> Option<LeftOut> {
        let is_beyond = |at: Option<usize>, n: usize| at.is_some_and(|at| at >= n);
        if is_beyond(self.slot, report.slots.len()) || is_beyond(self.head, n_heads(report)) {
            return None;
        }
        let list = |one: Option<usize>| one.into_iter().collect::<Vec<_>>();
        let (slots, heads) = (list(self.slot), list(self.head));
        if self.reach == Reach::Slot && self.slot.is_some() {
            return Some(LeftOut { slots, ..LeftOut::default() });
        }
        let layers = vec![layer::number(&report.layers.get(self.row?)?.name)?];
        Some(match self.reach {
            Reach::Layer => LeftOut { layers, ..LeftOut::default() },
            Reach::Slot | Reach::There => LeftOut { slots, layers, heads, ..LeftOut::default() },
        })
    }

    /// The choices of how much is left out.
    fn reaches(self, report: &ImportanceReport) -> Vec<(Reach, String)> {
        let layer = self.row.and_then(|row| layer::number(&report.layers.get(row)?.name)).map(|number| number + 1);
        let all = layer.map(|layer| (Reach::Layer, t!("insight.cut_layer", layer = layer)));
        let here = match (self.slot, self.head, layer) {
            (Some(slot), _, Some(layer)) => {
                Some((Reach::There, t!("insight.cut_slot_in", slot = slot + 1, layer = layer)))
            }
            (_, Some(head), Some(layer)) => {
                Some((Reach::There, t!("insight.cut_head", head = head + 1, layer = layer)))
            }
            _ => None,
        };
        let slot = self.slot.map(|slot| (Reach::Slot, t!("insight.cut_slot", slot = slot + 1)));
        slot.into_iter().chain(here).chain(all).collect()
    }
}

pub(in crate::screens::explorer) fn question() -> Question {
    Question::Importance { leave_one_out: LEAVE_ONE_OUT, sizes: Vec::new() }
}

/// The answer if it is of this kind.
fn importance(analysis: &Analysis) -> Option<&ImportanceReport> {
    match analysis {
        Analysis::Importance(report) => Some(report),
        _ => None,
    }
}

/// A number of each layer, row by row.
fn values(report: &ImportanceReport, of: fn(&LayerImportance) -> &Vec<f64>, columns: usize) -> Vec<f64> {
    let at = |layer: &LayerImportance, column: usize| of(layer).get(column).copied().unwrap_or(f64::NAN);
    report.layers.iter().flat_map(|layer| (0..columns).map(move |column| at(layer, column))).collect()
}

fn n_heads(report: &ImportanceReport) -> usize {
    report.layers.iter().map(|layer| layer.heads.len()).max().unwrap_or(0)
}

/// Draws both maps, and beside or below them the list of slots and what fewer of them cost; what is left out is chosen last,
/// above what it comes to.
pub(in crate::screens::explorer) fn importance_ui(
    ui: &mut Ui,
    choices: &mut Choices,
    who: &str,
    report: &ImportanceReport,
    all: &[Answered<'_>],
) {
    let (loss, rows) = (format::figure(report.loss), format::count(report.rows));
    note_ui(ui, &t!("insight.importance_rows", loss = loss, rows = rows, labels = format::count(report.labels)));
    if ui.available_width() >= BESIDE {
        ui.columns(2, |sides| {
            let [left, right] = sides else { return };
            // Columns have one id.
            left.push_id("maps", |ui| maps_ui(ui, choices, who, report, all));
            right.push_id("list", |ui| in_order_ui(ui, choices, who, report));
        });
    } else {
        maps_ui(ui, choices, who, report, all);
        in_order_ui(ui, choices, who, report);
    }
    cut_ui(ui, choices, report);
}

fn in_order_ui(ui: &mut Ui, choices: &mut Choices, who: &str, report: &ImportanceReport) {
    weighed::list_ui(ui, choices, who, report);
    weighed::pruned_ui(ui, who, report);
}

fn maps_ui(ui: &mut Ui, choices: &mut Choices, who: &str, report: &ImportanceReport, all: &[Answered<'_>]) {
    title_ui(ui, t!("insight.importance_slots"));
    let chosen = choices.cut.and_then(|cut| cut.row.zip(cut.slot));
    let slots = Map { id: "slots", of: |layer| &layer.slots, columns: report.slots.len(), chosen };
    let clicked = map_ui(ui, all, report, slots, |layer, slot, value| {
        format!("{who}{}", t!("insight.importance_cell", layer = layer, slot = slot, value = value))
    });
    if let Some((row, slot)) = clicked {
        choices.cut = Some(Cut { row: Some(row), slot: Some(slot), ..Cut::default() });
    }
    title_ui(ui, t!("insight.importance_heads"));
    let chosen = choices.cut.and_then(|cut| cut.row.zip(cut.head));
    let heads = Map { id: "heads", of: |layer| &layer.heads, columns: n_heads(report), chosen };
    let clicked = map_ui(ui, all, report, heads, |layer, head, value| {
        format!("{who}{}", t!("insight.importance_head_cell", layer = layer, head = head, value = value))
    });
    if let Some((row, head)) = clicked {
        choices.cut = Some(Cut { row: Some(row), head: Some(head), reach: Reach::There, ..Cut::default() });
    }
}

/// A map of layers and slots or heads.
struct Map {
    /// Two maps of one card have ids of their own.
    id: &'static str,
    of: fn(&LayerImportance) -> &Vec<f64>,
    columns: usize,
    chosen: Option<(usize, usize)>,
}

/// Draws a map; the cell that was clicked.
fn map_ui(
    ui: &mut Ui,
    all: &[Answered<'_>],
    report: &ImportanceReport,
    Map { id, of, columns, chosen }: Map,
    name: impl Fn(&str, usize, &str) -> String,
) -> Option<(usize, usize)> {
    let every = of_kind(all, importance).flat_map(|report| &report.layers).flat_map(of).copied();
    let range = Range::logarithmic(every);
    let values = values(report, of, columns);
    let shades: Vec<f32> = values.iter().map(|value| range.shade(*value)).collect();
    let row_names: Vec<String> = report.layers.iter().map(|layer| layer::short(&layer.name)).collect();
    let cells = Heatmap { shades: &shades, rows: report.layers.len(), row_names: &row_names, columns, chosen };
    let clicked = ui.push_id(id, |ui| {
        ScrollArea::horizontal().id_salt(id).show(ui, |ui| {
            heatmap_ui(ui, &cells, |row, column| {
                let value = values.get(row * columns + column).copied().unwrap_or(f64::NAN);
                name(&layer::long(&report.layers[row].name), column + 1, &amount(value))
            })
        })
    });
    scale_ui(ui, &amount(range.low), &amount(range.high));
    clicked.inner.inner
}

/// An importance, with as many digits as a small one needs.
pub(super) fn amount(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "–".to_owned(),
        0.0 => "0".to_owned(),
        _ if value.abs() >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

fn cut_ui(ui: &mut Ui, choices: &mut Choices, report: &ImportanceReport) {
    title_ui(ui, t!("insight.ablation"));
    let Some(cut) = choices.cut.as_mut().filter(|cut| cut.left_out(report).is_some()) else {
        return note_ui(ui, t!("insight.click_part"));
    };
    let reaches = cut.reaches(report);
    let names: Vec<(Reach, &str)> = reaches.iter().map(|(reach, name)| (*reach, name.as_str())).collect();
    ScrollArea::horizontal().id_salt("parts").show(ui, |ui| segmented_ui(ui, &mut cut.reach, &names));
    ui.add_space(theme::SMALL_GAP);
}

pub(in crate::screens::explorer) fn table(report: &ImportanceReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let row = |layer: &str, part: &str, at: usize, numbers: [Option<f64>; 4]| {
        let mut row = vec![layer.to_owned(), part.to_owned(), at.to_string()];
        row.extend(numbers.map(|value| value.map_or(String::new(), number)));
        row
    };
    let mut rows = Vec::new();
    for (slot, found) in report.slots.iter().enumerate() {
        rows.push(row("all", "slot", slot + 1, [Some(found.importance), Some(found.expected), found.left_out, None]));
    }
    for layer in &report.layers {
        let name = layer::short(&layer.name);
        for (slot, importance) in layer.slots.iter().enumerate() {
            let expected = layer.expected.get(slot).copied();
            rows.push(row(&name, "slot", slot + 1, [Some(*importance), expected, None, None]));
        }
        for (head, importance) in layer.heads.iter().enumerate() {
            rows.push(row(&name, "head", head + 1, [Some(*importance), None, None, None]));
        }
    }
    for step in &report.pruned {
        rows.push(row("all", "best", step.slots, [None, None, None, Some(step.loss)]));
    }
    (&["layer", "part", "number", "importance", "expected", "left_out", "loss"], rows)
}

pub(in crate::screens::explorer) fn picture(report: &ImportanceReport, title: String) -> Picture {
    let columns = report.slots.len();
    Picture::Heat(HeatMap {
        title,
        x: t!("insight.axis_slot").to_owned(),
        y: t!("insight.axis_layer").to_owned(),
        columns,
        values: values(report, |layer| &layer.slots, columns),
    })
}

#[cfg(test)]
mod tests {
    use engine::analysis::{Pruned, SlotImportance};

    use super::*;

    fn report() -> ImportanceReport {
        let layer = LayerImportance {
            name: "blocks.3.attn.hook_pattern".into(),
            slots: vec![0.5, 0.25],
            expected: vec![0.1, -0.1],
            heads: vec![0.3, 0.2, 0.1],
        };
        let slot = |importance| SlotImportance { importance, expected: 0.1, left_out: None };
        let pruned = vec![Pruned { slots: 1, loss: 2.5 }];
        let slots = vec![slot(0.5), slot(0.25)];
        ImportanceReport { slots, layers: vec![layer], pruned, ..ImportanceReport::default() }
    }

    #[test]
    fn a_clicked_cell_is_a_slot_everywhere_or_there_and_a_head_only_there() {
        let cut = Cut { row: Some(0), slot: Some(1), ..Cut::default() };
        let left_out = |reach| Cut { reach, ..cut }.left_out(&report()).unwrap();
        assert_eq!(left_out(Reach::Slot), LeftOut { slots: vec![1], ..LeftOut::default() });
        assert_eq!(left_out(Reach::There), LeftOut { slots: vec![1], layers: vec![3], ..LeftOut::default() });
        assert_eq!(left_out(Reach::Layer), LeftOut { layers: vec![3], ..LeftOut::default() });
        let head = Cut { row: Some(0), head: Some(2), reach: Reach::There, ..Cut::default() };
        let expected = LeftOut { layers: vec![3], heads: vec![2], ..LeftOut::default() };
        assert_eq!(head.left_out(&report()), Some(expected));
    }

    #[test]
    fn what_an_adapter_does_not_have_is_not_left_out() {
        let cuts = [
            Cut { slot: Some(2), ..Cut::default() },
            Cut { row: Some(1), slot: Some(0), reach: Reach::There, ..Cut::default() },
            Cut { row: Some(0), head: Some(3), reach: Reach::There, ..Cut::default() },
            Cut { slot: Some(0), reach: Reach::Layer, ..Cut::default() },
        ];
        assert!(cuts.iter().all(|cut| cut.left_out(&report()).is_none()));
    }

    #[test]
    fn a_table_has_slots_heads_and_what_fewer_cost() {
        let (head, rows) = table(&report());
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows.len(), 2 + 2 + 3 + 1);
        assert_eq!(rows[3], ["4", "slot", "2", "0.25", "-0.1", "", ""]);
        assert_eq!(rows[7], ["all", "best", "1", "", "", "", "2.5"]);
    }
}
