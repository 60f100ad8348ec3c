//! A text token by token, each on a tint of its own, with more to be seen under the pointer.

use egui::accesskit::Role;
use egui::{Color32, CornerRadius, FontId, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::theme::tokens;

const LINE: f32 = 23.0;
const PADDING: f32 = 1.0;

/// A token that is drawn.
#[derive(Clone, Debug, Default)]
pub struct TokenPiece {
    /// The token as people read it.
    pub text: String,
    /// Behind it; `None` is nothing.
    pub tint: Option<Color32>,
    /// What is said of it aloud.
    pub label: String,
}

/// Draws the tokens; `hover` says more of one.
pub fn scored_text_ui(ui: &mut Ui, pieces: &[TokenPiece], hover: &dyn Fn(&mut Ui, usize)) {
    let ink = tokens(ui).text;
    let width = ui.available_width();
    let (mut x, mut line) = (0.0, 0);
    let mut laid = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let mut text = piece.text.clone();
        // A word that begins a line needs no space before it; a long one is cut where the line ends.
        let galley = ui.painter().layout_no_wrap(text.clone(), FontId::proportional(14.5), ink);
        let mut size = galley.size().x + 2.0 * PADDING;
        if x > 0.0 && x + size > width {
            (x, line) = (0.0, line + 1);
            text = text.trim_start().to_owned();
        }
        let galley = ui.painter().layout_no_wrap(text, FontId::proportional(14.5), ink);
        size = (galley.size().x + 2.0 * PADDING).min(width);
        laid.push((galley, pos2(x, line as f32 * LINE), size));
        x += size;
        if piece.text.ends_with("\\n") {
            (x, line) = (0.0, line + 1);
        }
    }
    let lines = laid.last().map_or(1.0, |(_, place, _)| place.y / LINE + 1.0);
    let (rect, _) = ui.allocate_exact_size(vec2(width, lines * LINE), Sense::empty());
    for (index, ((galley, place, size), piece)) in laid.into_iter().zip(pieces).enumerate() {
        let place = egui::Rect::from_min_size(rect.min + place.to_vec2(), vec2(size, LINE - 3.0));
        if !ui.is_rect_visible(place) {
            continue;
        }
        let response = ui.interact(place, ui.scope_id().with(("token", index)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &piece.label));
        let painter = ui.painter().with_clip_rect(place.intersect(ui.clip_rect()));
        if let Some(tint) = piece.tint {
            painter.rect_filled(place.shrink2(vec2(0.5, 0.0)), CornerRadius::same(3), tint);
        }
        let top = (place.height() - galley.size().y) / 2.0;
        painter.galley(place.min + vec2(PADDING, top), galley, ink);
        response.on_hover_ui(|ui| hover(ui, index));
    }
}
