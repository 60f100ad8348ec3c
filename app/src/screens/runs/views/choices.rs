//! Choices of a user about several runs at once: kept from one start to the next.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::screens::saving::Saving;

/// What is looked at, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::screens::runs) struct Views {
    /// The tab that is shown.
    pub(super) tab: Tab,
    /// Of the curves.
    pub(super) curves: CurveChoices,
    /// Of the scatter plot.
    pub(super) scatter: ScatterChoices,
    /// The figure that the other tabs judge runs by.
    pub(super) figure: String,
    /// What a figure is paid with.
    pub(super) cost: Cost,
    /// The cost in powers of ten.
    pub(super) log_cost: bool,
    /// The figure in powers of ten.
    pub(super) log_figure: bool,
    /// Parallel axes that are not shown.
    pub(super) hidden_axes: BTreeSet<String>,
    /// Intervals of parallel axes outside of which runs fade, as shares of the axis; for as long as the window is open.
    #[serde(skip)]
    pub(super) brushes: BTreeMap<String, (f64, f64)>,
    /// Curves that are seen alone; all if there is none.
    #[serde(skip)]
    pub(super) isolated: BTreeSet<String>,
    /// The question that is open: where to write.
    #[serde(skip)]
    pub(super) saving: Option<Saving>,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            tab: Tab::default(),
            curves: CurveChoices::default(),
            scatter: ScatterChoices::default(),
            figure: "loss".into(),
            cost: Cost::default(),
            log_cost: true,
            log_figure: false,
            hidden_axes: BTreeSet::new(),
            brushes: BTreeMap::new(),
            isolated: BTreeSet::new(),
            saving: None,
        }
    }
}

impl Views {
    /// Takes in a place that was chosen in a dialog.
    pub(in crate::screens::runs) fn picked(&mut self, path: &Path) {
        if let Some(saving) = &mut self.saving {
            saving.to = path.display().to_string();
        }
    }
}

/// The ways to look at several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tab {
    /// Curves over each other.
    #[default]
    Curves,
    /// Settings that are not equal.
    Differences,
    /// Any setting or figure against any figure.
    Scatter,
    /// An axis for each setting that differs.
    Parallel,
    /// What is worth its cost.
    Pareto,
    /// The best figure so far, run by run.
    BestSoFar,
    /// Means over runs that differ in their seed.
    Seeds,
}

/// What a curve's horizontal axis counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Horizontal {
    /// Optimizer steps.
    #[default]
    Step,
    /// Passes over the rows.
    Epoch,
    /// Tokens seen.
    Tokens,
    /// Time of computation.
    Time,
}

/// How curves are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CurveChoices {
    /// Name of the figure, as the store has it.
    pub(super) name: String,
    /// What is counted to the right.
    pub(super) by: Horizontal,
    /// The horizontal axis in powers of ten.
    pub(super) log_x: bool,
    /// The vertical axis in powers of ten.
    pub(super) log_y: bool,
    /// Weight of the moving average.
    pub(super) smoothing: f64,
    /// The setting that colors them; empty is a color for each run.
    pub(super) color: String,
    /// The mean over seeds in place of the runs.
    pub(super) mean: bool,
}

impl Default for CurveChoices {
    fn default() -> Self {
        Self {
            name: "loss".into(),
            by: Horizontal::Step,
            log_x: false,
            log_y: false,
            smoothing: 0.6,
            color: String::new(),
            mean: false,
        }
    }
}

/// The axes of the scatter plot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ScatterChoices {
    /// To the right; empty is the first setting that differs.
    pub(super) x: String,
    /// Upwards.
    pub(super) y: String,
    /// What colors the points; empty is nothing.
    pub(super) color: String,
    /// In powers of ten.
    pub(super) log_x: bool,
    /// In powers of ten.
    pub(super) log_y: bool,
}

impl Default for ScatterChoices {
    fn default() -> Self {
        Self { x: String::new(), y: "loss".into(), color: String::new(), log_x: false, log_y: false }
    }
}

/// What a figure is paid with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Cost {
    /// Parameters that are trained.
    #[default]
    Trained,
    /// Parameters that are kept.
    Stored,
    /// Time of computation.
    Seconds,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_survive_a_restart_and_an_older_desk_has_the_defaults() {
        let mut views = Views { tab: Tab::Pareto, cost: Cost::Seconds, ..Views::default() };
        views.curves.smoothing = 0.95;
        let kept = serde_json::to_string(&views).unwrap();
        assert_eq!(serde_json::from_str::<Views>(&kept).unwrap(), views);
        assert_eq!(serde_json::from_str::<Views>("{\"tab\": \"pareto\"}").unwrap().figure, "loss");
    }

    #[test]
    fn what_is_pointed_at_is_forgotten() {
        let mut views = Views::default();
        views.isolated.insert("a".into());
        views.brushes.insert("rate".into(), (0.0, 0.5));
        let kept: Views = serde_json::from_str(&serde_json::to_string(&views).unwrap()).unwrap();
        assert!(kept.isolated.is_empty() && kept.brushes.is_empty());
    }
}
