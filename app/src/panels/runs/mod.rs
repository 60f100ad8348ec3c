//! The screen *Runs*: all runs in a table, with what can be done with them. Without runs: where to begin.

mod filter;
mod send;
pub mod table;

use std::collections::BTreeSet;

use egui::{RichText, Ui};

use self::table::{Sort, SortBy};
use crate::action::{Action, Pick, Screen};
use crate::say;
use crate::state::State;
use crate::store::{RunRow, RunState};
use crate::theme::{self, tokens};
use crate::widgets::button::{danger_ui, primary_ui, quiet_ui};
use crate::widgets::field;
use crate::widgets::icon::Icon;
use crate::widgets::surface::{big_choice_ui, heading_ui, modal_frame};
use crate::workspace::RunId;

/// What is being typed and chosen.
#[derive(Debug)]
pub struct Runs {
    filter: String,
    sort: Sort,
    selected: BTreeSet<RunId>,
    /// The row that a range of rows begins with.
    anchor: Option<RunId>,
    renaming: Option<(RunId, String)>,
    deleting: Option<Vec<RunId>>,
    sending: Option<send::Sending>,
}

impl Default for Runs {
    fn default() -> Self {
        Self {
            filter: String::new(),
            sort: Sort { by: SortBy::Started, descending: true },
            selected: BTreeSet::new(),
            anchor: None,
            renaming: None,
            deleting: None,
            sending: None,
        }
    }
}

impl Runs {
    /// Takes in a place that was chosen in a dialog.
    pub fn picked(&mut self, path: &std::path::Path) {
        if let Some(sending) = &mut self.sending {
            sending.to = path.display().to_string();
        }
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(runs) = &state.runs else {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(say!("runs.loading"));
            });
            return;
        };
        if runs.is_empty() {
            return welcome_ui(ui, state, out);
        }
        self.selected.retain(|id| runs.iter().any(|row| row.id == *id));
        heading_ui(ui, say!("screen.runs"), &say!("runs.count", n = runs.len()), |ui| {
            if primary_ui(ui, true, say!("runs.begin")).clicked() {
                out.push(Action::Show(Screen::NewRun));
            }
        });
        self.toolbar_ui(ui, state, out);
        let mut rows: Vec<&RunRow> = runs.iter().filter(|row| filter::passes(row, &self.filter)).collect();
        self.sort.apply(&mut rows);
        if rows.is_empty() {
            crate::widgets::surface::empty_ui(ui, say!("runs.none_match"), say!("runs.none_match_advice"));
        } else {
            let mut table = table::Table {
                rows: &rows,
                now: state.now,
                sort: &mut self.sort,
                selected: &self.selected,
                clicked: None,
                out,
            };
            table.ui(ui);
            if let Some((index, modifiers)) = table.clicked {
                self.select(&rows, index, modifiers);
            }
        }
        self.rename_ui(ui, out);
        self.delete_ui(ui, state, out);
        send::send_ui(ui, &mut self.sending, state, out);
    }

    /// As in a file manager: click, Ctrl adds, Shift takes a range.
    fn select(&mut self, rows: &[&RunRow], index: usize, modifiers: egui::Modifiers) {
        let id = rows[index].id.clone();
        let anchor = self.anchor.as_ref().and_then(|a| rows.iter().position(|row| row.id == *a));
        match anchor {
            Some(anchor) if modifiers.shift => {
                let (from, to) = (anchor.min(index), anchor.max(index));
                self.selected = rows[from..=to].iter().map(|row| row.id.clone()).collect();
                return;
            }
            _ if modifiers.command => {
                if !self.selected.remove(&id) {
                    self.selected.insert(id.clone());
                }
            }
            _ => self.selected = BTreeSet::from([id.clone()]),
        }
        self.anchor = Some(id);
    }

    fn toolbar_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let chosen: Vec<&RunRow> = self.selected.iter().filter_map(|id| state.row(id)).collect();
        let one = if let [row] = chosen.as_slice() { Some(*row) } else { None };
        let writable = matches!(state.access, crate::store::Access::ReadWrite);
        ui.horizontal_wrapped(|ui| {
            let line = |ui: &mut Ui| field::line_ui(ui, &mut self.filter, say!("runs.filter_hint"), 200.0);
            ui.name_inputs(say!("runs.filter"), line).on_hover_text(say!("runs.filter_help"));
            if quiet_ui(ui, one.is_some(), say!("runs.open")).clicked()
                && let Some(row) = one
            {
                out.push(Action::Open(row.id.clone(), Screen::Training));
            }
            let comparable = !chosen.is_empty() && chosen.iter().all(|row| !row.files_missing);
            if quiet_ui(ui, comparable, say!("runs.compare")).clicked() {
                out.extend(chosen.iter().map(|row| Action::Open(row.id.clone(), Screen::Compare)));
            }
            if quiet_ui(ui, one.is_some_and(|row| !row.files_missing), say!("runs.explore")).clicked()
                && let Some(row) = one
            {
                out.push(Action::Open(row.id.clone(), Screen::Explorer));
            }
            if quiet_ui(ui, writable && one.is_some_and(can_resume), say!("runs.resume")).clicked()
                && let Some(row) = one
            {
                out.push(Action::Resume(row.id.clone()));
            }
            if quiet_ui(ui, one.is_some(), say!("runs.duplicate")).clicked()
                && let Some(row) = one
            {
                out.push(Action::Duplicate(row.id.clone()));
            }
            if quiet_ui(ui, writable && one.is_some(), say!("runs.rename")).clicked() {
                self.renaming = one.map(|row| (row.id.clone(), row.name.clone()));
            }
            send::menu_ui(ui, one, &mut self.sending);
            if danger_ui(ui, writable && !chosen.is_empty(), say!("runs.delete")).clicked() {
                self.deleting = Some(chosen.iter().map(|row| row.id.clone()).collect());
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }

    fn rename_ui(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        let Some((id, name)) = &mut self.renaming else { return };
        let mut done = false;
        let modal = egui::Modal::new(egui::Id::unique("rename")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(380.0);
            ui.label(RichText::new(say!("runs.rename_title")).text_style(theme::title()));
            let entered = ui.name_inputs(say!("runs.new_name"), |ui| {
                let response = ui.add(egui::TextEdit::singleline(name).desired_width(f32::INFINITY));
                response.lost_focus() && ui.input(|input| input.key_pressed(egui::Key::Enter))
            });
            ui.horizontal(|ui| {
                if (primary_ui(ui, !name.trim().is_empty(), say!("runs.rename_do")).clicked() || entered)
                    && !name.trim().is_empty()
                {
                    out.push(Action::Rename(id.clone(), name.trim().to_owned()));
                    done = true;
                }
                done |= quiet_ui(ui, true, say!("frame.cancel")).clicked();
            });
        });
        if done || modal.should_close() {
            self.renaming = None;
        }
    }

    fn delete_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(ids) = &self.deleting else { return };
        let rows: Vec<&RunRow> = ids.iter().filter_map(|id| state.row(id)).collect();
        let live = rows.iter().any(|row| row.state.is_live());
        let mut done = false;
        let modal = egui::Modal::new(egui::Id::unique("delete")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(460.0);
            let title = match rows.len() {
                1 => say!("runs.delete_one").to_owned(),
                n => say!("runs.delete_title", n = n),
            };
            ui.label(RichText::new(title).text_style(theme::title()));
            for row in rows.iter().take(8) {
                ui.label(&row.name);
                let folder = RichText::new(row.folder.display().to_string()).small().color(tokens(ui).muted);
                ui.add(egui::Label::new(folder).truncate());
            }
            let sentence = if live { say!("runs.delete_live") } else { say!("runs.delete_files") };
            ui.add(egui::Label::new(sentence).wrap());
            ui.horizontal(|ui| {
                if danger_ui(ui, !live, say!("runs.delete_do")).clicked() {
                    out.extend(rows.iter().map(|row| Action::Delete(row.id.clone())));
                    done = true;
                }
                done |= quiet_ui(ui, true, say!("frame.cancel")).clicked();
            });
        });
        if done || modal.should_close() {
            self.deleting = None;
        }
    }
}

