//! Inside a prefix: the grid of norms, the nearest tokens of its cells, and what was asked about what it does.

mod analyses;

use std::path::PathBuf;

use engine::analysis::neighbors_table;
use engine::analysis::{Metric, NeighborList, PrefixGrid, Side, Space};
use engine::error::Failure;
use engine::protocol::{Event, JobId, Report};

pub use self::analyses::{Analyses, Basis, Inquiry};
use crate::screens::training::state::RunView;
use crate::state::request::Request;
use crate::store::{RunRow, RunState};

/// The vector whose nearest tokens are asked for, and the measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// From 0.
    pub layer: usize,
    /// From 0.
    pub position: usize,
    /// Keys or values.
    pub side: Side,
    /// The measure.
    pub metric: Metric,
    /// Where vectors are compared.
    pub space: Space,
}

/// The screen *Explorer*.
#[derive(Clone, Debug, Default)]
pub struct Exploration {
    /// The run that is looked at in place of the one on screen, which has nothing to look at yet.
    pub instead: Option<RunView>,
    /// The checkpoint that is shown.
    pub checkpoint: Option<PathBuf>,
    /// Norms of its layers and positions.
    pub grid: Request<Box<PrefixGrid>>,
    /// The cell that was clicked: it stays when another checkpoint or run is looked at.
    pub cell: Option<Cell>,
    /// The question for nearest tokens; its lists are among [`Self::lists`].
    pub nearest: Request<()>,
    /// The cell of that question.
    asked: Option<Cell>,
    /// Lists of this checkpoint that have come, newest last.
    pub lists: Vec<(Cell, NeighborList)>,
    /// The run that is looked at beside.
    pub beside: Option<RunView>,
    /// Questions about what adapters do.
    pub analyses: Analyses,
}

impl Exploration {
    /// The same cell of another checkpoint, of which nothing is known yet. The run beside it stays, and so do answers that may
    /// be looked at again.
    pub fn anew(self, checkpoint: Option<PathBuf>, instead: Option<RunView>) -> Self {
        let Self { cell, beside, analyses, .. } = self;
        Self { instead, checkpoint, cell, beside, analyses, ..Self::default() }
    }

    /// A job was asked for the tokens nearest to a cell.
    pub fn ask_nearest(&mut self, job: JobId, cell: Cell) {
        self.nearest.start(job);
        self.asked = Some(cell);
    }

    /// Takes in what its jobs tell. A cell that was clicked in another grid is kept if this one has it; lists answer what
    /// was asked, whatever was clicked since.
    pub fn on(&mut self, event: &Event) -> bool {
        let is_grid = self.grid.on(event, |report| match report {
            Report::Grid(grid) => {
                self.cell.take_if(|cell| cell.layer >= grid.n_layers || cell.position >= grid.n_virtual);
                Some(grid.clone())
            }
            _ => None,
        });
        is_grid
            || self.analyses.on(event)
            || self.nearest.on(event, |report| match (report, self.asked) {
                (Report::Neighbors { lists }, Some(asked)) => {
                    let cell = |list: &NeighborList| Cell { layer: list.layer, position: list.position, ..asked };
                    self.lists.extend(lists.iter().map(|list| (cell(list), list.clone())));
                    Some(())
                }
                _ => None,
            })
    }

    /// There will be no answers.
    pub fn engine_gone(&mut self) {
        self.grid.engine_gone();
        self.nearest.engine_gone();
        self.analyses.engine_gone();
    }

    /// Why norms or lists are not here.
    pub fn failure(&self) -> Option<&Failure> {
        self.nearest.failure.as_ref().or(self.grid.failure.as_ref())
    }

    /// The list of the clicked cell, if it has come.
    pub fn list(&self) -> Option<&NeighborList> {
        let cell = self.cell?;
        self.lists.iter().rev().find(|(known, _)| *known == cell).map(|(_, list)| list)
    }

    /// All lists that have come, as a table.
    pub fn to_csv(&self) -> String {
        neighbors_table(self.lists.iter().map(|(cell, list)| ((cell.side, cell.metric, cell.space), list)))
    }
}

/// Whether a run has a checkpoint or an adapter to look into.
pub fn can_be_explored(row: &RunRow) -> bool {
    let is_written =
        row.best_loss.is_some() || row.state == RunState::Finished || (row.state == RunState::Stopped && row.step > 0);
    is_written && !row.files_missing
}
