//! A grid of tokens: a cell has a word and is as deep as its number is large, to be clicked.

use egui::accesskit::Role;
use egui::{Align2, CornerRadius, FontId, Rect, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::shaded_tokens::ground;
use crate::theme::{ink_on, tokens};

const CELL: egui::Vec2 = vec2(66.0, 22.0);
/// Names of the rows at the left, of the columns below.
const MARGIN: egui::Vec2 = vec2(36.0, 22.0);

/// Content of the grid, row by row.
#[derive(Clone, Copy, Debug)]
pub struct TokenGrid<'a> {
    /// The word of each cell and its depth, 0 to 1; NaN for what is no number. Rows are drawn with the last at the top.
    pub cells: &'a [(&'a str, f32)],
    /// Short names of the rows.
    pub rows: &'a [String],
    /// Words below the columns.
    pub columns: &'a [String],
    /// The cell that is marked: row and column.
    pub chosen: Option<(usize, usize)>,
}

/// Draws the grid; `name` says what a cell is called. The cell that was clicked: row and column.
pub fn token_grid_ui(
    ui: &mut Ui,
    grid: &TokenGrid<'_>,
    name: impl Fn(usize, usize) -> String,
) -> Option<(usize, usize)> {
    let t = tokens(ui);
    let (n_rows, n_columns) = (grid.rows.len(), grid.columns.len());
    let size = vec2(CELL.x * n_columns as f32, CELL.y * n_rows as f32) + MARGIN;
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let font = FontId::monospace(11.0);
    let mut clicked = None;
    let bottom = rect.bottom() - MARGIN.y;
    for row in 0..n_rows {
        let y = rect.top() + (n_rows - 1 - row) as f32 * CELL.y;
        let place = pos2(rect.left() + MARGIN.x - 8.0, y + CELL.y / 2.0);
        ui.painter().text(place, Align2::RIGHT_CENTER, &grid.rows[row], font.clone(), t.muted);
        for column in 0..n_columns {
            let Some((text, shade)) = grid.cells.get(row * n_columns + column) else { continue };
            let corner = pos2(rect.left() + MARGIN.x + column as f32 * CELL.x, y);
            let place = Rect::from_min_size(corner, CELL);
            let response = ui.interact(place, ui.unique_id().with((row, column)), Sense::click());
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name(row, column)));
            // Most cells of a long text are scrolled out of sight.
            if ui.is_rect_visible(place) {
                let fill = ground(ui, *shade);
                ui.painter().rect_filled(place.shrink(1.0), CornerRadius::same(3), fill);
                let inside = ui.painter_at(place.shrink(2.0));
                inside.text(
                    place.left_center() + vec2(5.0, 0.0),
                    Align2::LEFT_CENTER,
                    text,
                    font.clone(),
                    ink_on(ui, fill),
                );
                if grid.chosen == Some((row, column)) || response.hovered() || response.has_focus() {
                    ui.painter().rect_stroke(
                        place,
                        CornerRadius::same(3),
                        Stroke::new(2.0, t.text),
                        StrokeKind::Inside,
                    );
                }
            }
            if response.clicked() {
                clicked = Some((row, column));
            }
            response.on_hover_text(name(row, column));
        }
    }
    for (column, text) in grid.columns.iter().enumerate() {
        let corner = pos2(rect.left() + MARGIN.x + column as f32 * CELL.x, bottom);
        let painter = ui.painter_at(Rect::from_min_size(corner, vec2(CELL.x - 2.0, MARGIN.y)));
        painter.text(corner + vec2(6.0, 6.0), Align2::LEFT_TOP, text, font.clone(), t.muted);
    }
    clicked
}
