//! The screen that is shown, and the run on it.

use super::State;
use crate::action::Screen;
use crate::screens::compare::state::ColumnSetup;
use crate::screens::explorer::state::can_be_explored;
use crate::screens::training::state::RunView;
use crate::workspace::RunId;

impl State {
    pub(crate) fn show(&mut self, screen: Screen) {
        self.screen = screen;
        let shown = if screen == Screen::Explorer { self.explored() } else { self.runs.view.as_ref() };
        if matches!(screen, Screen::Training | Screen::Evaluate | Screen::Explorer) && shown.is_none() {
            let live = self.live.running.values().next().map(|live| live.run.clone());
            let newest = self.runs.rows().next().map(|row| row.id.clone());
            if let Some(run) = live.or(newest) {
                self.runs.view = Some(RunView::new(run));
                self.refresh_view();
            }
        }
        match screen {
            Screen::Explorer => self.explore_best(),
            Screen::Compare => self.begin_comparison(),
            Screen::Evaluate => self.begin_evaluation(),
            _ => {}
        }
    }

    pub(crate) fn open(&mut self, run: RunId, screen: Screen) {
        if screen == Screen::Compare {
            self.compare_with(&run);
        } else if self.runs.view.as_ref().is_none_or(|view| view.id != run) {
            self.view_run(run, screen == Screen::Explorer);
        } else if screen == Screen::Explorer && self.exploration.instead.is_some() {
            self.explore_anew(None, None);
        }
        self.show(screen);
    }

    /// Puts a run on screen. What the Explorer shows stays for as long as that run has nothing to look at, unless the run
    /// is to be looked into by name.
    pub(super) fn view_run(&mut self, run: RunId, by_name: bool) {
        let stays = !by_name && !self.row(&run).is_some_and(can_be_explored);
        let left = self.runs.view.replace(RunView::new(run));
        if !stays {
            self.explore_anew(None, None);
        } else if self.exploration.instead.is_none() && self.exploration.checkpoint.is_some() {
            self.exploration.instead = left;
        }
        self.refresh_view();
    }

    /// Goes back to where one was when the program came to its end, as far as it is still there. Nothing is computed by
    /// itself: whatever ended the program last time would end it again.
    pub fn return_to(&mut self, screen: Screen, run: Option<RunId>, compared: &[ColumnSetup]) {
        self.restore_columns(compared);
        match run.filter(|run| self.row(run).is_some()) {
            Some(run) => self.view_run(run, screen == Screen::Explorer),
            None if matches!(screen, Screen::Training | Screen::Evaluate | Screen::Explorer) => return,
            None => {}
        }
        self.show(screen);
        self.comparison.waits = true;
        self.begin_history();
    }
}
