//! Slots in the order of their importance, beside what leaving one out does, and the loss with fewer of them.

use egui::Ui;
use engine::analysis::{Agreement, ImportanceReport};

use super::super::lines::{Line, line_ui, sentence_ui, signed, title_ui};
use super::super::looking::{Choices, note_ui};
use super::importance::{Cut, amount};
use crate::charts::{Axis, Chart, Mark, Series};
use crate::format;
use crate::t;
use crate::theme::tokens;
use crate::widgets::chart_plot::{Look, Plotted, chart_ui};

/// Slots of the list.
const SHOWN: usize = 12;
const HEIGHT: f32 = 180.0;

/// The most important slots, to be clicked, and how far gates can be believed.
pub(super) fn list_ui(ui: &mut Ui, choices: &mut Choices, who: &str, report: &ImportanceReport) {
    title_ui(ui, t!("insight.slots_in_order"));
    note_ui(ui, t!("insight.slots_in_order_note"));
    let most = report.slots.iter().map(|slot| slot.importance).fold(f64::MIN_POSITIVE, f64::max);
    let accent = tokens(ui).accent;
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for &slot in report.order.iter().take(SHOWN) {
            let Some(found) = report.slots.get(slot) else { continue };
            let (name, importance) = (t!("insight.slot", slot = slot + 1), amount(found.importance));
            let left_out = found.left_out.map_or("–".to_owned(), signed);
            let numbers = format!("{importance:>8} {:>8} {left_out:>8}", signed(found.expected));
            let label = t!(
                "insight.slot_importance",
                slot = slot + 1,
                importance = importance,
                expected = signed(found.expected),
                left_out = left_out
            );
            let cut = Cut { slot: Some(slot), ..Cut::default() };
            let line = Line {
                name: &name,
                wide: 84.0,
                share: (found.importance / most) as f32,
                numbers: &numbers,
                room: 210.0,
                color: accent,
                is_chosen: choices.cut == Some(cut),
                is_button: true,
                label: &format!("{who}{label}"),
            };
            if line_ui(ui, &line).clicked() {
                choices.cut = Some(cut);
            }
        }
    });
    if report.order.len() > SHOWN {
        note_ui(ui, &t!("insight.first_of", n = SHOWN, of = report.order.len()));
    }
    sentence_ui(ui, &agreement(report.agreement.as_ref()));
}

/// The correlation in words.
fn agreement(found: Option<&Agreement>) -> String {
    let Some((found, spearman)) = found.and_then(|found| Some((found, found.spearman?))) else {
        return t!("insight.agreement_unknown").to_owned();
    };
    let (n, pearson) = (found.slots, found.pearson.map_or("–".to_owned(), |pearson| format!("{pearson:.2}")));
    let rank = format!("{spearman:.2}");
    match spearman {
        r if r >= 0.8 => t!("insight.agreement_good", n = n, spearman = rank, pearson = pearson),
        r if r >= 0.5 => t!("insight.agreement_partly", n = n, spearman = rank, pearson = pearson),
        _ => t!("insight.agreement_low", n = n, spearman = rank, pearson = pearson),
    }
}

/// The loss with the best n slots.
pub(super) fn pruned_ui(ui: &mut Ui, who: &str, report: &ImportanceReport) {
    if report.pruned.is_empty() {
        return;
    }
    title_ui(ui, t!("insight.pruned"));
    note_ui(ui, t!("insight.pruned_note"));
    let mut points: Vec<[f64; 2]> = report.pruned.iter().map(|step| [step.slots as f64, step.loss]).collect();
    points.push([report.slots.len() as f64, report.loss]);
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    points.dedup_by_key(|point| point[0] as usize);
    let series = Series { points, mark: Mark::LineAndPoints, ..Series::default() };
    let chart = Chart {
        x: Axis { label: t!("insight.axis_best_slots").to_owned(), ..Axis::default() },
        y: Axis { label: t!("insight.axis_loss").to_owned(), ..Axis::default() },
        series: vec![series],
        ..Chart::default()
    };
    let look = Look { color: tokens(ui).accent, width: 2.0, radius: 4.0, dashed: false, found: true };
    let words = |point: &[f64; 2]| {
        let (loss, change) = (format::figure(point[1]), signed(point[1] - report.loss));
        t!("insight.pruned_point", n = point[0] as usize, loss = loss, change = change)
    };
    let plotted = Plotted {
        label: &format!("{who}{}", t!("insight.pruned_plot")),
        key: "",
        chart: &chart,
        looks: &[look],
        height: HEIGHT,
        empty: "",
    };
    chart_ui(ui, plotted, |_, at| chart.series[0].points.get(at).map_or(String::new(), words));
    // The fewest slots that cost little: what pruning is for.
    let cheap = chart.series[0].points.iter().find(|point| point[1] - report.loss <= 0.01 * report.loss.abs());
    if let Some(point) = cheap.filter(|point| (point[0] as usize) < report.slots.len()) {
        sentence_ui(ui, &t!("insight.pruned_cheap", n = point[0] as usize, loss = format::figure(point[1])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_correlation_says_that_leaving_out_is_to_be_believed() {
        let found = |spearman| Agreement { slots: 20, pearson: Some(0.9), spearman, spearman_of_size: None };
        assert!(agreement(Some(&found(Some(0.91)))).contains("0.91"));
        let [good, low] = [0.9, 0.2].map(|spearman| agreement(Some(&found(Some(spearman)))));
        assert_ne!(good.replace("0.90", ""), low.replace("0.20", ""));
        assert!(low.contains("Believe"), "{low}");
        assert_eq!(agreement(None), agreement(Some(&found(None))));
    }
}
