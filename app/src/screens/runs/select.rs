//! Choosing rows, as in a file manager: click, Ctrl adds, Shift takes a range; and the keys of a row.

use std::collections::BTreeSet;

use egui::{EventFilter, Key, Modifiers, Ui};

use super::deeds::{Deed, is_writable};
use super::table::row_id;
use super::ui::Runs;
use crate::action::Action;
use crate::state::State;
use crate::store::RunRow;
use crate::workspace::RunId;

impl Runs {
    /// Chooses a run by a click or by the keyboard.
    pub(super) fn select(&mut self, rows: &[RunRow], at: usize, modifiers: Modifiers) {
        let id = rows[at].id.clone();
        let order = &self.sheet.order;
        let place = |run: &RunId| order.iter().position(|at| rows[*at].id == *run);
        let anchor = self.anchor.as_ref().and_then(place);
        match (anchor, place(&id)) {
            (Some(anchor), Some(here)) if modifiers.shift => {
                let range = &order[anchor.min(here)..=anchor.max(here)];
                let range = range.iter().map(|at| rows[*at].id.clone());
                if modifiers.command {
                    self.selected.extend(range);
                } else {
                    self.selected = range.collect();
                }
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

    /// Chooses the runs of a group; with Ctrl beside those that are chosen.
    pub(super) fn select_group(&mut self, rows: &[RunRow], group: usize, modifiers: Modifiers) {
        let runs = self.sheet.ids_of(group, rows);
        if !modifiers.command {
            self.selected = runs;
        } else if runs.iter().all(|run| self.selected.contains(run)) {
            self.selected.retain(|run| !runs.contains(run));
        } else {
            self.selected.extend(runs);
        }
        self.anchor = None;
    }

    /// Handles the keys that are pressed while a row has the keyboard.
    pub(super) fn keys(&mut self, ui: &Ui, rows: &[RunRow], state: &State, out: &mut Vec<Action>) {
        let Some(focused) = ui.memory(|memory| memory.focused()) else { return };
        // The baseline stands above all.
        let order: Vec<usize> = self.sheet.baseline.into_iter().chain(self.sheet.order.iter().copied()).collect();
        let Some(place) = order.iter().position(|at| row_id(&rows[*at].id) == focused) else { return };
        let filter = EventFilter { vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(focused, filter));
        let last = order.len() - 1;
        let moves = [
            (Key::ArrowDown, (place + 1).min(last)),
            (Key::ArrowUp, place.saturating_sub(1)),
            (Key::PageDown, (place + PAGE).min(last)),
            (Key::PageUp, place.saturating_sub(PAGE)),
            (Key::Home, 0),
            (Key::End, last),
        ];
        let pressed = |key| ui.input(|input| input.key_pressed(key));
        for (key, to) in moves {
            if pressed(key) && to != place {
                let shift = ui.input(|input| input.modifiers.shift);
                if shift && self.anchor.is_none() {
                    self.anchor = Some(rows[order[place]].id.clone());
                }
                self.select(rows, order[to], Modifiers { shift, ..Modifiers::NONE });
                ui.memory_mut(|memory| memory.request_focus(row_id(&rows[order[to]].id)));
                self.scroll_to = Some(order[to]);
            }
        }
        if ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::A)) {
            self.selected = order.iter().map(|at| rows[*at].id.clone()).collect();
        }
        let chosen = self.meant(&rows[order[place]], state);
        for (key, deed) in Deed::KEYS {
            if pressed(key) && deed.can(&chosen, is_writable(state)) {
                self.perform(deed, &chosen, out);
            }
        }
    }
}

/// Rows that a page key goes over.
const PAGE: usize = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<RunRow> {
        ["d", "c", "b", "a"].map(|id| RunRow { id: RunId(id.into()), name: id.into(), ..RunRow::example() }).to_vec()
    }

    fn chosen(runs: &Runs) -> String {
        runs.selected.iter().map(|run| run.0.as_str()).collect()
    }

    #[test]
    fn clicks_choose_as_in_a_file_manager() {
        let (rows, mut runs) = (rows(), Runs::default());
        runs.sheet.refresh(1, &rows, &runs.kept);
        let (shift, command) = (Modifiers::SHIFT, Modifiers::COMMAND);
        runs.select(&rows, 1, Modifiers::NONE);
        assert_eq!(chosen(&runs), "c");
        runs.select(&rows, 3, shift);
        assert_eq!(chosen(&runs), "abc");
        runs.select(&rows, 0, shift);
        assert_eq!(chosen(&runs), "cd", "a range begins where the first click was");
        runs.select(&rows, 3, command);
        assert_eq!(chosen(&runs), "acd");
        runs.select(&rows, 3, command);
        assert_eq!(chosen(&runs), "cd");
    }

    #[test]
    fn a_click_on_the_line_of_a_group_chooses_its_runs() {
        let mut rows = rows();
        for at in [1, 3] {
            rows[at].experiment = Some("lengths".into());
        }
        let mut runs = Runs::default();
        runs.sheet.refresh(1, &rows, &runs.kept);
        runs.select_group(&rows, 0, Modifiers::NONE);
        assert_eq!(chosen(&runs), "ac");
        runs.select_group(&rows, 1, Modifiers::COMMAND);
        assert_eq!(chosen(&runs), "abcd");
        runs.select_group(&rows, 0, Modifiers::COMMAND);
        assert_eq!(chosen(&runs), "bd");
    }
}
