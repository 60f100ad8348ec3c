//! Attention on each slot in each layer, over some rows: which slots are looked at at all.

use egui::{RichText, ScrollArea, Ui};
use engine::analysis::{Analysis, AttentionReport, LayerAttention};

use super::super::layer;
use super::super::looking::{Choices, note_ui, small_field_ui};
use super::super::shade::Range;
use super::super::views::{Answered, of_kind};
use crate::charts::{HeatMap, Picture};
use crate::format;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::bars::{Bars, bars_ui};
use crate::widgets::field;
use crate::widgets::heatmap::{Heatmap, heatmap_ui, scale_ui};

/// The answer if it is of this kind.
fn attention(analysis: &Analysis) -> Option<&AttentionReport> {
    match analysis {
        Analysis::Attention(report) => Some(report),
        _ => None,
    }
}

pub(in crate::screens::explorer) fn choices_ui(ui: &mut Ui, choices: &mut Choices, report: &AttentionReport) {
    let n_heads = report.layers.iter().map(|layer| layer.mass.len()).max().unwrap_or(0);
    let mut heads = vec![(None, t!("insight.all_heads").to_owned())];
    heads.extend((0..n_heads).map(|head| (Some(head), t!("insight.head", head = head + 1))));
    small_field_ui(ui, t!("insight.of_head"), |ui| {
        field::choice_ui(ui, "head of the slots", &mut choices.slot_head, &heads);
    });
}

/// The share of attention on a slot: of a head, or the mean of all heads where there is no such head.
fn mass(layer: &LayerAttention, head: Option<usize>, slot: usize) -> f64 {
    if let Some(head) = head.and_then(|head| layer.mass.get(head)) {
        return head.get(slot).copied().unwrap_or(f64::NAN);
    }
    layer.mass.iter().filter_map(|head| head.get(slot)).sum::<f64>() / layer.mass.len().max(1) as f64
}

/// Row by row.
fn values(head: Option<usize>, report: &AttentionReport) -> Vec<f64> {
    report.layers.iter().flat_map(|layer| (0..report.n_virtual).map(move |slot| mass(layer, head, slot))).collect()
}

/// Draws the map, and the slot that was clicked in words.
pub(in crate::screens::explorer) fn slots_ui(
    ui: &mut Ui,
    choices: &mut Choices,
    who: &str,
    report: &AttentionReport,
    all: &[Answered<'_>],
) {
    let head = choices.slot_head;
    let range = Range::logarithmic(of_kind(all, attention).flat_map(|report| values(head, report)));
    let values = values(head, report);
    let shades: Vec<f32> = values.iter().map(|value| range.shade(*value)).collect();
    let row_names: Vec<String> = report.layers.iter().map(|layer| layer::short(&layer.name)).collect();
    let (rows, columns) = (report.layers.len(), report.n_virtual);
    let map = Heatmap { shades: &shades, rows, row_names: &row_names, columns, chosen: choices.slot };
    let clicked = ScrollArea::horizontal().id_salt("slots").show(ui, |ui| {
        heatmap_ui(ui, &map, |row, slot| {
            let share = percent(values.get(row * columns + slot).copied().unwrap_or(f64::NAN));
            let place = layer::long(&report.layers[row].name);
            format!("{who}{}", t!("insight.slot_cell", layer = place, slot = slot + 1, share = share))
        })
    });
    choices.slot = clicked.inner.or(choices.slot);
    note_ui(ui, t!("insight.slots_axes"));
    scale_ui(ui, &format!("{} %", percent(range.low)), &format!("{} %", percent(range.high)));
    note_ui(ui, &t!("insight.n_tokens", n = format::count(report.tokens)));
    ui.add_space(theme::SMALL_GAP);
    let chosen = choices.slot.filter(|(_, slot)| *slot < columns);
    match chosen.and_then(|(row, slot)| Some((report.layers.get(row)?, slot))) {
        Some((layer, slot)) => slot_ui(ui, who, layer, slot, (head, columns)),
        None => note_ui(ui, t!("insight.click_slot")),
    }
}

/// One slot of a layer: its share beside an even one, and head by head.
fn slot_ui(ui: &mut Ui, who: &str, found: &LayerAttention, slot: usize, (head, n): (Option<usize>, usize)) {
    let share = mass(found, head, slot);
    let even = (0..n).map(|slot| mass(found, head, slot)).sum::<f64>() / n.max(1) as f64;
    let times = if even > 0.0 { format!("{:.1}", share / even) } else { "–".to_owned() };
    let line = t!(
        "insight.slot_words",
        layer = layer::long(&found.name),
        slot = slot + 1,
        share = percent(share),
        even = percent(even),
        times = times
    );
    ui.add(egui::Label::new(RichText::new(line).color(tokens(ui).text)).wrap());
    note_ui(ui, t!("insight.heads_of_slot"));
    let heads: Vec<f64> = (0..found.mass.len()).map(|head| mass(found, Some(head), slot)).collect();
    let marked: Vec<usize> = head.into_iter().collect();
    let bars = Bars { values: &heads, marked: &marked, line: None };
    bars_ui(ui, &bars, |head| {
        format!("{who}{}", t!("insight.head_share", head = head + 1, share = percent(heads[head])))
    });
}

/// A share in percent, with as many digits as a small one needs.
fn percent(share: f64) -> String {
    let share = 100.0 * share;
    match share {
        _ if !share.is_finite() => "–".to_owned(),
        _ if share >= 1.0 => format!("{share:.1}"),
        _ if share >= 0.01 => format!("{share:.2}"),
        _ => format!("{share:.4}"),
    }
}

pub(in crate::screens::explorer) fn table(
    choices: &Choices,
    report: &AttentionReport,
) -> (&'static [&'static str], Vec<Vec<String>>) {
    let head = choices.slot_head;
    let named = head.map_or("mean".to_owned(), |head| (head + 1).to_string());
    let rows = report.layers.iter().flat_map(|layer| {
        let row = |slot: usize| {
            let share = number(mass(layer, head, slot));
            vec![layer::short(&layer.name), named.clone(), (slot + 1).to_string(), share]
        };
        (0..report.n_virtual).map(row).collect::<Vec<_>>()
    });
    (&["layer", "head", "slot", "mass"], rows.collect())
}

pub(in crate::screens::explorer) fn picture(choices: &Choices, report: &AttentionReport, title: String) -> Picture {
    Picture::Heat(HeatMap {
        title,
        x: t!("insight.axis_slot").to_owned(),
        y: t!("insight.axis_layer").to_owned(),
        columns: report.n_virtual,
        values: values(choices.slot_head, report),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_all_heads_is_shown_unless_one_is_chosen() {
        let layer = LayerAttention { name: "blocks.0.x.y".into(), mass: vec![vec![0.5, 0.125], vec![0.25, 0.375]] };
        let report = AttentionReport { layers: vec![layer], n_virtual: 2, tokens: 9 };
        assert_eq!(values(None, &report), [0.375, 0.25]);
        assert_eq!(values(Some(1), &report), [0.25, 0.375]);
        assert_eq!(values(Some(7), &report), [0.375, 0.25], "another model has fewer heads");
        let choices = Choices { slot_head: Some(1), ..Choices::default() };
        assert_eq!(table(&choices, &report).1[1], ["1", "2", "2", "0.375"]);
    }

    #[test]
    fn a_small_share_is_not_said_to_be_none() {
        assert_eq!([0.25, 0.0021, 0.000_02].map(percent), ["25.0", "0.21", "0.0020"]);
    }
}
