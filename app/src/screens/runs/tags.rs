//! The tags of one run or of several: ticked where all have one, half ticked where some have.

use std::collections::{BTreeMap, BTreeSet};

use egui::{Checkbox, RichText, ScrollArea, Ui};

use super::action::RunAction;
use crate::action::Action;
use crate::state::State;
use crate::store::RunRow;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::button::{primary_ui, quiet_ui};
use crate::widgets::containers::modal_frame;
use crate::widgets::field;
use crate::workspace::RunId;

/// The question which tags runs have.
#[derive(Debug)]
pub(super) struct Tagging {
    /// The runs, with their tags as they are to be.
    runs: BTreeMap<RunId, BTreeSet<String>>,
    /// As they were.
    before: BTreeMap<RunId, BTreeSet<String>>,
    typed: String,
    /// The field has not been drawn yet.
    fresh: bool,
}

impl Tagging {
    /// The question about these runs.
    pub(super) fn of(rows: &[&RunRow]) -> Self {
        let tags = |row: &&RunRow| (row.id.clone(), row.tags.iter().cloned().collect::<BTreeSet<String>>());
        let runs: BTreeMap<_, _> = rows.iter().map(tags).collect();
        Self { before: runs.clone(), runs, typed: String::new(), fresh: true }
    }

    /// Number of the runs that have a tag.
    fn having(&self, tag: &str) -> usize {
        self.runs.values().filter(|tags| tags.contains(tag)).count()
    }

    /// All get it, or where all have it none keeps it.
    fn toggle(&mut self, tag: &str) {
        let all = self.having(tag) == self.runs.len();
        for tags in self.runs.values_mut() {
            if all {
                tags.remove(tag);
            } else {
                tags.insert(tag.to_owned());
            }
        }
    }

    /// Adds what is typed: one tag, or several between commas.
    fn add_typed(&mut self) {
        let typed = std::mem::take(&mut self.typed);
        for tag in typed.split([',', '，', ';']).map(|tag| tag.split_whitespace().collect::<Vec<_>>().join(" ")) {
            if !tag.is_empty() {
                self.runs.values_mut().for_each(|tags| tags.extend([tag.clone()]));
            }
        }
    }

    /// An action for each run whose tags are others now.
    fn actions(&self) -> impl Iterator<Item = Action> {
        let changed = self.runs.iter().filter(|(run, tags)| self.before.get(run) != Some(tags));
        changed.map(|(run, tags)| Action::Run(RunAction::Tags(run.clone(), tags.iter().cloned().collect())))
    }

    /// Draws the question. `true` when it is answered.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &State, out: &mut Vec<Action>) -> bool {
        let mut known: BTreeSet<&str> = state.runs.rows().flat_map(|row| &row.tags).map(String::as_str).collect();
        let ours: BTreeSet<String> =
            self.runs.values().flatten().chain(self.before.values().flatten()).cloned().collect();
        known.extend(ours.iter().map(String::as_str));
        let (mut done, mut cancelled) = (false, false);
        let modal = egui::Modal::new(egui::Id::unique("tags")).frame(modal_frame(ui)).show(ui.ctx(), |ui| {
            ui.set_width(380.0);
            let title = match state.row_of_one(&self.runs) {
                Some(row) => t!("runs.tags_of", name = row.name),
                None => t!("runs.tags_of_several", n = self.runs.len()),
            };
            ui.add(egui::Label::new(RichText::new(title).text_style(theme::title())).truncate());
            let fresh = std::mem::take(&mut self.fresh);
            if ui.name_inputs(t!("runs.new_tag"), |ui| field::entry_ui(ui, &mut self.typed, fresh)) {
                done = self.typed.trim().is_empty();
                self.add_typed();
                self.fresh = true;
            }
            ui.label(RichText::new(t!("runs.new_tag_note")).small().color(tokens(ui).muted));
            let mut toggled = None;
            ScrollArea::vertical().max_height(260.0).show(ui, |ui| {
                for tag in &known {
                    let having = self.having(tag);
                    let mut ticked = having == self.runs.len();
                    let some = having > 0 && !ticked;
                    if ui.add(Checkbox::new(&mut ticked, *tag).indeterminate(some)).changed() {
                        toggled = Some((*tag).to_owned());
                    }
                }
            });
            if let Some(tag) = toggled {
                self.toggle(&tag);
            }
            ui.add_space(theme::SMALL_GAP);
            ui.horizontal(|ui| {
                done |= primary_ui(ui, true, t!("runs.tags_do")).clicked();
                cancelled = quiet_ui(ui, true, t!("frame.cancel")).clicked();
            });
        });
        if done {
            self.add_typed();
            out.extend(self.actions());
        }
        done || cancelled || modal.should_close()
    }
}

impl State {
    /// The row of the only run among several, if there is but one.
    fn row_of_one<T>(&self, runs: &BTreeMap<RunId, T>) -> Option<&RunRow> {
        runs.keys().next().filter(|_| runs.len() == 1).and_then(|run| self.row(run))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_runs_get_a_tag_together_and_keep_their_own() {
        let row = |id: &str, tags: &[&str]| RunRow {
            id: RunId(id.into()),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..RunRow::example()
        };
        let (a, b) = (row("a", &["paper", "old"]), row("b", &["paper"]));
        let mut tagging = Tagging::of(&[&a, &b]);
        assert_eq!((tagging.having("paper"), tagging.having("old")), (2, 1));
        assert_eq!(tagging.actions().count(), 0);
        tagging.toggle("old");
        let sent: Vec<Action> = tagging.actions().collect();
        assert!(
            matches!(sent.as_slice(), [Action::Run(RunAction::Tags(run, tags))] if run.0 == "b" && tags.len() == 2)
        );
        tagging.toggle("paper");
        tagging.typed = "best  so far， second".into();
        tagging.add_typed();
        let tags: Vec<&BTreeSet<String>> = tagging.runs.values().collect();
        assert_eq!(*tags[0], ["best so far", "old", "second"].map(str::to_owned).into());
        assert_eq!(tags[0], tags[1]);
    }
}
