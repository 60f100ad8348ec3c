//! The screen *Runs*: the bar above the table, the table, what is beside it, and the questions that are open.

use std::collections::BTreeSet;

use egui::{CentralPanel, RichText, Ui};
use serde::{Deserialize, Serialize};

use super::action::RunAction;
use super::chooser::{self, Chooser};
use super::columns::{Column, Shown, default_columns};
use super::deeds::{Deed, is_writable};
use super::filter_line::{FilterLine, toggle_term};
use super::groups::GroupBy;
use super::header::{moved, sorted_next};
use super::sheet::Sheet;
use super::side::{Notes, Side};
use super::table::{Asked, Sort, Table};
use super::tags::Tagging;
use super::views::Views;
use super::{report, send, welcome};
use crate::action::{Action, Screen};
use crate::state::State;
use crate::store::RunRow;
use crate::study::{self, Name};
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui, small_ui};
use crate::widgets::containers::{empty_ui, heading_ui, modal_frame};
use crate::widgets::field;
use crate::workspace::RunId;

/// A run that is being given another name.
#[derive(Debug)]
pub(super) struct Renaming {
    pub(super) run: RunId,
    pub(super) name: String,
    /// The field has not been drawn yet: it gets the keyboard, with all of the name chosen.
    pub(super) fresh: bool,
}

/// Filter, selection and open dialogs of *Runs*.
#[derive(Debug, Default)]
pub struct Runs {
    pub(super) kept: Kept,
    pub(super) sheet: Sheet,
    pub(super) selected: BTreeSet<RunId>,
    /// The row that a range of rows begins with.
    pub(super) anchor: Option<RunId>,
    pub(super) renaming: Option<Renaming>,
    pub(super) tagging: Option<Tagging>,
    pub(super) sending: Option<send::Sending>,
    pub(super) reporting: Option<report::Reporting>,
    /// A run that the keyboard or a click has gone to, by its place among all.
    pub(super) scroll_to: Option<usize>,
    pub(super) notes: Notes,
    line: FilterLine,
    chooser: Chooser,
    /// All names under which runs have values, and the runs that they were read of.
    names: Option<(usize, Vec<Name>)>,
}

/// The table as somebody has made it: kept from one start to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    pub(super) filter: String,
    /// `None`: newest first.
    pub(super) sort: Option<Sort>,
    pub(super) columns: Vec<Shown>,
    /// Width of the name, where somebody has drawn it.
    pub(super) name_width: Option<f32>,
    pub(super) group: GroupBy,
    pub(super) folded: BTreeSet<String>,
    /// Those that are put away are shown too.
    pub(super) show_archived: bool,
    /// The run that others are held against.
    pub(super) baseline: Option<RunId>,
    pub(super) side: Side,
    pub(super) views: Views,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            filter: String::new(),
            sort: None,
            columns: default_columns(),
            name_width: None,
            group: GroupBy::default(),
            folded: BTreeSet::new(),
            show_archived: false,
            baseline: None,
            side: Side::default(),
            views: Views::default(),
        }
    }
}

impl Kept {
    /// Whether the same lines and cells follow from both: widths and what is beside the table do not matter.
    pub(super) fn makes_same(&self, other: &Self) -> bool {
        let columns = |kept: &Self| kept.columns.iter().map(|shown| shown.column.clone()).collect::<Vec<_>>();
        self.filter == other.filter
            && self.sort == other.sort
            && self.group == other.group
            && self.folded == other.folded
            && self.show_archived == other.show_archived
            && self.baseline == other.baseline
            && columns(self) == columns(other)
    }
}

impl Runs {
    /// Takes in a place that was chosen in a dialog.
    pub fn picked(&mut self, path: &std::path::Path) {
        if let Some(sending) = &mut self.sending {
            sending.to = path.display().to_string();
        }
        if let Some(reporting) = &mut self.reporting {
            reporting.to = path.display().to_string();
        }
    }

    /// The table as somebody has made it.
    pub fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Looks at it as before the last end.
    pub fn restore(&mut self, kept: Kept) {
        self.kept = kept;
    }

    /// Takes in a place where a view of several runs is written.
    pub fn picked_view(&mut self, path: &std::path::Path) {
        self.kept.views.picked(path);
    }

