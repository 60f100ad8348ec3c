//! The changes that an adapter makes to a model's weights.

use egui::accesskit::Role;
use egui::{CornerRadius, Rect, RichText, Sense, Ui, WidgetInfo, pos2, vec2};
use engine::analysis::WeightChange;

use crate::t;
use crate::theme::{blend, tokens};

/// A bar for each changed weight, as long as its share of the largest.
pub(super) fn changes_ui(ui: &mut Ui, changes: &[WeightChange]) {
    let t = tokens(ui);
    ui.add(egui::Label::new(RichText::new(t!("explorer.changes_note")).small().color(t.muted)).wrap());
    let largest = changes.iter().map(|change| change.share).fold(1e-9, f32::max);
    ui.spacing_mut().item_spacing.y = 4.0;
    for change in changes {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 20.0), Sense::hover());
        let share = format!("{:.3} %", 100.0 * change.share);
        let label = format!("{} {share}", change.name);
        response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, &label));
        let left = rect.left() + rect.width() * 0.45;
        let room = (rect.right() - 80.0 - left).max(20.0);
        let end = left + room * change.share / largest;
        let bar = Rect::from_min_max(pos2(left, rect.top() + 4.0), pos2(end, rect.bottom() - 4.0));
        ui.painter().rect_filled(bar, CornerRadius::same(3), blend(t.surface, t.accent, 0.45));
        let font = egui::FontId::monospace(12.0);
        let painter = ui.painter_at(Rect::from_min_max(rect.min, pos2(left - 8.0, rect.bottom())));
        painter.text(rect.left_center(), egui::Align2::LEFT_CENTER, &change.name, font.clone(), t.text);
        ui.painter().text(rect.right_center(), egui::Align2::RIGHT_CENTER, share, font, t.text);
        response.on_hover_text(t!("explorer.change_norm", norm = format!("{:.4}", change.norm)));
    }
}
