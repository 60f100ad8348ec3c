//! A grid of cells, colored by value, to be clicked.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, Rect, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use crate::theme::{blend, tokens};

/// Content of a heatmap.
#[derive(Clone, Copy, Debug)]
pub struct Heatmap<'a> {
    /// Depth of each cell's color, 0 to 1, row by row; NaN for what is no number.
    pub shades: &'a [f32],
    /// Rows, drawn with the last at the top.
    pub rows: usize,
    /// Short names of the rows; without them they are counted from 1.
    pub row_names: &'a [String],
    /// Columns.
    pub columns: usize,
    /// The cell that is marked: row and column.
    pub chosen: Option<(usize, usize)>,
}

/// Draws the grid; `name` says what a cell is called. The cell that was clicked: row and column.
pub fn heatmap_ui(ui: &mut Ui, map: &Heatmap<'_>, name: impl Fn(usize, usize) -> String) -> Option<(usize, usize)> {
    let t = tokens(ui);
    let (margin_left, margin_bottom) = (34.0, 20.0);
    let wide = (ui.available_width() - margin_left - 4.0) / map.columns.max(1) as f32;
    let cell = vec2(wide.clamp(5.0, 34.0), (360.0 / map.rows.max(1) as f32).clamp(7.0, 30.0));
    let size = vec2(cell.x * map.columns as f32 + margin_left, cell.y * map.rows as f32 + margin_bottom);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let font = FontId::monospace(11.0);
    let mut clicked = None;
    for row in 0..map.rows {
        let y = rect.top() + (map.rows - 1 - row) as f32 * cell.y;
        if row % label_every(cell.y, 14.0) == 0 {
            let place = pos2(rect.left() + margin_left - 8.0, y + cell.y / 2.0);
            let named = map.row_names.get(row).cloned().unwrap_or_else(|| (row + 1).to_string());
            ui.painter().text(place, Align2::RIGHT_CENTER, named, font.clone(), t.muted);
        }
        for column in 0..map.columns {
            let shade = map.shades.get(row * map.columns + column).copied().unwrap_or(f32::NAN);
            let place = Rect::from_min_size(pos2(rect.left() + margin_left + column as f32 * cell.x, y), cell);
            let response = ui.interact(place, ui.unique_id().with((row, column)), Sense::click());
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name(row, column)));
            let fill = if shade.is_finite() { blend(t.raised, t.accent, 0.08 + 0.92 * shade) } else { t.bad };
            let inset = if cell.x > 10.0 { 1.0 } else { 0.0 };
            ui.painter().rect_filled(place.shrink(inset), CornerRadius::same(2), fill);
            if map.chosen == Some((row, column)) || response.hovered() || response.has_focus() {
                ui.painter().rect_stroke(place, CornerRadius::same(3), Stroke::new(2.0, t.text), StrokeKind::Inside);
            }
            if response.clicked() {
                clicked = Some((row, column));
            }
            response.on_hover_text(name(row, column));
        }
    }
    for column in (0..map.columns).step_by(label_every(cell.x, 22.0)) {
        let place =
            pos2(rect.left() + margin_left + (column as f32 + 0.5) * cell.x, rect.bottom() - margin_bottom + 5.0);
        ui.painter().text(place, Align2::CENTER_TOP, (column + 1).to_string(), font.clone(), t.muted);
    }
    clicked
}

fn label_every(cell: f32, room: f32) -> usize {
    ((room / cell).ceil() as usize).max(1)
}

/// A bar from low to high in the colors of the grid.
pub fn scale_ui(ui: &mut Ui, low: &str, high: &str) {
    let t = tokens(ui);
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new(low).text_style(crate::theme::small_number()).color(t.muted));
        let (rect, _) = ui.allocate_exact_size(vec2(120.0, 10.0), Sense::empty());
        for i in 0..24 {
            let part = Rect::from_min_size(pos2(rect.left() + i as f32 * 5.0, rect.top()), vec2(5.0, 10.0));
            ui.painter().rect_filled(part, 0.0, blend(t.raised, t.accent, 0.08 + 0.92 * i as f32 / 23.0));
        }
        ui.label(egui::RichText::new(high).text_style(crate::theme::small_number()).color(t.muted));
    });
}
