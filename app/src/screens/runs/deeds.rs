//! Deeds: what is done with chosen runs, from the bar above the table, the menu under the other button and the keys.

use egui::{Key, Ui};

use super::action::RunAction;
use super::ui::{Renaming, Runs};
use super::{report, send};
use crate::action::{Action, Screen};
use crate::state::State;
use crate::store::{RunRow, RunState};
use crate::t;
use crate::theme;
use crate::widgets::button::{danger_ui, quiet_ui};

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
    /// Give them tags, or take some.
    Tags,
    /// Mark them, or unmark those that are marked.
    Star,
    /// Hold all others against it, or no longer.
    Baseline,
    /// Put them away, or take them out again.
    Archive,
    /// Delete with all files.
    Delete,
}

impl Deed {
    /// All of them, in the order of the menu.
    pub(super) const ALL: [Self; 12] = [
        Self::Open,
        Self::Compare,
        Self::Evaluate,
        Self::Explore,
        Self::Resume,
        Self::Duplicate,
        Self::Rename,
        Self::Tags,
        Self::Star,
        Self::Baseline,
        Self::Archive,
        Self::Delete,
    ];
    /// Those with a button above the table.
    const BUTTONS: [Self; 7] =
        [Self::Open, Self::Compare, Self::Evaluate, Self::Explore, Self::Resume, Self::Duplicate, Self::Tags];
    /// Those behind a button of their own.
    const MORE: [Self; 4] = [Self::Rename, Self::Star, Self::Baseline, Self::Archive];

    /// Keys that do it while a row has the keyboard.
    pub(super) const KEYS: [(Key, Self); 3] =
        [(Key::Enter, Self::Open), (Key::F2, Self::Rename), (Key::Delete, Self::Delete)];

    /// Text of the deed's button, for these runs.
    pub(super) fn name(self, rows: &[&RunRow], is_baseline: bool) -> &'static str {
        match self {
            Self::Open => t!("runs.open"),
            Self::Compare => t!("runs.compare"),
            Self::Evaluate => t!("runs.evaluate"),
            Self::Explore => t!("runs.explore"),
            Self::Resume => t!("runs.resume"),
            Self::Duplicate => t!("runs.duplicate"),
            Self::Rename => t!("runs.rename"),
            Self::Tags => t!("runs.tags"),
            Self::Star if are(rows, |row| row.starred) => t!("runs.unstar"),
            Self::Star => t!("runs.star"),
            Self::Baseline if is_baseline => t!("runs.unpin"),
            Self::Baseline => t!("runs.pin"),
            Self::Archive if are(rows, |row| row.archived) => t!("runs.unarchive"),
            Self::Archive => t!("runs.archive"),
            Self::Delete => t!("runs.delete"),
        }
    }

    /// Whether it can be done with these runs.
    pub(super) fn can(self, rows: &[&RunRow], writable: bool) -> bool {
        let one = if let [row] = rows { Some(*row) } else { None };
        match self {
            Self::Open | Self::Duplicate | Self::Baseline => one.is_some(),
            Self::Compare => !rows.is_empty() && rows.iter().all(|row| !row.files_missing),
            Self::Evaluate | Self::Explore => one.is_some_and(|row| !row.files_missing),
            Self::Resume => writable && one.is_some_and(can_resume),
            Self::Rename => writable && one.is_some(),
            Self::Tags | Self::Star => writable && !rows.is_empty(),
            Self::Archive | Self::Delete => writable && !rows.is_empty() && rows.iter().all(|row| !row.state.is_live()),
        }
    }

    /// Why it cannot be done, where that is not plain to see.
    pub(super) fn why_not(self, rows: &[&RunRow]) -> &'static str {
        let is_live = rows.iter().any(|row| row.state.is_live());
        match self {
            Self::Archive | Self::Delete if is_live => t!("runs.delete_live"),
            _ => "",
        }
    }
}

/// Buttons that a narrow window has room for beside the others.
const BUTTONS_OF_NARROW: usize = 5;

fn are(rows: &[&RunRow], so: impl Fn(&RunRow) -> bool) -> bool {
    !rows.is_empty() && rows.iter().all(|row| so(row))
}

/// A run that has ended before its last step, with its files still there.
pub fn can_resume(row: &RunRow) -> bool {
    matches!(row.state, RunState::Stopped | RunState::Failed | RunState::Interrupted) && !row.files_missing
}

