//! Inside a prefix: the grid of norms and the nearest tokens of its cells.

use std::path::PathBuf;

use engine::analysis::neighbours_table;
use engine::analysis::{Metric, NeighbourList, PrefixGrid, Side, Space};
use engine::error::Failure;
use engine::protocol::{JobId, Phase};

use crate::screens::training::state::RunView;
use crate::store::{RunRow, RunState};

/// What a list of neighbours is asked for.
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
    /// Its norms.
    pub grid: Option<Box<PrefixGrid>>,
    /// The question for norms that is under way.
    pub grid_job: Option<JobId>,
    /// The cell that was clicked: it stays when another checkpoint or run is looked at.
    pub cell: Option<Cell>,
    /// The question for neighbours that is under way, and what it asks for.
    pub asked: Option<(JobId, Cell)>,
    /// What it is doing.
    pub phase: Option<Phase>,
    /// Lists of this checkpoint that have come, newest last.
    pub lists: Vec<(Cell, NeighbourList)>,
    /// What went wrong.
    pub failure: Option<Failure>,
}

impl Exploration {
    /// The same cell of another checkpoint, of which nothing is known yet.
    pub fn of(checkpoint: Option<PathBuf>, cell: Option<Cell>, instead: Option<RunView>) -> Self {
        Self { instead, checkpoint, cell, ..Self::default() }
    }

    /// Whether a question for neighbours is this one.
    pub fn asks(&self, job: JobId) -> bool {
        self.asked.is_some_and(|(asked, _)| asked == job)
    }

    /// The list of the clicked cell, if it has come.
    pub fn list(&self) -> Option<&NeighbourList> {
        let cell = self.cell?;
        self.lists.iter().rev().find(|(known, _)| *known == cell).map(|(_, list)| list)
    }

    /// The norms have come. A cell that was clicked in another grid is kept if this one has it.
    pub fn take_grid(&mut self, grid: Box<PrefixGrid>) {
        self.cell.take_if(|cell| cell.layer >= grid.n_layers || cell.position >= grid.n_virtual);
        self.grid = Some(grid);
        self.grid_job = None;
    }

    /// The lists for the question under way have come: they answer what was asked, whatever was clicked since.
    pub fn neighbours(&mut self, lists: Vec<NeighbourList>) {
        self.phase = None;
        let Some((_, asked)) = self.asked.take() else { return };
        self.lists
            .extend(lists.into_iter().map(|list| (Cell { layer: list.layer, position: list.position, ..asked }, list)));
    }

    /// All lists that have come, as a table.
    pub fn to_csv(&self) -> String {
        neighbours_table(self.lists.iter().map(|(cell, list)| ((cell.side, cell.metric, cell.space), list)))
    }
}

/// Whether a run has a checkpoint or an adapter to look into.
pub fn can_be_explored(row: &RunRow) -> bool {
    let is_written =
        row.best_loss.is_some() || row.state == RunState::Finished || (row.state == RunState::Stopped && row.step > 0);
    is_written && !row.files_missing
}
