//! A view of several runs as data: a chart, what each of its points belongs to, and the same as a table.

use crate::charts::{Chart, Mark, Series};
use crate::screens::saving::sheet::Sheet;

/// What is seen in a tab.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct View {
    /// The chart, as it is drawn here and in a file.
    pub(super) chart: Chart,
    /// One for each series.
    pub(super) tones: Vec<Tone>,
    /// Indices of the runs behind each point of each series; a series that no run stands behind has none.
    pub(super) owners: Vec<Vec<usize>>,
    /// The numbers.
    pub(super) sheet: Sheet,
    /// Indices of the runs that stand out, in their order.
    pub(super) chosen: Vec<usize>,
    /// Runs that have no value here.
    pub(super) without: usize,
    /// Groups of runs that differ in their seed, where those are seen.
    pub(super) groups: Vec<SeedGroup>,
}

/// A group of runs that differ in their seed, in words and numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeedGroup {
    /// What it has and others have not.
    pub(super) label: String,
    /// Runs with the figure.
    pub(super) runs: usize,
    /// Their mean.
    pub(super) mean: f64,
    /// Half of the interval.
    pub(super) half_width: Option<f64>,
}

/// A color by what it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tone {
    /// One of several of one rank.
    Series(usize),
    /// A number between the least and the greatest.
    Ramp(f32),
    /// What is meant.
    Accent,
    /// What is there too.
    Muted,
}

impl View {
    /// Adds a series.
    pub(super) fn push(&mut self, name: &str, mark: Mark, tone: Tone, points: Vec<[f64; 2]>, owners: Vec<usize>) {
        self.chart.series.push(Series { name: name.to_owned(), points, band: Vec::new(), mark });
        self.tones.push(tone);
        self.owners.push(owners);
    }

    /// The run behind a point.
    pub(super) fn owner(&self, series: usize, at: usize) -> Option<usize> {
        self.owners.get(series)?.get(at).copied()
    }
}
