//! Bars that stand beside each other, each with a name: shares of a whole.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, Rect, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::theme::tokens;

/// Height of the tallest bar.
const HIGH: f32 = 96.0;
/// Below the bars: their numbers.
const NUMBERS: f32 = 18.0;

/// Content of the bars.
#[derive(Clone, Copy, Debug)]
pub struct Bars<'a> {
    /// Heights, from 0.
    pub values: &'a [f64],
    /// Indices of those that stand out.
    pub marked: &'a [usize],
    /// A line across all, and its words.
    pub line: Option<(f64, &'a str)>,
}

/// Draws the bars, counted from 1; `name` says what one is called.
pub fn bars_ui(ui: &mut Ui, bars: &Bars<'_>, name: impl Fn(usize) -> String) {
    let t = tokens(ui);
    let n = bars.values.len().max(1);
    let wide = ((ui.available_width() - 4.0) / n as f32).clamp(4.0, 34.0);
    let (rect, _) = ui.allocate_exact_size(vec2(wide * n as f32, HIGH + NUMBERS), Sense::hover());
    let line = bars.line.map_or(0.0, |(value, _)| value);
    let most = bars.values.iter().copied().filter(|value| value.is_finite()).fold(line, f64::max).max(1e-9);
    let foot = rect.top() + HIGH;
    let top = |value: f64| foot - (HIGH - 14.0) * (value / most).clamp(0.0, 1.0) as f32;
    let font = FontId::monospace(11.0);
    let every = ((24.0 / wide).ceil() as usize).max(1);
    for (at, &value) in bars.values.iter().enumerate() {
        let left = rect.left() + at as f32 * wide;
        let place = Rect::from_min_max(pos2(left, rect.top()), pos2(left + wide, foot));
        let response = ui.interact(place, ui.unique_id().with(("bar", at)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, name(at)));
        let color = if bars.marked.contains(&at) { t.warn } else { t.accent };
        let inset = if wide > 8.0 { 1.5 } else { 0.5 };
        let bar = Rect::from_min_max(pos2(left + inset, top(value)), pos2(left + wide - inset, foot));
        ui.painter().rect_filled(bar, CornerRadius::same(2), color);
        if response.hovered() {
            ui.painter().rect_filled(place, CornerRadius::same(2), t.text.gamma_multiply(0.08));
        }
        if at % every == 0 {
            let below = pos2(place.center().x, foot + 4.0);
            ui.painter().text(below, Align2::CENTER_TOP, (at + 1).to_string(), font.clone(), t.muted);
        }
        response.on_hover_text(name(at));
    }
    ui.painter().hline(rect.x_range(), foot, Stroke::new(1.0, t.border));
    if let Some((value, words)) = bars.line {
        let ends = [pos2(rect.left(), top(value)), pos2(rect.right(), top(value))];
        ui.painter().extend(Shape::dashed_line(&ends, Stroke::new(1.5, t.warn), 4.0, 4.0));
        ui.label(egui::RichText::new(words).small().color(t.muted));
    }
}
