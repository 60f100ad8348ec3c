//! Tokens of a text, each on a ground as deep as its number is large.

use egui::accesskit::Role;
use egui::{Color32, CornerRadius, FontId, Rect, Sense, Ui, WidgetInfo, vec2};

use crate::theme::{blend, ink_on, tokens};

const LINE: f32 = 26.0;
const GAP: f32 = 3.0;
const PADDING: f32 = 4.0;

/// The ground of a shade, 0 to 1, as the grid has it; what is no number has none.
pub fn ground(ui: &Ui, shade: f32) -> Color32 {
    let t = tokens(ui);
    if shade.is_finite() { blend(t.raised, t.accent, 0.04 + 0.96 * shade) } else { t.raised }
}

/// Draws the tokens in as many lines as they need; `name` says what one is called.
pub fn shaded_tokens_ui(ui: &mut Ui, tokens: &[(&str, f32)], name: impl Fn(usize) -> String) {
    let width = ui.available_width();
    let (mut x, mut line) = (0.0, 0);
    let mut places = Vec::with_capacity(tokens.len());
    for (text, shade) in tokens {
        let fill = ground(ui, *shade);
        let galley = ui.painter().layout_no_wrap((*text).to_owned(), FontId::monospace(12.5), ink_on(ui, fill));
        let wide = galley.size().x.max(4.0) + 2.0 * PADDING;
        if x > 0.0 && x + wide > width {
            (x, line) = (0.0, line + 1);
        }
        places.push((vec2(x, line as f32 * LINE), wide, galley, fill));
        x += wide + GAP;
    }
    let (rect, _) = ui.allocate_exact_size(vec2(width, (line + 1) as f32 * LINE), Sense::hover());
    let painter = ui.painter_at(rect);
    for (at, (corner, wide, galley, fill)) in places.into_iter().enumerate() {
        let place = Rect::from_min_size(rect.min + corner, vec2(wide, LINE - GAP));
        let response = ui.interact(place, ui.unique_id().with(("token", at)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::ListItem, true, name(at)));
        painter.rect_filled(place, CornerRadius::same(4), fill);
        let text = place.min + vec2(PADDING, (place.height() - galley.size().y) / 2.0);
        painter.galley(text, galley, ink_on(ui, fill));
        response.on_hover_text(name(at));
    }
}
