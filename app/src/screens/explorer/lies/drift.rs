//! How far slots have moved, by layer and checkpoint.

use egui::{ScrollArea, Ui};
use engine::analysis::{Analysis, Apart, CheckpointDrift, DriftReport, LayerDrift, Side, SlotDrift};

use super::super::layer;
use super::super::lines::sentence_ui;
use super::super::looking::{Choices, note_ui};
use super::super::shade::Range;
use super::super::views::{Answered, of_kind};
use crate::charts::{HeatMap, Picture};
use crate::format::compact;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme;
use crate::widgets::bars::{Bars, bars_ui};
use crate::widgets::button::segmented_ui;
use crate::widgets::field;
use crate::widgets::heatmap::{Heatmap, heatmap_ui, scale_ui};

/// From where a distance is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::screens::explorer) enum DriftMeasure {
    /// Where the slots began.
    #[default]
    Start,
    /// The checkpoint before.
    Before,
    /// Where they are now.
    Last,
}

impl DriftMeasure {
    fn name(self) -> &'static str {
        match self {
            Self::Start => t!("insight.drift_start"),
            Self::Before => t!("insight.drift_before"),
            Self::Last => t!("insight.drift_last"),
        }
    }

    fn of(self, slot: &SlotDrift) -> Option<Apart> {
        match self {
            Self::Start => slot.start,
            Self::Before => slot.before,
            Self::Last => Some(slot.last),
        }
    }

    /// The mean distance and cosine of the slots of a layer.
    fn mean(self, layer: &LayerDrift) -> Option<Apart> {
        let all: Vec<Apart> = layer.slots.iter().filter_map(|slot| self.of(slot)).collect();
        let n = all.len() as f64;
        let sum = |of: fn(&Apart) -> f64| all.iter().map(of).sum::<f64>() / n;
        (!all.is_empty()).then(|| Apart { distance: sum(|apart| apart.distance), cosine: sum(|apart| apart.cosine) })
    }
}

/// The answer if it is of this kind.
fn drift(analysis: &Analysis) -> Option<&DriftReport> {
    match analysis {
        Analysis::Drift(report) => Some(report),
        _ => None,
    }
}

/// The measure that is shown: where slots began is not known of every run.
fn measure(choices: &Choices, report: &DriftReport) -> DriftMeasure {
    if report.has_start { choices.drift } else { DriftMeasure::Last }
}

pub(in crate::screens::explorer) fn choices_ui(ui: &mut Ui, choices: &mut Choices, report: &DriftReport) {
    ui.horizontal_wrapped(|ui| {
        if !report.is_prompt {
            field::field_ui(ui, t!("explorer.side"), t!("explorer.side_help"), None, |ui| {
                let names = [(false, t!("explorer.keys")), (true, t!("explorer.values"))];
                segmented_ui(ui, &mut choices.of_values, &names);
            });
        }
        if report.has_start {
            field::field_ui(ui, t!("insight.distance"), t!("insight.distance_help"), None, |ui| {
                let all = [DriftMeasure::Start, DriftMeasure::Before, DriftMeasure::Last];
                segmented_ui(ui, &mut choices.drift, &all.map(|measure| (measure, measure.name())));
            });
        }
    });
    ui.add_space(theme::SMALL_GAP);
}

/// The layers of the side that is shown.
fn layers(checkpoint: &CheckpointDrift, side: Side) -> impl Iterator<Item = &LayerDrift> {
    checkpoint.layers.iter().filter(move |layer| layer.side.is_none_or(|of| of == side))
}

/// Rows: the layers now. Columns: the checkpoints.
fn values(choices: &Choices, report: &DriftReport) -> Vec<f64> {
    let (side, measure) = (choices.side(), measure(choices, report));
    let Some(last) = report.checkpoints.last() else { return Vec::new() };
    let at = |name: &str, checkpoint: &CheckpointDrift| {
        let layer = layers(checkpoint, side).find(|layer| layer.name == name);
        layer.and_then(|layer| measure.mean(layer)).map_or(f64::NAN, |apart| apart.distance)
    };
    layers(last, side)
        .flat_map(|layer| report.checkpoints.iter().map(move |checkpoint| at(&layer.name, checkpoint)))
        .collect()
}

fn rows<'a>(choices: &Choices, report: &'a DriftReport) -> Vec<&'a LayerDrift> {
    report.checkpoints.last().map_or(Vec::new(), |last| layers(last, choices.side()).collect())
}

fn moment(checkpoint: &CheckpointDrift) -> String {
    checkpoint.step.map_or_else(|| t!("insight.now").to_owned(), |step| t!("explorer.step", step = step))
}

