//! The table of runs: sticky name, sortable columns, a sparkline in each row.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use egui::accesskit::Role;
use egui::{Align, Color32, Label, Layout, Modifiers, RichText, Sense, Ui, WidgetInfo, vec2};
use egui_table::{CellInfo, Column, HeaderCellInfo, HeaderRow, TableDelegate};

use crate::action::{Action, Screen};
use crate::say;
use crate::store::{RunRow, RunState};
use crate::text;
use crate::theme::{self, tokens};
use crate::widgets::icon::{self, Icon};
use crate::widgets::sparkline::sparkline_in;
use crate::widgets::surface::Level;
use crate::workspace::RunId;

/// A column that can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

const COLUMNS: [(SortBy, f32); 10] = [
    (SortBy::State, 100.0),
    (SortBy::Name, 190.0),
    (SortBy::BestLoss, 116.0),
    (SortBy::LastLoss, 76.0),
    (SortBy::Curve, 92.0),
    (SortBy::Method, 134.0),
    (SortBy::Model, 84.0),
    (SortBy::Steps, 96.0),
    (SortBy::Duration, 96.0),
    (SortBy::Started, 80.0),
];

/// Which column, and which way.
#[derive(Clone, Copy, Debug)]
pub struct Sort {
    /// Which column.
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
        SortBy::State => say!("column.state"),
        SortBy::Name => say!("column.name"),
        SortBy::Model => say!("column.model"),
        SortBy::Method => say!("column.method"),
        SortBy::BestLoss => say!("column.best"),
        SortBy::LastLoss => say!("column.last"),
        SortBy::Curve => say!("column.curve"),
        SortBy::Steps => say!("column.steps"),
        SortBy::Duration => say!("column.duration"),
        SortBy::Started => say!("column.started"),
    }
}

/// A state's name and how it is coloured; a run that the user stopped is no error.
pub fn state_words(state: RunState) -> (&'static str, Option<Level>) {
    match state {
        RunState::Queued => (say!("state.queued"), None),
        RunState::Preparing => (say!("state.preparing"), Some(Level::Info)),
        RunState::Running => (say!("state.running"), Some(Level::Info)),
        RunState::Paused => (say!("state.paused"), Some(Level::Warn)),
        RunState::Finished => (say!("state.finished"), Some(Level::Good)),
        RunState::Stopped => (say!("state.stopped"), None),
        RunState::Failed => (say!("state.failed"), Some(Level::Bad)),
        RunState::Interrupted => (say!("state.interrupted"), Some(Level::Warn)),
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
    /// What was asked for.
    pub out: &'a mut Vec<Action>,
}

impl Table<'_> {
    /// Draws it.
    pub fn ui(&mut self, ui: &mut Ui) {
        // The name takes what the others leave.
        let free = (ui.available_width() - COLUMNS.iter().map(|(_, width)| width).sum::<f32>()).max(0.0);
        let columns: Vec<Column> = COLUMNS
            .iter()
            .map(|(column, width)| width + if *column == SortBy::Name { free.floor() } else { 0.0 })
            .map(|width| Column::new(width).range(width..=width.max(600.0)).resizable(true))
            .collect();
        // No lines between columns: the rows have lines.
        ui.visuals_mut().widgets.noninteractive.bg_stroke = egui::Stroke::NONE;
        egui_table::Table::new()
            .id_salt("runs")
            .num_rows(self.rows.len() as u64)
            .columns(columns)
            .num_sticky_cols(2)
            .headers([HeaderRow::new(32.0)])
            .show(ui, self);
    }

    fn cell(&self, ui: &mut Ui, column: SortBy, row: &RunRow) {
        let t = tokens(ui);
        let number = |text: String| RichText::new(text).text_style(theme::small_number());
        let shown = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), text::figure);
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
                let font = egui::TextStyle::Body.resolve(ui.style());
                ui.painter_at(rect).text(rect.left_center(), egui::Align2::LEFT_CENTER, &row.name, font, ink);
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
            SortBy::Steps => number(format!("{} / {}", row.step, row.total_steps)),
            SortBy::Duration => number(text::duration(row.duration_secs)),
            SortBy::Started => {
                RichText::new(text::ago(row.started.unwrap_or(row.created) as f64, self.now)).small().color(t.muted)
            }
        };
        ui.add(Label::new(cell).truncate());
    }
}

impl TableDelegate for Table<'_> {
    fn header_cell_ui(&mut self, ui: &mut Ui, cell: &HeaderCellInfo) {
        let t = tokens(ui);
        let (column, _) = COLUMNS[cell.col_range.start];
        let response = ui.interact(ui.max_rect(), ui.unique_id().with("sort"), Sense::click());
        let label = say!("runs.sort_by", column = title(column));
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
    }

    fn cell_ui(&mut self, ui: &mut Ui, cell: &CellInfo) {
        let index = cell.row_nr as usize;
        let row = self.rows[index];
        let (column, _) = COLUMNS[cell.col_nr];
        let response = ui.interact(ui.max_rect(), ui.unique_id().with("row"), Sense::click());
        if column == SortBy::Name {
            let chosen = self.selected.contains(&row.id);
            response.widget_info(|| WidgetInfo::selected(Role::Row, true, chosen, &row.name));
        }
        if response.double_clicked() {
            self.out.push(Action::Open(row.id.clone(), Screen::Training));
        } else if response.clicked() {
            self.clicked = Some((index, ui.input(|input| input.modifiers)));
        }
        if let Some(failure) = &row.failure {
            response.on_hover_text(format!("{}\n{}", failure.what, failure.advice));
        } else if row.files_missing {
            response.on_hover_text(say!("runs.files_missing"));
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
