//! A drawing of where a prefix sits: keys and values in front of the text, in every layer.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, Rect, Response, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::theme::tokens;

/// The words in the drawing.
#[derive(Clone, Copy, Debug)]
pub struct Captions<'a> {
    /// Under the slots.
    pub prefix: &'a str,
    /// Under the tokens.
    pub text: &'a str,
    /// At the left of the rows.
    pub layers: &'a str,
    /// In the network.
    pub network: &'a str,
}

const ROWS: usize = 4;
const TOKENS: usize = 9;

/// Draws a model of `n_layers` layers with the prefix in each, and the network that makes it if there is one.
pub fn prefix_drawing_ui(ui: &mut Ui, n_layers: usize, network: bool, captions: Captions<'_>) -> Response {
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width().min(520.0), 128.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, captions.prefix));
    let painter = ui.painter_at(rect);
    let font = FontId::proportional(12.0);
    let left = rect.left() + if network { 112.0 } else { 8.0 };
    let grid = Rect::from_min_max(pos2(left, rect.top() + 4.0), rect.max - vec2(64.0, 22.0));
    let row_height = grid.height() / ROWS as f32;
    let cell = vec2((grid.width() - 10.0) / (4 + TOKENS) as f32, row_height);
    for row in 0..ROWS {
        let y = grid.top() + row as f32 * row_height;
        for column in 0..4 + TOKENS {
            let x = grid.left() + column as f32 * cell.x + if column >= 4 { 10.0 } else { 0.0 };
            let place = Rect::from_min_size(pos2(x, y), cell).shrink(2.0);
            let fill = if column < 4 { t.accent } else { t.raised };
            painter.rect_filled(place, CornerRadius::same(3), fill);
        }
        let name = match (row, n_layers) {
            (0, n) if n > 0 => n.to_string(),
            (row, _) if row == ROWS - 1 => "1".to_owned(),
            _ => "·".to_owned(),
        };
        painter.text(pos2(grid.right() + 8.0, y + row_height / 2.0), Align2::LEFT_CENTER, name, font.clone(), t.muted);
    }
    let below = grid.bottom() + 4.0;
    let slots = 4.0 * cell.x;
    painter.text(pos2(grid.left() + slots / 2.0, below), Align2::CENTER_TOP, captions.prefix, font.clone(), t.accent);
    let text = grid.left() + slots + 10.0 + TOKENS as f32 * cell.x / 2.0;
    painter.text(pos2(text, below), Align2::CENTER_TOP, captions.text, font.clone(), t.muted);
    painter.text(pos2(grid.right() + 8.0, below), Align2::LEFT_TOP, captions.layers, font.clone(), t.muted);
    if network {
        let size = vec2(76.0, grid.height() - 14.0);
        let place = Rect::from_center_size(pos2(rect.left() + 42.0, grid.center().y), size);
        painter.rect(place, CornerRadius::same(6), t.accent_soft, Stroke::new(1.0, t.accent), egui::StrokeKind::Inside);
        painter.text(place.center(), Align2::CENTER_CENTER, captions.network, font, t.accent);
        painter.arrow(pos2(place.right() + 4.0, grid.center().y), vec2(22.0, 0.0), Stroke::new(1.5, t.accent));
    }
    response
}
