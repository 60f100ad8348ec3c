//! The screen *Runs*: all runs in a table, with what can be done with them. Without runs: where to begin.

use std::collections::BTreeSet;

use egui::{Key, RichText, Ui};
use serde::{Deserialize, Serialize};

use super::action::RunAction;
use super::table::{Sort, SortBy};
use super::{filter, send, table, welcome};
use crate::action::{Action, Screen};
use crate::state::State;
use crate::store::{RunRow, RunState};
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{danger_ui, primary_ui, quiet_ui};
use crate::widgets::containers::{heading_ui, modal_frame};
use crate::widgets::field;
use crate::workspace::RunId;

/// Something that is done with chosen runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Show its curves.
    Open,
    /// Put beside the base.
    Compare,
    /// Score what it writes for a file of rows.
    Evaluate,
    /// Look into its adapter.
    Explore,
    /// Go on from its last checkpoint.
    Resume,
    /// Fill the form with its settings.
    Duplicate,
    /// Give it another name.
    Rename,
    /// Delete with all files.
    Delete,
}

impl Deed {
    const ALL: [Self; 8] = [
        Self::Open,
        Self::Compare,
        Self::Evaluate,
        Self::Explore,
        Self::Resume,
        Self::Duplicate,
        Self::Rename,
        Self::Delete,
    ];

    /// Text of the deed's button.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => t!("runs.open"),
            Self::Compare => t!("runs.compare"),
            Self::Evaluate => t!("runs.evaluate"),
            Self::Explore => t!("runs.explore"),
            Self::Resume => t!("runs.resume"),
            Self::Duplicate => t!("runs.duplicate"),
            Self::Rename => t!("runs.rename"),
            Self::Delete => t!("runs.delete"),
        }
    }

    /// Whether it can be done with these runs.
    fn can(self, rows: &[&RunRow], writable: bool) -> bool {
        let one = if let [row] = rows { Some(*row) } else { None };
        match self {
            Self::Open | Self::Duplicate => one.is_some(),
            Self::Compare => !rows.is_empty() && rows.iter().all(|row| !row.files_missing),
            Self::Evaluate | Self::Explore => one.is_some_and(|row| !row.files_missing),
            Self::Resume => writable && one.is_some_and(can_resume),
            Self::Rename => writable && one.is_some(),
            Self::Delete => writable && !rows.is_empty(),
        }
    }
}

/// A run that is being given another name.
#[derive(Debug)]
struct Renaming {
    run: RunId,
    name: String,
    /// The field has not been drawn yet: it gets the keyboard, with all of the name chosen.
    fresh: bool,
}

/// Filter, selection and open dialogs of *Runs*.
#[derive(Debug, Default)]
pub struct Runs {
    kept: Kept,
    selected: BTreeSet<RunId>,
    /// The row that a range of rows begins with.
    anchor: Option<RunId>,
    renaming: Option<Renaming>,
    deleting: Option<Vec<RunId>>,
    pub(super) sending: Option<send::Sending>,
    /// A row that the keyboard has gone to.
    scroll_to: Option<usize>,
}

/// Filter and order of the table: kept from one start to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    filter: String,
    sort: Sort,
}

impl Default for Kept {
    fn default() -> Self {
        Self { filter: String::new(), sort: Sort { by: SortBy::Started, descending: true } }
    }
}

impl Runs {
    /// Takes in a place that was chosen in a dialog.
    pub fn picked(&mut self, path: &std::path::Path) {
        if let Some(sending) = &mut self.sending {
            sending.to = path.display().to_string();
        }
    }