    /// Draws the screen.
    pub fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let Some(rows) = &state.runs.list else {
            ui.horizontal(|ui| {
                ui.spinner();
                ui.label(t!("runs.loading"));
            });
            return;
        };
        if rows.is_empty() {
            return welcome::welcome_ui(ui, state, out);
        }
        if self.sheet.refresh(state.runs.revision, rows, &self.kept) {
            let there: BTreeSet<&RunId> = rows.iter().map(|row| &row.id).collect();
            self.selected.retain(|id| there.contains(id));
        }
        self.read_names(rows);
        let count = match self.sheet.passing {
            n if n == rows.len() => t!("runs.count", n = n),
            n => t!("runs.count_of", n = n, of = rows.len()),
        };
        heading_ui(ui, t!("screen.runs"), &count, |ui| {
            if primary_ui(ui, true, t!("runs.begin")).clicked() {
                out.push(Action::Show(Screen::NewRun));
            }
        });
        self.bar_ui(ui, rows);
        self.deeds_ui(ui, state, out);
        // What was typed just now is to be seen in this frame.
        self.sheet.refresh(state.runs.revision, rows, &self.kept);
        if let Some(sentence) = &self.sheet.trouble {
            ui.add(egui::Label::new(RichText::new(sentence).small().color(tokens(ui).warn)).wrap());
        }
        self.side_ui(ui, state, out);
        CentralPanel::default().frame(egui::Frame::NONE).show(ui, |ui| {
            if self.sheet.lines.is_empty() && self.sheet.baseline.is_none() {
                self.nothing_ui(ui);
            } else {
                self.keys(ui, rows, state, out);
                self.table_ui(ui, rows, state, out);
            }
        });
        self.questions_ui(ui, state, out);
    }

    /// Names are only needed where they are offered.
    fn read_names(&mut self, rows: &[RunRow]) {
        if !self.line.is_open() && !self.chooser.is_open() {
            self.names = None;
        } else if self.names.as_ref().is_none_or(|(of, _)| *of != rows.len()) {
            let all: Vec<&RunRow> = rows.iter().collect();
            self.names = Some((rows.len(), study::names(&all)));
        }
    }

    fn nothing_ui(&self, ui: &mut Ui) {
        if self.sheet.trouble.is_some() {
            return;
        }
        if self.sheet.archived > 0 {
            empty_ui(ui, t!("runs.all_archived"), t!("runs.all_archived_advice"));
        } else {
            empty_ui(ui, t!("runs.none_match"), t!("runs.none_match_advice"));
        }
    }

    /// The line of the filter, and how the table is made.
    fn bar_ui(&mut self, ui: &mut Ui, rows: &[RunRow]) {
        ui.horizontal_wrapped(|ui| {
            ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Extend);
            let width = (ui.available_width() - 460.0).clamp(200.0, 520.0);
            let names = self.names.as_ref().map_or(&[][..], |(_, names)| names.as_slice());
            self.line.ui(ui, &mut self.kept.filter, width, (names, rows));
            self.group_ui(ui);
            chooser::open_ui(ui, &mut self.chooser);
            if self.sheet.archived > 0 || self.kept.show_archived {
                let label = match self.sheet.archived {
                    0 => t!("runs.archived").to_owned(),
                    n => t!("runs.archived_n", n = n),
                };
                ui.checkbox(&mut self.kept.show_archived, label);
            }
            let word = if self.kept.side.open { t!("runs.hide_side") } else { t!("runs.show_side") };
            if small_ui(ui, word).on_hover_text(t!("runs.side_help")).clicked() {
                self.kept.side.open = !self.kept.side.open;
            }
        });
        ui.add_space(2.0);
    }

    /// What runs stand together by.
    fn group_ui(&mut self, ui: &mut Ui) {
        let mut choices = vec![
            (GroupBy::Auto, t!("runs.group_auto").to_owned()),
            (GroupBy::Nothing, t!("runs.group_nothing").to_owned()),
            (GroupBy::Experiment, t!("column.experiment").to_owned()),
            (GroupBy::Seeds, t!("runs.group_seeds").to_owned()),
        ];
        let plain = [Column::State, Column::Star, Column::Method, Column::Model, Column::Data, Column::Tags];
        let plain = plain.map(|column| (column.title(&[]), column));
        let values = self.kept.columns.iter().filter(|shown| matches!(shown.column, Column::Value(_)));
        let values = values.map(|shown| (shown.column.title(&self.kept.columns), shown.column.clone()));
        let mut columns: Vec<(String, Column)> = plain.into_iter().chain(values).collect();
        if let GroupBy::Column(column) = &self.kept.group
            && !columns.iter().any(|(_, known)| known == column)
        {
            columns.push((column.title(&self.kept.columns), column.clone()));
        }
        choices.extend(columns.into_iter().map(|(title, column)| (GroupBy::Column(column), title)));
        ui.name_inputs(t!("runs.group"), |ui| {
            let shown = choices.iter().find(|(choice, _)| *choice == self.kept.group);
            let shown = t!("runs.group_by", what = shown.map_or("", |(_, name)| name.as_str()));
            egui::ComboBox::from_id_salt("group of runs").selected_text(shown).show_ui(ui, |ui| {
                for (choice, name) in &choices {
                    if ui.selectable_label(*choice == self.kept.group, name).clicked() {
                        self.kept.group = choice.clone();
                    }
                }
            });
        });
    }

    fn table_ui(&mut self, ui: &mut Ui, rows: &[RunRow], state: &State, out: &mut Vec<Action>) {
        let writable = is_writable(state);
        let menu = |row: &RunRow| {
            let rows = self.meant(row, state);
            let is_baseline = self.kept.baseline.as_ref() == Some(&row.id);
            let deed = |deed: &Deed| (*deed, deed.name(&rows, is_baseline), deed.can(&rows, writable));
            Deed::ALL.iter().map(deed).collect()
        };
        let scroll_to = self.scroll_to.and_then(|run| self.sheet.line_of(run));
        let mut table = Table::new((rows, &self.sheet), (&self.kept, &self.selected), &menu, state, out);
        table.scroll_to = scroll_to;
        let drawn = table.ui(ui);
        let asked = std::mem::take(&mut table.asked);
        self.scroll_to = None;
        for (column, width) in drawn {
            // Whole points, so that the desk is not kept anew for a hair.
            if column == Column::Name {
                self.kept.name_width = Some(width.round());
            } else if let Some(shown) = self.kept.columns.iter_mut().find(|shown| shown.column == column) {
                shown.width = Some(width.round());
            }
        }
        for asked in asked {
            self.answer(asked, rows, state, out);
        }
    }

    fn answer(&mut self, asked: Asked, rows: &[RunRow], state: &State, out: &mut Vec<Action>) {
        match asked {
            Asked::Select(run, modifiers) => {
                self.select(rows, run, modifiers);
                self.scroll_to = Some(run);
            }
            Asked::SelectGroup(group, modifiers) => self.select_group(rows, group, modifiers),
            Asked::Do(run, deed) => {
                let meant = self.meant(&rows[run], state);
                self.perform(deed, &meant, out);
            }
            Asked::Fold(key) => {
                if !self.kept.folded.remove(&key) {
                    self.kept.folded.insert(key);
                }
            }
            Asked::Tag(term) => toggle_term(&mut self.kept.filter, &term),
            Asked::Sort(column) => self.kept.sort = sorted_next(self.kept.sort.as_ref(), column),
            Asked::Group(column) => self.kept.group = GroupBy::Column(column),
            Asked::Move(from, to) => moved(&mut self.kept.columns, from, to),
            Asked::Hide(at) if at < self.kept.columns.len() => drop(self.kept.columns.remove(at)),
            Asked::Hide(_) => {}
            Asked::Choose => self.chooser.open(),
        }
    }

    fn questions_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        self.rename_ui(ui, out);
        if self.tagging.as_mut().is_some_and(|tagging| tagging.ui(ui, state, out)) {
            self.tagging = None;
        }
        if self.chooser.is_open() {
            // Opened just now: the list has its whole size from the first frame on.
            if let Some(rows) = &state.runs.list {
                self.read_names(rows);
            }
            let chosen = self.chosen(state);
            // Without a choice all that are shown are meant.
            let meant = match (chosen.len(), &state.runs.list) {
                (0 | 1, Some(rows)) => self.sheet.order.iter().filter_map(|at| rows.get(*at)).collect(),
                _ => chosen,
            };
            let names = self.names.as_ref().map_or(&[][..], |(_, names)| names.as_slice());
            self.chooser.ui(ui, &mut self.kept, names, &meant);
        }
        send::send_ui(ui, &mut self.sending, state, out);
        report::report_ui(ui, &mut self.reporting, out);
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_earlier_version_kept_is_read() {
        let kept: Kept =
            serde_json::from_str(r#"{"filter": "paper", "sort": {"by": "best_loss", "descending": true}}"#).unwrap();
        assert_eq!(kept.filter, "paper");
        assert_eq!(kept.sort, Some(Sort { by: Column::Best, descending: true }));
        assert_eq!(kept.columns, default_columns());
    }

    #[test]
    fn a_table_that_somebody_has_made_survives_a_restart() {
        let mut kept = Kept { group: GroupBy::Column(Column::Value("seed".into())), ..Kept::default() };
        kept.columns.push(Shown { column: Column::Value("training.learning_rate".into()), width: Some(88.0) });
        kept.baseline = Some(RunId("a".into()));
        let read: Kept = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
        assert_eq!(read, kept);
        assert!(kept.makes_same(&Kept { name_width: Some(3.0), ..kept.clone() }));
        assert!(!kept.makes_same(&Kept { baseline: None, ..kept.clone() }));
    }
}
