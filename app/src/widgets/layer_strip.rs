//! A number of each layer as a bar: the pointer draws over them, and keys go from one to the next.

use egui::accesskit::Role;
use egui::{CornerRadius, EventFilter, Key, Rect, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::theme::tokens;

const HEIGHT: f32 = 46.0;
/// Numbers that are drawn are whole multiples of it, so that 0 and 1 are met.
const STEP: f64 = 0.05;

/// Numbers and names of the bars.
#[derive(Clone, Copy, Debug)]
pub struct LayerStrip<'a> {
    /// The words of a screen reader.
    pub label: &'a str,
    /// The greatest number.
    pub most: f64,
    /// Where a line is drawn.
    pub mark: f64,
}

/// Draws the bars, which a pointer or keys change; `chosen` is the one that is marked.
pub fn layer_strip_ui(ui: &mut Ui, values: &mut [f64], chosen: &mut usize, strip: &LayerStrip<'_>) -> Response {
    let size = vec2(ui.available_width(), HEIGHT);
    let (rect, mut response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    *chosen = (*chosen).min(values.len().saturating_sub(1));
    let before = values.to_vec();
    by_pointer(&response, values, chosen, strip.most);
    by_keys(ui, &response, values, chosen, strip.most);
    if before != values {
        response.mark_changed();
    }
    draw(ui, rect, (values, *chosen), strip, response.has_focus());
    let said = values.iter().map(|value| format!("{value:.2}")).collect::<Vec<_>>().join(" ");
    response.widget_info(|| WidgetInfo::labeled(Role::Group, true, format!("{}: {said}", strip.label)));
    response
}

/// A bar takes the height of the pointer, and so do those that it has passed since the last frame.
fn by_pointer(response: &Response, values: &mut [f64], chosen: &mut usize, most: f64) {
    let is_down = response.is_pointer_button_down_on() || response.clicked();
    let (Some(at), true, false) = (response.interact_pointer_pos(), is_down, values.is_empty()) else { return };
    response.request_focus();
    let rect = response.rect;
    let layer_at = |x: f32| {
        let layer = ((x - rect.left()) / rect.width() * values.len() as f32).floor();
        layer.clamp(0.0, values.len() as f32 - 1.0) as usize
    };
    let (from, to) = (layer_at(at.x - response.drag_delta().x), layer_at(at.x));
    let share = f64::from((rect.bottom() - at.y) / rect.height()).clamp(0.0, 1.0);
    values[from.min(to)..=from.max(to)].fill(stepped(share * most));
    *chosen = to;
}

/// Left and right choose a bar, up and down change it.
fn by_keys(ui: &Ui, response: &Response, values: &mut [f64], chosen: &mut usize, most: f64) {
    if !response.has_focus() || values.is_empty() {
        return;
    }
    let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
    let (across, up) = ui.input(|input| {
        let times = |key| input.num_presses(key) as i64;
        (times(Key::ArrowRight) - times(Key::ArrowLeft), times(Key::ArrowUp) - times(Key::ArrowDown))
    });
    *chosen = (*chosen as i64 + across).clamp(0, values.len() as i64 - 1) as usize;
    if up != 0 {
        values[*chosen] = stepped((values[*chosen] + up as f64 * STEP).clamp(0.0, most));
    }
}

/// The nearest multiple, as somebody would type it.
fn stepped(value: f64) -> f64 {
    (value / STEP).round() / (1.0 / STEP).round()
}

fn draw(ui: &Ui, rect: Rect, (values, chosen): (&[f64], usize), strip: &LayerStrip<'_>, has_focus: bool) {
    let t = tokens(ui);
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, CornerRadius::same(4), t.raised);
    let height = |value: f64| (value / strip.most).clamp(0.0, 1.0) as f32 * rect.height();
    let width = rect.width() / values.len().max(1) as f32;
    let gap = if width > 6.0 { 1.0 } else { 0.0 };
    for (layer, &value) in values.iter().enumerate() {
        let left = rect.left() + layer as f32 * width;
        let column = Rect::from_min_max(pos2(left, rect.top()), pos2(left + width, rect.bottom()));
        if layer == chosen {
            painter.rect_filled(column, 0.0, t.border);
        }
        // One that is switched off is seen, too.
        let top = rect.bottom() - height(value).max(1.5);
        let bar = Rect::from_min_max(pos2(left + gap, top), pos2(left + width - gap, rect.bottom()));
        painter.rect_filled(bar, 0.0, if value == 0.0 { t.faint } else { t.accent });
    }
    let y = rect.bottom() - height(strip.mark);
    painter.hline(rect.x_range(), y, Stroke::new(1.0, t.muted));
    if has_focus {
        painter.rect_stroke(rect, CornerRadius::same(4), Stroke::new(1.5, t.accent), StrokeKind::Inside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawn_numbers_are_those_that_somebody_would_type() {
        assert_eq!([0.012, 0.99, 1.73].map(stepped), [0.0, 1.0, 1.75]);
        assert_eq!(stepped(0.3), 0.3);
    }
}