/// Draws the map, and the cell that was clicked in words and slot by slot.
pub(in crate::screens::explorer) fn drift_ui(
    ui: &mut Ui,
    choices: &mut Choices,
    who: &str,
    report: &DriftReport,
    all: &[Answered<'_>],
) {
    let range = Range::from_zero(of_kind(all, drift).flat_map(|report| values(choices, report)));
    let values = values(choices, report);
    let shades: Vec<f32> = values.iter().map(|value| range.shade(*value)).collect();
    let found = rows(choices, report);
    let row_names: Vec<String> = found.iter().map(|layer| layer::short(&layer.name)).collect();
    let columns = report.checkpoints.len();
    let map = Heatmap { shades: &shades, rows: found.len(), row_names: &row_names, columns, chosen: choices.drifted };
    let clicked = ScrollArea::horizontal().id_salt("drift").show(ui, |ui| {
        heatmap_ui(ui, &map, |row, column| {
            let value = compact(values.get(row * columns + column).copied().unwrap_or(f64::NAN));
            let (place, when) = (layer::long(&found[row].name), moment(&report.checkpoints[column]));
            format!("{who}{}", t!("insight.drift_cell", layer = place, moment = when, value = value))
        })
    });
    choices.drifted = clicked.inner.or(choices.drifted);
    note_ui(ui, t!("insight.drift_axes"));
    scale_ui(ui, &compact(range.low), &compact(range.high));
    note_ui(ui, &t!("insight.drift_chance", sd = format!("{:.3}", report.by_chance)));
    if !report.has_start {
        note_ui(ui, t!("insight.drift_no_start"));
    }
    ui.add_space(theme::SMALL_GAP);
    let chosen = choices.drifted.and_then(|(row, column)| {
        let (name, checkpoint) = (&found.get(row)?.name, report.checkpoints.get(column)?);
        Some((checkpoint, layers(checkpoint, choices.side()).find(|layer| layer.name == *name)?))
    });
    match chosen {
        Some((checkpoint, layer)) => cell_ui(ui, who, measure(choices, report), (checkpoint, layer)),
        None => note_ui(ui, t!("insight.click_drift")),
    }
}

fn cell_ui(ui: &mut Ui, who: &str, measure: DriftMeasure, (checkpoint, layer): (&CheckpointDrift, &LayerDrift)) {
    let norm = layer.slots.iter().map(|slot| slot.norm).sum::<f64>() / layer.slots.len().max(1) as f64;
    let line =
        t!("insight.drift_words", layer = layer::long(&layer.name), moment = moment(checkpoint), norm = compact(norm));
    sentence_ui(ui, &line);
    for measure in [DriftMeasure::Start, DriftMeasure::Before, DriftMeasure::Last] {
        if let Some(Apart { distance, cosine }) = measure.mean(layer) {
            let (distance, cosine) = (compact(distance), format!("{cosine:+.3}"));
            let line = t!("insight.drift_apart", from = measure.name(), distance = distance, cosine = cosine);
            sentence_ui(ui, &line);
        }
    }
    note_ui(ui, t!("insight.drift_slots"));
    let distance = |slot: &SlotDrift| measure.of(slot).map_or(f64::NAN, |apart| apart.distance);
    let values: Vec<f64> = layer.slots.iter().map(distance).collect();
    ScrollArea::horizontal().id_salt("drift of slots").show(ui, |ui| {
        bars_ui(ui, &Bars { values: &values, marked: &[], line: None }, |slot| {
            format!("{who}{}", t!("insight.drift_slot", slot = slot + 1, value = compact(values[slot])))
        });
    });
}

pub(in crate::screens::explorer) fn table(report: &DriftReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let head = &[
        "step",
        "layer",
        "side",
        "slot",
        "norm",
        "from_start",
        "cosine_to_start",
        "from_before",
        "cosine_to_before",
        "to_now",
        "cosine_to_now",
    ];
    let mut rows = Vec::new();
    for checkpoint in &report.checkpoints {
        let step = checkpoint.step.map_or("now".to_owned(), |step| step.to_string());
        for layer in &checkpoint.layers {
            let side = match layer.side {
                Some(Side::Key) => "key",
                Some(Side::Value) => "value",
                None => "",
            };
            for (slot, found) in layer.slots.iter().enumerate() {
                let mut row = vec![step.clone(), layer::short(&layer.name), side.to_owned(), (slot + 1).to_string()];
                row.push(number(found.norm));
                for apart in [found.start, found.before, Some(found.last)] {
                    row.push(apart.map_or(String::new(), |apart| number(apart.distance)));
                    row.push(apart.map_or(String::new(), |apart| number(apart.cosine)));
                }
                rows.push(row);
            }
        }
    }
    (head, rows)
}

pub(in crate::screens::explorer) fn picture(choices: &Choices, report: &DriftReport, title: String) -> Picture {
    Picture::Heat(HeatMap {
        title: format!("{title} · {}", measure(choices, report).name()),
        x: t!("insight.axis_checkpoint").to_owned(),
        y: t!("insight.axis_layer").to_owned(),
        columns: report.checkpoints.len(),
        values: values(choices, report),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(has_start: bool) -> DriftReport {
        let apart = |distance| Apart { distance, cosine: 0.5 };
        let slot = |distance: f64| SlotDrift {
            norm: 2.0,
            start: has_start.then(|| apart(distance)),
            before: None,
            last: apart(9.0 - distance),
        };
        let layer = |side, distance: f64| LayerDrift {
            layer: 0,
            name: "blocks.0".into(),
            side: Some(side),
            slots: vec![slot(distance), slot(distance + 2.0)],
        };
        let checkpoint = |step, distance: f64| CheckpointDrift {
            step,
            layers: vec![layer(Side::Key, distance), layer(Side::Value, 5.0)],
        };
        let checkpoints = vec![checkpoint(Some(10), 1.0), checkpoint(None, 3.0)];
        DriftReport { is_prompt: false, has_start, checkpoints, by_chance: 0.1 }
    }

    #[test]
    fn a_cell_is_the_mean_of_its_slots_and_without_a_start_it_is_the_way_to_now() {
        assert_eq!(values(&Choices::default(), &report(true)), [2.0, 4.0]);
        assert_eq!(values(&Choices { of_values: true, ..Choices::default() }, &report(true)), [6.0, 6.0]);
        assert_eq!(values(&Choices::default(), &report(false)), [7.0, 5.0]);
        let (head, rows) = table(&report(true));
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows[0], ["10", "1", "key", "1", "2", "1", "0.5", "", "", "8", "0.5"]);
    }
}
