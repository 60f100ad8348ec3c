//! A drawing of where a prefix sits: keys and values in front of the text, in every layer.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, Rect, Response, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use crate::theme::tokens;

/// The words in the drawing.
#[derive(Clone, Copy, Debug)]
pub struct Captions<'a> {
    /// Under the virtual tokens.
    pub prefix: &'a str,
    /// Under the tokens.
    pub text: &'a str,
    /// At the left of the rows.
    pub layers: &'a str,
    /// In the network.
    pub network: &'a str,
}

const ROWS: usize = 4;
const VIRTUAL_TOKENS: usize = 4;
const TOKENS: usize = 9;
/// Tokens of the prompt that stand before an infix.
const BEFORE_INFIX: usize = 5;
const GAP: f32 = 10.0;

/// Content of the drawing.
#[derive(Clone, Copy, Debug)]
pub struct Drawing<'a> {
    /// Layers of the model, 0 if it is not known.
    pub n_layers: usize,
    /// Those that have a prefix; `None`: all.
    pub layers: Option<&'a [usize]>,
    /// Whether a network makes it.
    pub network: bool,
    /// Whether it stands within the text.
    pub infix: bool,
}

impl Drawing<'_> {
    /// Whether one of the layers that a row stands for has a prefix; the lowest row is the first layers'.
    fn is_lit(&self, row: usize) -> bool {
        let Some(layers) = self.layers else { return true };
        let edge = |row: usize| self.n_layers * row / ROWS;
        let (first, end) = (edge(ROWS - 1 - row), edge(ROWS - row));
        layers.iter().any(|layer| (first..end.max(first + 1)).contains(layer))
    }
}

/// Draws a model's layers with the prefix in those that have one, and the network that makes it if there is one.
pub fn prefix_drawing_ui(ui: &mut Ui, drawing: Drawing<'_>, captions: Captions<'_>) -> Response {
    let Drawing { n_layers, network, infix, .. } = drawing;
    let t = tokens(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width().min(520.0), 128.0), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, captions.prefix));
    let painter = ui.painter_at(rect);
    let font = FontId::proportional(12.0);
    let left = rect.left() + if network { 112.0 } else { 8.0 };
    let grid = Rect::from_min_max(pos2(left, rect.top() + 4.0), rect.max - vec2(64.0, 22.0));
    let row_height = grid.height() / ROWS as f32;
    let first = if infix { BEFORE_INFIX } else { 0 };
    let gaps = if infix { 2.0 * GAP } else { GAP };
    let cell = vec2((grid.width() - gaps) / (VIRTUAL_TOKENS + TOKENS) as f32, row_height);
    for row in 0..ROWS {
        let y = grid.top() + row as f32 * row_height;
        for column in 0..VIRTUAL_TOKENS + TOKENS {
            let is_virtual = (first..first + VIRTUAL_TOKENS).contains(&column);
            let gaps = usize::from(infix && column >= first) + usize::from(column >= first + VIRTUAL_TOKENS);
            let x = grid.left() + column as f32 * cell.x + gaps as f32 * GAP;
            let place = Rect::from_min_size(pos2(x, y), cell).shrink(2.0);
            match (is_virtual, drawing.is_lit(row)) {
                (true, true) => painter.rect_filled(place, CornerRadius::same(3), t.accent),
                (true, false) => painter.rect_stroke(
                    place,
                    CornerRadius::same(3),
                    Stroke::new(1.0, t.border),
                    egui::StrokeKind::Inside,
                ),
                (false, _) => painter.rect_filled(place, CornerRadius::same(3), t.raised),
            };
        }
        let name = match (row, n_layers) {
            (0, n) if n > 0 => n.to_string(),
            (row, _) if row == ROWS - 1 => "1".to_owned(),
            _ => "·".to_owned(),
        };
        painter.text(pos2(grid.right() + 8.0, y + row_height / 2.0), Align2::LEFT_CENTER, name, font.clone(), t.muted);
    }
    let below = grid.bottom() + 4.0;
    let virtual_tokens = VIRTUAL_TOKENS as f32 * cell.x;
    let before = first as f32 * cell.x + if infix { GAP } else { 0.0 };
    let middle = grid.left() + before + virtual_tokens / 2.0;
    painter.text(pos2(middle, below), Align2::CENTER_TOP, captions.prefix, font.clone(), t.accent);
    let after = (TOKENS - first) as f32 * cell.x;
    let text = if infix { grid.left() + before / 2.0 } else { grid.left() + virtual_tokens + GAP + after / 2.0 };
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
