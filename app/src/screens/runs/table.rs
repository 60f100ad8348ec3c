//! The table of runs: sortable columns, as many as there is room for, a sparkline in each row. One stop of the tabulator
//! a row.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use egui::accesskit::Role;
use egui::{Align, Color32, Label, Layout, Modifiers, RichText, Sense, Ui, WidgetInfo, vec2};
use egui_table::{CellInfo, Column, HeaderCellInfo, HeaderRow, TableDelegate};
use serde::{Deserialize, Serialize};

use super::Deed;
use crate::action::{Action, Screen};
use crate::format;
use crate::i18n::tell;
use crate::state::notices::Level;
use crate::store::{RunRow, RunState};
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::icon::{self, Icon};
use crate::widgets::sparkline::sparkline_in;
use crate::workspace::RunId;

/// A column that can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is named after its column")]
pub enum SortBy {
    State,
    Name,
    Model,
    Method,
    BestLoss,
    LastLoss,
    Curve,
    Steps,
    Duration,
    Started,
}

/// Columns in their order, each with its width, and its turn to go where there is too little room: the highest goes first.
const COLUMNS: [(SortBy, f32, u8); 10] = [
    (SortBy::State, 104.0, 0),
    (SortBy::Name, 230.0, 0),
    (SortBy::BestLoss, 120.0, 0),
    (SortBy::LastLoss, 76.0, 6),
    (SortBy::Curve, 92.0, 3),
    (SortBy::Method, 140.0, 4),
    (SortBy::Model, 84.0, 5),
    (SortBy::Steps, 108.0, 1),
    (SortBy::Duration, 96.0, 7),
    (SortBy::Started, 80.0, 2),
];

/// The columns that fit into a width, with theirs; the name takes what the others leave.
fn fitting(room: f32) -> Vec<(SortBy, f32)> {
    let mut columns = COLUMNS.to_vec();
    let width = |columns: &[(SortBy, f32, u8)]| columns.iter().map(|(_, width, _)| width).sum::<f32>();
    while width(&columns) > room
        && let Some(last) = columns.iter().map(|(_, _, turn)| *turn).max().filter(|turn| *turn > 0)
    {
        columns.retain(|(_, _, turn)| *turn != last);
    }
    let free = (room - width(&columns)).max(0.0).floor();
    let widened = |(column, width, _)| (column, width + if column == SortBy::Name { free } else { 0.0 });
    columns.into_iter().map(widened).collect()
}

/// Id by which a row is found among all that can have the keyboard.
pub fn row_id(run: &RunId) -> egui::Id {
    egui::Id::unique(("run's row", &run.0))
}

/// The column to sort by, and the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// The column to sort by.
    pub by: SortBy,
    /// Largest first.
    pub descending: bool,
}

impl Sort {
    /// Sorts; runs without the figure come last both ways.
    pub fn apply(self, rows: &mut [&RunRow]) {
        let figure = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => self.turned(a.total_cmp(&b)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        rows.sort_by(|a, b| match self.by {
            SortBy::State => self.turned(a.state.cmp(&b.state)),
            SortBy::Name => self.turned(a.name.cmp(&b.name)),
            SortBy::Model => self.turned(a.model.cmp(&b.model)),
            SortBy::Method | SortBy::Curve => self.turned(a.method.cmp(&b.method)),
            SortBy::BestLoss => figure(a.best_loss, b.best_loss),
            SortBy::LastLoss => figure(a.last_loss, b.last_loss),
            SortBy::Steps => self.turned(a.step.cmp(&b.step)),
            SortBy::Duration => self.turned(a.duration_secs.total_cmp(&b.duration_secs)),
            SortBy::Started => self.turned(a.created.cmp(&b.created)),
        });
    }

    fn turned(self, order: Ordering) -> Ordering {
        if self.descending { order.reverse() } else { order }
    }
}

fn title(column: SortBy) -> &'static str {
    match column {
        SortBy::State => t!("column.state"),
        SortBy::Name => t!("column.name"),
        SortBy::Model => t!("column.model"),
        SortBy::Method => t!("column.method"),
        SortBy::BestLoss => t!("column.best"),
        SortBy::LastLoss => t!("column.last"),
        SortBy::Curve => t!("column.curve"),
        SortBy::Steps => t!("column.steps"),
        SortBy::Duration => t!("column.duration"),
        SortBy::Started => t!("column.started"),
    }
}

