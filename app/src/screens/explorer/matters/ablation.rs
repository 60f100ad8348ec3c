//! What the loss and a text come to without a part that was clicked.

use egui::Ui;
use engine::analysis::{AblationReport, ImportanceReport, Question};

use super::super::lines::{sentence_ui, signed, text_ui};
use super::super::looking::note_ui;
use super::importance::Cut;
use crate::format;
use crate::t;
use crate::theme;
use crate::widgets::containers::card_frame;

/// The question about a clicked part.
pub(in crate::screens::explorer) fn question(cut: Cut, report: &ImportanceReport) -> Option<Question> {
    cut.left_out(report).map(|part| Question::Ablation { left_out: vec![part] })
}

/// Draws loss and text, with the part and without.
pub(in crate::screens::explorer) fn ablation_ui(ui: &mut Ui, who: &str, report: &AblationReport) {
    card_frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let (loss, without) = (format::figure(report.loss), format::figure(report.without));
        let change = signed(report.without - report.loss);
        let line = t!("insight.ablation_loss", loss = loss, without = without, change = change);
        sentence_ui(ui, &format!("{who}{line}"));
        if let Some(base) = report.base {
            let line = match lost(report) {
                Some(lost) => {
                    let lost = format!("{:.1}", 100.0 * lost);
                    t!("insight.ablation_share", base = format::figure(base), lost = lost)
                }
                None => t!("insight.ablation_base", base = format::figure(base)),
            };
            sentence_ui(ui, &line);
        }
        note_ui(ui, &t!("insight.ablation_chance", rows = format::count(report.rows)));
        if report.text.is_empty() && report.text_without.is_empty() {
            return;
        }
        ui.add_space(theme::SMALL_GAP);
        text_ui(ui, t!("insight.prompt"), &report.prompt);
        text_ui(ui, t!("insight.with"), &report.text);
        text_ui(ui, t!("insight.without_part"), &report.text_without);
        if report.text == report.text_without {
            note_ui(ui, t!("insight.same_text"));
        }
    });
}

/// The share of what the adapter gains over the base model that is lost; `None` where it gains nothing.
fn lost(report: &AblationReport) -> Option<f64> {
    let gain = report.base? - report.loss;
    (gain > 0.0 && report.without.is_finite()).then(|| (report.without - report.loss) / gain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_gain_is_lost_only_where_there_is_a_gain() {
        let report = |base| AblationReport { loss: 1.0, without: 1.5, base, ..AblationReport::default() };
        assert_eq!(lost(&report(Some(3.0))), Some(0.25));
        assert_eq!([lost(&report(Some(0.5))), lost(&report(None))], [None, None]);
    }
}
