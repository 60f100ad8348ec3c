//! The table of runs: the name stays where it is, other columns move under it; the baseline stays on top. One stop of the
//! tabulator a row.

use std::collections::BTreeSet;

use egui::accesskit::Role;
use egui::{Align, Color32, Layout, Modifiers, Sense, Ui, WidgetInfo, vec2};
use egui_table::{CellInfo, HeaderCellInfo, HeaderRow, TableDelegate, TableState};
use serde::{Deserialize, Serialize};

use super::columns::{Column, STICKY, Shown};
use super::deeds::Deed;
use super::sheet::{Line, Sheet};
use super::ui::Kept;
use crate::action::{Action, Screen};
use crate::state::State;
use crate::state::notices::Level;
use crate::store::{RunRow, RunState};
use crate::t;
use crate::theme::tokens;
use crate::workspace::RunId;

/// Id by which a row is found among all that can have the keyboard.
pub(super) fn row_id(run: &RunId) -> egui::Id {
    egui::Id::unique(("run's row", &run.0))
}

/// The column to sort by, and the direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// The column to sort by.
    pub by: Column,
    /// Largest first.
    pub descending: bool,
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

/// The same of a run, with the host where another program computes it there.
pub fn state_of(row: &RunRow) -> (String, Option<Level>) {
    let (word, level) = state_words(row.state);
    let words = |host: &String| t!("state.elsewhere", state = word, host = host);
    (row.host.as_ref().map_or_else(|| word.to_owned(), words), level)
}

/// Something that was asked for on the table.
#[derive(Debug)]
pub(super) enum Asked {
    /// A run was chosen.
    Select(usize, Modifiers),
    /// The runs of a group were chosen.
    SelectGroup(usize, Modifiers),
    /// A deed, for a run.
    Do(usize, Deed),
    /// A group is to be folded or unfolded.
    Fold(String),
    /// Only runs with this tag, or no longer.
    Tag(String),
    /// Rows are to be sorted by a column, or the other way, or as they come.
    Sort(Column),
    /// Rows are to stand together by a column.
    Group(Column),
    /// A column goes from one place to another.
    Move(usize, usize),
    /// A column is to be left out.
    Hide(usize),
    /// The list of columns is to be shown.
    Choose,
}

/// Deeds for the runs that the menu of a row is for: name, and whether it can be done.
type Menu<'a> = &'a dyn Fn(&RunRow) -> Vec<(Deed, &'static str, bool)>;

/// One drawing of the table.
pub(super) struct Table<'a> {
    /// All runs.
    pub(super) rows: &'a [RunRow],
    /// Lines and texts.
    pub(super) sheet: &'a Sheet,
    /// Columns, sort, folded groups.
    pub(super) kept: &'a Kept,
    /// Chosen runs.
    pub(super) selected: &'a BTreeSet<RunId>,
    /// Deeds for the runs that the menu of a row is for: name, and whether it can be done.
    pub(super) menu: Menu<'a>,
    /// What everything else is read from.
    pub(super) state: &'a State,
    /// A line that is to be seen.
    pub(super) scroll_to: Option<usize>,
    /// In the order in which it was asked for.
    pub(super) asked: Vec<Asked>,
    /// Actions that were asked for.
    pub(super) out: &'a mut Vec<Action>,
    /// Columns from left to right, each with its place among those that are kept.
    columns: Vec<(Column, Option<usize>)>,
    /// Left edge.
    left: f32,
}

impl<'a> Table<'a> {
    /// A table of these runs.
    pub(super) fn new(
        (rows, sheet): (&'a [RunRow], &'a Sheet),
        (kept, selected): (&'a Kept, &'a BTreeSet<RunId>),
        menu: Menu<'a>,
        state: &'a State,
        out: &'a mut Vec<Action>,
    ) -> Self {
        let chosen = kept.columns.iter().enumerate().map(|(at, shown)| (shown.column.clone(), Some(at)));
        let columns = STICKY.into_iter().map(|column| (column, None)).chain(chosen).collect();
        Self { rows, sheet, kept, selected, menu, state, scroll_to: None, asked: Vec::new(), out, columns, left: 0.0 }
    }

