//! Beside the table: notes and facts of the run that is chosen, or what several have to say together.

use egui::{Panel, RichText, ScrollArea, TextEdit, Ui};
use serde::{Deserialize, Serialize};

use super::action::RunAction;
use super::columns::best_of;
use super::deeds::is_writable;
use super::table::state_of;
use super::ui::Runs;
use super::views;
use crate::action::{Action, Screen};
use crate::format;
use crate::i18n::tell;
use crate::state::State;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::small_ui;
use crate::widgets::containers::{chip_ui, chips_ui, fact_ui, plain_chip_ui};
use crate::widgets::sparkline::sparkline_in;
use crate::workspace::{RunId, date_and_time};

/// Whether the panel is there, and how large: kept from one start to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Side {
    /// Shown as soon as a run is chosen.
    pub(super) open: bool,
    /// At the right.
    pub(super) width: f32,
    /// Below, where there is no room at the right.
    pub(super) height: f32,
    /// Below, with the pictures of several runs.
    pub(super) pictures: f32,
}

impl Default for Side {
    fn default() -> Self {
        Self { open: true, width: 330.0, height: 230.0, pictures: 380.0 }
    }
}

/// Narrower, and the panel stands below the table.
const WIDE: f32 = 940.0;

/// What is being written about a run.
#[derive(Debug, Default)]
pub(super) struct Notes {
    run: Option<RunId>,
    text: String,
    /// The notes as the store last told them: they are taken over when they are others.
    told: String,
    /// When it was last changed, as long as that was not sent.
    changed: Option<f64>,
}

/// Seconds without a letter after which notes are kept.
const PAUSE: f64 = 1.0;

impl Notes {
    /// Takes another run; what was written about the last is sent.
    fn of(&mut self, row: &RunRow, out: &mut Vec<Action>) {
        if self.run.as_ref() != Some(&row.id) {
            self.send(out);
            *self = Self { run: Some(row.id.clone()), text: row.notes.clone(), told: row.notes.clone(), changed: None };
        } else if self.told != row.notes {
            self.told.clone_from(&row.notes);
            if self.changed.is_none() {
                self.text.clone_from(&row.notes);
            }
        }
    }

    /// Sends what has not been sent.
    pub(super) fn send(&mut self, out: &mut Vec<Action>) {
        if let (Some(run), Some(_)) = (&self.run, self.changed.take()) {
            out.push(Action::Run(RunAction::Notes(run.clone(), self.text.clone())));
        }
    }

    fn ui(&mut self, ui: &mut Ui, row: &RunRow, writable: bool, out: &mut Vec<Action>) {
        self.of(row, out);
        let now = ui.input(|input| input.time);
        let label = ui.label(RichText::new(t!("runs.notes")).small().color(tokens(ui).muted)).id;
        let edit = TextEdit::multiline(&mut self.text)
            .desired_rows(3)
            .desired_width(f32::INFINITY)
            .interactive(writable)
            .margin(egui::Margin::symmetric(8, 6));
        let response = ui.label_inputs_by(label, |ui| ui.add(edit));
        if response.changed() {
            self.changed = Some(now);
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(PAUSE));
        }
        if response.lost_focus() || self.changed.is_some_and(|at| now - at >= PAUSE) {
            self.send(out);
        }
    }
}

impl Runs {
    /// Draws the panel, if runs are chosen and it is not folded; the rest is left for the table.
    pub(super) fn side_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let chosen = self.chosen(state);
        if chosen.is_empty() || !self.kept.side.open {
            return self.notes.send(out);
        }
        let room = ui.available_size();
        let is_wide = room.x >= WIDE;
        let (across, down) = ((room.x - 420.0).max(240.0), (room.y - 130.0).max(120.0));
        let below = egui::Margin { left: 0, right: 0, top: 10, bottom: 6 };
        let beside = egui::Margin { left: 14, right: 2, top: 4, bottom: 6 };
        let side = &self.kept.side;
        let (panel, margin) = match chosen.as_slice() {
            [_] if is_wide => {
                (Panel::right("chosen run").default_size(side.width.min(across)).size_range(240.0..=across), beside)
            }
            [_] => {
                (Panel::bottom("chosen run below").default_size(side.height.min(down)).size_range(120.0..=down), below)
            }
            _ => (Panel::bottom("chosen runs").default_size(side.pictures.min(down)).size_range(120.0..=down), below),
        };
        let panel = panel.resizable(true).frame(egui::Frame::new().inner_margin(margin));
        let shown = panel.show(ui, |ui| match chosen.as_slice() {
            [row] => {
                let inside = |ui: &mut Ui| one_ui(ui, row, &mut self.notes, state, out);
                ScrollArea::vertical().id_salt("chosen").auto_shrink(false).show(ui, inside);
            }
            rows => {
                self.notes.send(out);
                views::selection_ui(ui, rows, &mut self.kept.views, state, out);
            }
        });
        // Whole points, so that the desk is not kept anew for a hair.
        let size = shown.response.rect.size().round();
        let side = &mut self.kept.side;
        match chosen.len() {
            1 if is_wide => side.width = size.x,
            1 => side.height = size.y,
            _ => side.pictures = size.y,
        }
    }
}

