//! Overlay that says what will open when somebody lets go of what is held over the window.

use egui::{Align2, Color32, RichText, Stroke, Ui};

use crate::opening::PathKind;
use crate::state::State;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::containers::card_frame;
use crate::workspace::last_name;

/// Draws it over everything, as long as something is held.
pub fn overlay_ui(ui: &mut Ui, state: &State) {
    let Some(hovered) = &state.incoming.hovered else { return };
    let t = tokens(ui);
    let (what, then) = match hovered.kind {
        None => (t!("drop.looking"), ""),
        Some(PathKind::Rows) => (t!("drop.rows"), t!("drop.rows_then")),
        Some(PathKind::Model) => (t!("drop.model"), t!("drop.model_then")),
        Some(PathKind::RunFile) => (t!("drop.run_file"), t!("drop.run_file_then")),
        Some(PathKind::Adapter) => (t!("drop.adapter"), t!("drop.adapter_then")),
        Some(PathKind::Run) => (t!("drop.run"), t!("drop.run_then")),
        Some(PathKind::Other | PathKind::Missing) => (t!("drop.other"), t!("drop.other_advice")),
    };
    let opens = !matches!(hovered.kind, Some(PathKind::Other | PathKind::Missing));
    let ink = if opens { t.accent } else { t.warn };
    // Above every window of ours, below the words.
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop"));
    let painter = ui.ctx().layer_painter(layer);
    let whole = ui.ctx().content_rect();
    painter.rect_filled(whole, 0.0, Color32::from_black_alpha(110));
    painter.rect_stroke(whole.shrink(8.0), 10.0, Stroke::new(2.0, ink), egui::StrokeKind::Inside);
    egui::Area::new(egui::Id::unique("drop_words"))
        .order(egui::Order::Tooltip)
        .anchor(Align2::CENTER_CENTER, [0.0, 0.0])
        .interactable(false)
        .show(ui.ctx(), |ui| {
            card_frame(ui).shadow(ui.visuals().popup_shadow).show(ui, |ui| {
                ui.set_width(380.0);
                let names: Vec<String> = hovered.paths.iter().map(|path| last_name(path)).collect();
                ui.add(egui::Label::new(RichText::new(names.join(", ")).small().color(t.muted)).truncate());
                ui.label(RichText::new(what).text_style(theme::title()).color(ink));
                if !then.is_empty() {
                    ui.add(egui::Label::new(RichText::new(then).color(t.text)).wrap());
                }
            });
        });
}