    /// Draws it. Answers with the columns whose width was drawn, each with its new width.
    pub(super) fn ui(&mut self, ui: &mut Ui) -> Vec<(Column, f32)> {
        self.left = ui.cursor().left();
        let widths = widths(self.kept, ui.available_width());
        let column = |(column, width): &(Column, f32)| {
            let least = if *column == Column::Star { 30.0 } else { 56.0 };
            egui_table::Column::new(*width).range(least..=900.0).resizable(true).id(column_id(column))
        };
        let columns: Vec<egui_table::Column> = widths.iter().map(column).collect();
        // No lines between columns: the rows have lines. The bar is to be seen before it is looked for.
        ui.visuals_mut().widgets.noninteractive.bg_stroke = egui::Stroke::NONE;
        ui.spacing_mut().scroll = egui::style::ScrollStyle { dormant_handle_opacity: 0.5, ..ui.spacing().scroll };
        let mut headers = vec![HeaderRow::new(HEADER)];
        if self.sheet.baseline.is_some() {
            headers.push(HeaderRow::new(ROW));
        }
        let table = egui_table::Table::new()
            .id_salt("runs")
            .num_rows(self.sheet.lines.len() as u64)
            .columns(columns)
            .num_sticky_cols(STICKY.len())
            .headers(headers);
        let table = match self.scroll_to {
            Some(line) => table.scroll_to_row(line as u64, None),
            None => table,
        };
        // What is kept decides, not what the table remembers.
        let id = table.get_id(ui);
        let mut state = TableState::load(ui.ctx(), id).unwrap_or_default();
        for (column, width) in &widths {
            state.col_widths.insert(column_id(column), *width);
        }
        state.store(ui.ctx(), id);
        table.show(ui, self);
        let after = TableState::load(ui.ctx(), id).unwrap_or_default();
        let drawn = |(column, before): (Column, f32)| {
            let width = after.col_widths.get(&column_id(&column)).copied()?;
            ((width - before).abs() > 0.5).then_some((column, width))
        };
        widths.into_iter().filter_map(drawn).collect()
    }

    pub(super) fn columns_of_values(&self) -> &[Shown] {
        &self.kept.columns
    }

    /// The background of a line, and what stands around the one that has the keyboard.
    pub(super) fn line_ui(&self, ui: &Ui, row: &RunRow) {
        let t = tokens(ui);
        let rect = ui.max_rect();
        let fill = match (self.selected.contains(&row.id), ui.rect_contains_pointer(rect.intersect(ui.clip_rect()))) {
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

    /// One cell of a run: what it is pressed for, then what stands in it.
    fn run_cell_ui(&mut self, ui: &mut Ui, column: usize, at: usize) {
        let row = &self.rows[at];
        let (column, place) = self.columns[column].clone();
        let response = if column == Column::Name {
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
            self.asked.push(Asked::Select(at, ui.input(|input| input.modifiers)));
            ui.memory_mut(|memory| memory.request_focus(row_id(&row.id)));
        }
        response.context_menu(|ui| self.menu_ui(ui, at));
        let hover = self.hover_text(row, at, &column, place);
        if !hover.is_empty() {
            response.on_hover_text(hover);
        }
        padded(ui, |ui| self.cell(ui, (&column, place), at));
    }

    /// Draws the menu of a row, under the right button of the mouse.
    fn menu_ui(&mut self, ui: &mut Ui, at: usize) {
        let row = &self.rows[at];
        for (deed, name, enabled) in (self.menu)(row) {
            let button = ui.add_enabled(enabled, egui::Button::new(name));
            // The bar above the table has buttons of the same words.
            let label = t!("runs.of", what = name, name = row.name);
            button.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, &label));
            if button.clicked() {
                self.asked.push(Asked::Do(at, deed));
                ui.close();
            }
        }
    }
}

const HEADER: f32 = 32.0;
const ROW: f32 = 38.0;

