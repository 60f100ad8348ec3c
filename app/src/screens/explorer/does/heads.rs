//! The decomposition head by head: a map of layers and heads, and the head that was clicked in numbers and words.

use egui::{RichText, ScrollArea, Ui};
use engine::analysis::{Analysis, Decomposition, HeadDecomposition};

use super::super::layer;
use super::super::looking::{Choices, note_ui};
use super::super::shade::Range;
use super::super::views::{Answered, of_kind};
use crate::charts::{HeatMap, Picture};
use crate::format::compact;
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::bars::{Bars, bars_ui};
use crate::widgets::button::segmented_ui;
use crate::widgets::field;
use crate::widgets::heatmap::{Heatmap, heatmap_ui, scale_ui};

/// A number of a head that its color stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::screens::explorer) enum HeadMeasure {
    /// The share of attention on the prefix, A.
    #[default]
    Mass,
    /// The length of what the prefix adds beside that of what the text gives.
    Ratio,
    /// How alike the bias is for all tokens.
    Constancy,
    /// In how many directions it differs.
    Rank,
}

impl HeadMeasure {
    const ALL: [Self; 4] = [Self::Mass, Self::Ratio, Self::Constancy, Self::Rank];

    fn name(self) -> &'static str {
        match self {
            Self::Mass => t!("insight.mass"),
            Self::Ratio => t!("insight.ratio"),
            Self::Constancy => t!("insight.constancy"),
            Self::Rank => t!("insight.rank"),
        }
    }

    /// One sentence on the number, and on what would be seen by chance.
    fn chance(self, report: &Decomposition) -> String {
        match self {
            Self::Mass => {
                let (slots, tokens) = (report.n_virtual, report.texts.len());
                let share = 100.0 * slots as f64 / (slots + tokens).max(1) as f64;
                t!("insight.mass_chance", share = format!("{share:.1}"), tokens = tokens)
            }
            Self::Ratio => t!("insight.ratio_chance").to_owned(),
            Self::Constancy => t!("insight.constancy_chance").to_owned(),
            Self::Rank => t!("insight.rank_chance").to_owned(),
        }
    }

    fn of(self, head: &HeadDecomposition) -> f64 {
        match self {
            Self::Mass => head.mass,
            Self::Ratio if head.content > 0.0 => head.bias / head.content,
            Self::Ratio => f64::NAN,
            Self::Constancy => head.constancy,
            Self::Rank => head.effective_rank,
        }
    }

    fn words(self, value: f64) -> String {
        match self {
            Self::Mass => format!("{:.1} %", 100.0 * value),
            Self::Ratio => compact(value),
            Self::Constancy => format!("{value:.3}"),
            Self::Rank => format!("{value:.1}"),
        }
    }

    fn range(self, all: &[Answered<'_>]) -> Range {
        let reports = || of_kind(all, decomposition);
        let heads =
            reports().flat_map(|report| &report.layers).flat_map(|layer| &layer.heads).map(|head| self.of(head));
        match self {
            Self::Mass => Range::from_zero(heads),
            // A few heads add a hundred times what others do.
            Self::Ratio => Range::logarithmic(heads),
            Self::Constancy | Self::Rank => Range::over(heads),
        }
    }
}

/// The answer if it is of this kind.
pub(super) fn decomposition(analysis: &Analysis) -> Option<&Decomposition> {
    match analysis {
        Analysis::Decomposition(report) => Some(report),
        _ => None,
    }
}

pub(in crate::screens::explorer) fn choices_ui(ui: &mut Ui, choices: &mut Choices) {
    field::field_ui(ui, t!("insight.measure"), t!("insight.measure_help"), None, |ui| {
        let names = HeadMeasure::ALL.map(|measure| (measure, measure.name()));
        segmented_ui(ui, &mut choices.measure, &names);
    });
    ui.add_space(theme::SMALL_GAP);
}

