//! Inside a prefix: the grid of norms and the nearest tokens of its cells.

use std::path::PathBuf;

use engine::analysis::neighbours_table;
use engine::error::Failure;
use engine::message::{JobId, Metric, NeighbourList, Phase, PrefixGrid, Side};

/// What a list of neighbours was asked for.
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
}

/// The screen *Explorer*.
#[derive(Clone, Debug, Default)]
pub struct Exploration {
    /// The checkpoint that is shown.
    pub checkpoint: Option<PathBuf>,
    /// Its norms.
    pub grid: Option<Box<PrefixGrid>>,
    /// The question for norms that is under way.
    pub grid_job: Option<JobId>,
    /// The cell that was clicked.
    pub cell: Option<Cell>,
    /// The question for neighbours that is under way.
    pub job: Option<JobId>,
    /// What it is doing.
    pub phase: Option<Phase>,
    /// Lists that have come, newest last.
    pub lists: Vec<(Cell, NeighbourList)>,
    /// What went wrong.
    pub failure: Option<Failure>,
}

impl Exploration {
    /// Begins with another checkpoint.
    pub fn look_at(&mut self, checkpoint: PathBuf) {
        *self = Self { checkpoint: Some(checkpoint), ..Self::default() };
    }

    /// The list of the clicked cell, if it has come.
    pub fn list(&self) -> Option<&NeighbourList> {
        let cell = self.cell?;
        self.lists.iter().rev().find(|(known, _)| *known == cell).map(|(_, list)| list)
    }

    /// The lists for the clicked cell's question have come.
    pub fn neighbours(&mut self, lists: Vec<NeighbourList>) {
        self.job = None;
        self.phase = None;
        let Some(asked) = self.cell else { return };
        self.lists
            .extend(lists.into_iter().map(|list| (Cell { layer: list.layer, position: list.position, ..asked }, list)));
    }

    /// All lists that have come, as a table.
    pub fn to_csv(&self) -> String {
        neighbours_table(self.lists.iter().map(|(cell, list)| (cell.side, cell.metric, list)))
    }
}

/// Whether a score says more than its null: beyond what random vectors reach by two standard deviations, and beyond the
/// best that the values before training reached.
pub fn above_null(score: f32, metric: Metric, list: &NeighbourList) -> bool {
    let (mean, sd) = list.random_best;
    let before = list.initial.first().map(|neighbour| neighbour.score);
    match metric {
        Metric::Cosine | Metric::Dot => score > mean + 2.0 * sd && before.is_none_or(|before| score > before),
        Metric::L2 => score < mean - 2.0 * sd && before.is_none_or(|before| score < before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::message::Neighbour;

    #[test]
    fn a_score_has_to_beat_both_nulls() {
        let near = |score| Neighbour { token: 1, text: "a".into(), score };
        let mut list = NeighbourList {
            layer: 0,
            position: 0,
            nearest: vec![near(0.9)],
            initial: vec![near(0.95)],
            random_best: (0.1, 0.05),
            vocabulary: (0.0, 0.1),
        };
        assert!(!above_null(0.9, Metric::Cosine, &list), "it was nearer before training");
        assert!(above_null(0.96, Metric::Cosine, &list));
        list.initial.clear();
        assert!(above_null(0.9, Metric::Cosine, &list));
        assert!(!above_null(0.19, Metric::Cosine, &list), "random vectors reach that");
        assert!(above_null(-0.5, Metric::L2, &list), "nearer is smaller");
    }
}
