//! The tab of what differs: a line for each figure and each setting that is not equal, a column for each run.

use egui::accesskit::Role;
use egui::{Align, Label, Layout, RichText, Sense, Ui, WidgetInfo, vec2};
use egui_table::{CellInfo, Column, HeaderCellInfo, HeaderRow, Table, TableDelegate};

use super::differences::{Line, lines};
use super::ui::{Memory, Scene, note_ui, open};
use crate::action::Action;
use crate::i18n::{help_of, language};
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};

/// Width of the names.
const NAMES: f32 = 190.0;
/// Least and greatest width of a run.
const RUN: (f32, f32) = (120.0, 220.0);

/// Draws the tab.
pub(super) fn differences_ui(ui: &mut Ui, scene: &Scene<'_>, memory: &mut Memory, out: &mut Vec<Action>) {
    if scene.facts.differences.is_empty() {
        note_ui(ui, t!("views.no_differences"));
    }
    let lines = memory.lines.of((scene.print, language()), || lines(scene.rows, scene.facts));
    let room = (ui.available_width() - NAMES - 12.0) / scene.rows.len().max(1) as f32;
    let width = room.clamp(RUN.0, RUN.1);
    let mut columns = vec![Column::new(NAMES).range(NAMES..=420.0).resizable(true).id(egui::Id::unique("names"))];
    let run = |row: &&RunRow| {
        let id = egui::Id::unique(("differences of", &row.id.0));
        Column::new(width).range(width..=600.0).resizable(true).id(id)
    };
    columns.extend(scene.rows.iter().map(run));
    ui.visuals_mut().widgets.noninteractive.bg_stroke = egui::Stroke::NONE;
    let mut table = Differences { rows: scene.rows, lines: &lines, out };
    Table::new()
        .id_salt("differences")
        .num_rows(lines.len() as u64)
        .columns(columns)
        .num_sticky_cols(1)
        .headers([HeaderRow::new(30.0)])
        .show(ui, &mut table);
}

struct Differences<'a> {
    rows: &'a [&'a RunRow],
    lines: &'a [Line],
    out: &'a mut Vec<Action>,
}

impl TableDelegate for Differences<'_> {
    fn header_cell_ui(&mut self, ui: &mut Ui, cell: &HeaderCellInfo) {
        let t = tokens(ui);
        let Some(run) = cell.col_range.start.checked_sub(1) else { return };
        let row = self.rows[run];
        let response = ui.interact(ui.max_rect(), ui.unique_id().with("run"), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Link, true, t!("views.open_run", name = row.name)));
        let ink = if response.hovered() { t.accent } else { t.text };
        padded(ui, |ui| ui.add(Label::new(RichText::new(&row.name).small().color(ink)).selectable(false).truncate()));
        if response.on_hover_text(&row.name).clicked() {
            open(row, self.out);
        }
    }

    fn row_ui(&mut self, ui: &mut Ui, row_nr: u64) {
        let t = tokens(ui);
        let rect = ui.max_rect();
        let is_last_figure = self.lines.get(row_nr as usize + 1).is_some_and(|next| !next.is_figure)
            && self.lines[row_nr as usize].is_figure;
        let ink = if is_last_figure { t.faint } else { t.border };
        ui.painter().hline(rect.x_range(), rect.bottom(), egui::Stroke::new(1.0, ink));
    }

    fn cell_ui(&mut self, ui: &mut Ui, cell: &CellInfo) {
        let t = tokens(ui);
        let line = &self.lines[cell.row_nr as usize];
        let Some(run) = cell.col_nr.checked_sub(1) else {
            let name = RichText::new(&line.shown).small().color(t.muted);
            let help = help_of(&line.name);
            let words = if help == line.name { help } else { format!("{}\n{help}", line.name) };
            padded(ui, |ui| ui.add(Label::new(name).truncate()).on_hover_text(words));
            return;
        };
        let ink = if line.best.contains(&run) { t.good } else { t.text };
        let text = RichText::new(&line.cells[run]).text_style(theme::small_number()).color(ink);
        padded(ui, |ui| ui.add(Label::new(text).truncate()));
    }

    fn default_row_height(&self) -> f32 {
        26.0
    }
}

fn padded<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let rect = ui.max_rect().shrink2(vec2(6.0, 0.0));
    let layout = Layout::left_to_right(Align::Center);
    add(&mut ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(layout)))
}