/// A state's name and how it is colored; a run that the user stopped is no error.
pub fn state_words(state: RunState) -> (&'static str, Option<Level>) {
    match state {
        RunState::Queued => (t!("state.queued"), None),
        RunState::Preparing => (t!("state.preparing"), Some(Level::Info)),
        RunState::Running => (t!("state.running"), Some(Level::Info)),
        RunState::Paused => (t!("state.paused"), Some(Level::Warn)),
        RunState::Finished => (t!("state.finished"), Some(Level::Good)),
        RunState::Stopped => (t!("state.stopped"), None),
        RunState::Failed => (t!("state.failed"), Some(Level::Bad)),
        RunState::Interrupted => (t!("state.interrupted"), Some(Level::Warn)),
    }
}

/// One drawing of the table.
pub struct Table<'a> {
    /// Filtered and sorted.
    pub rows: &'a [&'a RunRow],
    /// Seconds since 1970.
    pub now: f64,
    /// Changes when a header is clicked.
    pub sort: &'a mut Sort,
    /// Chosen runs.
    pub selected: &'a BTreeSet<RunId>,
    /// The row that was clicked.
    pub clicked: Option<(usize, Modifiers)>,
    /// A row that is to be seen.
    pub scroll_to: Option<usize>,
    /// Index of the row whose menu was pressed, and the deed.
    pub pressed: Option<(usize, Deed)>,
    /// Deeds for the runs that the menu of a row is for, and whether each can be done.
    pub menu: &'a dyn Fn(&RunRow) -> Vec<(Deed, bool)>,
    /// Actions that were asked for.
    pub out: &'a mut Vec<Action>,
    /// Set while it is drawn.
    columns: Vec<(SortBy, f32)>,
}

impl<'a> Table<'a> {
    /// A table of these rows.
    pub fn new(
        rows: &'a [&'a RunRow],
        now: f64,
        sort: &'a mut Sort,
        selected: &'a BTreeSet<RunId>,
        menu: &'a dyn Fn(&RunRow) -> Vec<(Deed, bool)>,
        out: &'a mut Vec<Action>,
    ) -> Self {
        let (clicked, scroll_to, pressed, columns) = (None, None, None, Vec::new());
        Self { rows, now, sort, selected, clicked, scroll_to, pressed, menu, out, columns }
    }

    /// Draws it.
    pub fn ui(&mut self, ui: &mut Ui) {
        self.columns = fitting(ui.available_width());
        let column = |&(column, width): &(SortBy, f32)| {
            let most = if column == SortBy::Name { width } else { width.max(320.0) };
            Column::new(width).range(width..=most).resizable(column != SortBy::Name).id(egui::Id::unique(column))
        };
        let columns: Vec<Column> = self.columns.iter().map(column).collect();
        // No lines between columns: the rows have lines.
        ui.visuals_mut().widgets.noninteractive.bg_stroke = egui::Stroke::NONE;
        let table = egui_table::Table::new()
            .id_salt("runs")
            .num_rows(self.rows.len() as u64)
            .columns(columns)
            .num_sticky_cols(2)
            .headers([HeaderRow::new(32.0)]);
        let table = match self.scroll_to {
            Some(row) => table.scroll_to_row(row as u64, None),
            None => table,
        };
        table.show(ui, self);
    }

    fn cell(&self, ui: &mut Ui, column: SortBy, row: &RunRow) {
        let t = tokens(ui);
        let number = |text: String| RichText::new(text).text_style(theme::small_number());
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), format::figure);
        let cell = match column {
            SortBy::State => {
                let (word, level) = state_words(row.state);
                let (ink, _) = level.map_or((t.muted, t.raised), |level| level.colors(ui));
                let (dot, _) = ui.allocate_exact_size(vec2(10.0, 20.0), Sense::empty());
                ui.painter().circle_filled(dot.center(), 4.0, ink);
                RichText::new(word).small().color(t.text)
            }
            SortBy::Name => {
                // Painted, not added: the row is what a screen reader and a test should find.
                let ink = if row.files_missing { t.faint } else { t.text };
                let rect = ui.available_rect_before_wrap();
                let galley = name_galley(ui, &row.name, ink, rect.width());
                let place = rect.left_center() - vec2(0.0, galley.size().y / 2.0);
                ui.painter().galley(place, galley, ink);
                return;
            }
            SortBy::Model => RichText::new(&row.model).small().color(t.muted),
            SortBy::Method => RichText::new(&row.method).small().color(t.muted),
            SortBy::BestLoss => {
                ui.label(number(shown(row.best_loss)));
                RichText::new(row.best_step.map(|step| format!("@ {step}")).unwrap_or_default()).small().color(t.faint)
            }
            SortBy::LastLoss => number(shown(row.last_loss)),
            SortBy::Curve => {
                let rect = ui.available_rect_before_wrap().shrink2(vec2(2.0, 8.0));
                sparkline_in(ui, rect, &row.sparkline, t.accent);
                return;
            }
            SortBy::Steps if row.total_steps == 0 => number("–".to_owned()),
            SortBy::Steps => number(steps_text(row)),
            SortBy::Duration => number(format::duration(row.duration_secs)),
            SortBy::Started => {
                RichText::new(format::ago(row.started.unwrap_or(row.created) as f64, self.now)).small().color(t.muted)
            }
        };
        ui.add(Label::new(cell).truncate());
    }
}