/// Notes and facts of one run.
fn one_ui(ui: &mut Ui, row: &RunRow, notes: &mut Notes, state: &State, out: &mut Vec<Action>) {
    let t = tokens(ui);
    ui.add(egui::Label::new(RichText::new(&row.name).text_style(theme::title())).wrap());
    chips_ui(ui, |ui| {
        let (word, level) = state_of(row);
        match level {
            Some(level) => chip_ui(ui, level, &word),
            None => plain_chip_ui(ui, &word),
        };
        for tag in &row.tags {
            plain_chip_ui(ui, tag);
        }
    });
    if let Some(failure) = &row.failure {
        ui.add(egui::Label::new(RichText::new(tell(&failure.what)).color(t.bad)).wrap());
        ui.add(egui::Label::new(RichText::new(tell(&failure.advice)).color(t.muted)).wrap());
    }
    if row.sparkline.len() > 1 {
        let (rect, response) = ui.allocate_exact_size(egui::vec2(ui.available_width(), 44.0), egui::Sense::hover());
        let label = t!("runs.curve_of", name = row.name);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Image, true, &label));
        sparkline_in(ui, rect.shrink2(egui::vec2(2.0, 4.0)), &row.sparkline, t.accent);
    }
    notes.ui(ui, row, is_writable(state), out);
    ui.add_space(theme::SMALL_GAP);
    facts_ui(ui, row);
    ui.add_space(theme::SMALL_GAP);
    if small_ui(ui, t!("runs.open_run")).clicked() {
        out.push(Action::Open(row.id.clone(), Screen::Training));
    }
}

fn facts_ui(ui: &mut Ui, row: &RunRow) {
    let (metric, best) = best_of(row);
    let dash = || "–".to_owned();
    let figure = |value: Option<f64>| value.map_or_else(dash, format::figure);
    let count = |value: Option<u64>| value.map_or_else(dash, |n| format::count(n as usize));
    let best_name = if metric == "loss" { t!("column.best").to_owned() } else { t!("column.best_of", metric = metric) };
    fact_ui(ui, &best_name, &figure(best));
    fact_ui(ui, t!("column.last"), &figure(row.last_loss));
    for (name, value) in row.figures.iter().filter(|(name, _)| *name != metric) {
        fact_ui(ui, name, &format::figure(*value));
    }
    fact_ui(ui, t!("column.steps"), &format!("{} / {}", row.step, row.total_steps));
    fact_ui(ui, t!("column.duration"), &format::duration(row.duration_secs));
    fact_ui(ui, t!("column.method"), &row.method);
    fact_ui(ui, t!("column.model"), &row.model);
    fact_ui(ui, t!("column.data"), &row.dataset);
    if let Some(experiment) = &row.experiment {
        fact_ui(ui, t!("column.experiment"), experiment);
    }
    fact_ui(ui, t!("column.trained"), &count(row.trained_parameters));
    fact_ui(ui, t!("column.stored"), &count(row.stored_parameters));
    fact_ui(ui, t!("column.started"), &date_and_time(row.started.unwrap_or(row.created)));
    fact_ui(ui, t!("runs.id"), &row.id.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_sent_once_and_before_another_run_is_written_about() {
        let (a, b) = (RunRow::example(), RunRow { id: RunId("b".into()), notes: "old".into(), ..RunRow::example() });
        let (mut notes, mut out) = (Notes::default(), Vec::new());
        notes.of(&a, &mut out);
        (notes.text, notes.changed) = ("a better one".into(), Some(0.0));
        notes.of(&a, &mut out);
        assert_eq!((notes.text.as_str(), out.len()), ("a better one", 0));
        let mut early = Vec::new();
        notes.send(&mut early);
        notes.of(&a, &mut out);
        assert_eq!((notes.text.as_str(), early.len()), ("a better one", 1), "the store has not answered yet");
        notes.changed = Some(1.0);
        notes.of(&b, &mut out);
        assert_eq!(notes.text, "old");
        notes.send(&mut out);
        let [Action::Run(RunAction::Notes(run, text))] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((run, text.as_str()), (&a.id, "a better one"));
        let renewed = RunRow { notes: "new".into(), ..b };
        notes.of(&renewed, &mut out);
        assert_eq!(notes.text, "new", "written elsewhere");
    }
}