fn column_id(column: &Column) -> egui::Id {
    egui::Id::unique(("column of runs", column))
}

/// Width of each column; where nobody has drawn the name's, it takes what the others leave.
fn widths(kept: &Kept, room: f32) -> Vec<(Column, f32)> {
    let mut widths: Vec<(Column, f32)> = STICKY
        .into_iter()
        .map(|column| (column.clone(), column.width()))
        .chain(kept.columns.iter().map(|shown| (shown.column.clone(), shown.width.unwrap_or(shown.column.width()))))
        .collect();
    let taken: f32 = widths.iter().map(|(_, width)| width).sum();
    if let Some((_, width)) = widths.iter_mut().find(|(column, _)| *column == Column::Name) {
        *width = kept.name_width.unwrap_or(*width + (room - taken).max(0.0).floor());
    }
    widths
}

impl TableDelegate for Table<'_> {
    fn header_cell_ui(&mut self, ui: &mut Ui, cell: &HeaderCellInfo) {
        let column = cell.col_range.start;
        match (cell.row_nr, self.sheet.baseline) {
            (1, Some(baseline)) => {
                ui.painter().rect_filled(ui.max_rect(), 0.0, tokens(ui).surface);
                self.line_ui(ui, &self.rows[baseline]);
                self.run_cell_ui(ui, column, baseline);
            }
            _ => {
                let (column, place) = self.columns[column].clone();
                self.title_ui(ui, &column, place);
            }
        }
    }

    fn row_ui(&mut self, ui: &mut Ui, row_nr: u64) {
        match self.sheet.lines[row_nr as usize] {
            Line::Run(at) => self.line_ui(ui, &self.rows[at]),
            Line::Group(place) if ui.clip_rect().left() <= self.left + 1.0 => self.group_name_ui(ui, place),
            Line::Group(place) => self.group_facts_ui(ui, place),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, cell: &CellInfo) {
        if let Line::Run(at) = self.sheet.lines[cell.row_nr as usize] {
            self.run_cell_ui(ui, cell.col_nr, at);
        }
    }

    fn default_row_height(&self) -> f32 {
        ROW
    }
}

/// The inside of a cell. While a column is fitted to what stands in it, it says how wide that is.
pub(super) fn padded<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let rect = ui.max_rect().shrink2(vec2(8.0, 0.0));
    let mut builder = egui::UiBuilder::new().max_rect(rect).layout(Layout::left_to_right(Align::Center));
    let is_fitted = ui.is_sizing_pass();
    if is_fitted {
        builder = builder.sizing_pass();
    }
    let mut inner = ui.new_child(builder);
    inner.spacing_mut().item_spacing.x = 6.0;
    let result = add(&mut inner);
    if is_fitted {
        ui.set_min_width(inner.min_rect().width() + 16.0);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_takes_what_the_others_leave_and_is_never_gone() {
        let name = |kept: &Kept, room| {
            let widths = widths(kept, room);
            let of = widths.iter().find(|(column, _)| *column == Column::Name);
            (of.map(|(_, width)| *width).unwrap(), widths.iter().map(|(_, width)| width).sum::<f32>())
        };
        let kept = Kept::default();
        assert_eq!(name(&kept, 500.0).0, Column::Name.width());
        let (width, all) = name(&kept, 2000.0);
        assert!(width > 600.0 && (1999.0..=2000.0).contains(&all), "{width} of {all}");
        let drawn = Kept { name_width: Some(300.0), ..Kept::default() };
        assert_eq!(name(&drawn, 2000.0).0, 300.0);
    }

    #[test]
    fn what_has_to_be_seen_in_a_narrow_window_comes_first() {
        let mut left = 0.0;
        // 900 points, less the rail and the margins.
        for (column, width) in widths(&Kept::default(), 804.0) {
            left += width;
            if [Column::Name, Column::Best, Column::Steps, Column::Started].contains(&column) {
                assert!(left <= 804.0, "{column:?} ends at {left}");
            }
        }
    }
}