impl Table<'_> {
    /// Draws the menu of a row, under the right button of the mouse.
    fn menu_ui(&mut self, ui: &mut Ui, index: usize) {
        let row = self.rows[index];
        for (deed, enabled) in (self.menu)(row) {
            let button = ui.add_enabled(enabled, egui::Button::new(deed.name()));
            // The bar above the table has buttons of the same words.
            let label = t!("runs.of", what = deed.name(), name = row.name);
            button.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, &label));
            if button.clicked() {
                self.pressed = Some((index, deed));
                ui.close();
            }
        }
    }
}

/// The name in one line, with an ellipsis where it is too long.
fn name_galley(ui: &Ui, name: &str, ink: Color32, room: f32) -> std::sync::Arc<egui::Galley> {
    let font = egui::TextStyle::Body.resolve(ui.style());
    let mut job = egui::text::LayoutJob::simple_singleline(name.to_owned(), font, ink);
    job.wrap = egui::text::TextWrapping::truncate_at_width(room);
    ui.painter().layout_job(job)
}

/// Steps done of all, or their share where the numbers are long.
fn steps_text(row: &RunRow) -> String {
    let text = format!("{} / {}", row.step, row.total_steps);
    if text.len() <= LONGEST_STEPS {
        text
    } else {
        format!("{:.1} %", 100.0 * row.step as f64 / row.total_steps as f64)
    }
}

/// Characters that the column of steps has room for.
const LONGEST_STEPS: usize = 12;

/// Hover text of a cell, with all that it has no room for.
fn hover_text(row: &RunRow, column: SortBy) -> String {
    match column {
        _ if row.failure.is_some() => row
            .failure
            .as_ref()
            .map(|failure| format!("{}\n{}", tell(&failure.what), tell(&failure.advice)))
            .unwrap_or_default(),
        _ if row.files_missing => t!("runs.files_missing").to_owned(),
        SortBy::Name => [&row.name, &row.method, &row.model, &row.dataset].map(String::as_str).join("\n"),
        SortBy::Steps if row.total_steps > 0 => {
            format!("{} / {}", format::count(row.step as usize), format::count(row.total_steps as usize))
        }
        _ => String::new(),
    }
}

