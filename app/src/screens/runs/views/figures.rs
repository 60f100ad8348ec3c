//! Views that judge runs by one figure: what is worth its cost, the best so far, means over seeds.

use super::choices::{Cost, Views};
use super::facts::Facts;
use super::scale::{Scale, cells};
use super::view::{SeedGroup, Tone, View};
use crate::charts::{Axis, Chart, Mark};
use crate::format::shortened;
use crate::screens::saving::sheet::{Sheet, number};
use crate::store::RunRow;
use crate::study::{Group, best_so_far, less_is_better, over_seeds, pareto};
use crate::t;

/// Numbers of a figure; words are none.
fn numbers(rows: &[&RunRow], figure: &str) -> Vec<Option<f64>> {
    let scale = Scale::of(&cells(rows, figure));
    if scale.names.is_empty() { scale.values } else { vec![None; rows.len()] }
}

impl Cost {
    /// What a run has cost.
    pub(super) fn of(self, row: &RunRow) -> Option<f64> {
        match self {
            Self::Trained => row.trained_parameters.map(|n| n as f64),
            Self::Stored => row.stored_parameters.map(|n| n as f64),
            Self::Seconds => (row.duration_secs > 0.0).then_some(row.duration_secs),
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Trained => t!("views.trained"),
            Self::Stored => t!("views.stored"),
            Self::Seconds => t!("views.seconds"),
        }
    }
}

fn axes(x: &str, log_x: bool, y: String, log_y: bool) -> Chart {
    let x = Axis { label: x.to_owned(), log: log_x, names: Vec::new() };
    Chart { x, y: Axis { label: y, log: log_y, names: Vec::new() }, ..Chart::default() }
}

/// A figure against what it costs, with the runs that no other beats in both.
pub(super) fn front(rows: &[&RunRow], facts: &Facts, views: &Views) -> View {
    let figure = facts.figure(&views.figure);
    let cost = views.cost;
    let values = numbers(rows, figure);
    let both = |index: usize| Some((cost.of(rows[index])?, values[index]?));
    let log = |value: f64, is_log: bool| !is_log || value > 0.0;
    let known: Vec<(usize, (f64, f64))> = (0..rows.len())
        .filter_map(|index| Some((index, both(index)?)))
        .filter(|(_, (x, y))| log(*x, views.log_cost) && log(*y, views.log_figure))
        .collect();
    let points: Vec<(f64, f64)> = known.iter().map(|(_, point)| *point).collect();
    let front = pareto(&points, less_is_better(figure));
    let mut view = View {
        chart: axes(cost.name(), views.log_cost, facts.shown(figure), views.log_figure),
        sheet: Sheet::new([t!("views.run"), cost.name(), &facts.shown(figure), t!("views.on_front")]),
        chosen: front.iter().map(|place| known[*place].0).collect(),
        without: rows.len() - known.len(),
        ..View::default()
    };
    let beaten: Vec<&(usize, (f64, f64))> = known.iter().filter(|(index, _)| !view.chosen.contains(index)).collect();
    let rest = beaten.iter().map(|(_, (x, y))| [*x, *y]).collect();
    let rest_owners = beaten.iter().map(|(index, _)| *index).collect();
    let on_front: Vec<[f64; 2]> = front.iter().map(|place| [points[*place].0, points[*place].1]).collect();
    view.push(t!("views.beaten"), Mark::Points, Tone::Muted, rest, rest_owners);
    let chosen = view.chosen.clone();
    view.push(t!("views.front"), Mark::LineAndPoints, Tone::Accent, on_front, chosen);
    for (index, (x, y)) in &known {
        let is_on = if view.chosen.contains(index) { t!("views.yes") } else { t!("views.no") };
        view.sheet.rows.push(vec![rows[*index].name.clone(), number(*x), number(*y), is_on.to_owned()]);
    }
    view
}

/// A figure over the runs in the order they were made, with the best so far as a staircase.
pub(super) fn staircase(rows: &[&RunRow], facts: &Facts, views: &Views) -> View {
    let figure = facts.figure(&views.figure);
    let values = numbers(rows, figure);
    let mut order: Vec<usize> = (0..rows.len()).filter(|index| values[*index].is_some()).collect();
    order.sort_by(|a, b| (rows[*a].created, &rows[*a].id).cmp(&(rows[*b].created, &rows[*b].id)));
    let figures: Vec<f64> = order.iter().filter_map(|index| values[*index]).collect();
    let best = best_so_far(&figures, less_is_better(figure));
    let placed = |values: &[f64]| (1..).zip(values).map(|(n, value)| [f64::from(n), *value]).collect::<Vec<_>>();
    let mut view = View {
        chart: axes(t!("views.runs_made"), false, facts.shown(figure), views.log_figure),
        sheet: Sheet::new([t!("views.run"), &facts.shown(figure), t!("views.best_so_far")]),
        without: rows.len() - order.len(),
        ..View::default()
    };
    let is_record = |at: usize| at == 0 || best[at] != best[at - 1];
    view.chosen = (0..order.len()).filter(|at| is_record(*at)).map(|at| order[at]).collect();
    view.push(t!("views.runs"), Mark::Points, Tone::Muted, placed(&figures), order.clone());
    view.push(t!("views.best_so_far"), Mark::Steps, Tone::Accent, placed(&best), Vec::new());
    for ((index, value), best) in order.iter().zip(&figures).zip(&best) {
        view.sheet.rows.push(vec![rows[*index].name.clone(), number(*value), number(*best)]);
    }
    view
}

/// Means over seeds with their intervals, and the runs behind them.
pub(super) fn seeds(rows: &[&RunRow], facts: &Facts, views: &Views) -> View {
    let figure = facts.figure(&views.figure);
    let values = numbers(rows, figure);
    let has_mean = |group: &Group| group.mean.is_some();
    let groups: Vec<Group> = over_seeds(rows, figure).into_iter().filter(has_mean).collect();
    let mut chart = axes("", false, facts.shown(figure), views.log_figure);
    chart.x.names = groups.iter().map(|group| shortened(&group.label, 40)).collect();
    let head = [t!("views.group"), t!("views.n_runs"), t!("views.mean"), t!("views.half_width")];
    let mut view = View { chart, sheet: Sheet::new(head), ..View::default() };
    let (mut means, mut band, mut single, mut owners) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (place, group) in groups.iter().enumerate() {
        let (x, mean) = (place as f64, group.mean.unwrap_or(f64::NAN));
        let half = group.half_width.unwrap_or(0.0);
        means.push([x, mean]);
        band.push([mean - half, mean + half]);
        let known = group.runs.iter().filter_map(|run| Some((*run, values[*run]?)));
        for (run, value) in known {
            // Beside the mean, so that neither lies on the other.
            single.push([x + 0.08, value]);
            owners.push(run);
        }
    }
    view.without = rows.len() - owners.len();
    view.push(t!("views.runs"), Mark::Points, Tone::Muted, single, owners);
    view.push(t!("views.mean_interval"), Mark::Points, Tone::Accent, means, Vec::new());
    if let Some(series) = view.chart.series.last_mut() {
        series.band = band;
    }
    for group in groups {
        let runs = group.runs.iter().filter(|run| values[**run].is_some()).count();
        let (mean, half) = (group.mean.unwrap_or(f64::NAN), group.half_width);
        let line = [group.label.clone(), runs.to_string(), number(mean), half.map(number).unwrap_or_default()];
        view.sheet.rows.push(line.into());
        view.groups.push(SeedGroup { label: group.label, runs, mean, half_width: half });
    }
    view
}
