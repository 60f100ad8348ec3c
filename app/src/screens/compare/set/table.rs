//! The rows of a set, a line each: its source, the text of each column, and the figure of each. Only those in sight are drawn.

use egui::accesskit::Role;
use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{Color32, CornerRadius, FontId, Rect, ScrollArea, Sense, Stroke, Ui, WidgetInfo, vec2};

use super::SetScreen;
use crate::action::Action;
use crate::screens::compare::action::CompareAction;
use crate::screens::compare::state::set::{RowSet, SetRow};
use crate::screens::evaluate::ui::number;
use crate::t;
use crate::theme::tokens;
use crate::widgets::icon::{self, Icon};

/// Height of a row and of the head.
const ROW: f32 = 78.0;
const HEAD: f32 = 26.0;
/// Height of all rows in sight.
const HEIGHT: f32 = 430.0;
/// Width of number and star, and the least of a text.
const GUTTER: f32 = 58.0;
const LEAST: f32 = 150.0;
/// Lines of a text.
const LINES: usize = 3;

/// Left edge and width of each cell: the source, then the columns.
struct Cells {
    source: (f32, f32),
    columns: Vec<(f32, f32)>,
    width: f32,
}

impl Cells {
    fn of(set: &RowSet, room: f32) -> Self {
        let n = set.columns.len() as f32 + 1.0;
        let each = ((room - GUTTER) / n).max(LEAST);
        let at = |place: usize| (GUTTER + place as f32 * each, each - 14.0);
        Self { source: at(0), columns: (1..=set.columns.len()).map(at).collect(), width: GUTTER + n * each }
    }
}

impl SetScreen {
    /// Draws the rows; a press shows one whole.
    pub(super) fn table_ui(&mut self, ui: &mut Ui, set: &RowSet, rows: &[usize], out: &mut Vec<Action>) {
        if rows.is_empty() {
            ui.label(t!("compare.no_row_passes"));
            return;
        }
        let cells = Cells::of(set, ui.available_width());
        let mut area = ScrollArea::both().id_salt("set rows").max_height(HEIGHT).auto_shrink([false, true]);
        let chosen = self.selected.and_then(|number| rows.iter().position(|&row| set.rows[row].row.row == number));
        if let Some(place) = chosen.filter(|_| std::mem::take(&mut self.goes_there)) {
            area = area.vertical_scroll_offset((HEAD + (place as f32 - 2.0) * ROW).max(0.0));
        }
        area.show_viewport(ui, |ui, sight| {
            ui.set_min_size(vec2(cells.width, HEAD + rows.len() as f32 * ROW));
            let origin = ui.min_rect().min;
            let first = ((sight.min.y - HEAD) / ROW).floor().max(0.0) as usize;
            let last = (((sight.max.y - HEAD) / ROW).ceil().max(0.0) as usize).min(rows.len());
            for (place, &row) in rows.iter().enumerate().take(last).skip(first) {
                let top = origin + vec2(0.0, HEAD + place as f32 * ROW);
                let rect = Rect::from_min_size(top, vec2(cells.width, ROW));
                self.row_ui(ui, (set, &set.rows[row]), (rect, &cells), out);
            }
            // Over the rows that have moved up.
            let head = Rect::from_min_size(origin + vec2(0.0, sight.min.y.max(0.0)), vec2(cells.width, HEAD));
            head_ui(ui, set, head, &cells);
        });
    }

    fn row_ui(
        &mut self,
        ui: &mut Ui,
        (set, row): (&RowSet, &SetRow),
        (rect, cells): (Rect, &Cells),
        out: &mut Vec<Action>,
    ) {
        let t = tokens(ui);
        let number_of_row = row.row.row;
        let is_chosen = self.selected == Some(number_of_row);
        let response = ui.interact(rect, egui::Id::unique(("set row", number_of_row)), Sense::click());
        let label = t!("compare.row_label", row = number_of_row, source = row.row.source.trim());
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, is_chosen, &label));
        let fill = match (is_chosen, response.hovered()) {
            (true, _) => t.accent_soft,
            (false, true) => t.hover,
            (false, false) => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect.shrink2(vec2(0.0, 1.0)), CornerRadius::same(6), fill);
        if response.has_focus() {
            let stroke = Stroke::new(1.0, t.accent);
            ui.painter().rect_stroke(rect.shrink(1.0), CornerRadius::same(6), stroke, egui::StrokeKind::Inside);
        }
        ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, t.border));
        if response.clicked() {
            self.selected = (!is_chosen).then_some(number_of_row);
        }
        let corner = rect.min + vec2(6.0, 6.0);
        text(ui, &number_of_row.to_string(), Rect::from_min_size(corner, vec2(GUTTER - 30.0, 18.0)), t.muted, 1);
        star_ui(ui, row, rect, out);
        let cell = |(left, width): (f32, f32)| Rect::from_min_size(rect.min + vec2(left, 6.0), vec2(width, ROW - 8.0));
        text(ui, row.row.source.trim(), cell(cells.source), t.muted, LINES + 1);
        for (column, &place) in cells.columns.iter().enumerate() {
            let said = row.row.texts.get(column).map_or("", String::as_str);
            text(ui, said.trim(), cell(place), t.text, LINES);
            let Some(figure) = set.figure(row, column, self.measure) else { continue };
            let below = cell(place);
            let below = Rect::from_min_max(below.min + vec2(0.0, ROW - 24.0), below.max);
            text(ui, &number(figure), below, t.faint, 1);
        }
    }
}

/// Names of the columns; they stay above the rows.
fn head_ui(ui: &Ui, set: &RowSet, rect: Rect, cells: &Cells) {
    let t = tokens(ui);
    ui.painter().rect_filled(rect, CornerRadius::ZERO, t.surface);
    ui.painter().hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, t.border));
    let cell = |(left, width): (f32, f32)| Rect::from_min_size(rect.min + vec2(left, 4.0), vec2(width, HEAD - 6.0));
    text(ui, t!("compare.source"), cell(cells.source), t.muted, 1);
    for (column, &place) in set.columns.iter().zip(&cells.columns) {
        text(ui, &column.name, cell(place), t.muted, 1);
    }
}

/// The mark of a row.
fn star_ui(ui: &Ui, row: &SetRow, rect: Rect, out: &mut Vec<Action>) {
    let t = tokens(ui);
    let place = Rect::from_min_size(rect.min + vec2(GUTTER - 30.0, 4.0), vec2(22.0, 22.0));
    let number = row.row.row;
    let response = ui.interact(place, egui::Id::unique(("set star", number)), Sense::click());
    let label = t!("compare.star_row", row = number);
    response.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, row.starred, &label));
    let (icon, ink) = if row.starred { (Icon::StarFull, t.warn) } else { (Icon::Star, t.faint) };
    icon::paint(ui.painter(), place.center(), icon, ink);
    if response.on_hover_text(&label).clicked() {
        out.push(Action::Compare(CompareAction::StarRow(number)));
    }
}

/// A text in so many lines, cut where there are more.
fn text(ui: &Ui, text: &str, rect: Rect, ink: Color32, lines: usize) {
    let format = TextFormat::simple(FontId::proportional(13.5), ink);
    let mut job = LayoutJob::default();
    // More than fits is not laid out.
    let shown: String = text.chars().take(400).collect();
    job.append(&shown.replace('\n', " "), 0.0, format);
    job.wrap = TextWrapping { max_width: rect.width(), max_rows: lines, ..TextWrapping::default() };
    let galley = ui.painter().layout_job(job);
    ui.painter().with_clip_rect(rect.intersect(ui.clip_rect())).galley(rect.min, galley, ink);
}