/// A run that has ended before its last step, with its files still there.
pub fn can_resume(row: &RunRow) -> bool {
    matches!(row.state, RunState::Stopped | RunState::Failed | RunState::Interrupted) && !row.files_missing
}

/// Where to begin when there are no runs yet.
fn welcome_ui(ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
    ui.add_space(36.0);
    ui.label(RichText::new(say!("runs.welcome")).heading());
    ui.add(egui::Label::new(RichText::new(say!("runs.welcome_note")).color(tokens(ui).muted)).wrap());
    ui.add_space(20.0);
    ui.columns(3, |columns| {
        let [first, second, third] = columns else { return };
        let note = match &state.starter {
            Some(_) => say!("runs.starter_note"),
            None => say!("runs.starter_missing"),
        };
        if big_choice_ui(first, Icon::Curve, say!("runs.starter"), note).clicked() {
            match &state.starter {
                Some(config) => out.push(Action::Start(config.clone())),
                None => out.push(Action::Show(Screen::NewRun)),
            }
        }
        if big_choice_ui(second, Icon::Shelf, say!("runs.open_model"), say!("runs.open_model_note")).clicked() {
            out.push(Action::Show(Screen::NewRun));
            out.push(Action::Browse(Pick::Model));
        }
        if big_choice_ui(third, Icon::Plus, say!("runs.new"), say!("runs.new_note")).clicked() {
            out.push(Action::Show(Screen::NewRun));
        }
    });
    ui.add_space(18.0);
    let place = say!("runs.workspace", path = state.workspace.display());
    ui.label(RichText::new(place).small().color(tokens(ui).faint));
}