    /// Filter and order of the table.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Looks at it as before the last end.
    pub fn restore(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(runs) = &state.runs.list else {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(t!("runs.loading"));
            });
            return;
        };
        if runs.is_empty() {
            return welcome::welcome_ui(ui, state, out);
        }
        self.selected.retain(|id| runs.iter().any(|row| row.id == *id));
        heading_ui(ui, t!("screen.runs"), &t!("runs.count", n = runs.len()), |ui| {
            if primary_ui(ui, true, t!("runs.begin")).clicked() {
                out.push(Action::Show(Screen::NewRun));
            }
        });
        self.toolbar_ui(ui, state, out);
        let mut rows: Vec<&RunRow> = runs.iter().filter(|row| filter::passes(row, &self.kept.filter)).collect();
        self.kept.sort.apply(&mut rows);
        let trouble = filter::trouble(&self.kept.filter);
        if let Some(sentence) = &trouble {
            ui.add(egui::Label::new(RichText::new(sentence).small().color(tokens(ui).warn)).wrap());
        }
        if rows.is_empty() {
            if trouble.is_none() {
                crate::widgets::containers::empty_ui(ui, t!("runs.none_match"), t!("runs.none_match_advice"));
            }
        } else {
            self.keys(ui, &rows, state, out);
            self.table_ui(ui, &rows, state, out);
        }
        self.rename_ui(ui, out);
        self.delete_ui(ui, state, out);
        send::send_ui(ui, &mut self.sending, state, out);
    }

    fn table_ui(&mut self, ui: &mut Ui, rows: &[&RunRow], state: &State, out: &mut Vec<Action>) {
        let selected = self.selected.clone();
        let writable = is_writable(state);
        let menu = |row: &RunRow| {
            let rows = if selected.contains(&row.id) { rows_of(&selected, state) } else { vec![row] };
            Deed::ALL.iter().map(|deed| (*deed, deed.can(&rows, writable))).collect()
        };
        let mut table = table::Table::new(rows, state.env.now, &mut self.kept.sort, &selected, &menu, out);
        table.scroll_to = self.scroll_to.take();
        table.ui(ui);
        let (clicked, pressed) = (table.clicked, table.pressed);
        if let Some((index, modifiers)) = clicked {
            self.select(rows, index, modifiers);
        }
        if let Some((index, deed)) = pressed {
            let row = rows[index];
            let chosen = if self.selected.contains(&row.id) { rows_of(&self.selected, state) } else { vec![row] };
            self.perform(deed, &chosen, out);
        }
    }

    /// Handles the keys that are pressed while a row has the keyboard.
    fn keys(&mut self, ui: &Ui, rows: &[&RunRow], state: &State, out: &mut Vec<Action>) {
        let focused = ui.memory(|memory| memory.focused());
        let Some(at) = focused.and_then(|id| rows.iter().position(|row| table::row_id(&row.id) == id)) else { return };
        let filter = egui::EventFilter { vertical_arrows: true, ..egui::EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(table::row_id(&rows[at].id), filter));
        let last = rows.len() - 1;
        let moves = [
            (Key::ArrowDown, (at + 1).min(last)),
            (Key::ArrowUp, at.saturating_sub(1)),
            (Key::Home, 0),
            (Key::End, last),
        ];
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        for (key, to) in moves {
            if pressed(key) && to != at {
                let shift = ui.input(|input| input.modifiers.shift);
                self.select(rows, to, egui::Modifiers { shift, ..egui::Modifiers::NONE });
                ui.memory_mut(|memory| memory.request_focus(table::row_id(&rows[to].id)));
                self.scroll_to = Some(to);
            }
        }
        let row = rows[at];
        let chosen = if self.selected.contains(&row.id) { rows_of(&self.selected, state) } else { vec![row] };
        for (key, deed) in [(Key::Enter, Deed::Open), (Key::F2, Deed::Rename), (Key::Delete, Deed::Delete)] {
            if pressed(key) && deed.can(&chosen, is_writable(state)) {
                self.perform(deed, &chosen, out);
            }
        }
    }

    fn perform(&mut self, deed: Deed, rows: &[&RunRow], out: &mut Vec<Action>) {
        let Some(first) = rows.first() else { return };
        let run = || first.id.clone();
        match deed {
            Deed::Open => out.push(Action::Open(run(), Screen::Training)),
            Deed::Compare => out.extend(rows.iter().map(|row| Action::Open(row.id.clone(), Screen::Compare))),
            Deed::Evaluate => out.push(Action::Open(run(), Screen::Evaluate)),
            Deed::Explore => out.push(Action::Open(run(), Screen::Explorer)),
            Deed::Resume => out.push(Action::Run(RunAction::Resume(run()))),
            Deed::Duplicate => out.push(Action::Run(RunAction::Duplicate(run()))),
            Deed::Rename => self.renaming = Some(Renaming { run: run(), name: first.name.clone(), fresh: true }),
            Deed::Delete => self.deleting = Some(rows.iter().map(|row| row.id.clone()).collect()),
        }
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
        let chosen = rows_of(&self.selected, state);
        let one = if let [row] = chosen.as_slice() { Some(*row) } else { None };
        let writable = is_writable(state);
        ui.horizontal_wrapped(|ui| {
            let line = |ui: &mut Ui| field::line_ui(ui, &mut self.kept.filter, t!("runs.filter_hint"), 200.0);
            ui.name_inputs(t!("runs.filter"), line).on_hover_text(t!("runs.filter_help"));
            for deed in Deed::ALL {
                if deed == Deed::Delete {
                    send::menu_ui(ui, one, &mut self.sending);
                }
                let button = if deed == Deed::Delete { danger_ui } else { quiet_ui };
                if button(ui, deed.can(&chosen, writable), deed.name()).clicked() {
                    self.perform(deed, &chosen, out);
                }
            }
        });
        ui.add_space(theme::SMALL_GAP);
    }

    fn rename_ui(&mut self, ui: &mut Ui, out: &mut Vec<Action>) {
        let Some(Renaming { run, name, fresh }) = &mut self.renaming else { return };
        let mut done = false;
        let modal = egui::Modal::new(egui::Id::unique("rename")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(380.0);
            ui.label(RichText::new(t!("runs.rename_title")).text_style(theme::title()));
            let entered = ui.name_inputs(t!("runs.new_name"), |ui| field::entry_ui(ui, name, std::mem::take(fresh)));
            ui.horizontal(|ui| {
                if (primary_ui(ui, !name.trim().is_empty(), t!("runs.rename_do")).clicked() || entered)
                    && !name.trim().is_empty()
                {
                    out.push(Action::Run(RunAction::Rename(run.clone(), name.trim().to_owned())));
                    done = true;
                }
                done |= quiet_ui(ui, true, t!("frame.cancel")).clicked();
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
                1 => t!("runs.delete_one").to_owned(),
                n => t!("runs.delete_title", n = n),
            };
            ui.label(RichText::new(title).text_style(theme::title()));
            for row in rows.iter().take(8) {
                ui.label(&row.name);
                let folder = RichText::new(row.folder.display().to_string()).small().color(tokens(ui).muted);
                ui.add(egui::Label::new(folder).truncate());
            }
            let sentence = if live { t!("runs.delete_live") } else { t!("runs.delete_files") };
            ui.add(egui::Label::new(sentence).wrap());
            ui.horizontal(|ui| {
                if danger_ui(ui, !live, t!("runs.delete_do")).clicked() {
                    out.extend(rows.iter().map(|row| Action::Run(RunAction::Delete(row.id.clone()))));
                    done = true;
                }
                done |= quiet_ui(ui, true, t!("frame.cancel")).clicked();
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

fn is_writable(state: &State) -> bool {
    matches!(state.env.access, crate::store::Access::ReadWrite)
}

fn rows_of<'a>(runs: &BTreeSet<RunId>, state: &'a State) -> Vec<&'a RunRow> {
    runs.iter().filter_map(|id| state.row(id)).collect()
}