impl Runs {
    /// Does it with these runs.
    pub(super) fn perform(&mut self, deed: Deed, rows: &[&RunRow], out: &mut Vec<Action>) {
        let Some(first) = rows.first() else { return };
        let run = || first.id.clone();
        let ids = || rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
        match deed {
            Deed::Open => out.push(Action::Open(run(), Screen::Training)),
            Deed::Compare => out.extend(rows.iter().map(|row| Action::Open(row.id.clone(), Screen::Compare))),
            Deed::Evaluate => out.push(Action::Open(run(), Screen::Evaluate)),
            Deed::Explore => out.push(Action::Open(run(), Screen::Explorer)),
            Deed::Resume => out.push(Action::Run(RunAction::Resume(run()))),
            Deed::Duplicate => out.push(Action::Run(RunAction::Duplicate(run()))),
            Deed::Rename => self.renaming = Some(Renaming { run: run(), name: first.name.clone(), fresh: true }),
            Deed::Tags => self.tagging = Some(super::tags::Tagging::of(rows)),
            Deed::Star => {
                let starred = !are(rows, |row| row.starred);
                out.extend(ids().into_iter().map(|run| Action::Run(RunAction::Star(run, starred))));
            }
            Deed::Baseline => {
                let was = self.kept.baseline.take();
                self.kept.baseline = Some(run()).filter(|run| was.as_ref() != Some(run));
            }
            Deed::Archive => {
                let archived = !are(rows, |row| row.archived);
                out.push(Action::Run(RunAction::Archive { runs: ids(), archived }));
            }
            Deed::Delete => out.extend(ids().into_iter().map(|run| Action::Run(RunAction::Delete(run)))),
        }
    }

    /// Draws the buttons for what is chosen.
    pub(super) fn deeds_ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) {
        let chosen = self.chosen(state);
        let one = if let [row] = chosen.as_slice() { Some(*row) } else { None };
        let writable = is_writable(state);
        let is_baseline = one.is_some_and(|row| self.kept.baseline.as_ref() == Some(&row.id));
        let mut pressed = None;
        let room = if ui.available_width() < theme::NARROW_SCREEN { BUTTONS_OF_NARROW } else { Deed::BUTTONS.len() };
        let (buttons, rest) = Deed::BUTTONS.split_at(room);
        ui.horizontal_wrapped(|ui| {
            // A button that does not fit goes to the next line as a whole.
            ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Extend);
            for &deed in buttons {
                if quiet_ui(ui, deed.can(&chosen, writable), deed.name(&chosen, is_baseline)).clicked() {
                    pressed = Some(deed);
                }
            }
            send::menu_ui(ui, one, &mut self.sending);
            report::button_ui(ui, &state.env.workspace, &chosen, &mut self.reporting);
            ui.add_enabled_ui(!chosen.is_empty(), |ui| {
                ui.menu_button(t!("runs.more"), |ui| {
                    for &deed in rest.iter().chain(&Deed::MORE) {
                        let can = deed.can(&chosen, writable);
                        let button = ui.add_enabled(can, egui::Button::new(deed.name(&chosen, is_baseline)));
                        if button.clicked() {
                            pressed = Some(deed);
                            ui.close();
                        }
                    }
                });
            });
            let (can, name) = (Deed::Delete.can(&chosen, writable), Deed::Delete.name(&chosen, is_baseline));
            let delete = danger_ui(ui, can, name);
            if delete.on_disabled_hover_text(Deed::Delete.why_not(&chosen)).clicked() {
                pressed = Some(Deed::Delete);
            }
        });
        ui.add_space(theme::SMALL_GAP);
        if let Some(deed) = pressed {
            self.perform(deed, &chosen, out);
        }
    }

    /// The rows that are chosen, newest first.
    pub(super) fn chosen<'a>(&self, state: &'a State) -> Vec<&'a RunRow> {
        state.runs.rows().filter(|row| self.selected.contains(&row.id)).collect()
    }

    /// The rows that a deed on a row is for: all that are chosen, if it is one of them.
    pub(super) fn meant<'a>(&self, row: &'a RunRow, state: &'a State) -> Vec<&'a RunRow> {
        if self.selected.contains(&row.id) { self.chosen(state) } else { vec![row] }
    }
}

pub(super) fn is_writable(state: &State) -> bool {
    matches!(state.env.access, crate::store::Access::ReadWrite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_computed_is_neither_put_away_nor_deleted() {
        let (done, running) = (RunRow::example(), RunRow { state: RunState::Running, ..RunRow::example() });
        for deed in [Deed::Archive, Deed::Delete] {
            assert!(deed.can(&[&done], true) && !deed.can(&[&done], false));
            assert!(!deed.can(&[&done, &running], true));
            assert!(!deed.why_not(&[&done, &running]).is_empty());
            assert!(deed.why_not(&[&done]).is_empty());
        }
        assert!(Deed::Star.can(&[&done, &running], true) && !Deed::Baseline.can(&[&done, &running], true));
    }

    #[test]
    fn a_deed_that_goes_back_and_forth_says_which() {
        let (starred, plain) = (RunRow { starred: true, ..RunRow::example() }, RunRow::example());
        assert_ne!(Deed::Star.name(&[&starred], false), Deed::Star.name(&[&starred, &plain], false));
        assert_ne!(Deed::Baseline.name(&[&plain], false), Deed::Baseline.name(&[&plain], true));
        let away = RunRow { archived: true, ..RunRow::example() };
        assert_ne!(Deed::Archive.name(&[&away], false), Deed::Archive.name(&[&plain], false));
    }
}
