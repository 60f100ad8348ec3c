//! Actions of *Explorer*: another checkpoint, the tokens nearest to a cell.

use std::path::PathBuf;

use engine::protocol::{Ask, Event, NeighborRequest, Report};

use super::state::{Cell, Exploration, can_be_explored};
use crate::action::Screen;
use crate::screens::training::state::RunView;
use crate::state::State;

/// Tokens of a list.
const TOP: usize = 12;

/// Something to be done in *Explorer*.
#[derive(Clone, Debug)]
pub enum ExplorerAction {
    /// Look at a checkpoint.
    Explore {
        /// Folder of the checkpoint.
        checkpoint: PathBuf,
    },
    /// Nearest tokens of a cell.
    Neighbors(Cell),
}

impl State {
    pub(crate) fn perform_explorer(&mut self, action: ExplorerAction) {
        match action {
            ExplorerAction::Explore { checkpoint } => self.explore(checkpoint),
            ExplorerAction::Neighbors(cell) => self.neighbors(cell),
        }
    }

    pub(crate) fn show_explorer(&mut self) {
        self.find_explored();
        self.show(Screen::Explorer);
    }

    /// Chooses the run when Explorer is opened: the one on screen, or the newest that has something to look at.
    fn find_explored(&mut self) {
        let has_some = |view: &RunView| self.row(&view.id).is_none_or(can_be_explored);
        let instead = match (&self.runs.view, &self.exploration.instead) {
            (Some(view), None) if has_some(view) => return,
            (Some(view), Some(_)) if has_some(view) => None,
            (_, Some(_)) => return,
            (_, None) => match self.runs.rows().find(|row| can_be_explored(row)) {
                Some(row) => Some(RunView::new(row.id.clone())),
                None => return,
            },
        };
        self.explore_anew(None, instead);
        self.refresh_view();
    }

    /// Looks at something else. A question about what was looked at before ends; the cell that was clicked stays.
    pub(crate) fn explore_anew(&mut self, checkpoint: Option<PathBuf>, instead: Option<RunView>) {
        self.exploration.nearest.stop(&mut self.outbox);
        self.exploration = Exploration::of(checkpoint, self.exploration.cell, instead);
    }

    /// Looks at what is kept of the run, once there is something.
    pub(crate) fn explore_best(&mut self) {
        let Some(view) = self.explored() else { return };
        if self.exploration.checkpoint.is_none()
            && let Some(folder) = view.adapter()
        {
            self.explore(folder);
        }
    }

    fn explore(&mut self, checkpoint: PathBuf) {
        let instead = self.exploration.instead.take();
        self.explore_anew(Some(checkpoint.clone()), instead);
        let model = self.explored().and_then(|view| view.row.as_ref()).map(|row| row.model_folder.clone());
        let initial = self.explored().and_then(RunView::initial);
        let job = self.outbox.ask(Ask::DescribePrefix { adapter: checkpoint, model, initial });
        self.exploration.grid.start(job);
    }

    fn neighbors(&mut self, cell: Cell) {
        self.exploration.cell = Some(cell);
        self.exploration.nearest.failure = None;
        self.exploration.nearest.stop(&mut self.outbox);
        if self.exploration.list().is_some() {
            return;
        }
        let (Some(adapter), Some(view)) = (self.exploration.checkpoint.clone(), self.explored()) else { return };
        let Some(model) = view.row.as_ref().map(|row| row.model_folder.clone()) else { return };
        let request = NeighborRequest {
            model,
            device: self.settings.device,
            adapter,
            initial: view.initial(),
            layers: vec![cell.layer],
            positions: vec![cell.position],
            side: cell.side,
            metric: cell.metric,
            space: cell.space,
            top: TOP,
            per_head: false,
            context: None,
        };
        let job = self.outbox.ask(Ask::Neighbors(Box::new(request)));
        self.exploration.ask_nearest(job, cell);
    }

    pub(crate) fn on_explorer(&mut self, event: &Event) -> bool {
        if !self.exploration.on(event) {
            return false;
        }
        // The cell that was clicked in the grid before is asked about anew.
        if let (Report::Grid(_), Some(cell)) = (&event.what, self.exploration.cell) {
            self.neighbors(cell);
        }
        true
    }
}
