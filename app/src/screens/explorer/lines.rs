//! Lists in views: a name, a bar, and numbers; sentences.

use egui::accesskit::Role;
use egui::{Align2, Color32, CornerRadius, FontId, Rect, Response, RichText, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::theme::{blend, tokens};

const LINE: f32 = 22.0;

/// A line of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// Room for the name.
    pub(super) wide: f32,
    /// Length of the bar, 0 to 1.
    pub(super) share: f32,
    pub(super) numbers: &'a str,
    /// Room for the numbers.
    pub(super) room: f32,
    pub(super) color: Color32,
    pub(super) is_chosen: bool,
    /// It can be clicked.
    pub(super) is_button: bool,
    /// The words of a screen reader.
    pub(super) label: &'a str,
}

/// Draws a line.
pub(super) fn line_ui(ui: &mut Ui, line: &Line<'_>) -> Response {
    let t = tokens(ui);
    let (sense, role) = match line.is_button {
        true => (Sense::click(), Role::Button),
        false => (Sense::hover(), Role::ListItem),
    };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), sense);
    response.widget_info(|| WidgetInfo::labeled(role, true, line.label));
    if line.is_chosen || (line.is_button && (response.hovered() || response.has_focus())) {
        let ground = if line.is_chosen { t.accent_soft } else { t.hover };
        ui.painter().rect_filled(rect, CornerRadius::same(3), ground);
    }
    let font = FontId::monospace(12.5);
    let wide = line.wide.min(rect.width() * 0.5);
    let words = Rect::from_min_max(rect.min, pos2(rect.left() + wide - 8.0, rect.bottom()));
    ui.painter_at(words).text(rect.left_center(), Align2::LEFT_CENTER, line.name, font.clone(), t.text);
    let room = (rect.width() - wide - line.room - 8.0).max(0.0);
    let left = rect.left() + wide;
    let share = if line.share.is_finite() { line.share.clamp(0.0, 1.0) } else { 0.0 };
    let bar = Rect::from_min_max(pos2(left, rect.top() + 6.0), pos2(left + room * share, rect.bottom() - 6.0));
    ui.painter().rect_filled(bar, CornerRadius::same(2), blend(t.surface, line.color, 0.7));
    ui.painter().text(rect.right_center(), Align2::RIGHT_CENTER, line.numbers, font, t.text);
    response
}

/// A sentence of an answer.
pub(super) fn sentence_ui(ui: &mut Ui, line: &str) {
    ui.add(egui::Label::new(RichText::new(line).color(tokens(ui).text)).wrap());
}

/// A name above what follows.
pub(super) fn title_ui(ui: &mut Ui, name: &str) {
    ui.add_space(crate::theme::SMALL_GAP);
    ui.label(RichText::new(name).color(tokens(ui).text).strong());
}

/// A quiet word, then a text as somebody or something wrote it.
pub(super) fn text_ui(ui: &mut Ui, name: &str, text: &str) {
    ui.horizontal_top(|ui| {
        let muted = tokens(ui).muted;
        ui.allocate_ui(vec2(96.0, 0.0), |ui| {
            ui.set_width(96.0);
            ui.add(egui::Label::new(RichText::new(name).small().color(muted)).wrap());
        });
        let shown = text.trim().replace('\n', " ↵ ");
        ui.add(egui::Label::new(RichText::new(shown).monospace().color(tokens(ui).text)).wrap());
    });
}

/// A color, and what has it in a plot.
pub(super) fn legend_ui(ui: &mut Ui, color: Color32, name: &str) {
    let (mark, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::empty());
    ui.painter().rect_filled(mark, 3.0, color);
    ui.label(RichText::new(name).small().color(tokens(ui).muted));
    ui.add_space(8.0);
}

/// A number with its sign.
pub(super) fn signed(value: f64) -> String {
    if value.is_finite() { format!("{value:+.4}") } else { "–".to_owned() }
}
