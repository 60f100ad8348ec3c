//! A row as the model sees it: the prefix's slots, then the tokens; what is learned is coloured.

use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, FontId, Label, Response, Ui};

use crate::theme::tokens;

/// Slots that are drawn one by one; more are written as a number.
const SLOTS_DRAWN: usize = 24;

/// Draws `n_virtual` slots and the tokens, each with or without a label.
pub fn token_strip_ui(ui: &mut Ui, n_virtual: usize, texts: &[String], labelled: &[bool]) -> Response {
    let t = tokens(ui);
    let font = FontId::monospace(12.5);
    let mut job = LayoutJob::default();
    job.wrap.max_width = ui.available_width();
    let format = |color: Color32, background: Color32| TextFormat {
        font_id: font.clone(),
        color,
        background,
        expand_bg: 2.0,
        line_height: Some(22.0),
        ..TextFormat::default()
    };
    let slot = format(t.on_accent, t.accent);
    for i in 0..n_virtual.min(SLOTS_DRAWN) {
        job.append(&format!("{:>2}", i + 1), if i == 0 { 2.0 } else { 5.0 }, slot.clone());
    }
    if n_virtual > SLOTS_DRAWN {
        job.append(&format!("… {n_virtual}"), 5.0, slot);
    }
    let (prompt, target) = (format(t.muted, t.raised), format(t.good, t.good_soft));
    for (i, text) in texts.iter().enumerate() {
        let learned = labelled.get(i).copied().unwrap_or(false);
        job.append(text, if i == 0 { 12.0 } else { 5.0 }, if learned { target.clone() } else { prompt.clone() });
    }
    ui.add(Label::new(job).selectable(true))
}

/// What the colours mean.
pub fn legend_ui(ui: &mut Ui, entries: [&str; 3]) {
    let t = tokens(ui);
    ui.horizontal(|ui| {
        for (color, name) in [t.accent, t.muted, t.good].into_iter().zip(entries) {
            let (mark, _) = ui.allocate_exact_size(egui::vec2(10.0, 10.0), egui::Sense::empty());
            ui.painter().rect_filled(mark, 3.0, color);
            ui.label(egui::RichText::new(name).small().color(t.muted));
            ui.add_space(8.0);
        }
    });
}