impl TableDelegate for Table<'_> {
    fn header_cell_ui(&mut self, ui: &mut Ui, cell: &HeaderCellInfo) {
        let t = tokens(ui);
        let (column, _) = self.columns[cell.col_range.start];
        let response = ui.interact(ui.max_rect(), ui.unique_id().with("sort"), Sense::click());
        let label = t!("runs.sort_by", column = title(column));
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &label));
        let ink = if response.hovered() || self.sort.by == column { t.text } else { t.muted };
        padded(ui, |ui| {
            ui.add(Label::new(RichText::new(title(column)).small().color(ink)).truncate());
            if self.sort.by == column {
                let (mark, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::empty());
                icon::paint(ui.painter(), mark.center(), if self.sort.descending { Icon::Down } else { Icon::Up }, ink);
            }
        });
        if response.clicked() {
            let descending = if self.sort.by == column { !self.sort.descending } else { false };
            *self.sort = Sort { by: column, descending };
        }
    }

    fn row_ui(&mut self, ui: &mut Ui, row_nr: u64) {
        let t = tokens(ui);
        let rect = ui.max_rect();
        let row = self.rows[row_nr as usize];
        let fill = match (self.selected.contains(&row.id), ui.rect_contains_pointer(rect)) {
            (true, _) => t.accent_soft,
            (false, true) => t.raised,
            (false, false) => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect, 0.0, fill);
        ui.painter().hline(rect.x_range(), rect.bottom(), egui::Stroke::new(1.0, t.border));
        if ui.memory(|memory| memory.has_focus(row_id(&row.id))) {
            let ring = egui::Stroke::new(1.5, t.accent);
            ui.painter().rect_stroke(rect.shrink(1.0), 4.0, ring, egui::StrokeKind::Inside);
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, cell: &CellInfo) {
        let index = cell.row_nr as usize;
        let row = self.rows[index];
        let (column, _) = self.columns[cell.col_nr];
        let response = if column == SortBy::Name {
            let response = ui.interact(ui.max_rect(), row_id(&row.id), Sense::click());
            let chosen = self.selected.contains(&row.id);
            response.widget_info(|| WidgetInfo::selected(Role::Row, true, chosen, &row.name));
            response
        } else {
            // The name stands for the row: the tabulator does not stop at its other cells.
            ui.interact(ui.max_rect(), ui.unique_id().with("row"), Sense::CLICK)
        };
        if response.double_clicked() {
            self.out.push(Action::Open(row.id.clone(), Screen::Training));
        } else if response.clicked() || (response.secondary_clicked() && !self.selected.contains(&row.id)) {
            self.clicked = Some((index, ui.input(|input| input.modifiers)));
            ui.memory_mut(|memory| memory.request_focus(row_id(&row.id)));
        }
        response.context_menu(|ui| self.menu_ui(ui, index));
        let hover = hover_text(row, column);
        if !hover.is_empty() {
            response.on_hover_text(hover);
        }
        padded(ui, |ui| self.cell(ui, column, row));
    }

    fn default_row_height(&self) -> f32 {
        38.0
    }
}

fn padded<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let rect = ui.max_rect().shrink2(vec2(8.0, 0.0));
    let mut inner = ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center)));
    inner.spacing_mut().item_spacing.x = 6.0;
    add(&mut inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::RunRow;

    #[test]
    fn columns_go_until_the_others_fit_and_the_name_takes_the_rest() {
        for room in [2000.0, 1064.0, 900.0, 764.0, 640.0, 500.0] {
            let columns = fitting(room);
            let width: f32 = columns.iter().map(|(_, width)| width).sum();
            assert!(width <= room && width > room - 1.0, "{room}: {width}");
            for always in [SortBy::State, SortBy::Name, SortBy::BestLoss] {
                assert!(columns.iter().any(|(column, _)| *column == always), "{room}");
            }
        }
        assert_eq!(fitting(2000.0).len(), COLUMNS.len());
        assert!(fitting(764.0).iter().any(|(column, _)| *column == SortBy::Started), "what fits into 900 points");
    }

    #[test]
    fn steps_are_never_cut() {
        let row = RunRow::example();
        let text = |step, total_steps| steps_text(&RunRow { step, total_steps, ..row.clone() });
        assert_eq!(text(1273, 3000), "1273 / 3000");
        assert_eq!(text(12_730, 30_000), "42.4 %");
    }
}
