//! What can be asked of several runs at once: any setting and any figure by its name, what differs between runs, means
//! over seeds, which runs are not beaten. Plain computation over rows of the store; the table, the pictures, the command
//! line and the report read it.

use serde_json::Value;

use crate::store::RunRow;

/// A value of a run under a name, as it is compared and shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Settings, sizes, figures, seconds.
    Number(f64),
    /// Words, paths, methods.
    Text(String),
    /// Switches.
    Flag(bool),
}

/// The value of a run under a name: a column (`loss`, `state`, `minutes`, `trained`), a setting by its path or the end of
/// it (`method.n_virtual`, `n_virtual`), or a figure (`accuracy`, `test/bleu`). `None` where the run has none.
pub fn cell(row: &RunRow, name: &str) -> Option<Cell> {
    let _ = (row, name);
    todo!()
}

/// A name under which some run has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The shortest that is clear.
    pub short: String,
    /// The whole path.
    pub full: String,
    /// A figure, a setting, or a column of every run.
    pub kind: NameKind,
}

/// What stands behind a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameKind {
    /// A column that every run has.
    Column,
    /// A setting.
    Setting,
    /// A figure of evaluations.
    Figure,
}

/// All names under which some run has a value, columns first, then figures, then settings in the order of the schema.
pub fn names(rows: &[&RunRow]) -> Vec<Name> {
    let _ = rows;
    todo!()
}

/// Settings that are not the same in all runs, by their full names, with each run's value in the order of the runs.
/// Name, device and what follows from another setting are left out.
pub fn differences(rows: &[&RunRow]) -> Vec<(String, Vec<Option<Value>>)> {
    let _ = rows;
    todo!()
}

/// Runs that differ in nothing but their seed, with the mean of a figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Indices of the runs.
    pub runs: Vec<usize>,
    /// What this group has and another has not, in a few words.
    pub label: String,
    /// Mean over the runs that have the figure.
    pub mean: Option<f64>,
    /// Half the width of the 95 % interval of the mean by Student's t; `None` of fewer than two.
    pub half_width: Option<f64>,
}

/// Groups runs that differ in seeds alone, in the order of their first run.
pub fn over_seeds(rows: &[&RunRow], figure: &str) -> Vec<Group> {
    let _ = (rows, figure);
    todo!()
}

/// Whether less is better of a figure: losses, perplexities, error rates, sizes, times.
pub fn less_is_better(figure: &str) -> bool {
    let _ = figure;
    todo!()
}

/// Indices of the points that no other beats in both, from the least `x` on. Less is better of `x`, which is a cost.
pub fn pareto(points: &[(f64, f64)], less_is_better: bool) -> Vec<usize> {
    let _ = (points, less_is_better);
    todo!()
}

/// The best value so far, point by point.
pub fn best_so_far(values: &[f64], less_is_better: bool) -> Vec<f64> {
    let _ = (values, less_is_better);
    todo!()
}