/// Draws the map and the head that was clicked.
pub(in crate::screens::explorer) fn heads_ui(
    ui: &mut Ui,
    choices: &mut Choices,
    who: &str,
    report: &Decomposition,
    all: &[Answered<'_>],
) {
    let measure = choices.measure;
    let range = measure.range(all);
    let values = values(measure, report);
    let shades: Vec<f32> = values.iter().map(|value| range.shade(*value)).collect();
    let row_names: Vec<String> = report.layers.iter().map(|layer| layer::short(&layer.name)).collect();
    let columns = n_heads(report);
    let map =
        Heatmap { shades: &shades, rows: report.layers.len(), row_names: &row_names, columns, chosen: choices.head };
    let clicked = ScrollArea::horizontal().id_salt("heads").show(ui, |ui| {
        heatmap_ui(ui, &map, |row, head| {
            let value = values.get(row * columns + head).copied().unwrap_or(f64::NAN);
            let place = layer::long(&report.layers[row].name);
            let (name, value) = (measure.name(), measure.words(value));
            format!("{who}{}", t!("insight.head_cell", layer = place, head = head + 1, name = name, value = value))
        })
    });
    choices.head = clicked.inner.or(choices.head);
    note_ui(ui, t!("insight.heads_axes"));
    scale_ui(ui, &measure.words(range.low), &measure.words(range.high));
    note_ui(ui, &measure.chance(report));
    let chosen = choices.head.and_then(|(row, head)| {
        let layer = report.layers.get(row)?;
        Some((layer::long(&layer.name), head, layer.heads.get(head)?))
    });
    ui.add_space(theme::SMALL_GAP);
    match chosen {
        Some((layer, head, found)) => head_ui(ui, who, (&layer, head), found),
        None => note_ui(ui, t!("insight.click_head")),
    }
}

/// One head: its numbers as sentences, and the share that each slot has of its attention.
fn head_ui(ui: &mut Ui, who: &str, (layer, head): (&str, usize), found: &HeadDecomposition) {
    let t = tokens(ui);
    let title = t!("insight.head_of", layer = layer, head = head + 1);
    ui.label(RichText::new(title).color(t.text));
    let ratio = HeadMeasure::Ratio.of(found);
    let line = t!(
        "insight.head_words",
        mass = format!("{:.1}", 100.0 * found.mass),
        bias = compact(found.bias),
        content = compact(found.content),
        ratio = compact(ratio)
    );
    let say = |ui: &mut Ui, line: &str| ui.add(egui::Label::new(RichText::new(line).color(t.text)).wrap());
    say(ui, &line);
    let (constancy, rank) = (format!("{:.3}", found.constancy), format!("{:.1}", found.effective_rank));
    say(
        ui,
        &match found.constancy {
            c if c >= 0.95 => t!("insight.same_bias", constancy = constancy, rank = rank),
            c if c >= 0.6 => t!("insight.much_same_bias", constancy = constancy, rank = rank),
            _ => t!("insight.other_bias", constancy = constancy, rank = rank),
        },
    );
    if !found.sinks.is_empty() {
        let slots: Vec<String> = found.sinks.iter().map(|slot| (slot + 1).to_string()).collect();
        let line = t!("insight.sinks", n = found.sinks.len(), slots = slots.join(", "));
        ui.add(egui::Label::new(RichText::new(line).color(t.warn)).wrap());
    }
    ui.add_space(theme::SMALL_GAP);
    note_ui(ui, t!("insight.slots_of_head"));
    let even = 1.0 / found.slots.len().max(1) as f64;
    let words = t!("insight.even", share = format!("{:.1}", 100.0 * even));
    let bars = Bars { values: &found.slots, marked: &found.sinks, line: Some((even, &words)) };
    ScrollArea::horizontal().id_salt("slots of a head").show(ui, |ui| {
        bars_ui(ui, &bars, |slot| {
            let share = format!("{:.1}", 100.0 * found.slots[slot]);
            let name = t!("insight.slot_share", slot = slot + 1, share = share);
            let sink = if found.sinks.contains(&slot) { t!("insight.is_sink") } else { "" };
            format!("{who}{name}{sink}")
        });
    });
}

fn n_heads(report: &Decomposition) -> usize {
    report.layers.iter().map(|layer| layer.heads.len()).max().unwrap_or(0)
}

/// Row by row; a layer with fewer heads than others has no number there.
fn values(measure: HeadMeasure, report: &Decomposition) -> Vec<f64> {
    let columns = n_heads(report);
    let of =
        |layer: &engine::analysis::LayerDecomposition, head: usize| layer.heads.get(head).map(|head| measure.of(head));
    let rows = report.layers.iter().flat_map(|layer| (0..columns).map(move |head| of(layer, head)));
    rows.map(|value| value.unwrap_or(f64::NAN)).collect()
}

pub(in crate::screens::explorer) fn table(report: &Decomposition) -> (&'static [&'static str], Vec<Vec<String>>) {
    let head = &["layer", "head", "mass", "bias", "content", "constancy", "effective_rank", "sinks"];
    let row = |layer: &str, at: usize, head: &HeadDecomposition| {
        let sinks: Vec<String> = head.sinks.iter().map(|slot| (slot + 1).to_string()).collect();
        let mut row = vec![layer::short(layer), (at + 1).to_string()];
        row.extend([head.mass, head.bias, head.content, head.constancy, head.effective_rank].map(number));
        row.push(sinks.join(" "));
        row
    };
    let rows = report.layers.iter().flat_map(|layer| {
        layer.heads.iter().enumerate().map(|(at, head)| row(&layer.name, at, head)).collect::<Vec<_>>()
    });
    (head, rows.collect())
}

pub(in crate::screens::explorer) fn picture(choices: &Choices, report: &Decomposition, title: String) -> Picture {
    Picture::Heat(HeatMap {
        title: format!("{title} · {}", choices.measure.name()),
        x: t!("insight.axis_head").to_owned(),
        y: t!("insight.axis_layer").to_owned(),
        columns: n_heads(report),
        values: values(choices.measure, report),
    })
}

#[cfg(test)]
mod tests {
    use engine::analysis::LayerDecomposition;

    use super::*;

    fn report() -> Decomposition {
        let head =
            |mass: f64, content: f64| HeadDecomposition { mass, bias: 2.0, content, ..HeadDecomposition::default() };
        let layer =
            |name: &str, heads| LayerDecomposition { name: name.into(), heads, ..LayerDecomposition::default() };
        let layers = vec![
            layer("blocks.1.attn.hook_pattern", vec![head(0.5, 4.0), head(0.25, 0.0)]),
            layer("blocks.3.attn.hook_pattern", vec![head(0.125, 1.0)]),
        ];
        Decomposition { layers, ..Decomposition::default() }
    }

    #[test]
    fn a_head_that_is_not_there_and_one_without_content_have_no_number() {
        assert_eq!(values(HeadMeasure::Mass, &report())[..3], [0.5, 0.25, 0.125]);
        let ratios = values(HeadMeasure::Ratio, &report());
        assert_eq!((ratios[0], ratios[2]), (0.5, 2.0));
        assert!(ratios[1].is_nan() && ratios[3].is_nan());
    }

    #[test]
    fn a_table_counts_layers_of_the_model_and_not_lines() {
        let (head, rows) = table(&report());
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows.iter().map(|row| row[..2].join(" ")).collect::<Vec<_>>(), ["2 1", "2 2", "4 1"]);
    }
}
